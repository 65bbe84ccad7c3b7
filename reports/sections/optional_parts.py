"""Shows the optional parts, outside or inside totals: start, standby, network, server, manufacture."""

from reports.document import Cell, Column, Paragraph, Section, Table
from reports.sections.carbon import kind_words
from reports.tables import lookup, priced
from reports.tables.lookup import Range
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import TABLE_HEADROOM, absent, scale

PARTS = {
    "provisioning": "what clients are given before round 1",
    "standby": "standby",
    "network_average": "the network (average)",
    "network_marginal": "the network (marginal)",
    "server": "the server",
}
"""Optional parts of totals, as in a sentence."""

_HEADINGS = {
    "provisioning": "Before round 1",
    "standby": "Standby",
    "network_average": "Network, average",
    "network_marginal": "Network, marginal",
    "server": "Server",
    "embodied_calendar": "Manufacture, by the calendar",
    "embodied_active": "Manufacture, by use",
}
_ENERGY = ("energy_low_j", "energy_j", "energy_high_j")
_CARBON = ("carbon_low_g", "carbon_g", "carbon_high_g")


def optional_parts(tables: Tables) -> Section | None:
    """Joules and grams of the optional parts, inside or outside the totals; None if no radio was priced."""
    if tables.boundary.empty:
        return None
    text = (
        "What may stand inside or outside a total, by whoever draws the boundary; each part is marked “in the totals” "
        "or “beside them”. Average joules of a network are its share of all that networks take: allocated, and taken "
        "anyway. Marginal joules are what these bits add: avoided where they are not sent. The two answer different "
        "questions, and no total has both. Manufacture is shared out by a rule, which moves it more than any range."
    )
    blocks = (
        Paragraph(text),
        _table(tables, _ENERGY, "Optional parts, joules"),
        _table(tables, _CARBON, "Optional parts, grams"),
    )
    return Section("beside", "Beside the totals (projected)", blocks)


def _table(tables: Tables, ends: tuple[str, str, str], title: str) -> Table:
    is_energy = ends == _ENERGY
    rows = tables.boundary
    marks = dict(zip(rows["part"], rows["is_included"] == "True", strict=True))
    parts = [part for part in (*_HEADINGS, *marks) if part in marks and not (is_energy and part.startswith("embodied"))]
    parts = list(dict.fromkeys(parts))
    columns = (
        Column("method", "Method", is_number=False),
        Column("device", "Clients' devices" if is_energy else "Totals", _heading(is_charged=True), "lower"),
        *(Column(part, _HEADINGS.get(part, part), _heading(is_charged=marks[part]), "lower") for part in parts),
    )
    means = lookup.means(rows, ("method", "radio", "grid", "part"), ends)
    printed, groups = [], []
    for radio in priced.radios(tables):
        grid = priced.first_grid(tables, radio)
        amounts = {
            (name, part): Range(*means[name, radio, grid, part])
            for name in lookup.methods(tables)
            for part in parts
            if (name, radio, grid, part) in means
        }
        totals = {name: _whole(tables, name, radio, is_energy=is_energy) for name in lookup.methods(tables)}
        known = [amount.typical for amount in (*amounts.values(), *totals.values()) if amount]
        factor, unit = scale(known, "J" if is_energy else "g", TABLE_HEADROOM if is_energy else 1.0)
        for name in lookup.methods(tables):
            cells = [_cell(amounts.get((name, part)), factor, is_known=totals[name] is not None) for part in parts]
            printed.append((Cell(name), phrases.assumed(totals[name], factor), *cells))
            where = "" if is_energy else f", {priced.grid_title(grid)}"
            groups.append(f"{priced.radio_title(tables, radio)}{where}, in {unit}")
    key = "boundary_energy" if is_energy else "boundary_carbon"
    return Table(key, title, columns, tuple(printed), _notes(tables, is_energy=is_energy), tuple(groups))


def _heading(*, is_charged: bool) -> str:
    return f"{phrases.PROJECTED}; {'in the totals' if is_charged else 'beside them'}"


def _cell(amount: Range | None, factor: float, *, is_known: bool) -> Cell:
    """A part that a method does not have prints as none; it is unknown only where nothing finished."""
    return absent("none") if amount is None and is_known else phrases.assumed(amount, factor)


def _whole(tables: Tables, name: str, radio: str, *, is_energy: bool) -> Range | None:
    if is_energy:
        return lookup.total(lookup.of_clients(lookup.energy(tables, name, radio)))
    return lookup.carbon(tables, name, radio, priced.first_grid(tables, radio))


def _notes(tables: Tables, *, is_energy: bool) -> tuple[str, ...]:
    basis = "Of one training run of the whole fleet, mean over seeds; below stands the range of the assumptions."
    if is_energy:
        cast = phrases.plain(priced.settings(tables).get("cast") or "unicast")
        return (
            f"{basis} What the network carries is counted {cast}. Standby is that of all clients, asked or not, while "
            "they wait.",
        )
    others = [grid for grid in priced.grids(tables) if grid != priced.FLEET_GRIDS][1:]
    more = f" Those of {phrases.listing(others)} are in boundary.csv." if others else ""
    return (f"{basis} Grams on one grid of each radio.{more} {kind_words(tables)}",)
