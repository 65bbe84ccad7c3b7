"""Collects what reports need to know about codecs besides their settings: plain values of ``context.json``."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.core.codec_facts import facts_of, layers
from harness.parts.recorded_codec import recorded_codec, recorded_facts, recorded_residual, recorded_title


def described_uplinks(methods: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of each method that names an uplink codec: what that codec is, its bias, and whether clients keep a residual.

    Args:
        methods: as a resolved definition has them.
    """
    named = [(str(entry["name"]), entry["uplink"]) for entry in methods if isinstance(entry.get("uplink"), Mapping)]
    return [{"method": name, **_described(settings)} for name, settings in named]


def caveats(methods: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Caveats of the codecs of both directions, each once, as ``codec`` and ``text``."""
    ways = [(entry.get("uplink"), (entry.get("downlink") or {}).get("codec")) for entry in methods]
    codecs = [recorded_codec(settings) for pair in ways for settings in pair if settings]
    used = [layer for codec in codecs if codec is not None for layer in layers(codec)]
    by_kind = {layer.kind: facts_of(layer).caveat for layer in used}
    return [{"codec": kind, "text": text} for kind, text in by_kind.items() if text]


def _described(settings: Mapping[str, Any]) -> dict[str, Any]:
    facts = recorded_facts(settings)
    return {"title": recorded_title(settings), "bias": facts.bias, "keeps_residual": recorded_residual(settings)}
