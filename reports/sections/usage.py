"""Shows what radios do: sessions, seconds and megabits, from the radio models' rates and tails."""

from reports.document import Cell, Column, Table
from reports.tables import lookup, priced
from reports.tables.columns import meaning
from reports.tables.read import Tables
from reports.texts.numbers import ESTIMATE_DIGITS, FACT_DIGITS, significant

_AMOUNTS = {
    "sessions": FACT_DIGITS,
    "tail_s": ESTIMATE_DIGITS,
    "uplink_s": ESTIMATE_DIGITS,
    "downlink_s": ESTIMATE_DIGITS,
    "wait_s": ESTIMATE_DIGITS,
    "uplink_mbit": FACT_DIGITS,
    "downlink_mbit": FACT_DIGITS,
    "frames": FACT_DIGITS,
}
"""Columns with the digits that they print."""


def usage_table(tables: Tables) -> Table:
    """A run of rows per radio, a row per method."""
    columns = (
        Column("method", "Method", is_number=False),
        *(Column(key, meaning(key).label, meaning(key).unit, meaning(key).better) for key in _AMOUNTS),
    )
    sums = tables.usage.groupby(["method", "radio", "seed"], sort=False)[list(_AMOUNTS)].sum(min_count=1).reset_index()
    means = lookup.means(sums, ("method", "radio"), tuple(_AMOUNTS))
    rows, groups = [], []
    for radio in priced.radios(tables) or [""]:
        for name in (name for name in lookup.methods(tables) if (name, radio) in means):
            values = zip(means[name, radio], _AMOUNTS.values(), strict=True)
            rows.append((Cell(name), *(Cell(_amount(value, digits), value=value) for value, digits in values)))
            groups.append(priced.radio_title(tables, radio) if radio else "No radio")
    notes = (
        "Of the rounds. Seconds come from the radio models' rates and tails, not from this host's clock; megabits are "
        "those on the air, with headers, acknowledgements and retransmissions. Frames are counted where a model has a "
        "price for each.",
    )
    title = "What the radios do, one training run of the whole fleet, mean over seeds"
    return Table("usage", title, columns, tuple(rows), notes, tuple(groups))


def _amount(value: float, digits: int) -> str:
    is_count = value.is_integer() and digits == FACT_DIGITS
    return f"{value:,.0f}" if is_count else significant(value, digits)
