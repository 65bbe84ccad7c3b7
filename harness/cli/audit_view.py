"""Prints an audit on the terminal: the tables of the page, each narrow enough for 80 columns."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports import document
from reports.audit.data import Audit
from reports.audit.tables import audit_tables


def print_audit(audit: Audit) -> None:
    """The three tables with their notes."""
    console = Console(highlight=False)
    for table in audit_tables(audit):
        console.print(_printed(table))
        for note in table.notes:
            console.print(Text(note, style="dim"))
        console.print()


def _printed(table: document.Table) -> Table:
    printed = Table(
        title=Text(table.title),
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        collapse_padding=True,
    )
    for column in table.columns:
        heading = f"{column.label}\n{column.unit}" if column.unit else column.label
        if column is table.columns[0]:
            printed.add_column(heading, overflow="fold")
        else:
            printed.add_column(heading, justify="right" if column.is_number else "left", no_wrap=True)
    for row in table.rows:
        printed.add_row(*(Text(cell.text) for cell in row))
    return printed
