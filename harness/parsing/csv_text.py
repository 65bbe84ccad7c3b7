"""Reads users' CSV files as cells with their positions, so that an error message can point to a mistake."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import Problem, SpecError, UsageError
from harness.parsing.problems import did_you_mean, shown

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
        """A problem with this cell of column `name`."""
        return Problem(self.line, self.column, name, text)


@dataclass(frozen=True)
class Rows:
    """The rows of a table.

    Attributes:
        cells: the cells of each row by the names of their columns, in lower case.
        problems: rows with more or fewer cells than there are columns; these are not in `cells`.
    """

    cells: list[dict[str, CsvCell]]
    problems: list[Problem]


def read_rows(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> Rows:
    """`rows_of` the text of a file, which is UTF-8 with or without the mark that spreadsheets put in front.

    Raises:
        UsageError: the file cannot be read, or as for `rows_of`.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: is not UTF-8 text (byte {error.start}); save the table as CSV in UTF-8") from None
    return rows_of(text, str(path), columns, optional)


def rows_of(text: str, file: str, columns: Sequence[str], optional: Sequence[str] = ()) -> Rows:
    r"""The rows of a table whose first line names its columns, in any order and in upper or lower case.

    Args:
        text: as for `records_of`.
        file: its name in errors.
        columns: names of the columns that it must have, in lower case.
        optional: those of the columns that it may have.

    Raises:
        UsageError: it is empty, no CSV, or has other columns.

    >>> rows_of("A;b\n1;2", "t.csv", ["b", "a"]).cells[0]["a"].text
    '1'
    """
    records = records_of(text, file)
    if not records:
        raise UsageError(f"{file}: is empty; the first line names the columns: {', '.join(columns)}")
    if problems := list(_header_problems(records[0], columns, optional)):
        raise SpecError(file, problems)
    names = [cell.text.lower() for cell in records[0]]
    rows = Rows([], [])
    for record in records[1:]:
        if len(record) == len(names):
            rows.cells.append(dict(zip(names, record, strict=True)))
        else:
            text = f"{len(record)} cells, the first line names {len(names)} columns"
            rows.problems.append(record[0].problem("", f"{text}; put a cell that holds the separator in quotes"))
    return rows


def _header_problems(header: Sequence[CsvCell], columns: Sequence[str], optional: Sequence[str]) -> Iterator[Problem]:
    allowed, names = (*columns, *optional), [cell.text.lower() for cell in header]
    for number, (name, cell) in enumerate(zip(names, header, strict=True)):
        if name not in allowed:
            hint = did_you_mean(name, [other for other in allowed if other not in names])
            yield cell.problem("", f"unknown column {shown(cell.text)}; allowed: {', '.join(allowed)}.{hint}")
        elif name in names[:number]:
            yield cell.problem("", f"a second column {name}")
    if missing := [name for name in columns if name not in names]:
        plural = "s" if len(missing) > 1 else ""
        yield header[0].problem("", f"missing column{plural} {', '.join(missing)}")


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
    if '"' not in record:  # as below, at the speed that long series need
        column = 1
        for cell in record.rstrip("\r\n").split(delimiter):
            yield line, column + len(cell) - len(cell.lstrip(" "))
            column += len(cell) + 1
        return
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
