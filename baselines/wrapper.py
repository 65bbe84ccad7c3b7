"""What error feedback and EF21 share: the payload is the inner codec's, and what they keep stands beside its state.

The CPU time charged for encoding includes decoding the payload that was just made, through the inner codec's `decode`:
what an implementation must do whose parts share nothing but the protocol. One that has the decoded values at hand from
encoding would spend less, so that the energy these wrappers are charged for is an upper bound.
"""

from dataclasses import dataclass

from harness.core.protocols import Codec, State
from harness.core.types import Agreed, Layout, Update

CORRECTING = ("error_feedback", "ef21")


@dataclass(frozen=True)
class Correcting:
    """A codec around another that keeps what the other one lost or sent.

    Attributes:
        inner: the codec that makes the bytes; any without such a codec in it.
    """

    inner: Codec

    def __post_init__(self) -> None:
        """Refuse error feedback around error feedback."""
        for kind in wrapped_kinds(self.inner):
            if kind in CORRECTING:
                raise ValueError(f"inner must be a codec without error feedback of its own (got {kind})")

    @property
    def wire_id(self) -> int:
        """That of the inner codec, whose body this is."""
        return self.inner.wire_id

    def nominal_bits(self, layout: Layout) -> float:
        """That of the inner codec."""
        return self.inner.nominal_bits(layout)

    def init(self, layout: Layout) -> State:
        """None, which stands for zeros: it takes no memory before a client's first update."""
        return None

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """What the inner codec decodes; see `harness.core.protocols.Codec`."""
        return self.inner.decode(body, layout, agreed)


def wrapped_kinds(codec: Codec) -> list[str]:
    """The kind of a codec, and of what it wraps, from the outside in."""
    inner = getattr(codec, "inner", None)
    return [codec.kind] if inner is None else [codec.kind, *wrapped_kinds(inner)]
