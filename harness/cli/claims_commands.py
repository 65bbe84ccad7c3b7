"""The command that judges claims."""

from pathlib import Path
from typing import Annotated

import typer

DEFAULT = Path("results/claims.yaml")


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command()(claims)


def claims(
    file: Annotated[
        Path, typer.Argument(help="A YAML file of claims, beside the results folders that it is about.")
    ] = DEFAULT,
) -> None:
    """Judge claims on results: what holds, what does not, and under which assumptions. Trains nothing."""
    from harness.claims.judge import judge, write
    from harness.cli.claims_view import print_claims
    from reports.claims.data import read_claims

    written = write(judge(file), file.parent)
    print_claims(read_claims(file.parent))
    typer.echo("\n".join(f"wrote {path}" for path in written))
