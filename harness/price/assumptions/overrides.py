"""Replaces settings of scenarios where a user asks "what if"."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from harness.core.errors import UsageError
from harness.parsing.problems import did_you_mean, problems_in
from harness.parsing.yaml_text import path_text, read_value
from harness.price.assumptions.grids import grid
from harness.price.assumptions.scenarios import CustomGrid, Scenarios, plain_grid


def with_changes(
    scenarios: Scenarios,
    radios: Sequence[str] = (),
    grids: Sequence[str] = (),
    device_name: str | None = None,
    settings: Sequence[str] = (),
) -> Scenarios:
    """Scenarios with some settings otherwise.

    Args:
        scenarios: those of a spec; a radio or grid of its own that is named below keeps its settings.
        radios: names of radios, or settings such as ``{kind: nbiot, coverage: extreme}``; empty takes the spec's, and
            so do fleets, which are left out otherwise.
        grids: country codes, or names of the spec's own grids; empty takes the spec's.
        device_name: name of a device; None takes the spec's.
        settings: any settings of scenarios as ``key=value``, the value in YAML, e.g. ``network=average``.

    Raises:
        UsageError: what does not make scenarios, a line each.
    """
    plain: dict[str, Any] = scenarios.model_dump(mode="json")
    if radios:
        own = {entry.label: entry for entry in scenarios.radios}
        chosen = [own.get(text) or _yaml(f"--radio {text}", text) for text in dict.fromkeys(radios)]
        plain |= {"radios": chosen, "fleets": []}
    if grids:
        named = {entry.name: entry for entry in scenarios.grids if isinstance(entry, CustomGrid)}
        entries = {_key(found): found for text in grids if (found := _found(text, named)) is not None}
        plain["grids"] = list(entries.values())
    if device_name is not None:
        plain["device"] = device_name
    changes = dict(_setting(text) for text in settings)
    if changes.get("supply") in ("primary", "harvested") and "grids" not in changes and not grids:
        plain["grids"] = []  # those of the spec; such a supply sees none
    try:
        return Scenarios.model_validate(plain | changes)
    except ValidationError as error:
        found = problems_in(error, list(Scenarios.model_fields))
        raise UsageError("\n".join(f"{path_text(location)}: {text}" for location, text in found)) from error


def settings_that_differ(written: Scenarios, scenarios: Scenarios, except_for: Collection[str] = ()) -> list[str]:
    """Settings that turn one into the other, each as `with_changes` takes it.

    Args:
        written: scenarios of a definition.
        scenarios: the requested ones.
        except_for: settings that are left out.
    """
    old, new = (each.model_dump(mode="json") for each in (written, scenarios))
    changed = [key for key in new if key not in except_for and new[key] != old[key]]
    return [f"{key}={new[key] if isinstance(new[key], str) else json.dumps(new[key])}" for key in changed]


def _found(text: str, named: Mapping[str, CustomGrid]) -> Any:
    return plain_grid(named[text]) if text in named else grid(text).iso3


def _key(entry: Any) -> str:
    return str(entry["name"] if isinstance(entry, Mapping) else entry)


def _setting(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals or key not in Scenarios.model_fields:
        allowed = list(Scenarios.model_fields)
        hint = did_you_mean(key, allowed)
        raise UsageError(f"--set {text}: write key=value with a key of scenarios: {', '.join(allowed)}.{hint}")
    return key, _yaml(f"--set {text}", value)


def _yaml(option: str, text: str) -> Any:
    try:
        return read_value(text)
    except ValueError as error:
        raise UsageError(f"{option}: {error}") from error
