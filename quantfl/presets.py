"""Holds the named presets of QuantFL for benchmark definitions, and its default settings."""

from collections.abc import Mapping
from typing import Any

STEP = 1.5
"""Common step of `QuantFL` without `levels` and `step`, in root mean squares, with reconstruction ``matched``: about
1.3 bits an entry. Chosen on validation data at a seed of its own, see `results/tune-cifar100`."""

DEAD_ZONE = 0.6
"""Half-width of the zero bucket, in steps, unless `dead_zone` is given: near the best for Laplace entries at 2 bits."""

PAPER: Mapping[str, Any] = {
    "kind": "quantfl",
    "levels": 64,
    "buckets": "width",
    "range_rule": "min_max",
    "scope": "tensor",
    "reconstruction": "centre",
    "rounding": "nearest",
    "coding": "packed",
    "vectors": "float32",
}
"""The point that the abstract speaks of: about 6 bits a parameter, packed."""
