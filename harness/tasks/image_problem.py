"""The federated problem of an image task, and its pre-training: the torch half of a task, run in workers."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from harness.core.protocols import EnergyMeter
from harness.core.seeds import torch_seed
from harness.ledger import write_json
from harness.local_training import FlatModel, LocalTraining, TorchProblem
from harness.tasks.cache import make_once
from harness.tasks.models import build_model
from harness.tasks.prepared import RECORD_FILE, ImageTask, client_positions, load_split, pretraining_folder

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
        pretrained=None if folder is None else _load_weights(folder),
    )


def pretrain(task: ImageTask, meter: EnergyMeter) -> None:
    """Train the model on the public split, unless the cache has it: a run of its own with its own energy.

    One model serves all seeds, as a published checkpoint would; its own seed is fixed.
    """
    folder = pretraining_folder(task)
    if folder is not None:
        make_once(folder, lambda draft: _pretrain_into(draft, task, meter))


def _pretrain_into(draft: Path, task: ImageTask, meter: EnergyMeter) -> None:
    from safetensors.torch import save_file

    public, validation = load_split(task, "public"), load_split(task, "validation")
    settings = task.pretraining
    torch.manual_seed(torch_seed(_PRETRAINING_SEED, "pretraining"))
    model = FlatModel(_module_maker(task)())
    before = model.score(validation)
    with meter.window() as window:
        n_steps = model.fit(
            (torch.from_numpy(public.images), torch.from_numpy(public.labels)),
            LocalTraining(settings.epochs, settings.batch_size, settings.lr),
            torch_seed(_PRETRAINING_SEED, "pretraining-batches"),
        )
    save_file({name: tensor.clone() for name, tensor in model.module.state_dict().items()}, draft / _WEIGHTS_FILE)
    record = {
        "model": task.model,
        "settings": asdict(settings),
        "n_examples": len(public.labels),
        "n_steps": n_steps,
        "validation_before": before,
        "validation_after": model.score(validation),
        "reading": asdict(window.reading),
    }
    write_json(draft / RECORD_FILE, record)


def _load_weights(folder: Path) -> Mapping[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(folder / _WEIGHTS_FILE)


def _module_maker(task: ImageTask) -> Callable[[], nn.Module]:
    train = load_split(task, "train")
    shape, n_classes = train.images.shape[1:], int(train.labels.max()) + 1
    return lambda: build_model(task.model, shape, n_classes)
