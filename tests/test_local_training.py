"""Local training against SGD written out in numpy."""

import numpy as np
import pytest
import torch
from torch import nn

from harness.core.types import Examples
from harness.local_training import FlatModel, LocalTraining, TorchProblem

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
    model = FlatModel(linear())
    model.load(START)
    steps = model.fit(tensors(), settings, seed)
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
    model = FlatModel(linear())
    model.load(START)
    expected = logits(START.astype(np.float64), EXAMPLES.images)
    log_share = expected - np.log(np.exp(expected).sum(axis=1, keepdims=True))
    assert model.score(EXAMPLES) == pytest.approx(
        {
            "accuracy": (expected.argmax(axis=1) == EXAMPLES.labels).mean(),
            "loss": -log_share[np.arange(N), EXAMPLES.labels].mean(),
        },
        abs=1e-6,
    )


def test_scores_do_not_depend_on_the_evaluation_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    model = FlatModel(linear())
    whole = model.score(EXAMPLES)
    monkeypatch.setattr("harness.local_training._EVALUATION_BATCH", 7)
    assert model.score(EXAMPLES) == pytest.approx(whole, abs=1e-6)


def test_flat_values_are_the_parameters_in_layout_order() -> None:
    module = linear()
    model = FlatModel(module)
    model.load(START)
    assert [(tensor.name, tensor.shape) for tensor in model.layout.tensors] == [("weight", (3, 4)), ("bias", (3,))]
    assert module.weight.detach().numpy().reshape(-1).tolist() == START[:12].tolist()
    assert module.bias.detach().numpy().tolist() == START[12:].tolist()


def test_values_are_a_copy() -> None:
    model = FlatModel(linear())
    model.load(START)
    model.values()[:] = 0
    assert model.values().tolist() == START.tolist()


def test_a_module_with_buffers_is_refused() -> None:
    with pytest.raises(ValueError, match="buffers"):
        FlatModel(nn.BatchNorm1d(3))


def make_problem(seed: int = 0, pretrained: dict[str, torch.Tensor] | None = None) -> TorchProblem:
    return TorchProblem(
        make_module=linear,
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
