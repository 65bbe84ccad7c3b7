"""Selects the best cells of a column, by a rule that is printed below the table."""

from dataclasses import replace

from reports.document import Cell, Table
from reports.texts.numbers import MINUS, NBSP

COUNTED = ("uplink_bits", "downlink_bits", "total_bits", "test_accuracy")
"""Columns in which the best is marked: what was counted and scored."""

RULE = (
    "Bold: the best of a column, and what cannot be told from it: what prints the same, or has an interval in which "
    "the best lies. A column in which that is every method has none."
)


def with_best(table: Table, keys: tuple[str, ...]) -> Table:
    """The table with the best cells of some columns marked, and the rule among its notes.

    What is compared is what is printed, so that no digit decides that a reader does not see. `keys` name counted and
    scored quantities alone: projected or metered quantities have their own assumptions and noise.
    """
    rows = [list(row) for row in table.rows]
    is_marked = False
    for at, column in enumerate(table.columns):
        if column.key not in keys or not column.better:
            continue
        best = _best([row[at] for row in rows], is_lower=column.better == "lower")
        is_marked = is_marked or bool(best)
        for number in best:
            rows[number][at] = replace(rows[number][at], is_best=True)
    if not is_marked:
        return table
    return replace(table, rows=tuple(map(tuple, rows)), notes=(*table.notes, RULE))


def _best(cells: list[Cell], *, is_lower: bool) -> list[int]:
    """Places of the best cells; none if there are fewer than two values, or all are equally good."""
    values = {at: printed for at, cell in enumerate(cells) if (printed := _printed(cell.text)) is not None}
    if len(values) < 2:
        return []
    best = min(values.values()) if is_lower else max(values.values())
    tied = [at for at, value in values.items() if value == best or _holds(cells[at], best)]
    return tied if len(tied) < len(values) else []


def _holds(cell: Cell, value: float) -> bool:
    ends = [printed for end in cell.ends or () if (printed := _printed(end)) is not None]
    return len(ends) == 2 and min(ends) <= value <= max(ends)


def _printed(text: str) -> float | None:
    r"""The number that a text shows; None if it shows none.

    >>> _printed("\u22121,234.5\u00a0%"), _printed("reference")
    (-1234.5, None)
    """
    try:
        return float(text.removesuffix("%").rstrip(NBSP + " ").replace(MINUS, "-").replace(",", ""))
    except ValueError:
        return None
