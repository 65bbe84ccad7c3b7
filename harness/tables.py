"""The tables that reports read: priced cells in, data frames out. Units are in the column names.

Nothing is priced or trained here. An unknown number stays empty; it is never 0.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness import budgets, contrasts, pairs, shadows, statistics, update_statistics
from harness.accounting import NOTHING, Bounds, CellResult, Component, RadioResult, carbon_g
from harness.core.units import BITS_PER_BYTE, bits_from_bytes
from harness.ledger import Ledger
from harness.pooling import ComputeCosts

_PHASES = ("local_training", "encode", "decode", "aggregate", "evaluate", "setup", "codec_timing")
_RADIO_COMPONENTS: tuple[Component, ...] = ("uplink", "downlink")
_SCORES = ("initial_accuracy", "validation_accuracy", "test_accuracy")
_LAST_SCORES = 5


@dataclass(frozen=True)
class PricedCell:
    """A finished cell under the name its method has in the spec.

    Attributes:
        method: display name of the method.
        result: the priced cell.
    """

    method: str
    result: CellResult

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
) -> dict[str, pd.DataFrame]:
    """All tables, by name.

    Args:
        priced: the finished cells, in the order of the spec.
        references: for each method, what it is compared with.
        costs: the pooled costs of computing that the cells were priced with; None leaves that table empty.
        reference: the method whose bits budgets are shares of; without it, or where runs end at a budget of bits,
            that table is empty.
        named: the contrasts that the definition names.
    """
    cells = _frame(priced, lambda cell: [_cell_row(cell)])
    trajectories, breakdown = _frame(priced, _trajectory_rows), _frame(priced, _breakdown_rows)
    coded = _frame(priced, lambda cell: shadows.shadow_rows(cell.key, cell.result.ledger), shadows.COLUMNS)
    measured = _statistics(priced)
    reached = [] if any(map(_has_budget, priced)) else budgets.budget_rows(cells, trajectories, reference)
    inits = update_statistics.init_pairs(measured, [cell.result.ledger for cell in priced])
    return {
        "cells": cells,
        "trajectories": trajectories,
        "breakdown": breakdown,
        "usage": _frame(priced, _usage_rows),
        "methods": pd.DataFrame(_method_rows(cells), columns=_METHODS_COLUMNS),
        "pairs": pd.DataFrame(pairs.pair_rows(cells, breakdown, coded, references), columns=pairs.COLUMNS),
        "footprint": _frame(priced, _footprint_rows),
        "compute": pd.DataFrame(_compute_rows(priced, costs), columns=_COMPUTE_COLUMNS),
        "budgets": pd.DataFrame(reached, columns=budgets.COLUMNS),
        "contrasts": pd.DataFrame(contrasts.contrast_rows(cells, named), columns=contrasts.COLUMNS),
        "shadows": coded,
        "provisioning": _frame(priced, _provisioning_rows, _PROVISIONING_COLUMNS),
        "statistics": measured,
        "initialisations": pd.DataFrame(inits, columns=update_statistics.PAIR_COLUMNS),
    }


def _frame(
    priced: Sequence[PricedCell],
    rows: Callable[[PricedCell], Sequence[Mapping[str, Any]]],
    columns: list[str] | None = None,
) -> pd.DataFrame:
    """The rows of all cells; `columns` are needed where there may be none."""
    return pd.DataFrame(list(itertools.chain.from_iterable(map(rows, priced))), columns=columns)


def _has_budget(cell: PricedCell) -> bool:
    """Whether the definition gives the run a budget of bits, so that its final score is the one at a budget."""
    return cell.result.ledger.cell["federation"].get("budget") is not None


def _statistics(priced: Sequence[PricedCell]) -> pd.DataFrame:
    recorded = [cell for cell in priced if len(cell.result.ledger.statistics)]
    if not recorded:
        return pd.DataFrame(columns=update_statistics.COLUMNS)
    frames = [update_statistics.statistic_rows(cell.key, cell.result.ledger) for cell in recorded]
    return pd.concat(frames, ignore_index=True)


_METHODS_COLUMNS = ["method", "quantity", "radio", "grid", "n", "mean", "low", "high", "note"]
_COMPUTE_COLUMNS = ["method", "operation", "machine", "n_cells", "cpu_s", "spread_share"]
_PROVISIONING_COLUMNS = [
    *("cell_id", "method", "seed", "radio", "n_clients", "bits", "energy_j", "energy_low_j", "energy_high_j"),
]


def _cell_row(cell: PricedCell) -> dict[str, Any]:
    ledger, reading = cell.result.ledger, cell.result.ledger.reading
    is_round, scores = ledger.transfers["round"] > 0, ledger.scores
    transfers, given = ledger.transfers[is_round], ledger.transfers[~is_round]
    sent = transfers.groupby("direction")["payload_bytes"].sum() * BITS_PER_BYTE
    cpu_s = ledger.windows.groupby("phase")["cpu_seconds"].sum()
    phases = {f"{phase}_cpu_s": float(cpu_s.get(phase, 0.0)) for phase in _PHASES}
    other_cpu_s = reading.cpu_seconds - sum(phases.values())
    accuracy = scores[scores["metric"] == "accuracy"]
    validation = accuracy[accuracy["split"] == "validation"].sort_values("round")
    trained = validation[validation["round"] > 0]
    test = accuracy[accuracy["split"] == "test"].sort_values("round")
    return {
        **cell.key,
        "init": ledger.cell["method"]["init"],
        "rounds": int(transfers["round"].max()),
        "clients_seen": int(transfers["client"].nunique()),
        "uplink_bits": int(sent["uplink"]),
        "downlink_bits": int(sent["downlink"]),
        "total_bits": int(sent.sum()),
        "multicast_downlink_bits": _multicast_bits(transfers),
        "multicast_total_bits": int(sent["uplink"]) + _multicast_bits(transfers),
        "reference_bits": bits_from_bytes(int(transfers["reference_bytes"].sum())),
        "frame_bits": bits_from_bytes(int(transfers["frame_bytes"].sum())),
        "provisioning_bits": bits_from_bytes(int(given["payload_bytes"].sum())),
        "initial_accuracy": float(validation["value"].iloc[0]),
        "validation_accuracy": float(trained["value"].iloc[-_LAST_SCORES:].mean()),
        "test_accuracy": float(test["value"].iloc[-1]),
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


def _multicast_bits(transfers: pd.DataFrame) -> int:
    """Downlink bits if a payload that several clients of a round receive alike is on the air once."""
    down = transfers[transfers["direction"] == "downlink"]
    # Two payloads of one client are two, even if they are equal.
    down = down.assign(copy=down.groupby(["round", "client", "payload_digest"]).cumcount())
    return bits_from_bytes(int(down.drop_duplicates(["round", "payload_digest", "copy"])["payload_bytes"].sum()))


def _trajectory_rows(cell: PricedCell) -> list[dict[str, Any]]:
    ledger = cell.result.ledger
    transfers = ledger.transfers[ledger.transfers["round"] > 0]
    sent = transfers.pivot_table("payload_bytes", "round", "direction", "sum", fill_value=0) * BITS_PER_BYTE
    so_far = sent.cumsum()
    scores = ledger.scores.pivot_table("value", ["round", "split"], "metric").sort_index()
    rows = []
    for number, split, accuracy, loss in scores.reset_index()[["round", "split", "accuracy", "loss"]].itertuples(
        index=False
    ):
        bits = so_far.loc[number] if number in so_far.index else so_far.iloc[0] * 0
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


def _breakdown_rows(cell: PricedCell) -> list[dict[str, Any]]:
    rows = []
    for radio, grid in itertools.product(cell.result.radios, cell.result.assumptions.grids):
        for component, energy in radio.joules.items():
            carbon = carbon_g(energy, grid)
            rows.append(
                {
                    **cell.key,
                    "radio": radio.radio.kind,
                    "grid": grid.iso3 or grid.name,
                    "component": component,
                    "energy_j": energy.typical,
                    "energy_low_j": energy.low,
                    "energy_high_j": energy.high,
                    "carbon_g": carbon.typical,
                    "carbon_low_g": carbon.low,
                    "carbon_high_g": carbon.high,
                }
            )
    return rows


def _provisioning_rows(cell: PricedCell) -> list[dict[str, Any]]:
    """What clients were given before round 1, and its joules over the air; none where nothing was given."""
    given = cell.result.ledger.transfers.query("round == 0")
    if given.empty:
        return []
    n_clients, bits = int(given["client"].nunique()), bits_from_bytes(int(given["payload_bytes"].sum()))
    return [
        {
            **cell.key,
            "radio": radio.radio.kind,
            "n_clients": n_clients,
            "bits": bits,
            "energy_j": radio.provisioning.typical,
            "energy_low_j": radio.provisioning.low,
            "energy_high_j": radio.provisioning.high,
        }
        for radio in cell.result.radios
    ]


def _usage_rows(cell: PricedCell) -> list[dict[str, Any]]:
    rows = []
    for radio, direction in itertools.product(cell.result.radios, _RADIO_COMPONENTS):
        uses = [use for use in radio.usage if use.direction == direction]
        quantities = {
            name: sum(getattr(use, name) for use in uses) for name in ("sessions", "tail_s", "active_s", "mbit")
        }
        rows.append({**cell.key, "radio": radio.radio.kind, "direction": direction, **quantities})
    return rows


def _method_rows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for method, group in cells.groupby("method", sort=False):
        for quantity in (*pairs.BITS, "reference_bits", "frame_bits", "provisioning_bits", *_SCORES):
            is_counted = quantity not in _SCORES
            interval = statistics.mean_interval(group[quantity].astype(float).tolist(), is_counted=is_counted)
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


def _footprint_rows(cell: PricedCell) -> list[dict[str, Any]]:
    """Joules and grams that a deployment has cost by each round in which validation was scored."""
    scores = cell.result.ledger.scores
    scored = sorted({int(number) for number in scores[scores["split"] == "validation"]["round"]})
    rows = []
    for radio in cell.result.radios:
        joules = _joules_by_round(radio, scored)
        for grid, number in itertools.product(cell.result.assumptions.grids, scored):
            rows.append(
                {
                    **cell.key,
                    "radio": radio.radio.kind,
                    "grid": grid.iso3 or grid.name,
                    "round": number,
                    "energy_j": joules[number].typical,
                    "carbon_g": carbon_g(joules[number], grid).typical,
                }
            )
    return rows


def _joules_by_round(radio: RadioResult, rounds: Sequence[int]) -> dict[int, Bounds]:
    """Joules up to and including each of `rounds`; in round 0, what came over the air before the first."""
    return {
        number: sum((entry.joules for entry in radio.rounds if entry.round <= number), NOTHING) for number in rounds
    }


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
    ledgers: dict[tuple[str, str], Ledger] = {}
    for cell in priced:
        ledgers.setdefault((cell.method, cell.result.ledger.host.machine), cell.result.ledger)
    return ledgers
