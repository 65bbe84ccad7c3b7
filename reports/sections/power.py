"""Shows how many seeds would show a difference, judged by the spread between the seeds of this run."""

import math
from collections.abc import Mapping
from typing import Any

from reports.document import Cell, Column, Paragraph, Section, Table
from reports.tables import lookup
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import absent, fixed, percent, percent_estimate, significant

_LABELS = {"total_bits": "Total bits", "validation_accuracy": "Validation", "deployed_accuracy": "Test"}
_FEW = 10
"""Pairs below which a standard deviation is uncertain by a quarter and more of itself."""


def power(tables: Tables) -> Section | None:
    """What it would take; None where nothing is paired."""
    if tables.seeds.empty:
        return None
    n_pairs = int(tables.seeds["n_pairs"].max())
    text = (
        "Seeds with which a paired t test at the two-sided level 0.05 shows a true difference of this size with a "
        "chance of 80 %, never fewer than the six that the permutation of signs needs. The spread between the seeds of "
        "this run stands for that of a larger one."
    )
    if n_pairs < 2:
        text = f"{text} With one seed no spread is known, so nothing can be planned from it."
    elif n_pairs < _FEW:
        text = (
            f"{text} With {n_pairs} pairs that spread is itself uncertain by "
            f"{percent_estimate(_uncertainty(n_pairs))} (one standard deviation, of normal data), and the number of "
            "seeds by twice as much: plan with a margin."
        )
    return Section("seeds_needed", "How many seeds would show it", (Paragraph(text), _table(tables)))


def _uncertainty(n: int) -> float:
    """Standard deviation of the standard deviation of n normal values, relative to its mean.

    >>> [round(_uncertainty(n), 2) for n in (2, 3, 5, 10)]
    [0.76, 0.52, 0.36, 0.24]
    """
    mean = math.sqrt(2 / (n - 1)) * math.gamma(n / 2) / math.gamma((n - 1) / 2)
    return math.sqrt(1 - mean**2) / mean


def _table(tables: Tables) -> Table:
    rows = [row for row in lookup.records(tables.seeds) if row["quantity"] in _LABELS]
    effects = list(dict.fromkeys((str(row["quantity"]), float(row["effect"])) for row in rows))
    spreads = list(dict.fromkeys(quantity for quantity, _ in effects))
    columns = [Column("method", "Method", is_number=False), Column("n_pairs", "Pairs", "of this run")]
    for quantity in spreads:
        is_cost = quantity == "total_bits"
        columns.append(Column(f"{quantity}_spread", f"{_LABELS[quantity]}, spread", "%" if is_cost else "points"))
        columns += [
            Column(f"{quantity}_{number}", _effect(quantity, effect), "seeds", "lower")
            for number, (_, effect) in enumerate(entry for entry in effects if entry[0] == quantity)
        ]
    found = {(row["method"], row["quantity"], row["effect"]): row for row in rows}
    printed = []
    for name in lookup.methods(tables):
        own = [row for row in rows if row["method"] == name]
        if not own:
            continue
        cells = [Cell(name), Cell(f"{own[0]['n_pairs']:.0f}", value=float(own[0]["n_pairs"]))]
        for quantity in spreads:
            of = [found[name, quantity, effect] for key, effect in effects if key == quantity]
            cells.append(_spread(of[0]))
            cells += [_needed(row) for row in of]
        printed.append(tuple(cells))
    notes = (
        "Spread is the standard deviation of paired differences: of the logarithms of bits in per cent, of accuracies "
        f"in points. Compared with {lookup.compared_with(tables)}. Bits that are the same at every seed need no seeds "
        "to be told apart.",
    )
    return Table("seeds_needed", "Seeds that would show a difference", tuple(columns), tuple(printed), notes)


def _effect(quantity: str, effect: float) -> str:
    if quantity == "total_bits":
        return f"{percent(effect, 0)} saved"
    return f"{_LABELS[quantity]}, {fixed(100 * effect, 2)} points"


def _spread(row: Mapping[str, Any]) -> Cell:
    if not is_known(row["spread"]):
        return absent(str(row["note"]) or phrases.NOT_PAIRED)
    value = 100 * float(row["spread"])
    return Cell(significant(value, 2), value=value)


def _needed(row: Mapping[str, Any]) -> Cell:
    if not is_known(row["seeds"]):
        return absent(str(row["note"]) or "not known")
    return Cell(f"{row['seeds']:,.0f}", value=float(row["seeds"]))
