"""Error feedback: what a codec lost this time is added to the next update; wraps any codec without state.

With residual e (zero before the first update), update x and inner codec C: ``p = x + e``, send ``C(p)``, keep
``e = p - decoded``. The residual is the client's own, in float32, and waits unchanged through the rounds in which the
client is not in the cohort.

Wire format: that of the inner codec, under the inner codec's wire id. The receiver decodes what it gets and need not
know that the sender keeps a residual; a payload of one wrapped codec given to another is refused by the frame.
Bias: each payload has the bias of the inner codec; over rounds ``sum of decoded = sum of updates - last residual``.
Memory: d float32 per client that has sent at least once.

References:
    Karimireddy, Rebjock, Stich, Jaggi, "Error Feedback Fixes SignSGD and other Gradient Compression Schemes",
    ICML 2019.
    Stich, Cordonnier, Jaggi, "Sparsified SGD with Memory", NeurIPS 2018.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.core.protocols import Codec, State
from harness.core.types import Agreed, Layout, Update


@dataclass(frozen=True)
class ErrorFeedback:
    """Wraps another codec: what that one loses is added to the client's next update.

    Attributes:
        inner: the codec that makes the bytes; one that keeps no state of its own.
    """

    inner: Codec

    kind: ClassVar[str] = "error_feedback"

    def __post_init__(self) -> None:
        """Refuse error feedback around error feedback."""
        if isinstance(self.inner, ErrorFeedback):
            raise ValueError("inner must be a codec without a residual of its own (got error_feedback)")

    @property
    def wire_id(self) -> int:
        """That of the inner codec, whose body this is."""
        return self.inner.wire_id

    def init(self, layout: Layout) -> State:
        """None, which stands for a zero residual: it takes no memory before a client's first update."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """The inner codec's body of update plus residual, and the new residual.

        Raises:
            UpdateError: update plus residual holds NaN or infinity.
            ValueError: the inner codec keeps a state.
        """
        corrected = update
        if state is not None:
            # An overflow becomes infinity, which the inner codec refuses by tensor name.
            with np.errstate(over="ignore", invalid="ignore"):
                corrected = Update(update.values + state, update.layout)
        body, inner_state = self.inner.encode(corrected, self.inner.init(update.layout), rng, agreed)
        if inner_state is not None:
            raise ValueError(f"error feedback needs an inner codec without state, {self.inner.kind} keeps one")
        return body, corrected.values - self.inner.decode(body, update.layout, agreed).values

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """What the inner codec decodes; see `harness.core.protocols.Codec`."""
        return self.inner.decode(body, layout, agreed)
