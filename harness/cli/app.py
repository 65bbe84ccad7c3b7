"""Defines the command line: parse, call one function, print. Commands import anything heavy only when they run."""

import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness import __version__
from harness.cli import claims_commands, completion, parts_commands, results_commands, tune_command
from harness.cli.results_commands import TrustLedgers
from harness.cli.run_options import Address, Bench, EngineName, Jobs, Out, SharedMeter, engine_of
from harness.core.errors import CellsFailedError, CheckMissedError, EnvironmentLacksError, HarnessError, UsageError

if TYPE_CHECKING:
    from harness.price.assumptions.scenarios import Scenarios
    from harness.run.engines.worker import Failure

app = typer.Typer(
    name="harness",
    help="Energy and carbon accounting for federated learning: QuantFL against its baselines, "
    "in bits, joules, grams and accuracy.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXIT_BUG, EXIT_ENVIRONMENT, EXIT_INTERRUPTED = 1, 5, 130


Priceable = Annotated[
    Path,
    typer.Argument(
        help="A results folder, e.g. results/quickstart; a folder of open ledgers; or a published table, FILE.csv."
    ),
]
Radio = Annotated[
    list[str],
    typer.Option(
        "--radio",
        "-r",
        help="Radio to price with, a name or settings such as '{kind: nbiot, coverage: extreme}'; may be repeated.",
        autocompletion=completion.radios,
    ),
]
Grid = Annotated[
    list[str],
    typer.Option(
        "--grid",
        "-g",
        help="Country (ISO 3166-1) of the electricity; may be repeated.",
        autocompletion=completion.grids,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        "--device", "-d", help="Device whose computing energy is projected.", autocompletion=completion.devices
    ),
]


Change = Annotated[
    list[str],
    typer.Option(
        "--set",
        help="Any other setting of scenarios as KEY=VALUE, e.g. supply=rechargeable, network=average, cast=multicast; "
        "may be repeated.",
        autocompletion=completion.scenarios,
    ),
]


Reference = Annotated[
    str | None,
    typer.Option("--reference", help="Method that others are compared with; the default is the definition's or first."),
]


def _print_version(is_set: bool) -> None:
    if is_set:
        typer.echo(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of expected errors too.")] = False,
) -> None:
    if debug:
        os.environ["HARNESS_DEBUG"] = "1"


@app.command()
def compare(
    bench: Bench,
    out: Out = None,
    jobs: Jobs = None,
    engine: EngineName = "local",
    address: Address = None,
    shared_meter: SharedMeter = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Run nothing; show what `plan` shows.")] = False,
    until_interval: Annotated[
        str | None,
        typer.Option(
            "--until-interval",
            help="Add seeds until intervals have this half-width, e.g. 0.5%: points of accuracy, % of bits.",
        ),
    ] = None,
    max_seeds: Annotated[
        int, typer.Option("--max-seeds", min=2, max=1000, help="Number of seeds at which --until-interval stops.")
    ] = 20,
    check: Annotated[
        list[str], typer.Option("--check", help="Condition that must hold, e.g. 'uplink_ratio >= 5'; may be repeated.")
    ] = [],  # noqa: B006
) -> None:
    """Run the missing cells of a benchmark, price the results, and write the report."""
    if dry_run:
        plan(bench, out, jobs)
        return
    from harness.cli.run_with_progress import run_until
    from harness.cli.summary import print_summary
    from harness.commands import price as pricing
    from harness.commands.checks import missed, parse_checks
    from harness.commands.render import render, write_tables
    from harness.spec.load import find_benchmark, load_spec

    spec = load_spec(find_benchmark(bench))
    runs = engine_of(engine, address, shared_meter, jobs, spec)
    folder = out or Path("results") / spec.name
    checks = parse_checks(check, spec)
    ran = run_until(spec, folder, runs, until_interval, max_seeds)
    unmet = ran.unmet
    if len(ran.failures) < ran.n_cells:
        priced = pricing.price(folder)
        written = render(write_tables(priced, folder), folder)
        print_summary(priced)
        typer.echo("\n" + "\n".join(f"wrote {path}" for path in written))
        unmet += missed(checks, priced.frames)
    if ran.failures:
        _raise_failures(ran.failures)
    if unmet:
        raise CheckMissedError("\n".join(["not as asked for:", *unmet]))


@app.command()
def validate(bench: Bench) -> None:
    """Check a benchmark definition: every mistake at once, each with line, column and what is allowed."""
    from harness.spec.load import find_benchmark, load_spec
    from harness.spec.plan import expand

    path = find_benchmark(bench)
    spec = load_spec(path)
    n_cells = len(expand(spec))
    typer.echo(f"{path}: valid; {len(spec.methods)} methods, {len(spec.seeds)} seeds: {n_cells} cells")


@app.command()
def plan(bench: Bench, out: Out = None, jobs: Jobs = None) -> None:
    """Show every cell, whether it is finished, and the time and memory that the rest will take."""
    from harness.cli.plan_view import print_plan
    from harness.commands.forecast import forecast
    from harness.run.engines.local import default_jobs
    from harness.spec.load import find_benchmark, load_spec

    spec = load_spec(find_benchmark(bench))
    print_plan(forecast(spec, out or Path("results") / spec.name, jobs or default_jobs()))


@app.command()
def price(
    source: Priceable,
    radio: Radio = [],  # noqa: B006
    grid: Grid = [],  # noqa: B006
    device: Device = None,
    change: Change = [],  # noqa: B006
    reference: Reference = None,
    trust_ledgers: TrustLedgers = False,
) -> None:
    """Price finished runs, logged runs or a published table, under any assumptions. Writes nothing."""
    from harness.cli.summary import print_summary
    from harness.commands import price as pricing
    from harness.price.assumptions.overrides import with_changes

    def changed(old: "Scenarios") -> "Scenarios":
        return with_changes(old, radio, grid, device, change)

    print_summary(pricing.price(source, changed, reference, trusts_ledgers=trust_ledgers))


@app.command()
def report(
    source: Priceable,
    radio: Radio = [],  # noqa: B006
    grid: Grid = [],  # noqa: B006
    device: Device = None,
    change: Change = [],  # noqa: B006
    reference: Reference = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Where to write; the default is the folder itself, and results/NAME for NAME.csv."),
    ] = None,
    venue: Annotated[
        str, typer.Option("--venue", help="Venue whose column widths the figures fit: ieee, acm, icml or neurips.")
    ] = "ieee",
    trust_ledgers: TrustLedgers = False,
) -> None:
    """Write the tables and reports of what `price` shows, under any assumptions."""
    from harness.commands import price as pricing
    from harness.commands.render import render, report_folder, write_tables
    from harness.price.assumptions.overrides import with_changes
    from reports.figures.venues import venue as find_venue

    folder = report_folder(source, out)
    find_venue(venue)  # a misspelt one must not cost the pricing

    def changed(old: "Scenarios") -> "Scenarios":
        return with_changes(old, radio, grid, device, change)

    priced = pricing.price(source, changed, reference, trusts_ledgers=trust_ledgers)
    written = render(write_tables(priced, folder), folder, venue)
    typer.echo("\n".join(f"wrote {path}" for path in written))


tune_command.register(app)
results_commands.register(app)
claims_commands.register(app)
parts_commands.register(app)


def _raise_failures(failures: "Mapping[str, Failure]") -> None:
    known = list(failures.values())
    if os.environ.get("HARNESS_DEBUG"):
        for failure in known:
            typer.echo(failure.traceback, err=True)
    text = f"{len(known)} cell{'s' if len(known) > 1 else ''} failed: {known[0].error}"
    kind = EnvironmentLacksError if any(failure.is_environment for failure in known) else CellsFailedError
    raise kind(f"{text}. What is finished is kept; the same command tries the rest again")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and leave with its exit code: see the README for what each means."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:  # noqa: PLR0911 - one for each way to end
    """Run the command line. Returns the exit code; an error has been printed as one line by then."""
    import click

    try:
        result = typer.main.get_command(app).main(
            args=None if arguments is None else list(arguments), prog_name="harness", standalone_mode=False
        )
        if result == EXIT_INTERRUPTED:
            raise KeyboardInterrupt  # typer turns it into this result, without a word
        return result if isinstance(result, int) else 0
    except click.ClickException as error:
        error.show()
        return UsageError.exit_code
    except SystemExit:
        # Typer leaves so when the reader of our output is gone, e.g. `harness list | head`, and after completions.
        return 0
    except (click.Abort, KeyboardInterrupt):
        _print_error("interrupted. What is finished is kept; the same command goes on from there")
        return EXIT_INTERRUPTED
    except HarnessError as error:
        _print_error(str(error))
        return error.exit_code
    except OSError as error:
        return _environment(error)
    except Exception as error:
        traceback.print_exc()
        return _unexpected(error)


def _environment(error: OSError) -> int:
    where = f"{error.filename}: " if error.filename else ""
    _print_error(f"{where}{error.strerror or error}")
    return EXIT_ENVIRONMENT


def _unexpected(error: Exception) -> int:
    from harness.parts.from_file import part_behind

    place = part_behind(error)
    if place is None:
        _print_error("this is a bug of the harness; please report it with the lines above")
        return EXIT_BUG
    message = " ".join(str(error).split())
    _print_error(
        f"{place}: {type(error).__name__}: {message}. It is a part that the harness was given; see the lines above"
    )
    return EXIT_ENVIRONMENT


def _print_error(text: str) -> None:
    if os.environ.get("HARNESS_DEBUG"):
        traceback.print_exc()
    typer.echo(f"error: {text}" if not text.startswith("interrupted") else text, err=True)


if __name__ == "__main__":
    main()
