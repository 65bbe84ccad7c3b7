"""The values that travel through the harness.

Everything left of the ledger speaks of `Update`s and produces facts (`Transfer`, `ComputeWindow`, `Score`,
`EnergyReading`); everything right of it reduces those facts to quantities (see `PRICES`) and
prices them with `Coefficient`s.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

Int64 = NDArray[np.int64]

UInt8 = NDArray[np.uint8]

Float64 = NDArray[np.float64]

Direction = Literal["uplink", "downlink"]
"""Uplink is client to server, downlink is server to client."""

Phase = Literal["setup", "local_training", "encode", "decode", "aggregate", "evaluate", "codec_timing"]
"""What a compute window was spent on; the time of a cell outside every window is reported as ``other``."""

Split = Literal["validation", "test"]
"""Held-out examples that the global model is scored on."""

Metric = Literal["accuracy", "loss", "sent_accuracy", "sent_loss"]
"""Accuracy is a share from 0 to 1, loss is mean cross-entropy in nats; ``sent_``: of the model as clients decode it."""

SERVER = -1
"""Client number of work that the server does, and of a payload that every client receives alike."""


@dataclass(frozen=True)
class TensorSpec:
    """Name and shape of one tensor of the model.

    Attributes:
        name: as the model calls it.
        shape: as the model has it; () for a scalar.
        is_statistic: whether it is measured rather than trained, such as the running mean and variance of a batch
            norm. Statistics travel as float32 under every codec, are charged, and are averaged under every server rule.
    """

    name: str
    shape: tuple[int, ...]
    is_statistic: bool = False

    @cached_property
    def size(self) -> int:
        """Number of entries, at least 0 (1 for a scalar)."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class Layout:
    """The public shape of a model: its tensors, in the order in which they lie in a flat vector, statistics last."""

    tensors: tuple[TensorSpec, ...]

    def __post_init__(self) -> None:
        """Refuse a trained tensor behind a statistic: what codecs see is one run."""
        kinds = [tensor.is_statistic for tensor in self.tensors]
        if kinds != sorted(kinds):
            raise ValueError("the statistics of a layout stand behind its trained tensors")

    @cached_property
    def trained(self) -> "Layout":
        """The layout without statistics: what codecs see."""
        return Layout(tuple(tensor for tensor in self.tensors if not tensor.is_statistic))

    @cached_property
    def size(self) -> int:
        """Number of parameters d."""
        return sum(tensor.size for tensor in self.tensors)

    @property
    def reference_bytes(self) -> int:
        """Bytes of the same vector as raw float32: what every ratio divides by."""
        return 4 * self.size

    def slices(self) -> Iterator[tuple[TensorSpec, slice]]:
        """Each tensor with its place in the flat vector."""
        start = 0
        for tensor in self.tensors:
            yield tensor, slice(start, start + tensor.size)
            start += tensor.size


@dataclass(frozen=True, eq=False)
class Update:
    """A flat float32 vector with its layout.

    On the uplink it is the trained model minus the model the client decoded; on the downlink in ``model`` mode it
    is the global model itself.

    Attributes:
        values: float32, shape (layout.size,), finite.
        layout: names and shapes of the tensors in `values`.
    """

    values: Float32
    layout: Layout

    def __post_init__(self) -> None:
        """Refuse a vector that does not fit its layout."""
        if self.values.dtype != np.float32 or self.values.shape != (self.layout.size,):
            raise ValueError(
                f"an update of this layout is float32 of shape ({self.layout.size},), "
                f"got {self.values.dtype} of shape {self.values.shape}"
            )


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images.

    Attributes:
        images: float32, or uint8 where the model scales pixels itself, shape (n, ...).
        labels: int64, shape (n,), from 0.
    """

    images: Float32 | UInt8
    labels: Int64


@dataclass(frozen=True)
class Agreed:
    """What both ends know before a payload is sent, and so need not send."""

    seed: int
    round: int
    client: int
    direction: Direction


@dataclass(frozen=True)
class Transfer:
    """One payload that crossed the air. Bits on the wire are ``8 * payload_bytes``, for every codec.

    Attributes:
        round: round number, from 1; 0 for what a client is given before the first round.
        client: client number, from 0.
        direction: uplink or downlink.
        payload_bytes: length of the payload, frame included.
        frame_bytes: the part of `payload_bytes` that is frame (version, codec, length, checksum).
        payload_digest: first 16 hex digits of the payload's SHA-256.
        reference_bytes: bytes of the same vector as raw float32; 0 for a difference that later ones follow at once, so
            that a client's model counts once a round however many payloads bring it.
        is_late: whether it arrived after the deadline of its round: it was sent, and the server did not decode it.
    """

    round: int
    client: int
    direction: Direction
    payload_bytes: int
    frame_bytes: int
    payload_digest: str
    reference_bytes: int
    is_late: bool = False


@dataclass(frozen=True)
class Shadow:
    """What a payload would have taken with its indices coded in another way; it never crossed the air.

    Attributes:
        round: round number, from 1.
        client: client number, from 0; `SERVER` for a broadcast.
        direction: uplink or downlink.
        coding: the other way, e.g. ``ans``.
        payload_bytes: length of that payload, frame included.
    """

    round: int
    client: int
    direction: Direction
    coding: str
    payload_bytes: int


@dataclass(frozen=True)
class UpdateStatistic:
    """The distribution of one tensor of one client's update, before any codec.

    Attributes:
        round: round number, from 1.
        client: client number, from 0.
        tensor: name of the tensor.
        size: its number of entries n.
        sigma: standard deviation of the entries.
        kurtosis: fourth central moment over the squared variance: 3 for Gaussian entries, 6 for Laplace; NaN if all
            entries are equal.
        absmax_sigmas: largest magnitude over `sigma`; NaN if all entries are equal.
        entropy_bits: empirical entropy of the entries rounded to multiples of `step`, bits an entry.
        step: the fixed step, the same for all tensors, rounds and initialisations of a benchmark.
        shape_entropy_bits: the same at a step of ``sigma / 2``: what is left when the scale is taken out.
    """

    round: int
    client: int
    tensor: str
    size: int
    sigma: float
    kurtosis: float
    absmax_sigmas: float
    entropy_bits: float
    step: float
    shape_entropy_bits: float


@dataclass(frozen=True)
class ComputeWindow:
    """Time spent on one phase.

    Attributes:
        round: round number, from 1; 0 before the first round.
        phase: what was done.
        client: client that a deployment would do it on; `SERVER` for work of the server or of the benchmark.
        seconds: wall time (monotonic clock) on the machine that ran the benchmark.
        cpu_seconds: CPU time of the thread on that machine.
        n_steps: optimiser steps done in the window; 0 outside local training.
    """

    round: int
    phase: Phase
    client: int
    seconds: float
    cpu_seconds: float
    n_steps: int = 0


@dataclass(frozen=True)
class TrainingWork:
    """What one optimiser step takes, on whatever machine.

    Attributes:
        flops_per_step: floating-point operations of one step on a full batch, forward and backward.
        training_bytes: memory that must be held at once in such a step, bytes; see `harness.work`.
        fixed_flops_per_step: operations of the part of the model that is fixed in front of what is trained, forward,
            on the images of one full batch. The benchmark runs it once on each image, and keeps what it gives.
    """

    flops_per_step: float
    training_bytes: int
    fixed_flops_per_step: float = 0.0


@dataclass(frozen=True)
class CodecTiming:
    """CPU time of one codec operation, by repeat-and-divide on the last payload of a cell.

    A single call is too short to time beside everything else; many calls in a row are not.

    Attributes:
        direction: whose codec.
        operation: ``encode`` or ``decode``, frame included.
        calls: repetitions.
        cpu_seconds: CPU time of the thread for all of them.
    """

    direction: Direction
    operation: Literal["encode", "decode"]
    calls: int
    cpu_seconds: float


@dataclass(frozen=True)
class Score:
    """One evaluation of the global model.

    Attributes:
        round: round after which the model was scored; 0 is the initial model.
        split: ``validation`` or ``test``.
        metric: ``accuracy`` (share, 0 to 1) or ``loss`` (mean cross-entropy, nats) of the server's model; with
            ``sent_`` in front, of that model as a client would decode it.
        value: the value, finite.
    """

    round: int
    split: Split
    metric: Metric
    value: float


EnergyMethod = Literal["counter", "estimated", "not_measured"]
"""How a joule came about: read from a hardware counter, computed from CPU time, or not at all."""


@dataclass(frozen=True)
class EnergyReading:
    """What a meter said about one uninterrupted window, with how it knows.

    Attributes:
        seconds: wall time of the window, monotonic clock.
        cpu_seconds: CPU time of this process and its reaped children within the window.
        cpu_j: joules of the CPU; None if not measured, never 0 for unknown.
        gpu_j: joules of the GPUs; None if there is none or it was not measured.
        method: how `cpu_j` came about.
        scope: what it covers, in words, e.g. "this process and its children, CPU only".
        evidence: uncertainty class: M1 or M2 (measured), E1 or E2 (estimated); "none" if not measured.
        coverage: CPU seconds that the meter saw divided by `cpu_seconds`; None if the meter cannot tell.
        watts_per_cpu: W charged for one busy hardware thread, for estimated readings; else None.
        meter: name and version of the meter, e.g. "codecarbon 3.3.2 (offline, process)".
    """

    seconds: float
    cpu_seconds: float
    cpu_j: float | None
    gpu_j: float | None
    method: EnergyMethod
    scope: str
    evidence: str
    coverage: float | None
    watts_per_cpu: float | None
    meter: str


@dataclass(frozen=True)
class Coefficient:
    """An assumption: one number that turns usage into joules, seconds or grams.

    Attributes:
        name: key in its table, e.g. "lte_2012.alpha_up".
        low: lower end of the plausible range, in `unit`.
        typical: value used for point estimates, in `unit`.
        high: upper end of the plausible range, in `unit`.
        unit: e.g. "W", "J/Mbit", "s", "gCO2e/kWh".
        source: key of a BibTeX entry, or "judgement".
        locator: table, equation or file inside the source.
        year: year of the value.
        basis: primary, secondary, derived, memory or judgement; says how the number reached us.
        range_basis: "source" if the source states low and high, else the rule they were derived by.
        is_verified: whether the number was read in the named source.
        drawn_with: name of the coefficient that this one rises and falls with, when its range is drawn from; empty
            for one of its own.
    """

    name: str
    low: float
    typical: float
    high: float
    unit: str
    source: str
    locator: str
    year: int
    basis: str
    range_basis: str
    is_verified: bool
    drawn_with: str = ""


@dataclass(frozen=True, eq=False)
class Carriage:
    """What carrying payloads over a link takes, retransmissions, headers and acknowledgements included.

    Every field is float64 of shape (n,), one entry per payload, at least 0.

    Attributes:
        seconds: from the start until the payload has arrived: on the air, between frames, in silence that a duty cycle
            demands.
        uplink_s: seconds that the client's radio sends.
        downlink_s: seconds that the client's radio receives.
        wait_s: seconds that the client's radio is awake but neither sends nor receives.
        uplink_mbit: megabits (1e6 bit) from the client, whichever way the payload goes.
        downlink_mbit: megabits to the client, whichever way the payload goes.
        frames: frames whose cost does not depend on their size.
    """

    seconds: Float64
    uplink_s: Float64
    downlink_s: Float64
    wait_s: Float64
    uplink_mbit: Float64
    downlink_mbit: Float64
    frames: Float64


PRICES: Mapping[str, str] = {
    "sessions": "session_j",
    "tail_s": "tail_w",
    "uplink_s": "uplink_w",
    "downlink_s": "downlink_w",
    "wait_s": "wait_w",
    "uplink_mbit": "uplink_j_per_mbit",
    "downlink_mbit": "downlink_j_per_mbit",
    "frames": "frame_j",
    "rest_s": "rest_w",
}
"""Quantities of a radio's usage, each with the name of the coefficient that turns it into joules.

Besides those of `Carriage`: ``sessions``, times a radio left rest; ``tail_s``, seconds that it stays connected after a
transfer because the network does not let go; ``rest_s``, seconds in which it does none of these.
"""
