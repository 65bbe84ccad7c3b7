"""Defines the commands about parts: list, starters, audit, doctor, schemas."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli import completion
from harness.core.errors import EnvironmentLacksError, UsageError

Codecs = Annotated[
    list[str],
    typer.Argument(
        help="Names of codecs or presets, or settings such as '{kind: quantfl, levels: 16}'; the default is all.",
        autocompletion=completion.codecs,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command("list")(list_parts)
    for command in (audit, init, doctor, schema):
        app.command()(command)


def audit(
    codec: Codecs = [],  # noqa: B006
    on: Annotated[
        str,
        typer.Option("--on", help="What to encode: gaussian, laplace, or a results folder with recorded updates."),
    ] = "laplace",
    size: Annotated[
        int,
        typer.Option("--size", min=1, max=10**8, help="Number of entries to draw; recorded updates have their own."),
    ] = 1_000_000,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of what is drawn and of random rounding.")] = 0,
    out: Annotated[Path | None, typer.Option("--out", help="Also write this page, FILE.html.")] = None,
) -> None:
    """Measure codecs on one update: bits against the bound, error, bias, memory and speed. Trains nothing."""
    from rich.markup import escape

    from harness.audit.codecs import all_codecs, parse_codecs
    from harness.audit.measure import audit as measured
    from harness.audit.updates import find_source
    from harness.cli.audit_view import print_audit
    from harness.cli.progress import progress_console

    if out is not None and out.suffix != ".html":
        raise UsageError(f"--out {out}: the page is HTML; name a file that ends in .html")
    codecs, left_out = (parse_codecs(codec), []) if codec else all_codecs()
    source = find_source(on, size, seed)
    with progress_console().status("measuring") as status:
        found = measured(codecs, source, seed, left_out, lambda label: status.update(escape(f"measuring {label}")))
    print_audit(found)
    if out is not None:
        from reports.audit.page import audit_report
        from reports.page.html import write_html

        out.parent.mkdir(parents=True, exist_ok=True)
        write_html(audit_report(found), out)
        typer.echo(f"wrote {out}")


def list_parts(
    what: Annotated[
        str | None,
        typer.Argument(
            help="benchmarks, codecs, radios, tasks, servers, meters, devices, batteries, supplies, formulas, "
            "verdicts, sections or grids.",
            autocompletion=completion.lists,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Argument(
            help="A codec, radio, task, server or meter: print its settings.", autocompletion=completion.parts
        ),
    ] = None,
) -> None:
    """List what a benchmark definition can name, or the settings of one part."""
    from harness.cli.listing import print_list

    print_list(what, name)


def init(
    starter: Annotated[
        str, typer.Argument(help="A packaged benchmark to start from.", autocompletion=completion.benchmarks)
    ] = "quickstart",
    out: Annotated[Path | None, typer.Option("--out", help="File to write; the default is <starter>.yaml.")] = None,
) -> None:
    """Write a commented benchmark definition to start from."""
    from harness.spec.load import benchmark_names, packaged

    source, target = packaged(starter), out or Path(f"{starter}.yaml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(source.read_text(encoding="utf-8"))
    except FileExistsError:
        raise UsageError(f"{target}: is there already; choose another name with --out") from None
    typer.echo(f"wrote {target}; starters: {', '.join(benchmark_names())}")
    typer.echo(f"next: harness validate {target}, harness plan {target}, harness compare {target}")


def doctor() -> None:
    """Check what can be measured and run on this machine, with a remedy for whatever is missing."""
    from harness.cli.machine_view import print_checks
    from harness.commands.doctor import examine

    if print_checks(examine()):
        raise EnvironmentLacksError("this machine lacks something that the harness needs; see above")


def schema(
    ledger: Annotated[
        bool, typer.Option("--ledger", help="Instead that of the tables of a ledger, with units.")
    ] = False,
) -> None:
    """Print the JSON Schema of benchmark definitions (for editors) or of ledgers."""
    import json

    from harness.ledger.json_schema import ledger_schema
    from harness.spec.json_schema import spec_schema

    typer.echo(json.dumps(ledger_schema() if ledger else spec_schema(), indent=2))
