"""CSV files of users: cells with the place where each stands, so that a mistake can be pointed at."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from harness.core.errors import Problem, UsageError

_DELIMITERS = ",;\t"


@dataclass(frozen=True)
class CsvCell:
    """A cell of a table.

    Attributes:
        text: what it holds, without quotes and the spaces around it.
        line: line of the file that it starts in, from 1.
        column: its first character in that line, from 1.
    """

    text: str
    line: int
    column: int

    def problem(self, name: str, text: str) -> Problem:
        """What is wrong with this cell, which stands under `name`."""
        return Problem(self.line, self.column, name, text)


def records_of(text: str, file: str) -> list[list[CsvCell]]:
    r"""The records of a table that are not blank, the one with the names of the columns first.

    Args:
        text: cells parted by commas, semicolons or tabs, whichever the first line has most of.
        file: its name in errors.

    Raises:
        UsageError: a quote that does not end, or text behind one.

    >>> [[cell.text for cell in record] for record in records_of('a, b\n"1,5",2\n', "t.csv")]
    [['a', 'b'], ['1,5', '2']]
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(_DELIMITERS, key=first.count)
    lines = io.StringIO(text, newline="").readlines()
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    records, start = [], 0
    try:
        for cells in reader:
            places = _places("".join(lines[start : reader.line_num]), start + 1, delimiter)
            start = reader.line_num
            if any(cell.strip() for cell in cells):
                records.append([CsvCell(cell.strip(), *place) for cell, place in zip(cells, places, strict=True)])
    except csv.Error as error:
        raise UsageError(f"{file}:{start + 1}: is no CSV ({error})") from None
    return records


def _places(record: str, line: int, delimiter: str) -> Iterator[tuple[int, int]]:
    """Line and column of the file where each cell of a record starts; `line` is where the record does."""
    column, is_start = 1, True
    has_quotes = is_quoted = False
    for sign in record:
        if is_start and sign != " ":
            yield line, column
            # A quote inside a cell that does not begin with one is a sign like any other.
            is_start, has_quotes = False, sign == '"'
        if sign == '"' and has_quotes:
            is_quoted = not is_quoted
        elif sign == delimiter and not is_quoted:
            is_start = True
        line, column = (line + 1, 1) if sign == "\n" else (line, column + 1)
    if is_start:
        yield line, column
