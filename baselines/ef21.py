"""Implements EF21: both ends keep an estimate of a client's update, and only the rest is sent; wraps any codec.

With estimate g of a client (zero before its first update), update x and inner codec C: send ``C(x - g)``, decoded to c,
and let ``g += c``. What the receiver decodes is the increment c, not the update, so that it goes with the server rule
ef21, which adds the increments, weighted by the clients' shares, to its own sum of the estimates and steps along that
sum. A client that sits out keeps its estimate, and so does the server's sum (the form for partial participation).
In the papers x is the gradient at the server's model; in federated learning the local update takes its place.

Wire format: that of the inner codec, under the inner codec's wire id.
Memory: d float32 per client that has sent at least once, and what the inner codec keeps.
Cost: encoding includes decoding one's own payload, so that its CPU time is an upper bound (`baselines.wrapper`).

References:
    Richtarik, Sokolov, Fatkhullin, "EF21: A New, Simpler, Theoretically Better, and Practically Faster Error Feedback",
    NeurIPS 2021.
    Fatkhullin, Sokolov, Gorbunov, Li, Richtarik, "EF21 with Bells & Whistles: Six Algorithmic Extensions of Modern
    Error Feedback", Journal of Machine Learning Research 26(189), 2025; arXiv 2110.03294 (partial participation).
"""

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from baselines.wrapper import Correcting
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Update


@dataclass(frozen=True)
class Ef21(Correcting):
    """Wraps another codec: sends what an estimate kept at both ends still lacks; for the server rule ef21.

    Attributes:
        inner: the codec that makes the bytes; any without error_feedback or ef21 in it.
    """

    kind: ClassVar[str] = "ef21"
    version: ClassVar[int] = 1
    bias: ClassVar[str] = (
        "none in the end, if x stands still: ||x - g|| shrinks by sqrt(1 - a) in each round if the inner codec "
        "is a contraction, ||p - decoded||^2 <= (1 - a) ||p||^2."
    )
    uplink_only: ClassVar[str] = "what it decodes is added to an estimate that only the server rule ef21 keeps"
    needs_server: ClassVar[str] = "ef21"

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """The inner codec's body of update minus estimate, and the new estimate with the inner codec's new state.

        The body decodes to the increment of the estimate, not to the update.

        Raises:
            UpdateError: update minus estimate holds NaN or infinity.
        """
        estimate, inner_state = np.zeros_like(update.values), self.inner.init(update.layout)
        if state is not None:
            estimate, inner_state = cast(tuple[Float32, State], state)
        # An overflow becomes infinity, which the inner codec refuses by tensor name, now or at the next update.
        with np.errstate(over="ignore", invalid="ignore"):
            missing = Update(update.values - estimate, update.layout)
        body, inner_state = self.inner.encode(missing, inner_state, rng, agreed)
        increment = self.inner.decode(body, update.layout, agreed).values
        with np.errstate(over="ignore", invalid="ignore"):
            return body, (estimate + increment, inner_state)
