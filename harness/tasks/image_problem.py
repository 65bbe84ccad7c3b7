"""The federated problem of an image task, and its pre-training: the torch half of a task, run in workers."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from harness.core.protocols import EnergyMeter
from harness.core.seeds import torch_seed
from harness.ledger import write_json
from harness.local_training import FlatModel, LocalTraining, TorchProblem
from harness.tasks.cache import make_once
from harness.tasks.models import HEAD, build_model
from harness.tasks.prepared import (
    PUBLIC,
    RECORD_FILE,
    ImageTask,
    client_positions,
    load_split,
    pretraining_folder,
    source_of,
)

_PRETRAINING_SEED = 0
_WEIGHTS_FILE = "model.safetensors"


def build(task: ImageTask, seed: int, training: LocalTraining) -> TorchProblem:
    """The federated problem of `task` at `seed`.

    Raises:
        FileNotFoundError: the data was not prepared for this seed, or the pre-trained model is missing.
    """
    folder = pretraining_folder(task)
    return TorchProblem(
        make_module=_module_maker(task),
        clients=client_positions(task, seed),
        train=load_split(task, "train"),
        splits={name: load_split(task, name) for name in ("validation", "test")},
        training=training,
        seed=seed,
        pretrained=None if folder is None else _load_weights(folder, is_head_foreign=source_of(task) == "letters"),
    )


def pretrain(task: ImageTask, meter: EnergyMeter) -> None:
    """Train the model on public examples, unless the cache has it: a run of its own with its own energy.

    One model serves all seeds, as a published checkpoint would; its own seed is fixed.
    """
    folder = pretraining_folder(task)
    if folder is not None:
        make_once(folder, lambda draft: _pretrain_into(draft, task, meter))


def _pretrain_into(draft: Path, task: ImageTask, meter: EnergyMeter) -> None:
    public = load_split(task, PUBLIC)
    settings = task.pretraining
    torch.manual_seed(torch_seed(_PRETRAINING_SEED, "pretraining"))
    model = FlatModel(build_model(task.model, public.images.shape[1:], int(public.labels.max()) + 1))
    before = model.score(public)
    with meter.window() as window:
        n_steps = model.fit(
            (torch.from_numpy(public.images), torch.from_numpy(public.labels)),
            LocalTraining(settings.epochs, settings.batch_size, settings.lr),
            torch_seed(_PRETRAINING_SEED, "pretraining-batches"),
        )
    save_file({name: tensor.clone() for name, tensor in model.module.state_dict().items()}, draft / _WEIGHTS_FILE)
    record = {
        "model": task.model,
        "source": source_of(task),
        "settings": asdict(settings),
        "n_examples": len(public.labels),
        "n_steps": n_steps,
        "source_before": before,
        "source_after": model.score(public),
        "reading": asdict(window.reading),
    }
    write_json(draft / RECORD_FILE, record)


def _load_weights(folder: Path, is_head_foreign: bool) -> Mapping[str, torch.Tensor]:
    """Pre-trained tensors by name; without the last layer if it was learnt for other labels."""
    weights = load_file(folder / _WEIGHTS_FILE)
    return {name: tensor for name, tensor in weights.items() if not (is_head_foreign and name.startswith(HEAD))}


def _module_maker(task: ImageTask) -> Callable[[], nn.Module]:
    train = load_split(task, "train")
    return partial(build_model, task.model, train.images.shape[1:], int(train.labels.max()) + 1)
