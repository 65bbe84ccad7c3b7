"""Reports: what they print equals the tables, hostile names stay text, and the unknown is never zero."""

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.core.errors import UsageError
from harness.core.notes import Note, jsonable
from harness.tables.noise_floor import noise_rows
from reports.build import SECTIONS, build_report, report_of
from reports.document import Curves, Report, Sentence, Table
from reports.figures import draw
from reports.latex.fragment import render_latex
from reports.latex.paper import build_paper
from reports.page.html import render_html, write_html
from reports.page.markdown import render_markdown, write_markdown
from reports.sections.methods_text import methods_text
from reports.tables import lookup, priced
from reports.tables.columns import METHOD_QUANTITIES, PAIR_QUANTITIES, TABLES
from reports.tables.read import read_tables
from tests.report_extras import CONTRAST_NAMES, GIVEN_BITS, add_extras
from tests.report_tables import NAMES, RADIOS, write_tables

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = (
    "<script>alert(1)</script>",
    "a|b & \"c\" 'd' `e` $x^{$ \\frac 🦊",
    "NA",
    '_hidden **bold** [x](javascript:1) id="a" #0072b2',
    "L" * 180 + " very long",
    "\u202egnol\n# heading\x00",
)
OPTIONAL = ("task", "federation", "coefficients", "grids", "device", "provenance", "meter", "testbed", "boundary")
CASES = {
    "full": {},
    "one seed": {"n_seeds": 1},
    "only the reference": {"names": ("fp32",)},
    "one seed of the reference": {"names": ("fp32",), "n_seeds": 1},
    "no seed": {"names": ("fp32",), "n_seeds": 0},
    "failed reference": {"failed": [("fp32", 0), ("fp32", 1), ("fp32", 2)]},
    "nothing finished": {"names": ("a", "b"), "n_seeds": 1, "failed": [("a", 0), ("b", 0)]},
    "no joules": {"has_joules": False},
    "no radio": {"radios": ()},
    "many methods": {"names": tuple(f"m{i}" for i in range(15)), "n_seeds": 2},
    "hostile": {"names": HOSTILE, "n_seeds": 2, "failed": [(HOSTILE[2], 1)], "coverage": 0.8, "other": 0.3},
    "bare context": {"context": dict.fromkeys(OPTIONAL)},
}
EXTRAS = ("full", "one seed", "failed reference", "no radio", "many methods", "hostile")
"""Cases that are tried once more with what only some definitions ask for."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tables(tmp_path_factory.mktemp("tables"))


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return build_report(folder)


@pytest.fixture(scope="module")
def of_case(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Report]:
    """The report of a case, built once for all tests that look at it."""

    @cache
    def built(case: str) -> Report:
        return build_report(write_tables(tmp_path_factory.mktemp("case"), **CASES[case]))  # type: ignore[arg-type]

    return built


def table(report: Report, key: str) -> Table:
    return next(table for table in report.tables() if table.key == key)


def texts(report: Report, key: str, column: str) -> dict[str, str]:
    found = table(report, key)
    at = [c.key for c in found.columns].index(column)
    return {row[0].text: row[at].text for row in found.rows}


def plain(text: str) -> str:
    """Printed text with plain spaces and minus signs."""
    return text.replace("\u00a0", " ").replace("\u2212", "-")


class Page(HTMLParser):
    """Tags, ids and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_headline_numbers_equal_the_tables(folder: Path, report: Report) -> None:
    cells = pd.read_csv(folder / "cells.csv")
    pairs = pd.read_csv(folder / "pairs.csv")
    totals, changes = texts(report, "comparison", "total_bits"), texts(report, "comparison", "total_change")
    accuracies = texts(report, "comparison", "test_accuracy")
    differences = texts(report, "comparison", "test_difference")
    for name in NAMES:
        mine = cells[cells["method"] == name]
        assert float(totals[name]) == pytest.approx(mine["total_bits"].mean() / 1e6, rel=5e-4)
        assert plain(accuracies[name]) == f"{100 * mine['test_accuracy'].mean():.1f} %"
        if name != "fp32":
            rows = pairs[pairs["method"] == name].set_index("quantity")
            assert plain(changes[name]) == f"{100 * (rows.loc['total_bits', 'estimate'] - 1):+.1f} %"
            assert plain(differences[name]) == f"{100 * rows.loc['test_accuracy', 'estimate']:+.2f}"


def test_energy_and_carbon_equal_the_breakdown(folder: Path, report: Report) -> None:
    rows = pd.read_csv(folder / "breakdown.csv")
    for number, radio in enumerate(RADIOS, start=1):
        printed = table(report, f"energy_{number}")
        at = [column.key for column in printed.columns].index("total")
        for row in printed.rows:
            mine = rows[(rows["method"] == row[0].text) & (rows["radio"] == radio) & (rows["grid"] == "NOR")]
            assert row[at].value == pytest.approx(mine["energy_j"].sum() / 3)
        grams = table(report, f"carbon_{number}")
        at = [column.key for column in grams.columns].index("DEU")
        for row in grams.rows:
            mine = rows[(rows["method"] == row[0].text) & (rows["radio"] == radio) & (rows["grid"] == "DEU")]
            assert row[at].value == pytest.approx(1000 * mine["carbon_g"].sum() / 3)  # in mg


def test_the_answer_says_bits_accuracy_joules_and_pass_through(report: Report) -> None:
    lead = plain(report.sections[0].blocks[0].text)  # type: ignore[union-attr]
    assert lead.startswith(
        "QuantFL 6-bit sent 40.5 % fewer total bits in unicast (81.0 % fewer on the uplink) than fp32, at +"
    )
    assert "points (95 % CI " in lead
    assert "saves 3.1 % of device-radio joules on LTE handset 2012 (pass-through 0.077) and 44 % on Wi-Fi" in lead


def test_every_cell_of_every_table_stands_in_both_formats(report: Report) -> None:
    page = " ".join(" ".join(Page(render_html(report)).text).split())
    sheet = render_markdown(report).replace("\\", "")
    for found in report.tables():
        for row in found.rows:
            for cell in row:
                assert " ".join(cell.text.split()) in page
                assert cell.text in sheet


def test_projected_and_estimated_joules_print_two_significant_digits(report: Report) -> None:
    checked = 0
    for found in report.tables():
        for at, column in enumerate(found.columns):
            is_estimate = "(P)" in column.unit or ", P" in column.unit or column.key == "cpu_j"
            for cell in (row[at] for row in found.rows if is_estimate):
                for number in re.findall(r"[\d.,]+", f"{cell.text} {cell.detail}"):
                    digits = number.replace(",", "").replace(".", "").lstrip("0").rstrip("0")
                    assert len(digits) <= 2, (found.key, cell)
                    checked += 1
    assert checked > 100


def test_every_column_of_joules_says_its_class(report: Report) -> None:
    for found in report.tables():
        units = [column.unit for column in found.columns if re.search(r"\b[kMm]?J\b", column.unit)]
        has_class_column = "evidence" in [column.key for column in found.columns]
        assert all("(P)" in unit for unit in units) or has_class_column, found.key


def test_testbed_and_deployment_share_no_table_and_no_figure(report: Report) -> None:
    for section in report.sections:
        for block in section.blocks:
            if isinstance(block, Table):
                words = " ".join(column.label + column.unit for column in block.columns)
                assert not ("CPU energy" in words and "(P)" in words)
    assert all("estimated" not in figure.caption + figure.alt for figure in report.figures())


def test_missing_joules_are_not_measured_and_never_zero(tmp_path: Path) -> None:
    report = build_report(write_tables(tmp_path, has_joules=False))
    assert set(texts(report, "testbed_cells", "cpu_j").values()) == {"not measured"}
    assert set(texts(report, "testbed_cells", "coverage").values()) == {"not measured"}
    testbed = next(section for section in report.sections if section.key == "testbed")
    assert "not measured" in str(testbed.blocks[0])
    assert not re.search(r"\b0(\.0)?\W?[kmM]?J\b", plain(str(testbed)))


def test_joules_missing_in_one_seed_are_not_averaged_over_the_rest(folder: Path, tmp_path: Path) -> None:
    copy = write_tables(tmp_path)
    cells = pd.read_csv(copy / "cells.csv")
    cells.loc[0, "testbed_cpu_j"] = None
    cells.to_csv(copy / "cells.csv", index=False)
    printed = texts(build_report(copy), "testbed_cells", "cpu_j")
    assert printed["fp32"] == "not measured"
    assert printed["QuantFL 6-bit"] != "not measured"


def test_an_unknown_component_makes_its_total_unknown(tmp_path: Path) -> None:
    rows = pd.read_csv(write_tables(tmp_path) / "breakdown.csv")
    rows.loc[(rows["method"] == "fp32") & (rows["seed"] == 1) & (rows["component"] == "codec"), "energy_j"] = None
    rows.to_csv(tmp_path / "breakdown.csv", index=False)
    report = build_report(tmp_path)
    assert texts(report, "energy_1", "codec")["fp32"] == "not known"
    assert texts(report, "energy_1", "total")["fp32"] == "not known"
    assert texts(report, "energy_1", "uplink")["fp32"] == "1,100"
    assert "fp32" not in str(list(report.figures())[1].panels)
    render_html(report)


@pytest.mark.parametrize("case", CASES)
def test_no_case_breaks_a_writer(case: str, tmp_path: Path) -> None:
    tables = read_tables(write_tables(tmp_path / "tables", **CASES[case]))  # type: ignore[arg-type]
    report = report_of(tables)
    page = render_html(report)
    write_markdown(report, tmp_path / "report.md")
    # Nothing was named and nothing was recorded; tables about deployments are tested with real ones.
    is_single, is_unpaired = tables.cells["method"].nunique() < 2, tables.seeds.empty
    is_unpriced = tables.pairs.empty or tables.scenarios[0] == [""]
    assert len(report.sections) == len(SECTIONS) - 8 - is_single - is_unpaired - is_unpriced
    assert "nan" not in " ".join(Page(page).text).split()
    keys = [block.key for block in [*report.tables(), *report.figures()]]
    assert len(keys) == len(set(keys))
    ids = [value for name, value in Page(page).attributes if name == "id"]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("case", EXTRAS)
def test_no_case_breaks_what_only_some_ask_for(case: str, tmp_path: Path) -> None:
    report = build_report(add_extras(write_tables(tmp_path, **CASES[case])))  # type: ignore[arg-type]
    page = render_html(report)
    render_markdown(report)
    assert "nan" not in " ".join(Page(page).text).split()
    keys = [block.key for block in [*report.tables(), *report.figures()]]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("one seed", "Not enough seeds"),
        ("one seed", "one seed: no interval; not resolved"),
        ("only the reference", "there is nothing to compare it with"),
        ("failed reference", "No method has finished a seed that fp32 has finished"),
        ("nothing finished", "No cell finished, so there is no answer yet."),
        ("no radio", "No radio was priced"),
        ("hostile", "1 of 12 planned cells did not finish"),
        ("hostile", "UpdateError: NaN in round 7"),
        ("hostile", "coverage below 95 %"),
        ("hostile", "above 15 %"),
        ("bare context", "The commit of the code is not recorded."),
    ],
)
def test_gaps_are_said(case: str, said: str, of_case: Callable[[str], Report]) -> None:
    assert said in render_markdown(of_case(case)).replace("\\", "")


def test_hostile_names_stay_text(of_case: Callable[[str], Report], tmp_path: Path) -> None:
    report = of_case("hostile")
    page = Page(render_html(report))
    assert "script" not in page.tags
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in "".join(page.text)
    assert HOSTILE[1] in "".join(page.text)
    assert "\u202e" not in "".join(page.text)
    write_markdown(report, tmp_path / "report.md")
    sheet = (tmp_path / "report.md").read_text(encoding="utf-8")
    prose = sheet[: sheet.index("### Spec as resolved")]
    assert "<script" not in prose
    assert "\n# heading" not in prose
    assert not re.search(r"(?<!\\)\]\(javascript", prose)
    columns = {line.replace("\\|", "").count("|") for line in prose.splitlines() if line.startswith("| ")}
    assert all(count >= 3 for count in columns)
    for figure in report.figures():
        drawn = "".join(ET.fromstring(draw.svg(figure)).itertext())  # noqa: S314
        assert "<script>" in drawn
        assert "_hidden" in drawn


def test_what_a_codec_wants_said_where_it_is_used_is_said_with_its_source(tmp_path: Path) -> None:
    said = {"caveats": [{"codec": "quantfl", "text": "No reproduction."}]}
    folders = [
        write_tables(tmp_path / "with", context=said),
        write_tables(tmp_path / "without", context={"caveats": []}),
    ]
    told, untold = ([s for p in methods_text(read_tables(folder)) for s in p.sentences] for folder in folders)
    caveat = Sentence("No reproduction.", ("herath2026",))
    assert caveat in told
    assert [sentence for sentence in told if sentence != caveat] == untold


def test_a_method_called_na_is_a_method(tmp_path: Path) -> None:
    tables = read_tables(write_tables(tmp_path, names=("NA", "null", "nan")))
    assert set(tables.cells["method"]) == {"NA", "null", "nan"}
    assert lookup.seeds_finished(tables, "NA") == 3


def test_accuracy_holds_only_if_the_lower_end_is_above_half_a_point() -> None:
    def said(low: float | None, high: float | None) -> str:
        return lookup.verdict(lookup.Estimate(3, -0.002, low, high, ""))

    assert said(-0.0049, 0.001) == "holds"
    assert said(-0.005, 0.001) == "not resolved"
    assert said(-0.03, -0.01) == "not resolved"
    assert said(None, None) == "not resolved"
    assert lookup.verdict(None) == "not compared"


def test_equal_scores_at_all_seeds_are_not_called_deterministic(tmp_path: Path) -> None:
    pairs = pd.read_csv(write_tables(tmp_path) / "pairs.csv")
    scores = pairs["quantity"].str.endswith("_accuracy") & (pairs["method"] == "QuantFL 6-bit")
    pairs.loc[scores, "estimate"] = 0.0
    pairs.loc[scores, ["low", "high"]] = float("nan")
    pairs.loc[scores, "note"] = "the same at every seed: no interval"
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    report = build_report(tmp_path)
    lead = report.sections[0].blocks[0].text  # type: ignore[union-attr]
    assert "at 0.00 points (the same at every seed: no interval) of test accuracy" in plain(lead)
    assert "deterministic" not in str(table(report, "accuracy"))


def test_what_a_radio_leaves_out_is_printed(tmp_path: Path) -> None:
    radios = [{"name": "wifi", "title": "Wi-Fi", "notes": jsonable([Note("remark", "scanning is not charged")])}]
    report = build_report(write_tables(tmp_path, context={"scenarios": {"radios": radios}}))
    assert table(report, "energy_2").notes == ("scanning is not charged",)


def test_quantfl_is_after_the_abstract_and_nothing_is_significant(report: Report) -> None:
    sheet = render_markdown(report)
    assert "after the abstract of Herath et al., arXiv 2603.17507" in sheet
    assert "significan" not in sheet.lower()


def test_the_bits_axis_is_logarithmic_only_if_the_range_asks(folder: Path, tmp_path: Path) -> None:
    def axes(tables: Path) -> list[Curves]:
        panels = next(iter(build_report(tables).figures())).panels
        assert all(isinstance(panel, Curves) for panel in panels)
        return list(panels)  # type: ignore[arg-type]

    # One method sends a thirtieth of the uplink bits: both axes are logarithmic, so that they can be compared.
    assert [panel.is_x_log for panel in axes(folder)] == [True, True]
    assert min(x for panel in axes(folder) for curve in panel.curves for x, _ in curve.points) > 0
    near = axes(write_tables(tmp_path, names=NAMES[:2]))
    assert [panel.is_x_log for panel in near] == [False, False]
    assert [panel.curves[0].points[0][0] for panel in near] == [0, 0]


def test_the_curve_is_the_mean_over_seeds(folder: Path, report: Report) -> None:
    rows = pd.read_csv(folder / "trajectories.csv")
    mine = rows[(rows["method"] == "QuantFL 6-bit") & (rows["split"] == "validation") & (rows["round"] == 20)]
    panels = next(iter(report.figures())).panels
    for key, panel in zip(("uplink_bits", "total_bits"), panels, strict=True):
        assert isinstance(panel, Curves)
        curve = next(curve for curve in panel.curves if curve.label == "QuantFL 6-bit")
        # Round 0 is outside the logarithmic axis.
        assert curve.points[3] == pytest.approx((mine[key].mean() / 1e6, 100 * mine["accuracy"].mean()))
        assert len(curve.repeats) == 3


def test_text_of_a_figure_stays_text(report: Report) -> None:
    assert "<text" in draw.svg(next(iter(report.figures())))


def test_building_loads_neither_torch_nor_matplotlib_nor_the_statistics(folder: Path) -> None:
    code = (
        "import sys, pathlib; from reports.build import build_report; import reports.page.html, reports.page.markdown; "
        "reports.page.markdown.render_markdown(build_report(pathlib.Path(sys.argv[1]))); "
        "print([m for m in ('torch', 'matplotlib', 'scipy', 'harness.statistics.intervals', 'harness.ledger.ledger') "
        "if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], check=True, env=environment, capture_output=True, text=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", TABLES)
def test_a_missing_column_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    write_tables(tmp_path)
    frame = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False)
    column = list(TABLES[name])[-1]
    frame.drop(columns=[column]).to_csv(tmp_path / f"{name}.csv", index=False)
    with pytest.raises(
        UsageError, match=rf"^{name}\.csv: lacks the column {column}; these tables are of an earlier version"
    ) as caught:
        build_report(tmp_path)
    assert "\n" not in str(caught.value)


def test_other_damage_is_refused_in_one_line(tmp_path: Path) -> None:
    write_tables(tmp_path)
    context = json.loads((tmp_path / "context.json").read_text(encoding="utf-8"))
    (tmp_path / "context.json").write_text(json.dumps({**context, "schema_version": 3}), encoding="utf-8")
    with pytest.raises(UsageError, match="schema version 3, this version reads 1 and 2"):
        build_report(tmp_path)
    (tmp_path / "context.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"context\.json: cannot be read"):
        build_report(tmp_path)
    (tmp_path / "pairs.csv").unlink()
    with pytest.raises(UsageError, match=r"pairs\.csv: cannot be read as a table \(No such file"):
        build_report(tmp_path)
    frame = pd.read_csv(tmp_path / "cells.csv", dtype=str)
    frame.assign(total_bits="many").to_csv(tmp_path / "cells.csv", index=False)
    with pytest.raises(UsageError, match=r"cells\.csv: column total_bits holds something that is no number"):
        build_report(tmp_path)


def test_a_report_that_cannot_be_written_is_one_line(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(OSError, match="cannot be written") as caught:
        write_html(report, tmp_path / "file" / "report.html")
    assert "\n" not in str(caught.value)


def test_both_modes_of_a_total_are_shown_and_named(folder: Path, report: Report) -> None:
    cells = pd.read_csv(folder / "cells.csv")
    for key, mode in (("total_bits", "unicast"), ("multicast_total_bits", "multicast")):
        printed = table(report, "bits")
        column = next(column for column in printed.columns if column.key == key)
        assert (column.label, column.unit) == ("Total", f"Mbit, {mode}")
        for name, text in texts(report, "bits", key).items():
            mine = cells[cells["method"] == name][key]
            assert float(text.replace(",", "")) == pytest.approx(mine.mean() / 1e6, rel=5e-4)
    assert texts(report, "bits", "multicast_total_bits_change")["fp32"] == "reference"


def test_raw_totals_inside_the_scatter_are_grey_and_the_scatter_is_said(folder: Path, tmp_path: Path) -> None:
    cells, compute = (pd.read_csv(folder / f"{name}.csv") for name in ("cells", "compute"))
    cells["cpu_s"] = cells["method"].map({"fp32": 10.0, "QuantFL 6-bit": 11.5}).fillna(11.7)
    write_tables(tmp_path)
    cells.to_csv(tmp_path / "cells.csv", index=False)

    def tones() -> dict[str, str]:
        rows = noise_rows(cells, compute, "fp32", ())
        pd.DataFrame(rows, columns=list(TABLES["noise"])).to_csv(tmp_path / "noise.csv", index=False)
        found = table(build_report(tmp_path), "testbed_cells")
        at = [column.key for column in found.columns].index("cpu_s")
        return {row[0].text: row[at].tone for row in found.rows}

    assert tones() == {"fp32": "plain", "QuantFL 6-bit": "muted", "QuantFL both ways": "plain", "EF-SignSGD": "plain"}
    report = build_report(tmp_path)
    assert "twice the scatter between cells of equal work (8 %," in table(report, "testbed_cells").notes[0]
    assert "*11.5" in render_markdown(report)
    assert '<td class="muted number"><span class="value">11.5</span>' in render_html(report)
    compute["spread_share"] = None
    compute.to_csv(tmp_path / "compute.csv", index=False)
    assert set(tones().values()) == {"plain", "muted"}
    assert tones()["EF-SignSGD"] == "muted"


def test_the_compute_table_says_what_was_pooled_and_why(folder: Path, report: Report) -> None:
    printed = table(report, "compute")
    assert printed.rows[0][0].text == "all methods"
    assert [cell.text for cell in printed.rows[0][2:]] == ["12", "340", "8\u00a0%"]
    assert "the same work under every codec" in printed.notes[0]


def test_accuracy_against_carbon_is_drawn_from_the_footprint(folder: Path, report: Report) -> None:
    figure = next(figure for figure in report.figures() if figure.key == "accuracy_carbon")
    assert [panel.title for panel in figure.panels] == list(RADIOS.values())
    rows = pd.read_csv(folder / "footprint.csv")
    mine = rows[(rows["method"] == "EF-SignSGD") & (rows["radio"] == "wifi") & (rows["grid"] == "NOR")]
    panel = figure.panels[1]
    assert isinstance(panel, Curves)
    assert panel.x_label == "Cumulative carbon (µg CO2e)"
    curve = next(curve for curve in panel.curves if curve.label == "EF-SignSGD")
    assert curve.points[0][0] == 0
    assert curve.points[-1][0] == pytest.approx(1e6 * mine[mine["round"] == 40]["carbon_g"].mean())


# --- What only some definitions ask for ---

MANY = tuple(f"method {number} of an ablation" for number in range(48))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """Of an ablation of 48 methods."""
    return build_report(write_tables(tmp_path_factory.mktemp("many"), names=MANY, n_seeds=2))


@pytest.fixture(scope="module")
def extras(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return add_extras(write_tables(tmp_path_factory.mktemp("extras")))


def test_contrasts_stand_as_a_sentence_and_a_row_each(extras: Path) -> None:
    report = build_report(extras)
    section = next(section for section in report.sections if section.key == "contrasts")
    sentences = plain(str(section.blocks[1]))
    cells = pd.read_csv(extras / "cells.csv").set_index(["method", "seed"])["test_accuracy"]
    mean = 100 * (cells["QuantFL 6-bit"] - cells["fp32"]).mean()
    assert f"coded less fp32: test accuracy of QuantFL 6-bit - fp32 is {mean:+.2f} points (95 % CI " in sentences
    assert "(QuantFL both ways + QuantFL 6-bit - EF-SignSGD - fp32) / 2" in sentences
    assert "uplink: uplink bits of QuantFL 6-bit ÷ fp32 is a factor of 0.190 (deterministic; 3 seeds)." in sentences
    assert [row[0].text for row in table(report, "contrasts").rows] == list(CONTRAST_NAMES)
    assert "contrasts" not in [section.key for section in build_report(write_tables(extras.parent / "bare")).sections]


def test_a_contrast_without_seeds_says_why(tmp_path: Path) -> None:
    add_extras(write_tables(tmp_path, n_seeds=1, failed=[("EF-SignSGD", 0)]))
    sheet = render_markdown(build_report(tmp_path))
    assert "is not known (no seed that all its methods have finished)." in sheet
    assert "(one seed: no interval; 1 seed)." in sheet


def test_another_coding_is_told_beside_what_was_sent(extras: Path) -> None:
    report = build_report(extras)
    assert set(texts(report, "shadows", "uplink_saved")) == {"QuantFL 6-bit", "QuantFL both ways"}
    assert plain(texts(report, "shadows", "uplink_saved")["QuantFL 6-bit"]) == "20.0 %"
    sent, recoded = (float(texts(report, "shadows", f"uplink_{key}")["QuantFL 6-bit"]) for key in ("sent", "shadow"))
    assert recoded == pytest.approx(0.8 * sent, rel=1e-3)
    pairs = pd.read_csv(extras / "pairs.csv").query("method == 'QuantFL 6-bit' and quantity == 'total_bits_as_ans'")
    change = texts(report, "shadows", "shadow_change")["QuantFL 6-bit"]
    assert plain(change) == f"{100 * (pairs['estimate'].item() - 1):+.1f} %"


@pytest.mark.parametrize(
    ("provisioning", "said", "has_component"),
    [("factory", "no joule and no gram of this report includes it", False),
     ("over_the_air", "the joules and grams of this report include it", True)],
)  # fmt: skip
def test_both_prices_are_printed_and_the_one_in_the_totals_is_named(
    provisioning: str, said: str, has_component: bool, tmp_path: Path
) -> None:
    report = build_report(add_extras(write_tables(tmp_path), provisioning))
    assert said in render_markdown(report)
    printed = table(report, "provisioning")
    assert [row[0].text for row in printed.rows] == ["QuantFL 6-bit", "QuantFL both ways"]
    assert float(texts(report, "provisioning", "bits")["QuantFL 6-bit"]) == pytest.approx(GIVEN_BITS / 1e6, rel=1e-3)
    assert texts(report, "provisioning", "wifi")["QuantFL 6-bit"] == "12"
    keys = [column.key for column in table(report, "energy_1").columns]
    assert ("provisioning" in keys) == has_component
    # What is charged makes the first screen's quotient one of the rounds: no shares that do not divide to it.
    highlights = str(report.sections[0].blocks)
    assert ("of joules for" in highlights) != has_component
    assert ("(pass-through " in str(report.sections[0].blocks[0])) != has_component


def test_statistics_are_drawn_by_initialisation_and_told_with_their_intervals(extras: Path) -> None:
    report = build_report(extras)
    figure = next(figure for figure in report.figures() if figure.key == "update_statistics")
    rows = pd.read_csv(extras / "statistics.csv")
    for panel, measure in zip(figure.panels, ("kurtosis", "absmax_sigmas", "entropy_bits"), strict=False):
        assert isinstance(panel, Curves)
        assert [curve.label for curve in panel.curves] == ["random", "pretrained"]
        mine = rows.query("init == 'pretrained' and round == 10 and tensor == 'head.weight'")[measure]
        # The largest tensor has most of the entries, so the weighted median is one of its values.
        assert any(panel.curves[1].points[1][1] == pytest.approx(value) for value in mine)
        assert len(panel.curves[0].repeats) == 3
    said = str(next(section for section in report.sections if section.key == "update_statistics").blocks[1])
    pairs = pd.read_csv(extras / "initialisations.csv").set_index("quantity")
    sigma = pairs.loc["sigma"]
    assert (
        f"standard deviation {sigma['estimate']:.3f} times (95 % CI {sigma['low']:.3f} to {sigma['high']:.3f})" in said
    )
    assert [row[0].text for row in table(report, "layers").rows][:2] == ["conv.weight", "conv.weight"]


def test_the_last_round_of_one_short_run_is_no_point_of_a_line(tmp_path: Path) -> None:
    rows = pd.read_csv(add_extras(write_tables(tmp_path)) / "statistics.csv")
    odd = rows[(rows["init"] == "random") & (rows["seed"] == 0) & (rows["round"] == 1)].assign(round=13, kurtosis=999.0)
    pd.concat([rows, odd]).to_csv(tmp_path / "statistics.csv", index=False)
    figure = next(figure for figure in build_report(tmp_path).figures() if figure.key == "update_statistics")
    panel = figure.panels[0]
    assert isinstance(panel, Curves)
    assert [x for x, _ in panel.curves[0].points] == [1, 10, 20, 40]


def test_a_deep_model_names_its_largest_tensors_and_counts_the_rest(tmp_path: Path) -> None:
    report = build_report(add_extras(write_tables(tmp_path, n_seeds=1), n_tensors=40))
    printed = table(report, "layers")
    assert len(printed.rows) == 2 * 24
    assert "head.bias" not in [row[0].text for row in printed.rows]
    assert "the other 20 are in statistics.csv" in printed.notes[1]


def test_a_budget_prints_the_accuracy_within_or_that_none_was_scored(folder: Path, report: Report) -> None:
    rows = pd.read_csv(folder / "trajectories.csv").query("split == 'validation' and round > 0")
    cells = pd.read_csv(folder / "cells.csv")
    budget = 0.2 * cells[cells["method"] == "fp32"]["uplink_bits"].mean()
    within = rows[(rows["uplink_bits"] <= budget) & (rows["method"] == "EF-SignSGD")]
    last = within.sort_values("round").groupby("seed")["accuracy"].last().mean()
    assert plain(texts(report, "budgets", "uplink_bits_2")["EF-SignSGD"]) == f"{100 * last:.1f} %"
    assert texts(report, "budgets", "uplink_bits_0")["fp32"] == "no score within"
    column = table(report, "budgets").columns[3]
    assert (plain(column.label), plain(column.unit)) == ("Uplink, 20 %", f"{budget / 1e6:.2f} Mbit")


def test_a_line_ends_at_the_mean_of_where_its_seeds_ended(tmp_path: Path) -> None:
    """A budget of bits ends one seed at round 35 and the others at 40."""
    rows = pd.read_csv(write_tables(tmp_path) / "trajectories.csv")
    rows = rows[(rows["method"] != "EF-SignSGD") | (rows["seed"] != 1) | (rows["round"] < 40)]
    rows.to_csv(tmp_path / "trajectories.csv", index=False)
    panel = next(iter(build_report(tmp_path).figures())).panels[0]
    assert isinstance(panel, Curves)
    points = next(curve for curve in panel.curves if curve.label == "EF-SignSGD").points
    mine = rows[(rows["method"] == "EF-SignSGD") & (rows["split"] == "validation")].sort_values("round")
    ends = mine.groupby("seed").tail(1)
    assert points[-1] == pytest.approx((ends["uplink_bits"].mean() / 1e6, 100 * ends["accuracy"].mean()))
    assert len(points) == 8  # rounds 5 to 35, which all have, and the end
    assert [x for x, _ in points] == sorted(x for x, _ in points)


def test_under_a_budget_the_answer_is_about_accuracy(tmp_path: Path) -> None:
    """All may send as many bits: what differs is how far they come with them."""
    write_tables(tmp_path)
    context = json.loads((tmp_path / "context.json").read_text(encoding="utf-8"))
    context["federation"]["budget"] = {"direction": "total", "mbit": 131.0}
    (tmp_path / "context.json").write_text(json.dumps(context), encoding="utf-8")
    cells = pd.read_csv(tmp_path / "cells.csv", keep_default_na=False)
    cells.loc[cells["method"] == "QuantFL 6-bit", "rounds"] = 67
    cells.to_csv(tmp_path / "cells.csv", index=False)
    sheet = render_markdown(build_report(tmp_path))
    (lead,) = [line for line in sheet.splitlines() if line.startswith("**")][:1]
    assert lead.startswith("**Within 131 Mbit for both directions together, QuantFL 6-bit reached ")
    assert "test accuracy in 67 rounds instead of 40, " in lead and "points (95 % CI" in lead and "against fp32" in lead
    assert "total bits" not in lead
    assert "Pass-through of" not in sheet


def test_cohorts_are_named_where_references_differ_in_them(tmp_path: Path) -> None:
    own = {"federation": {"cohort": 20}}
    write_tables(tmp_path)
    context = json.loads((tmp_path / "context.json").read_text(encoding="utf-8"))
    context["methods"][2] |= own
    context["methods"][3] |= own
    (tmp_path / "context.json").write_text(json.dumps(context), encoding="utf-8")
    pairs = pd.read_csv(tmp_path / "pairs.csv", keep_default_na=False)
    pairs = pairs[pairs["method"] != "QuantFL both ways"]
    pairs.loc[pairs["method"] == "EF-SignSGD", "reference"] = "QuantFL both ways"
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    report = build_report(tmp_path)
    sheet = render_markdown(report)
    assert "of their own cohort: fp32 (10 clients a round), QuantFL both ways (20 clients a round)" in sheet
    assert texts(report, "methods", "federation") == {
        "fp32": "–", "QuantFL 6-bit": "–", "QuantFL both ways": "cohort 20", "EF-SignSGD": "cohort 20",
    }  # fmt: skip
    assert "QuantFL both ways and EF-SignSGD differ in their federation: cohort 20." in sheet


def test_settings_equal_to_those_of_all_are_no_difference(tmp_path: Path) -> None:
    write_tables(tmp_path)
    change_methods(tmp_path, {2: {"federation": {"cohort": 10, "rounds": 40}}})
    report = build_report(tmp_path)
    assert "differs in its federation" not in render_markdown(report)
    assert "federation" not in [column.key for column in table(report, "methods").columns]


def change_methods(folder: Path, changes: dict[int, dict[str, Any]]) -> None:
    """Change what the context says of methods, by their place."""
    context = json.loads((folder / "context.json").read_text(encoding="utf-8"))
    for place, change in changes.items():
        context["methods"][place] |= change
    (folder / "context.json").write_text(json.dumps(context), encoding="utf-8")


def test_what_is_more_than_a_budget_and_unequal_rounds_are_said(tmp_path: Path) -> None:
    cells = pd.read_csv(write_tables(tmp_path) / "cells.csv", keep_default_na=False)
    cells.loc[cells["method"] == "EF-SignSGD", "rounds"] = [30, 31, 32]
    cells.to_csv(tmp_path / "cells.csv", index=False)
    mbit = {name: cells.loc[cells["method"] == name, "uplink_bits"].max() / 1e6 for name in NAMES}
    budgets = {1: mbit["QuantFL 6-bit"] / 1.25, 3: mbit["EF-SignSGD"] + 1e-6}
    own = {place: {"federation": {"budget": {"direction": "uplink", "mbit": most}}} for place, most in budgets.items()}
    change_methods(tmp_path, own)
    report = build_report(tmp_path)
    assert texts(report, "comparison", "rounds") == {
        "fp32": "40", "QuantFL 6-bit": "40", "QuantFL both ways": "40", "EF-SignSGD": "30 to 32",
    }  # fmt: skip
    (note,) = table(report, "methods").notes
    assert plain(note).startswith("QuantFL 6-bit sent 25 % more than its budget of ")
    assert "EF-SignSGD & 30 to 32 &" in render_latex(build_paper(read_tables(tmp_path)))


def test_what_was_given_before_the_rounds_is_named_beside_their_bits(extras: Path, tmp_path: Path) -> None:
    report = build_report(extras)
    said = f"QuantFL 6-bit and QuantFL both ways: + {GIVEN_BITS / 1e6:.3f} Mbit before round 1, not included."
    paper = next(iter(build_paper(read_tables(extras)).tables()))
    for printed in (table(report, "comparison"), table(report, "bits"), paper):
        assert said in [plain(note) for note in printed.notes]
    caption = next(iter(report.figures())).caption
    assert "has sent nothing" not in caption and "given before round 1 is left out" in caption
    assert "has sent nothing" in next(iter(build_report(write_tables(tmp_path)).figures())).caption


def test_a_legend_of_many_methods_leaves_the_axes_their_room(many: Report, report: Report) -> None:
    figure, few = (next(iter(of.figures())) for of in (many, report))
    for width in (draw.WIDE_IN, draw.COLUMN_IN):
        with draw._style("test"):
            canvas, small = (draw._draw(drawn, width) for drawn in (figure, few))
            canvas.draw_without_rendering()
            small.draw_without_rendering()
        (legend,) = canvas.legends
        box = legend.get_window_extent()
        assert len(legend.get_texts()) == 48
        assert box.y0 >= 0 and box.x1 <= canvas.bbox.x1
        for axis, other in zip(canvas.axes, small.axes, strict=True):
            assert not box.overlaps(axis.get_tightbbox())
            assert axis.bbox.height > 0.8 * other.bbox.height


def test_long_lists_of_methods_are_counted_in_sentences(many: Report) -> None:
    section = next(section for section in many.sections if section.key == "accuracy")
    assert re.search(r"for \d+ methods\.", str(section.blocks[0]))
    assert len(table(many, "comparison").rows) == len(table(many, "budgets").rows) == 48


def test_quantities_named_in_the_schema_are_the_ones_that_reports_ask_for(folder: Path) -> None:
    assert set(pd.read_csv(folder / "methods.csv")["quantity"]) == set(METHOD_QUANTITIES)
    assert set(pd.read_csv(folder / "pairs.csv")["quantity"]) == set(PAIR_QUANTITIES)


def test_notes_of_tables_of_version_1_are_read_by_what_they_begin_with(tmp_path: Path) -> None:
    """As they stand in tables that were published before notes had a kind."""
    said = {"lte": ["infeasible: too slow", "the tail: guessed"], "wifi": ["unvalidated: nothing was compared"]}
    radios = [{"name": name, "notes": notes} for name, notes in said.items()]
    context = {"schema_version": 1, "scenarios": {"radios": radios}}
    tables = read_tables(write_tables(tmp_path, context=context))
    assert priced.feasible_radios(tables) == ["wifi"]
    assert priced.headline_radios(tables) == []
    assert priced.radio_notes(tables, "lte") == (Note("infeasible", "too slow"), Note("remark", "the tail: guessed"))


@pytest.mark.parametrize("note", [{"kind": "fatal", "text": "no"}, {"kind": "remark"}, {"text": "no", "mark": ""}])
def test_a_note_that_is_none_is_refused_in_one_line(tmp_path: Path, note: dict[str, str]) -> None:
    radios = [{"name": "lte", "notes": [note]}]
    with pytest.raises(UsageError, match=r"^context\.json: notes: [^\n]*; build the tables again"):
        build_report(write_tables(tmp_path, context={"scenarios": {"radios": radios}}))
