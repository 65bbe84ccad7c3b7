"""Defines the task ``images``: any image classification data set in Hugging Face's layout, from a folder or the hub."""

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


@dataclass(frozen=True)
class Images:
    """Any image data set in Hugging Face's layout, from a folder or from the hub, by name and columns.

    Attributes:
        data: a folder with the data set's files, or its name on the hub; a folder of the last part of that name in
            ``$HARNESS_DATA`` comes first.
        image_column, label_column: names of the columns.
        train_split, test_split: names of the splits.
        validation: examples held out of the training split for validation, at least 1.
        model: ``cnn``, ``mlp``, ``efficientnet_lite0``, or ``package.module:callable`` for a torch module of your own;
            it is called with the shape of an image (channels, height, width) and the number of labels.
        head: name of the model's last layer; the default is that of the harness's own models.
        init: ``random`` weights per seed, or ``pretrained``.
        clients: number of clients, at least 1.
        partition: how the training examples are spread over them.
        pretraining: for ``init: pretrained``: what on (``digits`` and ``letters``: 28x28 grey images only) and how, or
            which ``checkpoint``.
        train: what of the model is trained.
        input: size and normalisation of images of 8-bit pixels; without it they are standardised as they are.
    """

    kind: ClassVar[str] = "images"
    version: ClassVar[int] = 1
    default_source: ClassVar[Source] = "digits"

    data: str
    image_column: str = "image"
    label_column: str = "label"
    train_split: str = "train"
    test_split: str = "test"
    validation: int = 5000
    model: str = "cnn"
    head: str | None = None
    init: Init = "random"
    clients: int = 100
    partition: Partition = field(default_factory=Partition)
    pretraining: Pretraining = field(default_factory=Pretraining)
    train: Trained = field(default_factory=Trained)
    input: Input | None = None

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        check_range("clients", self.clients, 1, 1_000_000)
        check_range("validation", self.validation, 1, 10_000_000)
        check_model(self.model, ("cnn", "mlp", "efficientnet_lite0"))
        elsewhere: tuple[Source, ...] = ("imagenet",) if self.model == "efficientnet_lite0" else ()
        check_source(self.pretraining, ("digits", "letters", *elsewhere, "checkpoint"), self.kind)

    def source(self) -> HubData:
        """Where the data is and what its parts are called."""
        names = (self.image_column, self.label_column, self.train_split, self.test_split)
        return HubData(self.data, *names, self.validation, keeps_bytes=self.input is not None)

    data_key, load_splits, load_groups = hub.data_key, hub.load_splits, hub.load_groups
    prepare = steps.prepare
    pretraining_folder = steps.pretraining_folder
    pretrain = steps.pretrain
    needs_activations, compute_activations = steps.needs_activations, steps.compute_activations
    build = steps.build
