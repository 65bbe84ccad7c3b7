"""What the module head of each codec declares beyond the protocol, as a table that the battery holds it to.

A codec without an entry in `_PROMISES` promises nothing, and is held to the protocol all the same.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.protocols import Codec
from quantfl import presets
from tests.factories import digits_layout, make_update

Bound = Callable[[NDArray[np.float64]], float]


@dataclass(frozen=True)
class Promise:
    """What a codec declares of its payloads, in one of its settings.

    Attributes:
        ignores_rng: the encoder draws nothing, so that equal updates give equal bytes.
        draws_from_rng: the encoder draws afresh, so that another stream gives other bytes, with a client's first state.
        ignores_agreed: nothing depends on seed, round, client and direction.
        draws_from_agreed: both ends draw the same, and other numbers for another seed, round, client or direction.
        is_stateless: the client keeps nothing between rounds.
        is_unbiased: the mean of what is decoded, over all that is drawn, is the update.
        has_fixed_length: the length depends on the layout only, not on the entries.
        keeps_vectors: tensors of fewer than two dimensions arrive exactly, as float32.
        is_portable: every machine makes the same bytes of the golden update; not so with a matrix factorisation.
        decodes_portably: every machine decodes a payload to the same bits; not so with powers of two by `exp2`.
        entry_bound: largest error of an entry, from the entries of its tensor; float32 rounding comes on top.
        nmse_bound: most that ``||decoded - x||^2 / ||x||^2`` is, as a mean over draws, for Laplace entries in the
            layout of the digits MLP.
        low_rank_nmse: as `nmse_bound`, where every matrix has rank 1; the same bound with one draw.
        needs_server: the only server rule that can use what is decoded.
    """

    ignores_rng: bool = False
    draws_from_rng: bool = False
    ignores_agreed: bool = False
    draws_from_agreed: bool = False
    is_stateless: bool = False
    is_unbiased: bool = False
    has_fixed_length: bool = False
    keeps_vectors: bool = False
    is_portable: bool = True
    decodes_portably: bool = True
    entry_bound: Bound | None = None
    nmse_bound: float | None = None
    low_rank_nmse: float | None = None
    needs_server: str | None = None


_STATELESS = Promise(is_stateless=True)
_DETERMINISTIC = replace(_STATELESS, ignores_rng=True, ignores_agreed=True)
_FIXED = replace(_DETERMINISTIC, has_fixed_length=True)
_DRAWING = replace(_STATELESS, draws_from_rng=True, ignores_agreed=True)
_SHARING = replace(_STATELESS, ignores_rng=True, draws_from_agreed=True)

_GAUSSIAN_DISTORTION = {1: 0.3634, 2: 0.1175, 3: 0.03455, 4: 0.009501, 5: 0.002505, 6: 6.44e-4, 8: 4.12e-5}
"""Of the Lloyd-Max quantiser of the standard normal distribution, by bits."""


def _spread(values: NDArray[np.float64]) -> float:
    return float(values.max() - values.min())


def _largest(values: NDArray[np.float64]) -> float:
    return float(np.abs(values).max())


def _quantfl(codec: Any) -> Promise:
    base = {"stochastic": _DRAWING, "dither": _SHARING}.get(codec.rounding, _DETERMINISTIC)
    is_clipped = codec.range_rule in ("sigma", "percentile")
    return replace(
        base,
        is_unbiased=base is not _DETERMINISTIC and not is_clipped,
        has_fixed_length=codec.levels is not None and codec.coding == "packed",
        keeps_vectors=(codec.vectors or ("float32" if codec.levels else "fine")) == "float32",
        entry_bound=None if codec.levels is None or is_clipped or codec.scope == "model" else _bucket_bound(codec),
        nmse_bound=_step_nmse(codec) if codec.levels is None else _levels_nmse(codec),
    )


def _step_nmse(codec: Any) -> float:
    """In squared steps: a twelfth with dither, up to twice that at random, z^2 / 3 in a zero bucket of half-width z."""
    dead_zone = codec.dead_zone or presets.DEAD_ZONE
    share = {"stochastic": 1.05 / 6, "dither": 1.02 / 12}.get(codec.rounding, dead_zone**2 / 3)
    return share * (codec.step or presets.STEP) ** 2


def _levels_nmse(codec: Any) -> float:
    """From ranges of the update itself: a twelfth of a squared width, a sixth at random, and what is clipped.

    Buckets wider than the bulk of the entries do worse if 0 lies on an edge. Of equally full ones, the two outer ones
    alone, with exponential tails, lose ``1 / L``.
    """
    if codec.buckets == "mass":
        return 1.25 / codec.levels
    lost, energy = 0.0, 0.0
    for values in _groups(codec):
        low, high = _range(codec, values)
        width = (high - low) / (codec.levels - (codec.rounding != "nearest"))
        edge = 1 + width / values.std() / 4 if codec.levels % 2 == 0 and codec.rounding == "nearest" else 1.0
        share = {"nearest": edge / 12, "stochastic": 1 / 6, "dither": 1 / 12}[codec.rounding]
        clipped = np.maximum(np.maximum(values - high, low - values), 0)
        lost += values.size * share * width**2 + float(np.sum((clipped + (clipped > 0) * width / 2) ** 2))
        energy += float(np.sum(values**2))
    return 1.05 * lost / energy


def _groups(codec: Any) -> list[NDArray[np.float64]]:
    """The entries that share a range, of the update that the bound is tested with."""
    update = make_update(digits_layout())
    coded = [
        update.values[place].astype(np.float64)
        for tensor, place in update.layout.slices()
        if codec.vectors == "coded" or len(tensor.shape) > 1
    ]
    if codec.scope == "model":
        return [np.concatenate(coded)]
    length = codec.block_size or update.values.size
    return [values[start : start + length] for values in coded for start in range(0, values.size, length)]


def _range(codec: Any, values: NDArray[np.float64]) -> tuple[float, float]:
    if codec.range_rule == "absmax":
        return -_largest(values), _largest(values)
    low, high = float(values.min()), float(values.max())
    if codec.range_rule == "sigma":
        reach = codec.sigmas * values.std()
        return max(low, values.mean() - reach), min(high, values.mean() + reach)
    if codec.range_rule == "percentile":
        outside = (100 - codec.percentile) / 2
        low, high = np.percentile(values, [outside, 100 - outside])
    return low, high


def _bucket_bound(codec: Any) -> Bound:
    """Of a fixed number of levels over the whole range of a tensor or block."""
    n_widths = {"nearest": codec.levels, "stochastic": codec.levels - 1, "dither": 2 * (codec.levels - 1)}
    share = 1.0 if codec.buckets == "mass" else 1 / n_widths[codec.rounding]
    if codec.rounding == "nearest" and codec.buckets == "width" and codec.reconstruction != "mean":
        share /= 2
    span = (lambda values: 2 * _largest(values)) if codec.range_rule == "absmax" else _spread
    return lambda values: share * span(values) + 2.0**-22 * _largest(values)


def _qsgd(codec: Any) -> Promise:
    n, s = codec.bucket or 8192, codec.levels
    if codec.norm == "l2":
        omega = min(n / s**2, math.sqrt(n) / s)
    else:
        omega = min((n - 1) / (4 * s**2), math.sqrt(n - 1) / (2 * s))
    if codec.contraction:  # with l2
        return replace(_DRAWING, has_fixed_length=codec.coding == "packed", nmse_bound=omega / (1 + omega))
    norm = np.linalg.norm if codec.norm == "l2" else _largest
    return replace(
        _DRAWING,
        is_unbiased=True,
        has_fixed_length=codec.coding == "packed",
        entry_bound=lambda values: float(norm(values)) / s,
        nmse_bound=omega,
    )


def _terngrad(codec: Any) -> Promise:
    promise = replace(_DRAWING, has_fixed_length=codec.coding == "packed")
    if codec.clip_sigmas is not None:
        return replace(promise, nmse_bound=0.92 if codec.clip_sigmas == 2.5 else None)
    return replace(promise, is_unbiased=True, entry_bound=_largest)


def _nuqsgd(codec: Any) -> Promise:
    lowest = 2.0 ** (1 - codec.levels)
    return replace(
        _DRAWING,
        is_unbiased=True,
        has_fixed_length=codec.coding == "packed",
        entry_bound=lambda values: max(_largest(values), float(np.linalg.norm(values)) * lowest),
        nmse_bound=0.12 if codec.levels >= 7 and codec.bucket == 512 else None,
    )


def _rotated(bits: int, scale: str) -> Promise:
    """Of the two ends with one rotation: as over the expected distortion of a Gaussian, 3 % for a finite vector."""
    distortion = _GAUSSIAN_DISTORTION[bits]
    nmse = distortion / (1 - distortion) if scale == "unbiased" else distortion
    return replace(_SHARING, is_unbiased=scale == "unbiased", nmse_bound=1.03 * nmse)


def _topk(codec: Any) -> Promise:
    exact = 1 - codec.ratio + 0.001
    nmse = {32: exact, 16: exact, 8: exact + 0.01, 4: 1.0}[codec.value_bits]
    return replace(
        _DETERMINISTIC,
        has_fixed_length=codec.coding == "packed",
        decodes_portably=codec.value_bits == 32,
        nmse_bound=nmse,
    )


def _powersgd(codec: Any) -> Promise:
    """Of Laplace entries, little has a low rank; what has one arrives, but for rounding the factors."""
    return Promise(
        draws_from_rng=True,
        ignores_agreed=True,
        has_fixed_length=True,
        keeps_vectors=True,
        is_portable=False,
        nmse_bound=0.99,
        low_rank_nmse=1e-10 if codec.factor_bits == 32 else 2.0**-21,
    )


def _error_feedback(codec: Any) -> Promise:
    return replace(promise_of(codec.inner), is_unbiased=False, is_stateless=False)


_PROMISES: Mapping[str, Callable[[Any], Promise]] = {
    "float32": lambda codec: replace(_FIXED, is_unbiased=True, keeps_vectors=True, entry_bound=lambda values: 0.0),
    "float16": lambda codec: replace(
        _FIXED, entry_bound=lambda values: 2.0**-11 * _largest(values), nmse_bound=2.0**-22
    ),
    "linear8": lambda codec: replace(
        _FIXED,
        has_fixed_length=codec.coding == "packed",
        entry_bound=lambda values: _spread(values) / 255 / 2,
        nmse_bound=5e-4,
    ),
    "signsgd": lambda codec: replace(_FIXED, nmse_bound=0.52),
    # Draws for zeros only.
    "sign": lambda codec: replace(_DRAWING, draws_from_rng=False, has_fixed_length=True),
    "topk": _topk,
    "qsgd": _qsgd,
    "terngrad": _terngrad,
    "nuqsgd": _nuqsgd,
    # Laplace entries: r (1 + ln(1/r))^2 / 2 of the energy arrives at ratio r.
    "stc": lambda codec: replace(_DETERMINISTIC, nmse_bound=1.001 - codec.ratio / 2),
    "powersgd": _powersgd,
    "drive": lambda codec: replace(_rotated(1, codec.scale), has_fixed_length=True),
    "eden": lambda codec: replace(_rotated(codec.bits, codec.scale), has_fixed_length=codec.coding == "packed"),
    "quantfl": _quantfl,
    "error_feedback": _error_feedback,
    "ef21": lambda codec: replace(_error_feedback(codec), needs_server="ef21"),
    "exact_vectors": lambda codec: replace(promise_of(codec.inner), keeps_vectors=True),
}
"""Promises per kind, from the settings."""


def promise_of(codec: Codec) -> Promise:
    """What `codec` is held to beyond the protocol."""
    return _PROMISES[codec.kind](codec) if codec.kind in _PROMISES else Promise()
