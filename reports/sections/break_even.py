"""Shows from where a method pays: by what a bit costs on the air, and by the size of the update."""

from collections.abc import Mapping
from typing import Any

from reports.document import Cell, Column, Table
from reports.tables import lookup, priced
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, absent, significant, size

_NJ_PER_J = 1e9


def break_even_table(tables: Tables) -> Table | None:
    """A row per method and radio; None if nothing was compared."""
    if tables.break_even.empty:
        return None
    known = {(str(row["method"]), str(row["radio"])): row for row in lookup.records(tables.break_even)}
    unit = f"nJ/bit, {phrases.PROJECTED}"
    columns = (
        Column("method", "Method", is_number=False),
        Column("pays", "Pays", "by joules of clients", is_number=False),
        Column("break_even", "A bit must cost", unit),
        Column("radio", "It costs", unit),
        Column("pays_at", "Pays at updates", f"of that size, {phrases.PROJECTED}"),
        Column("half_passes_at", "Half the saving arrives", f"at that size, {phrases.PROJECTED}"),
    )
    rows, groups = [], []
    for radio in priced.radios(tables):
        for name in (name for name in lookup.methods(tables) if (name, radio) in known):
            row = known[name, radio]
            pays = row["pays"] == "True"
            cells = [
                Cell("yes" if pays else "no", tone="plain" if pays else "warn"),
                _price(row),
                _own(row),
                _at(row, "pays_at"),
                _at(row, "half_passes_at"),
            ]
            rows.append((Cell(name), *cells))
            groups.append(priced.radio_title(tables, radio))
    notes = (
        "A method spends joules of computing to save bits. It pays where a bit saved costs the radio more than the "
        "computing that saved it; “always” if its codec takes no more than the reference's. What a bit costs is what "
        "the radio saved over the bits saved, so sessions and tails that stay are not in it. Computing is that of the "
        "device, not of this host.",
        "Sizes are of the reference's update, all payloads and all computing growing alike; asked of the first rounds "
        "of one seed, from a ten-thousandth to ten thousand times the size that was sent. “Half the saving arrives” "
        "where pass-through is 0.5.",
    )
    return Table("break_even", "From where a method pays", columns, tuple(rows), notes, tuple(groups))


def _price(row: Mapping[str, Any]) -> Cell:
    verdict, j_per_bit = str(row["break_even"]), row["break_even_j_per_bit"]
    if not is_known(j_per_bit):
        return Cell(verdict)
    value = _NJ_PER_J * float(j_per_bit)
    word = "less than" if verdict == "up_to" else "more than"
    return Cell(f"{word} {significant(value, ESTIMATE_DIGITS)}", value=value)


def _own(row: Mapping[str, Any]) -> Cell:
    if not is_known(row["radio_j_per_bit"]):
        return absent("as many bits")
    value = _NJ_PER_J * float(row["radio_j_per_bit"])
    return Cell(significant(value, ESTIMATE_DIGITS), value=value)


def _at(row: Mapping[str, Any], key: str) -> Cell:
    verdict, n_bytes = str(row[key]), row[f"{key}_bytes"]
    if not is_known(n_bytes):
        return Cell(f"{verdict}" + (" (all sizes)" if verdict == "always" else ""))
    return Cell(f"{verdict.replace('_', ' ')} {size(float(n_bytes))}", value=float(n_bytes))
