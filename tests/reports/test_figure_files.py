"""The files of figures: every one with its data, as wide as the venue's columns."""

import re
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from harness.core.errors import UsageError
from reports.build import build_report
from reports.document import Bars, Curves
from reports.figures.data import figure_csv
from reports.figures.files import write_figures
from reports.figures.venues import VENUES, venue
from reports.latex.fragment import render_latex
from tests.report_tables import write_tables

POINTS_PER_INCH = 72


def test_every_figure_stands_beside_its_data(tmp_path: Path) -> None:
    report = build_report(write_tables(tmp_path / "tables"))
    folder = write_figures(report, tmp_path)
    for figure in report.figures():
        assert {path.suffix for path in folder.glob(f"{figure.key}.*")} == {".svg", ".pdf", ".csv"}
        data = pd.read_csv(folder / f"{figure.key}.csv", keep_default_na=False)
        for panel in figure.panels:
            here = data[data["panel"] == panel.title]
            if isinstance(panel, Curves):
                means = here[here["run"] == "mean"]
                drawn = [point for curve in panel.curves for point in curve.points]
                assert list(zip(means["x"].astype(float), means["y"].astype(float), strict=True)) == drawn
                assert len(here) == len(drawn) + sum(len(run) for curve in panel.curves for run in curve.repeats)
            elif isinstance(panel, Bars):
                totals = here[here["part"] == "total"]
                assert totals["high"].astype(float).tolist() == [bar.high for bar in panel.bars]
                assert len(here) == len(panel.bars) * (len(panel.parts) + 1)


@pytest.mark.parametrize("name", VENUES)
def test_figures_and_floats_are_as_wide_as_the_columns_of_a_venue(name: str, tmp_path: Path) -> None:
    report, chosen = build_report(write_tables(tmp_path / "tables")), venue(name)
    report = replace(report, sections=tuple(each for each in report.sections if each.key == "deployment"))
    folder = write_figures(report, tmp_path, chosen)
    for suffix, width_in in {"": chosen.page_in, "_column": chosen.column_in}.items():
        text = (folder / f"deployment_energy{suffix}.svg").read_text(encoding="utf-8")
        found = re.search(r'viewBox="0 0 ([\d.]+) ', text)
        assert found is not None
        assert float(found.group(1)) == pytest.approx(width_in * POINTS_PER_INCH, abs=0.1)
    assert f"else {chosen.column_in:g}in" in render_latex(report, chosen)


def test_a_venue_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="known: ieee, acm, icml, neurips"):
        venue("icmll")


def test_names_in_the_data_stay_text(tmp_path: Path) -> None:
    report = build_report(write_tables(tmp_path, names=("fp32", 'a,b\n"c"', "=1+1")))
    text = figure_csv(next(iter(report.figures())))
    (tmp_path / "figure.csv").write_text(text, encoding="utf-8")
    assert set(pd.read_csv(tmp_path / "figure.csv")["line"]) == {"fp32", 'a,b "c"', "=1+1"}
