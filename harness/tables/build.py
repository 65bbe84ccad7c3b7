"""Builds all tables that reports read: priced cells in, data frames out. Units are in the column names.

Nothing is priced or trained here. An unknown number stays empty; it is never 0.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.core.units import BITS_PER_BYTE
from harness.ledger.ledger import Ledger
from harness.price.accounting.account import CellResult
from harness.price.accounting.pooled_compute import ComputeCosts
from harness.statistics import intervals
from harness.tables import (
    bit_budgets,
    contrasts,
    cost_budgets,
    deployments,
    noise_floor,
    other_codings,
    pairs,
    pareto,
    published_formulas,
    seeds_needed,
    sensitivity,
    targets,
    update_statistics,
)
from harness.tables.cells import _DIRECTIONS, cell_row
from harness.tables.priced_cell import PricedCell

_SCORES = ("initial_accuracy", "validation_accuracy", "test_accuracy", "sent_test_accuracy", "deployed_accuracy")


def tabulate(
    priced: Sequence[PricedCell],
    references: Mapping[str, str],
    costs: ComputeCosts | None = None,
    reference: str = "",
    named: Sequence[contrasts.Contrast] = (),
    calibrations: Sequence[Mapping[str, Any]] = (),
) -> dict[str, pd.DataFrame]:
    """All tables, by name.

    Args:
        priced: the finished cells, in the order of the spec.
        references: for each method, what it is compared with.
        costs: the pooled costs of computing that the cells were priced with; None leaves that table empty.
        reference: the method whose bits budgets are shares of; without it, or where runs end at a budget of bits,
            that table is empty.
        named: the contrasts that the definition names.
        calibrations: what was measured of the machines.
    """
    cells = _frame(priced, lambda cell: [cell_row(cell.key, cell.ledger)])
    trajectories = _frame(priced, _trajectory_rows, _TRAJECTORY_COLUMNS)
    breakdown, footprint = (
        _deployed(priced, deployments.breakdown_rows),
        _deployed(priced, deployments.footprint_rows, deployments.FOOTPRINT_COLUMNS),
    )
    coded = _frame(priced, lambda cell: other_codings.shadow_rows(cell.key, cell.result.ledger), other_codings.COLUMNS)
    measured = _statistics(priced)
    # Where the definition gives a run a budget of bits, its final score is the one at a budget.
    has_courses = _is_validated(trajectories) and not any(
        cell.result.ledger.cell["federation"].get("budget") for cell in priced
    )
    reached = bit_budgets.budget_rows(cells, trajectories, reference) if has_courses else []
    afforded = cost_budgets.cost_budget_rows(cells, trajectories, footprint, reference) if has_courses else []
    computed = pd.DataFrame(_compute_rows(priced, costs), columns=_COMPUTE_COLUMNS)
    inits = update_statistics.init_pairs(measured, [cell.result.ledger for cell in priced])
    return {
        "cells": cells,
        "trajectories": trajectories,
        "breakdown": breakdown,
        "usage": _deployed(priced, deployments.usage_rows),
        "schedule": _deployed(priced, deployments.schedule_rows),
        "boundary": _deployed(priced, deployments.boundary_rows),
        "groups": _deployed(priced, deployments.group_rows, deployments.GROUP_COLUMNS),
        "endurance": _deployed(priced, deployments.endurance_rows, deployments.ENDURANCE_COLUMNS),
        "targets": _targets(priced, cells, trajectories, footprint, reference),
        "methods": pd.DataFrame(_method_rows(cells), columns=_METHODS_COLUMNS),
        "pairs": pd.DataFrame(pairs.pair_rows(cells, breakdown, coded, references), columns=pairs.COLUMNS),
        "footprint": footprint,
        "compute": computed,
        "noise": pd.DataFrame(
            noise_floor.noise_rows(cells, computed, reference, calibrations), columns=noise_floor.COLUMNS
        ),
        "budgets": pd.DataFrame(reached, columns=bit_budgets.COLUMNS),
        "cost_budgets": pd.DataFrame(afforded, columns=cost_budgets.COLUMNS),
        "contrasts": pd.DataFrame(contrasts.contrast_rows(cells, named), columns=contrasts.COLUMNS),
        "seeds": pd.DataFrame(seeds_needed.pilot_rows(cells, references), columns=seeds_needed.COLUMNS),
        "pareto": pd.DataFrame(pareto.pareto_rows(cells, breakdown), columns=pareto.COLUMNS),
        "shadows": coded,
        "provisioning": _deployed(priced, deployments.provisioning_rows, deployments.PROVISIONING_COLUMNS),
        "statistics": measured,
        "initialisations": pd.DataFrame(inits, columns=update_statistics.PAIR_COLUMNS),
        "formulas": pd.DataFrame(published_formulas.formula_rows(cells), columns=published_formulas.COLUMNS),
        **sensitivity.robustness_tables(_by_method(priced), references, costs),
    }


def _by_method(priced: Sequence[PricedCell]) -> dict[str, list[CellResult]]:
    found: dict[str, list[CellResult]] = {}
    for cell in priced:
        found.setdefault(cell.method, []).append(cell.result)
    return found


def _frame(
    priced: Sequence[PricedCell],
    rows: Callable[[PricedCell], Sequence[Mapping[str, Any]]],
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """The rows of all cells; `columns` are needed where there may be none."""
    return pd.DataFrame(list(itertools.chain.from_iterable(map(rows, priced))), columns=columns)


def _deployed(
    priced: Sequence[PricedCell],
    rows: Callable[[deployments.Key, CellResult], Sequence[Mapping[str, Any]]],
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """The rows about deployments of all cells."""
    return _frame(priced, lambda cell: rows(cell.key, cell.result), columns)


def _targets(
    priced: Sequence[PricedCell],
    cells: pd.DataFrame,
    trajectories: pd.DataFrame,
    footprint: pd.DataFrame,
    reference: str,
) -> pd.DataFrame:
    target = priced[0].result.assumptions.target_accuracy
    found = targets.target_rows(cells, trajectories, footprint, reference, target)
    return pd.DataFrame(found, columns=targets.COLUMNS)


def _is_validated(trajectories: pd.DataFrame) -> bool:
    """Whether anything was scored on validation after a round: without that, no budget can be looked up."""
    return bool(((trajectories["split"] == "validation") & (trajectories["round"] > 0)).any())


def _statistics(priced: Sequence[PricedCell]) -> pd.DataFrame:
    recorded = [cell for cell in priced if len(cell.result.ledger.statistics)]
    if not recorded:
        return pd.DataFrame(columns=update_statistics.COLUMNS)
    frames = [update_statistics.statistic_rows(cell.key, cell.result.ledger) for cell in recorded]
    return pd.concat(frames, ignore_index=True)


_METHODS_COLUMNS = ["method", "quantity", "radio", "grid", "n", "mean", "low", "high", "note"]
_TRAJECTORY_COLUMNS = [
    *("cell_id", "method", "seed", "round", "split", "accuracy", "loss", "uplink_bits", "downlink_bits", "total_bits"),
]
_COMPUTE_COLUMNS = ["method", "operation", "machine", "n_cells", "cpu_s", "spread_share"]


def _trajectory_rows(cell: PricedCell) -> list[dict[str, Any]]:
    ledger = cell.ledger
    if ledger.scores.empty:
        return []
    scores = ledger.scores.pivot_table("value", ["round", "split"], "metric").sort_index()
    scores = scores.reindex(columns=["accuracy", "loss"])
    so_far = _bits_so_far(ledger, int(ledger.scores["round"].max()))
    rows = []
    for (number, split), accuracy, loss in scores.itertuples():
        bits = so_far.loc[number]
        rows.append(
            {
                **cell.key,
                "round": int(number),
                "split": split,
                "accuracy": float(accuracy),
                "loss": float(loss),
                "uplink_bits": int(bits["uplink"]),
                "downlink_bits": int(bits["downlink"]),
                "total_bits": int(bits.sum()),
            }
        )
    return rows


def _bits_so_far(ledger: Ledger, last_round: int) -> pd.DataFrame:
    """Bits up to and with each round from 0, a column per direction."""
    transfers = ledger.transfers[ledger.transfers["round"] > 0]
    sent = transfers.pivot_table("payload_bytes", "round", "direction", "sum", fill_value=0) * BITS_PER_BYTE
    rounds = range(max(last_round, int(sent.index.max())) + 1)
    return sent.reindex(index=rounds, columns=_DIRECTIONS, fill_value=0).cumsum()


def _method_rows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for method, group in cells.groupby("method", sort=False):
        for quantity in (*pairs.BITS, "reference_bits", "frame_bits", "provisioning_bits", *_SCORES):
            is_counted, values = quantity not in _SCORES, group[quantity].astype(float)
            if values.isna().any():
                interval = intervals.unknown(values.tolist())
            else:
                interval = intervals.mean_interval(values.tolist(), is_counted=is_counted)
            if not is_counted:
                interval = intervals.within(interval, 0.0, 1.0)
            rows.append(
                {
                    "method": method,
                    "quantity": quantity,
                    "radio": "",
                    "grid": "",
                    "n": interval.n,
                    "mean": interval.estimate,
                    "low": interval.low,
                    "high": interval.high,
                    "note": interval.note,
                }
            )
    return rows


_OPERATIONS = (("uplink", "encode"), ("downlink", "decode"))
"""The codec operations of a client."""


def _compute_rows(priced: Sequence[PricedCell], costs: ComputeCosts | None) -> list[dict[str, Any]]:
    """What computing costs on this host, pooled over cells: once per method and machine."""
    if costs is None:
        return []
    rows = []
    for (method, machine), ledger in _one_ledger_each(priced).items():
        operations = {"optimiser step": costs.step(ledger)}
        operations |= {f"{what} {direction}": costs.call(ledger, direction, what) for direction, what in _OPERATIONS}
        for operation, cost in operations.items():
            rows.append(
                {
                    "method": method,
                    "operation": operation,
                    "machine": machine,
                    "n_cells": cost.n_cells,
                    "cpu_s": cost.cpu_s,
                    "spread_share": cost.spread if cost.n_cells > 1 else None,
                }
            )
    return rows


def _one_ledger_each(priced: Sequence[PricedCell]) -> dict[tuple[str, str], Ledger]:
    """The first cell of every method on every machine."""
    ledgers = [(cell.method, cell.result.ledger) for cell in priced]
    first = {(method, ledger.host.machine): ledger for method, ledger in reversed(ledgers)}
    return {(method, ledger.host.machine): first[method, ledger.host.machine] for method, ledger in ledgers}
