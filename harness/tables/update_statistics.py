"""Builds ``statistics.csv``: how updates are distributed before any codec, and comparisons of initialisations.

Two initialisations are compared on equal terms: cells of equal seed whose methods differ in nothing else, at the rounds
and tensors that both have. Each tensor has its own row with its median over rounds and clients; over tensors, scale
and shape are geometric means and entropies means, weighted by the entries of each.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from harness.ledger.ledger import Ledger
from harness.statistics import intervals
from harness.statistics.intervals import Interval

MEASURES = ("sigma", "kurtosis", "absmax_sigmas", "entropy_bits", "shape_entropy_bits")
_FACTS = ("round", "client", "tensor", "size", *MEASURES, "step")
COLUMNS = ["cell_id", "method", "init", "seed", *_FACTS]
PAIR_COLUMNS = ["quantity", "init", "other_init", "kind", "n_pairs", "estimate", "low", "high", "note"]

RATIOS = ("sigma", "kurtosis", "absmax_sigmas")
"""Measures that are compared as ratios; the others as differences, in bit an entry."""
_BASELINE = "random"


def statistic_rows(key: Mapping[str, Any], ledger: Ledger) -> pd.DataFrame:
    """The statistics of a cell with the columns that name it.

    Args:
        key: ``cell_id``, ``method`` and ``seed``.
        ledger: its facts.
    """
    named = ledger.statistics.assign(**key, init=ledger.cell["method"]["init"])
    return named.reindex(columns=COLUMNS)


def init_pairs(frame: pd.DataFrame, ledgers: Sequence[Ledger]) -> list[dict[str, Any]]:
    """Every initialisation compared with a baseline, over the seeds that both have; empty if there is only one.

    The baseline is ``random``, or the first there is. Sigma, kurtosis and absmax are ratios; entropies, which are
    logarithms already and may be zero, are differences in bits an entry.

    Args:
        frame: as in ``statistics.csv``.
        ledgers: the cells that it comes from.
    """
    inits = list(dict.fromkeys(frame["init"]))
    if len(inits) < 2:
        return []
    baseline = _BASELINE if _BASELINE in inits else inits[0]
    settings = {ledger.cell_id: _settings(ledger) for ledger in ledgers}
    # Methods that differ in name only share a cell, which counts once.
    known = frame.assign(settings=frame["cell_id"].map(settings))
    known = known.drop_duplicates(["cell_id", "round", "client", "tensor"])
    return [
        {"quantity": measure, "init": init, "other_init": baseline, "kind": kind, **_columns(interval)}
        for init in inits
        if init != baseline
        for measure, kind, interval in _intervals(known, init, baseline)
    ]


def _settings(ledger: Ledger) -> str:
    """All of a cell but its seed and where training starts."""
    parts = {
        name: {key: value for key, value in ledger.cell[name].items() if key != "init"}
        for name in ("task", "federation", "method")
    }
    return json.dumps(parts, sort_keys=True)


def _intervals(known: pd.DataFrame, init: str, baseline: str) -> Iterator[tuple[str, str, Interval]]:
    for measure in MEASURES:
        pairs = _paired(known, measure, init, baseline)
        if pairs.empty:
            continue
        ours, theirs = pairs["ours"].tolist(), pairs["theirs"].tolist()
        if measure in RATIOS:
            yield measure, "ratio", intervals.paired_ratio(ours, theirs)
        else:
            yield measure, "difference", intervals.paired_difference(ours, theirs)


def _paired(known: pd.DataFrame, measure: str, init: str, baseline: str) -> pd.DataFrame:
    """One row per seed with the measure of both initialisations."""
    at = ["seed", "settings", "tensor", "round"]
    sides = [
        known[known["init"] == name].dropna(subset=[measure]).groupby([*at, "size"])[measure].median().rename(side)
        for name, side in ((init, "ours"), (baseline, "theirs"))
    ]
    both = pd.concat(sides, axis=1, join="inner")
    if measure in RATIOS:
        # A tensor that was not updated at all has no scale to compare.
        both = both[(both > 0).all(axis=1)]
    tensors = both.groupby(level=["seed", "settings", "tensor", "size"]).median()
    if measure in RATIOS:
        return _weighted(tensors.apply(np.log)).apply(np.exp)
    return _weighted(tensors)


def _weighted(tensors: pd.DataFrame) -> pd.DataFrame:
    """Means per seed, weighted by the entries of each tensor."""
    sizes = tensors.index.get_level_values("size").to_numpy(dtype=np.float64)
    total = pd.Series(sizes, tensors.index).groupby(level="seed").sum()
    return tensors.mul(sizes, axis=0).groupby(level="seed").sum().div(total, axis=0)


def _columns(interval: Interval) -> dict[str, Any]:
    return {
        "n_pairs": interval.n,
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "note": interval.note,
    }
