"""Shows what an operation costs on this host, pooled over cells, and the scatter below which totals mean nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from reports.document import Cell, Column, Table
from reports.tables import lookup
from reports.tables.columns import meaning
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts.numbers import absent, fixed, percent, scale, significant

WHY_POOLED = (
    "Local training is the same work under every codec, yet its CPU time scatters between cells, often by more than a "
    "codec costs; compute is therefore pooled: one cost per optimiser step over all cells that train alike, and one "
    "per codec call from timing many calls in a row."
)
STEP = "optimiser step"

_DIGITS = 3


def compute_table(tables: Tables) -> Table | None:
    """CPU time per operation of a client, with its scatter; None if the tables have none."""
    rows = tables.compute
    if rows.empty:
        return None
    factor, unit = scale(rows["cpu_s"].tolist(), "s")
    shared = rows[rows["operation"] == STEP].drop_duplicates(["machine", "n_cells", "cpu_s"])
    is_shared = len(shared) == rows["machine"].nunique()
    chosen = pd.concat([shared, rows[rows["operation"] != STEP]]) if is_shared else rows
    columns = (
        Column("method", "Method", is_number=False),
        Column("operation", "Operation", is_number=False),
        Column("n_cells", "Cells", "pooled"),
        Column("cpu_s", meaning("cpu_s").label, f"{unit} per call", "lower"),
        Column("spread_share", "Scatter", "standard deviation between cells", "lower"),
    )
    printed = []
    for method, operation, n_cells, cpu_s, spread in chosen[
        ["method", "operation", "n_cells", "cpu_s", "spread_share"]
    ].itertuples(index=False):
        name = "all methods" if is_shared and operation == STEP else str(method)
        scatter = Cell(percent(spread, 0), value=float(spread)) if is_known(spread) else absent("one cell")
        time = Cell(significant(cpu_s / factor, _DIGITS), value=float(cpu_s / factor))
        printed.append((Cell(name), Cell(str(operation)), Cell(f"{n_cells:.0f}", value=n_cells), time, scatter))
    return Table("compute", "CPU time of an operation, on this host", columns, tuple(printed), (WHY_POOLED,))


def scatter(tables: Tables) -> float | None:
    """Standard deviation between cells of the CPU time of the same work, as a share; None if it is not known."""
    known = tables.compute[tables.compute["operation"] == STEP]["spread_share"].dropna()
    return float(known.max()) if len(known) else None


BELOW = "below the noise floor"
"""What stands below a number that differs from that of the reference by no more than noise."""


def floor_note(tables: Tables) -> str:
    """What grey numbers of a table on this host mean, and how the floor was found."""
    share = scatter(tables)
    rule = f"Grey (in plain text: slanted), marked “{BELOW}” and never best, is what differs from the reference by less"
    if share is None and not _calibrations(tables):
        return (
            f"{rule} than scatter explains; with one cell of each work and no calibration the scatter is not known, so "
            "every number is grey: `harness calibrate` measures it."
        )
    parts = []
    if share is not None:
        parts.append(
            f"twice the scatter between cells of equal work ({fixed(100 * share, 0)} %, the standard deviation of the "
            "CPU time of an optimiser step)"
        )
    for found in _calibrations(tables):
        spread = 100 * float(found["cpu_s_spread"])
        parts.append(
            f"twice that between {len(found['runs'])} repeats of the same work ({fixed(spread, 1)} % of CPU seconds)"
        )
    return f"{rule} than {', or '.join(parts)}: such a difference means nothing."


def _calibrations(tables: Tables) -> list[Mapping[str, Any]]:
    return lookup.mappings(tables.context.get("calibrations"))


def machines(tables: Tables) -> list[str]:
    """Machines that cells ran on, in their order: what was measured on two is never in one mean."""
    return list(dict.fromkeys(map(str, tables.cells["machine"])))


def marked(
    tables: Tables, rows: Sequence[tuple[Cell, ...]], machine: str, quantities: Mapping[int, str]
) -> tuple[tuple[Cell, ...], ...]:
    """Rows of measured totals of one machine, one per method, with grey cells where a difference is noise.

    Args:
        tables: with ``noise``.
        rows: the first cell of each names its method.
        machine: whose cells they are of.
        quantities: the quantity of each column that holds measured totals, by its position.
    """
    noise = tables.noise[tables.noise["machine"] == machine]
    above = {(row["method"], row["quantity"]) for row in lookup.records(noise) if row["is_above"] == 1}
    reference = lookup.reference(tables)

    def toned(row: tuple[Cell, ...], at: int) -> Cell:
        cell = row[at]
        is_clear = at not in quantities or row[0].text == reference or cell.value is None
        if is_clear or (row[0].text, quantities[at]) in above:
            return cell
        return replace(cell, tone="muted", detail=BELOW)

    return tuple(tuple(toned(row, at) for at in range(len(row))) for row in rows)
