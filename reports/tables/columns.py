"""Defines what each column of a table means: heading, unit, direction and digits. Column names carry units as well.

The tables about deployments are in `reports.tables.deployment_columns`.
"""

from collections.abc import Mapping

from reports.tables.deployment_columns import DEPLOYMENT_TABLES
from reports.tables.meanings import KEY, SCENARIO, Meaning, text

_BITS = {
    "uplink_bits": Meaning("Uplink", "bit", "lower", 4),
    "downlink_bits": Meaning("Downlink", "bit", "lower", 4),
    "total_bits": Meaning("Total", "bit", "lower", 4),
}
_MULTICAST_BITS = {
    "multicast_downlink_bits": Meaning("Downlink", "bit", "lower", 4),
    "multicast_total_bits": Meaning("Total", "bit", "lower", 4),
}
_SCORES = {
    "initial_accuracy": Meaning("Initial validation accuracy", "share", "higher", 3),
    "validation_accuracy": Meaning("Validation accuracy", "share", "higher", 3),
    "test_accuracy": Meaning("Test accuracy", "share", "higher", 3),
    "sent_test_accuracy": Meaning("Test accuracy, as clients decode the model", "share", "higher", 3),
    "deployed_accuracy": Meaning("Test accuracy that methods are judged by", "share", "higher", 3),
}
_CPU_S = {
    name: Meaning(label, "s", "lower", 3)
    for name, label in {
        "local_training_cpu_s": "Local training",
        "encode_cpu_s": "Encode",
        "decode_cpu_s": "Decode",
        "aggregate_cpu_s": "Aggregate",
        "evaluate_cpu_s": "Evaluate",
        "setup_cpu_s": "Set-up",
        "codec_timing_cpu_s": "Codec timing",
        "other_cpu_s": "Other",
        "cpu_s": "CPU time",
        "wall_s": "Wall time",
    }.items()
}
_ENDS = {"low": Meaning("Low", digits=4), "high": Meaning("High", digits=4), "note": text("Note")}

TABLES: Mapping[str, Mapping[str, Meaning]] = {
    **DEPLOYMENT_TABLES,
    "cells": {
        **KEY,
        "init": text("Initialisation"),
        "rounds": Meaning("Rounds", digits=12),
        "clients_seen": Meaning("Clients seen", digits=12),
        **_BITS,
        **_MULTICAST_BITS,
        "reference_bits": Meaning("As raw float32", "bit", "", 4),
        "frame_bits": Meaning("Frames", "bit", "lower", 4),
        "provisioning_bits": Meaning("Before round 1", "bit", "lower", 4),
        **_SCORES,
        **_CPU_S,
        "testbed_cpu_j": Meaning("CPU energy on this host", "J", "lower", 2),
        "testbed_method": text("How"),
        "testbed_scope": text("Scope"),
        "testbed_evidence": text("Class"),
        "meter": text("Meter"),
        "coverage_share": Meaning("Coverage", "share", "higher", 3),
        "other_share": Meaning("Other", "share", "lower", 3),
        "machine": text("Machine"),
        "facts_digest": text("Facts digest"),
    },
    "trajectories": {
        **KEY,
        "round": Meaning("Round", digits=12),
        "split": text("Split"),
        "accuracy": Meaning("Accuracy", "share", "higher", 3),
        "loss": Meaning("Loss", "nat", "lower", 3),
        **_BITS,
    },
    "compute": {
        "method": text("Method"),
        "operation": text("Operation"),
        "machine": text("Machine"),
        "n_cells": Meaning("Cells", digits=12),
        "cpu_s": Meaning("CPU time", "s", "lower", 3),
        "spread_share": Meaning("Scatter", "share", "lower", 2),
    },
    "pairs": {
        "method": text("Method"),
        "reference": text("Reference"),
        "quantity": text("Quantity"),
        **SCENARIO,
        "kind": text("Kind"),
        "n_pairs": Meaning("Pairs", digits=12),
        "estimate": Meaning("Estimate", digits=4),
        **_ENDS,
    },
    "methods": {
        "method": text("Method"),
        "quantity": text("Quantity"),
        **SCENARIO,
        "n": Meaning("Seeds", digits=12),
        "mean": Meaning("Mean", digits=4),
        **_ENDS,
    },
    "budgets": {
        "method": text("Method"),
        "quantity": text("Quantity"),
        "share": Meaning("Share of the reference", "share", digits=3),
        "budget_bits": Meaning("Budget", "bit", digits=4),
        "n_seeds": Meaning("Seeds", digits=12),
        "n_scored": Meaning("Seeds with a score", digits=12),
        "mean": Meaning("Last validation accuracy", "share", "higher", 3),
        **_ENDS,
    },
    "cost_budgets": {
        "method": text("Method"),
        **SCENARIO,
        "quantity": text("Quantity"),
        "share": Meaning("Share of the reference", "share", digits=3),
        "budget": Meaning("Budget", digits=4),
        "n_seeds": Meaning("Seeds", digits=12),
        "n_scored": Meaning("Seeds with a score", digits=12),
        "n_exhausted": Meaning("Seeds that use it up", digits=12),
        "last_round": Meaning("Last round", digits=12),
        "mean": Meaning("Last validation accuracy", "share", "higher", 3),
        **_ENDS,
    },
    "contrasts": {
        "name": text("Contrast"),
        "quantity": text("Quantity"),
        "unit": text("Unit"),
        "n": Meaning("Seeds", digits=12),
        "estimate": Meaning("Estimate", digits=4),
        **_ENDS,
        "role": text("Role"),
        "t_p": Meaning("p, t test", digits=2),
        "t_holm_p": Meaning("p, t test, after Holm", digits=2),
        "sign_flip_p": Meaning("p, signs", digits=2),
        "sign_flip_holm_p": Meaning("p, signs, after Holm", digits=2),
        "verdict": text("Verdict"),
    },
    "seeds": {
        "method": text("Method"),
        "reference": text("Reference"),
        "quantity": text("Quantity"),
        "kind": text("Kind"),
        "n_pairs": Meaning("Pairs", digits=12),
        "spread": Meaning("Spread between seeds", digits=3),
        "effect": Meaning("Difference to show", digits=3),
        "seeds": Meaning("Seeds it takes", digits=12),
        "note": text("Note"),
    },
    "noise": {
        "machine": text("Machine"),
        "method": text("Method"),
        "reference": text("Reference"),
        "quantity": text("Quantity"),
        "n_cells": Meaning("Cells", digits=12),
        "value": Meaning("Mean", digits=3),
        "reference_value": Meaning("Mean of the reference", digits=3),
        "difference_share": Meaning("Difference", "share", digits=2),
        "floor_share": Meaning("Noise floor", "share", digits=2),
        "floor_source": text("Floor from"),
        "is_above": Meaning("Above the floor", digits=12),
    },
    "pareto": {
        "method": text("Method"),
        "quantity": text("Quantity"),
        **SCENARIO,
        "cost": Meaning("Cost", "", "lower", 4),
        "accuracy": Meaning("Accuracy", "share", "higher", 4),
        "score": text("Score"),
        "dominated_by": text("Dominated by"),
        "is_on_front": Meaning("On the front", digits=12),
    },
    "shadows": {
        **KEY,
        "direction": text("Direction"),
        "coding": text("Coding"),
        "n_payloads": Meaning("Payloads", digits=12),
        "sent_bits": Meaning("As sent", "bit", "lower", 4),
        "shadow_bits": Meaning("With the other coding", "bit", "lower", 4),
    },
    "statistics": {
        **KEY,
        "init": text("Initialisation"),
        "round": Meaning("Round", digits=12),
        "client": Meaning("Client", digits=12),
        "tensor": text("Tensor"),
        "size": Meaning("Entries", digits=12),
        "sigma": Meaning("Standard deviation", digits=3),
        "kurtosis": Meaning("Kurtosis", digits=3),
        "absmax_sigmas": Meaning("Largest magnitude", "sigma", digits=3),
        "entropy_bits": Meaning("Entropy at a fixed step", "bit", digits=3),
        "shape_entropy_bits": Meaning("Entropy at a step of sigma / 2", "bit", digits=3),
        "step": Meaning("Step", digits=3),
    },
    "initialisations": {
        "quantity": text("Quantity"),
        "init": text("Initialisation"),
        "other_init": text("Beside"),
        "kind": text("Kind"),
        "n_pairs": Meaning("Seeds", digits=12),
        "estimate": Meaning("Estimate", digits=4),
        **_ENDS,
    },
}
"""Columns of each table. Text may be empty (no radio, no grid); an unknown number is empty, never 0."""

METHOD_BITS = (*_BITS, *_MULTICAST_BITS)
"""Bits on the air: per direction and in total; a downlink payload once per receiver, or once per broadcast."""

METHOD_QUANTITIES = (*METHOD_BITS, "reference_bits", "frame_bits", "provisioning_bits", *_SCORES)
"""Quantities that a report looks up in ``methods.csv``; more rows are welcome."""

PAIR_QUANTITIES = (
    *_BITS,
    *_MULTICAST_BITS,
    "test_accuracy",
    "sent_test_accuracy",
    "deployed_accuracy",
    "validation_accuracy",
    "radio_energy_j",
    "device_energy_j",
    "deployment_energy_j",
    "carbon_g",
    "pass_through",
)
"""Quantities that a report looks up in ``pairs.csv``; a missing row prints as "not paired".

Where payloads have a shadow, ``total_bits_as_<coding>`` as well.
"""


def meaning(column: str) -> Meaning:
    """What a column means, in any table."""
    for columns in TABLES.values():
        if column in columns:
            return columns[column]
    raise KeyError(column)
