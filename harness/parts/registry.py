"""Maps names of parts to where they live: literal tables, loaded only when needed.

A part is a frozen dataclass whose fields are its YAML settings and whose ``kind`` is its name. To add one, write the
class and add its line here; parts of other packages come by entry points (`harness.parts.entry_points`), and those of a
file that a definition names by its path (`harness.parts.from_file`).
"""

import dataclasses
import importlib
import typing
from collections.abc import Mapping
from typing import Any

from pydantic import PlainSerializer, PlainValidator, ValidationError

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.protocols import Codec, EnergyMeter, RadioModel, ServerRule, Task
from harness.parsing.dataclass_settings import construct
from harness.parsing.problems import choice, problems_in, rejection, shown
from harness.parsing.yaml_text import path_text
from harness.parts import entry_points, from_file

TABLES: Mapping[str, Mapping[str, str]] = {
    "codec": {
        "float32": "baselines.uncompressed:Float32",
        "float16": "baselines.float16:Float16",
        "linear8": "baselines.linear8:Linear8",
        "signsgd": "baselines.signsgd:ScaledSign",
        "topk": "baselines.topk:TopK",
        "qsgd": "baselines.qsgd:Qsgd",
        "terngrad": "baselines.terngrad:TernGrad",
        "nuqsgd": "baselines.nuqsgd:Nuqsgd",
        "sign": "baselines.sign:Sign",
        "stc": "baselines.stc:SparseTernary",
        "powersgd": "baselines.powersgd:PowerSgd",
        "drive": "baselines.drive:Drive",
        "eden": "baselines.eden:Eden",
        "error_feedback": "baselines.error_feedback:ErrorFeedback",
        "ef21": "baselines.ef21:Ef21",
        "exact_vectors": "baselines.exact_vectors:ExactVectors",
        "quantfl": "quantfl.codec:QuantFL",
    },
    "server": {
        "mean": "harness.run.federation.server_rules:Mean",
        "fedavgm": "harness.run.federation.server_rules:FedAvgM",
        "fedadam": "harness.run.federation.server_rules:FedAdam",
        "majority_vote": "harness.run.federation.server_rules:MajorityVote",
        "ef21": "harness.run.federation.server_rules:EF21",
    },
    "task": {
        "digits": "harness.run.tasks.digits:Digits",
        "mnist": "harness.run.tasks.mnist:Mnist",
        "cifar100": "harness.run.tasks.cifar100:Cifar100",
        "images": "harness.run.tasks.images:Images",
    },
    "radio": {
        "lte": "radio_models.lte:LteHandset2012",
        "wifi": "radio_models.wifi:WifiHandset2012",
        "lte_2021": "radio_models.handsets_2021:LteHandset2021",
        "nr_lowband": "radio_models.handsets_2021:NrLowbandHandset2021",
        "nr_mmwave": "radio_models.handsets_2021:NrMmwaveHandset2021",
        "nbiot": "radio_models.nbiot:NbIotModule",
        "ltem": "radio_models.ltem:LteMModule",
        "per_bit": "radio_models.constant:ConstantPerBit",
        "wifi_esp32s3": "radio_models.wifi_esp32s3:WifiEsp32S3",
        "lorawan": "radio_models.lorawan:LoRaWan",
        "ble": "radio_models.ble:Ble5",
        "ieee802154": "radio_models.ieee802154:Ieee802154",
    },
    "meter": {
        "codecarbon": "harness.run.meters.codecarbon:CodeCarbonMeter",
        "cpu_time": "harness.run.meters.cpu_time:CpuTimeMeter",
    },
}

PRESETS: Mapping[str, Mapping[str, str]] = {
    "codec": {
        "quantfl-paper": "quantfl.presets:PAPER",
    },
}
"""Names for settings worth a name: each leads to a mapping with the ``kind`` of a part and some of its settings."""

_TABLE_OF_PROTOCOL: Mapping[object, str] = {
    Codec: "codec",
    ServerRule: "server",
    Task: "task",
    RadioModel: "radio",
    EnergyMeter: "meter",
}


_PROTOCOL_OF_TABLE: Mapping[str, type[Any]] = {
    table: typing.cast(type[Any], protocol) for protocol, table in _TABLE_OF_PROTOCOL.items()
}


def names(table: str) -> list[str]:
    """The names in a table, in its order, then those of plug-ins. Nothing is imported."""
    return [*TABLES[table], *entry_points.accepted(table, taken(table))]


def taken(table: str) -> tuple[str, ...]:
    """The names in a table that the harness has itself, presets among them: no plug-in may have them."""
    return (*TABLES[table], *PRESETS.get(table, ()))


def choices(table: str) -> list[str]:
    """Valid values of ``kind``: the names in a table, then its presets."""
    return [*names(table), *PRESETS.get(table, ())]


def preset(table: str, name: str) -> dict[str, Any]:
    """The settings of a preset, including ``kind``."""
    return dict(_imported(table, name, PRESETS[table][name]))


def load(table: str, kind: str) -> type[Any]:
    """The class behind a name. Its module, and no other, is imported.

    Raises:
        UsageError: there is no such name.
        EnvironmentLacksError: the module needs something that this machine lacks.
    """
    if kind in TABLES[table]:
        return typing.cast(type[Any], _imported(table, kind, TABLES[table][kind]))
    plugin = entry_points.accepted(table, taken(table)).get(kind)
    if plugin is None:
        raise UsageError(f"{table} {choice(kind, choices(table))}")
    return entry_points.checked(plugin, _PROTOCOL_OF_TABLE[table])


def build(table: str, mapping: object) -> Any:
    """The part that a mapping such as ``{kind: quantfl, levels: 64}`` stands for.

    Args:
        table: ``codec``, ``server``, ``task``, ``radio`` or ``meter``.
        mapping: ``kind`` and settings, or only the name, or a part that is built already.

    Raises:
        UsageError: the name or settings are wrong; all of it, a line each.
        EnvironmentLacksError: see `load`.
    """
    try:
        return validated(table, mapping)
    except ValidationError as error:
        lines = [f"{path_text((table, *location))}: {text}" for location, text in problems_in(error, ())]
        raise UsageError("\n".join(lines)) from error


def describe(part: object) -> dict[str, Any]:
    """A part as the mapping that `build` takes back, with every setting, JSON-able.

    Args:
        part: a built part, or a dataclass among its settings.
    """
    kind = {"kind": part.kind} if isinstance(getattr(type(part), "kind", None), str) else {}  # type: ignore[attr-defined]
    kind |= from_file.description(part)
    fields = dataclasses.fields(typing.cast(Any, part))
    return kind | {field.name: _plain(getattr(part, field.name)) for field in fields if field.init}


def validated(table: str, value: object) -> Any:
    """As `build`, for use inside pydantic validators.

    Raises:
        ValidationError: with a location relative to `value` for each problem.
    """
    if dataclasses.is_dataclass(value) and (from_file.origin_of(value) or getattr(value, "kind", None) in names(table)):
        return value
    value = from_file.as_mapping(value) if table == "meter" else value
    settings = {"kind": value} if isinstance(value, str) else value
    if not isinstance(settings, Mapping):
        text = f"{shown(value)} is no {table}; a name or a mapping is needed, e.g. {{kind: {names(table)[0]}}}"
        raise rejection(table, [((), text)])
    if from_file.is_file_part(settings):
        return _from_file(table, settings)
    if "kind" not in settings:
        raise rejection(table, [(("kind",), f"missing; one of {', '.join(choices(table))}")])
    kind = settings["kind"]
    if not isinstance(kind, str) or not (kind in taken(table) or kind in names(table)):
        raise rejection(table, [((() if isinstance(value, str) else ("kind",)), choice(kind, choices(table)))])
    rest = {key: entry for key, entry in settings.items() if key != "kind"}
    if kind in PRESETS.get(table, ()):
        return validated(table, preset(table, kind) | rest)
    return construct(load(table, kind), rest, _validated_as)


def constructed(cls: type[Any], value: object) -> Any:
    """A dataclass of settings from a mapping of its fields, parts among them built.

    Raises:
        ValidationError: see `harness.parsing.dataclass_settings.construct`.
    """
    return construct(cls, value, _validated_as)


def _from_file(table: str, settings: Mapping[str, Any]) -> Any:
    try:
        part = from_file.loaded(settings, _PROTOCOL_OF_TABLE[table], taken(table))
    except (UsageError, EnvironmentLacksError) as error:
        raise rejection(table, [(("file",), str(error))]) from error
    rest = {key: entry for key, entry in settings.items() if key not in from_file.KEYS}
    return construct(part, rest, _validated_as)


def _imported(table: str, name: str, path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, OSError) as error:
        raise EnvironmentLacksError(
            f"{table} {name} cannot be loaded: {error}. Is the package it needs installed?"
        ) from error


def _validated_as(protocol: object, value: object) -> Any:
    return validated(_TABLE_OF_PROTOCOL[protocol], value)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return describe(value)
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, list | tuple) else value


def part(table: str) -> tuple[PlainValidator, PlainSerializer]:
    """Annotation of a setting that is a part of the registry's `table`."""
    return (
        PlainValidator(lambda value: validated(table, value)),
        PlainSerializer(describe, return_type=dict[str, Any]),
    )


def nested(cls: type[Any]) -> tuple[PlainValidator, PlainSerializer]:
    """Annotation of a setting that is a dataclass of settings, without a registry."""
    return (
        PlainValidator(lambda value: constructed(cls, value)),
        PlainSerializer(describe, return_type=dict[str, Any]),
    )
