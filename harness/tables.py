"""The tables that reports read: priced cells in, data frames out. Units are in the column names.

Nothing is priced or trained here. An unknown number stays empty; it is never 0.
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness import (
    budgets,
    contrasts,
    cost_budgets,
    deployment_rows,
    formulas,
    noise,
    pairs,
    pareto,
    pilot,
    robustness,
    shadows,
    statistics,
    targets,
    update_statistics,
)
from harness.accounting import CellResult
from harness.boundary import distinct_payloads
from harness.core.units import BITS_PER_BYTE, bits_from_bytes
from harness.ledger import Ledger
from harness.open_folder import is_open_ledger
from harness.pooling import ComputeCosts

_PHASES = ("local_training", "encode", "decode", "aggregate", "evaluate", "setup", "codec_timing")
_SCORES = ("initial_accuracy", "validation_accuracy", "test_accuracy", "sent_test_accuracy")
_LAST_SCORES = 5
_DIRECTIONS = ["uplink", "downlink"]


@dataclass(frozen=True)
class PricedCell:
    """A finished cell under the name its method has in the spec.

    Attributes:
        method: display name of the method.
        result: the priced cell.
        facts: its ledger as it was written, where not all of it can be priced; None where `result` has it all.
    """

    method: str
    result: CellResult
    facts: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """All that is known of the cell, priced or not."""
        return self.facts or self.result.ledger

    @property
    def key(self) -> dict[str, Any]:
        """Columns that name the cell in every table."""
        return {"cell_id": self.result.cell_id, "method": self.method, "seed": self.seed}

    @property
    def seed(self) -> int:
        """Evaluation seed of the cell."""
        return int(self.result.ledger.cell["seed"])


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
        _deployed(priced, deployment_rows.breakdown_rows),
        _deployed(priced, deployment_rows.footprint_rows, deployment_rows.FOOTPRINT_COLUMNS),
    )
    coded = _frame(priced, lambda cell: shadows.shadow_rows(cell.key, cell.result.ledger), shadows.COLUMNS)
    measured = _statistics(priced)
    # Where the definition gives a run a budget of bits, its final score is the one at a budget.
    has_courses = _is_validated(trajectories) and not any(
        cell.result.ledger.cell["federation"].get("budget") for cell in priced
    )
    reached = budgets.budget_rows(cells, trajectories, reference) if has_courses else []
    afforded = cost_budgets.cost_budget_rows(cells, trajectories, footprint, reference) if has_courses else []
    computed = pd.DataFrame(_compute_rows(priced, costs), columns=_COMPUTE_COLUMNS)
    inits = update_statistics.init_pairs(measured, [cell.result.ledger for cell in priced])
    return {
        "cells": cells,
        "trajectories": trajectories,
        "breakdown": breakdown,
        "usage": _deployed(priced, deployment_rows.usage_rows),
        "schedule": _deployed(priced, deployment_rows.schedule_rows),
        "boundary": _deployed(priced, deployment_rows.boundary_rows),
        "groups": _deployed(priced, deployment_rows.group_rows, deployment_rows.GROUP_COLUMNS),
        "endurance": _deployed(priced, deployment_rows.endurance_rows, deployment_rows.ENDURANCE_COLUMNS),
        "targets": _targets(priced, cells, trajectories, footprint, reference),
        "methods": pd.DataFrame(_method_rows(cells), columns=_METHODS_COLUMNS),
        "pairs": pd.DataFrame(pairs.pair_rows(cells, breakdown, coded, references), columns=pairs.COLUMNS),
        "footprint": footprint,
        "compute": computed,
        "noise": pd.DataFrame(noise.noise_rows(cells, computed, reference, calibrations), columns=noise.COLUMNS),
        "budgets": pd.DataFrame(reached, columns=budgets.COLUMNS),
        "cost_budgets": pd.DataFrame(afforded, columns=cost_budgets.COLUMNS),
        "contrasts": pd.DataFrame(contrasts.contrast_rows(cells, named), columns=contrasts.COLUMNS),
        "seeds": pd.DataFrame(pilot.pilot_rows(cells, references), columns=pilot.COLUMNS),
        "pareto": pd.DataFrame(pareto.pareto_rows(cells, breakdown), columns=pareto.COLUMNS),
        "shadows": coded,
        "provisioning": _deployed(priced, deployment_rows.provisioning_rows, deployment_rows.PROVISIONING_COLUMNS),
        "statistics": measured,
        "initialisations": pd.DataFrame(inits, columns=update_statistics.PAIR_COLUMNS),
        "formulas": pd.DataFrame(formulas.formula_rows(cells), columns=formulas.COLUMNS),
        **robustness.robustness_tables(_by_method(priced), references, costs),
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
    rows: Callable[[deployment_rows.Key, CellResult], Sequence[Mapping[str, Any]]],
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


def cell_row(key: Mapping[str, Any], ledger: Ledger) -> dict[str, Any]:
    """The row of ``cells.csv`` about a finished cell, whose `key` has its id, method and seed."""
    reading = ledger.reading
    is_round = ledger.transfers["round"] > 0
    transfers, given = ledger.transfers[is_round], ledger.transfers[~is_round]
    sent = transfers.groupby("direction")["payload_bytes"].sum().reindex(_DIRECTIONS, fill_value=0) * BITS_PER_BYTE
    phases = _phase_seconds(ledger)
    other_cpu_s = reading.cpu_seconds - sum(phases.values())
    return {
        **key,
        "init": ledger.cell["method"]["init"],
        "rounds": int(transfers["round"].max()),
        "clients_seen": int(transfers["client"].nunique()),
        "uplink_bits": int(sent["uplink"]),
        "downlink_bits": int(sent["downlink"]),
        "total_bits": int(sent.sum()),
        "multicast_downlink_bits": _multicast_bits(transfers),
        "multicast_total_bits": int(sent["uplink"]) + _multicast_bits(transfers),
        "reference_bits": _known_bits(ledger, transfers["reference_bytes"]),
        "frame_bits": _known_bits(ledger, transfers["frame_bytes"]),
        "provisioning_bits": _known_bits(ledger, given["payload_bytes"]),
        **_final_scores(ledger.scores, has_coded_downlink=_has_coded_downlink(ledger)),
        **phases,
        "other_cpu_s": other_cpu_s,
        "cpu_s": reading.cpu_seconds,
        "wall_s": reading.seconds,
        "testbed_cpu_j": reading.cpu_j,
        "testbed_method": reading.method,
        "testbed_scope": reading.scope,
        "testbed_evidence": reading.evidence,
        "meter": reading.meter,
        "coverage_share": reading.coverage,
        "other_share": other_cpu_s / reading.cpu_seconds,
        "machine": ledger.host.machine,
        "facts_digest": ledger.facts_digest,
    }


def _known_bits(ledger: Ledger, n_bytes: "pd.Series[int]") -> float:
    """Bits of some bytes; NaN where a run that was not ours has none, because nobody said how many there were."""
    total = int(n_bytes.sum())
    return math.nan if total == 0 and is_open_ledger(ledger) else bits_from_bytes(total)


def _phase_seconds(ledger: Ledger) -> dict[str, float]:
    """CPU seconds by phase; a phase without a window took none in our own cells, and is unknown in other runs."""
    cpu_s = ledger.windows.groupby("phase")["cpu_seconds"].sum()
    nothing = math.nan if is_open_ledger(ledger) else 0.0
    return {f"{phase}_cpu_s": float(cpu_s.get(phase, nothing)) for phase in _PHASES}


def _has_coded_downlink(ledger: Ledger) -> bool:
    """Whether clients decode another model than the server has; of open ledgers nobody knows, and they say if so."""
    downlink = ledger.cell["method"].get("downlink")
    return isinstance(downlink, Mapping) and downlink.get("codec", {}).get("kind", "float32") != "float32"


def _final_scores(scores: pd.DataFrame, *, has_coded_downlink: bool) -> dict[str, float]:
    """Accuracies before the first round, over the last scores, and at the end; NaN where there is no such score.

    The last is of the model as a client would decode it: that of the server, unless the downlink is coded.
    """
    accuracy = scores[scores["metric"] == "accuracy"].sort_values("round", kind="stable")
    validation, test = (accuracy[accuracy["split"] == split] for split in ("validation", "test"))
    is_trained = validation["round"] > 0
    initial, final = validation[~is_trained]["value"], test["value"]
    is_sent = (scores["metric"] == "sent_accuracy") & (scores["split"] == "test")
    sent = scores[is_sent]["value"] if is_sent.any() or has_coded_downlink else final
    return {
        "initial_accuracy": math.nan if initial.empty else float(initial.iloc[0]),
        "validation_accuracy": float(validation[is_trained]["value"].iloc[-_LAST_SCORES:].mean()),
        "test_accuracy": math.nan if final.empty else float(final.iloc[-1]),
        "sent_test_accuracy": math.nan if sent.empty else float(sent.iloc[-1]),
    }


def _multicast_bits(transfers: pd.DataFrame) -> int:
    """Downlink bits if a payload that several clients of a round receive alike is on the air once."""
    down = transfers[transfers["direction"] == "downlink"]
    return bits_from_bytes(int(distinct_payloads(down)["payload_bytes"].sum()))


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
                interval = statistics.unknown(values.tolist())
            else:
                interval = statistics.mean_interval(values.tolist(), is_counted=is_counted)
            if not is_counted:
                interval = statistics.within(interval, 0.0, 1.0)
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
