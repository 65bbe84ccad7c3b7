"""Which measured differences are above the noise, and how reports mark those that are not."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.tables.noise_floor import COLUMNS, PHASES, TOTALS, noise_rows
from reports.build import build_report
from reports.document import Table
from reports.latex.fragment import render_latex
from reports.page.html import render_html
from reports.page.markdown import render_markdown
from reports.sections.compute import BELOW
from tests.report_tables import write_tables


def cells(*rows: tuple[str, str, float]) -> pd.DataFrame:
    """Method, machine, CPU seconds; every other measured quantity is 1."""
    fixed = dict.fromkeys((*TOTALS, *PHASES), 1.0)
    return pd.DataFrame(
        [{"method": name, "machine": machine, **fixed, "cpu_s": cpu_s} for name, machine, cpu_s in rows]
    )


def compute(**spread_by_machine: float | None) -> pd.DataFrame:
    rows = [
        {"machine": machine, "operation": "optimiser step", "spread_share": spread}
        for machine, spread in spread_by_machine.items()
    ]
    return pd.DataFrame(rows, columns=["machine", "operation", "spread_share"])


def calibration(machine: str, spread: float, joules: float | None = None) -> dict[str, Any]:
    return {"machine": machine, "cpu_s_spread": spread, "wall_s_spread": spread, "joules_spread": joules}


def of_cpu(rows: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["machine"], row["method"]): row for row in rows if row["quantity"] == "cpu_s"}


@pytest.mark.parametrize(
    ("step", "calibrated", "floor", "source", "is_above"),
    [
        (0.04, None, 0.08, "cells", 1),
        (0.06, None, 0.12, "cells", 0),
        (None, 0.04, 0.08, "calibration", 1),
        (0.01, 0.06, 0.12, "calibration", 0),
        (0.06, 0.01, 0.12, "cells", 0),
        (None, None, None, "not known", None),
    ],
)
def test_the_floor_is_twice_the_larger_scatter(
    step: float | None, calibrated: float | None, floor: float | None, source: str, is_above: int | None
) -> None:
    known = [] if calibrated is None else [calibration("m", calibrated)]
    rows = noise_rows(cells(("ref", "m", 10.0), ("ours", "m", 11.0)), compute(m=step), "ref", known)
    assert {tuple(row) for row in rows} == {tuple(COLUMNS)}
    row = of_cpu(rows)["m", "ours"]
    assert (row["floor_share"], row["floor_source"], row["is_above"]) == (pytest.approx(floor), source, is_above)
    assert row["difference_share"] == pytest.approx(0.1)


def test_machines_are_never_in_one_mean_nor_compared() -> None:
    frame = cells(("ref", "a", 10.0), ("ours", "a", 20.0), ("ours", "b", 1000.0))
    rows = of_cpu(noise_rows(frame, compute(a=0.01, b=0.01), "ref", [calibration("b", 9.0)]))
    assert rows["a", "ours"]["value"] == 20.0
    assert rows["a", "ours"]["is_above"] == 1
    assert (rows["b", "ours"]["reference_value"], rows["b", "ours"]["is_above"]) == (None, None)


def test_what_was_not_measured_is_not_compared() -> None:
    frame = cells(("ref", "m", 10.0), ("ours", "m", 11.0)).assign(testbed_cpu_j=float("nan"))
    rows = noise_rows(frame, compute(m=0.01), "ref", [calibration("m", 0.01)])
    (row,) = (row for row in rows if row["quantity"] == "testbed_cpu_j")
    assert row["is_above"] is row["difference_share"] is None


def give_noise(folder: Path, known: list[dict[str, Any]], **changed: Any) -> None:
    frame = pd.read_csv(folder / "cells.csv").assign(**changed)
    frame.to_csv(folder / "cells.csv", index=False)
    rows = noise_rows(frame, pd.read_csv(folder / "compute.csv"), "fp32", known)
    pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "noise.csv", index=False)


def test_a_difference_below_the_floor_is_marked_in_every_format(tmp_path: Path) -> None:
    known = [calibration("5f3a9c", 0.5, 0.5) | {"runs": [{}] * 7}]
    folder = write_tables(tmp_path, context={"calibrations": known})
    give_noise(folder, known)
    report = build_report(folder)
    found = next(table for table in report.tables() if table.key == "testbed_cells")
    at = [column.key for column in found.columns].index("cpu_j")
    assert [(row[at].tone, row[at].detail) for row in found.rows] == [("plain", ""), *[("muted", BELOW)] * 3]
    assert "twice that between 7 repeats of the same work (50.0 % of CPU seconds)" in found.notes[0]
    for page in (render_html(report), render_markdown(report), render_latex(report)):
        assert BELOW in page


def test_cells_of_two_machines_stand_apart(tmp_path: Path) -> None:
    folder = write_tables(tmp_path)
    frame = pd.read_csv(folder / "cells.csv")
    machine = frame["seed"].map(lambda seed: "one" if seed == 0 else "<two>")
    give_noise(folder, [], machine=machine, cpu_s=frame["seed"].map({0: 10.0, 1: 20.0, 2: 40.0}))
    report = build_report(folder)
    for key in ("testbed_cells", "testbed_phases"):
        (found,) = (table for table in report.tables() if table.key == key)
        assert isinstance(found, Table)
        assert found.groups == ("Machine one",) * 4 + ("Machine <two>",) * 4
    (found,) = (table for table in report.tables() if table.key == "testbed_cells")
    assert [row[2].text for row in found.rows[::4]] == ["10.0", "30.0"]
    assert "&lt;two&gt;" in render_html(report)
