"""Task ``images``: any image classification data set in Hugging Face's layout, from a folder or from the hub."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from harness.tasks import hub, steps
from harness.tasks.hub import HubData
from harness.tasks.settings import Init, Partition, Pretraining, Source, check_range, check_source


@dataclass(frozen=True)
class Images:
    """Any image data set in Hugging Face's layout, from a folder or from the hub, by name and columns.

    Attributes:
        data: a folder with the data set's files, or its name on the hub; a folder of the last part of that name in
            ``$HARNESS_DATA`` comes first.
        image_column, label_column: names of the columns.
        train_split, test_split: names of the splits.
        validation: examples held out of the training split for validation, at least 1.
        model: ``cnn`` or ``mlp``.
        init: ``random`` weights per seed, or ``pretrained``.
        clients: number of clients, at least 1.
        partition: how the training examples are spread over them.
        pretraining: for ``init: pretrained``: what on (28x28 grey images only) and how.
    """

    kind: ClassVar[str] = "images"
    default_source: ClassVar[Source] = "digits"

    data: str
    image_column: str = "image"
    label_column: str = "label"
    train_split: str = "train"
    test_split: str = "test"
    validation: int = 5000
    model: Literal["cnn", "mlp"] = "cnn"
    init: Init = "random"
    clients: int = 100
    partition: Partition = field(default_factory=Partition)
    pretraining: Pretraining = field(default_factory=Pretraining)

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("clients", self.clients, 1, 1_000_000)
        check_range("validation", self.validation, 1, 10_000_000)
        check_source(self.pretraining, ("digits", "letters"), self.kind)

    def source(self) -> HubData:
        """Where the data is and what its parts are called."""
        names = (self.image_column, self.label_column, self.train_split, self.test_split)
        return HubData(self.data, *names, self.validation)

    data_key, load_splits, load_groups = hub.data_key, hub.load_splits, hub.load_groups
    prepare = steps.prepare
    pretraining_folder = steps.pretraining_folder
    pretrain = steps.pretrain
    build = steps.build
