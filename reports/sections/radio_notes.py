"""Writes the caveats of radios: what is impossible, what was compared with measurements, and what models leave out."""

from collections import Counter
from collections.abc import Mapping

from harness.core.notes import Kind
from reports.document import Block, Bullets, Cell, Column, Paragraph, Table
from reports.tables import priced
from reports.tables.read import Tables
from reports.texts import phrases

_COMPARED: Mapping[Kind, str] = {
    "validated": "compared, and near",
    "unvalidated": "not validated",
    "reproduces": "reproduces its own source",
}
"""Kinds of notes about a whole model beside a published one, in words."""


def radio_warnings(tables: Tables) -> list[Block]:
    """Radios that are not possible with these transfers, and other warnings of theirs."""
    found = [
        f"{priced.bare_title(tables, radio)} is infeasible here: {reason}. Its joules are printed for the record and "
        "are no option."
        for radio in priced.radios(tables)
        for reason in priced.noted(tables, radio, "infeasible")
    ]
    shared = Counter(note for radio in priced.radios(tables) for note in priced.noted(tables, radio, "warning"))
    for note in shared:
        on = [
            priced.bare_title(tables, radio)
            for radio in priced.radios(tables)
            if note in priced.noted(tables, radio, "warning")
        ]
        found.append(f"{phrases.listing(on)}: {note}.")
    return [Paragraph(text, role="warning") for text in found]


def own_notes(tables: Tables, radio: str) -> tuple[str, ...]:
    """What the model of a radio leaves out or assumes, without what all radios say alike."""
    shared = set(_shared(tables))
    return tuple(note for note in priced.noted(tables, radio, "remark") if note not in shared)


def radio_blocks(tables: Tables) -> list[Block]:
    """How far the models were compared with measurements, and the notes that all of them share."""
    blocks: list[Block] = []
    compared = _compared(tables)
    if compared:
        blocks.append(compared)
    shared = _shared(tables)
    if shared:
        blocks += [Paragraph("Of every radio above:"), Bullets(tuple(f"{note}." for note in shared))]
    return blocks


def _shared(tables: Tables) -> list[str]:
    """Remarks that all radios make; none where there is but one radio, or where it is a fleet."""
    radios = [radio for radio in priced.radios(tables) if not priced.is_fleet(tables, radio)]
    if len(radios) < 2:
        return []
    counts = Counter(note for radio in radios for note in dict.fromkeys(priced.noted(tables, radio, "remark")))
    return [note for note, count in counts.items() if count == len(radios)]


def _compared(tables: Tables) -> Table | None:
    columns = (
        Column("radio", "Radio", is_number=False),
        Column("mark", "Mark", is_number=False),
        Column("beside", "Model beside a published figure (error, source)", is_number=False),
    )
    rows = [
        (
            Cell(priced.bare_title(tables, radio)),
            Cell(words, tone="warn" if kind == "unvalidated" else "plain"),
            Cell(note),
        )
        for radio in priced.radios(tables)
        for kind, words in _COMPARED.items()
        for note in priced.noted(tables, radio, kind)
    ]
    if not rows:
        return None
    notes = (
        "Compared: an end-to-end energy that had no part in making the model. A model that only reproduces its own "
        "source has had its arithmetic tested, not itself. A radio with anything “not validated” is named in no first "
        "sentence.",
    )
    return Table("radio_models", "How far the radio models were tested", columns, tuple(rows), notes)
