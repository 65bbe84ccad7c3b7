"""Implements error feedback: what a codec lost this time is added to the next update; wraps any other codec.

With residual e (zero before the first update), update x and inner codec C: ``p = x + e``, send ``C(p)``, keep
``e = p - decoded``. The residual is the client's own, in float32, and waits unchanged through the rounds in which the
client is not in the cohort (Fed-EF). An inner codec with a state of its own keeps it beside the residual.

Wire format: that of the inner codec, under the inner codec's wire id. The receiver decodes what it gets and need not
know that the sender keeps a residual; a payload of one wrapped codec given to another is refused by the frame.
The residual stays bounded if the inner codec is a contraction, ``E ||p - decoded||^2 <= (1 - a) ||p||^2`` with a above
0; an unbiased codec of large variance is none (`baselines.qsgd` offers a form that is).
Memory: d float32 per client that has sent at least once, and what the inner codec keeps.
Cost: encoding includes decoding one's own payload, so that its CPU time is an upper bound (`baselines.wrapper`).

References:
    Karimireddy, Rebjock, Stich, Jaggi, "Error Feedback Fixes SignSGD and other Gradient Compression Schemes",
    ICML 2019.
    Stich, Cordonnier, Jaggi, "Sparsified SGD with Memory", NeurIPS 2018.
    Li, Li, "Analysis of Error Feedback in Federated Non-Convex Optimization with Biased Compression: Fast Convergence
    and Partial Participation", ICML 2023 (Fed-EF: local steps, and residuals that wait).
"""

from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from baselines.wrapper import Correcting
from harness.core.protocols import State
from harness.core.types import Agreed, Float32, Update


@dataclass(frozen=True)
class ErrorFeedback(Correcting):
    """Wraps another codec: what that one loses is added to the client's next update.

    Attributes:
        inner: the codec that makes the bytes; any without error_feedback or ef21 in it.
    """

    kind: ClassVar[str] = "error_feedback"
    version: ClassVar[int] = 1
    bias: ClassVar[str] = (
        "each payload has the bias of the inner codec; over rounds sum of decoded = sum of updates - last residual."
    )

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """The inner codec's body of update plus residual, and the new residual with the inner codec's new state.

        Raises:
            UpdateError: update plus residual holds NaN or infinity.
        """
        corrected, inner_state = update, self.inner.init(update.layout)
        # An overflow becomes infinity, which the inner codec refuses by tensor name, now or at the next update.
        if state is not None:
            residual, inner_state = cast(tuple[Float32, State], state)
            with np.errstate(over="ignore", invalid="ignore"):
                corrected = Update(update.values + residual, update.layout)
        body, inner_state = self.inner.encode(corrected, inner_state, rng, agreed)
        decoded = self.inner.decode(body, update.layout, agreed).values
        with np.errstate(over="ignore", invalid="ignore"):
            return body, (corrected.values - decoded, inner_state)
