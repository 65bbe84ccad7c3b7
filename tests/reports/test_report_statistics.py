"""The sections about the front, the seeds that a difference takes, and the way to the target."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reports.build import build_report
from reports.document import Section, Table
from reports.latex.fragment import render_latex
from reports.page.html import render_html
from reports.page.markdown import render_markdown
from reports.tables.columns import TABLES
from tests.report_tables import NAMES, write_tables

HOSTILE = "<b>x</b> \\input{a} $(id) 🦊 \u202eabc"


def section(folder: Path, key: str) -> Section | None:
    """The section, if there is one: every format writes it."""
    report = build_report(folder)
    own = tuple(found for found in report.sections if found.key == key)
    render_html(replace(report, sections=own))  # alone: figures of other sections are drawn by other tests
    for write in (render_latex, render_markdown):
        write(report)
    return next(iter(own), None)


def rows(folder: Path, key: str) -> dict[str, list[tuple[str, str]]]:
    found = section(folder, key)
    assert found is not None
    table = found.blocks[-1]
    assert isinstance(table, Table)
    return {row[0].text: [(cell.text, cell.detail) for cell in row[1:]] for row in table.rows}


def write_targets(folder: Path, rounds: dict[str, list[int | None]]) -> None:
    """A row per cell and grid; a round of 10 takes 1000 bits a round, twice as many for the reference."""
    found = [
        {"cell_id": f"{name}{seed}", "method": name, "seed": seed, "radio": "lte", "grid": grid}
        | {"target_accuracy": 0.9, "round": at, "total_bits": None if at is None else at * 1e6 * (1 + (name == "fp32"))}
        for name, of_seeds in rounds.items()
        for seed, at in enumerate(of_seeds)
        for grid in ("NOR", "DEU")
    ]
    pd.DataFrame(found, columns=list(TABLES["targets"])).to_csv(folder / "targets.csv", index=False)


def test_seeds_that_never_reach_the_target_are_shown(tmp_path: Path) -> None:
    folder = write_tables(tmp_path)
    courses: dict[str, list[Any]] = {"fp32": [10, 20, 30], NAMES[1]: [10, None, 20], NAMES[2]: [None, 10, None]}
    write_targets(folder, courses | {NAMES[3]: [None] * 3})
    found = rows(folder, "target")
    assert found["fp32"] == [
        ("3 of 3", ""), ("20", "10, 20, 30"), ("40.00", "20.00 to 60.00"), ("reference", "")
    ]  # fmt: skip
    # Bits relative to the reference: 10 / 20, never, 20 / 60: the median is a half.
    assert found[NAMES[1]] == [
        ("2 of 3", ""),
        ("20", "10, never, 20"),
        ("20.00", "10.00 to never"),
        ("−50.0\u00a0%", ""),
    ]
    assert found[NAMES[2]] == [("1 of 3", ""), ("never", "never, 10, never"), ("never", ""), ("never", "")]
    assert found[NAMES[3]] == [("0 of 3", ""), ("never", "never, never, never"), ("never", ""), ("never", "")]


def test_a_method_without_cells_and_a_reference_that_never_reached(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, failed=[(NAMES[3], seed) for seed in range(3)])
    write_targets(folder, {"fp32": [None] * 3, NAMES[1]: [10, 10, 10], NAMES[2]: [None] * 3})
    found = rows(folder, "target")
    assert found[NAMES[1]][-1] == ("only here reached", "")
    assert found[NAMES[2]][-1] == ("not known", "")
    assert {text for text, _ in found[NAMES[3]]} == {"no finished cell"}


def test_the_front_is_marked_and_what_is_not_on_it_is_told_by_whom(tmp_path: Path) -> None:
    found = rows(write_tables(tmp_path), "pareto")
    total = {name: cells[2] for name, cells in found.items()}
    assert total["fp32"][1] == "beaten by QuantFL 6-bit"
    assert total["EF-SignSGD"][1] == "on the front" or total["EF-SignSGD"][1].startswith("beaten")
    assert total["QuantFL 6-bit"][1] == "on the front"


@pytest.mark.parametrize("names", [("fp32",), ()])
def test_fewer_than_two_methods_have_no_front(names: tuple[str, ...], tmp_path: Path) -> None:
    folder = write_tables(tmp_path, names=names or ("fp32",), n_seeds=2 if names else 0)
    assert section(folder, "pareto") is section(folder, "seeds_needed") is None


def test_planned_seeds_warn_of_a_small_pilot(tmp_path: Path) -> None:
    folder = write_tables(tmp_path / "three")
    found = section(folder, "seeds_needed")
    assert found is not None
    assert "With 3 pairs that spread is itself uncertain" in str(found.blocks[0])
    needed = rows(folder, "seeds_needed")["QuantFL 6-bit"]
    assert needed[1] == ("0", "")
    assert needed[2] == ("deterministic", ""), "bits do not vary"
    assert needed[-1][0] == "6", "two points are far beyond the spread"
    single = section(write_tables(tmp_path / "one", n_seeds=1), "seeds_needed")
    assert single is not None
    assert "With one seed no spread is known" in str(single.blocks[0])


def test_hostile_names_are_only_text(tmp_path: Path) -> None:
    folder = write_tables(tmp_path, names=("fp32", HOSTILE, "x" * 200))
    report = build_report(folder)
    own = tuple(found for found in report.sections if found.key in ("pareto", "seeds_needed"))
    page, paper = render_html(replace(report, sections=own)), render_latex(report)
    assert "<b>x</b>" not in page
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "\\input{a}" not in paper
