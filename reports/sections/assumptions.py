"""Lists every assumption behind the projected joules and grams, with its range, source and mark."""

from collections.abc import Mapping
from typing import Any

from reports.document import Block, Bullets, Cell, Column, Paragraph, Section, Table
from reports.tables import lookup, priced
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import absent


def assumptions(tables: Tables) -> Section:
    """Coefficients, grids and device."""
    blocks: list[Block] = [
        Paragraph(
            "Bits, scores and seconds are facts of the ledger; what follows is not. “Verified” means that the number "
            "was read in the named source; where a source gives no range, the range rule is our judgement."
        ),
        _coefficients(lookup.mappings(tables.context.get("coefficients"))),
        _grids(lookup.mappings(tables.context.get("grids"))),
    ]
    device = tables.context.get("device")
    settings = list(phrases.flatten(device)) if isinstance(device, Mapping) and device else []
    if settings:
        columns = (Column("setting", "Setting", is_number=False), Column("value", "Value", is_number=False))
        rows = tuple((Cell(name), Cell(text)) for name, text in settings)
        blocks.append(Table("device", "Device", columns, rows))
    notes = priced.supply_notes(tables)
    if notes:
        blocks += [Paragraph("Of power supplies:"), Bullets(tuple(f"{note}." for note in notes))]
    return Section("assumptions", "Assumptions", tuple(blocks))


def _coefficients(entries: list[Mapping[str, Any]]) -> Table:
    columns = (
        Column("name", "Coefficient", is_number=False),
        Column("low", "Low"),
        Column("typical", "Typical"),
        Column("high", "High"),
        Column("unit", "Unit", is_number=False),
        Column("mark", "Mark", is_number=False),
        Column("source", "Source", is_number=False),
        Column("year", "Year"),
        Column("basis", "Basis", is_number=False),
        Column("range", "Range by", is_number=False),
    )
    rows = tuple(
        (
            Cell(phrases.plain(entry.get("name"))),
            *(_number(entry.get(key)) for key in ("low", "typical", "high")),
            Cell(phrases.plain(entry.get("unit"))),
            _mark(entry.get("is_verified")),
            Cell(phrases.plain(entry.get("source")), str(entry.get("locator") or "")),
            Cell(phrases.plain(entry.get("year"))),
            Cell(phrases.plain(entry.get("basis"))),
            Cell(phrases.plain(entry.get("range_basis"))),
        )
        for entry in entries
    )
    notes = () if rows else ("No coefficient is recorded.",)
    return Table("coefficients", "Coefficients", columns, rows, notes)


def _grids(entries: list[Mapping[str, Any]]) -> Table:
    columns = (
        Column("name", "Grid", is_number=False),
        Column("g_per_kwh", "Intensity", "gCO2e/kWh"),
        Column("low", "Low"),
        Column("high", "High"),
        Column("kind", "Kind", is_number=False),
        Column("year", "Year"),
        Column("source", "Source", is_number=False),
        Column("basis", "Basis", is_number=False),
        Column("range", "Range", is_number=False),
    )
    rows = tuple(
        (
            Cell(phrases.plain(entry.get("name"))),
            *(_number(entry.get(key)) for key in ("g_per_kwh", "low_g_per_kwh", "high_g_per_kwh")),
            *(Cell(phrases.plain(entry.get(key))) for key in ("kind", "year", "source", "basis", "range_basis")),
        )
        for entry in entries
    )
    return Table("grids", "Grids", columns, rows, () if rows else ("No grid is recorded.",))


def _mark(is_verified: Any) -> Cell:
    return Cell("verified") if is_verified is True else Cell("unverified", tone="warn")


def _number(value: Any) -> Cell:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return absent("not recorded")
    return Cell(phrases.plain(float(value)), value=float(value))
