"""One accuracy counts, and everybody who judges methods reads it: the same number wherever it is printed.

Two methods with a coded downlink at two seeds; nobody scored what clients decode of the reference at seed 0. Scores are
such that every other rule gives another number: the server's alone, the decoded ones alone, or those of lucky seeds.
"""

import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
import pytest

from harness.cli import app
from harness.commands.checks import missed, parse_checks
from harness.commands.price import price
from harness.commands.render import render, write_tables
from harness.commands.run import run
from harness.commands.until_narrow import outlook
from harness.core.errors import UsageError
from harness.ledger.store import Store
from harness.papers.verify import verify
from harness.results.runs import open_results
from harness.run.engines import local
from harness.run.engines.local import LocalEngine
from harness.spec.spec import BenchmarkSpec
from reports.build import build_report
from reports.document import Cell, Table
from reports.page import what_if
from reports.page.html import render_html
from reports.page.markdown import render_markdown
from reports.tables import lookup
from reports.tables.read import read_tables
from tests.resealed import with_table
from tests.runs import SIX_BIT, PoolHere, tiny

CODED = {"codec": SIX_BIT, "mode": "model"}
METHODS = ({"name": "ref", "downlink": CODED}, {"name": "two", "uplink": SIX_BIT, "downlink": CODED})

SERVER = {("ref", 0): 0.80, ("ref", 1): 0.90, ("two", 0): 0.70, ("two", 1): 0.84}
DECODED = {("ref", 1): 0.86, ("two", 0): 0.64, ("two", 1): 0.78}
DEPLOYED = {("ref", 0): 0.80, ("ref", 1): 0.86, ("two", 0): 0.64, ("two", 1): 0.78}

MEANS = {"ref": 0.83, "two": 0.71}
DIFFERENCE = -0.12
HALF = 0.04 * 12.706204736
"""Differences are -0.16 and -0.08; quantile 0.975 of Student's t with one degree of freedom."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with tables and reports."""
    folder = tmp_path_factory.mktemp("deployed") / "tiny"
    spec = BenchmarkSpec.model_validate(tiny(METHODS, seeds=[0, 1]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "_workers", PoolHere().workers)
        assert run(spec, folder, LocalEngine(1), lambda event: None) == {}
    for entry in Store(folder).index():
        plant(folder / "cells" / entry.cell_id / "ledger", (entry.method, entry.seed))
    render(write_tables(price(folder), folder), folder)
    return folder


def plant(ledger: Path, key: tuple[str, int]) -> None:
    """Replace test scores of a cell by those above; where there is none, nobody scored it."""

    def planted(scores: pd.DataFrame) -> pd.DataFrame:
        for metric, values in (("accuracy", SERVER), ("sent_accuracy", DECODED)):
            is_own = (scores["split"] == "test") & (scores["metric"] == metric)
            assert is_own.sum() == 1
            if key in values:
                scores.loc[is_own, "value"] = values[key]
            else:
                scores = scores[~is_own]
        return scores

    with_table(ledger, "scores", planted)


@pytest.fixture(scope="module")
def frames(folder: Path) -> Mapping[str, pd.DataFrame]:
    return price(folder).frames


def comparison(folder: Path) -> dict[str, dict[str, Cell]]:
    """Cells of the table of all methods, by method and column."""
    table: Table = next(each for each in build_report(folder / "tables").tables() if each.key == "comparison")
    keys = [column.key for column in table.columns]
    return {row[0].text: dict(zip(keys, row, strict=True)) for row in table.rows}


def plain(text: str) -> str:
    return text.replace("\u00a0", " ").replace("\u2212", "-")


def test_a_cell_has_the_decoded_score_where_there_is_one_and_the_facts_beside_it(
    frames: Mapping[str, pd.DataFrame],
) -> None:
    cells = frames["cells"].set_index(["method", "seed"])
    assert cells["deployed_accuracy"].to_dict() == DEPLOYED
    assert cells["test_accuracy"].to_dict() == SERVER
    assert cells["sent_test_accuracy"].dropna().to_dict() == DECODED


def test_methods_and_pairs_have_it_as_a_quantity(frames: Mapping[str, pd.DataFrame]) -> None:
    methods, pairs = (rows[rows["quantity"] == "deployed_accuracy"] for rows in (frames["methods"], frames["pairs"]))
    assert methods.set_index("method")["mean"].to_dict() == pytest.approx(MEANS)
    (row,) = pairs.itertuples()
    assert (row.method, row.reference, row.kind, row.n_pairs) == ("two", "ref", "difference", 2)
    assert (row.estimate, row.low, row.high) == pytest.approx((DIFFERENCE, DIFFERENCE - HALF, DIFFERENCE + HALF))


def test_the_terminal_prints_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["price", str(folder)]) == 0
    table = plain(capsys.readouterr().out).partition("Deployed on")[0]
    assert re.search(r"^ *ref .* 83\.0 +reference *$", table, re.MULTILINE)
    assert re.search(r"^ *two .* 71\.0 +-12\.0 \[-62\.8, \+38\.8\] *$", table, re.MULTILINE)


def test_every_report_prints_it(folder: Path) -> None:
    report, rows = build_report(folder / "tables"), comparison(folder)
    for name, mean in MEANS.items():
        assert plain(rows[name]["test_accuracy"].text) == f"{100 * mean:.1f} %"
        assert rows[name]["test_accuracy"].value == pytest.approx(mean)
    assert plain(rows["two"]["test_difference"].text) == "-12.00"
    line = next(line for line in plain(render_markdown(report)).splitlines() if line.startswith("| two"))
    assert "71.0 %" in line and "-12.00" in line
    body = plain(render_html(report)).partition('aria-labelledby="comparison-title">\n<thead>')[2]
    row = next(row for row in body.partition("</table>")[0].split("<tr") if ">two" in row)
    assert "71.0 %" in row and "-12.00" in row
    paper = (folder / "report.tex").read_text(encoding="utf-8")
    assert "71.0" in paper and "12.00" in paper


def test_reports_say_whose_score_stands_in(folder: Path) -> None:
    for part in ("comparison", "accuracy"):
        (table,) = (each for each in build_report(folder / "tables").tables() if each.key == part)
        assert "At 1 cell nobody scored the model that clients decode: the server’s counts there." in table.notes


def test_verdicts_and_highlights_read_it(folder: Path) -> None:
    tables = read_tables(folder / "tables")
    score, difference = lookup.score(tables, "two"), lookup.score_difference(tables, "two")
    assert score is not None and difference is not None
    assert (score.value, difference.value) == pytest.approx((MEANS["two"], DIFFERENCE))


def test_macros_and_verify_have_it(folder: Path, tmp_path: Path) -> None:
    macros = plain((folder / "numbers.tex").read_text(encoding="utf-8"))
    values = dict(re.findall(r"\\newcommand\{\\TinyTwo(\w+)\}\{.*raw (\S+)", macros))
    assert float(values["DeployedAccuracy"]) == pytest.approx(MEANS["two"])
    assert float(values["DeployedAccuracyDifference"]) == pytest.approx(DIFFERENCE)
    paper = tmp_path / "paper.tex"
    for typed, n_findings in ((71.0, 0), (77.0, 0), (72.0, 1)):
        paper.write_text(rf"The test accuracy of two is {typed}\,\%.", encoding="utf-8")
        assert len(verify(paper, folder).findings) == n_findings, typed


def test_the_page_that_prices_anew_draws_it(folder: Path) -> None:
    data = json.loads(what_if.what_if_data(read_tables(folder / "tables")))
    script = (Path(what_if.__file__).parent / "templates" / "what_if_page.js").read_text(encoding="utf-8")
    (name,) = set(re.findall(r"cell\.(\w*accuracy)", script))
    drawn: dict[str, list[Any]] = {}
    for cell in data["cells"]:
        drawn.setdefault(data["methods"][cell["method"]]["name"], []).append(cell[name])
    assert {method: fmean(values) for method, values in drawn.items()} == pytest.approx(MEANS)


def test_the_front_is_of_it(frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    rows = frames["pareto"]
    assert set(rows["score"]) == {"deployed_accuracy"}
    assert rows.groupby("method")["accuracy"].first().to_dict() == pytest.approx(MEANS)
    (table,) = (each for each in build_report(folder / "tables").tables() if each.key == "pareto")
    assert table.columns[1].label == "Test accuracy"
    assert [plain(row[1].text) for row in table.rows] == ["83.0 %", "71.0 %"]


def test_a_check_is_of_it(frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    checks = ["two: test_accuracy > 99", "ref: test_accuracy > 99", "two: test_difference > 99"]
    spec = open_results(folder)[0]
    said = missed(parse_checks(checks, spec), frames)
    assert [line.partition(": it is ")[2] for line in said] == ["71 for two", "83 for ref", "-12 for two"]


def test_intervals_that_are_narrowed_are_of_it(folder: Path) -> None:
    (width,) = outlook(folder).widths
    assert width.name == "test accuracy of two"
    assert width.half == pytest.approx(100 * HALF)


def test_seeds_are_planned_by_its_spread(frames: Mapping[str, pd.DataFrame], folder: Path) -> None:
    rows = frames["seeds"]
    assert set(rows.loc[rows["quantity"] == "deployed_accuracy", "spread"].round(9)) == {round(0.04 * math.sqrt(2), 9)}
    (table,) = (each for each in build_report(folder / "tables").tables() if each.key == "seeds_needed")
    (at,) = (at for at, column in enumerate(table.columns) if column.key == "deployed_accuracy_spread")
    assert plain(table.rows[0][at].text) == "5.7"


def test_tables_of_an_earlier_version_are_told_in_one_line(folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "old"
    (results / "tables").mkdir(parents=True)
    for path in (folder / "tables").iterdir():
        (results / "tables" / path.name).write_bytes(path.read_bytes())
    cells = results / "tables" / "cells.csv"
    pd.read_csv(cells).drop(columns="deployed_accuracy").to_csv(cells, index=False)
    with pytest.raises(UsageError) as caught:
        read_tables(results / "tables")
    assert str(caught.value) == (
        "cells.csv: lacks the column deployed_accuracy; these tables are of an earlier version, and "
        f"`harness report {results}` makes them anew"
    )
