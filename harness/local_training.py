"""Local training: a global model and a client's examples in, a trained model out. All torch of a cell is here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from harness.core.seeds import torch_seed
from harness.core.types import Examples, Float32, Int64, Layout, Metric, Split, TensorSpec, TrainingWork
from harness.work import training_work

_EVALUATION_BATCH = 1024


@dataclass(frozen=True)
class LocalTraining:
    """Plain SGD on a client, as in FedAvg (McMahan et al., AISTATS 2017).

    Attributes:
        local_epochs: passes over the client's examples, at least 1.
        batch_size: examples per step, at least 1; the last batch of a pass may be smaller.
        lr: learning rate, above 0.
    """

    local_epochs: int
    batch_size: int
    lr: float


class FlatModel:
    """A module whose parameters, gradients and statistics are views of flat vectors, in the order of its layout.

    Parameters come first. Float buffers, such as the running mean and variance of a batch norm, stand behind them as
    statistics: they travel, but have no gradient. Integer buffers stay where they are: the ``num_batches_tracked`` of a
    batch norm counts batches and enters nothing while its momentum is set.
    """

    def __init__(self, module: nn.Module) -> None:
        """Move the parameters and float buffers of `module` into a flat vector.

        Raises:
            ValueError: a buffer is neither float32 nor integer, or a batch norm without momentum averages over its
                count of batches, which does not travel.
        """
        parameters, statistics = list(module.named_parameters()), _statistics_of(module)
        self.module = module
        self.layout = Layout(
            (
                *(TensorSpec(name, tuple(p.shape)) for name, p in parameters),
                *(TensorSpec(name, tuple(buffer.shape), is_statistic=True) for name, buffer in statistics),
            )
        )
        n_trained = self.layout.trained.size
        self._values = torch.empty(self.layout.size)
        self._trained = self._values[:n_trained]
        self._gradient = torch.zeros(n_trained)
        tensors = [tensor for _, tensor in (*parameters, *statistics)]
        for tensor, (spec, place) in zip(tensors, self.layout.slices(), strict=True):
            self._values[place] = tensor.data.reshape(-1)
            tensor.data = self._values[place].view(spec.shape)
            if not spec.is_statistic:
                tensor.grad = self._gradient[place].view(spec.shape)

    def load(self, values: Float32) -> None:
        """Overwrite parameters and statistics with `values`, float32 of shape (d,)."""
        self._values.copy_(torch.from_numpy(values))

    def values(self) -> Float32:
        """A copy of parameters and statistics, float32 of shape (d,)."""
        return self._values.numpy().copy()

    def fit(self, examples: tuple[torch.Tensor, torch.Tensor], settings: LocalTraining, seed: int) -> int:
        """Train on `examples` in place.

        Args:
            examples: float32 images of shape (n, ...) and int64 labels of shape (n,), n at least 1.
            settings: passes, batch size and learning rate.
            seed: of the batch order.

        Returns:
            Optimiser steps done.
        """
        images, labels = examples
        generator = torch.Generator().manual_seed(seed)
        steps = 0
        self.module.train()
        for _ in range(settings.local_epochs):
            order = torch.randperm(len(labels), generator=generator)
            for batch in order.split(settings.batch_size):
                self._gradient.zero_()
                functional.cross_entropy(self.module(images[batch]), labels[batch]).backward()
                self._trained.add_(self._gradient, alpha=-settings.lr)
                steps += 1
        return steps

    def score(self, examples: Examples) -> dict[Metric, float]:
        """Accuracy (0 to 1) and mean cross-entropy (nats) on `examples`."""
        self.module.eval()
        n_right, loss = 0, 0.0
        with torch.inference_mode():
            for start in range(0, len(examples.labels), _EVALUATION_BATCH):
                labels = torch.from_numpy(examples.labels[start : start + _EVALUATION_BATCH])
                logits = self.module(torch.from_numpy(examples.images[start : start + _EVALUATION_BATCH]))
                n_right += int((logits.argmax(1) == labels).sum())
                loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
        return {"accuracy": n_right / len(examples.labels), "loss": loss / len(examples.labels)}


class TorchProblem:
    """A `FederatedProblem` on torch, one thread, on the CPU."""

    def __init__(
        self,
        make_module: Callable[[], nn.Module],
        clients: Sequence[Int64],
        train: Examples,
        splits: Mapping[str, Examples],
        training: LocalTraining,
        seed: int,
        pretrained: Mapping[str, Any] | None,
    ) -> None:
        """Build the module and give each client its share of `train`.

        Args:
            make_module: builds the module; its initial weights are seeded here.
            clients: positions in `train` that each client holds.
            train: the examples of all clients.
            splits: examples to score on, by split name.
            training: settings of local training.
            seed: evaluation seed of the cell.
            pretrained: tensors by name of parameter or buffer, put in place of the random weights; those that it
                leaves out stay as they are.
        """
        torch.manual_seed(torch_seed(seed, "init"))
        module = make_module()
        missing, foreign = module.load_state_dict({} if pretrained is None else pretrained, strict=False)
        if foreign or (pretrained and len(missing) == len(module.state_dict())):
            raise ValueError(f"the pre-trained model does not fit: foreign {foreign}, missing {missing}")
        self._model = FlatModel(module)
        self._initial = self._model.values()
        self._clients = [
            (torch.from_numpy(train.images[positions]), torch.from_numpy(train.labels[positions]))
            for positions in clients
        ]
        self._splits, self._training, self._seed = splits, training, seed
        self.layout = self._model.layout
        self.n_examples = [len(positions) for positions in clients]

    def initial_model(self) -> Float32:
        """Initial global model, float32 of shape (d,), statistics included."""
        return self._initial.copy()

    def train(self, model: Float32, client: int, round: int, lr_scale: float = 1.0) -> tuple[Float32, int]:
        """Local training of `client` from `model`: the trained model, and optimiser steps done."""
        self._model.load(model)
        settings = replace(self._training, lr=self._training.lr * lr_scale)
        steps = self._model.fit(self._clients[client], settings, torch_seed(self._seed, "batches", round, client))
        return self._model.values(), steps

    def evaluate(self, model: Float32, split: Split) -> Mapping[Metric, float]:
        """Accuracy (0 to 1) and loss (nats) of `model` on ``validation`` or ``test``."""
        self._model.load(model)
        return self._model.score(self._splits[split])

    def work(self) -> TrainingWork:
        """What one optimiser step on a full batch takes, on a client that has enough examples for one if any has."""
        images, _ = max(self._clients, key=lambda examples: len(examples[1]))
        n = min(self._training.batch_size, len(images))
        return training_work(self._model.module, (n, *images.shape[1:]))


def _statistics_of(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """The buffers of `module` that travel, by name."""
    found = []
    for name, buffer in module.named_buffers():
        if buffer.dtype == torch.float32:
            found.append((name, buffer))
        elif buffer.dtype.is_floating_point or buffer.dtype.is_complex or buffer.dtype == torch.bool:
            raise ValueError(f"buffer {name} is {buffer.dtype}; only float32 buffers travel, and integers stay local")
    for name, part in module.named_modules():
        if getattr(part, "track_running_stats", False) and getattr(part, "momentum", 0.0) is None:
            raise ValueError(f"{name or 'module'}: a batch norm needs a momentum; its count of batches does not travel")
    return found
