"""pfl-research: ``FederatedAveraging`` on its ``SimulatedBackend``, as its documentation sets it up for PyTorch."""

import time

START_S = time.perf_counter()

import job  # noqa: E402 - start-up is measured from here
import numpy as np  # noqa: E402
import torch  # noqa: E402
from pfl.aggregate.simulate import SimulatedBackend  # noqa: E402
from pfl.algorithm.base import NNAlgorithmParams  # noqa: E402
from pfl.algorithm.federated_averaging import FederatedAveraging  # noqa: E402
from pfl.callback.base import TrainingProcessCallback  # noqa: E402
from pfl.data.dataset import Dataset  # noqa: E402
from pfl.data.federated_dataset import FederatedDataset  # noqa: E402
from pfl.data.sampling import get_user_sampler  # noqa: E402
from pfl.hyperparam.base import NNEvalHyperParams, NNTrainHyperParams  # noqa: E402
from pfl.metrics import Weighted  # noqa: E402
from pfl.model.pytorch import PyTorchModel  # noqa: E402
from torch.nn import functional  # noqa: E402

PATH, ROUNDS, THREADS = job.settings()
NEVER = 10**6


class Network(job.Network):
    """The job's network with the two methods that pfl asks of a model."""

    def loss(self, images, labels, eval=False):
        """Cross-entropy of a batch."""
        self.train(not eval)
        return functional.cross_entropy(self(images), labels)

    @torch.no_grad()
    def metrics(self, images, labels, eval=False):
        """Mean loss, with its weight."""
        return {"loss": Weighted(self.loss(images, labels, eval).item() * len(labels), len(labels))}


class Clock(TrainingProcessCallback):
    """Laps between central iterations."""

    def on_train_begin(self, *, model):
        self.laps = job.Laps()
        return super().on_train_begin(model=model)

    def after_central_iteration(self, aggregate_metrics, model, *, central_iteration):
        self.laps.lap()
        return super().after_central_iteration(aggregate_metrics, model, central_iteration=central_iteration)


images, labels, test_images, test_labels = job.arrays(PATH)
held, order = job.shares(), np.random.default_rng(2)


def client(number):
    """The images of a client, in a new order each time."""
    positions = held[number][torch.from_numpy(order.permutation(job.EXAMPLES))]
    return Dataset(raw_data=[images[positions], labels[positions]])


torch.manual_seed(0)
network = Network()
model = PyTorchModel(network, torch.optim.SGD, torch.optim.SGD(network.parameters(), lr=1.0))
data = FederatedDataset(client, get_user_sampler("minimize_reuse", list(range(job.CLIENTS))))
clock = Clock()
start_s = time.perf_counter() - START_S
FederatedAveraging().run(
    NNAlgorithmParams(
        central_num_iterations=ROUNDS,
        evaluation_frequency=NEVER,
        train_cohort_size=job.COHORT,
        val_cohort_size=0,
    ),
    SimulatedBackend(training_data=data, val_data=data),
    model,
    NNTrainHyperParams(local_num_epochs=1, local_learning_rate=job.LR, local_batch_size=job.BATCH),
    NNEvalHyperParams(local_batch_size=1000),
    callbacks=[clock],
)
job.tell("pfl-research", clock.laps, job.accuracy(network, test_images, test_labels), start_s)
