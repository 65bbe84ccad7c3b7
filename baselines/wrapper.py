"""Holds what wrapping codecs share, and what error feedback and EF21 share: a correction kept besides the inner state.

The CPU time charged for encoding by error feedback and EF21 includes decoding the payload that was just made, through
the inner codec's `decode`: what an implementation must do whose parts share nothing but the protocol. One that has the
decoded values at hand from encoding would spend less, so that the energy these wrappers are charged for is an upper
bound.
"""

from dataclasses import dataclass
from typing import ClassVar

from harness.core.codec_facts import facts_of, residual_keeper
from harness.core.protocols import Codec, State
from harness.core.types import Agreed, Layout, Update, Work


@dataclass(frozen=True)
class Wrapping:
    """A codec around another, under whose wire id it travels.

    Attributes:
        inner: the codec that makes the bytes.
    """

    inner: Codec

    @property
    def wire_id(self) -> int:
        """That of the inner codec, whose body this is or begins with."""
        return self.inner.wire_id

    @property
    def work(self) -> Work | None:
        """That of the inner codec."""
        return facts_of(self.inner).work

    @property
    def is_entropy_coded(self) -> bool | None:
        """As the inner codec."""
        return facts_of(self.inner).is_entropy_coded


@dataclass(frozen=True)
class Correcting(Wrapping):
    """A codec around another that keeps what the other one lost or sent.

    Attributes:
        inner: the codec that makes the bytes; any without such a codec in it.
    """

    keeps_residual: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse error feedback around error feedback."""
        keeper = residual_keeper(self.inner)
        if keeper is not None:
            raise ValueError(f"inner must be a codec without error feedback of its own (got {keeper.kind})")

    def nominal_bits(self, layout: Layout) -> float:
        """That of the inner codec."""
        return self.inner.nominal_bits(layout)

    def init(self, layout: Layout) -> State:
        """None, which means zeros: it takes no memory before a client's first update."""
        return None

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """What the inner codec decodes; see `harness.core.protocols.Codec`."""
        return self.inner.decode(body, layout, agreed)
