"""Defines the records of a run: payloads, compute windows, scores, energy readings."""

from dataclasses import dataclass
from typing import Literal

from harness.core.types import Direction, Metric, Phase, Split


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
        training_bytes: memory that must be held at once in such a step, bytes; see `harness.run.tasks.training_cost`.
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
