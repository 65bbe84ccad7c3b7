"""Defines QuantFL's bucket codec, after the abstract: every reading of it, and what a bucket codec can be at its best.

The paper's full text was not available; its range rule, reconstruction, rounding and coding are unknown, so that they
are settings here. "BU" is read as bucket-uniform (``buckets: width``), with an equal-mass sibling (``mass``). With
`levels` there is a fixed number of buckets over a range; `quantfl.buckets` has the wire format. With `step`, buckets
have one common width and no end; `quantfl.steps` has the wire format. Without either, the preset of `quantfl.presets`.

Bias and error of an entry: `quantfl.bias`. No error feedback, no state.

References:
    Herath, Rahulamathavan, De Silva, Lambotharan, "QuantFL: Sustainable Federated Learning for Edge IoT via
    Pre-Trained Model Quantisation", arXiv 2603.17507, 2026 (abstract).
    Gish, Pierce, "Asymptotically Efficient Quantizing", IEEE Trans. Inf. Theory 14(5), 1968 (one step, entropy coded,
    is within 0.255 bit of the bound).
    Sullivan, "Efficient Scalar Quantization of Exponential and Laplacian Random Variables", IEEE Trans. Inf. Theory
    42(5), 1996 (even thresholds with a dead zone, reconstruction at the means).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal

import numpy as np

from harness.core.protocols import State
from harness.core.seeds import stream
from harness.core.types import Agreed, Float32, Layout, Update, Work
from harness.wire.body import check_finite
from harness.wire.packing import bits_for
from quantfl import presets
from quantfl.bias import BIAS
from quantfl.buckets import Buckets
from quantfl.steps import Steps

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "buckets": ("width", "mass"),
    "range_rule": ("min_max", "absmax", "sigma", "percentile"),
    "scope": ("tensor", "block", "model"),
    "rounding": ("nearest", "trellis", "stochastic", "dither"),
    "coding": ("packed", "ans"),
    "reconstruction": ("centre", "mean", "matched"),
    "vectors": ("float32", "coded", "fine"),
}


@dataclass(frozen=True)
class QuantFL:
    """QuantFL's bucket quantiser: levels over a range or one common step, packed or entropy coded.

    Attributes:
        levels: buckets over a range, 2 to 65536; any number, though only a power of two fills packed bits.
        step: width of all buckets, in root mean squares of all coded entries of the update but ``fine`` ones, 0.001 to
            100. Without `levels` and `step`, our preset: a step of 1.5, and reconstruction ``matched``.
        buckets: ``width`` for buckets of equal width (BU), ``mass`` for equally full ones (BQ); with levels.
        range_rule: ``min_max`` spans all entries, ``absmax`` as far to both sides of 0; ``sigma`` and ``percentile``
            clip what is beyond. With levels of equal width.
        percentile: share of the entries within the range, in %, above 50 and below 100; with that rule.
        sigmas: how far the range reaches from the mean, in standard deviations, above 0, at most 1000; with ``sigma``.
        scope: what shares a range or codebook: a ``tensor``, a ``block`` of one, or all coded tensors of the
            ``model``; with levels.
        block_size: entries of a block, at least 2, the last block of a tensor may have fewer; with ``block``.
        reconstruction: an entry is decoded to the ``centre`` of its bucket, or to the ``mean`` of the bucket's entries,
            which is sent; ``matched``, with a step: farther from 0 by as much as makes the inner product of update and
            decoded update the squared norm of the update, which means alone fall short of by the squared error; not for
            error feedback, which sends that later anyway. The default is ``mean`` with a step or equal mass, else
            ``centre``.
        rounding: to the ``nearest`` centre; ``trellis``, with a step: whole sequences to the nearest sequence, a
            sixth of a bit an entry better, and slower to encode; ``stochastic``; or by a subtractive ``dither`` that
            both ends agree on.
        dead_zone: half-width of the zero bucket in steps, 0.5 (none) to 1; with a step and without randomness, 0.6 by
            default.
        coding: ``packed`` indices of ceil(log2 L) bits, or ``ans``: entropy coded, a model per tensor; with
            a step, one for all vectors together.
        vectors: ``float32`` sends biases and other tensors of fewer than two dimensions as they are, ``coded`` codes
            them like all others; ``fine``, with a step, at a 16th of the step, for about 4 bits an entry more. The
            default is ``fine`` with a step, ``float32`` with levels.
    """

    levels: int | None = None
    step: float | None = None
    buckets: Literal["width", "mass"] | None = None
    range_rule: Literal["min_max", "absmax", "sigma", "percentile"] | None = None
    percentile: float | None = None
    sigmas: float | None = None
    scope: Literal["tensor", "block", "model"] | None = None
    block_size: int | None = None
    reconstruction: Literal["centre", "mean", "matched"] | None = None
    rounding: Literal["nearest", "trellis", "stochastic", "dither"] = "nearest"
    dead_zone: float | None = None
    coding: Literal["packed", "ans"] = "ans"
    vectors: Literal["float32", "coded", "fine"] | None = None

    kind: ClassVar[str] = "quantfl"
    wire_id: ClassVar[int] = 6
    version: ClassVar[int] = 1
    keeps_residual: ClassVar[bool] = False
    caveat: ClassVar[str] = (
        "QuantFL here is a parameterised bucket quantiser after the abstract of Herath et al., arXiv 2603.17507; the "
        "full text was not available, so it is not a reproduction, and the paper's accuracies are context, not a "
        "target."
    )

    def __post_init__(self) -> None:
        """Refuse settings out of range or without effect; fill in those left open, so that reports can name them."""
        _check(self)
        for name, value in self._defaults().items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)

    @property
    def bias(self) -> str:
        """By rounding, or, where that is to the nearest, by reconstruction."""
        return BIAS[self.rounding if self.rounding != "nearest" else self.reconstruction or "centre"]

    @property
    def is_entropy_coded(self) -> bool:
        """Unless indices are packed."""
        return self.coding != "packed"

    @property
    def work(self) -> Work:
        """Coding of symbols, also after a trellis, which is never packed; packing else."""
        return "serial" if self.is_entropy_coded else "memory"

    def _defaults(self) -> dict[str, object]:
        if self.levels is not None:
            reconstruction = "mean" if self.buckets == "mass" else "centre"
            whole = {"buckets": "width", "range_rule": "min_max", "scope": "tensor", "vectors": "float32"}
            return {**whole, "reconstruction": reconstruction}
        open_ended: dict[str, object] = {"step": presets.STEP, "vectors": "fine"}
        if self.rounding in ("stochastic", "dither"):
            return open_ended | {"reconstruction": "centre"}
        is_preset = self.step is None and self.rounding == "nearest"
        return open_ended | {"reconstruction": "matched" if is_preset else "mean", "dead_zone": presets.DEAD_ZONE}

    def nominal_bits(self, layout: Layout) -> float:
        """``ceil(log2 L)``; with a step, that of the indices up to eight root mean squares (our choice).

        >>> QuantFL(levels=64).nominal_bits(Layout(())), QuantFL(step=1.0).nominal_bits(Layout(()))
        (6.0, 5.0)
        """
        return float(bits_for(self.levels or 2 * math.ceil(8 / (self.step or presets.STEP)) + 1))

    def init(self, layout: Layout) -> State:
        """No state."""
        return None

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        """Body of `update`; see `harness.core.protocols.Codec`."""
        check_finite(update)
        is_agreed = self.rounding == "dither"
        if self.levels is not None:
            return self._bucketed.encode(update, _dither(agreed) if is_agreed else partial(_uniform, rng)), state
        return self._stepped.encode(
            update, partial(_dither, agreed) if is_agreed else lambda number: partial(_uniform, rng)
        ), state

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        """The update with every entry replaced by its bucket's value; see `harness.core.protocols.Codec`."""
        if self.levels is not None:
            return self._bucketed.decode(body, layout, _dither(agreed) if self.rounding == "dither" else None)
        return self._stepped.decode(body, layout, partial(_dither, agreed))

    @property
    def _bucketed(self) -> Buckets:
        assert self.levels is not None and self.rounding != "trellis"  # noqa: S101 - for the type checker
        return Buckets(
            levels=self.levels,
            is_mass=self.buckets == "mass",
            range_rule=self.range_rule or "min_max",
            range_parameter=self.sigmas if self.range_rule == "sigma" else self.percentile,
            scope=self.scope or "tensor",
            block_size=self.block_size,
            is_mean=self.reconstruction == "mean",
            rounding=self.rounding,
            coding=self.coding,
            vectors=self.vectors or "float32",
        )

    @property
    def _stepped(self) -> Steps:
        dead_zone = 0.5 if self.dead_zone is None else self.dead_zone
        is_matched = self.reconstruction == "matched"
        is_mean = is_matched or self.reconstruction == "mean"
        return Steps(self.step or presets.STEP, dead_zone, is_mean, is_matched, self.rounding, self.vectors or "fine")


def _dither(agreed: Agreed, *keys: int) -> partial[Float32]:
    generator = stream(agreed.seed, f"dither-{agreed.direction}", agreed.round, agreed.client, *keys)
    return partial(_uniform, generator)


def _uniform(generator: np.random.Generator, count: int) -> Float32:
    return generator.random(count, dtype=np.float32)


def _check(codec: QuantFL) -> None:
    """Refuse settings out of range, and settings that others leave without effect.

    Raises:
        ValueError: one line on the first such setting.
    """
    for name, allowed in _CHOICES.items():
        _require(getattr(codec, name) in (None, *allowed), codec, name, f"must be {' or '.join(allowed)}")
    if codec.levels is not None:
        _check_levels(codec)
    else:
        _check_step(codec)
    if codec.rounding in ("stochastic", "dither"):
        wanted = f"must be centre with rounding: {codec.rounding}"
        _require(codec.reconstruction in (None, "centre"), codec, "reconstruction", wanted)


def _check_levels(codec: QuantFL) -> None:
    levels = codec.levels or 0
    _require(2 <= levels <= 65536, codec, "levels", "must be 2 to 65536")
    _require(codec.step is None, codec, "step", f"stands instead of levels, here {levels}")
    _require(codec.rounding != "trellis", codec, "rounding", f"is for step, not for levels, here {levels}")
    _require(codec.dead_zone is None, codec, "dead_zone", f"is for step, not for levels, here {levels}")
    _require(codec.reconstruction != "matched", codec, "reconstruction", f"is for step, not for levels, here {levels}")
    _require(codec.vectors != "fine", codec, "vectors", f"must be float32 or coded with levels, here {levels}")
    _check_parameter(codec, "percentile", codec.percentile, 50, 100, "must be above 50 and below 100, e.g. 99.9")
    _check_parameter(codec, "sigma", codec.sigmas, 0, 1000.001, "must be above 0, at most 1000, e.g. 4.0")
    if codec.buckets == "mass":
        _require(codec.range_rule in (None, "min_max"), codec, "range_rule", "is for buckets: width only")
        _require(codec.rounding == "nearest", codec, "rounding", "must be nearest with buckets: mass")
        _require(codec.reconstruction != "centre", codec, "reconstruction", "must be mean with buckets: mass")
    if codec.scope == "block":
        wanted = "must be 2 or more with scope: block, e.g. 1024"
        _require((codec.block_size or 0) >= 2, codec, "block_size", wanted)
    else:
        _require(
            codec.block_size is None, codec, "block_size", f"is for scope: block only, here {codec.scope or 'tensor'}"
        )


def _check_step(codec: QuantFL) -> None:
    if codec.step is not None:
        _require(0.001 <= codec.step <= 100, codec, "step", "must be 0.001 to 100")
    for name in ("buckets", "range_rule", "percentile", "sigmas", "scope", "block_size"):
        _require(getattr(codec, name) is None, codec, name, "is for levels only")
    _require(codec.coding == "ans", codec, "coding", "must be ans without levels")
    if codec.reconstruction == "matched":
        _require(codec.rounding != "trellis", codec, "reconstruction", "must be centre or mean with rounding: trellis")
    if codec.dead_zone is not None:
        _require(0.5 <= codec.dead_zone <= 1, codec, "dead_zone", "must be 0.5 to 1")
        is_random = codec.rounding in ("stochastic", "dither")
        _require(not is_random, codec, "dead_zone", f"is for rounding: nearest or trellis, not {codec.rounding}")


def _check_parameter(codec: QuantFL, rule: str, value: float | None, low: float, high: float, wanted: str) -> None:
    """A number that belongs to one range rule, above `low` and below `high`."""
    name = "sigmas" if rule == "sigma" else rule
    if codec.range_rule == rule:
        _require(value is not None and low < value < high, codec, name, wanted)
    else:
        _require(value is None, codec, name, f"is for range_rule: {rule} only, not {codec.range_rule or 'min_max'}")


def _require(is_met: bool, codec: QuantFL, name: str, wanted: str) -> None:
    if not is_met:
        raise ValueError(f"{name} {wanted} (got {getattr(codec, name)})")
