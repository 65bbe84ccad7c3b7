"""Partitions examples among clients with flwr-datasets."""

import warnings

import numpy as np
from datasets import Dataset
from flwr_datasets.partitioner import (
    DirichletPartitioner,
    IidPartitioner,
    NaturalIdPartitioner,
    Partitioner,
    PathologicalPartitioner,
)

from harness.core.errors import UsageError
from harness.core.seeds import stream
from harness.core.types import Int64
from harness.run.tasks.settings import Partition


def split_among_clients(
    labels: Int64, n_clients: int, partition: Partition, seed: int, groups: Int64 | None = None
) -> list[Int64]:
    """Positions in `labels` that each client holds, disjoint; together all of them, unless partitioned by column.

    Args:
        labels: int64, shape (n,).
        n_clients: at least 1.
        partition: how to spread.
        seed: evaluation seed; one draw per seed, the same for every method.
        groups: int64, shape (n,): value of the partition's column for each example, where it has one.

    Returns:
        A list of sorted int64 arrays, one per client, none shorter than ``partition.min_examples``.

    Raises:
        UsageError: no such partition was found, e.g. more clients than examples.
    """
    rng = stream(seed, "partition")
    order = rng.permutation(len(labels))
    columns = {"position": order, "label": labels[order]}
    if groups is not None:
        columns["group"] = groups[order]
    partitioner = _partitioner(n_clients, partition, int(rng.integers(2**31)))
    partitioner.dataset = Dataset.from_dict(columns)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shares = [np.sort(np.asarray(partitioner.load_partition(i)["position"])) for i in range(n_clients)]
    except (ValueError, KeyError, IndexError) as error:
        raise UsageError(_impossible(len(labels), n_clients, partition)) from error
    if min(map(len, shares)) < partition.min_examples:
        raise UsageError(_impossible(len(labels), n_clients, partition))
    return [share.astype(np.int64) for share in shares]


def _partitioner(n_clients: int, partition: Partition, seed: int) -> Partitioner:
    match partition.kind:
        case "iid":
            return IidPartitioner(num_partitions=n_clients)
        case "dirichlet":
            return DirichletPartitioner(
                num_partitions=n_clients,
                partition_by="label" if partition.column is None else "group",
                alpha=float(partition.alpha or 0.0),
                min_partition_size=partition.min_examples,
                self_balancing=False,
                seed=seed,
            )
        case "label":
            return PathologicalPartitioner(
                num_partitions=n_clients,
                partition_by="label" if partition.column is None else "group",
                num_classes_per_partition=partition.labels_per_client or 1,
                class_assignment_mode="first-deterministic",
                seed=seed,
            )
        case "column":
            return NaturalIdPartitioner(partition_by="group")


def _impossible(n_examples: int, n_clients: int, partition: Partition) -> str:
    setting = {
        "iid": "",
        "dirichlet": f" (alpha {partition.alpha})",
        "label": f" ({partition.labels_per_client} labels each)",
        "column": f" (a client per value of {partition.column})",
    }[partition.kind]
    return (
        f"task.partition: {n_examples} training examples cannot be spread over {n_clients} clients by "
        f"{partition.kind}{setting} with at least {partition.min_examples} examples each; use fewer clients, "
        "a milder partition or a smaller min_examples"
    )
