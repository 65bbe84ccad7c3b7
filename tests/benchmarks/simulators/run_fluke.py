"""fluke: ``FedAVG`` through its Python interface, evaluation left out."""

import time

START_S = time.perf_counter()

import job  # noqa: E402 - start-up is measured from here
import stand_in  # noqa: E402

stand_in.install()

import torch  # noqa: E402
from fluke import DDict, FlukeENV  # noqa: E402
from fluke.algorithms.fedavg import FedAVG  # noqa: E402
from fluke.data import DataSplitter, DummyDataContainer, FastDataLoader  # noqa: E402
from fluke.evaluation import ClassificationEval  # noqa: E402
from fluke.utils import FederationObserver  # noqa: E402

PATH, ROUNDS, THREADS = job.settings()
NEVER = 10**6


class Clock(FederationObserver):
    """Laps from the start of a round to its end."""

    def __init__(self):
        super().__init__()
        self.laps = job.Laps()

    def start_round(self, round, global_model):
        self.laps.start()

    def end_round(self, round):
        self.laps.lap()


def loader(images, labels):
    """As fluke wants the images of a client."""
    return FastDataLoader(images, labels, num_labels=10, batch_size=job.BATCH, shuffle=True, skip_singleton=False)


environment = FlukeENV()
environment.set_seed(0)
environment.set_device("cpu")
environment.set_inmemory(True)
environment.set_eval_cfg(pre_fit=False, post_fit=False, server=False, locals=False)
environment.set_evaluator(ClassificationEval(eval_every=NEVER, n_classes=10))
images, labels, test_images, test_labels = job.arrays(PATH)
clients = [loader(images[held], labels[held]) for held in job.shares()]
held_out = FastDataLoader(test_images, test_labels, num_labels=10, batch_size=1000)
settings = DDict(
    model=job.Network(),
    client=DDict(
        batch_size=job.BATCH,
        local_epochs=1,
        loss="CrossEntropyLoss",
        optimizer=DDict(name="SGD", lr=job.LR),
        scheduler=DDict(name="StepLR", step_size=NEVER, gamma=1.0),
    ),
    server=DDict(weighted=True),
)
algorithm = FedAVG(job.CLIENTS, DataSplitter(DummyDataContainer(clients, [None] * job.CLIENTS, held_out, 10)), settings)
clock = Clock()
algorithm.set_callbacks([clock])
start_s = time.perf_counter() - START_S
torch.set_num_threads(THREADS)
algorithm.run(ROUNDS, job.COHORT / job.CLIENTS, finalize=False)
job.tell("fluke", clock.laps, job.accuracy(algorithm.server.model, test_images, test_labels), start_s)
