"""Task ``mnist``: 70,000 scans of handwritten digits, 28x28 pixels.

The 60,000 training examples are split into 55,000 for the clients and 5,000 for validation, the same for all seeds; the
10,000 test examples are only scored.

References:
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition",
    Proceedings of the IEEE, 1998.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from harness.core.types import Examples, Int64
from harness.tasks import steps
from harness.tasks.hub import HubData
from harness.tasks.settings import Init, Partition, Pretraining, Source, check_range, check_source

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
    """

    kind: ClassVar[str] = "mnist"
    default_source: ClassVar[Source] = "digits"

    data: str = _HUB_NAME
    model: Literal["cnn", "mlp"] = "cnn"
    init: Init = "random"
    clients: int = 100
    partition: Partition = field(default_factory=Partition)
    pretraining: Pretraining = field(default_factory=Pretraining)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("clients", self.clients, 1, 27_500)
        check_source(self.pretraining, ("digits", "letters"), self.kind)

    def _source(self) -> HubData:
        return HubData(self.data, "image", "label", "train", "test", _VALIDATION)

    def data_key(self) -> Mapping[str, Any]:
        """Everything that the content of the splits depends on."""
        return self._source().key()

    def load_splits(self) -> Mapping[str, Examples]:
        """The disjoint splits: standardised images of shape (n, 1, 28, 28), labels 0 to 9."""
        return self._source().load_splits()

    def load_groups(self) -> Int64:
        """Value of the partition's column for each training example, as numbers from 0."""
        return self._source().load_groups(self.partition.column or "")

    prepare = steps.prepare
    pretraining_folder = steps.pretraining_folder
    pretrain = steps.pretrain
    build = steps.build
