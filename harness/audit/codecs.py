"""Selects the codecs that ``harness audit`` measures: names, or mappings as a definition writes them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.protocols import Codec
from harness.parsing.problems import shown
from harness.parsing.yaml_text import dump_yaml, read_value
from harness.parts import registry


@dataclass(frozen=True)
class Named:
    """A codec under the name that it has in tables.

    Attributes:
        label: as short as what the user wrote.
        codec: the codec.
    """

    label: str
    codec: Codec

    @property
    def settings(self) -> str:
        """All its settings, as a line of YAML."""
        return "{" + ", ".join(_pairs(registry.describe(self.codec))) + "}"


def parse_codecs(texts: Sequence[str]) -> list[Named]:
    """The codecs that the command line names; one named twice is taken once.

    Args:
        texts: each a name, or a mapping such as ``{kind: quantfl, levels: 16}``.

    Raises:
        UsageError: one line for the first text that is no codec.
        EnvironmentLacksError: the package that a codec needs is not installed.
    """
    found: dict[str, Named] = {}
    for text in texts:
        value = _read(text)
        try:
            named = Named(_label(value), registry.build("codec", value))
        except UsageError as error:
            raise UsageError(f"{text}: {'; '.join(str(error).splitlines())}") from error
        found.setdefault(named.settings, named)
    return list(found.values())


def all_codecs() -> tuple[list[Named], list[str]]:
    """Every registered codec and preset in its default settings, and the kinds that have none."""
    found: dict[str, Named] = {}
    without: list[str] = []
    for name in registry.choices("codec"):
        try:
            named = Named(name, registry.build("codec", name))
        except (UsageError, EnvironmentLacksError):
            without.append(name)
            continue
        found.setdefault(named.settings, named)
    return list(found.values()), without


def _read(text: str) -> Any:
    if not text.strip():
        raise UsageError("an empty text is no codec; a name or a mapping {kind: ...} is needed")
    try:
        value = read_value(text)
    except ValueError as error:
        raise UsageError(f"{text}: {error}") from error
    if not isinstance(value, str | Mapping):
        raise UsageError(f"{text}: {shown(value)} is no codec; a name or a mapping {{kind: ...}} is needed")
    return value


def _label(value: Any) -> str:
    """Settings as they were given, on one line: ``error_feedback of topk, ratio 0.01``."""
    if not isinstance(value, Mapping):
        return str(value)
    words = [str(value.get("kind", "codec"))]
    words += [f"{key} {_word(entry)}" for key, entry in value.items() if key not in ("kind", "inner")]
    return ", ".join(words) + (f" of {_label(value['inner'])}" if "inner" in value else "")


def _pairs(settings: Mapping[str, Any]) -> Iterator[str]:
    for key, value in settings.items():
        inside = "{" + ", ".join(_pairs(value)) + "}" if isinstance(value, Mapping) else _word(value)
        yield f"{key}: {inside}"


def _word(value: object) -> str:
    return dump_yaml(value).partition("\n")[0]
