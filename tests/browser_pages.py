"""Debian's Chromium for tests, a page in it from disk with the network blocked, and a small study that it shows."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.commands.price import price
from harness.commands.render import write_tables
from harness.commands.run import run
from harness.run.engines import local
from harness.run.engines.local import LocalEngine
from harness.spec.spec import BenchmarkSpec
from reports.build import build_report
from reports.page.html import write_html
from tests.runs import BOTH_WAYS, FP32, SIGN, PoolHere, tiny

CAMPUS = {"name": "campus", "g_per_kwh": 41, "source": "an example"}
DEEP = {"kind": "nbiot", "name": "cellar", "coverage": "extreme"}


@dataclass
class Opened:
    """A page with what it asked the network for and what it complained of."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


def cannot(reason: str) -> None:
    """Skip a test that has no browser; in CI, where there must be one, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must run the browser tests: {reason}")
    pytest.skip(reason)


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        cannot("no chromium on PATH")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        cannot("playwright is not installed")
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=arguments)
        yield running
        running.close()


def open_page(
    browser: Any,
    file: Path,
    fragment: str = "",
    width: int = 1440,
    scheme: str = "light",
    *,
    bypasses_csp: bool = False,
) -> Opened:
    """A report from disk; whatever it asks for but itself is refused and written down."""
    context = browser.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce", bypass_csp=bypasses_csp
    )
    context.set_offline(True)
    found = Opened(context.new_page())
    found.page.on("request", lambda request: found.requests.append(request.url.partition("#")[0]))
    found.page.on("console", lambda message: found.complaints.append(message.text))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.set_default_timeout(20_000)
    found.page.goto(file.as_uri() + fragment)
    return found


def run_study(folder: Path, **changes: Any) -> Path:
    """Three methods at two seeds, trained in this process, with their tables and their page."""
    settings = {
        "seeds": [0, 1],
        "scenarios": {
            "radios": ["lte", "wifi", DEEP],
            "grids": ["NOR", "DEU", CAMPUS],
            "uncertainty": {"draws": 100},
            "round_limit_s": 600,
        },
    }
    spec = BenchmarkSpec.model_validate(tiny([FP32, BOTH_WAYS, SIGN], **(settings | changes)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "_workers", PoolHere().workers)
        assert run(spec, folder, LocalEngine(1), lambda event: None) == {}
    write_html(build_report(write_tables(price(folder), folder)), folder / "report.html")
    return folder
