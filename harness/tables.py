"""The tables that reports read: priced cells in, data frames out. Units are in the column names.

Nothing is priced or trained here. An unknown number stays empty; it is never 0.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness import statistics
from harness.accounting import COMPONENTS, CellResult, Component, carbon_g
from harness.core.units import BITS_PER_BYTE, bits_from_bytes
from harness.statistics import Interval

_PHASES = ("local_training", "encode", "decode", "aggregate", "evaluate", "setup", "codec_timing")
_RADIO_COMPONENTS: tuple[Component, ...] = ("uplink", "downlink")
_BITS = ("uplink_bits", "downlink_bits", "total_bits", "multicast_total_bits")
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


def tabulate(priced: Sequence[PricedCell], reference: str) -> dict[str, pd.DataFrame]:
    """All tables, by name.

    Args:
        priced: the finished cells, in the order of the spec.
        reference: name of the method that others are paired with.
    """
    cells = pd.DataFrame([_cell_row(cell) for cell in priced])
    breakdown = pd.DataFrame(list(itertools.chain.from_iterable(map(_breakdown_rows, priced))))
    return {
        "cells": cells,
        "trajectories": pd.DataFrame(list(itertools.chain.from_iterable(map(_trajectory_rows, priced)))),
        "breakdown": breakdown,
        "usage": pd.DataFrame(list(itertools.chain.from_iterable(map(_usage_rows, priced)))),
        "methods": pd.DataFrame(_method_rows(cells), columns=_METHODS_COLUMNS),
        "pairs": pd.DataFrame(_pair_rows(cells, breakdown, reference), columns=_PAIRS_COLUMNS),
    }


_METHODS_COLUMNS = ["method", "quantity", "radio", "grid", "n", "mean", "low", "high", "note"]
_PAIRS_COLUMNS = [
    *("method", "reference", "quantity", "radio", "grid", "kind", "n_pairs", "estimate", "low", "high", "note"),
]


def _cell_row(cell: PricedCell) -> dict[str, Any]:
    ledger, reading = cell.result.ledger, cell.result.ledger.reading
    transfers, scores = ledger.transfers, ledger.scores
    sent = transfers.groupby("direction")["payload_bytes"].sum() * BITS_PER_BYTE
    cpu_s = ledger.windows.groupby("phase")["cpu_seconds"].sum()
    phases = {f"{phase}_cpu_s": float(cpu_s.get(phase, 0.0)) for phase in _PHASES}
    other_cpu_s = reading.cpu_seconds - sum(phases.values())
    accuracy = scores[scores["metric"] == "accuracy"]
    validation = accuracy[accuracy["split"] == "validation"].sort_values("round")
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
        "initial_accuracy": float(validation["value"].iloc[0]),
        "validation_accuracy": float(validation["value"].iloc[-_LAST_SCORES:].mean()),
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
    return bits_from_bytes(int(down.drop_duplicates(["round", "payload_digest"])["payload_bytes"].sum()))


def _trajectory_rows(cell: PricedCell) -> list[dict[str, Any]]:
    ledger = cell.result.ledger
    sent = ledger.transfers.pivot_table("payload_bytes", "round", "direction", "sum", fill_value=0) * BITS_PER_BYTE
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
    for radio, grid, component in itertools.product(cell.result.radios, cell.result.assumptions.grids, COMPONENTS):
        energy = radio.joules[component]
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
        for quantity in (*_BITS, "reference_bits", "frame_bits", *_SCORES):
            interval = statistics.mean_interval(group[quantity].astype(float).tolist())
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


def _pair_rows(cells: pd.DataFrame, breakdown: pd.DataFrame, reference: str) -> list[dict[str, Any]]:
    facts = cells.set_index(["method", "seed"])
    joules = _energy_by_cell(breakdown)
    rows = []
    for method in [name for name in cells["method"].unique() if name != reference]:
        seeds = sorted({seed for name, seed in facts.index if name == method and (reference, seed) in facts.index})
        # Only methods that start from the same weights are paired: anything else compares starts, not codecs.
        same_start = [s for s in seeds if facts.loc[(method, s), "init"] == facts.loc[(reference, s), "init"]]
        if not same_start:
            continue
        pairing = _Pairing(method, reference, same_start)
        rows += [pairing.row(name, "ratio", statistics.paired_ratio, facts[name]) for name in _BITS]
        rows += [
            pairing.row(name, "difference", statistics.paired_difference, facts[name])
            for name in ("test_accuracy", "validation_accuracy")
        ]
        rows += _energy_pair_rows(pairing, joules, facts["total_bits"])
    return rows


@dataclass(frozen=True)
class _Pairing:
    """A method beside the reference, at the seeds that both have."""

    method: str
    reference: str
    seeds: list[int]

    def values(self, column: "pd.Series[Any]") -> tuple[list[float], list[float]]:
        """Values of the method and of the reference, seed by seed."""
        ours, theirs = ([float(column[(name, seed)]) for seed in self.seeds] for name in (self.method, self.reference))
        return ours, theirs

    def row(
        self,
        quantity: str,
        kind: str,
        compare: Callable[[Sequence[float], Sequence[float]], Interval],
        column: "pd.Series[Any]",
        radio: str = "",
        grid: str = "",
    ) -> dict[str, Any]:
        """One row of the table."""
        return self.row_of(quantity, kind, compare(*self.values(column)), radio, grid)

    def row_of(self, quantity: str, kind: str, interval: Interval, radio: str = "", grid: str = "") -> dict[str, Any]:
        """One row of the table, from its interval."""
        return {
            "method": self.method,
            "reference": self.reference,
            "quantity": quantity,
            "radio": radio,
            "grid": grid,
            "kind": kind,
            "n_pairs": interval.n,
            "estimate": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "note": interval.note,
        }


def _energy_by_cell(breakdown: pd.DataFrame) -> pd.DataFrame:
    is_radio = breakdown["component"].isin(_RADIO_COMPONENTS)
    by_cell = ["radio", "grid", "method", "seed"]
    return pd.DataFrame(
        {
            "radio_energy_j": breakdown[is_radio].groupby(by_cell, sort=False)["energy_j"].sum(),
            "device_energy_j": breakdown.groupby(by_cell, sort=False)["energy_j"].sum(),
            "carbon_g": breakdown.groupby(by_cell, sort=False)["carbon_g"].sum(),
        }
    )


def _energy_pair_rows(
    pairing: _Pairing, joules: pd.DataFrame, total_bits: "pd.Series[Any]"
) -> Iterable[dict[str, Any]]:
    seen: set[str] = set()
    for scenario, rows in joules.groupby(level=["radio", "grid"], sort=False):
        radio, grid = map(str, scenario)
        here = rows.droplevel(["radio", "grid"])
        yield pairing.row("carbon_g", "ratio", statistics.paired_ratio, here["carbon_g"], radio, grid)
        if radio in seen:
            continue
        # Joules are the same on every grid.
        seen.add(radio)
        for quantity in ("radio_energy_j", "device_energy_j"):
            yield pairing.row(quantity, "ratio", statistics.paired_ratio, here[quantity], radio)
        interval = statistics.pass_through(*pairing.values(here["radio_energy_j"]), *pairing.values(total_bits))
        yield pairing.row_of("pass_through", "ratio", interval, radio)
