"""Deployment: joules of the clients' devices, by component and radio, and what a saving in bits does to them."""

from reports import lookup, phrases
from reports.document import Bar, Bars, Block, Cell, Column, Figure, Paragraph, Section, Table
from reports.lookup import COMPONENTS, Range
from reports.numbers import (
    ESTIMATE_DIGITS,
    FACT_DIGITS,
    NBSP,
    TABLE_HEADROOM,
    absent,
    is_known,
    scale,
    significant,
    to_text,
)
from reports.schema import Tables
from reports.sections.provisioning import is_charged, provisioning_blocks

COMPONENT_LABELS = {
    "provisioning": "Before round 1",
    "local_training": "Local training",
    "codec": "Codec",
    "uplink": "Uplink",
    "downlink": "Downlink",
}
_TOTAL = "total"


def deployment(tables: Tables) -> Section:
    """Figure 2, pass-through, joules per radio, and the radio time behind them."""
    blocks: list[Block] = [Paragraph(_boundary(tables))]
    radios = lookup.radios(tables) or [""]
    figure = energy_figure(tables)
    if figure is None:
        blocks.append(Paragraph("No cell finished, so nothing is projected.", role="note"))
        return Section("deployment", "Deployment (projected)", tuple(blocks))
    blocks.append(figure)
    if lookup.radios(tables) and lookup.challengers(tables):
        blocks.append(_pass_through(tables, radios))
    blocks += [_energy(tables, radio, number) for number, radio in enumerate(radios, start=1)]
    blocks += provisioning_blocks(tables)
    if not tables.usage.empty:
        blocks.append(_usage(tables, radios))
    return Section("deployment", "Deployment (projected)", tuple(blocks))


def _boundary(tables: Tables) -> str:
    device = tables.context.get("device")
    title = device.get("title") or device.get("kind") if isinstance(device, dict) else device
    text = (
        f"Deployment: what one training run would cost the clients' devices ({phrases.plain(title)}) and their radios. "
        f"Every joule here is {phrases.PROJECTED}; what the benchmark cost on its own host is under “Testbed”."
    )
    return text if lookup.radios(tables) else f"{text} No radio was priced: these joules are computing only."


def energy_figure(tables: Tables) -> Figure | None:
    """Stacked joules by component, a panel per radio; None if no cell finished."""
    panels = [panel for radio in lookup.radios(tables) or [""] if (panel := _panel(tables, radio))]
    if not panels:
        return None
    said = [f"{panel.title}: " + "; ".join(f"{bar.label} {bar.text}" for bar in panel.bars) for panel in panels]
    return Figure(
        key="deployment_energy",
        title="Where the joules go",
        caption="Deployment joules of one training run of the whole fleet, projected (P), mean over seeds. Whiskers "
        "are the range of the assumptions (every coefficient at its low, every one at its high), not an interval over "
        "seeds; methods share these assumptions, so differences are surer than the whiskers suggest. "
        "Each panel has its own scale.",
        alt=f"Stacked bars of device joules. {'. '.join(said)}.",
        panels=tuple(panels),
    )


def _panel(tables: Tables, radio: str) -> Bars | None:
    energies = {name: lookup.energy(tables, name, radio) for name in lookup.methods(tables)}
    sums = {name: lookup.total(parts) for name, parts in energies.items()}
    totals = {name: total for name, total in sums.items() if total and is_known(total.typical)}
    if not totals:
        return None
    keys = _components(energies)
    factor, unit = scale([total.typical for total in totals.values()], "J")
    bars = []
    for name, total in totals.items():
        parts = tuple(energies[name][key].typical / factor if key in energies[name] else 0.0 for key in keys)
        text = f"{significant(total.typical / factor, ESTIMATE_DIGITS)}{NBSP}{unit}"
        ends = to_text(total.low, total.high, ESTIMATE_DIGITS, factor)
        words = f"{text} ({ends})" if ends else text
        bars.append(Bar(name, parts, total.low / factor, total.high / factor, words))
    title = lookup.radio_title(tables, radio) if radio else "No radio"
    labels = tuple(COMPONENT_LABELS.get(key, key) for key in keys)
    return Bars(title, f"Device energy, {unit}, {phrases.PROJECTED}", labels, tuple(bars))


def _components(energies: dict[str, dict[str, Range]]) -> list[str]:
    present = {key for parts in energies.values() for key in parts}
    return [*COMPONENTS, *sorted(present - set(COMPONENTS))]


def _pass_through(tables: Tables, radios: list[str]) -> Table:
    columns = (
        Column("method", "Method", is_number=False),
        Column("total_change", "Total bits, change", "unicast, to reference", "lower"),
        *(Column(radio, lookup.radio_title(tables, radio), "pass-through", "higher") for radio in radios),
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
    keys = _components(energies)
    totals = {name: lookup.total(parts) for name, parts in energies.items()}
    factor, unit = scale([total.typical for total in totals.values() if total], "J", TABLE_HEADROOM)
    heading = f"{unit}, {phrases.PROJECTED}"
    columns = (
        Column("method", "Method", is_number=False),
        *(Column(key, COMPONENT_LABELS.get(key, key), heading, "lower") for key in keys),
        Column(_TOTAL, "Device, total", heading, "lower"),
        Column("device_change", "Device, change", "to reference", "lower"),
        Column("radio_change", "Radio only, change", "to reference", "lower"),
    )
    rows = []
    for name in names:
        cells = [Cell(name)]
        cells += [phrases.assumed(energies[name].get(key), factor) for key in keys]
        cells.append(phrases.assumed(totals[name], factor))
        for quantity in ("device_energy_j", "radio_energy_j"):
            change = phrases.change(lookup.pair(tables, name, quantity, radio), is_fact=False)
            cells.append(absent("reference") if name in lookup.references(tables) else change)
        rows.append(tuple(cells))
    title = f"Device energy on {lookup.radio_title(tables, radio)}" if radio else "Device energy without a radio"
    return Table(f"energy_{number}", title, columns, tuple(rows), lookup.radio_notes(tables, radio))


def _usage(tables: Tables, radios: list[str]) -> Table:
    columns = (
        Column("method", "Method", is_number=False),
        Column("radio", "Radio", is_number=False),
        Column("sessions", "Sessions", "promotions", "lower"),
        Column("tail_s", "Tail", "s", "lower"),
        Column("active_s", "On the air", "s", "lower"),
        Column("mbit", "Carried", "Mbit", "lower"),
    )
    rows = []
    for radio in radios:
        for name in lookup.methods(tables):
            chosen = tables.usage[(tables.usage["method"] == name) & (tables.usage["radio"] == radio)]
            if chosen.empty:
                continue
            sums = chosen.groupby("seed")[["sessions", "tail_s", "active_s", "mbit"]].sum().mean()
            values = [float(sums[key]) for key in ("sessions", "tail_s", "active_s", "mbit")]
            digits = (FACT_DIGITS, ESTIMATE_DIGITS, ESTIMATE_DIGITS, FACT_DIGITS)
            cells = [Cell(_amount(v, d), value=v) for v, d in zip(values, digits, strict=True)]
            rows.append((Cell(name), Cell(lookup.radio_title(tables, radio)), *cells))
    notes = ("Of the rounds. Seconds come from the radio models' rates and tails, not from this host's clock.",)
    return Table("usage", "What the radios do, one training run of the whole fleet", columns, tuple(rows), notes)


def _amount(value: float, digits: int) -> str:
    is_count = value.is_integer() and digits == FACT_DIGITS
    return f"{value:,.0f}" if is_count else significant(value, digits)
