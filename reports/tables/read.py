"""Reads a folder of report tables and checks them; `reports.tables.columns` says what is in them.

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
from reports.tables.columns import TABLES
from reports.tables.meanings import Meaning

SCHEMA_VERSIONS = (1, 2)
"""Versions of ``context.json`` that are read; in 1, which published tables have, notes are texts."""

CONTEXT_KEYS = ("schema_version", "name", "spec", "reference", "methods", "scenarios", "cells")
"""Keys that ``context.json`` must have; the others print as "not recorded" where they are missing."""


Rows = Mapping[tuple[str, ...], list[dict[str, Any]]]
"""Rows of a table, as mappings from column to value, by the values of their key columns."""


@dataclass(frozen=True)
class Tables:
    """A folder of tables, read.

    Attributes:
        cells, trajectories, breakdown, usage, footprint, schedule, boundary, groups, endurance, targets, uncertainty,
            ratios, variance, ranks, break_even, formulas, compute, pairs, methods, budgets, cost_budgets, contrasts,
            shadows,
            provisioning, statistics, initialisations, seeds, pareto, noise: data frames with the columns of `TABLES`.
            Many have no rows where a definition requests none.
        context: the content of ``context.json``.
        what_if: the content of ``what_if.json``, with which a page prices anew; None where a folder has none.
    """

    cells: pd.DataFrame
    trajectories: pd.DataFrame
    breakdown: pd.DataFrame
    usage: pd.DataFrame
    footprint: pd.DataFrame
    schedule: pd.DataFrame
    boundary: pd.DataFrame
    groups: pd.DataFrame
    endurance: pd.DataFrame
    targets: pd.DataFrame
    uncertainty: pd.DataFrame
    ratios: pd.DataFrame
    variance: pd.DataFrame
    ranks: pd.DataFrame
    break_even: pd.DataFrame
    formulas: pd.DataFrame
    compute: pd.DataFrame
    pairs: pd.DataFrame
    methods: pd.DataFrame
    budgets: pd.DataFrame
    cost_budgets: pd.DataFrame
    contrasts: pd.DataFrame
    shadows: pd.DataFrame
    provisioning: pd.DataFrame
    statistics: pd.DataFrame
    initialisations: pd.DataFrame
    seeds: pd.DataFrame
    pareto: pd.DataFrame
    noise: pd.DataFrame
    context: Mapping[str, Any]
    what_if: Mapping[str, Any] | None = None

    @cached_property
    def pair_rows(self) -> Rows:
        """Rows of `pairs` by method, quantity, radio and grid."""
        return _indexed(self.pairs, ("method", "quantity", "radio", "grid"))

    @cached_property
    def method_rows(self) -> Rows:
        """Rows of `methods` by method, quantity, radio and grid."""
        return _indexed(self.methods, ("method", "quantity", "radio", "grid"))

    @cached_property
    def scenarios(self) -> tuple[list[str], list[str]]:
        """Radios and grids that were priced, in the order of `breakdown`; an empty one means none."""
        radios, grids = (self.breakdown[column].drop_duplicates().tolist() for column in ("radio", "grid"))
        return radios, grids

    @cached_property
    def places(self) -> dict[str, list[str]]:
        """Grids that each radio was priced with, in the order of `breakdown`; a fleet brings its own."""
        pairs = self.breakdown[["radio", "grid"]].drop_duplicates().itertuples(index=False, name=None)
        found: dict[str, list[str]] = {}
        for radio, grid in pairs:
            found.setdefault(str(radio), []).append(str(grid))
        return found

    @cached_property
    def breakdown_rows(self) -> Rows:
        """Rows of `breakdown` by method, radio and grid."""
        return _indexed(self.breakdown, ("method", "radio", "grid"))


def read_tables(folder: Path) -> Tables:
    """Read and check a tables folder.

    Raises:
        UsageError: a file or a column is missing, a number is no number, or the folder is of another version.
    """
    frames = {name: _read_table(folder / f"{name}.csv", columns) for name, columns in TABLES.items()}
    has_more = (folder / "what_if.json").exists()
    more = _read_mapping(folder / "what_if.json") if has_more else None
    return Tables(context=_read_context(folder / "context.json"), what_if=more, **frames)


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
            f"{path.name}: lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}; these tables are of "
            f"an earlier version, and `harness report {path.parent.parent}` makes them anew"
        )
    for name in columns:
        if name not in texts:
            try:
                frame[name] = pd.to_numeric(frame[name]).astype("float64")
            except (TypeError, ValueError) as error:
                raise UsageError(f"{path.name}: column {name} holds something that is no number") from error
    return frame


def _read_mapping(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name}: cannot be read ({_first_line(error)})") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path.name}: holds no mapping; build the tables again")
    return found


def _read_context(path: Path) -> Mapping[str, Any]:
    context = _read_mapping(path)
    missing = [key for key in CONTEXT_KEYS if key not in context]
    if missing:
        raise UsageError(f"{path.name}: lacks {', '.join(missing)}; build the tables again with this version")
    if context["schema_version"] not in SCHEMA_VERSIONS:
        known = " and ".join(map(str, SCHEMA_VERSIONS))
        raise UsageError(
            f"{path.name}: schema version {context['schema_version']}, this version reads {known}; "
            "build the tables again"
        )
    return context


def _first_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
