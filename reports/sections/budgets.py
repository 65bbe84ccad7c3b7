"""Shows accuracy at a budget: each method's last score within a share of what the reference sends, or takes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from reports.document import Cell, Column, Table
from reports.tables import lookup
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, FACT_DIGITS, absent, percent, with_unit

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


def cost_budget_table(tables: Tables) -> Table | None:
    """Last validation accuracy within a budget of joules, for each deployment; None where there are no such rows.

    Grams on one grid are joules times its intensity for clients on the mains: the CSV has a row for each grid.
    """
    rows = tables.cost_budgets
    rows = rows[rows["quantity"] == "energy_j"] if not rows.empty else rows
    if rows.empty:
        return None
    heads = rows.drop_duplicates(["radio", "share"])
    budgets = list(heads[["radio", "share", "budget"]].itertuples(index=False, name=None))
    columns = (
        Column("method", "Method", is_number=False),
        *(
            Column(f"{radio}_{number}", f"{radio}, {percent(share, 0)}", better="higher")
            for number, (radio, share, _) in enumerate(budgets)
        ),
    )
    known = {(row["method"], row["radio"], row["share"]): row for row in lookup.records(rows)}
    budget_row = (Cell("budget (P)"), *(Cell(with_unit(joules, "J", ESTIMATE_DIGITS)) for _, _, joules in budgets))
    printed = tuple(
        (Cell(name), *(_afforded(known.get((name, radio, share))) for radio, share, _ in budgets))
        for name in lookup.methods(tables)
    )
    notes = (
        f"Shares of the joules that the clients of {lookup.reference(tables)} take in its whole run, on the radio at "
        "the head of the column. The last score counts up to which all joules are within the budget.",
        "Not exhausted: the run ended within the budget, after the round that is named; more rounds may reach more. "
        "Budgets of grams are in cost_budgets.csv, for each grid.",
    )
    title = "Last validation accuracy within a budget of joules of all clients"
    return Table("cost_budgets", title, columns, (budget_row, *printed), notes)


def _afforded(row: Mapping[str, Any] | None) -> Cell:
    cell = _cell(row)
    if row is None or row["n_exhausted"] > 0:
        return cell
    text = f"not exhausted after {int(row['last_round'])} rounds"
    return replace(cell, detail=f"{cell.detail}; {text}" if cell.detail else text)


def _cell(row: Mapping[str, Any] | None) -> Cell:
    if row is None:
        return absent(phrases.NOT_FINISHED)
    estimate = lookup.estimate_of(row, "mean", "n_scored")
    return phrases.accuracy(estimate) if estimate.value is not None else absent(estimate.note)
