"""Grams of CO2-equivalent of the deployment, by grid and radio."""

from collections.abc import Mapping
from typing import Any

from reports import lookup, phrases
from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.numbers import scale
from reports.schema import Tables
from reports.sections.trajectories import accuracy_against_carbon


def carbon(tables: Tables) -> Section:
    """One table per radio, one column per grid."""
    grids = lookup.grids(tables)
    if not grids or tables.breakdown.empty:
        return Section("carbon", "Carbon (projected)", (Paragraph("No grid was priced.", role="note"),))
    text = (
        f"Grams of CO2-equivalent of the device joules above, {phrases.PROJECTED}, of one training run of the fleet. "
        "Grid factors are yearly averages: they allocate a footprint, and a difference between methods is allocated, "
        "not avoided."
    )
    blocks: list[Block] = [Paragraph(text)]
    figure = accuracy_against_carbon(tables)
    if figure:
        blocks.append(figure)
    radios = lookup.radios(tables) or [""]
    blocks += [_table(tables, radio, grids, number) for number, radio in enumerate(radios, start=1)]
    return Section("carbon", "Carbon (projected)", tuple(blocks))


def _table(tables: Tables, radio: str, grids: list[str], number: int) -> Table:
    names = lookup.methods(tables)
    grams = {(name, grid): lookup.carbon(tables, name, radio, grid) for name in names for grid in grids}
    factor, unit = scale([amount.typical for amount in grams.values() if amount], "g")
    columns = (
        Column("method", "Method", is_number=False),
        *(Column(grid, grid, f"{unit}, P{_intensity(tables, grid)}", "lower") for grid in grids),
    )
    rows = tuple((Cell(name), *(phrases.assumed(grams[name, grid], factor) for grid in grids)) for name in names)
    title = f"Carbon on {lookup.radio_title(tables, radio)}" if radio else "Carbon without a radio"
    return Table(f"carbon_{number}", title, columns, rows)


def _intensity(tables: Tables, grid: str) -> str:
    entries = lookup.mappings(tables.context.get("grids"))
    entry: Mapping[str, Any] = next((e for e in entries if grid in (e.get("name"), e.get("iso3"))), {})
    if entry.get("g_per_kwh") is None:
        return ""
    year = f", {entry['year']}" if entry.get("year") else ", no year"
    return f"; {phrases.plain(entry['g_per_kwh'])} g/kWh{year}"
