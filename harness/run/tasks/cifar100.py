"""Defines the task ``cifar100``: 60,000 photographs of 32x32 pixels, 100 labels in 20 superclasses.

The 50,000 training examples are split into 45,000 for the clients and 5,000 for validation, the same for all seeds; the
10,000 test examples are only scored. The model is EfficientNet-Lite0, by default with the weights that it learnt on
ImageNet, whose photographs are 224 pixels a side: small ones are enlarged before they go in.

References:
    A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", technical report, 2009.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from harness.run.tasks import hub, steps
from harness.run.tasks.hub import HubData
from harness.run.tasks.settings import (
    Init,
    Input,
    Partition,
    Pretraining,
    Source,
    Trained,
    check_model,
    check_range,
    check_source,
)

_HUB_NAME = "uoft-cs/cifar100"
_VALIDATION = 5000
_MODEL = "efficientnet_lite0"


@dataclass(frozen=True)
class Cifar100:
    """60,000 photographs of 32x32 pixels, 100 labels, from a folder of parquet files or from the hub.

    Attributes:
        data: a folder with the parquet files; by default ``cifar100`` in ``$HARNESS_DATA``, else
            ``uoft-cs/cifar100`` on the hub.
        model: ``efficientnet_lite0`` (4,652,008 parameters with ImageNet's labels, 3,499,108 with these), ``cnn``, or
            ``package.module:callable`` as for task ``images``.
        head: name of the model's last layer; the default is that of the harness's own models.
        init: ``random`` weights per seed, or ``pretrained``.
        clients: number of clients, 1 to 22,500.
        partition: how the 45,000 training examples are spread over them; its ``column`` may be ``coarse_label``.
        pretraining: for ``init: pretrained``: ``imagenet``, or which ``checkpoint``.
        train: what of the model is trained.
        input: size and normalisation of the images.
    """

    kind: ClassVar[str] = "cifar100"
    version: ClassVar[int] = 1
    default_source: ClassVar[Source] = "imagenet"

    data: str = _HUB_NAME
    model: str = _MODEL
    head: str | None = None
    init: Init = "pretrained"
    clients: int = 100
    partition: Partition = field(default_factory=Partition)
    pretraining: Pretraining = field(default_factory=Pretraining)
    train: Trained = field(default_factory=Trained)
    input: Input = field(default_factory=Input)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("clients", self.clients, 1, 22_500)
        check_model(self.model, (_MODEL, "cnn"))
        elsewhere: tuple[Source, ...] = ("imagenet",) if self.model == _MODEL else ()
        check_source(self.pretraining, (*elsewhere, "checkpoint"), self.kind)
        if self.init == "pretrained" and self.model != _MODEL and self.pretraining.source is None:
            raise ValueError(f"pretraining: model {self.model} needs source: checkpoint, and which")

    def source(self) -> HubData:
        """Where the data is and what its parts are called."""
        return HubData(self.data, "img", "fine_label", "train", "test", _VALIDATION, keeps_bytes=True)

    data_key, load_splits, load_groups = hub.data_key, hub.load_splits, hub.load_groups
    prepare = steps.prepare
    pretraining_folder = steps.pretraining_folder
    pretrain = steps.pretrain
    needs_activations, compute_activations = steps.needs_activations, steps.compute_activations
    build = steps.build
