"""Shows fleets by group: which groups take the joules and cause the grams."""

from collections.abc import Sequence

import pandas as pd

from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.tables import lookup, priced
from reports.tables.lookup import COMPUTING, OPERATORS, Range
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import TABLE_HEADROOM, absent, percent_estimate, scale, significant

_RADIO = ("uplink", "downlink", "provisioning")
_SHARES = (
    ("Computing", COMPUTING),
    ("Radio", _RADIO),
    ("Standby", ("standby",)),
    ("Network and server", OPERATORS),
)
_ENERGY = ("energy_low_j", "energy_j", "energy_high_j")
_CARBON = ("carbon_low_g", "carbon_g", "carbon_high_g")


def fleets(tables: Tables) -> Section | None:
    """A table of who is who and one of costs per fleet; None without a fleet."""
    if tables.groups.empty:
        return None
    text = (
        "Fleets: clients of several kinds that train together, each with its own radio, device, supply and grid. Which "
        "client belongs to which group is drawn without regard to its data."
    )
    blocks: list[Block] = [Paragraph(text), _members(tables)]
    named = [str(radio) for radio in tables.groups["radio"].drop_duplicates()]
    blocks += [_costs(tables, radio, number) for number, radio in enumerate(named, start=1)]
    return Section("fleets", "Fleets by group (projected)", tuple(blocks))


def _members(tables: Tables) -> Table:
    headings = {"group_radio": "Radio", "group_device": "Device", "supply": "Supply", "group_grid": "Electricity of"}
    columns = (
        Column("group", "Group", is_number=False),
        Column("share", "Share", "of the clients"),
        Column("n_clients", "Clients"),
        *(Column(key, label, is_number=False) for key, label in headings.items()),
    )
    rows, groups = [], []
    for row in lookup.records(tables.groups.drop_duplicates(["radio", "group"])):
        share, clients = float(row["share"]), float(row["n_clients"])
        cells = [Cell(significant(share, 3), value=share), Cell(f"{clients:,.0f}", value=clients)]
        rows.append((Cell(str(row["group"])), *cells, *(Cell(_plain(str(row[key]))) for key in headings)))
        groups.append(priced.bare_title(tables, str(row["radio"])))
    return Table("fleet_members", "Who is in the fleets", columns, tuple(rows), (), tuple(groups))


def _costs(tables: Tables, radio: str, number: int) -> Table:
    chosen = tables.groups[tables.groups["radio"] == radio]
    sums = {part: _sums(chosen, components) for part, components in _SHARES}
    shown = [part for part, amounts in sums.items() if amounts]
    totals, grams = _sums(chosen, None), _sums(chosen, None, _CARBON)
    factor, unit = scale([amount.typical for amount in totals.values()], "J", TABLE_HEADROOM)
    g_factor, g_unit = scale([amount.typical for amount in grams.values()], "g")
    heading = f"{unit}, {phrases.PROJECTED}"
    columns = (
        Column("group", "Group", is_number=False),
        *(Column(part, part, heading, "lower") for part in shown),
        Column("total", "Total", heading, "lower"),
        Column("share", "Of all joules"),
        Column("carbon", "Carbon", f"{g_unit}, {phrases.PROJECTED}", "lower"),
        Column("carbon_share", "Of all grams"),
    )
    rows, groups = [], []
    for name in lookup.methods(tables):
        own = [group for method, group in totals if method == name]
        for group in own:
            cells = [_part(sums[part].get((name, group)), factor) for part in shown]
            cells += [phrases.assumed(totals[name, group], factor), _share(totals, name, group, own)]
            cells += [phrases.assumed(grams[name, group], g_factor), _share(grams, name, group, own)]
            rows.append((Cell(group), *cells))
            groups.append(name)
    server = " The server is counted with the first group." if "server" in set(chosen["component"]) else ""
    notes = (f"Of one training run, mean over seeds; all that is in the totals, manufacture left out.{server}",)
    title = f"Joules and grams of {priced.radio_title(tables, radio)}, by group"
    return Table(f"fleet_{number}", title, columns, tuple(rows), notes, tuple(groups))


def _sums(
    rows: pd.DataFrame, components: Sequence[str] | None, ends: tuple[str, str, str] = _ENERGY
) -> dict[tuple[str, str], Range]:
    """Some components (None: all) of each method and group, mean over seeds; unknown if a part of it is."""
    chosen = rows if components is None else rows[rows["component"].isin(components)]
    keys = ["method", "group", "seed"]
    is_gap = chosen[list(ends)].isna().groupby([chosen[key] for key in keys], sort=False).any()
    by_seed = chosen.groupby(keys, sort=False)[list(ends)].sum().mask(is_gap).reset_index()
    found = lookup.means(by_seed, ("method", "group"), ends)
    return {(method, group): Range(*values) for (method, group), values in found.items()}


def _part(amount: Range | None, factor: float) -> Cell:
    return absent("none") if amount is None else phrases.assumed(amount, factor)


def _share(amounts: dict[tuple[str, str], Range], name: str, group: str, own: Sequence[str]) -> Cell:
    whole = sum(amounts[name, each].typical for each in own)
    if not whole > 0:
        return absent("not known")
    share = amounts[name, group].typical / whole
    return Cell(percent_estimate(share), value=share)


def _plain(word: str) -> str:
    return word.replace("_", " ")
