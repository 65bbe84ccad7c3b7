"""Holds the measurements of a codec audit: one row per codec, and what theory allows. Plain values, no computing."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CodecAudit:
    """One codec; None where a figure has no meaning. Bits are bits a parameter.

    Attributes:
        label: its name in tables.
        settings: all its settings, as a line of YAML.
        wire_bits: payload, frame included.
        nominal_bits: what the literature quotes.
        entropy_bits: empirical entropy of the decoded symbols.
        side_bytes: what a payload takes beyond its nominal bits, or beyond its entropy.
        is_side_over_entropy: which of the two.
        nmse: squared error over the energy of the update.
        bound_bits: least rate at this error, or the Gaussian reference.
        gap_bits: `wire_bits` above it.
        is_random: whether it rounds at random.
        bias: energy of the mean error over the energy of the update.
        bias_floor: below it a bias cannot be distinguished from none.
        gain: projection of the mean decoded update on the update, over the update's energy.
        worst_sigmas: largest error of an entry over the standard deviation of the entries.
        state_bytes: bytes a parameter that a client keeps.
        encode_ns: CPU nanoseconds a parameter.
        decode_ns: CPU nanoseconds a parameter.
    """

    label: str
    settings: str
    wire_bits: float
    nominal_bits: float
    entropy_bits: float | None
    side_bytes: float | None
    is_side_over_entropy: bool
    nmse: float | None
    bound_bits: float | None
    gap_bits: float | None
    is_random: bool
    bias: float | None
    bias_floor: float
    gain: float | None
    worst_sigmas: float | None
    state_bytes: float
    encode_ns: float
    decode_ns: float


@dataclass(frozen=True)
class Line:
    """A line of theory: points (nMSE, bits a parameter) in order of nMSE."""

    label: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Audit:
    """Codecs on one source.

    Attributes:
        source: a few words, e.g. "1,000,000 Laplace entries".
        detail: sentences on how they came about.
        distribution: ``gaussian`` or ``laplace``; empty for recorded updates.
        codecs: at least one.
        left_out: kinds that were not measured because they have no default settings.
        draws: payloads of a codec that rounds at random.
        lines: what theory allows.
        machine: what the times were taken on.
    """

    source: str
    detail: str
    distribution: str
    codecs: tuple[CodecAudit, ...]
    left_out: tuple[str, ...]
    draws: int
    lines: tuple[Line, ...]
    machine: str

    @property
    def bound(self) -> str:
        """What rates are held against."""
        return {"gaussian": "Shannon bound", "laplace": "Shannon lower bound"}.get(
            self.distribution, "Gaussian reference"
        )
