"""Checks which settings of QuantFL go together. Errors begin with the setting that has to change."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quantfl.codec import QuantFL

_CHOICES: Mapping[str, tuple[str, ...]] = {
    "buckets": ("width", "mass"),
    "range_rule": ("min_max", "absmax", "sigma", "percentile"),
    "scope": ("tensor", "block", "model"),
    "rounding": ("nearest", "trellis", "stochastic", "dither"),
    "coding": ("packed", "ans"),
    "reconstruction": ("centre", "mean", "matched"),
    "vectors": ("float32", "coded", "fine"),
}


def check(codec: "QuantFL") -> None:
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


def _check_levels(codec: "QuantFL") -> None:
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


def _check_step(codec: "QuantFL") -> None:
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


def _check_parameter(codec: "QuantFL", rule: str, value: float | None, low: float, high: float, wanted: str) -> None:
    """A number that belongs to one range rule, above `low` and below `high`."""
    name = "sigmas" if rule == "sigma" else rule
    if codec.range_rule == rule:
        _require(value is not None and low < value < high, codec, name, wanted)
    else:
        _require(value is None, codec, name, f"is for range_rule: {rule} only, not {codec.range_rule or 'min_max'}")


def _require(is_met: bool, codec: Any, name: str, wanted: str) -> None:
    if not is_met:
        raise ValueError(f"{name} {wanted} (got {getattr(codec, name)})")
