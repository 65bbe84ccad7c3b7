"""Defines the task ``mnist``: 70,000 scans of handwritten digits, 28x28 pixels.

The 60,000 training examples are split into 55,000 for the clients and 5,000 for validation, the same for all seeds; the
10,000 test examples are only scored.

References:
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
    Proceedings of the IEEE, 1998.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from harness.run.tasks import hub, steps
from harness.run.tasks.hub import HubData
from harness.run.tasks.settings import Init, Partition, Pretraining, Source, Trained, check_range, check_source

_HUB_NAME = "ylecun/mnist"
_VALIDATION = 5000


@dataclass(frozen=True)
class Mnist:
    """70,000 scans of handwritten digits, 28x28 pixels, from a folder of parquet files or from the hub.

    Attributes:
        data: a folder with the parquet files; by default ``mnist`` in ``$HARNESS_DATA``, else ``ylecun/mnist`` on the
            hub.
        model: ``cnn`` (80,202 parameters) or ``mlp`` (101,770).
        init: ``random`` weights per seed, or ``pretrained``.
        clients: number of clients, 1 to 27,500.
        partition: how the 55,000 training examples are spread over them.
        pretraining: for ``init: pretrained``: ``digits`` or ``letters``, and how.
        train: what of the model is trained.
    """

    kind: ClassVar[str] = "mnist"
    version: ClassVar[int] = 1
    default_source: ClassVar[Source] = "digits"
    input: ClassVar[None] = None
    head: ClassVar[None] = None

    data: str = _HUB_NAME
    model: Literal["cnn", "mlp"] = "cnn"
    init: Init = "random"
    clients: int = 100
    partition: Partition = field(default_factory=Partition)
    pretraining: Pretraining = field(default_factory=Pretraining)
    train: Trained = field(default_factory=Trained)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("clients", self.clients, 1, 27_500)
        check_source(self.pretraining, ("digits", "letters"), self.kind)

    def source(self) -> HubData:
        """Where the data is and what its parts are called."""
        return HubData(self.data, "image", "label", "train", "test", _VALIDATION)

    data_key, load_splits, load_groups = hub.data_key, hub.load_splits, hub.load_groups
    prepare = steps.prepare
    pretraining_folder = steps.pretraining_folder
    pretrain = steps.pretrain
    needs_activations, compute_activations = steps.needs_activations, steps.compute_activations
    build = steps.build
