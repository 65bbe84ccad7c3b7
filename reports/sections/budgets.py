"""Accuracy at a budget: the last score of each method within a share of the bits of the reference."""

from collections.abc import Mapping
from typing import Any

from reports import lookup, phrases
from reports.document import Cell, Column, Table
from reports.numbers import FACT_DIGITS, absent, percent, with_unit
from reports.schema import Tables

_TITLES = {"uplink_bits": "Uplink", "total_bits": "Total"}


def budget_table(tables: Tables) -> Table | None:
    """Last validation accuracy by direction and budget.

    None if the reference has no finished cell, or where runs end at a budget of bits: their final scores compare them.
    """
    rows = tables.budgets
    if rows.empty:
        return None
    heads = rows.drop_duplicates(["quantity", "share"])
    budgets = list(heads[["quantity", "share", "budget_bits"]].itertuples(index=False, name=None))
    columns = (
        Column("method", "Method", is_number=False),
        *(
            Column(
                f"{quantity}_{number}",
                f"{_TITLES.get(quantity, quantity)}, {percent(share, 0)}",
                with_unit(bits, "bit", FACT_DIGITS),
                "higher",
            )
            for number, (quantity, share, bits) in enumerate(budgets)
        ),
    )
    known = {(row["method"], row["quantity"], row["share"]): row for row in lookup.records(rows)}
    printed = tuple(
        (Cell(name), *(_cell(known.get((name, quantity, share))) for quantity, share, _ in budgets))
        for name in lookup.methods(tables)
    )
    notes = (
        f"Shares of the bits that {lookup.reference(tables)} sent in its whole run: uplink alone, or both directions "
        "(unicast). A score counts if all bits until then are within the budget, and never if it was taken before "
        "round 1; so a method that was scored too seldom is told from one that learnt too little.",
        "Last of the validation scores within the budget, not the best, as cheaper methods have more of them; mean "
        "over seeds with its 95 % t interval; no mean where a seed has no score within. Runs whose schedule was not "
        "made for a budget are cut short by it.",
    )
    title = "Last validation accuracy within a budget of bits"
    return Table("budgets", title, columns, printed, notes)


def _cell(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return absent(phrases.NOT_FINISHED)
    estimate = lookup.estimate_of(row, "mean", "n_scored")
    return phrases.accuracy(estimate) if estimate.value is not None else absent(estimate.note)
