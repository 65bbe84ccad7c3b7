"""One or more settings of every registered codec, what each promises about its error, and the golden payloads.

A new codec is here by itself in its default settings; `_LISTED` is for settings worth a look of their own, and for a
codec that has none by default. Then ``python -m tests.contracts.codec_examples`` writes its golden payload.
Payloads that are already there change only with the wire format, which is a change that users must be told of.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from baselines.error_feedback import ErrorFeedback
from baselines.float16 import Float16
from baselines.linear8 import Linear8
from baselines.signsgd import ScaledSign
from baselines.topk import TopK
from baselines.uncompressed import Float32
from harness import registry
from harness.core.errors import UsageError
from harness.core.protocols import Codec
from harness.core.types import Update
from harness.wire.frame import seal
from quantfl.codec import QuantFL
from tests.factories import encode, update_of

GOLDEN_FILE = Path(__file__).parent.parent / "golden" / "payloads.json"

_LISTED: dict[str, Codec] = {
    "float32": Float32(),
    "float16": Float16(),
    "linear8": Linear8(),
    "signsgd": ScaledSign(),
    "topk-list": TopK(ratio=0.01),
    "topk-bitmap": TopK(ratio=0.3),
    "topk-all": TopK(ratio=1.0),
    "quantfl-2": QuantFL(levels=2),
    "quantfl-3": QuantFL(levels=3),
    "quantfl-64": QuantFL(levels=64),
    "quantfl-64-mean": QuantFL(levels=64, reconstruction="mean"),
    "quantfl-5-mean": QuantFL(levels=5, reconstruction="mean"),
    "quantfl-1000": QuantFL(levels=1000),
    "quantfl-65536": QuantFL(levels=65536),
    "quantfl-percentile": QuantFL(levels=16, range_rule="percentile", percentile=99.0),
    "quantfl-percentile-mean": QuantFL(levels=16, range_rule="percentile", percentile=99.0, reconstruction="mean"),
    "error_feedback-signsgd": ErrorFeedback(inner=ScaledSign()),
    "error_feedback-topk": ErrorFeedback(inner=TopK(ratio=0.1)),
    "error_feedback-quantfl": ErrorFeedback(inner=QuantFL(levels=4, reconstruction="mean")),
}


def _with_defaults(listed: Mapping[str, Codec]) -> dict[str, Codec]:
    """`listed`, and every registered codec of another kind in its default settings, if it has them."""
    examples, kinds = dict(listed), {codec.kind for codec in listed.values()}
    for kind in registry.names("codec"):
        if kind not in kinds:
            with suppress(UsageError):
                examples[kind] = registry.build("codec", kind)
    return examples


EXAMPLES = _with_defaults(_LISTED)

Bound = Callable[[Codec, NDArray[np.float64]], float]


def _spread(values: NDArray[np.float64]) -> float:
    return float(values.max() - values.min())


ENTRY_BOUNDS: dict[str, Bound] = {
    "float32": lambda codec, values: 0.0,
    "float16": lambda codec, values: 2.0**-11 * float(np.abs(values).max()),
    "linear8": lambda codec, values: _spread(values) / 255 / 2,
    "quantfl": lambda codec, values: (
        _spread(values) / codec.levels / (2 if codec.reconstruction == "centre" else 1)  # type: ignore[attr-defined]
    ),
}
"""Largest error of an entry, from the module heads, per kind; float32 rounding comes on top."""


def golden_update() -> Update:
    """A matrix, a vector, a scalar and an empty tensor, of fractions that every machine computes exactly."""
    counts = np.arange(40)
    entries = ((counts * 37) % 64 - 29) / 256
    return update_of(entries[:30].reshape(5, 6), entries[30:] / 1024, 0.75, np.zeros((0, 3)))


def golden_payload(codec: Codec) -> str:
    """The sealed payload of the golden update, in hex."""
    return seal(encode(codec, golden_update())[0], codec.wire_id).hex()


if __name__ == "__main__":
    payloads = {name: golden_payload(codec) for name, codec in EXAMPLES.items()}
    GOLDEN_FILE.write_text(json.dumps(payloads, indent=2) + "\n", encoding="utf-8")
