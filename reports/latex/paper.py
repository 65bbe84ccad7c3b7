"""Writes what an author takes into a paper: methods text, the tables of the headline results, the figures."""

from dataclasses import replace

from harness.core.notes import URGENT, Kind
from reports.document import Block, Cell, Column, Paragraph, Report, Section, Table
from reports.sections.break_even import break_even_table
from reports.sections.budgets import budget_table
from reports.sections.contrasts import contrast_table
from reports.sections.deployment import energy_figure
from reports.sections.least_carbon import least_table
from reports.sections.method import boundary
from reports.sections.methods_text import methods_text
from reports.sections.provisioning import provisioning_notes
from reports.sections.radio_notes import own_notes
from reports.sections.robustness import drawn_table
from reports.sections.shadows import shadow_table
from reports.sections.timing import time_table
from reports.sections.trajectories import accuracy_against_bits, accuracy_against_carbon
from reports.sections.update_statistics import statistics_figure
from reports.tables import lookup, priced
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.best import COUNTED, with_best
from reports.texts.bibliography import keys
from reports.texts.numbers import MINUS, TABLE_HEADROOM, absent, scale

_NONE = Cell("–", tone="muted")
_BITS = ("uplink_bits", "downlink_bits", "total_bits", "multicast_total_bits")


def build_paper(tables: Tables) -> Report:
    """The neutral document of a paper: two tables of results, one of coefficients, the figures, the methods text."""
    results: list[Block] = [_results(tables)]
    results += [table for table in (budget_table(tables), contrast_table(tables), shadow_table(tables)) if table]
    if priced.radios(tables) and not tables.breakdown.empty:
        results.append(_deployment(tables))
    projected = (least_table(tables), time_table(tables), drawn_table(tables), break_even_table(tables))
    results += [table for table in projected if table]
    drawn = (
        accuracy_against_bits(tables),
        statistics_figure(tables),
        energy_figure(tables),
        accuracy_against_carbon(tables),
    )
    results += [figure for figure in drawn if figure]
    methods: list[Block] = [*methods_text(tables), Paragraph(" ".join(boundary(tables)))]
    coefficients = _coefficients(tables)
    if coefficients:
        methods.append(coefficients)
    sections = (Section("results", "Results", tuple(results)), Section("methods", "Methods", tuple(methods)))
    return Report(str(tables.context["name"]), "", sections)


def _results(tables: Tables) -> Table:
    names = lookup.methods(tables)
    means = {name: {key: lookup.mean(tables, name, key) for key in _BITS} for name in names}
    factor, unit = scale([e.value for row in means.values() for e in row.values() if e], "bit")
    has_rounds = not lookup.has_equal_rounds(tables)
    columns = (
        Column("method", "Method", is_number=False),
        *([Column("rounds", "Rounds")] if has_rounds else []),
        Column("uplink_bits", "Uplink", unit, "lower"),
        Column("downlink_bits", "Downlink", f"{unit}, unicast", "lower"),
        Column("total_bits", "Total", f"{unit}, unicast", "lower"),
        Column("total_change", "Change", "unicast", "lower"),
        Column("multicast_change", "Change", "multicast", "lower"),
        Column("test_accuracy", "Test accuracy", phrases.CONFIDENCE, "higher"),
        Column("test_difference", "Difference", "points", "higher"),
    )
    rows = tuple(
        (
            Cell(name),
            *([phrases.rounds(lookup.rounds(tables, name))] if has_rounds else []),
            *(phrases.bits(means[name][key], factor) for key in _BITS[:3]),
            *(
                _change_cell(tables, name, phrases.change(lookup.pair(tables, name, key), is_fact=True))
                for key in _BITS[2:]
            ),
            phrases.accuracy(lookup.score(tables, name)),
            _change_cell(tables, name, phrases.points(lookup.score_difference(tables, name), has_verdict=False)),
        )
        for name in names
    )
    notes = (
        "Bits of one training run of the whole fleet, counted on the payloads and their frames, mean over seeds. "
        "Unicast: a downlink payload counts once per receiving client; multicast: once per round where all receive it "
        f"alike. Changes, of total bits, and differences are against {lookup.compared_with(tables)}, paired by seed; "
        f"below a number stands its 95 % t interval where it varies between seeds. {_verdicts(tables)}",
        *phrases.decoded_notes(tables),
        *provisioning_notes(tables),
    )
    return with_best(Table("results", "Bits on the air and test accuracy", columns, rows, notes), COUNTED)


def _verdicts(tables: Tables) -> str:
    by_verdict: dict[str, list[str]] = {}
    for name in lookup.challengers(tables):
        by_verdict.setdefault(lookup.verdict(lookup.score_difference(tables, name)), []).append(name)
    words = [f"{verdict} for {phrases.some(names)}" for verdict, names in by_verdict.items()]
    if not words:
        return ""
    return f"Accuracy (holds: lower end of the interval above {MINUS}0.5 points) {'; '.join(words)}."


def _deployment(tables: Tables) -> Table:
    names, radios, grids = lookup.methods(tables), priced.radios(tables), priced.grids(tables)
    columns = (
        Column("method", "Method", is_number=False),
        Column("device_energy", "Device energy", "low to high", "lower"),
        Column("device_change", "Change", "device", "lower"),
        Column("radio_change", "Change", "radio only", "lower"),
        Column("pass_through", "Pass-through", "", "higher"),
        *(Column(grid, grid, "CO2e", "lower") for grid in grids),
    )
    rows, groups = [], []
    for radio in radios:
        joules = {name: lookup.total(lookup.of_clients(lookup.energy(tables, name, radio))) for name in names}
        j_factor, j_unit = scale([amount.typical for amount in joules.values() if amount], "J", TABLE_HEADROOM)
        grams = {(name, grid): lookup.carbon(tables, name, radio, grid) for name in names for grid in grids}
        g_factor, g_unit = scale([amount.typical for amount in grams.values() if amount], "g")
        for name in names:
            changes = (
                phrases.change(lookup.pair(tables, name, quantity, radio), is_fact=False)
                for quantity in ("device_energy_j", "radio_energy_j")
            )
            quotient = phrases.quotient(lookup.pair(tables, name, "pass_through", radio))
            own = priced.grids_of(tables, radio)
            carbon = (phrases.assumed(grams[name, grid], g_factor) if grid in own else _NONE for grid in grids)
            cells = [
                phrases.assumed(joules[name], j_factor),
                *(_change_cell(tables, name, change) for change in changes),
                _change_cell(tables, name, quotient),
                *carbon,
            ]
            rows.append((Cell(name), *cells))
            groups.append(f"{priced.radio_title(tables, radio)}: energy in {j_unit}, carbon in {g_unit}")
    notes = (
        f"Energy and carbon are {phrases.PROJECTED}, not measured: energy of the clients' devices, carbon of all that "
        "is in the totals, one training run of the whole fleet, mean over seeds. Below joules and grams stands the "
        "range of the assumptions (every coefficient at its low, every one at its high end), which methods share; "
        "below changes and pass-through the 95 % t interval where it varies between seeds. Changes are against "
        f"{lookup.compared_with(tables)}. Pass-through is the share of device-radio joules saved divided by the share "
        "of total bits (unicast) saved.",
        *(
            f"{priced.radio_title(tables, radio)}: {note}."
            for radio in priced.radios(tables)
            for note in (*_marked(tables, radio), *own_notes(tables, radio))
        ),
    )
    title = "Device energy and carbon by radio, projected"
    return Table("deployment", title, columns, tuple(rows), notes, tuple(groups))


def _marked(tables: Tables, radio: str) -> list[str]:
    """What keeps a radio out of first sentences; how it was tested is in the report."""
    kinds: tuple[Kind, ...] = (*URGENT, "unvalidated")
    return [str(note) for kind in kinds for note in priced.radio_notes(tables, radio) if note.kind == kind]


def _change_cell(tables: Tables, name: str, cell: Cell) -> Cell:
    """A comparison with the reference, its interval and nothing else below it."""
    if name in lookup.references(tables):
        return _NONE
    if cell.value is None:
        return absent(cell.text.split(":", maxsplit=1)[0])
    return replace(cell, detail=" to ".join(cell.ends or ()))


def _coefficients(tables: Tables) -> Table | None:
    entries = lookup.mappings(tables.context.get("coefficients"))
    if not entries:
        return None
    columns = (
        Column("name", "Coefficient", is_number=False),
        Column("typical", "Typical"),
        Column("range", "Low to high"),
        Column("unit", "Unit", is_number=False),
        Column("mark", "Mark", is_number=False),
        Column("source", "Source", is_number=False),
    )
    known = set(keys(tables))
    rows = []
    for entry in entries:
        typical, low, high = phrases.plain(entry.get("typical")), *(_end(entry.get(key)) for key in ("low", "high"))
        source = phrases.plain(entry.get("source"))
        rows.append(
            (
                Cell(phrases.plain(entry.get("name"))),
                Cell(typical),
                Cell(f"{low} to {high}" if entry.get("low") != entry.get("high") else "point"),
                Cell(phrases.plain(entry.get("unit"))),
                Cell("verified" if entry.get("is_verified") is True else "unverified"),
                Cell(source, cites=(source,) if source in known else ()),
            )
        )
    notes = (
        "Verified: the number was read in the named source. Unverified: quoted by others, or our judgement. A low and "
        "high that the source does not state follow from a rule of ours.",
    )
    return Table("coefficients", "Coefficients behind the projected joules", columns, tuple(rows), notes)


def _end(value: object) -> str:
    """An end of a range: most follow from a factor, so that four digits say all."""
    return f"{value:.4g}" if isinstance(value, float) else phrases.plain(value)
