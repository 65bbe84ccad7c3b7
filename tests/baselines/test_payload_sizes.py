"""The length of every payload, from a formula written out here, to the byte."""

import pytest

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
from baselines.terngrad import TernGrad
from baselines.topk import TopK
from baselines.uncompressed import Float32
from harness.wire.frame import FRAME_BYTES, seal
from quantfl.codec import QuantFL
from tests.factories import digits_layout, encode, make_layout, make_update

FRAME = 2 + 1 + 1 + 4 + 4
"""Magic, version, wire id, length, CRC-32."""

D = 8192 + 128 + 1280 + 10
"""Parameters of the digits MLP: (128, 64), (128,), (10, 128), (10,). 38,440 bytes as float32."""


def _packed(**settings):
    """QuantFL with a length that follows from the layout, on all tensors."""
    return QuantFL(coding="packed", vectors="coded", **settings)


def payload_bytes(codec, layout):
    body, _ = encode(codec, make_update(layout))
    return len(seal(body, codec.wire_id))


@pytest.mark.parametrize(
    ("codec", "body_bytes"),
    [
        (Float32(), 4 * D),
        (Float16(), 4 * 2 + 2 * D),
        (Linear8(), 4 * 8 + D),
        # 9610 signs fill 1201.25 bytes.
        (ScaledSign(), 4 * 4 + 1202),
        (ErrorFeedback(ScaledSign()), 4 * 4 + 1202),
        (Ef21(ScaledSign()), 4 * 4 + 1202),
        (ExactVectors(ScaledSign()), 4 * 2 + 9472 // 8 + 4 * 138),
        (ErrorFeedback(ExactVectors(ScaledSign())), 4 * 2 + 9472 // 8 + 4 * 138),
        (Sign(), 1202),
        # 16 + 1 + 3 + 1 norms of blocks of 512; 15 levels in 4 bits.
        (Qsgd(levels=7, bucket=512), 4 * 21 + 9610 // 2),
        (Qsgd(levels=1, norm="l2", bucket=None), 4 * 4 + 9610 * 2 // 8 + 1),
        (Qsgd(levels=127, bucket=None), 4 * 4 + D),
        (Qsgd(levels=32767, bucket=8192), 4 * 4 + 2 * D),
        (ErrorFeedback(Qsgd(levels=7, norm="l2", contraction=True)), 4 * 21 + 9610 // 2),
        (Nuqsgd(levels=7, bucket=512), 4 * 21 + 9610 // 2),
        # Five ternary digits in a byte.
        (TernGrad(), 4 * 4 + 9610 // 5),
        # k = round(96.1) = 96 positions of 14 bits: 96 low bytes, 96 * 6 bits, then 96 float32.
        (TopK(ratio=0.01), 96 + 72 + 4 * 96),
        (ErrorFeedback(TopK(ratio=0.01)), 96 + 72 + 4 * 96),
        # k = 961: a bitmap of 1202 bytes is shorter than 961 * 14 bits.
        (TopK(ratio=0.1), 1202 + 4 * 961),
        # Two ends of the range instead of float32 values.
        (TopK(ratio=0.01, value_bits=16), 96 + 72 + 8 + 2 * 96),
        (TopK(ratio=0.1, value_bits=4), 1202 + 8 + 481),
        # Blocks of 8192, 1024 and 512, 118 entries of them padding: 9728 entries.
        (Drive(), 4 * 3 + 1216),
        (Drive(scale="min_mse"), 4 * 3 + 1216),
        (Eden(bits=1), 4 * 3 + 1216),
        (Eden(bits=3), 4 * 3 + 3648),
        (Eden(bits=8), 4 * 3 + 9728),
        # Factors of (128, 64) and (10, 128); the biases as they are.
        (PowerSgd(rank=1), 4 * (192 + 128 + 138 + 10)),
        (PowerSgd(rank=4), 4 * (4 * 192 + 128 + 4 * 138 + 10)),
        (ErrorFeedback(PowerSgd(rank=4)), 4 * (4 * 192 + 128 + 4 * 138 + 10)),
        # An exponent and float16 for each of four factors.
        (PowerSgd(rank=4, factor_bits=16), 2 * (4 + 4 * 192 + 4 * 138) + 4 * 138),
        # 10 * 138 numbers would be more than the 1280 of the second matrix.
        (PowerSgd(rank=10), 4 * (10 * 192 + 128 + 1280 + 10)),
        # Two ranges, the indices of two matrices, and the biases as they are.
        (QuantFL(levels=64, coding="packed"), 2 * 8 + 9472 * 6 // 8 + 4 * 138),
        (QuantFL(levels=64, coding="packed", scope="model"), 8 + 9472 * 6 // 8 + 4 * 138),
        (QuantFL(levels=16, coding="packed", scope="model", vectors="coded"), 8 + 9610 // 2),
        # Blocks of 500: 17 of the first matrix, 3 of the second.
        (QuantFL(levels=16, coding="packed", scope="block", block_size=500), 20 * 8 + 9472 // 2 + 4 * 138),
        (QuantFL(levels=16, coding="packed", buckets="mass"), 2 * 64 + 9472 // 2 + 4 * 138),
        (QuantFL(levels=16, coding="packed", rounding="dither"), 2 * 8 + 9472 // 2 + 4 * 138),
        # Four ranges, then 9610 indices in one run.
        (_packed(levels=64), 4 * 8 + 9610 * 6 // 8 + 1),
        (_packed(levels=50), 4 * 8 + 9610 * 6 // 8 + 1),
        (_packed(levels=16), 4 * 8 + 9610 // 2),
        (_packed(levels=2), 4 * 8 + 1202),
        (_packed(levels=256), 4 * 8 + D),
        # 10 bits: 9610 low bytes, then 2 bits each.
        (_packed(levels=1024), 4 * 8 + D + 9610 * 2 // 8 + 1),
        (_packed(levels=65536), 4 * 8 + 2 * D),
        (_packed(levels=64, range_rule="percentile", percentile=99.9), 4 * 8 + 9610 * 6 // 8 + 1),
        # Codebooks of 64 float32 for three tensors; the bias of 10 entries is shorter as float32 (40 < 256 + 7.5).
        (_packed(levels=64, reconstruction="mean"), 3 * 256 + 4 * 10 + 9600 * 6 // 8),
        # A codebook of 2000 is worth it for the 8192 weights only: 1280 * 4 = 5120 < 8000.
        (_packed(levels=2000, reconstruction="mean"), 8000 + 4 * (128 + 1280 + 10) + 8192 + 8192 * 3 // 8),
    ],
    ids=repr,
)
def test_digits_mlp(codec, body_bytes):
    assert payload_bytes(codec, digits_layout()) == FRAME + body_bytes


# (3, 5), (1,), (), (0, 7), (13,), (2, 3, 7): 15 + 1 + 1 + 0 + 13 + 42 = 72 entries in five tensors that have any.
# One more of 11 makes 83, which no width divides into whole bytes.
@pytest.mark.parametrize(
    ("codec", "body_bytes"),
    [
        (Float32(), 332),
        (Float16(), 6 * 2 + 166),
        (Linear8(), 6 * 8 + 83),
        (ScaledSign(), 6 * 4 + 11),
        (Sign(), 11),
        # 2 + 1 + 1 + 2 + 5 + 2 blocks of at most 10; 83 levels of 4 bits fill 41.5 bytes, of 3 bits 31.125.
        (Qsgd(levels=7, bucket=10), 4 * 13 + 42),
        (Nuqsgd(levels=3, bucket=10), 4 * 13 + 32),
        # 83 digits fill 16.6 bytes.
        (TernGrad(), 6 * 4 + 17),
        # k = round(8.3) = 8; positions of 7 bits fill 7 bytes, a bitmap 11.
        (TopK(ratio=0.1), 7 + 32),
        # k = round(24.9) = 25: a bitmap.
        (TopK(ratio=0.3), 11 + 100),
        (TopK(ratio=1.0), 11 + 332),
        (TopK(ratio=0.001), 1 + 4),
        (TopK(ratio=0.1, value_bits=8), 7 + 8 + 8),
        # One block of 128, the least there is.
        (Drive(), 4 + 16),
        (Eden(bits=5), 4 + 80),
        # 15 + 42 entries of matrices, 26 others, and an empty tensor.
        (ExactVectors(Linear8()), 2 * 8 + 57 + 4 * 26),
        (ExactVectors(Drive()), 4 + 16 + 4 * 26),
        # (3, 5): 8 of 15; (2, 3, 7) as (2, 21): 23 of 42; 26 others.
        (PowerSgd(rank=1), 4 * (8 + 23 + 26)),
        (PowerSgd(rank=2), 4 * 83),
        # The two single entries go as float32, the other four tensors have a range; 81 indices of 6 bits.
        (_packed(levels=64), 2 * 4 + 4 * 8 + 61),
        (_packed(levels=3), 2 * 4 + 4 * 8 + 21),
        # 9 bits: 81 low bytes and 81 single bits.
        (_packed(levels=300), 2 * 4 + 4 * 8 + 81 + 11),
        # Codebooks of 16 bytes for 15, 13, 42 and 11 entries; 81 indices of 2 bits.
        (_packed(levels=4, reconstruction="mean"), 2 * 4 + 4 * 16 + 21),
        # A codebook of 64 bytes pays for 42 entries only (168 > 64 + 21); 41 others at 4 bytes.
        (_packed(levels=16, reconstruction="mean"), 41 * 4 + 64 + 21),
        # A codebook of 256 bytes pays for none: 332 bytes of float32.
        (_packed(levels=64, reconstruction="mean"), 332),
    ],
    ids=repr,
)
def test_odd_sizes(codec, body_bytes):
    layout = make_layout((3, 5), (1,), (), (0, 7), (13,), (2, 3, 7), (11,))
    assert layout.size == 83
    assert payload_bytes(codec, layout) == FRAME + body_bytes


def test_the_frame_is_itemised():
    assert FRAME_BYTES == FRAME == 12


@pytest.mark.parametrize("levels", [2, 3, 64, 65, 4096, 65536])
@pytest.mark.parametrize("reconstruction", ["centre", "mean"])
def test_quantfl_is_never_longer_than_float32(levels, reconstruction):
    codec = _packed(levels=levels, reconstruction=reconstruction)
    for shapes in [((1,),), ((3,), (4,), (5,)), ((17, 3), (2,)), ((300,), (1,))]:
        layout = make_layout(*shapes)
        assert payload_bytes(codec, layout) <= FRAME_BYTES + layout.reference_bytes


@pytest.mark.parametrize(
    "codec", [QuantFL(vectors="coded"), QuantFL(vectors="fine"), QuantFL(step=0.001), QuantFL(step=100.0)], ids=repr
)
def test_a_common_step_is_never_longer_than_float32(codec):
    for shapes in [((),), ((1, 1),), ((3,), (4, 1), (5,)), ((17, 3), (2,)), ((300, 2), (1,)), ((100, 100),)]:
        layout = make_layout(*shapes)
        assert payload_bytes(codec, layout) <= FRAME_BYTES + layout.reference_bytes
