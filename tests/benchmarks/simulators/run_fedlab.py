"""FedLab: its standalone pipeline, with the serial trainer and the synchronous server that it brings for FedAvg."""

import time

START_S = time.perf_counter()

import job  # noqa: E402 - start-up is measured from here
import stand_in  # noqa: E402

stand_in.install()

import torch  # noqa: E402
from fedlab.contrib.algorithm.basic_client import SGDSerialClientTrainer  # noqa: E402
from fedlab.contrib.algorithm.basic_server import SyncServerHandler  # noqa: E402
from fedlab.core.standalone import StandalonePipeline  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

PATH, ROUNDS, THREADS = job.settings()
images, labels, test_images, test_labels = job.arrays(PATH)
held = job.shares()


class Data:
    """The images of each client."""

    def get_dataloader(self, number, batch_size):
        """As FedLab asks for them in every round."""
        return DataLoader(TensorDataset(images[held[number]], labels[held[number]]), batch_size, shuffle=True)


class Pipeline(StandalonePipeline):
    """What is called after each round takes the time."""

    def evaluate(self):
        laps.lap()


torch.manual_seed(0)
network = job.Network()
trainer = SGDSerialClientTrainer(network, job.CLIENTS)
trainer.setup_dataset(Data())
trainer.setup_optim(1, job.BATCH, job.LR)
server = SyncServerHandler(model=network, global_round=ROUNDS, sample_ratio=job.COHORT / job.CLIENTS)
pipeline = Pipeline(server, trainer)
start_s = time.perf_counter() - START_S
laps = job.Laps()
pipeline.main()
job.tell("FedLab", laps, job.accuracy(server.model, test_images, test_labels), start_s)
