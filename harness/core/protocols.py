"""Defines the protocols of parts: frozen dataclasses whose fields are YAML settings and whose ``kind`` is their name.

Settings out of range raise ``ValueError`` in ``__post_init__``; the spec turns that into an error with a position.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Union, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from harness.core.facts import EnergyReading, TrainingWork
from harness.core.notes import Note
from harness.core.prices import Carriage, Coefficient, SharedRound
from harness.core.types import Agreed, Direction, Float32, Int64, Layout, Metric, Split, Update

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

    Optional are ``version: ClassVar[int] = 1``, version of its facts, to be raised when the same settings give other
    bytes or other decoded values (`harness.parts.facts_version`); and what it says of itself, each an attribute or a
    property with its meaning in `harness.core.codec_facts.CodecFacts`. A codec around another has that one in a setting
    ``inner``; values of a setting ``coding`` are codes of the same symbols, which change no decoded value.
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
        """The update that `body` encodes: bytes, the public layout and what was agreed, nothing else.

        Raises:
            PayloadError: `body` is no payload of this codec for this layout.
        """


@runtime_checkable
class ServerRule(Protocol):
    """Turns decoded updates into the next global model. It sees trained tensors only; statistics are averaged.

    Optional are ``version: ClassVar[int] = 1``, version of its facts, to be raised when equal updates give another
    model, and ``needs_codec: ClassVar[str]``, the only uplink codec whose payloads it can use.
    """

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
    """A radio technology: what carrying payloads takes, how long the radio stays awake after it, and what that costs.

    Joules are in every radio the sum over the quantities of `PRICES` of quantity times coefficient. What sessions and
    tails there are follows from when transfers happen; that is the same for all radios (see
    `harness.price.accounting.radio_usage`).

    Optional are ``session_s: float``, seconds from rest to connected, at least 0, that what opens a session waits for
    (its joules are ``session_j``; unsaid is none); and what `SharesMedium` has, for a radio whose clients do not each
    have the medium to themselves.
    """

    kind: ClassVar[str]
    title: ClassVar[str]
    access: ClassVar[Literal["mobile", "fixed"]]
    """The network that carries the traffic on: a mobile operator's, or a fixed line behind a gateway."""

    @property
    def tail_s(self) -> float:
        """Seconds that the radio stays connected after a transfer if none follows, at least 0."""

    def carry(self, payload_bytes: Int64, direction: Direction) -> Carriage:
        """What carrying each of some payloads takes: pure, vectorised, the same for equal sizes.

        Args:
            payload_bytes: shape (n,), each at least 0; a payload of 0 bytes still takes its headers, if it has any.
            direction: the way that the payloads go.
        """

    def obstacle(self, payload_bytes: int, direction: Direction) -> str:
        """Why this radio cannot carry a payload of this size at all, however long it takes; empty if it can.

        It is the text of a note of kind ``infeasible``, without that word.
        """

    def coefficients(self) -> Mapping[str, Coefficient]:
        """The coefficient of each quantity, under the names that are the values of `PRICES`: all of them, no others."""

    def inputs(self) -> tuple[Coefficient, ...]:
        """The rows of its table that prices and default settings come from, each with its own source."""

    def notes(self) -> Sequence[Note | str]:
        """What a reader must know of this model and these settings; empty if nothing.

        A note of kind ``unvalidated`` keeps the radio out of first sentences, one of kind ``infeasible`` out of all
        that is an option; see `harness.core.notes.Kind` for all of them. A plain text is a remark, or of the kind that
        it begins with before a colon (``unvalidated: …``), see `harness.core.notes.notes_from`.
        """


@runtime_checkable
class SharesMedium(Protocol):
    """What a `RadioModel` has besides, if the clients of a round share a medium that limits them together.

    A round then lasts at least as long as the medium needs, and is infeasible where that is beyond the limit of a
    round; joules stay those of clients alone. It is read in `harness.price.accounting.shared_medium` and nowhere else.
    """

    def shared_round(self, downlink_bytes: Int64, uplink_bytes: Int64) -> SharedRound:
        """What carrying all payloads of one round takes: pure, in whatever order they stand.

        Asked for rounds of at least two clients only: one alone is told by `carry`. A client more never makes a round
        shorter.

        Args:
            downlink_bytes: bytes of each client's payloads to it, shape (n,); clients without one are not in it.
            uplink_bytes: bytes of each client's payloads from it, shape (m,); likewise.
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

    def frozen(self) -> Update | None:
        """What never changes and is not in the model: each client is given it once. None if there is nothing."""

    def train(self, model: Float32, client: int, round: int, lr_scale: float = 1.0) -> tuple[Float32, int]:
        """Local training of `client` from `model`, its learning rate times `lr_scale` (0 to 1).

        May be called from several threads at a time, for different clients; what it gives depends on neither.

        Returns:
            The trained model, float32 of shape (d,), statistics included, and the optimiser steps done.
        """

    def evaluate(self, model: Float32, split: Split) -> Mapping[Metric, float]:
        """Accuracy (0 to 1) and loss (nats) of `model` on ``validation`` or ``test``."""

    def work(self) -> TrainingWork | None:
        """What one optimiser step on a full batch takes; None if unknown. Changes nothing."""


@runtime_checkable
class Task(Protocol):
    """A data set with a model: what is learnt.

    Optional is ``version: ClassVar[int] = 1``, version of its facts, to be raised when equal settings give other
    examples, another split or another initial model.
    """

    kind: ClassVar[str]

    def data_key(self) -> Mapping[str, Any]:
        """Everything that the content of the data depends on, JSON-able; the content itself, not its location."""

    def prepare(self, seeds: Sequence[int]) -> None:
        """Load, split and partition once, in the parent process; workers map what this leaves in the cache."""

    def pretraining_folder(self) -> Path | None:
        """Path of this task's pre-trained model, existing or not yet; None if it starts from random weights."""

    def pretrain(self, meter: EnergyMeter) -> None:
        """Pre-train in this process, unless the cache has the model."""

    def needs_activations(self, seed: int, training: Mapping[str, Any]) -> bool:
        """Whether what the fixed part of the model makes of the examples is still to be computed for `seed`."""

    def compute_activations(self, seed: int, training: Mapping[str, Any]) -> None:
        """Compute that in this process, unless the cache has it; the pre-trained model is there by then."""

    def build(self, seed: int, training: Mapping[str, Any]) -> FederatedProblem:
        """The problem at `seed`, from what `prepare` and `pretrain` left in the cache.

        Args:
            seed: evaluation seed.
            training: fields of `harness.run.tasks.local_training.LocalTraining`.
        """
