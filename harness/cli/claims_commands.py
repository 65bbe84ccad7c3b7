"""Defines the command that judges claims."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.results_commands import TrustLedgers

DEFAULT = Path("results/claims.yaml")


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command()(claims)


def claims(
    file: Annotated[
        Path, typer.Argument(help="YAML file of claims, in the folder that holds their results folders.")
    ] = DEFAULT,
    trust_ledgers: TrustLedgers = False,
) -> None:
    """Judge claims on published results: what holds, what does not, under which assumptions. Trains nothing."""
    from harness.claims.judge import judge, write
    from harness.cli.claims_view import print_claims
    from reports.claims.data import read_claims

    written = write(judge(file, trusts_ledgers=trust_ledgers), file.parent)
    print_claims(read_claims(file.parent))
    typer.echo("\n".join(f"wrote {path}" for path in written))
