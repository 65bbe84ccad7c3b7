"""Shows the lengths that the same indices would have had in another coding, next to what was sent."""

from reports.document import Cell, Column, Table
from reports.tables import lookup
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import FACT_DIGITS, absent, percent, scale, significant

_WAYS = {"uplink": "Uplink", "downlink": "Downlink"}
_NAMES = {"ans": "ANS", "elias": "Elias", "golomb": "Golomb"}


def coding_name(coding: str) -> str:
    """A coding as it is written in a sentence."""
    return _NAMES.get(coding, coding)


def shadow_table(tables: Tables) -> Table | None:
    """Bits as sent next to bits with another coding, and the total that would follow; None if none was logged."""
    rows = tables.shadows
    if rows.empty:
        return None
    means = lookup.means(rows, ("method", "coding", "direction"), ("sent_bits", "shadow_bits"))
    factor, unit = scale([bits for lengths in means.values() for bits in lengths], "bit")
    ways = [way for way in _WAYS if (rows["direction"] == way).any()]
    columns = [Column("method", "Method", is_number=False), Column("coding", "Coding", is_number=False)]
    for way in ways:
        columns += [
            Column(f"{way}_sent", f"{_WAYS[way]}, as sent", unit, "lower"),
            Column(f"{way}_shadow", f"{_WAYS[way]}, recoded", unit, "lower"),
            Column(f"{way}_saved", f"{_WAYS[way]}, saved", "share of what was sent", "higher"),
        ]
    columns += [
        Column("total_change", "Total, change", "as sent, unicast, to reference", "lower"),
        Column("shadow_change", "Total, change", "recoded, unicast, to reference", "lower"),
    ]
    printed = []
    for name, coding in ((n, c) for n in lookup.methods(tables) for c in codings(tables, n)):
        cells = [Cell(name), Cell(coding_name(coding))]
        for way in ways:
            found = means.get((name, coding, way))
            cells += _lengths(found, factor) if found else [absent("no other coding")] * 3
        for key in ("total_bits", f"total_bits_as_{coding}"):
            change = phrases.change(lookup.pair(tables, name, key), is_fact=True)
            cells.append(absent("reference") if name in lookup.references(tables) else change)
        printed.append(tuple(cells))
    notes = (
        "The same indices, coded a second time beside what was sent: both decode to equal values, and the second "
        "coding never crossed the air. Payloads without one are in neither column, and in both totals as sent.",
    )
    title = "If the same indices were coded otherwise, one training run of the whole fleet, mean over seeds"
    return Table("shadows", title, tuple(columns), tuple(printed), notes)


def codings(tables: Tables, method: str) -> list[str]:
    """Codings that were logged in addition to what a method sent."""
    found = tables.shadows.loc[tables.shadows["method"] == method, "coding"]
    return [str(coding) for coding in found.drop_duplicates()]


def _lengths(amounts: list[float], factor: float) -> list[Cell]:
    sent, shadow = amounts
    saved = 1 - shadow / sent if sent else 0.0
    lengths = [Cell(significant(bits / factor, FACT_DIGITS), value=bits / factor) for bits in amounts]
    return [*lengths, Cell(percent(saved), value=saved)]
