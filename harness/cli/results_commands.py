"""Defines the commands about existing results: verify a paper, show a cell, merge folders, calibrate the noise."""

from pathlib import Path
from typing import Annotated

import typer

from harness.core.errors import CheckMissedError

TrustLedgers = Annotated[
    bool,
    typer.Option(
        "--trust-ledgers", help="Go on with ledgers that are not what their digests state, with a warning for each."
    ),
]
Results = Annotated[Path, typer.Argument(help="A results folder, e.g. results/quickstart.")]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    for command in (show, verify, merge, calibrate):
        app.command()(command)


def verify(
    paper: Annotated[Path, typer.Argument(help="LaTeX source of a paper; files that it includes are read too.")],
    source: Results,
    strict: Annotated[bool, typer.Option("--strict", help="Fail on numbers that could not be checked, too.")] = False,
) -> None:
    """Check a paper against its results: outdated macros, and every hand-typed number, with what was not checked."""
    from harness.papers.verify import verify as compared

    found = compared(paper, source)
    for each in found.found:
        kind = "" if each.kind == "macro" else f"{each.kind}: "
        typer.echo(f"{each.file}:{each.line}: {kind}{each.text}")
    n_agree, n_differ, n_open, n_macros = (
        len(found.of(kind)) for kind in ("agrees", "differs", "not checked", "macro")
    )
    summary = (
        f"{paper}: numbers typed by hand: {n_agree} agree{'s' if n_agree == 1 else ''}, "
        f"{n_differ} differ{'s' if n_differ == 1 else ''}, {n_open} not checked; {n_macros} macros stale or missing "
        f"({found.n_files} file{'s' if found.n_files != 1 else ''}, {found.n_uses} uses of macros, "
        f"{found.n_ignored} numbers ignored as their lines ask; results {source})"
    )
    if found.findings or (strict and n_open):
        raise CheckMissedError(summary)
    typer.echo(summary)


def merge(
    sources: Annotated[list[Path], typer.Argument(help="Two or more results folders of one benchmark.")],
    out: Annotated[Path, typer.Option("--out", help="New folder for the joined results.")],
    trust_ledgers: TrustLedgers = False,
) -> None:
    """Join results folders of one benchmark: other methods, other seeds, other machines."""
    from harness.results.merge import merge as joined

    made = joined(sources, out, trusts_ledgers=trust_ledgers)
    typer.echo(
        f"wrote {out}: {made.n_cells} finished cells, {made.n_shared} of them in several folders with the same facts; "
        f"{made.n_missing} missing"
    )
    if made.n_machines > 1:
        typer.echo(f"{made.n_machines} machines: seconds and joules are pooled and compared within each of them only")
    for note in made.notes:
        typer.echo(str(note))
    typer.echo(f"next: harness report {out}")


def calibrate(
    source: Annotated[
        Path | None, typer.Argument(help="Results folder whose meter is used, and which keeps the calibration.")
    ] = None,
    meter: Annotated[str | None, typer.Option("--meter", help="Meter; the default is that of the folder.")] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=3, max=1000, help="Number of repeats.")] = 5,
    seconds: Annotated[
        float, typer.Option("--seconds", min=0.05, max=3600, help="Approximate seconds of work in each repeat.")
    ] = 2.0,
) -> None:
    """Measure how much repeats of the same work scatter on this machine. Reports grey out smaller differences."""
    from harness.cli.machine_view import print_calibration
    from harness.cli.progress import progress_console
    from harness.core.cache import cache_root
    from harness.results.runs import open_results
    from harness.run.engines import repeatability

    kind = meter or (open_results(source)[0].meter if source else "codecarbon")
    with progress_console().status("calibrating") as status:
        found = repeatability.calibrate(
            kind, repeats, seconds, lambda done: status.update(f"calibrating: {done} of {repeats} repeats")
        )
    print_calibration(found)
    for folder in (cache_root(), *([source] if source else [])):
        typer.echo(f"wrote {repeatability.keep(found, folder)}")


def show(
    source: Results,
    cell: Annotated[
        str | None,
        typer.Argument(help="METHOD/SEED or the beginning of a cell's id; without it, all cells are listed."),
    ] = None,
    trust_ledgers: TrustLedgers = False,
) -> None:
    """Show everything about one cell: state, tries, bytes, scores, energy with its scope, digest."""
    from harness.cli.cell_view import print_cell, print_cells
    from harness.results.inspect_cell import cells_of, find_cell

    if cell is None:
        print_cells(cells_of(source, trusts_ledgers=trust_ledgers))
    else:
        print_cell(find_cell(source, cell, trusts_ledgers=trust_ledgers))
