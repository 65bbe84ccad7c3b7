"""The tables that a report reads: the columns they must have, and what each column means.

A report reads a folder of CSV files and ``context.json`` and nothing else. A folder that lacks a file or a column is
refused with one line.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.errors import UsageError
from reports.document import Better

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Meaning:
    """What a column holds.

    Attributes:
        label: for headings.
        unit: as stored; empty for text, counts and shares.
        better: which direction is better, or empty.
        digits: significant digits to print; 0 for text.
    """

    label: str
    unit: str = ""
    better: Better = ""
    digits: int = 0

    @property
    def is_text(self) -> bool:
        """Whether the column is read as text."""
        return self.digits == 0


def _text(label: str) -> Meaning:
    return Meaning(label)


_KEY = {"cell_id": _text("Cell"), "method": _text("Method"), "seed": Meaning("Seed", digits=12)}
_SCENARIO = {"radio": _text("Radio"), "grid": _text("Grid")}
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

TABLES: Mapping[str, Mapping[str, Meaning]] = {
    "cells": {
        **_KEY,
        "init": _text("Initialisation"),
        "rounds": Meaning("Rounds", digits=12),
        "clients_seen": Meaning("Clients seen", digits=12),
        **_BITS,
        **_MULTICAST_BITS,
        "reference_bits": Meaning("As raw float32", "bit", "", 4),
        "frame_bits": Meaning("Frames", "bit", "lower", 4),
        **_SCORES,
        **_CPU_S,
        "testbed_cpu_j": Meaning("CPU energy on this host", "J", "lower", 2),
        "testbed_method": _text("How"),
        "testbed_scope": _text("Scope"),
        "testbed_evidence": _text("Class"),
        "meter": _text("Meter"),
        "coverage_share": Meaning("Coverage", "share", "higher", 3),
        "other_share": Meaning("Other", "share", "lower", 3),
        "machine": _text("Machine"),
        "facts_digest": _text("Facts digest"),
    },
    "trajectories": {
        **_KEY,
        "round": Meaning("Round", digits=12),
        "split": _text("Split"),
        "accuracy": Meaning("Accuracy", "share", "higher", 3),
        "loss": Meaning("Loss", "nat", "lower", 3),
        **_BITS,
    },
    "breakdown": {
        **_KEY,
        **_SCENARIO,
        "component": _text("Component"),
        "energy_j": Meaning("Energy", "J", "lower", 2),
        "energy_low_j": Meaning("Energy, low", "J", "lower", 2),
        "energy_high_j": Meaning("Energy, high", "J", "lower", 2),
        "carbon_g": Meaning("Carbon", "g", "lower", 2),
        "carbon_low_g": Meaning("Carbon, low", "g", "lower", 2),
        "carbon_high_g": Meaning("Carbon, high", "g", "lower", 2),
    },
    "usage": {
        **_KEY,
        "radio": _text("Radio"),
        "direction": _text("Direction"),
        "sessions": Meaning("Sessions", "", "lower", 4),
        "tail_s": Meaning("Tail", "s", "lower", 3),
        "active_s": Meaning("On the air", "s", "lower", 3),
        "mbit": Meaning("Carried", "Mbit", "lower", 4),
    },
    "footprint": {
        **_KEY,
        **_SCENARIO,
        "round": Meaning("Round", digits=12),
        "energy_j": Meaning("Energy", "J", "lower", 2),
        "carbon_g": Meaning("Carbon", "g", "lower", 2),
    },
    "compute": {
        "method": _text("Method"),
        "operation": _text("Operation"),
        "machine": _text("Machine"),
        "n_cells": Meaning("Cells", digits=12),
        "cpu_s": Meaning("CPU time", "s", "lower", 3),
        "spread_share": Meaning("Scatter", "share", "lower", 2),
    },
    "pairs": {
        "method": _text("Method"),
        "reference": _text("Reference"),
        "quantity": _text("Quantity"),
        **_SCENARIO,
        "kind": _text("Kind"),
        "n_pairs": Meaning("Pairs", digits=12),
        "estimate": Meaning("Estimate", digits=4),
        "low": Meaning("Low", digits=4),
        "high": Meaning("High", digits=4),
        "note": _text("Note"),
    },
    "methods": {
        "method": _text("Method"),
        "quantity": _text("Quantity"),
        **_SCENARIO,
        "n": Meaning("Seeds", digits=12),
        "mean": Meaning("Mean", digits=4),
        "low": Meaning("Low", digits=4),
        "high": Meaning("High", digits=4),
        "note": _text("Note"),
    },
}
"""Columns of each table. Text may be empty (no radio, no grid); an unknown number is empty, never 0."""

METHOD_BITS = (*_BITS, *_MULTICAST_BITS)
"""Bits on the air: per direction and in total; a downlink payload once per receiver, or once per broadcast."""

METHOD_QUANTITIES = (*METHOD_BITS, "reference_bits", "frame_bits", *_SCORES)
"""Quantities that a report looks up in ``methods.csv``; more rows are welcome."""

PAIR_QUANTITIES = (
    *_BITS,
    *_MULTICAST_BITS,
    "test_accuracy",
    "validation_accuracy",
    "radio_energy_j",
    "device_energy_j",
    "carbon_g",
    "pass_through",
)
"""Quantities that a report looks up in ``pairs.csv``; a missing row prints as "not paired"."""

CONTEXT_KEYS = ("schema_version", "name", "spec", "reference", "methods", "scenarios", "cells")
"""Keys that ``context.json`` must have; the others print as "not recorded" where they are missing."""


Rows = Mapping[tuple[str, ...], list[dict[str, Any]]]
"""Rows of a table, as mappings from column to value, by the values of their key columns."""


@dataclass(frozen=True)
class Tables:
    """A folder of tables, read.

    Attributes:
        cells, trajectories, breakdown, usage, footprint, compute, pairs, methods: data frames with the columns of
            `TABLES`.
        context: the content of ``context.json``.
    """

    cells: pd.DataFrame
    trajectories: pd.DataFrame
    breakdown: pd.DataFrame
    usage: pd.DataFrame
    footprint: pd.DataFrame
    compute: pd.DataFrame
    pairs: pd.DataFrame
    methods: pd.DataFrame
    context: Mapping[str, Any]

    @cached_property
    def pair_rows(self) -> Rows:
        """Rows of `pairs` by method, quantity, radio and grid."""
        return _indexed(self.pairs, ("method", "quantity", "radio", "grid"))

    @cached_property
    def method_rows(self) -> Rows:
        """Rows of `methods` by method, quantity, radio and grid."""
        return _indexed(self.methods, ("method", "quantity", "radio", "grid"))

    @cached_property
    def breakdown_rows(self) -> Rows:
        """Rows of `breakdown` by method, radio and grid."""
        return _indexed(self.breakdown, ("method", "radio", "grid"))


def meaning(column: str) -> Meaning:
    """What a column means, whichever table it stands in."""
    for columns in TABLES.values():
        if column in columns:
            return columns[column]
    raise KeyError(column)


def read_tables(folder: Path) -> Tables:
    """Read and check a tables folder.

    Raises:
        UsageError: a file or a column is missing, a number is no number, or the folder is of another version.
    """
    frames = {name: _read_table(folder / f"{name}.csv", columns) for name, columns in TABLES.items()}
    return Tables(context=_read_context(folder / "context.json"), **frames)


def _indexed(frame: pd.DataFrame, keys: tuple[str, ...]) -> Rows:
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for record in frame.to_dict("records"):
        row = {str(column): value for column, value in record.items()}
        rows.setdefault(tuple(str(row[key]) for key in keys), []).append(row)
    return rows


def _read_table(path: Path, columns: Mapping[str, Meaning]) -> pd.DataFrame:
    texts = {name: str for name, meaning in columns.items() if meaning.is_text}
    blanks = {name: [""] for name in columns if name not in texts}
    try:
        # A method may be called "NA": only an empty field of a number column is a missing value.
        frame = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=blanks, encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name}: cannot be read as a table ({_first_line(error)})") from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise UsageError(
            f"{path.name}: lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
            "build the tables again with this version (`harness report RESULTS`)"
        )
    for name in columns:
        if name not in texts:
            try:
                frame[name] = pd.to_numeric(frame[name]).astype("float64")
            except (TypeError, ValueError) as error:
                raise UsageError(f"{path.name}: column {name} holds something that is no number") from error
    return frame


def _read_context(path: Path) -> Mapping[str, Any]:
    try:
        context = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name}: cannot be read ({_first_line(error)})") from error
    if not isinstance(context, dict):
        raise UsageError(f"{path.name}: holds no mapping; build the tables again")
    missing = [key for key in CONTEXT_KEYS if key not in context]
    if missing:
        raise UsageError(f"{path.name}: lacks {', '.join(missing)}; build the tables again with this version")
    if context["schema_version"] != SCHEMA_VERSION:
        raise UsageError(
            f"{path.name}: schema version {context['schema_version']}, this version reads {SCHEMA_VERSION}; "
            "build the tables again"
        )
    return context


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
