"""Finds parts and report sections of other packages by entry points. Imports one only when it is needed.

A package names them in its metadata, one group for each kind of part::

    [project.entry-points."harness.codecs"]
    mine = "my_package.codecs:Mine"

The name is the part's ``kind``. What the harness brings itself keeps its names: a plug-in that would take one is
refused and listed as such, and so are two plug-ins of one name. One that cannot be loaded is an error of what requests
it only.
"""

import dataclasses
import functools
import hashlib
import importlib.util
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from harness.core.errors import EnvironmentLacksError

GROUPS: Mapping[str, str] = {
    "codec": "harness.codecs",
    "server": "harness.servers",
    "task": "harness.tasks",
    "radio": "harness.radios",
    "meter": "harness.meters",
    "section": "harness.sections",
}
"""Entry-point groups by table of the registry; sections of a report are functions and stand in none."""

FACT_TABLES = ("codec", "server", "task")
"""Tables whose parts make facts, so that another source of theirs is another cell."""


@dataclasses.dataclass(frozen=True)
class Plugin:
    """A part or section of another package.

    Attributes:
        table: table of the registry that it belongs to, or ``section``.
        name: its name in definitions.
        path: ``module:attribute``.
        package: name and version of the package that brings it.
    """

    table: str
    name: str
    path: str
    package: str

    @property
    def origin(self) -> str:
        """Where it comes from, in words."""
        return f"package {self.package}, entry point {GROUPS[self.table]}: {self.name} = {self.path}"

    def load(self) -> Any:
        """What it names, unchecked.

        Raises:
            EnvironmentLacksError: importing it failed for any reason.
        """
        module, _, attribute = self.path.partition(":")
        try:
            return functools.reduce(getattr, attribute.split("."), importlib.import_module(module))
        except (Exception, SystemExit) as error:  # it is anybody's code
            raise self.failure(f"{type(error).__name__}: {' '.join(str(error).split())}") from error

    def failure(self, why: str) -> EnvironmentLacksError:
        """The error that says why it cannot be used."""
        return EnvironmentLacksError(f"{self.table} {self.name} cannot be loaded: {why} ({self.origin})")


@functools.cache
def _found() -> tuple[Plugin, ...]:
    """Everything in our groups, sorted, each once."""
    return tuple(
        sorted(
            {_plugin(table, entry) for table, group in GROUPS.items() for entry in entry_points(group=group)},
            key=lambda plugin: (plugin.table, plugin.name, plugin.package),
        )
    )


def packages() -> set[str]:
    """Top-level modules that parts or sections of other packages come from."""
    return {plugin.path.partition(":")[0].partition(".")[0] for plugin in _found()}


def _plugin(table: str, entry: EntryPoint) -> Plugin:
    package = "unknown" if entry.dist is None else f"{entry.dist.name} {entry.dist.version}"
    return Plugin(table, entry.name, entry.value.partition("[")[0].strip(), package)


def accepted(table: str, taken: tuple[str, ...] = ()) -> dict[str, Plugin]:
    """The plug-ins of a table by name.

    Args:
        table: a key of `GROUPS`.
        taken: names that the harness has itself.
    """
    return {plugin.name: plugin for plugin in _found() if plugin.table == table and not _objection(plugin, taken)}


def refused(table: str, taken: tuple[str, ...] = ()) -> list[str]:
    """A line for each plug-in of a table that is not accepted."""
    objections = [(plugin, _objection(plugin, taken)) for plugin in _found() if plugin.table == table]
    return [f"refused: {plugin.name}: {why} ({plugin.origin})" for plugin, why in objections if why]


def _objection(plugin: Plugin, taken: tuple[str, ...]) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", plugin.name):
        return "a name has a-z, 0-9, dashes and underscores, at most 64"
    if plugin.name in taken:
        return f"the harness has a {plugin.table} of this name; the package must choose another"
    rivals = {each.package for each in _found() if (each.table, each.name) == (plugin.table, plugin.name)}
    return f"{', '.join(sorted(rivals))} all bring it; uninstall all but one" if len(rivals) > 1 else ""


def checked(plugin: Plugin, protocol: type[Any]) -> type[Any]:
    """The class behind a plug-in, if it is a part.

    Args:
        plugin: of a table of the registry.
        protocol: the protocol of that table.

    Raises:
        EnvironmentLacksError: it cannot be imported, or is no part of this table.
    """
    part = plugin.load()
    objection = part_objection(part, protocol)
    if not objection and part.kind != plugin.name:
        objection = f'its kind is "{part.kind}", which must be the name of the entry point'
    if objection:
        raise plugin.failure(objection)
    return part  # type: ignore[no-any-return]


def part_objection(part: Any, protocol: type[Any]) -> str:
    """Why something is no part: no frozen dataclass, no kind, or attributes that its protocol needs and it lacks."""
    if not isinstance(part, type) or not dataclasses.is_dataclass(part):
        return "it is no class with @dataclass(frozen=True)"
    if not part.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        return "its dataclass is not frozen"
    if not isinstance(getattr(part, "kind", None), str):
        return "it has no class attribute kind"
    fields = {field.name for field in dataclasses.fields(part)}
    needed = {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}
    lacking = sorted(name for name in needed if name not in fields and not hasattr(part, name))
    return f"it lacks {', '.join(lacking)} of {protocol.__name__}" if lacking else ""


def sources(settings: Any) -> dict[str, str]:
    """Digests of the sources of all plug-ins that plain settings name: those of their packages, by ``table kind``."""
    used = set(kinds(settings))
    named = [plugin for plugin in _found() if plugin.table in FACT_TABLES and plugin.name in used]
    return {f"{plugin.table} {plugin.name}": _source(plugin.path.partition(":")[0]) for plugin in named}


def kinds(settings: Any) -> list[str]:
    """Every ``kind`` in nested settings."""
    if isinstance(settings, Mapping):
        own = [settings["kind"]] if isinstance(settings.get("kind"), str) else []
        return own + [kind for value in settings.values() for kind in kinds(value)]
    return [kind for value in settings for kind in kinds(value)] if isinstance(settings, list | tuple) else []


@functools.cache
def _source(module: str) -> str:
    """SHA-256 over the sources of the top-level package, or module, that `module` is in; empty if not found."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or spec.origin is None:
        return ""
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if spec.submodule_search_locations else [origin]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.relative_to(origin.parent).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
