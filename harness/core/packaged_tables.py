"""Reads the CSV tables that come with the harness. A mistake in one is a bug in the code, not of a user."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path


def table_rows(path: Path, columns: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """The rows of a table by the names of its columns, each after its place, e.g. ``devices.csv:3``.

    Args:
        path: CSV in UTF-8, comma-separated, the names of the columns in its first line.
        columns: the columns that it must have, in this order.

    Raises:
        ValueError: it has other columns.
    """
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != list(columns):
            raise ValueError(f"{path.name}: columns must be {','.join(columns)}")
        for row in reader:
            yield f"{path.name}:{reader.line_num}", row
