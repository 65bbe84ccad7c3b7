"""The best of a column and what is tied with it, by what is printed."""

from pathlib import Path

import pytest

from reports.build import build_report
from reports.document import Cell, Column, Table
from reports.latex.fragment import render_latex
from reports.latex.paper import build_paper
from reports.page.html import render_html
from reports.page.markdown import render_markdown
from reports.tables.read import read_tables
from reports.texts.best import RULE, with_best
from tests.report_tables import write_tables


def marked(cells: list[Cell], better: str = "lower") -> list[str]:
    columns = (Column("method", "Method", is_number=False), Column("x", "X", "", better))  # type: ignore[arg-type]
    table = with_best(Table("t", "T", columns, tuple((Cell(f"m{n}"), cell) for n, cell in enumerate(cells))), ("x",))
    assert (RULE in table.notes) == any(row[1].is_best for row in table.rows)
    return [row[1].text for row in table.rows if row[1].is_best]


@pytest.mark.parametrize(
    ("cells", "better", "expected"),
    [
        ([Cell("1,200"), Cell("900"), Cell("900")], "lower", ["900", "900"]),
        ([Cell("\u22121.5\u00a0%"), Cell("0.2\u00a0%")], "lower", ["\u22121.5\u00a0%"]),
        ([Cell("90.1\u00a0%", ends=("89.0", "91.2")), Cell("91.0\u00a0%", ends=("90.5", "91.5")), Cell("80.0\u00a0%")],
         "higher", ["90.1\u00a0%", "91.0\u00a0%"]),
        ([Cell("5"), Cell("5")], "lower", []),
        ([Cell("reference"), Cell("5")], "lower", []),
        ([Cell("no finished cell"), Cell("5"), Cell("6")], "lower", ["5"]),
        ([Cell("5"), Cell("6")], "", []),
    ],
)  # fmt: skip
def test_the_best_is_what_prints_best_and_what_cannot_be_told_from_it(
    cells: list[Cell], better: str, expected: list[str]
) -> None:
    assert marked(cells, better) == expected


def test_every_format_shows_the_best_and_its_rule(tmp_path: Path) -> None:
    folder = write_tables(tmp_path)
    paper, report = render_latex(build_paper(read_tables(folder))), build_report(folder)
    assert "\\textbf{" in paper
    assert RULE.split(":", maxsplit=1)[0] in paper
    assert "**" in render_markdown(report).partition("All methods")[2].partition("\n\n##")[0]
    assert '<strong class="value">' in render_html(report)


def test_projected_joules_are_never_marked(tmp_path: Path) -> None:
    table = next(table for table in build_report(write_tables(tmp_path)).tables() if table.key == "comparison")
    keys = {column.key for row in table.rows for column, cell in zip(table.columns, row, strict=True) if cell.is_best}
    assert keys and not keys & {"device_energy", "carbon"}
