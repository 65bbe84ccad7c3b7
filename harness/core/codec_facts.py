"""Reads the optional facts that a codec declares about itself beyond the protocol, with defaults that assume nothing.

A fact about a codec is an attribute of its class, or a property where it depends on settings, never a setting of that
name; nobody keeps a list of
codecs that have it. This is the only place where such attributes are read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, get_args

from harness.core.errors import UsageError
from harness.core.protocols import Codec
from harness.core.types import Work


@dataclass(frozen=True)
class CodecFacts:
    """Facts that a codec declares; each field is an optional attribute of that name, with a default if undeclared.

    Attributes:
        bias: whether what is decoded is biased and how, a sentence for cards of methods; empty where unknown.
        caveat: a sentence that a paper must print where it uses the codec; empty if there is none.
        work: what most of encoding and decoding waits for; None where unknown.
        keeps_residual: whether a client keeps what it did not send, or an estimate in its place, between rounds: a
            vector as long as what is trained, to make up for losses later; None where unknown.
        is_entropy_coded: whether the length of payloads follows the content; None where unknown.
        is_exact: whether what is decoded equals the update bit for bit. Unsaid is no: then it is looked at.
        uplink_only: why it makes no sense on the downlink; empty if it does.
        needs_server: the only server rule that can use what is decoded, which then is no update; None if there is none.
    """

    bias: str = ""
    caveat: str = ""
    work: Work | None = None
    keeps_residual: bool | None = None
    is_entropy_coded: bool | None = None
    is_exact: bool = False
    uplink_only: str = ""
    needs_server: str | None = None


def facts_of(codec: Codec | type[Codec]) -> CodecFacts:
    """Facts that a codec declares; of a class, those that do not depend on settings.

    Raises:
        UsageError: it names a kind of work that there is not.
    """
    settings: set[str] = {field.name for field in fields(codec)} if is_dataclass(codec) else set()
    names = [field.name for field in fields(CodecFacts) if field.name not in settings]
    declared = {name: value for name in names if (value := _declared(codec, name)) is not None}
    facts = CodecFacts(**declared)
    if facts.work is not None and facts.work not in get_args(Work):
        raise UsageError(f"codec {codec.kind}: work must be {' or '.join(get_args(Work))} (got {facts.work})")
    return facts


def _declared(codec: Codec | type[Codec], name: str) -> Any:
    """What an attribute says; None where it is not there, or cannot say of these settings."""
    try:
        value = getattr(codec, name, None)
    except (KeyError, TypeError, ValueError):
        return None
    return None if isinstance(value, property) else value


def layers(codec: Codec) -> Iterator[Codec]:
    """A codec and those inside it, outermost first."""
    inner: Codec | None = codec
    while inner is not None:
        yield inner
        inner = getattr(inner, "inner", None)


def residual_keeper(codec: Codec) -> Codec | None:
    """The innermost codec of `layers` that declares a residual; those around it may declare one because it does."""
    return next((layer for layer in reversed([*layers(codec)]) if facts_of(layer).keeps_residual), None)
