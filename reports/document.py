"""Defines the neutral document: the content of a report, before any format.

All text is plain text. Writers escape it; nothing here is HTML, Markdown or LaTeX. Numbers arrive formatted, with the
raw value next to them, so that a writer can name each one (a macro per result) without parsing text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

Tone = Literal["plain", "muted", "warn"]
Better = Literal["lower", "higher", ""]

REFERENCE_SLOT = 0
"""Colour slot of the reference; the other methods count up from 1."""


@dataclass(frozen=True)
class Sentence:
    """A sentence, with its full stop, and the bibliography keys of the sources it rests on."""

    text: str
    cites: tuple[str, ...] = ()


@dataclass(frozen=True)
class Paragraph:
    """A paragraph: ``lead`` answers the question, ``note`` is small print, ``warning`` must not be missed.

    Attributes:
        text: all of it.
        role: what it is for.
        sentences: `text` in sentences, where it has sources; a format that can cite prints these.
    """

    kind: ClassVar[str] = "paragraph"
    text: str
    role: Literal["lead", "plain", "note", "warning"] = "plain"
    sentences: tuple[Sentence, ...] = ()


def prose(*sentences: Sentence) -> Paragraph:
    """A plain paragraph of sentences with their sources."""
    return Paragraph(" ".join(sentence.text for sentence in sentences), sentences=sentences)


@dataclass(frozen=True)
class Bullets:
    """A list of sentences."""

    kind: ClassVar[str] = "bullets"
    items: tuple[str, ...]


@dataclass(frozen=True)
class Highlight:
    """One highlighted number.

    Attributes:
        key: identifier, unique in its block, for writers that name numbers.
        label: what the number is.
        value: formatted.
        detail: how to read it.
    """

    key: str
    label: str
    value: str
    detail: str


@dataclass(frozen=True)
class Highlights:
    """A few highlighted numbers under one title."""

    kind: ClassVar[str] = "highlights"
    key: str
    title: str
    items: tuple[Highlight, ...]
    note: str = ""


@dataclass(frozen=True)
class Column:
    """A table column.

    Attributes:
        key: identifier, unique in its table.
        label: heading.
        unit: second line of the heading: unit and, for joules, uncertainty class; may be empty.
        better: which direction is better, or empty.
        is_number: numbers are aligned right.
    """

    key: str
    label: str
    unit: str = ""
    better: Better = ""
    is_number: bool = True


@dataclass(frozen=True)
class Cell:
    """A table cell.

    Attributes:
        text: the formatted value, or why there is none.
        detail: second line, e.g. an interval; may be empty.
        value: the raw number in the unit of the heading; None where there is none.
        tone: ``muted`` for absent values and for differences that mean nothing, ``warn`` for what needs a look.
        ends: lower and upper end, formatted, where `detail` shows an interval or a range.
        cites: bibliography keys that `text` names; a format that can cite prints citations in its place.
        is_best: whether it is the best of its column or indistinguishable from it, by the rule of `reports.texts.best`.
    """

    text: str
    detail: str = ""
    value: float | None = None
    tone: Tone = "plain"
    ends: tuple[str, str] | None = None
    cites: tuple[str, ...] = ()
    is_best: bool = False


@dataclass(frozen=True)
class Table:
    """A table; every row has a cell per column and the first column heads its row.

    Attributes:
        key: identifier, unique in the report.
        title: one line above the table.
        columns: at least one.
        rows: may be empty.
        notes: how to read it, what it leaves out.
        groups: for each row the heading of the run of rows that it belongs to; empty for a table without.
    """

    kind: ClassVar[str] = "table"
    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a row that does not fit the columns, and groups that do not fit the rows."""
        if len(self.groups) not in (0, len(self.rows)):
            raise ValueError(f"table {self.key}: {len(self.groups)} groups for {len(self.rows)} rows")
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"table {self.key}: a row has {len(row)} cells for {len(self.columns)} columns")


@dataclass(frozen=True)
class Curve:
    """A line with its repeats.

    Attributes:
        label: name of the line.
        slot: colour and marker, from 0 (`REFERENCE_SLOT`).
        points: (x, y) in order of x.
        repeats: the single runs behind it, drawn faint.
        is_rule: whether it is theory rather than data: a thin line without markers.
    """

    label: str
    slot: int
    points: tuple[tuple[float, float], ...]
    repeats: tuple[tuple[tuple[float, float], ...], ...] = ()
    is_rule: bool = False


@dataclass(frozen=True)
class Curves:
    """A panel of lines; one of several panels has a title."""

    x_label: str
    y_label: str
    curves: tuple[Curve, ...]
    is_x_log: bool = False
    title: str = ""


@dataclass(frozen=True)
class Bar:
    """A stacked bar with a whisker on its end.

    Attributes:
        label: name of the bar.
        parts: lengths, one per entry of `Bars.parts`, each at least 0.
        low: lower end of the whisker; None for no whisker.
        high: upper end of the whisker.
        text: the formatted total.
    """

    label: str
    parts: tuple[float, ...]
    low: float | None
    high: float | None
    text: str


@dataclass(frozen=True)
class Bars:
    """A panel of horizontal stacked bars."""

    title: str
    x_label: str
    parts: tuple[str, ...]
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Tile:
    """A square of a grid.

    Attributes:
        text: its text.
        mark: ``yes`` is shaded, ``no`` is not, ``none`` has nothing to say.
        value: the raw number; None where there is none.
    """

    text: str
    mark: Literal["yes", "no", "none"]
    value: float | None = None


@dataclass(frozen=True)
class Tiles:
    """A panel of tiles, a row for each of `rows` and in it a tile for each of `columns`."""

    title: str
    x_label: str
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    tiles: tuple[tuple[Tile, ...], ...]


@dataclass(frozen=True)
class Figure:
    """A figure as data: writers draw it at the size they need.

    Attributes:
        key: identifier and file name, unique in the report.
        title: what it shows.
        caption: how to read it.
        alt: what a reader who cannot see it needs to know.
        panels: all of one type.
    """

    kind: ClassVar[str] = "figure"
    key: str
    title: str
    caption: str
    alt: str
    panels: tuple[Curves, ...] | tuple[Bars, ...] | tuple[Tiles, ...]


@dataclass(frozen=True)
class Listing:
    """Verbatim text in some `language`, folded away where the format can."""

    kind: ClassVar[str] = "listing"
    title: str
    text: str
    language: str = "json"


@dataclass(frozen=True)
class Card:
    """What is to be known of one thing, on a card.

    Attributes:
        title: name of the thing.
        subtitle: what it is, in a sentence; may be empty.
        mark: a word that marks it; may be empty.
        facts: label and text of each line.
    """

    title: str
    subtitle: str
    mark: str
    facts: tuple[tuple[str, str], ...]

    def lines(self) -> tuple[str, ...]:
        """The facts as sentences: a label that is a question needs no colon."""
        return tuple(f"{label}{'' if label.endswith('?') else ':'} {text}" for label, text in self.facts)


@dataclass(frozen=True)
class Cards:
    """Cards shown side by side."""

    kind: ClassVar[str] = "cards"
    key: str
    items: tuple[Card, ...]


Block = Paragraph | Bullets | Highlights | Table | Figure | Listing | Cards


@dataclass(frozen=True)
class Section:
    """A titled run of blocks; `key` is its anchor."""

    key: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes:
        title: name of what it is about.
        subtitle: a line under the title.
        sections: in order.
        what_if: JSON with which a page that can compute prices the runs anew; empty for a report without.
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    what_if: str = ""

    def figures(self) -> Iterator[Figure]:
        """All figures, in order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Figure):
                    yield block

    def tables(self) -> Iterator[Table]:
        """All tables, in order."""
        for section in self.sections:
            for block in section.blocks:
                if isinstance(block, Table):
                    yield block
