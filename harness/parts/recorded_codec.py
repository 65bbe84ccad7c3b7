"""Describes a codec recorded as settings only: its title, and the facts that it declares about itself."""

import dataclasses
import inspect
import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from harness.core.codec_facts import CodecFacts, facts_of, layers, residual_keeper
from harness.core.errors import HarnessError, UsageError
from harness.core.protocols import Codec
from harness.parts import from_file, registry


def recorded_codec(settings: Mapping[str, Any]) -> Codec | None:
    """The codec of some settings; None if there is no such codec here, e.g. as its package is not installed.

    Args:
        settings: the codec as `harness.parts.registry.describe` gives it; empty where none was recorded.
    """
    try:
        return _built(json.dumps(settings, sort_keys=True))
    except HarnessError:
        return None


def recorded_facts(settings: Mapping[str, Any]) -> CodecFacts:
    """Facts that the codec of some settings declares; the defaults where there is no such codec here.

    >>> recorded_facts({"kind": "error_feedback", "inner": {"kind": "stc", "ratio": 0.1, "coding": "golomb"}}).work
    'serial'
    >>> recorded_facts({"kind": "float32"}).bias
    'none; the decoded update equals the update bit for bit.'
    >>> recorded_facts({"kind": "theirs"}) == CodecFacts()
    True
    """
    codec = recorded_codec(settings)
    return CodecFacts() if codec is None else facts_of(codec)


def recorded_residual(settings: Mapping[str, Any]) -> bool | None:
    """Whether a codec of some settings, or one inside it, keeps a residual; None where one of them does not say.

    >>> recorded_residual({"kind": "exact_vectors", "inner": {"kind": "error_feedback", "inner": "qsgd"}})
    True
    """
    codec = recorded_codec(settings)
    if codec is None or residual_keeper(codec) is not None:
        return None if codec is None else True
    return None if any(facts_of(layer).keeps_residual is None for layer in layers(codec)) else False


def recorded_title(settings: Mapping[str, Any]) -> str:
    """The first line of the docstring of the codec's class; empty where there is no such codec here."""
    codec = recorded_codec(settings)
    title = "" if codec is None else (inspect.getdoc(type(codec)) or "").partition("\n")[0]
    return title.replace("`", "")


@lru_cache(maxsize=1024)
def _built(settings: str) -> Codec:
    """Built once: tables ask for each cell. What cannot be built raises, and is looked for again."""
    recorded = json.loads(settings)
    try:
        codec: Codec = registry.build("codec", recorded)
    except UsageError:
        if from_file.is_file_part(recorded):
            raise  # its kind may be that of another
        codec = _as_recorded(recorded)
    return codec


def _as_recorded(settings: Mapping[str, Any]) -> Codec:
    """A codec with settings that the code of its time took, but that ours refuses: it codes nothing, it only says.

    Raises:
        HarnessError: there is no such codec, or it lacks a setting.
    """
    cls = registry.load("codec", str(settings.get("kind")))
    codec = object.__new__(cls)
    for field in dataclasses.fields(cls):
        value = settings.get(field.name, field.default)
        if value is dataclasses.MISSING:
            raise UsageError(f"codec {cls.kind}: {field.name} is not recorded")
        inner = isinstance(value, Mapping) and "kind" in value
        object.__setattr__(codec, field.name, _as_recorded(value) if inner else value)
    return cast(Codec, codec)
