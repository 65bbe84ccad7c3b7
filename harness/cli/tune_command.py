"""The command that tunes every method alike."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from harness.cli.run_options import Address, Bench, EngineName, Jobs, SharedMeter, engine_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness.run.engines.worker import Failure
    from harness.spec.spec import BenchmarkSpec


def register(app: typer.Typer) -> None:
    """Add the command of this module to the command line."""
    app.command()(tune)


def tune(
    bench: Bench,
    out: Annotated[
        Path | None, typer.Option("--out", help="Results folder of the trials; the default is results/<name>-tune.")
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", help="Where the tuned definition goes; the default is <name>-tuned.yaml beside --out."),
    ] = None,
    jobs: Jobs = None,
    engine: EngineName = "local",
    address: Address = None,
    shared_meter: SharedMeter = False,
) -> None:
    """Search settings by equal trials for every method, on validation, and write the definition with them."""
    from harness.cli.run_with_progress import run_shown
    from harness.cli.tune_view import print_choices
    from harness.commands import tune as tuning
    from harness.spec.load import find_benchmark, load_spec

    spec = load_spec(find_benchmark(bench))
    tuning.wanted(spec)
    runs = engine_of(engine, address, shared_meter, jobs, spec)
    folder = out or Path("results") / f"{spec.name}-tune"

    def run_batch(trials: "BenchmarkSpec") -> "Mapping[str, Failure]":
        return run_shown(trials, folder, runs).failures

    choices = tuning.tune(spec, folder, run_batch)
    tuned = tuning.tuned(spec, folder, choices)
    target = write or folder.parent / f"{tuned.name}.yaml"
    tuning.write(tuned, target)
    print_choices(choices)
    typer.echo(f"\nwrote {folder / tuning.TRIALS_FILE}\nwrote {target}; next: harness compare {target}")
