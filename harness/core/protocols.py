"""The plug-in seams. A part is a frozen dataclass whose fields are its YAML settings and whose ``kind`` is its name.

Settings out of range raise ``ValueError`` in ``__post_init__``; the spec turns that into an error with a position.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol, Union, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.core.types import (
    Agreed,
    Coefficient,
    Direction,
    EnergyReading,
    Float32,
    Layout,
    Metric,
    RadioTransfer,
    Split,
    Update,
    Usage,
)

State = Union[Float32, tuple["State", ...], None]  # noqa: UP007 - a union that names itself
"""What a codec or a server rule keeps between rounds: float32 vectors, or nothing. Its bytes are the memory charged."""


def state_bytes(state: State) -> int:
    """Memory that a state takes.

    >>> state_bytes((np.zeros(10, dtype=np.float32), None))
    40
    """
    if state is None:
        return 0
    return sum(map(state_bytes, state)) if isinstance(state, tuple) else state.nbytes


@runtime_checkable
class Codec(Protocol):
    """Turns an update into a payload body and back.

    The frame (version, codec, length, checksum) is put around the body by `harness.wire.frame`; a codec sees bodies
    whose checksum was right and still refuses one of the wrong length with `PayloadError`.
    """

    kind: ClassVar[str]

    @property
    def wire_id(self) -> int:
        """Number of the body's format in the frame, 1 to 255; a class attribute, but for a codec that wraps another."""

    def nominal_bits(self, layout: Layout) -> float:
        """Bits per parameter as the literature quotes the method: without headers, codebooks and padding.

        Where the length depends on the content, the length of a fixed-width code for the same symbols. Never used to
        count: bits on the air are those of the payload.
        """

    def init(self, layout: Layout) -> State:
        """State of a client that has not sent anything yet."""

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Payload body of `update`, and the state to keep. Neither argument is changed.

        Raises:
            UpdateError: `update` holds NaN or infinity.
        """

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The update that `body` stands for: bytes, the public layout and what was agreed, nothing else.

        Raises:
            PayloadError: `body` is no payload of this codec for this layout.
        """


@runtime_checkable
class ServerRule(Protocol):
    """Turns decoded updates into the next global model. It sees trained tensors only; statistics are averaged."""

    kind: ClassVar[str]

    def init(self, model: Float32) -> State:
        """State of the server before round 1."""

    def step(
        self,
        model: Float32,
        decoded: Sequence[Update],
        weights: NDArray[np.float64],
        state: State,
        lr_scale: float = 1.0,
    ) -> tuple[Float32, State]:
        """The next global model, and the state to keep. No argument is changed.

        Args:
            model: float32, shape (d,).
            decoded: one update per client of the cohort.
            weights: one entry per update: its client's share of the examples of the whole population, above 0; the
                sum is 1 if all clients take part.
            state: as `init` or the last step left it.
            lr_scale: the factor, 0 to 1, that the clients' learning rate had in this round. A rule whose step grows
                with the updates has it in them already; one whose step does not multiplies by it.
        """


@runtime_checkable
class RadioModel(Protocol):
    """A radio technology: how long a transfer takes, what the radio does around it, and what that costs.

    Joules of a `Usage` are the sum over its quantities of quantity times coefficient, in every radio:
    ``sessions * session_j + tail_s * tail_w + active_s * active_w + mbit * j_per_mbit``, where the last two are
    those of the usage's direction.
    """

    kind: ClassVar[str]
    title: ClassVar[str]

    def transfer_s(self, bits: int, direction: Direction) -> float:
        """Seconds on the air for `bits` in `direction` at the configured rate."""

    def usage(self, transfers: Sequence[RadioTransfer]) -> list[Usage]:
        """What the radios did, per round and direction, for the transfers of all clients of a cell."""

    def coefficients(self) -> Mapping[str, Coefficient]:
        """Price of each quantity: keys session_j, tail_w, and for each direction active_w and j_per_mbit.

        The last four are named ``uplink_active_w``, ``downlink_active_w``, ``uplink_j_per_mbit`` and
        ``downlink_j_per_mbit``.
        """

    def inputs(self) -> tuple[Coefficient, ...]:
        """The rows of its table that prices and default settings come from, each with its own source."""

    def notes(self, transfers: Sequence[RadioTransfer]) -> list[str]:
        """What a reader must know of these transfers on this radio; empty if nothing.

        A note that begins with ``infeasible: `` says that no such deployment is possible; it is a result, not an error.
        """


@runtime_checkable
class EnergyMeter(Protocol):
    """Measures one uninterrupted window of work in its own process."""

    kind: ClassVar[str]

    def warm_up(self) -> None:
        """Pay one-off costs (imports, hardware detection) before the first window."""

    def is_whole_machine(self) -> bool:
        """Whether a window would also be charged for other processes, so that cells must run one at a time."""

    def window(self) -> AbstractContextManager["MeterWindow"]:
        """Measure the body of a ``with``; the reading is there after it."""


class MeterWindow(Protocol):
    """A running or finished measurement."""

    @property
    def reading(self) -> EnergyReading:
        """The reading of a finished window; asking earlier is a bug."""


class FederatedProblem(Protocol):
    """One task at one seed: initial model, clients and scores. Everything that touches torch hides behind it."""

    @property
    def layout(self) -> Layout:
        """The shape of the model."""

    @property
    def n_examples(self) -> Sequence[int]:
        """Training examples of each client."""

    def initial_model(self) -> Float32:
        """Initial global model, float32 of shape (d,), statistics included."""

    def train(self, model: Float32, client: int, round: int, lr_scale: float = 1.0) -> tuple[Float32, int]:
        """Local training of `client` from `model`, its learning rate times `lr_scale` (0 to 1).

        Returns:
            The trained model, float32 of shape (d,), statistics included, and the optimiser steps done.
        """

    def evaluate(self, model: Float32, split: Split) -> Mapping[Metric, float]:
        """Accuracy (0 to 1) and loss (nats) of `model` on ``validation`` or ``test``."""


@runtime_checkable
class Task(Protocol):
    """A data set with a model: what is learnt."""

    kind: ClassVar[str]

    def data_key(self) -> Mapping[str, Any]:
        """Everything that the content of the data depends on, JSON-able; content itself, not where it lies."""

    def prepare(self, seeds: Sequence[int]) -> None:
        """Load, split and partition once, in the parent process; workers map what this leaves in the cache."""

    def pretraining_folder(self) -> Path | None:
        """Where the pre-trained model of this task lies or will lie; None if it starts from random weights."""

    def pretrain(self, meter: EnergyMeter) -> None:
        """Pre-train in this process, unless the cache has the model."""

    def build(self, seed: int, training: Mapping[str, Any]) -> FederatedProblem:
        """The problem at `seed`, from what `prepare` and `pretrain` left in the cache.

        Args:
            seed: evaluation seed.
            training: fields of `harness.local_training.LocalTraining`.
        """
