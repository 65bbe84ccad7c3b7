"""Keeps the definition in a results folder: complete, with copies of all files that it names."""

import shutil
from pathlib import Path

from harness.parsing.fields import slug
from harness.parsing.yaml_text import dump_yaml
from harness.parts import from_file
from harness.price.assumptions.scenarios import CustomGrid
from harness.spec.spec import BenchmarkSpec


def own_definition(spec: BenchmarkSpec, folder: Path) -> str:
    """The resolved definition, with copies in a results folder of all files that it names."""
    return dump_yaml(from_file.with_copies(_with_own_series(spec, folder).resolved(), folder))


def _with_own_series(spec: BenchmarkSpec, folder: Path) -> BenchmarkSpec:
    """The spec with its time series of grids copied into a results folder, so that it can be priced anywhere."""
    scenarios = spec.scenarios
    own = tuple(_copied(entry, folder) for entry in scenarios.grids)
    operator = None if scenarios.operator_grid is None else _copied(scenarios.operator_grid, folder)
    fleets = tuple(
        fleet.model_copy(
            update={
                "groups": tuple(
                    group if group.grid is None else group.model_copy(update={"grid": _copied(group.grid, folder)})
                    for group in fleet.groups
                )
            }
        )
        for fleet in scenarios.fleets
    )
    changed = scenarios.model_copy(update={"grids": own, "operator_grid": operator, "fleets": fleets})
    return spec.model_copy(update={"scenarios": changed})


def _copied(entry: str | CustomGrid, folder: Path) -> str | CustomGrid:
    if isinstance(entry, str) or entry.series is None:
        return entry
    relative = Path("grids") / f"{slug(entry.name)}.csv"
    target = folder / relative
    target.parent.mkdir(parents=True, exist_ok=True)
    if not (target.exists() and target.samefile(entry.series)):
        shutil.copyfile(entry.series, target)
    return entry.model_copy(update={"series": relative.as_posix()})
