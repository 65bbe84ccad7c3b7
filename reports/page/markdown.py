"""Writes a report as GitHub-flavoured Markdown with its figures in separate files (`reports.figures.files`)."""

import re
from pathlib import Path

from harness.core.files import write_text
from reports.document import (
    Block,
    Bullets,
    Card,
    Cards,
    Cell,
    Column,
    Figure,
    Highlights,
    Listing,
    Paragraph,
    Report,
    Table,
)
from reports.figures.files import file_stem
from reports.texts.numbers import clean

_ACTIVE = re.compile(r"([\\`*_\[\]|~$#!])")
_ARROWS = {"lower": " ↓", "higher": " ↑", "": ""}


def render_markdown(report: Report) -> str:
    """The report as text, byte-identical for equal reports."""
    parts = [f"# {_escape(report.title)}", _escape(report.subtitle)]
    for section in report.sections:
        parts.append(f"## {_escape(section.title)}")
        parts += [_block(block) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def write_markdown(report: Report, path: Path) -> None:
    """Write the report to `path`.

    Raises:
        OSError: a file cannot be written.
    """
    write_text(path, render_markdown(report))


def _block(block: Block) -> str:  # noqa: PLR0911 - one for each kind
    match block:
        case Paragraph():
            return _paragraph(block)
        case Bullets():
            return "\n".join(f"- {_escape(item)}" for item in block.items)
        case Highlights():
            return _highlights(block)
        case Table():
            return _table(block)
        case Figure():
            link = f"![{_escape(block.alt)}]({file_stem(block.key)}.svg)"
            return f"### {_escape(block.title)}\n\n{link}\n\n{_escape(block.caption)}"
        case Listing():
            return _listing(block)
        case Cards():
            return "\n\n".join(map(_card, block.items))


def _paragraph(block: Paragraph) -> str:
    text = _escape(block.text)
    return {"lead": f"**{text}**", "warning": f"> {text}"}.get(block.role, text)


def _highlights(block: Highlights) -> str:
    items = [
        f"- {_escape(item.label)}: **{_escape(item.value)}**" + (f" ({_escape(item.detail)})" if item.detail else "")
        for item in block.items
    ]
    note = f"\n\n{_escape(block.note)}" if block.note else ""
    return f"### {_escape(block.title)}\n\n" + "\n".join(items) + note


def _card(card: Card) -> str:
    head = f"### {_escape(card.title)}" + (f" ({_escape(card.mark)})" if card.mark else "")
    lines = [head, *([_escape(card.subtitle)] if card.subtitle else [])]
    return "\n\n".join([*lines, "\n".join(f"- {_escape(line)}" for line in card.lines())])


def _table(block: Table) -> str:
    lines = [f"### {_escape(block.title)}"]
    if block.rows:
        lines += ["", _row([_heading(column) for column in block.columns])]
        lines.append(_row(["---:" if column.is_number else "---" for column in block.columns]))
        for number, row in enumerate(block.rows):
            if block.groups and block.groups[number] != (block.groups[number - 1] if number else ""):
                lines.append(_row([f"**{_escape(block.groups[number])}**", *[""] * (len(row) - 1)]))
            lines.append(_row([_cell(cell) for cell in row]))
    for note in block.notes:
        lines += ["", _escape(note)]
    return "\n".join(lines)


def _listing(block: Listing) -> str:
    longest = max((len(run) for run in re.findall(r"`+", block.text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"### {_escape(block.title)}\n\n{fence}{block.language}\n{block.text}\n{fence}"


def _heading(column: Column) -> str:
    unit = f" ({_escape(column.unit)})" if column.unit else ""
    return f"{_escape(column.label)}{_ARROWS[column.better]}{unit}"


def _cell(cell: Cell) -> str:
    shown = f"**{_escape(cell.text)}**" if cell.is_best else _escape(cell.text)
    text = f"{shown} {_escape(f'({cell.detail})')}" if cell.detail else shown
    return f"*{text}*" if cell.tone == "muted" and cell.value is not None else text


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _escape(text: str) -> str:
    """Plain text that Markdown prints unchanged: no markup, no tag, no new cell or line."""
    safe = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _ACTIVE.sub(r"\\\1", safe)
