"""Where numbers stand: sentences, and cells of tables with the label of their row and the headings of their column."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.papers.numbers import numbers
from harness.papers.plain import plain_text

_ABBREVIATED = "".join(
    rf"(?<!\b{word}\.)" for word in ("vs", "g", "e", "cf", "al", "Fig", "Sec", "Eq", "Tab", "No", "no", "resp", "ca")
)
_SENTENCE = re.compile(
    rf"(?<=[\w)}}%$\x03][.!?]){_ABBREVIATED}(?<!approx\.)\s+|\n[ \t]*\n|\\item\b|\\(?=(?:sub)*section|caption)"
    r"|\\(?:begin|end)\{(?!equation|align|math)[^{}]*\}"
)
_FLOAT = re.compile(r"\\begin\{(table\*?|wraptable|sidewaystable)\}(.*?)\\end\{\1\}", re.DOTALL)
_CAPTION = re.compile(r"\\caption\*?\s*(?:\[[^\]]*\])?\s*\{((?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*)\}")
_TABULAR = re.compile(r"\\begin\{(tabular[xy*]?|longtable|tblr)\}(.*?)\\end\{\1\}", re.DOTALL)
_ARGUMENTS = re.compile(r"(?:\s*\[[^\]]*\])?(?:[ \t]*\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}){1,2}")
_SPAN = re.compile(r"\\multicolumn\s*\{\s*(\d+)\s*\}")
_RULE = re.compile(r"\\(?:midrule|hline)")
CITES = re.compile(r"\\[a-zA-Z]*cite[a-zA-Z]*")


@dataclass(frozen=True)
class Passage:
    """A stretch of text that is read as one.

    Attributes:
        text: plain.
        line: of its first character, from 1.
        label: of a cell, its row's label and its column's headings; empty for a sentence.
        heading: of a cell, its column's headings alone.
        wider: what a cell's table says in its caption.
        cites: whether it cites others.
    """

    text: str
    line: int
    label: str = ""
    heading: str = ""
    wider: str = ""
    cites: bool = False

    def line_of(self, place: int) -> int:
        """The line, from 1, of a place in `text`."""
        return self.line + self.text.count("\n", 0, place)


def passages(source: str, names: "re.Pattern[str]") -> Iterator[Passage]:
    """All passages of a readable source; `names` finds what is a name whatever digits it has."""
    tables = [match.span() for match in _TABULAR.finditer(source)]
    breaks = [0, *(match.end() for match in _SENTENCE.finditer(source)), len(source)]
    for start, end in pairwise(breaks):
        if not any(begin < start < stop for begin, stop in tables):
            part = source[start:end]
            yield Passage(plain_text(part), source.count("\n", 0, start) + 1, cites=bool(CITES.search(part)))
    floats = [(match.span(), _CAPTION.findall(match[2])) for match in _FLOAT.finditer(source)]
    for table in _TABULAR.finditer(source):
        captions = [text for (start, end), found in floats if start <= table.start() < end for text in found]
        yield from _cells(source, table, " ".join(map(plain_text, captions)), names)


def _cells(source: str, table: "re.Match[str]", caption: str, names: "re.Pattern[str]") -> Iterator[Passage]:
    arguments = _ARGUMENTS.match(table[2])
    place = table.start(2) + (arguments.end() if arguments else 0)
    headings: dict[int, str] = {}
    group = first = ""
    is_head = True
    for row in re.split(r"(?<!\\)\\\\", source[place : table.end(2)]):
        is_head = is_head and not (headings and _RULE.search(row))
        cells = list(_columns(row))
        texts = [plain_text(cell) for _, _, cell in cells]
        counted = [bool(numbers(names.sub(_blank, text))) for text in texts]
        is_head = is_head and not any(counted[1:])
        if is_head:
            for (column, span, _), text in zip(cells, texts, strict=True):
                for each in range(column, column + span):
                    headings[each] = f"{headings.get(each, '')} {text}"
            at = place
            for (_, _, cell), text in zip(cells, texts, strict=True):
                yield Passage(text, source.count("\n", 0, at) + 1)
                at += len(cell) + 1
        elif not any(counted) and sum(bool(text.strip()) for text in texts) == 1:
            group = " ".join(texts)
        else:
            first = texts[0] if texts[0].strip() or cells[0][2].strip() else first
            label = _label(texts, counted, first, group)
            yield from _of_row(source, place, row, (cells, texts, counted), label, headings, caption)
        place += len(row) + 2


def _label(texts: Sequence[str], counted: Sequence[bool], first: str, group: str) -> str:
    own = [text for text, has_number in zip(texts[1:], counted[1:], strict=True) if not has_number]
    return " ; ".join([group, first, *own])


def _of_row(
    source: str,
    place: int,
    row: str,
    parsed: tuple[Sequence[tuple[int, int, str]], Sequence[str], Sequence[bool]],
    label: str,
    headings: dict[int, str],
    caption: str,
) -> Iterator[Passage]:
    at = place
    for (column, _, cell), text, has_number in zip(*parsed, strict=True):
        line, cites = source.count("\n", 0, at) + 1, bool(CITES.search(row))
        if has_number and column:
            heading = headings.get(column, "")
            yield Passage(text, line, f"{label} ; {heading}", heading, caption, cites)
        elif has_number:
            yield Passage(text, line, cites=cites)
        at += len(cell) + 1


def _columns(row: str) -> Iterator[tuple[int, int, str]]:
    """Column, width and source of each cell."""
    column = 0
    for cell in re.split(r"(?<!\\)&", row):
        span = _SPAN.search(cell)
        width = int(span[1]) if span else 1
        yield column, width, cell
        column += width


def _blank(match: "re.Match[str]") -> str:
    return re.sub(r"[^\n]", "\x01", match[0])
