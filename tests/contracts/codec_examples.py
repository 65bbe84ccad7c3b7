"""One or more settings of every registered codec, and the golden payloads.

A new codec is here by itself in its default settings; `_LISTED` is for settings worth a look of their own, and for a
codec that has none by default. Laws that take time are checked once for each way through the code (`PATHS`): listed
settings are one of their own unless `SAME_PATHS` says which others take theirs. What a codec declares in its module
head goes into `promises`. Then ``python -m tests.contracts.codec_examples`` writes its golden payload and what that
decodes to. What is already there changes only with the wire format or with what it stands for, which users must be told
of.
"""

import json
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from baselines.drive import Drive
from baselines.eden import Eden
from baselines.ef21 import Ef21
from baselines.error_feedback import ErrorFeedback
from baselines.exact_vectors import ExactVectors
from baselines.float16 import Float16
from baselines.linear8 import Linear8
from baselines.nuqsgd import Nuqsgd
from baselines.powersgd import PowerSgd
from baselines.qsgd import Qsgd
from baselines.sign import Sign
from baselines.signsgd import ScaledSign
from baselines.stc import SparseTernary
from baselines.terngrad import TernGrad
from baselines.topk import TopK
from baselines.uncompressed import Float32
from harness.core.codec_facts import layers
from harness.core.errors import UsageError
from harness.core.protocols import Codec
from harness.core.types import Update
from harness.parts import registry
from harness.parts.facts_version import raised, version_of
from harness.wire.body import float32_bytes
from harness.wire.frame import VERSION, seal
from quantfl.codec import QuantFL
from tests.factories import AGREED, encode, settings_bytes, update_of

GOLDEN_FILE = Path(__file__).parent.parent / "golden" / f"v{VERSION}" / "payloads.json"

_LISTED: dict[str, Codec] = {
    "float32": Float32(),
    "float16": Float16(),
    "linear8": Linear8(),
    "linear8-ans": Linear8(coding="ans"),
    "signsgd": ScaledSign(),
    "sign": Sign(),
    "qsgd": Qsgd(),
    "qsgd-l2": Qsgd(norm="l2", bucket=64),
    "qsgd-l2-elias": Qsgd(norm="l2", bucket=None, coding="elias"),
    "qsgd-elias": Qsgd(levels=127, coding="elias"),
    "qsgd-ans": Qsgd(levels=15, coding="ans"),
    "qsgd-32767": Qsgd(levels=32767, bucket=None),
    "qsgd-contraction": Qsgd(levels=1, norm="l2", contraction=True),
    "terngrad": TernGrad(),
    "terngrad-unclipped-ans": TernGrad(clip_sigmas=None, coding="ans"),
    "nuqsgd": Nuqsgd(),
    "nuqsgd-elias": Nuqsgd(levels=3, bucket=None, coding="elias"),
    "nuqsgd-ans": Nuqsgd(levels=32, bucket=100, coding="ans"),
    "topk-list": TopK(ratio=0.01),
    "topk-bitmap": TopK(ratio=0.3),
    "topk-all": TopK(ratio=1.0),
    "topk-ans": TopK(ratio=0.1, coding="ans"),
    "topk-16": TopK(ratio=0.1, value_bits=16),
    "topk-8-ans": TopK(ratio=0.05, value_bits=8, coding="ans"),
    "topk-4": TopK(ratio=0.3, value_bits=4),
    "stc": SparseTernary(ratio=0.05),
    "stc-half": SparseTernary(ratio=0.5),
    "stc-all": SparseTernary(ratio=1.0),
    "stc-ans": SparseTernary(ratio=0.05, coding="ans"),
    "powersgd-1": PowerSgd(rank=1),
    "powersgd-2": PowerSgd(rank=2),
    "powersgd-2-16": PowerSgd(rank=2, factor_bits=16),
    "drive": Drive(),
    "drive-min_mse": Drive(scale="min_mse"),
    "eden-1": Eden(bits=1),
    "eden-3": Eden(bits=3),
    "eden-4": Eden(bits=4),
    "eden-8": Eden(bits=8),
    "eden-2-min_mse": Eden(bits=2, scale="min_mse"),
    "eden-4-ans": Eden(bits=4, coding="ans"),
    "quantfl": QuantFL(step=1.0),
    "quantfl-fine-coded": QuantFL(step=0.05, vectors="coded"),
    "quantfl-preset": QuantFL(),
    "quantfl-centre": QuantFL(step=0.5, dead_zone=0.5, reconstruction="centre"),
    "quantfl-trellis": QuantFL(step=1.0, rounding="trellis"),
    "quantfl-trellis-centre": QuantFL(step=0.1, rounding="trellis", reconstruction="centre", vectors="coded"),
    "quantfl-fine-vectors": QuantFL(step=1.0, vectors="fine"),
    "quantfl-trellis-fine-vectors": QuantFL(step=1.0, rounding="trellis", vectors="fine"),
    "quantfl-dither-fine-vectors": QuantFL(step=1.0, rounding="dither", vectors="fine"),
    "quantfl-stochastic": QuantFL(step=0.7, rounding="stochastic"),
    "quantfl-dither": QuantFL(step=0.7, rounding="dither", vectors="coded"),
    "quantfl-paper": QuantFL(levels=64, coding="packed"),
    "quantfl-2": QuantFL(levels=2, coding="packed", vectors="coded"),
    "quantfl-3": QuantFL(levels=3),
    "quantfl-3-coded": QuantFL(levels=3, coding="packed", vectors="coded"),
    "quantfl-64-ans": QuantFL(levels=64),
    "quantfl-64-mean": QuantFL(levels=64, reconstruction="mean", coding="packed"),
    "quantfl-5-mean-ans": QuantFL(levels=5, reconstruction="mean", vectors="coded"),
    "quantfl-1000": QuantFL(levels=1000, coding="packed", vectors="coded"),
    "quantfl-65536": QuantFL(levels=65536),
    "quantfl-absmax": QuantFL(levels=15, range_rule="absmax"),
    "quantfl-sigma": QuantFL(levels=16, range_rule="sigma", sigmas=3.0, coding="packed"),
    "quantfl-percentile-mean": QuantFL(levels=16, range_rule="percentile", percentile=99.0, reconstruction="mean"),
    "quantfl-mass": QuantFL(levels=16, buckets="mass", coding="packed", vectors="coded"),
    "quantfl-mass-model": QuantFL(levels=5, buckets="mass", scope="model"),
    "quantfl-block": QuantFL(levels=16, scope="block", block_size=128, vectors="coded"),
    "quantfl-model": QuantFL(levels=16, scope="model", coding="packed"),
    "quantfl-64-stochastic": QuantFL(levels=64, rounding="stochastic", vectors="coded"),
    "quantfl-8-dither": QuantFL(levels=8, rounding="dither", coding="packed", vectors="coded"),
    "quantfl-block-dither": QuantFL(levels=8, rounding="dither", scope="block", block_size=100),
    "error_feedback-signsgd": ErrorFeedback(inner=ScaledSign()),
    "error_feedback-qsgd": ErrorFeedback(inner=Qsgd(levels=1, norm="l2", contraction=True, coding="elias")),
    "ef21-topk": Ef21(inner=TopK(ratio=0.1)),
    "ef21-qsgd": Ef21(inner=Qsgd()),
    "ef21-exact_vectors-topk": Ef21(inner=ExactVectors(inner=TopK(ratio=0.1))),
    "error_feedback-topk": ErrorFeedback(inner=TopK(ratio=0.1)),
    "error_feedback-stc": ErrorFeedback(inner=SparseTernary(ratio=0.05)),
    "error_feedback-powersgd": ErrorFeedback(inner=PowerSgd(rank=2)),
    "error_feedback-exact_vectors-signsgd": ErrorFeedback(inner=ExactVectors(inner=ScaledSign())),
    "exact_vectors-error_feedback-topk": ExactVectors(inner=ErrorFeedback(inner=TopK(ratio=0.1))),
    "exact_vectors-qsgd-ans": ExactVectors(inner=Qsgd(coding="ans")),
    "exact_vectors-eden": ExactVectors(inner=Eden(bits=4)),
    "error_feedback-quantfl": ErrorFeedback(inner=QuantFL(levels=4, reconstruction="mean")),
}

SAME_PATHS: dict[str, tuple[str, ...]] = {
    "qsgd-l2": ("qsgd", "qsgd-contraction"),
    "nuqsgd-elias": ("nuqsgd", "qsgd-elias"),
    "topk-all": ("topk-bitmap",),
    "topk-4": ("topk-bitmap", "topk-16"),
    "stc-half": ("stc",),
    "stc-all": ("stc",),
    "powersgd-1": ("powersgd-2",),
    "drive-min_mse": ("drive", "eden-2-min_mse"),
    "eden-1": ("eden-4",),
    "eden-3": ("eden-4",),
    "eden-8": ("eden-4",),
    "quantfl-preset": ("quantfl",),
    "quantfl-centre": ("quantfl", "quantfl-stochastic"),
    "quantfl-fine-vectors": ("quantfl",),
    "quantfl-trellis-fine-vectors": ("quantfl-trellis",),
    "quantfl-dither": ("quantfl-dither-fine-vectors", "quantfl-fine-coded"),
    "quantfl-3-coded": ("quantfl-paper",),
    "quantfl-64-ans": ("quantfl-3",),
    "quantfl-5-mean-ans": ("quantfl-64-mean", "quantfl-3"),
    "quantfl-mass-model": ("quantfl-mass", "quantfl-model"),
    "quantfl-block-dither": ("quantfl-block", "quantfl-8-dither"),
    "error_feedback-qsgd": ("error_feedback-signsgd", "qsgd-contraction"),
    "ef21-qsgd": ("ef21-topk", "qsgd"),
    "error_feedback-topk": ("error_feedback-signsgd", "topk-ans"),
    "error_feedback-stc": ("error_feedback-signsgd", "stc"),
    "error_feedback-exact_vectors-signsgd": ("error_feedback-signsgd", "ef21-exact_vectors-topk"),
    "exact_vectors-eden": ("exact_vectors-qsgd-ans", "eden-4"),
    "error_feedback-quantfl": ("error_feedback-signsgd", "quantfl-64-mean"),
}
"""Settings that differ from others in a number, or combine what others do one by one, and the names of those."""


def _with_defaults(listed: Mapping[str, Codec]) -> dict[str, Codec]:
    """`listed`, and every registered codec of another kind in its default settings, if it has them."""
    examples, kinds = dict(listed), {codec.kind for codec in listed.values()}
    for kind in registry.names("codec"):
        if kind not in kinds:
            with suppress(UsageError):
                examples[kind] = registry.build("codec", kind)
    return examples


EXAMPLES = _with_defaults(_LISTED)
PATHS = {name: codec for name, codec in EXAMPLES.items() if name not in SAME_PATHS}


def golden_update() -> Update:
    """A matrix, a vector, a scalar and an empty tensor, of fractions that every machine computes exactly."""
    counts = np.arange(40)
    entries = ((counts * 37) % 64 - 29) / 256
    return update_of(entries[:30].reshape(5, 6), entries[30:] / 1024, 0.75, np.zeros((0, 3)))


def golden_record(codec: Codec) -> dict[str, Any]:
    """The sealed payload of the golden update, and the float32 entries that it decodes to, little-endian; in hex.

    With the versions of the codec and of those inside it, where they are not the first.
    """
    body, _ = encode(codec, golden_update())
    decoded = codec.decode(body, golden_update().layout, AGREED).values
    payload = seal(body, codec.wire_id, settings_bytes(codec))
    versions = raised({layer.kind: version_of(type(layer)) for layer in layers(codec)})
    return {
        "payload": payload.hex(),
        "decoded": float32_bytes(decoded).hex(),
        **({"versions": versions} if versions else {}),
    }


def unversioned(before: Mapping[str, Mapping[str, object]], now: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Examples that are coded or decoded otherwise than recorded, although no version of their codecs was raised."""
    changed = [name for name in before.keys() & now.keys() if before[name] != now[name]]
    return sorted(name for name in changed if before[name].get("versions") == now[name].get("versions"))


def record() -> None:
    """Write the golden payloads of the present code, unless one changed under a version that did not."""
    now = {name: golden_record(codec) for name, codec in EXAMPLES.items()}
    if GOLDEN_FILE.is_file():
        silent = unversioned(json.loads(GOLDEN_FILE.read_text(encoding="utf-8")), now)
        if silent:
            sys.exit("\n".join(f"{name}: facts changed: {remedy(EXAMPLES[name])}" for name in silent))
    GOLDEN_FILE.parent.mkdir(parents=True, exist_ok=True)
    GOLDEN_FILE.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


def remedy(codec: Codec) -> str:
    """What to do where the golden payload of a codec changed."""
    return (
        f"raise `version` of {type(codec).__name__} ({type(codec).__module__}), then record anew with "
        "python -m tests.contracts.codec_examples; another wire format also takes another wire_id"
    )


if __name__ == "__main__":
    record()
