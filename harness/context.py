"""``context.json``: everything a report says that is not in a table."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.accounting import Assumptions
from harness.citations import references
from harness.provenance import describe_code
from harness.spec import BenchmarkSpec
from harness.store import Attempt
from harness.tables import PricedCell

SCHEMA_VERSION = 1

_WEAKNESS = ("counter", "estimated", "not_measured")

BOUNDARY = (
    "Inside: the computing of the clients (local training, encoding of uplink payloads, decoding of downlink "
    "payloads), projected to the device at the power of the whole board while it computes, and the device's own radio "
    "in both directions.",
    "Outside: access network, core network, server, the device's power while it waits or sleeps, manufacture, and the "
    "protocol headers below the payload.",
    "Evaluation is work of the benchmark, not of a deployment: it is recorded on this host and left out of every "
    "deployment figure.",
    "Pre-training is shown apart and in no method's total: every method with the same initialisation shares it.",
)


_PROVISIONING = (
    "What clients are given before round 1 (the model that later differences build on) is in no bits of a round. It is "
    "free where it comes from the factory, and costs one download per client over the air; both prices are printed."
)


def describe(
    spec: BenchmarkSpec,
    assumptions: Assumptions,
    priced: Sequence[PricedCell],
    unfinished: Mapping[tuple[str, int], str],
    attempts: Sequence[Attempt],
    pretraining: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The context of a report, JSON-able.

    Args:
        spec: the benchmark.
        assumptions: what the cells were priced with.
        priced: the finished cells.
        unfinished: (method, seed) of the others, with the error of the last try or an empty text.
        attempts: tries that were killed or failed.
        pretraining: records of the pre-trainings in use.
    """
    resolved = spec.resolved()
    ledger = priced[0].result.ledger if priced else None
    return {
        "schema_version": SCHEMA_VERSION,
        "name": spec.name,
        "spec": resolved,
        "reference": spec.reference,
        "methods": resolved["methods"],
        "task": resolved["task"] | ({"n_parameters": _n_parameters(priced)} if priced else {}),
        "federation": resolved["federation"],
        "scenarios": {
            "radios": [
                {"name": radio.kind, "title": radio.title, "notes": _notes(priced, number)}
                for number, radio in enumerate(assumptions.radios)
            ],
            "grids": [grid.iso3 or grid.name for grid in assumptions.grids],
            "device": assumptions.device.kind,
            "pause_s": assumptions.pause_s,
            "provisioning": assumptions.provisioning,
            "cast": "unicast",
        },
        "coefficients": [asdict(coefficient) for coefficient in assumptions.coefficients()],
        "grids": [asdict(grid) | {"name": grid.iso3 or grid.name, "title": grid.name} for grid in assumptions.grids],
        "device": {"kind": assumptions.device.kind, "title": assumptions.device.title},
        "provenance": {
            **_made_by(priced),
            "reported_by": describe_code(),
            "packages": dict(ledger.host.versions) if ledger else {},
            "hardware": _hardware(priced),
        },
        "meter": {
            "kind": _distinct(cell.result.ledger.reading.meter for cell in priced),
            "watts_per_cpu": ledger.reading.watts_per_cpu if ledger else None,
        },
        "cells": {
            "planned": len(spec.methods) * len(spec.seeds),
            "finished": len(priced),
            "failed": [_unfinished(key, error) for key, error in unfinished.items() if error],
            "missing": [_unfinished(key, "") for key, error in unfinished.items() if not error],
        },
        "testbed": _testbed(priced, attempts, pretraining),
        "boundary": [*BOUNDARY, *([_PROVISIONING] if _has_provisioning(priced) else [])],
        "references": references(spec, assumptions),
    }


def _testbed(
    priced: Sequence[PricedCell], attempts: Sequence[Attempt], pretraining: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the benchmark itself cost on the machines it ran on, as far as their meters could tell."""
    # Methods with equal settings share a cell, which was paid for once.
    readings = list({cell.result.cell_id: cell.result.ledger.reading for cell in priced}.values())
    joules = [reading.cpu_j for reading in readings if reading.cpu_j is not None]
    is_known = bool(readings) and len(joules) == len(readings)
    cpu_s = sum(reading.cpu_seconds for reading in readings)
    attempts_cpu_s = sum(attempt.cpu_seconds for attempt in attempts)
    return {
        "cells_j": sum(joules) if is_known else None,
        "cells_cpu_s": cpu_s,
        # A killed attempt has no reading: its CPU seconds are charged at the mean rate of the finished cells.
        "attempts_j": attempts_cpu_s * sum(joules) / cpu_s if is_known else None,
        "attempts_cpu_s": attempts_cpu_s,
        "n_attempts": len(attempts),
        "pretraining": [
            {
                "name": _pretraining_name(record),
                "source": record["source"],
                "energy_j": record["reading"]["cpu_j"],
                "cpu_s": record["reading"]["cpu_seconds"],
                "accuracy_on_source": record["source_after"]["accuracy"],
            }
            for record in pretraining
        ],
        # Readings of several kinds carry the weakest word.
        "method": max((reading.method for reading in readings), key=_WEAKNESS.index, default="not_measured"),
        "scope": _distinct(reading.scope for reading in readings),
        "evidence": max((reading.evidence for reading in readings), default="none"),
    }


def _pretraining_name(record: Mapping[str, Any]) -> str:
    epochs, n_examples = record["settings"]["epochs"], record["n_examples"]
    return f"{record['model']}, {epochs} epochs on {n_examples} examples ({record['source']})"


def _made_by(priced: Sequence[PricedCell]) -> dict[str, Any]:
    """The code that ran the cells; where it was not one and the same, every version of it."""
    codes = {str(code): code for cell in priced if (code := dict(cell.result.ledger.code))}
    if len(codes) == 1:
        return dict(next(iter(codes.values())))
    commits = _distinct(str(code["commit"]) for code in codes.values())
    return {
        "version": _distinct(str(code["version"]) for code in codes.values()),
        "commit": commits or None,
        "is_dirty": any(code["is_dirty"] for code in codes.values()) if codes else None,
    }


def _distinct(texts: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(texts))


def _n_parameters(priced: Sequence[PricedCell]) -> int:
    return int(priced[0].result.ledger.transfers["reference_bytes"].max()) // 4


def _hardware(priced: Sequence[PricedCell]) -> dict[str, Any]:
    hosts = {cell.result.ledger.host.machine: cell.result.ledger.host for cell in priced}
    if not hosts:
        return {}
    host = next(iter(hosts.values()))
    return {
        "cpu_model": host.cpu_model,
        "n_threads": host.n_threads,
        "is_virtual": host.is_virtual,
        "platform": host.platform,
        "gemm_gflops": host.gemm_gflops,
        "n_machines": len(hosts),
    }


def _has_provisioning(priced: Sequence[PricedCell]) -> bool:
    return any((cell.result.ledger.transfers["round"] == 0).any() for cell in priced)


def _notes(priced: Sequence[PricedCell], radio: int) -> list[str]:
    return list(dict.fromkeys(note for cell in priced for note in cell.result.radios[radio].notes))


def _unfinished(key: tuple[str, int], error: str) -> dict[str, Any]:
    method, seed = key
    return {"method": method, "seed": seed, "error": error}
