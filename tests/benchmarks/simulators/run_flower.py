"""Flower: ``FedAvg`` in its simulation on Ray, with the message interface; an actor of one thread per core used."""

import os
import sys
import time
from pathlib import Path

START_S = time.perf_counter()
FOLDER = str(Path(__file__).parent)
os.environ.setdefault("FLWR_TELEMETRY_ENABLED", "0")
os.environ.setdefault("FLWR_DISABLE_UPDATE_CHECK", "1")
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import job  # noqa: E402 - start-up is measured from here
import psutil  # noqa: E402
import torch  # noqa: E402
from flwr.app import ArrayRecord, Message, MetricRecord, RecordDict  # noqa: E402
from flwr.clientapp import ClientApp  # noqa: E402
from flwr.serverapp import ServerApp  # noqa: E402
from flwr.serverapp.strategy import FedAvg  # noqa: E402
from flwr.simulation import run_simulation  # noqa: E402

PATH, ROUNDS, ACTORS = job.settings()
PATH = PATH.resolve()
client, server = ClientApp(), ServerApp()


def tree_cpu_seconds():
    """CPU seconds of this process and of all that it started: the actors live on, and time comes from outside them."""
    everyone = [psutil.Process(), *psutil.Process().children(recursive=True)]
    total = 0.0
    for process in everyone:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


@client.train()
def train(message, context):
    """One pass over the images of the client; these are read once in each actor."""
    sys.path.insert(0, FOLDER)
    import job
    import torch

    torch.set_num_threads(1)
    if not hasattr(job, "kept"):
        job.kept = (*job.arrays(PATH)[:2], job.shares())
    images, labels, shares = job.kept
    held = shares[context.node_config["partition-id"]]
    network = job.Network()
    network.load_state_dict(message.content["arrays"].to_torch_state_dict())
    optimiser = torch.optim.SGD(network.parameters(), lr=job.LR)
    for batch in held[torch.randperm(len(held))].split(job.BATCH):
        optimiser.zero_grad()
        job.functional.cross_entropy(network(images[batch]), labels[batch]).backward()
        optimiser.step()
    content = {
        "arrays": ArrayRecord(network.state_dict()),
        "metrics": MetricRecord({"num-examples": len(held)}),
    }
    return Message(content=RecordDict(content), reply_to=message)


class Timed(FedAvg):
    """FedAvg that takes the time of its rounds."""

    laps = None

    def configure_train(self, server_round, *args, **settings):
        Timed.laps = Timed.laps or job.Laps()
        self.laps.start()
        return super().configure_train(server_round, *args, **settings)

    def aggregate_train(self, *args):
        found = super().aggregate_train(*args)
        self.laps.lap()
        return found


@server.main()
def main(grid, context):
    """All rounds, without evaluation by clients."""
    torch.manual_seed(0)
    network = job.Network()
    strategy = Timed(fraction_train=job.COHORT / job.CLIENTS, fraction_evaluate=0.0, min_available_nodes=job.CLIENTS)
    start_s = time.perf_counter() - START_S
    result = strategy.start(grid=grid, initial_arrays=ArrayRecord(network.state_dict()), num_rounds=ROUNDS)
    network.load_state_dict(result.arrays.to_torch_state_dict())
    _, _, images, labels = job.arrays(PATH)
    job.tell("Flower", Timed.laps, job.accuracy(network, images, labels), start_s)


if __name__ == "__main__":
    job.cpu_seconds = tree_cpu_seconds
    resources = {"client_resources": {"num_cpus": 1, "num_gpus": 0.0}, "init_args": {"num_cpus": ACTORS}}
    run_simulation(server, client, job.CLIENTS, backend_config=resources)
