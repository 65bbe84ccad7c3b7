"""Shows joules of the clients' devices, by component and radio, and how they respond to a saving in bits."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from reports.document import Bar, Bars, Block, Cell, Column, Figure, Paragraph, Section, Table
from reports.sections.optional_parts import PARTS
from reports.sections.provisioning import is_charged, provisioning_blocks
from reports.sections.radio_notes import own_notes, radio_blocks, radio_warnings
from reports.sections.usage import usage_table
from reports.tables import lookup, priced
from reports.tables.lookup import COMPONENTS, Range, is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, NBSP, TABLE_HEADROOM, absent, scale, significant, to_text

COMPONENT_LABELS = {
    "provisioning": "Before round 1",
    "local_training": "Local training",
    "codec": "Codec",
    "uplink": "Uplink",
    "downlink": "Downlink",
    "standby": "Standby",
    "access": "Access network",
    "core": "Core network",
    "server": "Server",
}
_TOTAL = "total"
_MOST_PANELS = 6
"""Radios that the figure has room for; tables have all."""


def deployment(tables: Tables) -> Section:
    """Figure 2, pass-through, joules per radio, and the radio time behind them."""
    blocks: list[Block] = [Paragraph(_boundary(tables)), *radio_warnings(tables)]
    radios = priced.radios(tables) or [""]
    figure = energy_figure(tables)
    if figure is None:
        blocks.append(Paragraph("No cell finished, so nothing is projected.", role="note"))
        return Section("deployment", "Deployment (projected)", tuple(blocks))
    blocks.append(figure)
    if priced.radios(tables) and lookup.challengers(tables):
        blocks.append(_pass_through(tables, radios))
    blocks += [_energy(tables, radio, number) for number, radio in enumerate(radios, start=1)]
    blocks += radio_blocks(tables)
    blocks += provisioning_blocks(tables)
    if not tables.usage.empty:
        blocks.append(usage_table(tables))
    return Section("deployment", "Deployment (projected)", tuple(blocks))


def _boundary(tables: Tables) -> str:
    device = tables.context.get("device")
    title = device.get("title") or device.get("kind") if isinstance(device, dict) else device
    text = (
        f"Deployment: what one training run would cost the clients' devices ({phrases.plain(title)}) and their radios. "
        f"Every joule here is {phrases.PROJECTED}; what the benchmark cost on its own host is under “Testbed”."
    )
    extra = [PARTS.get(part, part) for part in priced.included(tables)]
    text += f" The definition puts {phrases.listing(extra)} into the totals as well." if extra else ""
    return text if priced.radios(tables) else f"{text} No radio was priced: these joules are computing only."


def energy_figure(tables: Tables) -> Figure | None:
    """Stacked joules by component, a panel per radio; None if no cell finished."""
    radios = priced.shown_radios(tables)
    chosen = radios[:_MOST_PANELS] or [""]
    parts = {(name, radio): lookup.energy(tables, name, radio) for radio in chosen for name in lookup.methods(tables)}
    keys = _components(parts.values())
    panels = [panel for radio in chosen if (panel := _panel(tables, radio, keys))]
    if not panels:
        return None
    left = [priced.bare_title(tables, radio) for radio in radios[_MOST_PANELS:]]
    lines = [f"{panel.title}: " + "; ".join(f"{bar.label} {bar.text}" for bar in panel.bars) for panel in panels]
    return Figure(
        key="deployment_energy",
        title="Where the joules go",
        caption="Deployment joules of one training run of the whole fleet, projected (P), mean over seeds. Whiskers "
        "are the range of the assumptions (every coefficient at its low, every one at its high), not an interval over "
        "seeds; methods share these assumptions, so differences are surer than the whiskers suggest. "
        "Each panel has its own scale." + (f" Without {phrases.listing(left)}." if left else ""),
        alt=f"Stacked bars of joules. {'. '.join(lines)}.",
        panels=tuple(panels),
    )


def _panel(tables: Tables, radio: str, keys: list[str]) -> Bars | None:
    """Bars of one radio; `keys` are the parts of all panels, which share a legend."""
    energies = {name: lookup.energy(tables, name, radio) for name in lookup.methods(tables)}
    sums = {name: lookup.total(parts) for name, parts in energies.items()}
    totals = {name: total for name, total in sums.items() if total and is_known(total.typical)}
    if not totals:
        return None
    factor, unit = scale([total.typical for total in totals.values()], "J")
    bars = []
    for name, total in totals.items():
        parts = tuple(energies[name][key].typical / factor if key in energies[name] else 0.0 for key in keys)
        text = f"{significant(total.typical / factor, ESTIMATE_DIGITS)}{NBSP}{unit}"
        ends = to_text(total.low, total.high, ESTIMATE_DIGITS, factor)
        words = f"{text} ({ends})" if ends else text
        bars.append(Bar(name, parts, total.low / factor, total.high / factor, words))
    title = priced.radio_title(tables, radio) if radio else "No radio"
    labels = tuple(COMPONENT_LABELS.get(key, key) for key in keys)
    what = "Energy" if set(keys) & set(lookup.OPERATORS) else "Device energy"
    return Bars(title, f"{what}, {unit}, {phrases.PROJECTED}", labels, tuple(bars))


def _components(energies: Iterable[Mapping[str, Range]]) -> list[str]:
    """Components that any of some totals has, in their order."""
    present = {key for parts in energies for key in parts}
    return [*(key for key in COMPONENTS if key in present), *sorted(present - set(COMPONENTS))]


def _pass_through(tables: Tables, radios: list[str]) -> Table:
    columns = (
        Column("method", "Method", is_number=False),
        Column("total_change", "Total bits, change", "unicast, to reference", "lower"),
        *(Column(radio, priced.radio_title(tables, radio), "pass-through", "higher") for radio in radios),
    )
    rows = []
    for name in lookup.challengers(tables):
        cells = [Cell(name), phrases.change(lookup.pair(tables, name, "total_bits"), is_fact=True)]
        for radio in radios:
            cell = phrases.quotient(lookup.pair(tables, name, "pass_through", radio))
            joules = phrases.change(lookup.pair(tables, name, "radio_energy_j", radio), is_fact=False)
            detail = "; ".join(
                filter(None, [f"{joules.text} radio joules" if joules.value is not None else "", cell.detail])
            )
            cells.append(Cell(cell.text, detail, cell.value, cell.tone))
        rows.append(tuple(cells))
    charged = is_charged(tables)
    notes = (
        "Pass-through = share of device-radio joules saved ÷ share of total bits (unicast) saved. Where tails "
        "and promotions dominate a radio, fewer bits save few joules; above 1, the saved bits were the dearer ones. "
        f"Joules are {phrases.PROJECTED}.",
        *(["Both shares are of the rounds, the joules beside them of the whole deployment."] if charged else []),
    )
    return Table("pass_through", "Pass-through, per radio and method", columns, tuple(rows), notes)


def _energy(tables: Tables, radio: str, number: int) -> Table:
    names = lookup.methods(tables)
    energies = {name: lookup.energy(tables, name, radio) for name in names}
    keys = _components(energies.values())
    devices = {name: lookup.total(lookup.of_clients(parts)) for name, parts in energies.items()}
    totals = {name: lookup.total(parts) for name, parts in energies.items()}
    has_operators = bool(set(keys) & set(lookup.OPERATORS))
    factor, unit = scale([total.typical for total in totals.values() if total], "J", TABLE_HEADROOM)
    heading = f"{unit}, {phrases.PROJECTED}"
    columns = (
        Column("method", "Method", is_number=False),
        *(Column(key, COMPONENT_LABELS.get(key, key), heading, "lower") for key in keys),
        Column(_TOTAL, "Device, total", heading, "lower"),
        Column("device_change", "Device, change", "to reference", "lower"),
        Column("radio_change", "Radio only, change", "to reference", "lower"),
        *([Column("deployment", "All in the totals", heading, "lower")] if has_operators else []),
        *([Column("deployment_change", "All, change", "to reference", "lower")] if has_operators else []),
    )
    rows = []
    for name in names:
        cells = [Cell(name), *(_component(energies[name], key, factor) for key in keys)]
        cells.append(_sum(devices[name], energies[name], factor))
        cells += [_change(tables, name, quantity, radio) for quantity in ("device_energy_j", "radio_energy_j")]
        if has_operators:
            cells.append(_sum(totals[name], energies[name], factor))
            cells.append(_change(tables, name, "deployment_energy_j", radio))
        rows.append(tuple(cells))
    what = "Energy" if has_operators else "Device energy"
    title = f"{what} on {priced.radio_title(tables, radio)}" if radio else "Device energy without a radio"
    return Table(f"energy_{number}", title, columns, tuple(rows), own_notes(tables, radio))


def _change(tables: Tables, name: str, quantity: str, radio: str) -> Cell:
    if name in lookup.references(tables):
        return absent("reference")
    return phrases.change(lookup.pair(tables, name, quantity, radio), is_fact=False)


def _component(parts: dict[str, Range], key: str, factor: float) -> Cell:
    if parts and key not in parts:
        return absent("not recorded" if key in lookup.COMPUTING else "none")
    return phrases.assumed(parts.get(key), factor)


def _sum(total: Range | None, parts: dict[str, Range], factor: float) -> Cell:
    """A total; where computing was not recorded it says so, because it is of the radio alone."""
    cell = phrases.assumed(total, factor)
    if cell.value is None or any(key in parts for key in lookup.COMPUTING):
        return cell
    return replace(cell, detail="; ".join(filter(None, [cell.detail, "without computing"])))
