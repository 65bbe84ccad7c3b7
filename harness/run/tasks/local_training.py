"""Trains on one client: a global model and the client's examples in, a trained model out. Holds all torch of a cell."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from harness.core.errors import UpdateError
from harness.core.facts import TrainingWork
from harness.core.seeds import torch_seed
from harness.core.types import Examples, Float32, Int64, Layout, Metric, Split, TensorSpec, Update
from harness.run.accelerator import training_device
from harness.run.tasks.trainable import Trainable, whole
from harness.run.tasks.training_cost import training_work

_EVALUATION_BATCH = 512
_CROP_PIXELS = 4

Augment = Literal["none", "flip", "flip_and_crop"]


@dataclass(frozen=True)
class LocalTraining:
    """SGD on a client, as in FedAvg (McMahan et al., AISTATS 2017), and what is common beside it.

    Attributes:
        local_epochs: passes over the client's examples, at least 1.
        batch_size: examples per step, at least 1; the last batch of a pass may be smaller.
        lr: learning rate, above 0.
        local_steps: optimiser steps in place of passes, at least 1: passes follow each other until they are done.
        momentum: heavy-ball momentum, 0 to below 1. It starts from 0 in every round.
        weight_decay: factor on the trained parameters that is added to their gradient, at least 0.
        proximal: mu of FedProx (Li et al., MLSys 2020), at least 0: ``mu * (w - w_global)`` is added to the gradient.
        norm_momentum: share of a batch's mean and variance in the running ones of batch norms, above 0 and at most 1;
            None for what the model has.
        augment: ``flip`` (left to right, every second image at random) or ``flip_and_crop`` (also shifted by up to 4
            pixels each way, what comes in from outside is 0), on images as the data set has them.
    """

    local_epochs: int
    batch_size: int
    lr: float
    local_steps: int | None = None
    momentum: float = 0.0
    weight_decay: float = 0.0
    proximal: float = 0.0
    norm_momentum: float | None = None
    augment: Augment = "none"


class FlatModel:
    """A network whose trained parameters, gradients and statistics are views of flat vectors, in the order of a layout.

    Parameters come first. Float buffers, such as the running mean and variance of a batch norm, stand behind them as
    statistics: they travel, but have no gradient. Integer buffers stay where they are: the ``num_batches_tracked`` of a
    batch norm counts batches and enters nothing while its momentum is set.
    """

    def __init__(self, network: Trainable, device: torch.device = torch.device("cpu")) -> None:  # noqa: B008
        """Move the trained parameters and statistics of `network` into a flat vector on `device`.

        Raises:
            ValueError: see `Trainable.statistics`.
        """
        network.module.to(device)
        parameters, statistics = network.parameters(), network.statistics()
        self.network, self.device = network, device
        self.layout = Layout(
            (
                *(TensorSpec(name, tuple(p.shape)) for name, p in parameters),
                *(TensorSpec(name, tuple(buffer.shape), is_statistic=True) for name, buffer in statistics),
            )
        )
        n_trained = self.layout.trained.size
        self._values = torch.empty(self.layout.size, device=device)
        self._trained = self._values[:n_trained]
        self._gradient = torch.zeros(n_trained, device=device)
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
        copy: Float32 = self._values.cpu().numpy()
        return copy.copy() if self.device.type == "cpu" else copy

    def fit(
        self, images: Tensor, labels: Tensor, settings: LocalTraining, seed: int, held: Tensor | None = None
    ) -> int:
        """Train in place.

        Args:
            images: what the fixed part of the network gave, or the images themselves, shape (n, ...), n at least 1.
            labels: int64, shape (n,).
            settings: passes or steps, batch size, learning rate and the rest.
            seed: of the batch order and of augmentation.
            held: positions of the examples to train on, int64; None for all.

        Returns:
            Optimiser steps done.
        """
        generator = torch.Generator().manual_seed(seed)
        # For models that draw random numbers themselves, e.g. for dropout.
        torch.manual_seed(seed)
        anchor = self._trained.clone() if settings.proximal else None
        velocity = torch.zeros_like(self._trained) if settings.momentum else None
        steps = 0
        self.network.train()
        if settings.norm_momentum is not None:
            self.network.set_norm_momentum(settings.norm_momentum)
        for batch in _batches(len(labels) if held is None else len(held), settings, generator):
            chosen = (batch if held is None else held[batch]).to(self.device)
            seen = _augmented(images[chosen], settings.augment, generator)
            self._gradient.zero_()
            functional.cross_entropy(self.network.logits(seen), labels[chosen]).backward()
            self._step(settings, anchor, velocity)
            steps += 1
        return steps

    def draws(self, images: Tensor) -> bool:
        """Whether the network draws random numbers when it trains on `images`; their statistics are left in it."""
        is_cpu = self.device.type == "cpu"
        state = torch.get_rng_state if is_cpu else partial(torch.cuda.get_rng_state, self.device)
        before = state()
        self.network.train()
        with torch.no_grad():
            self.network.logits(images.to(self.device))
        return not torch.equal(state(), before)

    def score(self, images: Tensor, labels: Tensor) -> dict[Metric, float]:
        """Accuracy (0 to 1) and mean cross-entropy (nats) on examples as `fit` takes them."""
        self.network.module.eval()
        n_right, loss = 0, 0.0
        with torch.inference_mode():
            for start in range(0, len(labels), _EVALUATION_BATCH):
                part = labels[start : start + _EVALUATION_BATCH].to(self.device)
                logits = self.network.logits(moved(images[start : start + _EVALUATION_BATCH], self.device))
                n_right += int((logits.argmax(1) == part).sum())
                loss += float(functional.cross_entropy(logits, part, reduction="sum"))
        return {"accuracy": n_right / len(labels), "loss": loss / len(labels)}

    def _step(self, settings: LocalTraining, anchor: Tensor | None, velocity: Tensor | None) -> None:
        step = self._gradient
        if settings.weight_decay:
            step.add_(self._trained, alpha=settings.weight_decay)
        if anchor is not None:
            step.add_(self._trained - anchor, alpha=settings.proximal)
        if velocity is not None:
            step = velocity.mul_(settings.momentum).add_(step)
        self._trained.add_(step, alpha=-settings.lr)


class TorchProblem:
    """A `FederatedProblem` on torch. Each model trains on one thread; several threads may train at a time."""

    def __init__(
        self,
        make_module: Callable[[], nn.Module],
        clients: Sequence[Int64],
        train: Examples,
        splits: Mapping[str, Examples],
        training: LocalTraining,
        seed: int,
        pretrained: Mapping[str, Any] | None,
        cut: Callable[[nn.Module], Trainable] = whole,
        images: Tensor | None = None,
    ) -> None:
        """Build the network and give each client its share of `train`.

        Args:
            make_module: builds the module; its initial weights are seeded here.
            clients: positions in `train` that each client holds.
            train: the examples of all clients, as the trained part of the network takes them.
            splits: examples to score on, by split name.
            training: settings of local training.
            seed: evaluation seed of the cell.
            pretrained: tensors by name of parameter or buffer, put in place of the random weights; those that it
                leaves out stay as they are.
            cut: marks what of the module is trained.
            images: some images, shape (n, ...), where `train` holds what the fixed part of the network made of them.
        """
        self._device = training_device()
        self._network = partial(seeded_network, make_module, pretrained, cut, seed)
        first = FlatModel(self._network(), self._device)
        self._initial, self._frozen = first.values(), first.network.frozen()
        self._idle: SimpleQueue[FlatModel] = SimpleQueue()
        self._idle.put(first)
        # Random numbers that a module draws itself, e.g. for dropout, come from one generator of the whole process.
        self._turn: AbstractContextManager[Any] = (
            Lock() if first.draws(torch.from_numpy(train.images[:2])) else nullcontext()
        )
        # On an accelerator the examples move there once; on the CPU they stay the mapping that all workers share.
        self._images = moved(torch.from_numpy(train.images), self._device)
        self._labels = torch.from_numpy(train.labels).to(self._device)
        self._clients = [torch.from_numpy(positions) for positions in clients]
        self._splits, self._training, self._seed, self._sample = splits, training, seed, images
        self.layout = first.layout
        self.n_examples = [len(positions) for positions in clients]

    def initial_model(self) -> Float32:
        """Initial global model, float32 of shape (d,), statistics included; what never changes is not in it."""
        return self._initial.copy()

    def frozen(self) -> Update | None:
        """What never changes and is not in the model: clients need it once. None if there is nothing."""
        return self._frozen

    def train(self, model: Float32, client: int, round: int, lr_scale: float = 1.0) -> tuple[Float32, int]:
        """Local training of `client` from `model`: the trained model, and optimiser steps done.

        Raises:
            UpdateError: training gave NaN or infinity; names round, client and tensor.
        """
        settings = replace(self._training, lr=self._training.lr * lr_scale)
        seed = torch_seed(self._seed, "batches", round, client)
        with self._turn, self._borrowed() as flat:
            flat.load(model)
            steps = flat.fit(self._images, self._labels, settings, seed, self._clients[client])
            values = flat.values()
        _refuse_non_finite(values, self.layout, f"round {round}, client {client}", settings)
        return values, steps

    def evaluate(self, model: Float32, split: Split) -> Mapping[Metric, float]:
        """Accuracy (0 to 1) and loss (nats) of `model` on ``validation`` or ``test``."""
        examples = self._splits[split]
        with self._borrowed() as flat:
            flat.load(model)
            return flat.score(torch.from_numpy(examples.images), torch.from_numpy(examples.labels))

    def work(self) -> TrainingWork:
        """What one optimiser step on a full batch takes, on a client that has enough examples for one if any has."""
        n = min(self._training.batch_size, max(self.n_examples))
        images = None if self._sample is None else self._sample[:1].expand(n, *self._sample.shape[1:])
        with self._borrowed() as flat:
            return training_work(flat.network, self._images[:n], int(self._training.momentum > 0), images)

    @contextmanager
    def _borrowed(self) -> Iterator[FlatModel]:
        """A model that nobody else uses meanwhile."""
        try:
            flat = self._idle.get_nowait()
        except Empty:
            flat = FlatModel(self._network(), self._device)
            if self._frozen is not None:
                # Another thread may have drawn from the generator meanwhile.
                flat.network.load_frozen(self._frozen)
        try:
            yield flat
        finally:
            self._idle.put(flat)


def seeded_network(
    make_module: Callable[[], nn.Module],
    pretrained: Mapping[str, Any] | None,
    cut: Callable[[nn.Module], Trainable],
    seed: int,
) -> Trainable:
    """A network with the initial weights of `seed`, or with pre-trained ones; see `TorchProblem`."""
    torch.manual_seed(torch_seed(seed, "init"))
    module = make_module()
    missing, foreign = module.load_state_dict({} if pretrained is None else pretrained, strict=False)
    if foreign or (pretrained and len(missing) == len(module.state_dict())):
        raise ValueError(f"the pre-trained model does not fit: foreign {foreign}, missing {missing}")
    return cut(module)


def moved(images: Tensor, device: torch.device) -> Tensor:
    """`images` on `device`: unchanged on the CPU, with channels first elsewhere, which suits accelerators."""
    return images if device.type == "cpu" else images.contiguous().to(device)


def _batches(n_examples: int, settings: LocalTraining, generator: torch.Generator) -> Iterator[Tensor]:
    """Positions of the examples of each step."""
    n_left = settings.local_steps
    n_passes = 0
    while n_left is not None or n_passes < settings.local_epochs:
        n_passes += 1
        for batch in torch.randperm(n_examples, generator=generator).split(settings.batch_size):
            if n_left is not None:
                if n_left == 0:
                    return
                n_left -= 1
            yield batch


def _augmented(images: Tensor, augment: Augment, generator: torch.Generator) -> Tensor:
    """`images` of shape (n, channels, height, width), some flipped, and shifted."""
    if augment == "none":
        return images
    flips = torch.rand(len(images), generator=generator) < 0.5
    images = torch.where(flips.to(images.device)[:, None, None, None], images.flip(3), images)
    if augment == "flip":
        return images
    padded = functional.pad(images, (_CROP_PIXELS,) * 4)
    height, width = images.shape[2:]
    corners = torch.randint(0, 2 * _CROP_PIXELS + 1, (len(images), 2), generator=generator).tolist()
    return torch.stack(
        [image[:, top : top + height, left : left + width] for image, (top, left) in zip(padded, corners, strict=True)]
    )


def _refuse_non_finite(values: Float32, layout: Layout, where: str, settings: LocalTraining) -> None:
    finite = torch.isfinite(torch.from_numpy(values))
    if bool(finite.all()):
        return
    names = [spec.name for spec, place in layout.slices() if not bool(finite[place].all())]
    raise UpdateError(
        f"{where}: training gave NaN or infinity in {int((~finite).sum())} of {len(values)} entries, in "
        f"{len(names)} of {len(layout.tensors)} tensors, the first {names[0]}; lower lr (here {settings.lr:.3g})"
    )
