"""What the page prices, against what `harness price` prints: both to the last digit, over drawn choices."""

import importlib.util
import json
import random
import re
import shlex
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import cycle, islice, pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
from typer.testing import CliRunner

from harness.cli import summary
from harness.cli.app import app
from harness.commands.price import Priced as PricedRuns
from harness.commands.price import price
from harness.commands.render import write_tables
from harness.parts import registry
from harness.price.accounting.account import account
from harness.price.accounting.assumptions import assumptions_of
from harness.price.accounting.pooled_compute import pool
from harness.price.assumptions import devices, power_supply
from harness.price.assumptions.overrides import with_changes
from harness.results.comparison import study_of
from harness.results.runs import open_results
from harness.spec.load import dump_spec
from harness.spec.spec import BenchmarkSpec
from harness.tables import deployments, pairs
from harness.tables.priced_cell import PricedCell
from reports.build import build_report
from reports.figures import draw as draw_module
from reports.page.html import write_html
from reports.page.markdown import write_markdown
from reports.texts import numbers
from reports.texts.numbers import clean
from tests.browser_pages import chromium, open_page, run_study
from tests.resealed import on_another_machine

N_SETTINGS, N_PLACES, N_RADIOS = 10, 50, 4
"""Choices of what all radios share, of a radio and a grid for each, and of radios that are drawn from."""

Choice = Mapping[str, Any]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_study(tmp_path_factory.mktemp("study") / "tiny")


@pytest.fixture
def bare_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reports whose figures are empty: for tests of what stands beside them."""
    monkeypatch.setattr(draw_module, "_saved", lambda *_: b'<svg viewBox="0 0 1 1"><style></style></svg>')


class Priced:
    """What `harness price` prints of a study, by the functions that print it, for many radios and grids at once."""

    def __init__(self, folder: Path) -> None:
        self.spec, store = open_results(folder)
        self.index = store.index()
        self.ledgers = {entry.cell_id: store.ledger(entry.cell_id) for entry in self.index}
        self.facts = price(folder).frames
        own = [entry.label for entry in self.spec.scenarios.radios]
        self.radios = [*own, *(name for name in registry.names("radio") if name not in own)]

    def printed(self, settings: Choice, places: list[tuple[str, str]]) -> list[dict[str, Any]]:
        """For each radio and grid: headings, rows and pass-through as they are printed."""
        has_grid, options = power_supply.needs_grid(settings["supply"]), [f"{key}={settings[key]}" for key in SHARED]
        grids = list(dict.fromkeys(grid for _, grid in places))
        if not has_grid and (settings["network"], settings["server"]) != ("excluded", "excluded"):
            assert len(grids) == 1
            options.append(f"operator_grid={grids[0]}")
        scenarios = with_changes(
            self.spec.scenarios, list(dict.fromkeys(r for r, _ in places)), grids if has_grid else [],
            settings["device"], options,
        )  # fmt: skip
        assumptions, costs = assumptions_of(scenarios), pool(list(self.ledgers.values()))
        results = {key: account(ledger, assumptions, costs) for key, ledger in self.ledgers.items()}
        cells = [PricedCell(entry.method, results[entry.cell_id]) for entry in self.index]
        breakdown = pd.DataFrame([row for cell in cells for row in deployments.breakdown_rows(cell.key, cell.result)])
        of_pairs = pd.DataFrame(
            pairs.pair_rows(self.facts["cells"], breakdown, self.facts["shadows"], study_of(self.spec).references)
        )
        found = []
        for radio, grid in places:
            here = breakdown[breakdown["radio"] == radio]
            here = here[here["grid"] == grid] if has_grid else here
            found.append(_as_page(here, of_pairs[of_pairs["radio"] == radio], radio))
        return found


SHARED = ("supply", "network", "server", "pue", "cast")


def _as_page(breakdown: pd.DataFrame, of_pairs: pd.DataFrame, radio: str) -> dict[str, Any]:
    """What is printed of one radio and grid, in the form that the page gives."""
    entry = {"name": radio, "title": radio, "is_fleet": False}
    context = {"device": {"title": "?"}, "scenarios": {"radios": [entry], "provisioning": "factory"}}
    frames = PricedRuns({}, context, dict)
    table = summary._deployment_table(breakdown, frames, entry)
    passed = summary._pass_through_lines(of_pairs, frames)[0].plain
    columns = [list(map(str, column.cells)) for column in table.columns]
    return {
        "headings": [str(column.header).split("\n") for column in table.columns[1:]],
        "rows": {name: cells for name, *cells in zip(*columns, strict=True)},
        "passed": passed.removeprefix(f"Pass-through on {radio}: ").split(" · "),
    }


_SAID = """choices => choices.map(choice => {
    const {columns, rows} = window.whatIf(choice);
    return {columns, rows: rows.map(({name, cells, passThrough}) => [name, cells, passThrough])};
})"""


def _in_turns(draw: random.Random, values: Iterable[Any]) -> Iterator[Any]:
    """Values in a drawn order, all of them before any comes again."""
    order = list(values)
    draw.shuffle(order)
    return cycle(order)


def test_five_hundred_choices_agree_with_harness_price_to_the_last_digit(browser: Any, study: Path) -> None:
    """Every device, supply, network, server, cast and radio is among them."""
    draw, priced = random.Random(7), Priced(study)  # noqa: S311
    drawn = {
        key: _in_turns(draw, values)
        for key, values in {
            "device": devices.names(),
            "supply": power_supply.names(),
            "network": ["excluded", "average", "marginal"],
            "server": ["excluded", "included"],
            "cast": ["unicast", "multicast"],
        }.items()
    }
    every_radio = _in_turns(draw, priced.radios)
    assert max(len(devices.names()), len(power_supply.names()), len(priced.radios) / N_RADIOS) <= N_SETTINGS
    choices, expected = [], []
    for _ in range(N_SETTINGS):
        settings = {key: next(values) for key, values in drawn.items()} | {"pue": round(draw.uniform(1, 3), 2)}
        grids = ["NOR", "DEU", "campus", "FRA", "POL", "IND"]
        if not power_supply.needs_grid(settings["supply"]):
            grids = [draw.choice(["NOR", "DEU", "ZAF"])]
        radios = list(islice(every_radio, N_RADIOS))
        places = [(radio, draw.choice(grids)) for radio in islice(cycle(radios), N_PLACES)]
        choices += [settings | {"radio": radio, "grid": grid} for radio, grid in places]
        expected += priced.printed(settings, places)
    opened = open_page(browser, study / "report.html")
    said = opened.page.evaluate(_SAID, choices)
    opened.page.context.close()
    assert len(said) == len(choices) == N_SETTINGS * N_PLACES
    for choice, page, terminal in zip(choices, said, expected, strict=True):
        assert [list(column) for column in page["columns"]] == terminal["headings"], choice
        for name, cells, passed in page["rows"]:
            assert cells == terminal["rows"][name], (choice, name)
            if passed != "reference":
                assert f"{name} {passed}" in terminal["passed"], choice


def test_the_command_that_the_page_shows_prints_what_the_page_shows(browser: Any, study: Path) -> None:
    fragment = (
        "#what-if?radio=cellar&grid=campus&device=phone&supply=rechargeable&network=average&server=included&pue=1.4"
    )
    opened = open_page(browser, study / "report.html", fragment)
    command = shlex.split(opened.page.locator("[data-place=command]").inner_text())
    rows = opened.page.locator("#what-if tbody tr").all_inner_texts()
    opened.page.context.close()
    assert command[:3] == ["harness", "price", "results/tiny"]
    done = CliRunner().invoke(app, ["price", str(study), *command[3:]], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    table = done.output.partition("Deployed on")[2]
    assert len(rows) == 3
    for row in rows:
        name, *cells = [line for line in row.replace("\t", "\n").splitlines() if line.strip()]
        values = [cell for cell in cells if " to " not in cell][:-1]
        printed = next(line for line in table.splitlines() if line.split()[:1] == [name]).split()[1:]
        assert printed == values


def test_the_command_repeats_what_the_report_was_asked_to_change(
    browser: Any, study: Path, tmp_path: Path, bare_figures: None
) -> None:
    asked = ["--set", "network=average", "--set", "embodied=calendar", "--set", "cast=multicast"]
    done = CliRunner().invoke(app, ["report", str(study), "--out", str(tmp_path), *asked])
    assert done.exit_code == 0, done.output
    opened = open_page(browser, tmp_path / "report.html", "#what-if?cast=unicast&server=included")
    command = shlex.split(opened.page.locator("[data-place=command]").inner_text())
    opened.page.context.close()
    settings = [word for before, word in pairwise(command) if before == "--set"]
    assert settings == ["network=average", "server=included", "embodied=calendar"]


def test_the_command_names_radios_and_grids_that_the_definition_lacks(
    browser: Any, study: Path, tmp_path: Path, bare_figures: None
) -> None:
    grid = {"name": "mine", "g_per_kwh": 41, "source": "me"}
    asked = ["--radio", "{kind: nbiot, coverage: extreme}", "--set", f"grids=[{json.dumps(grid)}]"]
    done = CliRunner().invoke(app, ["report", str(study), "--out", str(tmp_path), *asked])
    assert done.exit_code == 0, done.output
    opened = open_page(browser, tmp_path / "report.html")
    command = shlex.split(opened.page.locator("[data-place=command]").inner_text())
    opened.page.context.close()
    told, wanted = (
        price(study, lambda old, given=given: with_changes(old, *given)).frames["footprint"]  # type: ignore[misc]
        for given in (_changes(command[3:]), ([asked[1]], [], None, [asked[3]]))
    )
    pd.testing.assert_frame_equal(told, wanted)


def _changes(words: list[str]) -> tuple[list[str], list[str], str | None, list[str]]:
    """Options of a command as `with_changes` takes them."""
    given: dict[str, list[str]] = {"--radio": [], "--grid": [], "--device": [], "--set": []}
    for option, value in zip(words[::2], words[1::2], strict=True):
        given[option].append(value)
    return given["--radio"], given["--grid"], next(iter(given["--device"]), None), given["--set"]


def test_joules_of_different_machines_are_not_compared(
    browser: Any, study: Path, tmp_path: Path, bare_figures: None
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(study, folder)
    _, store = open_results(folder)
    for entry in store.index():
        if entry.method != "fp32":
            on_another_machine(folder / "cells" / entry.cell_id / "ledger")
    write_html(build_report(write_tables(price(folder), folder)), folder / "report.html")
    page = open_page(browser, folder / "report.html").page
    sentence = page.locator("#what-if [data-place=sentence]").inner_text()
    page.context.close()
    assert "an unknown change of joules in total" in sentence
    assert "an unknown change of CO2e" in sentence
    assert "an unknown change of device-radio joules" not in sentence


@cache
def _odd_numbers() -> tuple[float, ...]:
    draw = random.Random(3)  # noqa: S311
    ties = [sign * digits / 10**places for digits in range(5, 1000, 10) for places in range(5) for sign in (1, -1)]
    noise = [0.1 + 0.2, 12.499999999999998, 12.500000000000002, 9.95, 9.9499999999999993, 99.5, 0.0, -0.0, 1e21, 1e-300]
    drawn = [draw.uniform(-1, 1) * 10 ** draw.randint(-9, 12) for _ in range(5000)]
    return (*ties, *noise, *drawn, 999.9999999999999, 1000.0, 999999.5, 5e-324, 2.0**-18, 2.0**-20)


def test_the_page_rounds_as_python_does(browser: Any, study: Path) -> None:
    opened = open_page(browser, study / "report.html")
    script = """values => values.map(value => [2, 3, 4].map(digits => window.whatIf.significant(value, digits))
        .concat([0, 1, 2].map(decimals => window.whatIf.fixed(value, decimals)))
        .concat(window.whatIf.scale([value], 'J')[1]))"""
    said = opened.page.evaluate(script, list(_odd_numbers()))
    opened.page.context.close()
    for value, found in zip(_odd_numbers(), said, strict=True):
        assert found == [
            *(numbers.significant(value, digits) for digits in (2, 3, 4)),
            *(numbers.fixed(value, decimals) for decimals in (0, 1, 2)),
            numbers.scale([value], "J")[1],
        ], value


def _axe() -> str:
    source = importlib.util.find_spec("axe_playwright_python")
    assert source is not None and source.origin is not None
    return (Path(source.origin).parent / "axe.min.js").read_text(encoding="utf-8")


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1440), ("light", 1440)])
def test_axe_finds_nothing(browser: Any, study: Path, scheme: str, width: int) -> None:
    opened = open_page(
        browser, study / "report.html", "#what-if?radio=lorawan&server=included", width, scheme, bypasses_csp=True
    )
    opened.page.evaluate(_axe())
    found = opened.page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]
    opened.page.context.close()
    assert [(each["id"], [node["html"][:200] for node in each["nodes"][:3]]) for each in found] == []


@pytest.mark.parametrize("width", [390, 768, 1440])
def test_the_page_asks_for_nothing_complains_of_nothing_and_does_not_overflow(
    browser: Any, study: Path, width: int
) -> None:
    file = study / "report.html"
    opened = open_page(browser, file, "#what-if?radio=ble&network=marginal", width)
    for key, value in CHANGES.items():
        _choose(opened.page, key, value)
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
    opened.page.context.close()
    assert set(opened.requests) == {file.as_uri()}
    assert opened.complaints == []


CHANGES = {
    "radio": "nbiot",
    "grid": "DEU",
    "device": "phone",
    "supply": "rechargeable",
    "server": "included",
    "pue": "1.5",
    "network": "average",
    "cast": "multicast",
}
"""A change of each control, in an order in which each one matters."""

_WITHOUT_JOULES = {"grid", "supply"}
"""Controls that change grams alone."""


def _choose(page: Any, key: str, value: str) -> None:
    control = page.locator(f"#what-if [name={key}]")
    if key == "pue":
        control.fill(value)
        control.press("Tab")
    else:
        control.select_option(value)


def _shown(page: Any) -> dict[str, str]:
    places = {"sentence": "[data-place=sentence]", "table": "tbody", "bars": ".bars", "scatter": "[data-place=scatter]"}
    shown = {name: page.locator(f"#what-if {selector}").inner_html() for name, selector in places.items()}
    return shown | {"address": page.evaluate("location.hash")}


_TELL_DRAWN = "addEventListener('hashchange', () => { window.drawn = location.hash; })"
"""The address changes before the page hears of it; this listener, the last, is called once the page has drawn."""


def test_every_control_changes_what_it_should_and_the_back_button_undoes_it(browser: Any, study: Path) -> None:
    page = open_page(browser, study / "report.html").page
    page.evaluate(_TELL_DRAWN)
    before = [_shown(page)]
    for key, value in CHANGES.items():
        _choose(page, key, value)
        page.wait_for_function("key => location.hash.includes(key + '=') && window.drawn === location.hash", arg=key)
        before.append(_shown(page))
        changed = {name for name, text in before[-1].items() if text != before[-2][name]}
        assert {"sentence", "table", "scatter", "address"} <= changed, key
        assert ("bars" in changed) == (key not in _WITHOUT_JOULES), key
    shared = page.evaluate("location.hash")
    for expected in reversed(before[:-1]):
        page.go_back()
        page.wait_for_function("hash => window.drawn === hash", arg=expected["address"])
        assert _shown(page) == expected
    page.context.close()
    again = open_page(browser, study / "report.html", shared).page
    assert _shown(again) == before[-1]
    again.evaluate(_TELL_DRAWN)
    again.locator("#what-if [name=reset]").click()
    again.wait_for_function("window.drawn === location.hash")
    assert _shown(again) | {"address": ""} == before[0] | {"address": ""}
    assert "As in the definition" in again.locator("[data-place=state]").inner_text()
    again.context.close()


def test_the_contents_lead_to_a_section_and_keep_the_choice(browser: Any, study: Path) -> None:
    page = open_page(browser, study / "report.html", "#what-if?radio=ble").page
    chosen = _shown(page)["sentence"]
    page.locator('nav a[href="#carbon"]').click()
    assert page.evaluate("location.hash") == "#carbon"
    assert _shown(page)["sentence"] == chosen
    page.context.close()


@pytest.mark.parametrize(
    "fragment", ["#what-if?radio=none&grid=<b>&pue=99", "#what-if?%", "#<script>alert(1)</script>"]
)
def test_an_address_that_makes_no_sense_shows_the_definition(browser: Any, study: Path, fragment: str) -> None:
    opened = open_page(browser, study / "report.html", fragment)
    assert "As in the definition" in opened.page.locator("[data-place=state]").inner_text()
    assert opened.complaints == []
    opened.page.context.close()


def test_what_is_not_possible_is_said_in_words(browser: Any, study: Path) -> None:
    page = open_page(browser, study / "report.html", "#what-if?radio=lorawan&supply=primary").page
    notes = page.locator("#what-if [data-place=notes] li").all_inner_texts()
    page.context.close()
    assert any(note.startswith("Not possible: ") for note in notes)
    assert any("sees no grid" in note for note in notes)


def test_without_scripts_the_page_says_what_is_missing_and_all_else(browser: Any, study: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((study / "report.html").as_uri())
    assert "needs JavaScript" in page.locator("#what-if").inner_text()
    assert not page.locator("#what-if form").is_visible()
    assert page.locator("#comparison-title").is_visible()
    context.close()


HOSTILE = {
    "fp32": "</script><script>window.pwned = 1</script><!-- <b>&amp;",
    "six": r"$(touch pwned) `id` '; rm -rf x' \input{y} %1 #2 _3 ~ ^ & " + "x" * 130,
    "sign": "🦊 مرحبا שלום 模型 “é” end",
}
RADIO, GRID = "cellar </script><img src=x onerror=alert(1)> 'q' $x", "grid ]]> --> \"q\" 'q' שלום"


@pytest.fixture(scope="module")
def hostile(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study under names that try to run; nothing of it is trained again."""
    folder = tmp_path_factory.mktemp("hostile") / "results"
    shutil.copytree(study, folder)
    spec, _ = open_results(folder)
    plain = spec.model_dump(mode="json")
    plain["methods"] = [method | {"name": HOSTILE[method["name"]]} for method in plain["methods"]]
    plain["reference"] = HOSTILE[plain["reference"]]
    plain["scenarios"]["radios"] = [{"kind": "nbiot", "name": RADIO}, "ble"]
    plain["scenarios"]["grids"] = [{"name": GRID, "g_per_kwh": 41, "source": "<i>me</i>"}, "NOR"]
    index = json.loads((folder / "index.json").read_text())
    _define(folder, plain, [each | {"method": HOSTILE[each["method"]]} for each in index])
    report = build_report(write_tables(price(folder), folder))
    write_html(report, folder / "report.html")
    write_markdown(report, folder / "report.md")
    return folder


def _define(folder: Path, plain: dict[str, Any], index: list[dict[str, Any]]) -> None:
    """Another definition of the same cells."""
    (folder / "spec.yaml").write_text(dump_spec(BenchmarkSpec.model_validate(plain)), encoding="utf-8")
    (folder / "index.json").write_text(json.dumps(index))


@pytest.mark.parametrize("width", [390, 1440])
def test_hostile_names_appear_as_typed_and_never_run(browser: Any, hostile: Path, width: int) -> None:
    opened = open_page(browser, hostile / "report.html", width=width)
    page = opened.page
    names = page.locator("#what-if tbody th").all_inner_texts()
    assert names == [clean(name) for name in HOSTILE.values()]
    assert page.locator("#what-if [name=radio] option").first.inner_text().endswith(clean(RADIO))
    assert page.locator("#what-if [name=grid] option").first.inner_text() == clean(GRID)
    _choose(page, "device", "phone")
    for attribute in ("onerror", "onload", "onclick"):
        assert page.locator(f"[{attribute}]").count() == 0
    assert page.evaluate("window.pwned") is None
    assert page.locator("img, iframe, object, i, b").count() == 0
    assert page.locator("script").count() == 2
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    words = shlex.split(page.locator("[data-place=command]").inner_text())
    assert words[words.index("--radio") + 1] == RADIO
    page.context.close()
    assert opened.complaints == []
    assert set(opened.requests) == {(hostile / "report.html").as_uri()}


def test_hostile_names_stand_in_every_file_as_they_were_typed(hostile: Path) -> None:
    assert set(pd.read_csv(hostile / "tables" / "cells.csv")["method"]) == set(HOSTILE.values())
    drawn = {figure.key: draw_module.svg(figure) for figure in build_report(hostile / "tables").figures()}
    assert len(drawn) > 2
    for text in drawn.values():
        tags = {tag.tag.rpartition("}")[2] for tag in ElementTree.fromstring(text).iter()}  # noqa: S314
        assert not tags & {"script", "img", "a", "foreignObject"}
    assert "🦊 مرحبا שלום" in drawn["deployment_energy"]
    assert "</script><script>window.pwned" not in drawn["deployment_energy"]
    prose = re.sub(r"^(`{3,}).*?^\1$", "", (hostile / "report.md").read_text(encoding="utf-8"), flags=re.M | re.S)
    assert "<script" not in prose
    assert "&lt;/script&gt;" in prose


@pytest.mark.parametrize(
    ("methods", "seeds", "lost", "said"),
    [
        (["fp32"], [0, 1], (), "There is no comparison"),
        (["fp32", "six"], [0], (), "sent 84"),
        (["fp32", "six", "sign"], [0, 1], (("fp32", 0), ("fp32", 1)), "There is no comparison"),
        (["fp32", "six", "sign"], [0, 1], (("six", 0), ("six", 1)), "sign sent"),
    ],
    ids=["one method", "one seed", "no reference", "a method that failed"],
)
def test_a_study_with_gaps_says_so_and_breaks_nowhere(
    browser: Any, study: Path, tmp_path: Path, methods: list[str], seeds: list[int], lost: Any, said: str
) -> None:
    folder = tmp_path / "results"
    shutil.copytree(study, folder)
    plain = open_results(folder)[0].model_dump(mode="json") | {"seeds": seeds}
    plain["methods"] = [method for method in plain["methods"] if method["name"] in methods]
    plain["scenarios"]["radios"], plain["scenarios"]["target_accuracy"] = ["lorawan", "lte"], 0.999
    index = json.loads((folder / "index.json").read_text())
    kept = [each for each in index if each["method"] in methods and each["seed"] in seeds]
    for each in kept:
        if (each["method"], each["seed"]) in lost:
            shutil.rmtree(folder / "cells" / each["cell_id"])
    _define(folder, plain, kept)
    write_html(build_report(write_tables(price(folder), folder)), folder / "report.html")
    opened = open_page(browser, folder / "report.html")
    live, text = (opened.page.locator(selector).inner_text() for selector in ("#what-if", "main"))
    opened.page.context.close()
    assert said in live
    assert "Not possible" in live
    assert not re.search(r"\b(NaN|nan|undefined(?!:)|null|Infinity|\[object)\b", text)
    assert "not reached" in text or "never reached" in text or "no seed" in text.lower()
    assert opened.complaints == []
