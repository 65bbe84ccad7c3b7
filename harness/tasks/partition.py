"""Who holds which examples: partitions drawn by flwr-datasets."""

import warnings

import numpy as np

from harness.core.errors import UsageError
from harness.core.seeds import stream
from harness.core.types import Int64
from harness.tasks.settings import Partition


def split_among_clients(labels: Int64, n_clients: int, partition: Partition, seed: int) -> list[Int64]:
    """Positions in `labels` that each client holds: disjoint, together all of them.

    Args:
        labels: int64, shape (n,).
        n_clients: at least 1.
        partition: how to spread.
        seed: evaluation seed; one draw per seed, the same for every method.

    Returns:
        A list of int64 arrays, one per client, none shorter than ``partition.min_examples``.

    Raises:
        UsageError: no such partition was found, e.g. more clients than examples.
    """
    from datasets import Dataset
    from flwr_datasets.partitioner import DirichletPartitioner, IidPartitioner

    rng = stream(seed, "partition")
    order = rng.permutation(len(labels))
    dataset = Dataset.from_dict({"position": order, "label": labels[order]})
    if partition.kind == "iid":
        partitioner = IidPartitioner(num_partitions=n_clients)
    else:
        partitioner = DirichletPartitioner(
            num_partitions=n_clients,
            partition_by="label",
            alpha=float(partition.alpha or 0.0),
            min_partition_size=partition.min_examples,
            self_balancing=False,
            seed=int(rng.integers(2**31)),
        )
    partitioner.dataset = dataset
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = [np.sort(np.asarray(partitioner.load_partition(i)["position"])) for i in range(n_clients)]
    except ValueError as error:
        raise UsageError(_too_thin(len(labels), n_clients, partition)) from error
    if min(map(len, shares)) < partition.min_examples:
        raise UsageError(_too_thin(len(labels), n_clients, partition))
    return [share.astype(np.int64) for share in shares]


def _too_thin(n_examples: int, n_clients: int, partition: Partition) -> str:
    return (
        f"task.partition: {n_examples} training examples cannot be spread over {n_clients} clients with at least "
        f"{partition.min_examples} each ({partition}); use fewer clients, a larger alpha or a smaller min_examples"
    )
