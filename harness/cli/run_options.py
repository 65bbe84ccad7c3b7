"""Options of the commands that run cells, and the engine that they mean."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from harness.cli import completion
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.run.engines.local import Engine
    from harness.spec.spec import BenchmarkSpec

Bench = Annotated[
    str, typer.Argument(help="A YAML file, or the name of a packaged benchmark.", autocompletion=completion.benchmarks)
]
Out = Annotated[Path | None, typer.Option("--out", help="Results folder; the default is results/<name>.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", "-j", min=1, help="Cells to run in parallel; the default is one per core.")
]
EngineName = Annotated[
    Literal["local", "ray"], typer.Option("--engine", help="Where cells run: this machine's processes, or Ray.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Ray cluster to run on: auto, HOST:PORT or ray://HOST:PORT; by default Ray is started here for the run.",
    ),
]
SharedMeter = Annotated[
    bool,
    typer.Option(
        "--shared-meter",
        help="With Ray: run cells in parallel even under a meter that measures the whole machine.",
    ),
]


def engine_of(name: str, address: str | None, is_forced: bool, jobs: int | None, spec: "BenchmarkSpec") -> "Engine":
    """The engine that options mean.

    Args:
        name: ``local`` or ``ray``.
        address: of a Ray cluster; None starts one.
        is_forced: whether cells share a meter that measures the whole machine.
        jobs: cells at a time; None takes as many as fit.
        spec: the definition, which says what a cell asks for.

    Raises:
        UsageError: options do not go together.
    """
    from harness.run.engines.local import LocalEngine, default_jobs

    if name == "ray":
        from harness.run.engines.ray import RayEngine

        return RayEngine(address, spec.resources.cpus, spec.resources.gpus, jobs, is_forced)
    if address is not None or is_forced:
        raise UsageError(f"{'--address' if address is not None else '--shared-meter'} needs --engine ray")
    return LocalEngine(jobs or default_jobs())
