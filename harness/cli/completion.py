"""Completes words in the shell. Imports nothing heavy before a completion needs it."""

import typer


def benchmarks(incomplete: str) -> list[str]:
    """Packaged benchmarks."""
    from harness.spec.load import benchmark_names

    return [name for name in benchmark_names() if name.startswith(incomplete)]


def radios(incomplete: str) -> list[str]:
    """Radios."""
    from harness.parts.registry import names

    return [name for name in names("radio") if name.startswith(incomplete)]


def codecs(incomplete: str) -> list[str]:
    """Codecs and presets."""
    from harness.parts.registry import choices

    return [name for name in choices("codec") if name.startswith(incomplete)]


def devices(incomplete: str) -> list[str]:
    """Devices."""
    from harness.price.assumptions.devices import names

    return [name for name in names() if name.startswith(incomplete)]


def scenarios(incomplete: str) -> list[str]:
    """Settings of scenarios."""
    from harness.price.assumptions.scenarios import Scenarios

    return [f"{key}=" for key in Scenarios.model_fields if key.startswith(incomplete)]


def grids(incomplete: str) -> list[tuple[str, str]]:
    """Countries with their names."""
    from harness.price.assumptions.grids import table

    return [(code, place.name) for code, place in sorted(table().items()) if code.startswith(incomplete)]


def lists(incomplete: str) -> list[str]:
    """What `harness list` can list."""
    from harness.cli.listing import LISTS

    return [name for name in LISTS if name.startswith(incomplete)]


def parts(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names in the requested list."""
    from harness.cli.listing import LISTS, names

    what = ctx.params.get("what")
    return [name for name in names(what) if name.startswith(incomplete)] if what in LISTS else []
