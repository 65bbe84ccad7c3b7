"""Shows grams of CO2-equivalent of the deployment, by grid and radio."""

from collections.abc import Mapping
from typing import Any

from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.sections.trajectories import accuracy_against_carbon
from reports.tables import lookup, priced
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import scale


def carbon(tables: Tables) -> Section:
    """One table per radio, one column per grid."""
    if not priced.grids(tables) or tables.breakdown.empty:
        return Section("carbon", "Carbon (projected)", (Paragraph("No grid was priced.", role="note"),))
    text = (
        f"Grams of CO2-equivalent of all that is in the totals above, {phrases.PROJECTED}, of one training run of the "
        f"whole fleet. {kind_words(tables)}"
    )
    operator, rule = (priced.settings(tables).get(key) for key in ("operator_grid", "embodied"))
    text += f" What network and server take comes from the grid of {operator}." if operator else ""
    text += f" Of the {str(rule).rstrip('.')}." if rule else ""
    blocks: list[Block] = [Paragraph(text), *_warnings(tables)]
    figure = accuracy_against_carbon(tables)
    if figure:
        blocks.append(figure)
    radios = priced.radios(tables) or [""]
    blocks += [_table(tables, radio, number) for number, radio in enumerate(radios, start=1)]
    return Section("carbon", "Carbon (projected)", tuple(blocks))


_KINDS = {
    "average": "average: it allocates a footprint, and a difference between methods is allocated, not avoided",
    "marginal": "marginal: it says what more or less use changes, so that a difference between methods is avoided, "
    "as far as the intensity is right",
}


def kind_words(tables: Tables) -> str:
    """What the grams of this report mean, by the kind of the intensities."""
    names = [entry for entry in lookup.mappings(tables.context.get("grids")) if entry.get("kind") in _KINDS]
    found = {kind: [str(e.get("name")) for e in names if e["kind"] == kind] for kind in _KINDS}
    kinds = [(kind, grids) for kind, grids in found.items() if grids]
    if not kinds:
        return "Whether intensities are average or marginal is not recorded."
    if len(kinds) == 1:
        return f"The intensity of every grid here is {_KINDS[kinds[0][0]]}."
    return " ".join(f"The intensity of {phrases.listing(grids)} is {_KINDS[kind]}." for kind, grids in kinds)


def _warnings(tables: Tables) -> list[Paragraph]:
    """Warn of grams of different meaning side by side or in one sum."""
    warnings = []
    kinds = priced.grid_kinds(tables)
    if len(kinds) > 1:
        warnings.append(
            "Average and marginal intensities stand side by side: grams of the one and grams of the other answer "
            "different questions and cannot be compared or added."
        )
    modes = {part.removeprefix("network_") for part in priced.included(tables) if part.startswith("network_")}
    for mode in sorted(modes):
        others = [kind for kind in kinds if kind != mode]
        if others:
            warnings.append(
                f"The network is in the totals at its {mode} joules, but the intensity of some grids is "
                f"{phrases.listing(others)}: their grams are neither allocated nor avoided as a whole."
            )
    return [Paragraph(text, role="warning") for text in warnings]


def _table(tables: Tables, radio: str, number: int) -> Table:
    names, grids = lookup.methods(tables), priced.grids_of(tables, radio)
    grams = {(name, grid): lookup.carbon(tables, name, radio, grid) for name in names for grid in grids}
    factor, unit = scale([amount.typical for amount in grams.values() if amount], "g")
    columns = (
        Column("method", "Method", is_number=False),
        *(Column(grid, grid, f"{unit}, P{_intensity(tables, grid)}", "lower") for grid in grids),
    )
    rows = tuple((Cell(name), *(phrases.assumed(grams[name, grid], factor) for grid in grids)) for name in names)
    title = f"Carbon on {priced.radio_title(tables, radio)}" if radio else "Carbon without a radio"
    return Table(f"carbon_{number}", title, columns, rows)


def _intensity(tables: Tables, grid: str) -> str:
    entries = lookup.mappings(tables.context.get("grids"))
    entry: Mapping[str, Any] = next((e for e in entries if grid in (e.get("name"), e.get("iso3"))), {})
    if entry.get("g_per_kwh") is None:
        return ""
    year = f", {entry['year']}" if entry.get("year") else ", no year"
    kind = f", {entry['kind']}" if entry.get("kind") else ""
    return f"; {phrases.plain(entry['g_per_kwh'])} g/kWh{year}{kind}"
