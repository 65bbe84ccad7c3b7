"""Builds ``noise.csv``: which differences between methods a machine can distinguish from noise.

CPU seconds and joules of equal work scatter, between cells and between repeats (`harness.run.engines.repeatability`).
Two methods whose measured totals differ by less than `WITHIN` times the larger of both scatters differ by nothing that
was measured. Cells of different machines are not compared. Bits and scores are counted, not measured, and not in here.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

COLUMNS = [
    *("machine", "method", "reference", "quantity", "n_cells", "value", "reference_value", "difference_share"),
    *("floor_share", "floor_source", "is_above"),
]
WITHIN = 2.0
"""Times the scatter (a standard deviation over the mean) that two measurements of equal work may be apart."""
TOTALS = {"cpu_s": "cpu_s_spread", "wall_s": "wall_s_spread", "testbed_cpu_j": "joules_spread"}
"""Totals of a cell, with the spread of a calibration that bounds each."""
PHASES = tuple(
    f"{phase}_cpu_s"
    for phase in ("local_training", "encode", "decode", "aggregate", "evaluate", "setup", "codec_timing", "other")
)
STEP = "optimiser step"
UNKNOWN = "not known"


def noise_rows(
    cells: pd.DataFrame, compute: pd.DataFrame, reference: str, calibrations: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """One row per machine, method and measured quantity, but for the reference.

    Args:
        cells: as in ``cells.csv``.
        compute: as in ``compute.csv``.
        reference: the method that others are compared with.
        calibrations: what was measured of machines; see `harness.run.engines.repeatability`.
    """
    rows: list[dict[str, Any]] = []
    for machine, here in cells.groupby("machine", sort=False):
        known = next((each for each in calibrations if each["machine"] == machine), {})
        steps = compute[(compute["machine"] == machine) & (compute["operation"] == STEP)]["spread_share"].dropna()
        step = float(steps.max()) if len(steps) else None
        for quantity in (*TOTALS, *PHASES):
            means = here.groupby("method", sort=False)[quantity].apply(lambda values: values.mean(skipna=False))
            seeds = step if quantity in TOTALS else _between_seeds(here, quantity)
            floor, source = _floor(seeds, known.get(TOTALS.get(quantity, "cpu_s_spread")))
            counts = here["method"].value_counts()
            for method, value in means.items():
                if method != reference:
                    head = {"machine": machine, "method": method, "reference": reference, "quantity": quantity}
                    head["n_cells"] = int(counts[str(method)])
                    base = means.get(reference)
                    rows.append(head | _compared(float(value), None if base is None else float(base), floor, source))
    return rows


def _between_seeds(cells: pd.DataFrame, quantity: str) -> float | None:
    """Largest scatter of a quantity between the seeds of one method; None with one seed."""
    groups = cells.groupby("method")[quantity]
    shares = (groups.std(ddof=1) / groups.mean()).dropna()
    return float(shares.max()) if len(shares) else None


def _floor(seeds: float | None, calibrated: float | None) -> tuple[float | None, str]:
    """The share below which a difference is noise, and the evidence for it."""
    found = [(share, name) for share, name in ((seeds, "cells"), (calibrated, "calibration")) if share is not None]
    if not found:
        return None, UNKNOWN
    share, name = max(found)
    return WITHIN * share, name


def _compared(value: float, base: float | None, floor: float | None, source: str) -> dict[str, Any]:
    is_known = base is not None and base > 0 and not math.isnan(value)
    difference = value / base - 1 if is_known and base else None
    is_above = int(abs(difference) > floor) if difference is not None and floor is not None else None
    return {
        "value": value,
        "reference_value": base,
        "difference_share": difference,
        "floor_share": floor,
        "floor_source": source,
        "is_above": is_above,
    }
