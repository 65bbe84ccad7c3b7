"""Commands about results that are there: check a paper against them, show a cell, join folders, measure the noise."""

from pathlib import Path
from typing import Annotated

import typer

from harness.core.errors import CheckMissedError

Results = Annotated[Path, typer.Argument(help="A results folder, e.g. results/quickstart.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (verify, merge):
        app.command()(command)


def verify(
    paper: Annotated[Path, typer.Argument(help="LaTeX source of a paper; what it includes is read as well.")],
    source: Results,
) -> None:
    """Compare a paper with its results: stale macros, and numbers typed by hand that differ from the tables."""
    from harness.verify import verify as compared

    found = compared(paper, source)
    for each in found.findings:
        typer.echo(f"{each.file}:{each.line}: {each.text}")
    looked_at = (
        f"{found.n_files} file{'s' if found.n_files != 1 else ''}, {found.n_uses} uses of macros, "
        f"{found.n_numbers} numbers typed by hand"
    )
    if found.findings:
        n = len(found.findings)
        raise CheckMissedError(f"{paper}: {n} place{'s' if n != 1 else ''} not as in {source} ({looked_at})")
    typer.echo(f"{paper}: as in {source}; looked at {looked_at}")


def merge(
    sources: Annotated[list[Path], typer.Argument(help="Results folders of one benchmark, two or more.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the joined results.")],
) -> None:
    """Join results folders of one benchmark: other methods, other seeds, other machines."""
    from harness.merge import merge as joined

    made = joined(sources, out)
    typer.echo(
        f"wrote {out}: {made.n_cells} finished cells, {made.n_shared} of them in several folders with the same facts; "
        f"{made.n_missing} missing"
    )
    if made.n_machines > 1:
        typer.echo(f"{made.n_machines} machines: seconds and joules are pooled and compared within each of them only")
    typer.echo(f"next: harness report {out}")
