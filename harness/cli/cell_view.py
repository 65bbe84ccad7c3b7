"""Prints cells on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.cli.summary import _columns, _table
from harness.results.inspect_cell import CellFacts, facts_rows, round_rows
from harness.results.runs import doubts


def print_cells(cells: Sequence[CellFacts]) -> None:
    """Every cell of a results folder on a line."""
    table = _table("Cells")
    for heading in ("cell", "method", "seed", "state", "facts digest"):
        table.add_column(heading, overflow="fold")
    for cell in cells:
        digest = cell.ledger.facts_digest[:16] if cell.ledger else ""
        for entry in cell.entries:
            table.add_row(cell.cell_id, Text(entry.method), str(entry.seed), Text(cell.state), digest)
    console = Console(highlight=False)
    console.print(table)
    for note in doubts((entry.method, cell.ledger) for cell in cells if cell.ledger for entry in cell.entries):
        console.print(Text(str(note), style="yellow"))


def print_cell(cell: CellFacts) -> None:
    """Everything about one cell."""
    console = Console(highlight=False)
    table = Table.grid(padding=(0, 2))
    for name, text in facts_rows(cell):
        table.add_row(Text(name, style="dim"), Text(text, overflow="fold"))
    console.print(table)
    if cell.ledger is None:
        return
    rounds = _table("Rounds")
    _columns(rounds, "round", ["down\nbit", "up\nbit"])
    rounds.add_column("scores")
    for row in round_rows(cell.ledger):
        rounds.add_row(*map(Text, row))
    console.print(rounds)
