"""Server rules, by hand."""

from collections.abc import Sequence

import numpy as np
import pytest

from baselines.ef21 import Ef21
from baselines.signsgd import ScaledSign
from baselines.topk import TopK
from baselines.uncompressed import Float32
from harness.core.protocols import ServerRule, State
from harness.core.types import Update
from harness.ledger.ledger import Facts
from harness.parts import registry
from harness.run.federation.channel import Channel
from harness.run.federation.server_rules import EF21, FedAdam, FedAvgM, MajorityVote, Mean
from tests.factories import make_layout, update_of

MODEL = np.array([1.0, 2.0, -3.0], dtype=np.float32)


def step(rule: Mean, weights: list[float], *updates: list[float]) -> np.ndarray:
    decoded = [update_of(update) for update in updates]
    return rule.step(MODEL, decoded, np.array(weights, dtype=np.float64), None)[0]


def test_the_mean_is_weighted_by_examples() -> None:
    """(1 * [4, 0, 0] + 3 * [0, 8, -4]) / 4 = [1, 6, -3]."""
    new = step(Mean(), [1, 3], [4, 0, 0], [0, 8, -4])
    assert new.tolist() == [2, 8, -6]
    assert new.dtype == np.float32


def test_weights_count_only_relative_to_each_other() -> None:
    assert step(Mean(), [2, 6], [4, 0, 0], [0, 8, -4]).tolist() == step(Mean(), [1, 3], [4, 0, 0], [0, 8, -4]).tolist()


def test_a_weight_of_zero_leaves_its_update_out() -> None:
    assert step(Mean(), [0, 1], [100, 100, 100], [1, 1, 1]).tolist() == [2, 3, -2]


def test_the_server_learning_rate_scales_the_step() -> None:
    assert step(Mean(lr=0.5), [1, 3], [4, 0, 0], [0, 8, -4]).tolist() == [1.5, 5, -4.5]


def test_small_updates_are_not_lost_beside_large_ones() -> None:
    """In float32 the ones would vanish beside 2**25."""
    new = step(Mean(), [1, 1, 1, 1], [2**25, 0, 0], [1, 0, 0], [1, 0, 0], [-(2**25), 0, 0])
    assert new[0] == pytest.approx(1.5)


def test_the_old_model_is_left_as_it_was() -> None:
    before = MODEL.copy()
    step(Mean(), [1], [1, 1, 1])
    assert MODEL.tolist() == before.tolist()


RULES = [registry.load("server", kind) for kind in registry.names("server")]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("lr", [0.0, -1.0, float("nan"), float("inf"), 1001.0])
def test_a_learning_rate_out_of_range_is_refused(rule: type[Mean], lr: float) -> None:
    with pytest.raises(ValueError, match=r"^lr must be above 0 and at most 1000"):
        rule(lr=lr)


@pytest.mark.parametrize(
    ("rule", "settings", "text"),
    [
        (FedAvgM, {"momentum": 1.0}, "momentum must be 0 to below 1 (got 1.0)"),
        (FedAvgM, {"momentum": float("nan")}, "momentum must be 0 to below 1 (got nan)"),
        (FedAdam, {"beta1": -0.1}, "beta1 must be 0 to below 1 (got -0.1)"),
        (FedAdam, {"beta2": 1.0}, "beta2 must be 0 to below 1 (got 1.0)"),
        (FedAdam, {"tau": 0.0}, "tau must be 1e-12 to 1 (got 0.0)"),
    ],
)
def test_settings_out_of_range_are_refused(rule: type[Mean], settings: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError) as caught:
        rule(**settings)
    assert str(caught.value) == text


def play(rule: ServerRule, rounds: Sequence[Sequence[list[float]]], weights: Sequence[list[float]]) -> list[np.ndarray]:
    """The models after each round, from `MODEL`."""
    model, state, models = MODEL, rule.init(MODEL), []
    for updates, shares in zip(rounds, weights, strict=True):
        model, state = rule.step(model, [update_of(update) for update in updates], np.array(shares), state)
        models.append(model)
    return models


@pytest.mark.parametrize("rule", RULES)
def test_a_step_changes_none_of_its_arguments(rule: type[ServerRule]) -> None:
    part = rule()
    state = part.init(MODEL)
    for _ in range(2):
        before, kept, update, weights = MODEL.copy(), frozen(state), update_of([1, -1, 2]), np.array([0.5])
        model, after = part.step(MODEL, [update], weights, state)
        assert model.dtype == np.float32 and model.shape == MODEL.shape and np.isfinite(model).all()
        assert frozen(state) == kept and MODEL.tolist() == before.tolist()
        assert update.values.tolist() == [1, -1, 2] and weights.tolist() == [0.5]
        state = after


def frozen(state: State) -> object:
    """Content of a state, float32 as it has to be."""
    if isinstance(state, tuple):
        return tuple(map(frozen, state))
    assert state is None or state.dtype == np.float32
    return None if state is None else state.tolist()


def test_momentum_carries_on() -> None:
    """v1 = [2, 0, 0]; v2 = 0.5 v1 + [0, 1, 0] = [1, 1, 0]; steps are half of them."""
    models = play(FedAvgM(momentum=0.5, lr=0.5), [[[2, 0, 0]], [[0, 1, 0]]], [[0.1], [0.1]])
    assert [model.tolist() for model in models] == [[2, 2, -3], [2.5, 2.5, -3]]


def test_no_momentum_is_the_mean() -> None:
    rounds, shares = [[[4.0, 0, 0], [0, 8.0, -4]], [[1.0, 2, 3]]], [[0.1, 0.3], [0.2]]
    for ours, mean in zip(play(FedAvgM(momentum=0), rounds, shares), play(Mean(), rounds, shares), strict=True):
        assert ours.tolist() == mean.tolist()


def test_adam_by_hand() -> None:
    """Algorithm 2 of Reddi et al., with beta1 = 0.5, beta2 = 0.75, tau = 0.1, lr = 1.

    Round 1, update 2: m = 1, v = 0.75 * 0.01 + 0.25 * 4 = 1.0075, step 1 / (sqrt(1.0075) + 0.1).
    Round 2, update 0: m = 0.5, v = 0.755625, step 0.5 / (sqrt(0.755625) + 0.1).
    """
    first, second = play(FedAdam(1.0, 0.5, 0.75, 0.1), [[[2, 0, 0]], [[0, 0, 0]]], [[1], [1]])
    step = 1 / (np.sqrt(1.0075) + 0.1)
    assert first == pytest.approx([1 + step, 2, -3], rel=1e-6)
    assert second == pytest.approx([1 + step + 0.5 / (np.sqrt(0.755625) + 0.1), 2, -3], rel=1e-6)


@pytest.mark.parametrize("rule", RULES)
def test_a_schedule_shrinks_the_step_of_every_rule(rule: type[ServerRule]) -> None:
    """At a tenth of the learning rate, the updates of clients are a tenth, and so is the first step, once."""
    update, tenth = update_of([4, -2, 1]), update_of([0.4, -0.2, 0.1])
    start = np.zeros(3, dtype=np.float32)
    part = rule(tau=1e-12) if rule is FedAdam else rule()  # type: ignore[call-arg]
    whole, _ = part.step(start, [update], np.ones(1), part.init(start))
    scaled, _ = part.step(start, [tenth], np.ones(1), part.init(start), 0.1)
    np.testing.assert_allclose(scaled, whole / 10, rtol=1e-5)


def test_a_majority_moves_every_parameter_by_the_step() -> None:
    """Three clients: two against one, whatever their size, their weight and how many examples they hold."""
    (model,) = play(MajorityVote(lr=0.5), [[[9, -1, 1], [-1, -9, 1], [-1, 1, 9]]], [[0.9, 0.05, 0.05]])
    assert model.tolist() == [0.5, 1.5, -2.5]


def test_a_tie_goes_to_the_first_client_that_voted() -> None:
    updates = [[1, -1, 0], [-1, 1, -2], [0, 0, 2]]
    assert play(MajorityVote(lr=0.5), [updates], [[0.1] * 3])[0].tolist() == [1.5, 1.5, -3.5]
    assert play(MajorityVote(lr=0.5), [updates[1::-1]], [[0.1] * 2])[0].tolist() == [0.5, 2.5, -3.5]


def test_what_nobody_voted_on_stays() -> None:
    assert play(MajorityVote(lr=0.5), [[[0, 0, 1], [0, -0.0, 1]]], [[0.1] * 2])[0].tolist() == [1, 2, -2.5]


def test_a_sign_a_parameter_brings_the_vote_to_the_clients() -> None:
    """100 rounds of votes; each time the scaled sign says all but the rounding of float32."""
    layout, rng = make_layout((20, 5)), np.random.default_rng(3)
    channel = Channel(ScaledSign(), ScaledSign(), layout, 0, Facts(), "delta")
    rule, model = MajorityVote(lr=1e-3), rng.normal(size=100).astype(np.float32)
    channel.provision(model, 1)
    for number in range(1, 101):
        votes = [update_of(rng.normal(size=(20, 5))) for _ in range(4)]
        model, _ = rule.step(model, votes, np.full(4, 0.25), None)
        channel.send_model(model, number, [0])
        received = channel.receive_model(number, 0)
        assert np.abs(received - model).max() < 2e-6
    assert {t.payload_bytes for t in channel.facts.transfers if t.round > 0} == {12 + 4 + 13}


def test_ef21_keeps_the_part_of_who_sits_out() -> None:
    """Shares 1/4 and 3/4. g = 1/4 [4, 0, 0] + 3/4 [0, 4, 0] = [1, 3, 0]; then the first client alone adds [1, 0, 0]."""
    rounds, shares = [[[4, 0, 0], [0, 4, 0]], [[4, 0, 0]]], [[0.25, 0.75], [0.25]]
    models = play(EF21(lr=0.5), rounds, shares)
    assert [model.tolist() for model in models] == [[1.5, 3.5, -3], [2.5, 5, -3]]


def test_ef21_with_exact_increments_is_the_mean() -> None:
    """Clients send what their update differs by from the last; all take part."""
    rng = np.random.default_rng(0)
    updates = rng.normal(size=(6, 2, 3))
    increments = np.diff(updates, axis=0, prepend=np.zeros((1, 2, 3)))
    shares = [[0.25, 0.75]] * 6
    ours, mean = (play(rule, sent.tolist(), shares) for rule, sent in ((EF21(), increments), (Mean(), updates)))
    for one, other in zip(ours, mean, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-5)


def test_ef21_names_the_codec_it_needs() -> None:
    assert EF21.needs_codec == "ef21"
    assert not any(hasattr(rule, "needs_codec") for rule in RULES if rule is not EF21)


def test_the_server_of_ef21_knows_the_mean_of_all_estimates() -> None:
    """Random cohorts of five unequal clients; who was never asked has the estimate zero."""
    layout, rng, shares = make_layout((6, 5)), np.random.default_rng(1), np.array([1, 2, 3, 4, 5]) / 15
    channel = Channel(Ef21(TopK(ratio=0.1)), Float32(), layout, 0, Facts())
    rule, model = EF21(lr=0.5), np.zeros(30, dtype=np.float32)
    state = rule.init(model)
    for number in range(1, 13):
        cohort = np.sort(rng.choice(5, size=2, replace=False))
        sent = [channel.send_update(rng.normal(size=30).astype(np.float32), number, int(one)) for one in cohort]
        before = model
        model, state = rule.step(model, [Update(values, layout) for values in sent], shares[cohort], state)
        np.testing.assert_allclose(model - before, 0.5 * np.asarray(state), rtol=0, atol=1e-6)
    estimates = {client: kept[0] for client, kept in channel._residuals.items()}
    np.testing.assert_allclose(state, sum(shares[one] * kept for one, kept in estimates.items()), rtol=0, atol=1e-5)
