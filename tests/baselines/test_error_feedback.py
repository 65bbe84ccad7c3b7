"""Error feedback and EF21: what they send, keep and conserve, around every kind of codec."""

import dataclasses

import numpy as np
import pytest

from baselines.drive import Drive
from baselines.eden import Eden
from baselines.ef21 import Ef21
from baselines.error_feedback import ErrorFeedback
from baselines.exact_vectors import ExactVectors
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
from harness.core.errors import PayloadError, UpdateError
from harness.core.protocols import state_bytes
from harness.core.seeds import stream
from harness.wire.body import float32_bytes
from tests.factories import AGREED, digits_layout, encode, make_layout, make_update, rounds, update_of


@dataclasses.dataclass(frozen=True)
class Alternating(Float32):
    """Sends the first half of the vector and the second in turn; which comes next is its state, 0 or 1."""

    kind = "alternating"

    def init(self, layout):
        return np.zeros(1, dtype=np.float32)

    def encode(self, update, state, rng, agreed):
        half = update.layout.size // 2
        sent = update.values.copy()
        sent[half:] *= state[0]
        sent[:half] *= 1 - state[0]
        return sent.tobytes(), 1 - state


@dataclasses.dataclass(frozen=True)
class Masking(Float32):
    """Sends the entries that the agreed randomness picks, zero for the others."""

    kind = "masking"

    def encode(self, update, state, rng, agreed):
        return (update.values * self._mask(update.layout, agreed)).tobytes(), state

    def decode(self, body, layout, agreed):
        decoded = super().decode(body, layout, agreed)
        assert not decoded.values[~self._mask(layout, agreed)].any(), "decoded with another mask"
        return decoded

    def _mask(self, layout, agreed):
        generator = stream(agreed.seed, "mask-" + agreed.direction, agreed.round, agreed.client)
        return generator.random(layout.size) < 0.3


INNERS = [
    Float32(),
    Linear8(),
    ScaledSign(),
    Sign(),
    TopK(ratio=0.05),
    Qsgd(norm="l2", contraction=True),
    Qsgd(levels=1, coding="elias"),
    TernGrad(coding="ans"),
    Nuqsgd(),
    SparseTernary(ratio=0.05),
    PowerSgd(rank=2),
    Drive(),
    Eden(bits=2),
    Alternating(),
    Masking(),
]
inners = pytest.mark.parametrize("inner", INNERS, ids=repr)
wrappers = pytest.mark.parametrize("wrapper", [ErrorFeedback, Ef21])


def sent_in_rounds(codec, updates):
    """What is decoded of each update, with everything random drawn afresh in each round, and the last state."""
    decoded, state = [], codec.init(updates[0].layout)
    for number, update in enumerate(updates):
        agreed = dataclasses.replace(AGREED, round=number)
        body, state = codec.encode(update, state, np.random.default_rng(number), agreed)
        decoded.append(codec.decode(body, update.layout, agreed).values.astype(np.float64))
    return decoded, state


@inners
def test_what_was_decoded_and_what_is_kept_add_up_to_the_updates(inner):
    updates = [make_update(digits_layout(), seed) for seed in range(6)]
    decoded, (residual, _) = sent_in_rounds(ErrorFeedback(inner), updates)
    total = np.sum([update.values.astype(np.float64) for update in updates], axis=0)
    # Each round rounds two sums to float32.
    scale = sum(np.abs(part) for part in decoded) + sum(np.abs(update.values) for update in updates) + np.abs(residual)
    assert (np.abs(sum(decoded) + residual - total) <= 12 * 2.0**-24 * scale).all()
    assert residual.dtype == np.float32


@inners
def test_increments_add_up_to_the_estimate(inner):
    updates = [make_update(digits_layout(), seed) for seed in range(6)]
    decoded, (estimate, _) = sent_in_rounds(Ef21(inner), updates)
    scale = sum(np.abs(part) for part in decoded)
    assert (np.abs(sum(decoded) - estimate) <= 6 * 2.0**-24 * scale).all()
    assert estimate.dtype == np.float32


@wrappers
def test_the_payload_is_that_of_the_inner_codec(wrapper):
    update = make_update(digits_layout())
    wrapped = wrapper(ScaledSign())
    assert encode(wrapped, update)[0] == encode(ScaledSign(), update)[0]
    assert wrapped.wire_id == ScaledSign.wire_id
    assert wrapped.nominal_bits(update.layout) == 1


@wrappers
def test_before_the_first_update_nothing_is_kept_and_then_a_vector(wrapper):
    layout = digits_layout()
    wrapped = wrapper(ScaledSign())
    assert wrapped.init(layout) is None
    assert state_bytes(encode(wrapped, make_update(layout))[1]) == layout.reference_bytes
    assert state_bytes(encode(wrapper(Alternating()), make_update(layout))[1]) == layout.reference_bytes + 4


def test_error_feedback_by_hand():
    wrapped = ErrorFeedback(TopK(ratio=0.5))
    decoded, (residual, inner_state) = rounds(wrapped, [update_of([4.0, 3.0]), update_of([1.0, 3.0])])
    # Round 1 sends 4 and keeps [0, 3]; round 2 has [1, 6], sends 6 and keeps [1, 0].
    assert [update.values.tolist() for update in decoded] == [[4.0, 0.0], [0.0, 6.0]]
    assert residual.tolist() == [1.0, 0.0]
    assert inner_state is None


def test_ef21_by_hand():
    wrapped = Ef21(TopK(ratio=0.5))
    decoded, (estimate, inner_state) = rounds(wrapped, [update_of([4.0, 3.0]), update_of([1.0, 3.0])])
    # Round 1 sends 4, estimate [4, 0]; round 2 lacks [-3, 3], sends the first, estimate [1, 0].
    assert [update.values.tolist() for update in decoded] == [[4.0, 0.0], [-3.0, 0.0]]
    assert estimate.tolist() == [1.0, 0.0]
    assert inner_state is None
    assert Ef21.needs_server == "ef21"


@wrappers
def test_the_state_of_the_inner_codec_goes_on(wrapper):
    updates = [update_of([1.0, 1.0, 2.0, 2.0])] * 3
    decoded, (_, inner_state) = rounds(wrapper(Alternating()), updates)
    expected = {
        ErrorFeedback: [[1, 1, 0, 0], [0, 0, 4, 4], [2, 2, 0, 0]],
        Ef21: [[1, 1, 0, 0], [0, 0, 2, 2], [0, 0, 0, 0]],
    }
    assert [update.values.tolist() for update in decoded] == expected[wrapper]
    assert inner_state.tolist() == [1.0]


def test_error_feedback_catches_up_with_what_a_codec_without_it_never_sends():
    constant = update_of([1.0, 0.4, 0.3, 0.2])
    plain, _ = rounds(TopK(ratio=0.25), [constant] * 40)
    corrected, _ = rounds(ErrorFeedback(TopK(ratio=0.25)), [constant] * 40)
    np.testing.assert_array_equal(np.mean([u.values for u in plain], axis=0)[1:], 0.0)
    np.testing.assert_allclose(np.mean([u.values for u in corrected], axis=0), constant.values, atol=0.1)


@pytest.mark.parametrize(
    ("inner", "shrinkage"),
    [
        (TopK(ratio=0.1), 1 - 0.1),
        (Qsgd(levels=15, norm="l2", bucket=100, contraction=True), 4 / 9 / (1 + 4 / 9)),
        (ScaledSign(), 1 - 1 / 40),
    ],
    ids=repr,
)
def test_the_estimate_of_ef21_converges_to_a_constant_update(inner, shrinkage):
    update = make_update(make_layout((40, 100)))
    distances, state = [np.linalg.norm(update.values)], None
    for number in range(25):
        _, state = encode(Ef21(inner), update, state, seed=number)
        distances.append(np.linalg.norm(update.values - state[0]))
    # The squared distance shrinks by the contraction factor in each round, on average over what is random.
    assert (distances[-1] / distances[0]) ** 2 <= 1.5 * shrinkage**25
    assert distances[-1] < distances[0] / 1.2


@wrappers
def test_the_state_survives_rounds_in_which_its_client_sits_out(wrapper):
    wrapped = wrapper(ScaledSign())
    layout = digits_layout()
    table = {}
    for round_, cohort in enumerate([(0, 1), (1,), (1,), (0, 1)]):
        for client in cohort:
            _, table[client] = encode(wrapped, make_update(layout, seed=10 * round_ + client), table.get(client))
    _, expected = rounds(wrapped, [make_update(layout, seed=0), make_update(layout, seed=30)])
    np.testing.assert_array_equal(table[0][0], expected[0])


@wrappers
@pytest.mark.parametrize("inner", [ErrorFeedback(ScaledSign()), Ef21(ScaledSign())])
def test_error_feedback_around_error_feedback_is_refused(wrapper, inner):
    text = rf"^inner must be a codec without error feedback of its own \(got {inner.kind}\)$"
    with pytest.raises(ValueError, match=text):
        wrapper(inner)


@wrappers
def test_error_feedback_hidden_in_another_wrapper_is_refused_too(wrapper):
    with pytest.raises(ValueError, match=r"^inner must be a codec without error feedback of its own \(got error_feed"):
        wrapper(ExactVectors(ErrorFeedback(ScaledSign())))


@pytest.mark.parametrize("inner", [Ef21(ScaledSign()), ExactVectors(ScaledSign())])
def test_exact_vectors_refuse_increments_and_themselves(inner):
    with pytest.raises(ValueError, match=f"^inner must be a codec without {inner.kind}; "):
        ExactVectors(inner)


def test_exact_vectors_by_hand():
    update = update_of([0.5, -0.25], [[4.0, 3.0], [-1.0, 0.0]], 7.0, np.zeros((0, 3)), [[0.0, 5.0]])
    codec = ExactVectors(TopK(ratio=0.5))
    body, state = encode(codec, update)
    # Of six entries of matrices the three largest, as if nothing else were there; then 0.5, -0.25 and 7.
    matrices = update_of([[4.0, 3.0], [-1.0, 0.0]], np.zeros((0, 3)), [[0.0, 5.0]])
    assert body == encode(TopK(ratio=0.5), matrices)[0] + float32_bytes(np.array([0.5, -0.25, 7.0]))
    decoded = codec.decode(body, update.layout, AGREED).values
    assert decoded.tolist() == [0.5, -0.25, 4.0, 3.0, 0.0, 0.0, 7.0, 0.0, 5.0]
    assert state is None
    assert codec.nominal_bits(update.layout) == TopK(ratio=0.5).nominal_bits(matrices.layout)
    with pytest.raises(PayloadError, match="body of 11 bytes is shorter than its vectors"):
        codec.decode(body[:11], update.layout, AGREED)


def test_exact_vectors_leave_no_residual_and_pass_a_state_on():
    updates = [update_of([[3.0, 1.0]], [0.1, 0.7]), update_of([[0.0, 1.0]], [0.3, 0.2])]
    outside, (residual, _) = rounds(ErrorFeedback(ExactVectors(TopK(ratio=0.5))), updates)
    inside, (inner_residual, _) = rounds(ExactVectors(ErrorFeedback(TopK(ratio=0.5))), updates)
    np.testing.assert_array_equal(outside[1].values, np.array([0.0, 2.0, 0.3, 0.2], dtype=np.float32))
    np.testing.assert_array_equal(inside[1].values, outside[1].values)
    # Within, a residual is kept for matrices only.
    assert residual.tolist() == [0.0] * 4 and inner_residual.tolist() == [0.0] * 2


@wrappers
def test_a_sum_that_overflows_is_refused_by_tensor_name(wrapper):
    sign = 1 if wrapper is ErrorFeedback else -1
    state = (np.full(3, sign * 3e38, dtype=np.float32), None)
    with pytest.raises(UpdateError, match="tensor t0: 3 of 3"):
        encode(wrapper(ScaledSign()), update_of([3e38] * 3), state)
