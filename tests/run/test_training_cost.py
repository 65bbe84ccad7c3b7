"""What an optimiser step takes: operations and memory counted by hand, and nothing changed by counting."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from harness.core.types import Examples
from harness.run.tasks.efficientnet_lite import EfficientNetLite0
from harness.run.tasks.local_training import LocalTraining, TorchProblem
from harness.run.tasks.models import build_model
from harness.run.tasks.settings import Trained
from harness.run.tasks.trainable import cut, whole
from harness.run.tasks.training_cost import training_work


def test_operations_of_two_layers_by_hand() -> None:
    """Batch 10, 6 to 5 to 3. A product of n x a by a x b is 2 n a b operations.

    Forward 2 x 10 x 6 x 5 + 2 x 10 x 5 x 3 = 900. Backward: gradients of both weights, 900 again, and of what goes into
    the second layer, 2 x 10 x 5 x 3 = 300; nothing asks for the gradient of the images. Together 2100.
    """
    module = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
    assert training_work(whole(module), torch.empty(10, 6)).flops_per_step == 2100


def test_operations_of_a_convolution_by_hand() -> None:
    """Two filters of 3 x 3 on 1 x 8 x 8 give 6 x 6 pixels: 2 x 4 x 36 x 2 x 9 = 5184 forward, the same for the weights.

    The layer behind it: 2 x 4 x 72 x 3 = 1728, three times.
    """
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3))
    assert training_work(whole(module), torch.empty(4, 1, 8, 8)).flops_per_step == 2 * 5184 + 3 * 1728


def test_memory_of_a_linear_layer_by_hand() -> None:
    """32 weights and 4 biases are 144 B: thrice, as parameters, gradients, and the model as received.

    The batch is 16 x 8 floats and 16 labels of 8 B: 640 B. Kept for the backward pass: log-probabilities of 16 x 4,
    256 B, and the total weight of the loss, 4 B; weights and images stand there already.
    """
    assert training_work(whole(nn.Linear(8, 4)), torch.empty(16, 8)).training_bytes == 3 * 144 + 640 + 256 + 4


def test_a_wider_layer_needs_more_of_both() -> None:
    narrow = training_work(whole(nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))), torch.empty(10, 6))
    wide = training_work(whole(nn.Sequential(nn.Linear(6, 50), nn.ReLU(), nn.Linear(50, 3))), torch.empty(10, 6))
    assert wide.flops_per_step > narrow.flops_per_step and wide.training_bytes > narrow.training_bytes


def test_operations_grow_with_the_batch() -> None:
    assert (
        training_work(whole(nn.Linear(8, 4)), torch.empty(32, 8)).flops_per_step
        == 2 * training_work(whole(nn.Linear(8, 4)), torch.empty(16, 8)).flops_per_step
    )


def test_counting_without_values_is_counting_with_them() -> None:
    module = build_model("cnn", (1, 28, 28), 10)
    images, labels = torch.zeros(4, 1, 28, 28), torch.zeros(4, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        functional.cross_entropy(module(images), labels).backward()
    assert training_work(whole(module), torch.empty(4, 1, 28, 28)).flops_per_step == counter.get_total_flops()


class Restless(nn.Module):
    """A classifier with everything that a forward pass may leave behind: statistics, and a random number drawn."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.drop, self.head = nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.drop(self.norm(images)))
        return logits


def make_problem(batch_size: int = 4) -> TorchProblem:
    rng = np.random.default_rng(0)
    train = Examples(rng.normal(size=(10, 6)).astype(np.float32), rng.integers(0, 3, 10))
    clients = [np.arange(3), np.arange(3, 10)]
    return TorchProblem(Restless, clients, train, {"test": train}, LocalTraining(2, batch_size, 0.1), 5, None)


def test_counting_changes_neither_the_model_nor_what_is_trained() -> None:
    plain, counted = make_problem(), make_problem()
    counted.work()
    assert np.array_equal(plain.initial_model(), counted.initial_model())
    torch.manual_seed(3)
    expected, _ = plain.train(plain.initial_model(), 1, 1)
    torch.manual_seed(3)
    counted.work()
    trained, _ = counted.train(counted.initial_model(), 1, 1)
    assert np.array_equal(trained, expected)


@pytest.mark.parametrize(("batch_size", "counted"), [(4, 4), (7, 7), (50, 7)])
def test_a_full_batch_is_what_the_largest_client_has_at_most(batch_size: int, counted: int) -> None:
    """The larger client has 7 examples. The head multiplies n x 6 by 6 x 3, forward and twice backward."""
    assert make_problem(batch_size).work().flops_per_step == 3 * 2 * counted * 6 * 3


def test_operations_of_a_grouped_convolution_by_hand() -> None:
    """Six channels in three groups, two filters of 3 x 3 each on 8 x 8 pixels: 6 x 6 outputs, each of 2 x 9 products.

    2 x 4 x 36 x 6 x 18 = 31,104 forward, the same for the weights; the layer behind it, 2 x 4 x 216 x 3 = 5184 thrice.
    """
    module = nn.Sequential(nn.Conv2d(6, 6, 3, groups=3), nn.Flatten(), nn.Linear(216, 3))
    assert training_work(whole(module), torch.empty(4, 6, 8, 8)).flops_per_step == 2 * 31_104 + 3 * 5184


def test_a_depthwise_convolution_behind_another_layer_has_three_products() -> None:
    """4 x 8 x 8 pixels x 5 channels: 1 x 1 of 3 to 5 is 2 x 256 x 15 = 7680, depthwise 3 x 3 is 2 x 256 x 45 = 23,040.

    Nothing asks for the gradient of the images: the first has two products. The last layer has 2 x 4 x 320 x 2 = 5120.
    """
    module = nn.Sequential(nn.Conv2d(3, 5, 1), nn.Conv2d(5, 5, 3, padding=1, groups=5), nn.Flatten(), nn.Linear(320, 2))
    expected = 2 * 7680 + 3 * 23_040 + 3 * 5120
    assert training_work(whole(module), torch.empty(4, 3, 8, 8)).flops_per_step == expected


def test_what_is_not_trained_has_no_gradient_of_its_weights() -> None:
    """Only the last layer of 5 to 3 is trained: 2 x 10 x 5 x 3 = 300 forward and for its weights, 600 for the first."""
    module = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3))
    network = replace(cut(module, Trained("head"), "1"), fixed=(), rest=(module,))
    assert training_work(network, torch.empty(10, 6)).flops_per_step == 2 * 10 * 6 * 5 + 2 * 300


def test_the_fixed_part_is_counted_apart() -> None:
    """Forward only, on images: 2 x 10 x 6 x 5 = 600; what is trained takes its activations of 5."""
    network = cut(nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)), Trained("head"), "1")
    work = training_work(network, torch.empty(10, 5), images=torch.empty(10, 6))
    assert (work.flops_per_step, work.fixed_flops_per_step) == (600, 600)
    assert training_work(network, torch.empty(10, 5)).fixed_flops_per_step == 0


def test_what_an_optimiser_keeps_is_memory_and_no_operations() -> None:
    """Momentum keeps a vector as long as the trained parameters: 36 of them, 144 B."""
    plain, heavy = (training_work(whole(nn.Linear(8, 4)), torch.empty(16, 8), n_states) for n_states in (0, 1))
    assert heavy.training_bytes - plain.training_bytes == 144
    assert heavy.flops_per_step == plain.flops_per_step


@pytest.mark.parametrize(("momentum", "n_states"), [(0.0, 0), (0.9, 1)])
def test_a_problem_says_whether_it_has_momentum(momentum: float, n_states: int) -> None:
    problem = make_problem()
    problem._training = replace(problem._training, momentum=momentum)
    trained = 4 * (6 + 6 + 6 * 3 + 3)
    assert problem.work().training_bytes - make_problem().work().training_bytes == n_states * trained


def test_frozen_weights_are_held_once_and_have_neither_gradient_nor_copy() -> None:
    """4 x 6 x 5 + 4 x 5 = 140 B of a frozen layer, beside all that its last layer takes alone on activations."""
    network = cut(nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 3)), Trained("head"), "1")
    alone = training_work(whole(nn.Linear(5, 3)), torch.empty(10, 5)).training_bytes
    assert training_work(network, torch.empty(10, 5)).training_bytes == alone + 140


def test_efficientnet_lite0_is_counted_as_published() -> None:
    """407 M multiplications and additions an image of 224 pixels, says the table of the model at TensorFlow."""
    network = cut(EfficientNetLite0(1000), Trained("head"), "_fc")
    work = training_work(network, torch.empty(1, 1280), images=torch.empty(1, 3, 224, 224))
    forward = work.fixed_flops_per_step + 2 * 1280 * 1000
    assert forward / 2 == pytest.approx(407e6, rel=0.06)
