"""Prints judged claims on the terminal: one table, and under it the conditions in words."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from reports.claims.data import ClaimsData
from reports.claims.page import verdict_table

_STYLES = {"holds": "green", "holds if": "yellow", "does not hold": "red", "not resolved": "dim"}


def print_claims(data: ClaimsData) -> None:
    """The verdicts, a row per claim and what it is judged on."""
    console = Console(highlight=False)
    printed = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for heading in ("claim", "judged on", "needed", "found", "verdict"):
        printed.add_column(heading, overflow="fold")
    rows = verdict_table(data).rows
    for claim, study, needed, found, verdict, _ in rows:
        on = "\n".join(filter(None, (study.text, study.detail)))
        value = "\n".join(filter(None, (found.text, found.detail)))
        style = _STYLES.get(verdict.text, "")
        texts = (claim.text, on, f"{needed.text}\n{needed.detail}", value)
        printed.add_row(*map(Text, texts), Text(verdict.text, style=style))
    console.print(printed)
    for note in data.notes:
        console.print(Text(str(note), style="yellow"))
    for claim, study, _, _, verdict, _ in rows:
        if verdict.detail:
            on = ", ".join(filter(None, (claim.text, study.text, study.detail)))
            console.print(Text(f"{on}: {verdict.text}: {verdict.detail}", style=_STYLES.get(verdict.text, "")))
