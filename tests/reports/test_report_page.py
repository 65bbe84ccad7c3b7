"""The HTML page in a real browser: nothing leaves, nothing overflows, the first screen answers."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.build import build_report
from reports.page.html import write_html
from tests.browser_pages import chromium
from tests.report_tables import write_tables

LONG = "a method with <b>tags</b> & a name " + "x" * 120


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    write_html(build_report(write_tables(folder / "tables")), folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def hostile_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    tables = write_tables(folder / "tables", names=("fp32", LONG, "c" * 90), context={"name": "n" * 200})
    write_html(build_report(tables), folder / "report.html")
    return folder / "report.html"


def _open(browser: Any, file: Path, width: int, scheme: str = "light") -> tuple[Any, list[str], list[str]]:
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(20_000)
    page.goto(file.as_uri())
    return page, requests, complaints


@pytest.mark.parametrize("width", [390, 768, 1440])
@pytest.mark.parametrize("which", ["page_file", "hostile_file"])
def test_nothing_leaves_and_nothing_overflows(
    browser: Any, which: str, width: int, request: pytest.FixtureRequest
) -> None:
    file = request.getfixturevalue(which)
    page, requests, complaints = _open(browser, file, width)
    assert requests == [file.as_uri()]
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("script").count() == 0
    page.close()


def test_the_first_screen_answers(browser: Any, page_file: Path) -> None:
    page, _, _ = _open(browser, page_file, 1440)
    for selector in (".lead", "#accuracy_bits .plot.wide svg", ".highlights"):
        box = page.locator(selector).first.bounding_box()
        assert box is not None
        assert box["y"] + box["height"] <= 900, selector
    page.close()


@pytest.mark.parametrize(("width", "shown", "hidden"), [(1440, "wide", "narrow"), (390, "narrow", "wide")])
def test_each_width_has_its_figure(browser: Any, page_file: Path, width: int, shown: str, hidden: str) -> None:
    page, _, _ = _open(browser, page_file, width)
    assert page.locator(f"#accuracy_bits .plot.{shown}").is_visible()
    assert not page.locator(f"#accuracy_bits .plot.{hidden}").is_visible()
    assert page.locator(f"#accuracy_bits .plot.{shown} path").count() > 10
    page.close()


def test_figures_follow_the_colour_scheme(browser: Any, page_file: Path) -> None:
    inks = {}
    script = "getComputedStyle(document.querySelector('#deployment_energy .plot.wide text')).fill"
    for scheme in ("light", "dark"):
        page, _, _ = _open(browser, page_file, 1440, scheme)
        paper = page.evaluate("getComputedStyle(document.querySelector('section')).backgroundColor")
        inks[scheme] = (page.evaluate(script), paper)
        page.close()
    brightness = {
        scheme: [sum(int(part) for part in colour.strip("rgba()").split(",")[:3]) for colour in colours]
        for scheme, colours in inks.items()
    }
    assert brightness["light"][1] - brightness["light"][0] > 300
    assert brightness["dark"][0] - brightness["dark"][1] > 300


def test_wide_tables_are_reachable_by_keyboard(browser: Any, page_file: Path) -> None:
    page, _, _ = _open(browser, page_file, 390)
    page.locator(".scroll").first.focus()
    assert page.evaluate("document.activeElement.className") == "scroll"
    page.evaluate(
        "() => { window.moved = new Promise(done => "
        "document.activeElement.addEventListener('scroll', () => done(true))); }"
    )
    page.keyboard.press("ArrowRight")
    assert page.evaluate("window.moved")
    page.close()
