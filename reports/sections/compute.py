"""What an operation costs on this host, pooled over cells, and the scatter below which raw totals mean nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from reports import lookup
from reports.columns import meaning
from reports.document import Cell, Column, Table
from reports.numbers import absent, fixed, is_known, percent, scale, significant
from reports.schema import Tables

WHY_POOLED = (
    "Local training is the same work under every codec, yet its CPU time scatters between cells, often by more than a "
    "codec costs; compute is therefore pooled: one cost per optimiser step over all cells that train alike, and one "
    "per codec call from timing many calls in a row."
)
STEP = "optimiser step"

_WITHIN = 2.0
"""Times the scatter that two cells of equal work may be apart."""
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


def scatter_note(tables: Tables) -> str:
    """What grey numbers of a table on this host mean."""
    share = scatter(tables)
    rule = "Grey (in plain text: slanted) is what differs from the reference by less than"
    if share is None:
        return f"{rule} scatter explains; with one cell of each work the scatter is not known, so every number is grey."
    return (
        f"{rule} twice the scatter between cells of equal work ({fixed(100 * share, 0)} %, the standard deviation of "
        "the CPU time of an optimiser step): such a difference means nothing."
    )


def scatter_of(tables: Tables, column: str) -> float | None:
    """Scatter of a column of ``cells.csv`` between the seeds of one method, as a share; None with one seed."""
    groups = tables.cells.groupby("method")[column]
    shares = (groups.std(ddof=1) / groups.mean()).dropna()
    return float(shares.max()) if len(shares) else None


def greyed(
    tables: Tables, rows: Sequence[tuple[Cell, ...]], shares: Mapping[int, float | None]
) -> tuple[tuple[Cell, ...], ...]:
    """Rows of raw totals, one per method, with grey cells where the difference from the reference is scatter.

    Args:
        tables: for the reference.
        rows: the first cell of each names its method.
        shares: scatter of each column that holds raw totals, by its position; None where it is not known.
    """
    reference = lookup.reference(tables)
    base = next((row for row in rows if row[0].text == reference), None)

    def toned(row: tuple[Cell, ...], at: int) -> Cell:
        cell = row[at]
        if at not in shares or row is base or cell.value is None:
            return cell
        beside, share = base[at].value if base else None, shares[at]
        is_scatter = beside is None or share is None or abs(cell.value - beside) <= _WITHIN * share * abs(beside)
        return replace(cell, tone="muted") if is_scatter else cell

    return tuple(tuple(toned(row, at) for at in range(len(row))) for row in rows)
