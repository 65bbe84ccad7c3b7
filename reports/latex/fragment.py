r"""Writes a report as a LaTeX fragment: text, booktabs tables and figures, for ``\input`` into any class.

Floats are as wide as what is in them: ``table`` for what fits into a column of a two-column class, else ``table*``,
which a one-column class reads as ``table``. A table that is still too wide for its place is scaled down to fit.
"""

from collections.abc import Iterator, Sequence
from math import ceil
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
from reports.figures.venues import IEEE, Venue
from reports.latex.escape import breakable, escape

_HEADER = r"""% Needs \usepackage{booktabs,graphicx}. Sources: references.bib. Numbers for running text: numbers.tex.
% Labels: tab:<benchmark>-<table>, fig:<benchmark>-<figure>. Figures are looked for beside the main file; where they
% lie elsewhere, say \newcommand{\harnessfolder}{path/to/results} before \input.
\providecommand{\harnessfolder}{.}
\providecommand{\harnesstable}[2]{% a table, scaled down if its place is narrower, and the notes below it
  \setbox2=\hbox{#1}%
  \ifdim\wd2>\linewidth\setbox2=\hbox{\resizebox{\linewidth}{!}{\box2}}\fi
  \leavevmode\copy2\par\smallskip
  \parbox{\ifdim\wd2<20em \linewidth\else\wd2\fi}{\scriptsize #2}}
\providecommand{\harnesswidth}{\ifdim\linewidth<COLUMNin \linewidth\else COLUMNin\fi}
"""
_ARROWS = {"lower": r" \ensuremath{\downarrow}", "higher": r" \ensuremath{\uparrow}", "": ""}
_COLUMN_CHARACTERS = 62
"""Characters of a table, at the size of footnotes, that a column of a two-column class takes."""
_LONGEST_NAME = 30
_LONGEST_DETAIL = 44
"""Characters of a detail in a column of text; a longer one is broken into lines."""
_CITATION = 4
_SMALLER = 0.85
"""Width of a character of a detail relative to one of a value."""

_MOST_LINES = 42
"""Lines of a table and its notes that a page takes; a longer one is continued in the next float."""
_NAME_CHARACTERS = 18
"""Characters of a line of a name that is too long for one."""
_NOTE_CHARACTERS = (60, 95)
"""Characters of a line of a note: below a table as wide as a column, and as a page of a one-column class."""


def render_latex(report: Report, venue: Venue = IEEE) -> str:
    """The report as text, byte-identical for equal reports; figures are no wider than a column of `venue`."""
    header = _HEADER.strip().replace("COLUMN", f"{venue.column_in:g}")
    parts = [f"% {escape(report.title)}\n{header}"]
    for section in report.sections:
        parts.append(f"% {escape(section.title)}")
        parts += [_block(block, _label(report.title)) for block in section.blocks]
    return "\n\n".join(parts) + "\n"


def write_latex(report: Report, path: Path, venue: Venue = IEEE) -> None:
    """Write the report to `path`.

    Raises:
        OSError: `path` cannot be written.
    """
    write_text(path, render_latex(report, venue))


def _block(block: Block, prefix: str) -> str:  # noqa: PLR0911 - one for each kind
    match block:
        case Paragraph():
            return _paragraph(block)
        case Bullets():
            return _itemize([escape(breakable(item)) for item in block.items])
        case Highlights():
            return _itemize([escape(f"{item.label}: {item.value} ({item.detail})") for item in block.items])
        case Table():
            return "\n\n".join(_float(part, f"{prefix}-{part.key}") for part in _pages(block))
        case Figure():
            return _figure(block, prefix)
        case Cards():
            return "\n".join(rf"\paragraph{{{escape(card.title)}}}" + "\n" + _facts(card) for card in block.items)
        case Listing():
            return f"% Left out: {escape(block.title)}"


def _facts(card: Card) -> str:
    return _itemize([escape(breakable(line)) for line in card.lines()])


def _paragraph(block: Paragraph) -> str:
    if not block.sentences:
        return escape(breakable(block.text))
    return "\n".join(_cited(sentence.text, sentence.cites) for sentence in block.sentences)


def _cited(text: str, cites: Sequence[str]) -> str:
    """A sentence with its citations before the full stop."""
    if not cites:
        return escape(breakable(text))
    stop = "." if text.endswith(".") else ""
    return rf"{escape(breakable(text.removesuffix('.')))}~\cite{{{','.join(cites)}}}{stop}"


def _itemize(items: Sequence[str]) -> str:
    return "\n".join([r"\begin{itemize}", *(rf"  \item {item}" for item in items), r"\end{itemize}"])


def _figure(block: Figure, prefix: str) -> str:
    path = rf"\harnessfolder/{file_stem(block.key, is_column=True)}.pdf"
    lines = [
        rf"% Across both columns: figure* with {file_stem(block.key)}.pdf, as wide as the page.",
        r"\begin{figure}[tbp]",
        r"  \centering",
        rf"  \includegraphics[width=\harnesswidth,height=.8\textheight,keepaspectratio]{{{path}}}",
        rf"  \caption{{{escape(breakable(block.caption))}}}",
        rf"  \label{{fig:{prefix}-{block.key}}}",
        r"\end{figure}",
    ]
    return "\n".join(lines)


def _pages(table: Table) -> Iterator[Table]:
    """A table in parts that fit on a page each; the first keeps its key."""
    lines = [_lines(table, number) for number in range(len(table.rows))]
    width = _NOTE_CHARACTERS[_characters(table) > _COLUMN_CHARACTERS]
    used = sum(ceil(len(note) / width) for note in table.notes)
    start, part = 0, 0
    while start < len(table.rows) or part == 0:
        end, left = start, _MOST_LINES - (used if part == 0 else 0)
        while end < len(table.rows) and (end == start or sum(lines[start : end + 1]) <= left):
            end += 1
        key, title = (table.key, table.title) if part == 0 else (f"{table.key}-{part + 1}", f"{table.title}, continued")
        groups = table.groups[start:end]
        yield Table(key, title, table.columns, table.rows[start:end], table.notes if part == 0 else (), groups)
        start, part = end, part + 1


def _lines(table: Table, number: int) -> int:
    """Lines that a row takes: its name, which may be broken, its details, and the heading of a group that it begins."""
    row = table.rows[number]
    name = len(row[0].text) if row and len(row[0].text) > _LONGEST_NAME else 1
    is_new = bool(table.groups) and (number == 0 or table.groups[number] != table.groups[number - 1])
    broken = [len(cell.detail) for cell, column in zip(row, table.columns, strict=True) if _is_broken(cell, column)]
    details = ceil(max(broken) / _LONGEST_DETAIL) if broken else _has_details(row)
    return ceil(name / _NAME_CHARACTERS) + details + is_new


def _float(table: Table, label: str) -> str:
    is_wide = _characters(table) > _COLUMN_CHARACTERS
    name = "table*" if is_wide else "table"
    spec = "".join("r" if column.is_number else "l" for column in table.columns)
    lines = [
        rf"\begin{{{name}}}[tbp]",
        r"  \centering\footnotesize",
        rf"  \caption{{{escape(table.title)}}}",
        rf"  \label{{tab:{label}}}",
        r"  \setlength{\tabcolsep}{4pt}%",
        r"  \harnesstable{%",
        rf"  \begin{{tabular}}{{@{{}}{spec}@{{}}}}",
        r"    \toprule",
        f"    {_row([_heading(column) for column in table.columns])}",
        r"    \midrule",
        *_body(table),
        r"    \bottomrule",
        r"  \end{tabular}}{%",
        *(f"  {escape(breakable(note))}" for note in table.notes),
        "  }",
        rf"\end{{{name}}}",
    ]
    return "\n".join(lines)


def _body(table: Table) -> Iterator[str]:
    n_columns = len(table.columns)
    for number, row in enumerate(table.rows):
        is_new = bool(table.groups) and (number == 0 or table.groups[number] != table.groups[number - 1])
        if number and (is_new or _has_details(row)):
            yield rf"    \addlinespace[{'4pt' if is_new else '2pt'}]"
        if is_new:
            yield rf"    \multicolumn{{{n_columns}}}{{@{{}}l@{{}}}}{{\itshape {escape(table.groups[number])}}} \\"
        yield f"    {_row([_cell(cell, is_first=at == 0) for at, cell in enumerate(row)])}"
        if _has_details(row):
            yield f"    {_row([_detail(cell, column) for cell, column in zip(row, table.columns, strict=True)])}"


def _has_details(row: Sequence[Cell]) -> bool:
    return any(cell.detail for cell in row)


def _heading(column: Column) -> str:
    label = escape(column.label) + _ARROWS[column.better]
    side = "r" if column.is_number else "l"
    if not column.unit:
        return label if side == "l" else rf"\multicolumn{{1}}{{r}}{{{label}}}"
    return rf"\shortstack[{side}]{{{label}\\{{\scriptsize {escape(column.unit)}}}}}"


def _cell(cell: Cell, *, is_first: bool) -> str:
    if cell.cites:
        return rf"\cite{{{','.join(cell.cites)}}}"
    text = escape(breakable(cell.text))
    if cell.is_best:
        return rf"\textbf{{{text}}}"
    if is_first and len(cell.text) > _LONGEST_NAME:
        return rf"\parbox[t]{{11em}}{{\raggedright {text}\strut}}"
    return text


def _detail(cell: Cell, column: Column) -> str:
    if _is_broken(cell, column):
        return rf"\parbox[t]{{13em}}{{\raggedright\scriptsize {escape(breakable(cell.detail))}\strut}}"
    return rf"{{\scriptsize {escape(cell.detail)}}}" if cell.detail else ""


def _is_broken(cell: Cell, column: Column) -> bool:
    return not column.is_number and len(cell.detail) > _LONGEST_DETAIL


def _row(cells: Sequence[str]) -> str:
    return f"{' & '.join(cells)} \\\\"


def _characters(table: Table) -> int:
    """About how many characters wide a table is."""
    widths = [max(len(column.label) + 2 * bool(column.better), len(column.unit)) for column in table.columns]
    for row in table.rows:
        cells = zip(widths, row, table.columns, strict=True)
        widths = [max(width, _width(cell, column)) for width, cell, column in cells]
    return sum(widths) + 2 * len(widths)


def _width(cell: Cell, column: Column) -> int:
    shown = _CITATION if cell.cites else min(len(cell.text), _LONGEST_NAME)
    detail = _LONGEST_DETAIL if _is_broken(cell, column) else len(cell.detail)
    return max(shown, round(_SMALLER * detail))


def _label(title: str) -> str:
    """A title as part of a label: lower-case letters, digits and hyphens."""
    kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in title.lower())
    return "-".join(word for word in kept.split("-") if word)[:64] or "report"
