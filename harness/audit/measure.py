"""Measures for ``harness audit`` what a codec costs and loses on one update, on the bytes that would cross the air.

Every figure comes from payloads that were sealed, opened and decoded again; nothing is trained. A codec that rounds at
random is run `DRAWS` times with other random numbers at both ends. A codec with a state, such as error feedback, is
measured on its first payload.
"""

import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

import harness
from harness.audit.bounds import (
    ECSQ_GAP_BITS,
    Distribution,
    gaussian_reference_bits,
    nmse_at_zero_bits,
    shannon_bits,
    symbol_entropy_bits,
)
from harness.audit.codecs import Named
from harness.audit.updates import Source
from harness.core.codec_facts import facts_of
from harness.core.protocols import Codec, state_bytes
from harness.core.seeds import stream
from harness.core.types import Agreed, Float32, Update
from harness.run.engines.host import cpu_model
from harness.wire.frame import seal, unseal
from reports.audit.data import Audit, CodecAudit, Line

DRAWS, REPEATS = 16, 5
"""Payloads of a codec that rounds at random, and of one that does not."""

_Result = TypeVar("_Result")


def audit(
    codecs: Sequence[Named], source: Source, seed: int, left_out: Sequence[str], on_codec: Callable[[str], None]
) -> Audit:
    """Measure `codecs` on every update of `source`.

    Args:
        codecs: what to measure.
        source: what on.
        seed: of the random numbers that codecs round with.
        left_out: kinds that were not measured because they have no default settings.
        on_codec: called with each label before it is measured.

    Raises:
        UpdateError: an update cannot be sent.
    """
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    rows = []
    # Matrix products on one thread: its CPU time is then all that a codec took.
    with threadpool_limits(1):
        for named in codecs:
            on_codec(named.label)
            measured = [measure(named.codec, update, source.distribution, seed) for update in source.updates]
            rows.append(_row(named, measured))
    return Audit(
        source=source.title,
        detail=source.detail,
        distribution=source.distribution or "",
        codecs=tuple(rows),
        left_out=tuple(left_out),
        draws=DRAWS,
        lines=() if source.distribution is None else frontier(source.distribution, [row.nmse for row in rows]),
        machine=_machine(),
    )


@dataclass(frozen=True)
class Measured:
    """One codec on one update; None where a figure has no meaning.

    Attributes:
        size: number of entries n.
        payload_bytes: length of the payload, frame included; mean over payloads.
        first_bytes: length of the first payload, whose symbols `entropy_bits` counts.
        nominal_bits: what the literature quotes, bits an entry.
        entropy_bits: empirical entropy of the symbols that the first payload decodes to, bits an entry.
        bound_bits: least bits an entry at this error; for recorded updates the Gaussian reference.
        nmse: squared error over the update's energy; mean over payloads.
        is_random: whether equal updates were decoded to different values, within `REPEATS` payloads.
        bias: energy of the mean error over the energy of the update, corrected for the number of draws.
        bias_floor: below it a bias cannot be distinguished from none; 0 for a codec that does not round at random.
        gain: projection of the mean decoded update on the update, over the update's energy.
        worst_sigmas: largest error of an entry over the standard deviation of the entries.
        state_bytes: memory that the client keeps after the payload.
        encode_s: CPU seconds, median.
        decode_s: CPU seconds, median.
    """

    size: int
    payload_bytes: float
    first_bytes: int
    nominal_bits: float
    entropy_bits: float | None
    bound_bits: float | None
    nmse: float | None
    is_random: bool
    bias: float | None
    bias_floor: float
    gain: float | None
    worst_sigmas: float | None
    state_bytes: int
    encode_s: float
    decode_s: float


def measure(codec: Codec, update: Update, distribution: Distribution | None, seed: int) -> Measured:
    """`codec` on one update that is not empty; see `Measured`."""
    exact = update.values.astype(np.float64)
    energy, spread = float(exact @ exact), float(exact.std()) or float(np.abs(exact).max())
    shots = _shots(codec, update, seed)
    first, tally, is_random = next(shots), _Tally(exact), False
    taken: list[_Shot] = []
    for shot in chain([first], shots):
        is_random = is_random or not np.array_equal(shot.decoded, first.decoded)
        tally.add(shot.decoded)
        taken.append(replace(shot, decoded=_NOTHING))
        if len(taken) == (DRAWS if is_random else REPEATS):
            break
    nmse = tally.mean_error_energy / energy if energy else None
    return Measured(
        size=exact.size,
        payload_bytes=statistics.fmean(shot.payload_bytes for shot in taken),
        first_bytes=first.payload_bytes,
        nominal_bits=codec.nominal_bits(update.layout),
        entropy_bits=symbol_entropy_bits(update, first.decoded, first.payload_bytes),
        bound_bits=_bound(update, distribution, nmse),
        nmse=nmse,
        is_random=is_random,
        bias=(tally.bias_energy if is_random else tally.mean_error_energy) / energy if energy else None,
        bias_floor=tally.bias_floor / energy if is_random and energy else 0.0,
        gain=tally.projection / energy if energy else None,
        worst_sigmas=tally.worst / spread if spread else None,
        state_bytes=first.state_bytes,
        encode_s=statistics.median(shot.encode_s for shot in taken),
        decode_s=statistics.median(shot.decode_s for shot in taken),
    )


_NOTHING: Float32 = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class _Shot:
    """One first payload of a client: encoded, sealed, opened, decoded."""

    payload_bytes: int
    decoded: Float32
    state_bytes: int
    encode_s: float
    decode_s: float


def _shots(codec: Codec, update: Update, seed: int) -> Iterator[_Shot]:
    """First payloads of the same update in other rounds, so that private and agreed random numbers differ."""
    round = 0
    while True:
        round += 1
        yield _shot(codec, update, Agreed(seed, round, 0, "uplink"))


def _shot(codec: Codec, update: Update, agreed: Agreed) -> _Shot:
    rng, layout = stream(agreed.seed, "codec-uplink", agreed.round, agreed.client), update.layout
    before = codec.init(layout)

    def encode() -> tuple[bytes, int]:
        body, state = codec.encode(update, before, rng, agreed)
        return seal(body, codec.wire_id), state_bytes(state)

    (payload, kept), encode_s = _timed(encode)
    decoded, decode_s = _timed(lambda: codec.decode(unseal(payload, codec.wire_id), layout, agreed))
    return _Shot(len(payload), decoded.values, kept, encode_s, decode_s)


def _timed(operation: Callable[[], _Result]) -> tuple[_Result, float]:
    start = time.thread_time()
    result = operation()
    return result, time.thread_time() - start


class _Tally:
    """Sums over decoded updates, in float64."""

    def __init__(self, exact: NDArray[np.float64]) -> None:
        self._exact = exact
        self._errors, self._squares = np.zeros_like(exact), np.zeros_like(exact)
        self._energies: list[float] = []
        self.worst = 0.0

    def add(self, decoded: Float32) -> None:
        error = decoded - self._exact
        self._errors += error
        self._energies.append(float(error @ error))
        self.worst = max(self.worst, float(np.abs(error).max()))
        self._squares += np.square(error, out=error)

    @property
    def mean_error_energy(self) -> float:
        """Mean of the squared errors."""
        return statistics.fmean(self._energies)

    @property
    def bias_energy(self) -> float:
        """Energy of the expected error, without bias: the mean error of N draws also holds 1/N of their variance."""
        n = len(self._energies)
        of_mean = float(self._errors @ self._errors) / n**2
        variance = (sum(self._energies) - n * of_mean) / (n - 1)
        return max(0.0, of_mean - variance / n)

    @property
    def bias_floor(self) -> float:
        """Three standard deviations of `bias_energy` without a bias, if entries err independently.

        The square of the mean of N errors of variance v scatters by ``sqrt(2) v / N``; squares of deviations add up
        over entries, whose v differ: errors of a sparse or scaled codec are those of a few entries.
        """
        n = len(self._energies)
        variances = np.maximum(self._squares - self._errors**2 / n, 0.0) / (n - 1)
        return 3 * math.sqrt(2 * float(variances @ variances)) / n

    @property
    def projection(self) -> float:
        """Scalar product of the update with the mean decoded one."""
        return float(self._exact @ (self._exact + self._errors / len(self._energies)))


def _bound(update: Update, distribution: Distribution | None, nmse: float | None) -> float | None:
    if nmse is None:
        return None
    return gaussian_reference_bits(update, nmse) if distribution is None else shannon_bits(distribution, nmse)


def _row(named: Named, measured: Sequence[Measured]) -> CodecAudit:
    """Means over updates, with equal weight; the worst error is the largest and times are medians."""
    bits = [8 * one.payload_bytes / one.size for one in measured]
    uses_entropy = facts_of(named.codec).is_entropy_coded
    side = [_side_bytes(one, uses_entropy) for one in measured]
    gaps = [None if one.bound_bits is None else sent - one.bound_bits for one, sent in zip(measured, bits, strict=True)]
    return CodecAudit(
        label=named.label,
        settings=named.settings,
        wire_bits=statistics.fmean(bits),
        nominal_bits=statistics.fmean(one.nominal_bits for one in measured),
        entropy_bits=_mean([one.entropy_bits for one in measured]),
        side_bytes=_mean(side),
        is_side_over_entropy=bool(uses_entropy),
        nmse=_mean([one.nmse for one in measured]),
        bound_bits=_mean([one.bound_bits for one in measured]),
        gap_bits=_mean(gaps),
        is_random=any(one.is_random for one in measured),
        bias=_mean([one.bias for one in measured]),
        bias_floor=statistics.fmean(one.bias_floor for one in measured),
        gain=_mean([one.gain for one in measured]),
        worst_sigmas=max((one.worst_sigmas for one in measured if one.worst_sigmas is not None), default=None),
        state_bytes=statistics.fmean(one.state_bytes / one.size for one in measured),
        encode_ns=statistics.median(1e9 * one.encode_s / one.size for one in measured),
        decode_ns=statistics.median(1e9 * one.decode_s / one.size for one in measured),
    )


def _side_bytes(one: Measured, is_over_entropy: bool | None) -> float | None:
    """What a payload takes beyond its nominal bits; beyond its entropy, of one payload, as both differ by draw.

    None where a codec does not say which of the two its length follows.
    """
    if is_over_entropy is None:
        return None
    if not is_over_entropy:
        return one.payload_bytes - one.nominal_bits * one.size / 8
    return None if one.entropy_bits is None else one.first_bytes - one.entropy_bits * one.size / 8


def _mean(values: Sequence[float | None]) -> float | None:
    """The mean; None if one of the values is unknown."""
    known = [value for value in values if value is not None]
    return statistics.fmean(known) if len(known) == len(values) else None


def _machine() -> str:
    versions = f"Python {platform.python_version()}, NumPy {np.__version__}, harness {harness.__version__}"
    return f"{cpu_model()} ({platform.system()} {platform.machine()}), {versions}"


def frontier(distribution: Distribution, errors: Sequence[float | None]) -> tuple[Line, ...]:
    """The Shannon bound over the range of `errors`, and the line of the best scalar quantiser above it.

    Returns:
        The lines; empty without an error above zero.
    """
    known = [error for error in errors if error]
    if not known:
        return ()
    zero = nmse_at_zero_bits(distribution)
    low, high = min(*known, zero / 4) / 2, 1.5 * zero
    at = np.geomspace(low, zero, 65)
    bound = [(float(nmse), shannon_bits(distribution, float(nmse)) or 0.0) for nmse in at]
    # Below about 2 bits the best scalar quantiser comes closer than this constant: the line stops there.
    above = [(nmse, bits + ECSQ_GAP_BITS) for nmse, bits in bound if bits >= 2]
    name = "Shannon bound" if distribution == "gaussian" else "Shannon lower bound"
    lines = [Line(name, (*bound, (high, 0.0)))]
    if above:
        lines.append(Line(f"Bound + {ECSQ_GAP_BITS:.2f} bit", tuple(above)))
    return tuple(lines)
