"""Local training against SGD written out in numpy."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from baselines.signsgd import ScaledSign
from harness.core.errors import UpdateError
from harness.core.types import Examples
from harness.ledger.ledger import Facts
from harness.run.federation.channel import Channel
from harness.run.federation.rounds import run_rounds
from harness.run.federation.schedule import Schedule
from harness.run.federation.server_rules import Mean
from harness.run.federation.update_recorder import Recorder, RecordSettings
from harness.run.tasks.local_training import (
    Augment,
    FlatModel,
    LocalTraining,
    TorchProblem,
    _augmented,
    _refuse_non_finite,
)
from harness.run.tasks.trainable import Trainable, whole

N, FEATURES, CLASSES = 23, 4, 3
RNG = np.random.default_rng(5)
EXAMPLES = Examples(
    RNG.normal(size=(N, FEATURES)).astype(np.float32), RNG.integers(0, CLASSES, size=N).astype(np.int64)
)
START = RNG.normal(size=CLASSES * FEATURES + CLASSES).astype(np.float32)


def tensors(examples: Examples = EXAMPLES) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.from_numpy(examples.images), torch.from_numpy(examples.labels)


def linear() -> nn.Module:
    return nn.Linear(FEATURES, CLASSES)


def fitted(settings: LocalTraining, seed: int = 0) -> tuple[np.ndarray, int]:
    model = FlatModel(whole(linear()))
    model.load(START)
    steps = model.fit(*tensors(), settings, seed)
    return model.values(), steps


def logits(flat: np.ndarray, images: np.ndarray) -> np.ndarray:
    weights = flat[: CLASSES * FEATURES].reshape(CLASSES, FEATURES)
    return images @ weights.T + flat[CLASSES * FEATURES :]


def gradient_step(flat: np.ndarray, images: np.ndarray, labels: np.ndarray, lr: float) -> np.ndarray:
    """One step of softmax regression: d loss / d logits = (softmax - one-hot) / n."""
    scores = logits(flat, images)
    share = np.exp(scores - scores.max(axis=1, keepdims=True))
    share /= share.sum(axis=1, keepdims=True)
    error = (share - np.eye(CLASSES)[labels]) / len(labels)
    return flat - lr * np.concatenate([(error.T @ images).reshape(-1), error.sum(axis=0)])


def test_a_full_batch_pass_is_one_gradient_step() -> None:
    values, steps = fitted(LocalTraining(local_epochs=1, batch_size=N, lr=0.5))
    expected = gradient_step(START.astype(np.float64), EXAMPLES.images, EXAMPLES.labels, 0.5)
    assert steps == 1
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-6)


def test_batches_are_steps_in_the_seeded_order() -> None:
    values, steps = fitted(LocalTraining(local_epochs=2, batch_size=10, lr=0.3), seed=11)
    generator = torch.Generator().manual_seed(11)
    expected = START.astype(np.float64)
    for _ in range(2):
        order = torch.randperm(N, generator=generator).numpy()
        for batch in (order[:10], order[10:20], order[20:]):
            expected = gradient_step(expected, EXAMPLES.images[batch], EXAMPLES.labels[batch], 0.3)
    assert steps == 6
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)


def test_the_batch_order_depends_on_the_seed_and_nothing_else() -> None:
    settings = LocalTraining(local_epochs=1, batch_size=2, lr=0.3)
    torch.manual_seed(1)
    first = fitted(settings, seed=3)[0]
    torch.manual_seed(2)
    assert fitted(settings, seed=3)[0].tolist() == first.tolist()
    assert fitted(settings, seed=4)[0].tolist() != first.tolist()


def test_scores_are_accuracy_and_mean_cross_entropy() -> None:
    model = FlatModel(whole(linear()))
    model.load(START)
    expected = logits(START.astype(np.float64), EXAMPLES.images)
    log_share = expected - np.log(np.exp(expected).sum(axis=1, keepdims=True))
    assert model.score(*tensors()) == pytest.approx(
        {
            "accuracy": (expected.argmax(axis=1) == EXAMPLES.labels).mean(),
            "loss": -log_share[np.arange(N), EXAMPLES.labels].mean(),
        },
        abs=1e-6,
    )


def test_scores_do_not_depend_on_the_evaluation_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FlatModel(whole(linear()))
    at_once = model.score(*tensors())
    monkeypatch.setattr("harness.run.tasks.local_training._EVALUATION_BATCH", 7)
    assert model.score(*tensors()) == pytest.approx(at_once, abs=1e-6)


def test_flat_values_are_the_parameters_in_layout_order() -> None:
    module = linear()
    model = FlatModel(whole(module))
    model.load(START)
    assert [(tensor.name, tensor.shape) for tensor in model.layout.tensors] == [("weight", (3, 4)), ("bias", (3,))]
    assert module.weight.detach().numpy().reshape(-1).tolist() == START[:12].tolist()
    assert module.bias.detach().numpy().tolist() == START[12:].tolist()


def test_values_are_a_copy() -> None:
    model = FlatModel(whole(linear()))
    model.load(START)
    model.values()[:] = 0
    assert model.values().tolist() == START.tolist()


def normed(momentum: float | None = 0.1) -> nn.Module:
    """A convolution with a batch norm: 2 x 1 x 2 x 2 + 2, 2 + 2, and 2 x 4 x 3 + 3 parameters; 4 statistics."""
    return nn.Sequential(
        nn.Unflatten(1, (1, 2, 2)),
        nn.Conv2d(1, 2, 2, padding=1),
        nn.BatchNorm2d(2, momentum=momentum),
        nn.Flatten(),
        nn.Linear(18, CLASSES),
    )


def test_float_buffers_are_statistics_behind_the_parameters() -> None:
    module = normed()
    layout = FlatModel(whole(module)).layout
    assert [tensor.name for tensor in layout.tensors if tensor.is_statistic] == ["2.running_mean", "2.running_var"]
    assert layout.trained.size == 10 + 4 + 57 and layout.size == 75
    assert [tensor.is_statistic for tensor in layout.tensors] == [False] * 6 + [True] * 2


def test_statistics_are_measured_and_not_stepped() -> None:
    """torch's own optimiser on torch's own module: parameters and statistics agree."""
    torch.manual_seed(0)
    module, model = normed(), FlatModel(whole(normed()))
    start = torch.cat([tensor.detach().reshape(-1) for tensor in (*module.parameters(), *module.buffers())])
    start = start[: model.layout.size].numpy()  # but for the count of batches
    model.load(start)
    model.fit(*tensors(), LocalTraining(1, N, 0.1), seed=0)
    order = torch.randperm(N, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.SGD(module.parameters(), lr=0.1)
    nn.functional.cross_entropy(module(tensors()[0][order]), tensors()[1][order]).backward()
    optimiser.step()
    expected = torch.cat([tensor.detach().reshape(-1) for tensor in (*module.parameters(), *module.buffers())])
    np.testing.assert_allclose(model.values(), expected[: model.layout.size].numpy(), rtol=0, atol=1e-6)
    assert np.abs(model.values() - start)[-4:].min() > 1e-5


def test_the_momentum_of_norms_is_the_share_of_a_batch_in_their_statistics() -> None:
    """One step on all examples: the running mean goes from 0 to 0.3 times the mean of what the convolution gives."""
    module = normed()
    with torch.no_grad():
        before = module[:2](tensors()[0]).mean((0, 2, 3)).numpy().copy()
    model = FlatModel(whole(module))
    model.fit(*tensors(), LocalTraining(1, N, 0.1, norm_momentum=0.3), seed=0)
    (mean,) = [tensor for name, tensor in model.network.statistics() if name.endswith("running_mean")]
    assert mean.numpy() == pytest.approx(0.3 * before, rel=1e-4, abs=1e-6)


def test_statistics_that_are_loaded_are_scored_with() -> None:
    model = FlatModel(whole(normed()))
    values = model.values()
    before = model.score(*tensors())
    values[-2:] = 1e-4
    model.load(values)
    assert model.score(*tensors())["loss"] != pytest.approx(before["loss"], rel=0.01)


def test_a_count_of_batches_stays_local_and_enters_nothing() -> None:
    def trained(n_batches: int) -> list[float]:
        torch.manual_seed(0)
        module = normed()
        module[2].num_batches_tracked += n_batches
        model = FlatModel(whole(module))
        model.fit(*tensors(), LocalTraining(1, 8, 0.1), seed=0)
        return model.values().tolist()

    assert trained(0) == trained(1000)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: normed(momentum=None), "2: a batch norm needs a momentum"),
        (lambda: nn.BatchNorm1d(3).double(), "buffer running_mean is torch.float64; only float32 buffers travel"),
        (lambda: buffered(torch.zeros(2, dtype=torch.bool)), "buffer extra is torch.bool; only float32 buffers travel"),
    ],
)
def test_buffers_that_cannot_travel_are_refused(make: Callable[[], nn.Module], text: str) -> None:
    with pytest.raises(ValueError, match=f"^{text}"):
        FlatModel(whole(make()))


def buffered(buffer: torch.Tensor) -> nn.Module:
    module = linear()
    module.register_buffer("extra", buffer)
    return module


def test_coarse_codecs_leave_statistics_exact_through_a_whole_run() -> None:
    """One-bit payloads both ways, round after round: what clients measured is what the server averages."""
    problem = make_problem(make_module=normed)
    facts, measured = Facts(), {}
    original = problem.train

    def train(model: np.ndarray, client: int, round: int, lr_scale: float = 1.0) -> tuple[np.ndarray, int]:
        trained, steps = original(model, client, round, lr_scale)
        measured[round, client] = trained[-4:]
        return trained, steps

    problem.train = train
    channel = Channel(ScaledSign(), ScaledSign(), problem.layout, 0, facts, "delta")
    recorder = Recorder(RecordSettings(), problem.layout, facts)
    model = run_rounds(problem, channel, Mean(), Schedule(3, 2), recorder, lambda round: None)
    expected = np.average([measured[3, 0], measured[3, 1]], axis=0, weights=[8, 15]).astype(np.float32)
    assert model[-4:].tobytes() == expected.tobytes()
    assert (model[-2:] > 0).all() and not np.array_equal(model[-4:], problem.initial_model()[-4:])
    assert {t.payload_bytes for t in facts.transfers if t.direction == "uplink"} == {12 + 6 * 4 + 9 + 4 * 4}
    assert {t.reference_bytes for t in facts.transfers} == {4 * 75}


def make_problem(
    seed: int = 0,
    pretrained: dict[str, torch.Tensor] | None = None,
    make_module: Callable[[], nn.Module] = linear,
) -> TorchProblem:
    return TorchProblem(
        make_module=make_module,
        clients=[np.arange(0, 8), np.arange(8, N)],
        train=EXAMPLES,
        splits={"validation": EXAMPLES, "test": EXAMPLES},
        training=LocalTraining(1, 4, 0.1),
        seed=seed,
        pretrained=pretrained,
    )


def test_random_weights_follow_the_seed() -> None:
    assert make_problem(0).initial_model().tolist() == make_problem(0).initial_model().tolist()
    assert make_problem(0).initial_model().tolist() != make_problem(1).initial_model().tolist()


def test_pretrained_weights_are_the_same_for_every_seed() -> None:
    weights = {"weight": torch.ones(3, 4), "bias": torch.zeros(3)}
    for seed in (0, 1):
        assert make_problem(seed, weights).initial_model().tolist() == [1] * 12 + [0] * 3


def test_a_client_trains_on_its_own_examples_only() -> None:
    problem = make_problem()
    assert list(problem.n_examples) == [8, 15]
    own = EXAMPLES.images[:8], EXAMPLES.labels[:8]
    alone = TorchProblem(linear, [np.arange(8)], Examples(*own), {}, LocalTraining(1, 4, 0.1), seed=0, pretrained=None)
    np.testing.assert_array_equal(problem.train(START, 0, round=1)[0], alone.train(START, 0, round=1)[0])


def test_training_starts_from_the_model_it_is_given() -> None:
    """Whatever was trained or scored before leaves no trace."""
    problem = make_problem()
    first, steps = problem.train(START, 1, round=2)
    problem.train(first, 0, round=2)
    problem.evaluate(np.zeros_like(START), "test")
    again, _ = problem.train(START, 1, round=2)
    assert again.tolist() == first.tolist()
    assert steps == 4


def test_the_learning_rate_is_scaled() -> None:
    """One step of half the length."""
    settings = LocalTraining(local_epochs=1, batch_size=N, lr=0.5)
    problem = TorchProblem(linear, [np.arange(N)], EXAMPLES, {}, settings, seed=0, pretrained=None)
    whole, half, again = (problem.train(START, 0, 1, scale)[0] - START for scale in (1.0, 0.5, 1.0))
    np.testing.assert_allclose(half, whole / 2, rtol=0, atol=1e-6)
    assert again.tolist() == whole.tolist()


def settings_of(**changes: object) -> LocalTraining:
    return replace(LocalTraining(local_epochs=2, batch_size=10, lr=0.3), **changes)  # type: ignore[arg-type]


def sgd_by_hand(settings: LocalTraining, seed: int) -> np.ndarray:
    """SGD in NumPy: g + weight_decay w + proximal (w - start), then v = momentum v + g, then w - lr v."""
    generator = torch.Generator().manual_seed(seed)
    start = START.astype(np.float64)
    values, velocity = start, np.zeros_like(start)
    for _ in range(settings.local_epochs):
        order = torch.randperm(N, generator=generator).numpy()
        for batch in np.split(order, range(settings.batch_size, N, settings.batch_size)):
            gradient = values - gradient_step(values, EXAMPLES.images[batch], EXAMPLES.labels[batch], 1.0)
            gradient += settings.weight_decay * values + settings.proximal * (values - start)
            velocity = settings.momentum * velocity + gradient
            values = values - settings.lr * velocity
    return values


@pytest.mark.parametrize(
    "changes",
    [
        {"momentum": 0.9},
        {"weight_decay": 0.05},
        {"proximal": 0.7},
        {"momentum": 0.5, "weight_decay": 0.1, "proximal": 0.3},
    ],
    ids=str,
)
def test_momentum_decay_and_the_proximal_term_are_those_of_the_books(changes: dict[str, float]) -> None:
    """Heavy ball, L2 in the gradient, FedProx: against SGD written out, and each of them makes a difference."""
    settings = settings_of(**changes)
    values, steps = fitted(settings, seed=11)
    assert steps == 6
    np.testing.assert_allclose(values, sgd_by_hand(settings, 11), rtol=0, atol=1e-5)
    assert np.abs(values - fitted(settings_of(), seed=11)[0]).max() > 1e-3


def test_momentum_and_the_anchor_begin_anew_in_every_round() -> None:
    problem = make_problem()
    problem._training = settings_of(momentum=0.9, proximal=0.5)
    first, _ = problem.train(START, 1, round=2)
    problem.train(first + 3, 1, round=2)
    assert problem.train(START, 1, round=2)[0].tolist() == first.tolist()


def test_statistics_are_neither_decayed_nor_pulled() -> None:
    def trained(settings: LocalTraining) -> np.ndarray:
        torch.manual_seed(0)
        model = FlatModel(whole(normed()))
        model.fit(*tensors(), settings, seed=0)
        return model.values()

    plain, decayed = (trained(LocalTraining(1, N, 0.1, weight_decay=decay)) for decay in (0.0, 0.5))
    assert plain[-4:].tolist() == decayed[-4:].tolist() and plain[:-4].tolist() != decayed[:-4].tolist()


@pytest.mark.parametrize(("n_steps", "n_passes"), [(1, 1), (3, 1), (4, 2), (7, 3)])
def test_steps_in_place_of_passes_end_in_the_middle_of_one(n_steps: int, n_passes: int) -> None:
    """Three batches a pass; the passes in front of the last are those of as many epochs."""
    values, steps = fitted(settings_of(local_steps=n_steps), seed=4)
    assert steps == n_steps
    generator = torch.Generator().manual_seed(4)
    orders = [torch.randperm(N, generator=generator).numpy() for _ in range(n_passes)]
    batches = [batch for order in orders for batch in (order[:10], order[10:20], order[20:])]
    expected = START.astype(np.float64)
    for batch in batches[:n_steps]:
        expected = gradient_step(expected, EXAMPLES.images[batch], EXAMPLES.labels[batch], 0.3)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5)


PICTURES = torch.arange(1, 1 + 40 * 2 * 9 * 11, dtype=torch.float32).view(40, 2, 9, 11)
"""Forty pictures of 9 x 11 pixels, two channels: every pixel another number."""


def augmented(augment: Augment, seed: int = 0) -> torch.Tensor:
    return _augmented(PICTURES, augment, torch.Generator().manual_seed(seed))


def test_flipping_turns_about_half_of_the_images_left_to_right() -> None:
    found = augmented("flip")
    is_same = torch.tensor([torch.equal(new, old) for new, old in zip(found, PICTURES, strict=True)])
    assert torch.equal(found[~is_same], PICTURES[~is_same].flip(3))
    assert 10 < int(is_same.sum()) < 30


def test_cropping_shifts_by_up_to_four_pixels_and_fills_with_0() -> None:
    """What is seen is a window of the picture, or of its mirror image, in a frame of four zeros: found by hand."""
    shifts = set()
    for new, old in zip(augmented("flip_and_crop"), PICTURES, strict=True):
        frames = [torch.nn.functional.pad(image, (4, 4, 4, 4)) for image in (old, old.flip(2))]
        places = [
            (is_flipped, top, left)
            for is_flipped, frame in enumerate(frames)
            for top in range(9)
            for left in range(9)
            if torch.equal(new, frame[:, top : top + 9, left : left + 11])
        ]
        assert len(places) == 1
        shifts.add(places[0])
    assert {flip for flip, _, _ in shifts} == {0, 1}
    assert len({top for _, top, _ in shifts}) > 5 and len({left for _, _, left in shifts}) > 5


@pytest.mark.parametrize("augment", ["flip", "flip_and_crop"])
def test_augmentation_follows_the_seed(augment: Augment) -> None:
    torch.manual_seed(1)
    first = augmented(augment)
    torch.manual_seed(2)
    assert torch.equal(augmented(augment), first)
    assert not torch.equal(augmented(augment, seed=1), first)


def test_without_augmentation_nothing_is_drawn() -> None:
    """Cells that do not augment have the batches that they always had."""
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert _augmented(PICTURES, "none", generator) is PICTURES
    assert torch.equal(generator.get_state(), before)


def test_augmented_images_are_others_in_every_pass_and_never_scored() -> None:
    """A model that adds up what it sees: in training it sees shifted pictures, in scoring the pictures themselves."""
    seen: list[torch.Tensor] = []

    def watched(images: torch.Tensor) -> torch.Tensor:
        seen.append(images)
        return images.flatten(1)[:, :3] @ weight

    weight = nn.Parameter(torch.zeros(3, 3))
    module = nn.Module()
    module.weight = weight
    model = FlatModel(Trainable(module, (), (watched,)))
    labels = torch.zeros(40, dtype=torch.int64)
    model.fit(PICTURES, labels, LocalTraining(2, 40, 1e-9, augment="flip_and_crop"), seed=0)
    assert len(seen) == 2 and not torch.equal(seen[0], seen[1])
    model.score(PICTURES, labels)
    assert torch.equal(seen[2], PICTURES)


def test_results_that_are_no_numbers_are_named_and_counted() -> None:
    """Every entry is multiplied by about -5e39 three times: all 3 x 4 + 3 of them leave the range of float32."""
    training = LocalTraining(3, N, 1e38, weight_decay=100.0)
    problem = TorchProblem(linear, [np.arange(N)], EXAMPLES, {}, training, seed=0, pretrained=None)
    with pytest.raises(UpdateError) as caught:
        problem.train(START, 0, round=4, lr_scale=0.5)
    assert str(caught.value) == (
        "round 4, client 0: training gave NaN or infinity in 15 of 15 entries, in 2 of 2 tensors, the first weight; "
        "lower lr (here 5e+37)"
    )


def test_one_broken_statistic_is_named() -> None:
    values = FlatModel(whole(normed())).values()
    values[-1] = np.nan
    with pytest.raises(UpdateError, match=r"in 1 of 75 entries, in 1 of 8 tensors, the first 2\.running_var; lower lr"):
        _refuse_non_finite(values, FlatModel(whole(normed())).layout, "round 1, client 2", settings_of())
