"""Prints ``harness list``: what a benchmark definition can name, and the settings of each part."""

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.parsing.problems import did_you_mean
from harness.parts import entry_points, registry
from harness.parts.docs import attribute_texts
from harness.price.assumptions import devices, grids, power_supply
from harness.spec import load
from radio_models import published, verdicts

_TABLES = {"codecs": "codec", "radios": "radio", "tasks": "task", "servers": "server", "meters": "meter"}
LISTS = ("benchmarks", *_TABLES, "devices", "batteries", "supplies", "formulas", "verdicts", "sections", "grids")
"""What can be listed."""


def _section_rows() -> Iterable[tuple[str, ...]]:
    from reports.build import SECTIONS

    for section in SECTIONS:
        yield section.__name__, _first_line(section)
    for plugin in entry_points.accepted("section").values():
        yield plugin.name, _plugin_text(plugin)


_PLAIN: Mapping[str, Callable[[], Iterable[tuple[str, ...]]]] = {
    "benchmarks": lambda: ((name, load.first_comment(name)) for name in load.benchmark_names()),
    "devices": lambda: ((name, devices.device(name).title) for name in devices.names()),
    "batteries": lambda: ((name, devices.battery(name).title) for name in devices.battery_names()),
    "supplies": lambda: ((name, power_supply.supply(name).title) for name in power_supply.names()),
    "formulas": lambda: ((each.kind, each.title, each.form) for each in published.formulas()),
    "verdicts": lambda: ((each.kind, each.title, each.why_not) for each in verdicts.verdicts()),
    "sections": _section_rows,
    "grids": lambda: (
        (code, place.name, f"{place.g_per_kwh:g} gCO2e/kWh", str(place.year))
        for code, place in sorted(grids.table().items())
    ),
}
"""Lists that are no parts of the registry."""


def print_list(what: str | None, name: str | None = None) -> None:
    """The names in a list with one line about each, or the settings of one part.

    Args:
        what: one of `LISTS`; None prints all of them but the countries.
        name: a codec, radio, task, server or meter in it.

    Raises:
        UsageError: there is no such list or name.
    """
    if what is not None and what not in LISTS:
        raise UsageError(f"there is no list of {what}; there are: {', '.join(LISTS)}.{did_you_mean(what, LISTS)}")
    console = Console(highlight=False)
    if what is not None and name is not None:
        _print_part(console, what, name)
        return
    for each in [what] if what else LISTS[:-1]:
        table = _table(each)
        for row in rows(each):
            table.add_row(*map(Text, row))
        console.print(table)
        for line in _refused(each):
            console.print(Text(line, style="yellow"))


def names(what: str) -> list[str]:
    """The names in a list, without loading what they name."""
    return registry.choices(_TABLES[what]) if what in _TABLES else [row[0] for row in rows(what)]


def rows(what: str) -> Sequence[tuple[str, ...]]:
    """A list, name first."""
    if what in _PLAIN:
        return list(_PLAIN[what]())
    table = _TABLES[what]
    ours = [(name, _first_line(registry.load(table, name))) for name in registry.TABLES[table]]
    presets = [(name, _preset_line(table, name)) for name in registry.PRESETS.get(table, ())]
    others = entry_points.accepted(table, registry.taken(table)).values()
    return [*ours, *presets, *((plugin.name, _plugin_text(plugin)) for plugin in others)]


def _plugin_text(plugin: entry_points.Plugin) -> str:
    """What a plug-in is, or why it cannot be loaded, and where it comes from."""
    try:
        found = plugin.load() if plugin.table == "section" else registry.load(plugin.table, plugin.name)
    except EnvironmentLacksError as error:
        return str(error)
    return f"{_first_line(found)} (from {plugin.package})"


def _refused(what: str) -> list[str]:
    """Lines about plug-ins that would be in a list but for their name."""
    if what == "sections":
        return entry_points.refused("section")
    table = _TABLES.get(what)
    return [] if table is None else entry_points.refused(table, registry.taken(table))


def _print_part(console: Console, what: str, name: str) -> None:
    if what not in _TABLES:
        raise UsageError(f"{what} have no settings; leave {name} out")
    chosen = registry.preset(_TABLES[what], name) if name in registry.PRESETS.get(_TABLES[what], ()) else {"kind": name}
    part = registry.load(_TABLES[what], chosen["kind"])
    table = _table(f"{name}: {_first_line(part)}")
    texts = attribute_texts(part)
    for field in dataclasses.fields(part):
        value = str(chosen[field.name]) if field.name in chosen else _default(field)
        table.add_row(Text(field.name), Text(value), Text(texts.get(field.name, "")))
    console.print(table)
    if not dataclasses.fields(part):
        console.print("no settings")


def _preset_line(table: str, name: str) -> str:
    settings = registry.preset(table, name)
    text = ", ".join(f"{key}: {value}" for key, value in settings.items() if key != "kind")
    return f"{settings['kind']} with {text}"


def _default(field: "dataclasses.Field[object]") -> str:
    if field.default is not dataclasses.MISSING:
        return "unset" if field.default is None else str(field.default)
    if field.default_factory is dataclasses.MISSING:
        return "required"
    settings = registry.describe(field.default_factory())
    return "{" + ", ".join(f"{key}: {value}" for key, value in settings.items() if value is not None) + "}"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))


def _first_line(part: object) -> str:
    return (inspect.getdoc(part) or "").partition("\n")[0]
