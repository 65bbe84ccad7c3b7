"""A small, coherent tables folder for report tests: invented numbers, the real columns."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness.results.codec_words import caveats
from harness.statistics import intervals
from harness.tables import bit_budgets
from harness.tables.cost_budgets import cost_budget_rows
from harness.tables.noise_floor import noise_rows
from harness.tables.pareto import pareto_rows
from harness.tables.seeds_needed import pilot_rows
from reports.tables.columns import METHOD_BITS, METHOD_QUANTITIES, TABLES

NAMES = ("fp32", "QuantFL 6-bit", "QuantFL both ways", "EF-SignSGD")
RADIOS = {"lte": "LTE handset 2012", "wifi": "Wi-Fi handset 2012"}
GRIDS = {"NOR": (29.0, 2023), "DEU": (381.0, 2023), "campus": (41.0, 2025)}

_PARAMETERS = 4810
_TRANSFERS = 400  # 40 rounds, 10 clients each
_FRAME_BYTES = 24
_RAW, _SIX_BIT, _SIGN = 4 * _PARAMETERS, 3608 + 32, 602 + 16
_BODIES = ((_RAW, _RAW), (_SIX_BIT, _RAW), (_SIX_BIT, _SIX_BIT), (_SIGN, _RAW))
_SETTINGS: tuple[tuple[Any, Any], ...] = (
    ({"kind": "float32"}, {"codec": {"kind": "float32"}, "mode": "model"}),
    ({"kind": "quantfl", "levels": 64}, {"codec": {"kind": "float32"}, "mode": "model"}),
    ({"kind": "quantfl", "levels": 64}, {"codec": {"kind": "quantfl", "levels": 64}, "mode": "model"}),
    (
        {"kind": "error_feedback", "inner": {"kind": "signsgd"}},
        {"codec": {"kind": "float32"}, "mode": "model"},
    ),
)
_FINAL_ACCURACY = (0.952, 0.9525, 0.950, 0.931)
_J_PER_MBIT = {"lte": (0.67, 0.153), "wifi": (0.40, 0.19)}
_SESSION_J = {"lte": 12.76, "wifi": 0.11}
_SPREAD = 0.08
_PHASES = {"local_training": 3.1, "encode": 0.12, "decode": 0.09, "aggregate": 0.05, "evaluate": 0.3, "setup": 0.2}


def write_tables(
    folder: Path,
    *,
    names: Sequence[str] = NAMES,
    n_seeds: int = 3,
    has_joules: bool = True,
    failed: Sequence[tuple[str, int]] = (),
    radios: Sequence[str] = tuple(RADIOS),
    coverage: float = 0.98,
    other: float = 0.08,
    context: dict[str, Any] | None = None,
) -> Path:
    """Write a tables folder.

    Args:
        folder: where; made if missing.
        names: methods, the reference first; any number (settings repeat after four).
        n_seeds: seeds of each method.
        has_joules: False for a meter that gave no joules.
        failed: (method, seed) of cells that did not finish.
        radios: radios that were priced; may be empty.
        coverage: share of CPU seconds that the meter saw.
        other: share of CPU seconds outside every phase.
        context: entries that replace those of ``context.json``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts, cells_j = _texts(tuple(names), n_seeds, frozenset(failed), tuple(radios), (has_joules, coverage, other))
    for name, text in texts.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8", newline="")
    full = {**_context(names, n_seeds, failed, radios, cells_j), **(context or {})}
    (folder / "context.json").write_text(json.dumps(full), encoding="utf-8")
    return folder


@cache
def _texts(
    names: tuple[str, ...],
    n_seeds: int,
    failed: frozenset[tuple[str, int]],
    radios: tuple[str, ...],
    meter: tuple[bool, float, float],
) -> tuple[dict[str, str], float | None]:
    """The CSV files by name, and the joules of all cells: worked out once for all tests that ask for the same."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for number, name in enumerate(names):
        for seed in range(n_seeds):
            if (name, seed) not in failed:
                _add_cell(rows, number, name, seed, radios, meter)
    rows["compute"] = _compute(names if n_seeds else (), len(names) * n_seeds)
    frames = {name: pd.DataFrame(rows[name], columns=list(columns)) for name, columns in TABLES.items()}
    frames["methods"] = _methods(frames["cells"])
    reached = bit_budgets.budget_rows(frames["cells"], frames["trajectories"], names[0])
    frames["budgets"] = pd.DataFrame(reached, columns=list(TABLES["budgets"]))
    afforded = cost_budget_rows(frames["cells"], frames["trajectories"], frames["footprint"], names[0])
    frames["cost_budgets"] = pd.DataFrame(afforded, columns=list(TABLES["cost_budgets"]))
    frames["pareto"] = pd.DataFrame(pareto_rows(frames["cells"], frames["breakdown"]), columns=list(TABLES["pareto"]))
    planned = pilot_rows(frames["cells"], dict.fromkeys(names[1:], names[0]))
    frames["seeds"] = pd.DataFrame(planned, columns=list(TABLES["seeds"]))
    noise = noise_rows(frames["cells"], frames["compute"], names[0], ())
    frames["noise"] = pd.DataFrame(noise, columns=list(TABLES["noise"]))
    frames["pairs"] = _pairs(frames["cells"], frames["breakdown"], names, radios)
    has_joules, *_ = meter
    cells_j = float(frames["cells"]["testbed_cpu_j"].astype(float).sum()) if has_joules else None
    return {name: frame.to_csv(index=False) for name, frame in frames.items()}, cells_j


def _bits(number: int) -> tuple[int, int]:
    up, down = _BODIES[number % len(_BODIES)]
    return 8 * _TRANSFERS * (up + _FRAME_BYTES), 8 * _TRANSFERS * (down + _FRAME_BYTES)


def _add_cell(
    rows: dict[str, list[dict[str, Any]]],
    number: int,
    name: str,
    seed: int,
    radios: Sequence[str],
    meter: tuple[bool, float, float],
) -> None:
    has_joules, coverage, other = meter
    rng = np.random.default_rng([number, seed])
    key = {"cell_id": f"{number:08d}{seed:08d}", "method": name, "seed": seed}
    up, down = _bits(number)
    shared = float(np.random.default_rng(seed).normal(0, 0.004))
    final = _FINAL_ACCURACY[number % 4] + shared + float(rng.normal(0, 0.0008))
    curve = [(r, final - (final - 0.41) * float(np.exp(-r / 7)) + float(rng.normal(0, 0.003))) for r in range(0, 41, 5)]
    for r, accuracy in curve:
        share = r / 40
        bits = {"uplink_bits": round(up * share), "downlink_bits": round(down * share)}
        rows["trajectories"].append(
            {**key, "round": r, "split": "validation", "accuracy": accuracy, "loss": 1.5 - accuracy, **bits}
            | {"total_bits": sum(bits.values())}
        )
    test = final - 0.006 + float(rng.normal(0, 0.001))
    rows["trajectories"].append(
        {**key, "round": 40, "split": "test", "accuracy": test, "loss": 0.3, "uplink_bits": up}
        | {"downlink_bits": down, "total_bits": up + down}
    )
    seconds = {phase: value * float(rng.uniform(0.95, 1.08)) for phase, value in _PHASES.items()}
    cpu_s = sum(seconds.values()) / (1 - other)
    rows["cells"].append(
        {
            **key,
            **{f"{phase}_cpu_s": value for phase, value in seconds.items()},
            "init": "pretrained",
            "rounds": 40,
            "clients_seen": 20,
            "uplink_bits": up,
            "downlink_bits": down,
            "total_bits": up + down,
            "multicast_downlink_bits": down // 10,
            "multicast_total_bits": up + down // 10,
            "reference_bits": 2 * 8 * _TRANSFERS * _RAW,
            "frame_bits": 2 * 8 * _TRANSFERS * _FRAME_BYTES,
            "provisioning_bits": 0,
            "initial_accuracy": curve[0][1],
            "validation_accuracy": float(np.mean([a for _, a in curve[-5:]])),
            "test_accuracy": test,
            "sent_test_accuracy": test,
            "deployed_accuracy": test,
            "other_cpu_s": cpu_s * other,
            "cpu_s": cpu_s,
            "wall_s": cpu_s * 1.05,
            "testbed_cpu_j": cpu_s * 4.2 if has_joules else None,
            "testbed_method": "estimated" if has_joules else "not_measured",
            "testbed_scope": "this process and its children, CPU only" if has_joules else "",
            "testbed_evidence": "E1" if has_joules else "none",
            "meter": "codecarbon 3.3.2 (offline, process)" if has_joules else "cpu_time",
            "coverage_share": coverage if has_joules else None,
            "other_share": other,
            "machine": "5f3a9c",
            "facts_digest": f"{number}{seed}" * 8,
        }
    )
    for radio in radios or ("",):
        _add_radio(rows, key, radio, (up, down), number)


def _add_radio(
    rows: dict[str, list[dict[str, Any]]], key: dict[str, Any], radio: str, bits: tuple[int, int], number: int
) -> None:
    slopes = _J_PER_MBIT.get(radio, (0.5, 0.2) if radio else ())
    parts = {"local_training": (18.0, 26.0, 44.0), "codec": (0.3 * number, 0.6 * number, 1.1 * number)}
    for direction, n_bits, slope in zip(("uplink", "downlink"), bits, slopes, strict=False):
        sessions = _TRANSFERS if direction == "uplink" else 0
        joules = sessions * _SESSION_J.get(radio, 1.0) * 0.2 + n_bits / 1e6 * slope
        parts[direction] = (0.8 * joules, joules, 1.3 * joules)
        usage = {"sessions": sessions, "tail_s": 11.576 * sessions, "active_s": n_bits / 5.6e6, "mbit": n_bits / 1e6}
        rows["usage"].append({**key, "radio": radio, "direction": direction, **usage})
    for grid, (g_per_kwh, _) in GRIDS.items():
        for component, (low, typical, high) in parts.items():
            energy = {"energy_j": typical, "energy_low_j": low, "energy_high_j": high}
            carbon = {f"carbon{end}_g": energy[f"energy{end}_j"] / 3.6e6 * g_per_kwh for end in ("", "_low", "_high")}
            rows["breakdown"].append({**key, "radio": radio, "grid": grid, "component": component, **energy, **carbon})
        energy_j = sum(typical for _, typical, _ in parts.values())
        for r in range(0, 41, 5):
            so_far = {"energy_j": energy_j * r / 40, "carbon_g": energy_j * r / 40 / 3.6e6 * g_per_kwh}
            rows["footprint"].append({**key, "radio": radio, "grid": grid, "round": r, **so_far})


def _compute(names: Sequence[str], n_cells: int) -> list[dict[str, Any]]:
    spread = _SPREAD if n_cells > 1 else None
    rows = []
    for number, name in enumerate(names):
        for operation, cpu_s, n in (
            ("optimiser step", 3.4e-4, n_cells),
            ("encode uplink", 1e-4 * (number + 1), max(1, n_cells // len(names))),
            ("decode downlink", 6e-5, n_cells),
        ):
            row = {"method": name, "operation": operation, "machine": "5f3a9c", "n_cells": n, "cpu_s": cpu_s}
            rows.append({**row, "spread_share": spread})
    return rows


def _methods(cells: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for name, group in cells.groupby("method", sort=False):
        for quantity in METHOD_QUANTITIES:
            interval = intervals.mean_interval(group[quantity].astype(float).tolist())
            ends = {"mean": interval.estimate, "low": interval.low, "high": interval.high}
            rows.append({"method": name, "quantity": quantity, "radio": "", "grid": "", "n": interval.n, **ends})
            rows[-1]["note"] = interval.note
    return pd.DataFrame(rows, columns=list(TABLES["methods"]))


def _pairs(cells: pd.DataFrame, breakdown: pd.DataFrame, names: Sequence[str], radios: Sequence[str]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    first_grid = next(iter(GRIDS))
    device = _sums(breakdown[breakdown["grid"] == first_grid], "energy_j")
    is_radio = breakdown["component"].isin(["uplink", "downlink"])
    radio_only = _sums(breakdown[(breakdown["grid"] == first_grid) & is_radio], "energy_j")
    carbon = _sums(breakdown, "carbon_g")
    bits = cells.set_index(["method", "seed"])["total_bits"].astype(float) if len(cells) else pd.Series(dtype=float)
    for name in names[1:]:
        ours, theirs = (set(cells[cells["method"] == n]["seed"]) for n in (name, names[0]))
        seeds = sorted(ours & theirs)
        if not seeds:
            continue

        def add(quantity: str, kind: str, interval: intervals.Interval, radio: str = "", grid: str = "") -> None:
            head = {"method": name, "reference": names[0], "quantity": quantity, "radio": radio, "grid": grid}  # noqa: B023
            body = {"kind": kind, "n_pairs": interval.n, "estimate": interval.estimate, "low": interval.low}
            rows.append({**head, **body, "high": interval.high, "note": interval.note})

        def of(table: "pd.Series[float]", *scenario: str) -> tuple[list[float], list[float]]:
            return tuple([float(table[(n, seed, *scenario)]) for seed in seeds] for n in (name, names[0]))  # noqa: B023

        facts = cells.set_index(["method", "seed"])
        for quantity in METHOD_BITS:
            add(quantity, "ratio", intervals.paired_ratio(*of(facts[quantity])))
        for quantity in ("test_accuracy", "validation_accuracy", "sent_test_accuracy", "deployed_accuracy"):
            add(quantity, "difference", intervals.paired_difference(*of(facts[quantity])))
        for radio in radios:
            add("radio_energy_j", "ratio", intervals.paired_ratio(*of(radio_only, radio, first_grid)), radio)
            add("device_energy_j", "ratio", intervals.paired_ratio(*of(device, radio, first_grid)), radio)
            add("deployment_energy_j", "ratio", intervals.paired_ratio(*of(device, radio, first_grid)), radio)
            joules = of(radio_only, radio, first_grid)
            add("pass_through", "ratio", intervals.pass_through(*joules, *of(bits)), radio)
            for grid in GRIDS:
                add("carbon_g", "ratio", intervals.paired_ratio(*of(carbon, radio, grid)), radio, grid)
    return pd.DataFrame(rows, columns=list(TABLES["pairs"]))


def _sums(rows: pd.DataFrame, column: str) -> "pd.Series[float]":
    return rows.groupby(["method", "seed", "radio", "grid"])[column].sum()


def _context(
    names: Sequence[str], n_seeds: int, failed: Sequence[tuple[str, int]], radios: Sequence[str], cells_j: float | None
) -> dict[str, Any]:
    methods = []
    for number, name in enumerate(names):
        up, down = _SETTINGS[number % 4]
        methods.append({"name": name, "init": "pretrained", "uplink": up, "downlink": down, "server": {"kind": "mean"}})
    task = {"kind": "digits", "model": "mlp", "init": "pretrained", "clients": 20}
    federation = {"rounds": 40, "cohort": 10, "local_epochs": 1, "batch_size": 16, "lr": 0.1, "score_every": 5}
    planned = len(names) * n_seeds
    has_joules = cells_j is not None
    testbed = {"cells_j": cells_j, "attempts_j": 4.1, "pretraining": [{"name": "pretrained", "energy_j": 6.3}]}
    return {
        "schema_version": 2,
        "name": "quickstart",
        "spec": {"name": "quickstart", "task": task, "federation": federation, "methods": methods, "seeds": n_seeds},
        "reference": names[0],
        "methods": methods,
        "caveats": caveats(methods),
        "task": {**task, "n_parameters": _PARAMETERS, "n_test": 360},
        "federation": federation,
        "scenarios": {
            "radios": [{"name": radio, "title": RADIOS.get(radio, radio)} for radio in radios],
            "grids": list(GRIDS),
            "device": "raspberry_pi_4",
            "pause_s": 60.0,
            "cast": "unicast",
        },
        "coefficients": [
            _coefficient("lte_2012.alpha_up", (0.35, 0.438, 0.53), "J/Mbit", "huang2012", "Table 4", 2012, True),
            _coefficient("lte_2012.tail_w", (0.85, 1.06, 1.27), "W", "huang2012", "Table 3", 2012, True),
            _coefficient("raspberry_pi_4.cpu_w", (2.5, 3.6, 6.1), "W", "judgement", "", 2024, False),
        ],
        "grids": [
            {"name": name, "iso3": name if name.isupper() else None, "g_per_kwh": g, "year": year}
            | {"source": "energy mix table", "basis": "secondary"}
            for name, (g, year) in GRIDS.items()
        ],
        "device": {"kind": "raspberry_pi_4", "title": "Raspberry Pi 4 Model B"},
        "provenance": {
            "commit": "0123456789abcdef", "is_dirty": True, "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
            "hardware": {"cpu_model": "Example CPU", "n_threads": 2},
        },
        "meter": {"kind": "codecarbon" if has_joules else "cpu_time", "watts_per_cpu": 4.0},
        "cells": {
            "planned": planned, "finished": planned - len(failed), "missing": [],
            "failed": [{"method": m, "seed": s, "error": "UpdateError: NaN in round 7"} for m, s in failed],
        },
        "testbed": {
            **(testbed if has_joules else {"cells_j": None, "attempts_j": None, "pretraining": []}),
            "method": "estimated" if has_joules else "not_measured",
            "scope": "this process and its children, CPU only",
            "evidence": "E1" if has_joules else "none",
        },
        "boundary": [
            "Inside: computing of the clients, projected to the device, and the radio of the clients.",
            "Outside: access network, core network, server, manufacture.",
        ],
        "references": [
            _source("codecarbon", "meter:codecarbon"),
            _source("herath2026", "codec:quantfl"),
            _source("huang2012", "radio:lte", "radio:wifi"),
            _source("karimireddy2019", "codec:error_feedback", "codec:signsgd"),
            _source("owid", "grid:table"),
        ],
    }  # fmt: skip


def _source(key: str, *cited_by: str) -> dict[str, Any]:
    entry = f"@misc{{{key},\n  author = {{Author of {key}}},\n  title = {{A Title with 100\\,\\% of {{\\'A}}}},\n}}"
    return {"key": key, "entry": entry, "cited_by": sorted(cited_by)}


def _coefficient(
    name: str, values: tuple[float, float, float], unit: str, source: str, locator: str, year: int, is_verified: bool
) -> dict[str, Any]:
    low, typical, high = values
    return {
        "name": name, "low": low, "typical": typical, "high": high, "unit": unit, "source": source,
        "locator": locator, "year": year, "basis": "primary" if is_verified else "judgement",
        "range_basis": "factor 1.2 (primary)", "is_verified": is_verified,
    }  # fmt: skip
