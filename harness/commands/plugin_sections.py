"""Builds report sections that other packages provide, or files that the definition names.

Whatever they do, they break no report: one that cannot be loaded, or fails, is one line in its place.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.core.errors import HarnessError
from harness.parts import entry_points, from_file
from reports.document import Paragraph, Section
from reports.tables.read import Tables

SectionOf = Callable[[Tables], Section | None]


def extra_sections(context: Mapping[str, Any]) -> list[SectionOf]:
    """All of them: those of packages by name, then those of files in the order of the definition.

    Args:
        context: content of ``context.json``.
    """
    return [*_of_packages(), *_of_files(context)]


def _of_packages() -> Iterator[SectionOf]:
    for plugin in entry_points.accepted("section").values():
        try:
            yield _guarded(_function(plugin), plugin.name, plugin.origin)
        except HarnessError as error:
            yield _failed(plugin.name, str(error))


def _function(plugin: entry_points.Plugin) -> Callable[[Tables], object]:
    found = plugin.load()
    if not callable(found):
        raise plugin.failure("it is no function")
    return found  # type: ignore[no-any-return]


def _of_files(context: Mapping[str, Any]) -> Iterator[SectionOf]:
    spec = context.get("spec")
    for entry in (spec.get("sections") or []) if isinstance(spec, Mapping) else []:
        name = str(entry["function"])
        try:
            function, origin = from_file.function_in(entry["file"], name, entry["digest"])
            yield _guarded(function, name, f"{origin.file}, digest {origin.digest}")
        except HarnessError as error:
            yield _failed(name, str(error))


def _guarded(function: Callable[[Tables], object], name: str, origin: str) -> SectionOf:
    """The section of a function that may do anything."""

    def section(tables: Tables) -> Section | None:
        try:
            found = function(tables)
        except (Exception, SystemExit) as error:  # it is anybody's code
            return _failed(name, f"{type(error).__name__}: {' '.join(str(error).split())} ({origin})")(tables)
        if found is None or isinstance(found, Section):
            return found
        return _failed(name, f"it gave {type(found).__name__}, no section ({origin})")(tables)

    return section


def _failed(name: str, why: str) -> SectionOf:
    key = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    warning = Paragraph(f"The section {name} could not be made: {why}.", role="warning")
    return lambda tables: Section(f"extra-{key}", name, (warning,))
