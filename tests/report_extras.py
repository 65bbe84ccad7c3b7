"""Rows that only some definitions ask for: contrasts, other codings, statistics, what comes before round 1."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from harness.statistics import intervals
from harness.tables import contrasts
from reports.tables.columns import TABLES

CONTRASTS = (
    {"name": "coded less fp32", "quantity": "test_accuracy", "plus": [1], "minus": [0], "per": 1},
    {"name": "interaction", "quantity": "validation_accuracy", "plus": [2, 1], "minus": [3, 0], "per": 2},
    {"name": "uplink", "quantity": "uplink_bits", "plus": [1], "minus": [0], "per": 1},
)
"""Methods by their place."""
CONTRAST_NAMES = tuple(str(entry["name"]) for entry in CONTRASTS)
GIVEN_BITS = 20 * 8 * 19_252
TENSORS = {"conv.weight": 144, "conv.bias": 16, "head.weight": 4_608, "head.bias": 10}
INITS = {"random": 1.0, "pretrained": 0.5}
"""Scale of the updates."""


def add_extras(folder: Path, provisioning: str = "factory", n_tensors: int = 0) -> Path:
    """Add them to a tables folder as `tests.report_tables.write_tables` leaves it.

    Args:
        folder: a tables folder.
        provisioning: how clients come by what they have before round 1.
        n_tensors: further tensors with statistics.
    """
    cells, pairs = (pd.read_csv(folder / f"{name}.csv", keep_default_na=False) for name in ("cells", "pairs"))
    context = json.loads((folder / "context.json").read_text(encoding="utf-8"))
    names = [str(entry["name"]) for entry in context["methods"]]
    named = [_named(entry, names) for entry in CONTRASTS if max(entry["plus"] + entry["minus"]) < len(names)]  # type: ignore[operator]
    context["spec"]["contrasts"] = named
    context["scenarios"]["provisioning"] = provisioning
    (folder / "context.json").write_text(json.dumps(context), encoding="utf-8")
    rows = contrasts.contrast_rows(cells, [SimpleNamespace(primary=True, **entry) for entry in named])
    coded = cells[cells["method"].isin(names[1:3])]
    _give(folder, names[1:3])
    _write(folder, "contrasts", rows)
    _write(folder, "shadows", _shadows(coded))
    _write(folder, "provisioning", _provisioning(coded, [radio["name"] for radio in context["scenarios"]["radios"]]))
    _write(folder, "statistics", _statistics(cells, names, n_tensors))
    _write(folder, "initialisations", _initialisations(sorted(set(cells["seed"]))))
    recoded = pairs[(pairs["quantity"] == "total_bits") & pairs["method"].isin(names[1:3])]
    ends = {end: 0.9 * pd.to_numeric(recoded[end]) for end in ("estimate", "low", "high")}
    pd.concat([pairs, recoded.assign(quantity="total_bits_as_ans", **ends)]).to_csv(folder / "pairs.csv", index=False)
    if provisioning == "over_the_air":
        _charge(folder, names[1:3])
    return folder


def _named(entry: Any, names: Sequence[str]) -> dict[str, Any]:
    return entry | {side: [names[place] for place in entry[side]] for side in ("plus", "minus")}


def _write(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    pd.DataFrame(rows, columns=list(TABLES[name])).to_csv(folder / f"{name}.csv", index=False)


def _key(cell: Any) -> dict[str, Any]:
    return {"cell_id": cell.cell_id, "method": cell.method, "seed": cell.seed}


def _shadows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {**_key(cell), "direction": "uplink", "coding": "ans", "n_payloads": 400, "sent_bits": cell.uplink_bits}
        | {"shadow_bits": round(0.8 * cell.uplink_bits)}
        for cell in cells.itertuples()
    ]


def _provisioning(cells: pd.DataFrame, radios: Sequence[str]) -> list[dict[str, Any]]:
    energy = {"energy_j": 12.0, "energy_low_j": 9.0, "energy_high_j": 16.0}
    return [
        {**_key(cell), "radio": radio, "n_clients": 20, "bits": GIVEN_BITS, **energy}
        for cell in cells.itertuples()
        for radio in radios
    ]


def _give(folder: Path, names: Sequence[str]) -> None:
    """Count what was given before round 1."""
    cells, methods = (pd.read_csv(folder / f"{name}.csv", keep_default_na=False) for name in ("cells", "methods"))
    cells.loc[cells["method"].isin(names), "provisioning_bits"] = GIVEN_BITS
    is_given = methods["method"].isin(names) & (methods["quantity"] == "provisioning_bits")
    for end in ("mean", "low", "high"):
        methods[end] = pd.to_numeric(methods[end])
        methods.loc[is_given, end] = GIVEN_BITS
    cells.to_csv(folder / "cells.csv", index=False)
    methods.to_csv(folder / "methods.csv", index=False)


def _charge(folder: Path, names: Sequence[str]) -> None:
    rows = pd.read_csv(folder / "breakdown.csv", keep_default_na=False)
    given = rows[rows["component"] == "uplink"].assign(component="provisioning")
    costs = [column for column in given.columns if column.startswith(("energy", "carbon"))]
    given.loc[~given["method"].isin(names), costs] = 0.0
    pd.concat([rows, given]).to_csv(folder / "breakdown.csv", index=False)


def _statistics(cells: pd.DataFrame, names: Sequence[str], n_tensors: int) -> list[dict[str, Any]]:
    """The first two methods, one for each initialisation."""
    rows = []
    sizes = TENSORS | {f"block{number}.weight": 100 + number for number in range(n_tensors)}
    for cell in cells[cells["method"].isin(names[:2])].itertuples():
        init, scale = list(INITS.items())[names.index(str(cell.method))]
        rng = np.random.default_rng([int(cell.seed), names.index(str(cell.method))])
        for number, client, (tensor, size) in (
            (number, client, entry) for number in (1, 10, 20, 40) for client in (0, 3) for entry in sizes.items()
        ):
            sigma = scale * 0.01 * float(rng.uniform(0.9, 1.1)) / number**0.5
            measures = {"sigma": sigma, "kurtosis": float(rng.uniform(4, 9)) / scale, "absmax_sigmas": 8.0 / scale}
            entropies = {"entropy_bits": float(np.log2(sigma / 1e-3) + 2), "shape_entropy_bits": 2.9, "step": 1e-3}
            place = {"init": init, "round": number, "client": client, "tensor": tensor, "size": size}
            rows.append({**_key(cell), **place, **measures, **entropies})
    return rows


def _initialisations(seeds: Sequence[int]) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    ratio = intervals.paired_ratio([0.5 * float(rng.uniform(0.9, 1.1)) for _ in seeds], [1.0] * len(seeds))
    gap = intervals.paired_difference([-1.0 + float(rng.uniform(-0.1, 0.1)) for _ in seeds], [0.0] * len(seeds))
    rows = []
    for quantity, kind, found in (("sigma", "ratio", ratio), ("kurtosis", "ratio", ratio),
                                  ("absmax_sigmas", "ratio", ratio), ("entropy_bits", "difference", gap),
                                  ("shape_entropy_bits", "difference", gap)):  # fmt: skip
        ends = {"n_pairs": found.n, "estimate": found.estimate, "low": found.low, "high": found.high}
        rows.append({"quantity": quantity, "init": "pretrained", "other_init": "random", "kind": kind, **ends})
        rows[-1]["note"] = found.note
    return rows
