"""Defines server rules: decoded updates in, next global model out. Sums are in float64, states in float32.

Where the learning rate follows a schedule, clients train with it times `lr_scale`, and their updates shrink alike. The
steps of ``mean``, ``fedavgm`` and ``ef21`` are sums of updates and shrink with them, so that these rules do not ask for
`lr_scale`; their states still hold updates of earlier rounds at the scales of those. The steps of ``fedadam`` and
``majority_vote`` do not grow with the updates, and are multiplied by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from harness.core.protocols import State
from harness.core.types import Float32, Update

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class Mean:
    """FedAvg: adds the weighted mean of the updates, times a server learning rate.

    McMahan et al., "Communication-Efficient Learning of Deep Networks from Decentralized Data", AISTATS 2017.

    Attributes:
        lr: server learning rate, above 0; 1 is FedAvg.
    """

    kind: ClassVar[str] = "mean"
    version: ClassVar[int] = 1

    lr: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _check_lr(self.lr)

    def init(self, model: Float32) -> State:
        """Keeps nothing."""
        return None

    def step(
        self, model: Float32, decoded: Sequence[Update], weights: Float64, state: State, lr_scale: float = 1.0
    ) -> tuple[Float32, State]:
        """``model + lr * sum(weights * decoded) / sum(weights)``, summed in float64 in the order given.

        `lr_scale` is in the updates already.
        """
        return _moved(model, self.lr * _mean(decoded, weights)), state


@dataclass(frozen=True)
class FedAvgM:
    """FedAvg with momentum at the server: what earlier rounds agreed on carries on.

    Hsu, Qi, Brown, "Measuring the Effects of Non-Identical Data Distribution for Federated Visual Classification",
    arXiv 1909.06335, 2019. The learning rate on top of the momentum is 1 there.

    Attributes:
        momentum: share of the last step that is kept, 0 to below 1.
        lr: server learning rate, above 0.
    """

    kind: ClassVar[str] = "fedavgm"
    version: ClassVar[int] = 1

    momentum: float = 0.9
    lr: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _check_share("momentum", self.momentum)
        _check_lr(self.lr)

    def init(self, model: Float32) -> State:
        """No momentum yet."""
        return np.zeros_like(model)

    def step(
        self, model: Float32, decoded: Sequence[Update], weights: Float64, state: State, lr_scale: float = 1.0
    ) -> tuple[Float32, State]:
        """``v = momentum * v + mean; model + lr * v``; `lr_scale` is in the updates already."""
        velocity = self.momentum * np.asarray(state, dtype=np.float64) + _mean(decoded, weights)
        return _moved(model, self.lr * velocity), velocity.astype(np.float32)


@dataclass(frozen=True)
class FedAdam:
    """Adam at the server: each parameter has a step of its own, by what its updates were like so far.

    Reddi et al., "Adaptive Federated Optimization", ICLR 2021, Algorithm 2: without bias correction, second moment
    ``tau**2`` at the start. Its means weight clients by their examples, as its experiments do.

    Attributes:
        lr: server learning rate, above 0. The default is our choice; the paper tunes it by task.
        beta1: decay of the first moment, 0 to below 1.
        beta2: decay of the second moment, 0 to below 1.
        tau: what keeps steps of still parameters small, 1e-12 to 1.
    """

    kind: ClassVar[str] = "fedadam"
    version: ClassVar[int] = 1

    lr: float = 0.01
    beta1: float = 0.9
    beta2: float = 0.99
    tau: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _check_lr(self.lr)
        _check_share("beta1", self.beta1)
        _check_share("beta2", self.beta2)
        if not 1e-12 <= self.tau <= 1:
            raise ValueError(f"tau must be 1e-12 to 1 (got {self.tau})")

    def init(self, model: Float32) -> State:
        """First moment 0, second moment ``tau**2``."""
        return np.zeros_like(model), np.full_like(model, self.tau**2)

    def step(
        self, model: Float32, decoded: Sequence[Update], weights: Float64, state: State, lr_scale: float = 1.0
    ) -> tuple[Float32, State]:
        """``m = beta1 m + (1 - beta1) mean; v = beta2 v + (1 - beta2) mean**2; model + s lr m / (sqrt(v) + tau)``.

        Here s is `lr_scale`: m and sqrt(v) shrink alike with the updates, and their ratio does not. Where tau is the
        larger part, small updates make small steps by themselves, and s comes on top.
        """
        first, second = np.asarray(state, dtype=np.float64)
        mean = _mean(decoded, weights)
        first = self.beta1 * first + (1 - self.beta1) * mean
        second = self.beta2 * second + (1 - self.beta2) * mean**2
        step = lr_scale * self.lr * first / (np.sqrt(second) + self.tau)
        return _moved(model, step), (first.astype(np.float32), second.astype(np.float32))


@dataclass(frozen=True)
class MajorityVote:
    """SignSGD with majority vote: each parameter moves by the same step, to where most clients want it.

    Bernstein, Zhao, Azizzadenesheli, Anandkumar, "signSGD with Majority Vote is Communication Efficient and Fault
    Tolerant", ICLR 2019. One client, one vote, whatever it holds. An entry of exactly 0 is no vote. The paper leaves
    ties open; here the first client of the cohort that voted decides, so that no draw is needed and none drifts.
    Every coordinate that somebody voted on moves by exactly `lr`, times the round's `lr_scale`: a sign a parameter
    brings the clients there.

    Attributes:
        lr: the step, above 0. The default is our choice.
    """

    kind: ClassVar[str] = "majority_vote"
    version: ClassVar[int] = 1

    lr: float = 0.001

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _check_lr(self.lr)

    def init(self, model: Float32) -> State:
        """Keeps nothing."""
        return None

    def step(
        self, model: Float32, decoded: Sequence[Update], weights: Float64, state: State, lr_scale: float = 1.0
    ) -> tuple[Float32, State]:
        """``model + lr_scale * lr * sign(sum of sign(decoded))``; weights are ignored."""
        first = votes = np.zeros(model.shape, dtype=np.int32)
        for update in decoded:
            vote = np.sign(update.values).astype(np.int32)
            first = np.where(first == 0, vote, first)
            votes = votes + vote
        return _moved(model, lr_scale * self.lr * np.where(votes == 0, first, np.sign(votes))), state


@dataclass(frozen=True)
class EF21:
    """EF21's server: keeps the mean of what all clients have put together so far, and steps along it.

    Richtarik, Sokolov, Fatkhullin, "EF21: A New, Simpler, Theoretically Better, and Practically Faster Error Feedback",
    NeurIPS 2021; partial participation: Fatkhullin et al., "EF21 with Bells & Whistles: Six Algorithmic Extensions of
    Modern Error Feedback", Journal of Machine Learning Research 26(189), 2025; arXiv 2110.03294. There the clients
    compress gradients, here local updates; there they count alike, here by their examples, as in `Mean`.

    Attributes:
        lr: server learning rate, above 0.
    """

    kind: ClassVar[str] = "ef21"
    version: ClassVar[int] = 1
    needs_codec: ClassVar[str] = "ef21"

    lr: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        _check_lr(self.lr)

    def init(self, model: Float32) -> State:
        """Nothing was put together yet."""
        return np.zeros_like(model)

    def step(
        self, model: Float32, decoded: Sequence[Update], weights: Float64, state: State, lr_scale: float = 1.0
    ) -> tuple[Float32, State]:
        """``g = g + sum(weights * decoded); model + lr * g``; who sits out keeps its part of g.

        `lr_scale` is in the updates already; the part of who sits out keeps the scale of its own last round.
        """
        total = np.asarray(state, dtype=np.float64) + _sum(decoded, weights)
        return _moved(model, self.lr * total), total.astype(np.float32)


def _sum(decoded: Sequence[Update], weights: Float64) -> Float64:
    total = np.zeros(decoded[0].values.shape, dtype=np.float64)
    for update, weight in zip(decoded, weights, strict=True):
        total += weight * update.values
    return total


def _mean(decoded: Sequence[Update], weights: Float64) -> Float64:
    return _sum(decoded, weights / weights.sum())


def _moved(model: Float32, step: Float64) -> Float32:
    return (model + step).astype(np.float32)


def _check_lr(lr: float) -> None:
    if not 0 < lr <= 1000:
        raise ValueError(f"lr must be above 0 and at most 1000 (got {lr})")


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"{name} must be 0 to below 1 (got {value})")
