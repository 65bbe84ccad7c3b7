"""Prints a plan on the terminal."""

from rich.console import Console
from rich.text import Text

from harness.cli.summary import _table
from harness.commands.forecast import Forecast


def print_plan(forecast: Forecast) -> None:
    """The cells and their state, and what the missing ones are expected to take."""
    console = Console(highlight=False)
    table = _table(str(forecast.folder))
    for heading in ("method", "seed", "cell", "state", "expected"):
        table.add_column(heading)
    for row in forecast.rows:
        expected = "" if row.seconds is None else _duration(row.seconds)
        table.add_row(Text(row.method), str(row.seed), row.cell_id, Text(row.state), expected)
    console.print(table)
    console.print(
        f"{forecast.n_missing} of {len(forecast.rows)} cells to run, {forecast.jobs} at a time: "
        f"about {_duration(forecast.seconds)}, at most {forecast.peak_bytes / 1e9:.1f} GB of memory"
        if forecast.n_missing
        else "nothing to run: every cell is finished"
    )
    for note in forecast.notes:
        console.print(Text(note))


def _duration(seconds: float) -> str:
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5940 else f"{seconds / 3600:.1f} h"
