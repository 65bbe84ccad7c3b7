"""Settings of QuantFL that have a name of their own in benchmark definitions, and those that hold if none are given."""

from collections.abc import Mapping
from typing import Any

STEP = 1.0
"""Common step of `QuantFL` without `levels` and `step`, in root mean squares: about 2 bits a parameter."""

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
