"""Builds the first screen: the answer, the figure, the pass-through, and one table with everything that decides."""

from harness.core.notes import URGENT
from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.sections.answer import answer, pass_through
from reports.sections.optional_parts import PARTS
from reports.sections.provisioning import provisioning_notes
from reports.sections.trajectories import accuracy_against_bits
from reports.tables import lookup, priced
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.best import COUNTED, with_best
from reports.texts.numbers import TABLE_HEADROOM, absent, scale


def headline(tables: Tables) -> Section:
    """Answer, accuracy against bits, pass-through, comparison table."""
    blocks: list[Block] = [*answer(tables), *_warnings(tables)]
    figure = accuracy_against_bits(tables)
    blocks.append(figure if figure else Paragraph("No finished cell has scores to draw.", role="note"))
    passed = pass_through(tables)
    if passed:
        blocks.append(passed)
    blocks.append(_comparison(tables))
    return Section("answer", "Answer", tuple(blocks))


def _warnings(tables: Tables) -> list[Paragraph]:
    cells = tables.context["cells"]
    counts = cells if isinstance(cells, dict) else {}
    unfinished = len(counts.get("failed") or []) + len(counts.get("missing") or [])
    said = [Paragraph(str(note), role="warning") for note in priced.study_notes(tables) if note.kind in URGENT]
    if not unfinished:
        return said
    return [
        *said,
        Paragraph(
            f"{unfinished} of {phrases.plain(counts.get('planned'))} planned cells did not finish; they stand under "
            "“What is missing”, and every number here leaves them out.",
            role="warning",
        ),
    ]


def _comparison(tables: Tables) -> Table:
    names = lookup.methods(tables)
    radio = next(iter(priced.shown_radios(tables)), "")
    grid = priced.first_grid(tables, radio)
    factor, unit = scale(_bit_values(tables, names), "bit")
    joules = {name: lookup.total(lookup.of_clients(lookup.energy(tables, name, radio))) for name in names}
    grams = {name: lookup.carbon(tables, name, radio, grid) for name in names}
    j_factor, j_unit = scale([amount.typical for amount in joules.values() if amount], "J", TABLE_HEADROOM)
    g_factor, g_unit = scale([amount.typical for amount in grams.values() if amount], "g")
    where = priced.radio_title(tables, radio) if radio else "no radio"
    has_rounds = not lookup.has_equal_rounds(tables)
    columns = (
        Column("method", "Method", "initialisation", is_number=False),
        *([Column("rounds", "Rounds", "run")] if has_rounds else []),
        Column("uplink_bits", "Uplink", unit, "lower"),
        Column("downlink_bits", "Downlink", f"{unit}, unicast", "lower"),
        Column("total_bits", "Total", f"{unit}, unicast", "lower"),
        Column("total_change", "Total, change", "unicast, to reference", "lower"),
        Column("test_accuracy", "Test accuracy", phrases.CONFIDENCE, "higher"),
        Column("test_difference", "Difference", f"points, {phrases.CONFIDENCE}", "higher"),
        Column("device_energy", f"Device, {where}", f"{j_unit}, {phrases.PROJECTED}", "lower"),
        Column("device_change", "Device, change", "to reference", "lower"),
        Column("carbon", f"Carbon, {grid or 'no grid'}", f"{g_unit}, {phrases.PROJECTED}", "lower"),
    )
    rows = []
    for name in names:
        bits = [phrases.bits(lookup.mean(tables, name, key), factor) for key in _BITS]
        rows.append(
            (
                Cell(name, lookup.initialisation(tables, name)),
                *([phrases.rounds(lookup.rounds(tables, name))] if has_rounds else []),
                *bits,
                _against(tables, name, phrases.change(lookup.pair(tables, name, "total_bits"), is_fact=True)),
                phrases.accuracy(lookup.score(tables, name)),
                _against(tables, name, phrases.points(lookup.score_difference(tables, name))),
                phrases.assumed(joules[name], j_factor),
                _against(
                    tables, name, phrases.change(lookup.pair(tables, name, "device_energy_j", radio), is_fact=False)
                ),
                phrases.assumed(grams[name], g_factor),
            )
        )
    return with_best(Table("comparison", "All methods", columns, tuple(rows), _notes(tables)), COUNTED)


_BITS = ("uplink_bits", "downlink_bits", "total_bits")


def _bit_values(tables: Tables, names: list[str]) -> list[float | None]:
    means = [lookup.mean(tables, name, key) for name in names for key in _BITS]
    return [mean.value for mean in means if mean]


def _against(tables: Tables, name: str, cell: Cell) -> Cell:
    return absent("reference") if name in lookup.references(tables) else cell


def _beyond(tables: Tables) -> list[str]:
    """What carbon includes besides the devices."""
    extra = [PARTS.get(part, part) for part in priced.included(tables) if part.startswith(("network", "server"))]
    return [f"Device joules are those of clients; carbon has {phrases.listing(extra)} in it as well."] if extra else []


def _notes(tables: Tables) -> tuple[str, ...]:
    return (
        *([f"Methods are compared with {lookup.compared_with(tables)}."] if lookup.challengers(tables) else []),
        "Bits, joules and grams are of one training run of the whole fleet, mean over seeds. Unicast: every client "
        "receives its own copy; multicast totals are under “Bits”.",
        *phrases.decoded_notes(tables),
        *provisioning_notes(tables),
        *_beyond(tables),
        "Intervals under accuracy and changes are 95 % t intervals over seeds (paired by seed for differences and "
        "changes); they do not cover the finite test set. Ranges under joules and grams are those of the "
        "assumptions: every coefficient at its low, every one at its high.",
        "“Holds” means that the lower end of the paired interval is above −0.5 points; all else is “not resolved”.",
    )
