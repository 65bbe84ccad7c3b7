"""Builds ``context.json``: everything a report says that is not in a table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.core.notes import jsonable
from harness.ledger.store import Attempt
from harness.price.accounting.assumptions import Assumptions
from harness.price.accounting.carbon import places
from harness.price.accounting.embodied import rule_text
from harness.price.assumptions.deployment import Group
from harness.price.assumptions.grids import Grid
from harness.results.citations import references
from harness.results.codec_words import caveats, described_uplinks
from harness.results.comparison import Study
from harness.run.engines.host import describe_code
from harness.tables.priced_cell import PricedCell
from radio_models.published import worked
from radio_models.verdicts import verdicts

SCHEMA_VERSION = 2
"""Version of the form; in version 1 notes were texts, which began with their kind."""

_WEAKNESS = ("counter", "estimated", "not_measured")

BOUNDARY = (
    "Inside every total: the computing of the clients (local training, encoding of uplink payloads, decoding of "
    "downlink payloads), projected to the device at the power of the whole board while it computes, and the device's "
    "own radio in both directions, headers, acknowledgements and retransmissions included.",
    "Beside the totals, unless the definition puts it in: what clients are given before round 1, standby of devices "
    "and radios, access network and core, the server, and a share of the manufacture of devices.",
    "Outside: the manufacture of networks and servers, and the data that clients train on.",
    "Evaluation is work of the benchmark, not of a deployment: it is recorded on this host and left out of every "
    "deployment figure.",
    "Pre-training is shown apart and in no method's total: every method with the same initialisation shares it.",
)


_PROVISIONING = (
    "What clients are given before round 1 (the model that later differences build on) is in no bits of a round. It is "
    "free where it comes from the factory, and costs one download per client over the air; both prices are printed."
)


def describe(
    study: Study,
    assumptions: Assumptions,
    priced: Sequence[PricedCell],
    unfinished: Mapping[tuple[str, int], str],
    attempts: Sequence[Attempt],
    pretraining: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The context of a report, JSON-able; what is not known is None.

    Args:
        study: what is compared.
        assumptions: what the cells were priced with.
        priced: the finished cells.
        unfinished: (method, seed) of the others, with the error of the last try or an empty text.
        attempts: tries that were killed or failed.
        pretraining: records of the pre-trainings in use.
    """
    described = study.described
    ledger = priced[0].result.ledger if priced else None
    found = {
        "schema_version": SCHEMA_VERSION,
        "name": study.name,
        "origin": study.origin,
        "notes": jsonable(study.notes),
        "spec": described,
        "reference": study.reference,
        "methods": described["methods"],
        "codecs": described_uplinks(described["methods"]),
        "caveats": caveats(described["methods"]),
        "task": {**described["task"], **_n_parameters(priced)},
        "federation": described["federation"],
        "scenarios": _scenarios(assumptions, priced),
        "coefficients": [asdict(coefficient) for coefficient in assumptions.coefficients()],
        "grids": [_described_grid(grid) for grid in _grids(priced)],
        "device": _device(assumptions),
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
            "planned": study.n_planned,
            "finished": len(priced),
            "failed": [_unfinished(key, error) for key, error in unfinished.items() if error],
            "missing": [_unfinished(key, "") for key, error in unfinished.items() if not error],
        },
        "testbed": _testbed(priced, attempts, pretraining),
        "boundary": [*BOUNDARY, *([_PROVISIONING] if _has_provisioning(priced) else [])],
        "verdicts": [{**asdict(verdict), "error": verdict.error} for verdict in verdicts()],
        "worked": [asdict(example) for example in worked()],
        "references": references(study.spec, assumptions),
    }
    return {key: _strict(value) for key, value in found.items()}


def _strict(value: Any) -> Any:
    """`value` with None for every number that is not known: JSON knows no NaN."""
    if isinstance(value, Mapping):
        return {key: _strict(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _testbed(
    priced: Sequence[PricedCell], attempts: Sequence[Attempt], pretraining: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the benchmark itself cost on the machines it ran on, as far as their meters measured it."""
    # Methods with equal settings share a cell, which was paid for once.
    readings = list({cell.result.cell_id: cell.result.ledger.reading for cell in priced}.values())
    joules = [reading.cpu_j for reading in readings if reading.cpu_j is not None]
    is_known = bool(readings) and len(joules) == len(readings)
    # No rate holds for an attempt where machines differ: on which one it ran is not recorded.
    has_one_rate = is_known and len({cell.result.ledger.host.machine for cell in priced}) == 1
    cpu_s = sum(reading.cpu_seconds for reading in readings)
    # Where nobody took the time of whole runs, it is not known of attempts either.
    attempts_cpu_s = math.nan if math.isnan(cpu_s) else sum(attempt.cpu_seconds for attempt in attempts)
    return {
        "cells_j": sum(joules) if is_known else None,
        "cells_cpu_s": cpu_s,
        # A killed attempt has no reading: its CPU seconds are charged at the mean rate of the finished cells.
        "attempts_j": attempts_cpu_s * sum(joules) / cpu_s if has_one_rate or (is_known and not attempts) else None,
        "attempts_cpu_s": attempts_cpu_s,
        "n_attempts": len(attempts),
        "pretraining": [
            {
                "name": _pretraining_name(record),
                "source": record["source"],
                "is_made_here": record["reading"] is not None,
                "energy_j": (record["reading"] or {}).get("cpu_j"),
                "cpu_s": (record["reading"] or {}).get("cpu_seconds"),
                "accuracy_on_source": record.get("source_after", {}).get("accuracy"),
            }
            for record in pretraining
        ],
        # Readings of several kinds carry the weakest word.
        "method": max((reading.method for reading in readings), key=_WEAKNESS.index, default="not_measured"),
        "scope": _distinct(reading.scope for reading in readings),
        "evidence": max((reading.evidence for reading in readings), default="none"),
    }


def _pretraining_name(record: Mapping[str, Any]) -> str:
    if record["reading"] is None:
        return f"{record['model']}, {record['where']}"
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


def _n_parameters(priced: Sequence[PricedCell]) -> dict[str, int]:
    """Size of the model, as far as it is known."""
    n_bytes = priced[0].result.ledger.model_bytes if priced else 0
    return {"n_parameters": n_bytes // 4} if n_bytes else {}


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
        "accelerators": sorted({cell.result.ledger.host.accelerator or "" for cell in priced} - {""}),
    }


def _has_provisioning(priced: Sequence[PricedCell]) -> bool:
    return any((cell.result.ledger.transfers["round"] == 0).any() for cell in priced)


def _scenarios(assumptions: Assumptions, priced: Sequence[PricedCell]) -> dict[str, Any]:
    return {
        "radios": [
            {
                "name": deployment.name,
                "title": deployment.title,
                "kinds": [group.radio.kind for group in deployment.groups],
                "is_fleet": deployment.is_fleet,
                "notes": jsonable(note for cell in priced for note in cell.result.deployments[number].notes),
            }
            for number, deployment in enumerate(assumptions.deployments)
        ],
        "grids": [grid.iso3 or grid.name for grid in assumptions.grids],
        "device": _device(assumptions)["kind"],
        "supplies": list(dict.fromkeys(group.supply.name for group in _groups(assumptions))),
        "pause_s": assumptions.pause_s,
        "provisioning": "over_the_air" if "provisioning" in assumptions.included else "factory",
        "included": sorted(assumptions.included),
        "cast": assumptions.cast,
        "round_limit_s": assumptions.round_limit_s,
        "embodied": rule_text(assumptions.embodied),
        "operator_grid": None if assumptions.operator_grid is None else assumptions.operator_grid.name,
        "notes": jsonable(note for group in _groups(assumptions) for note in group.supply.notes),
    }


def _groups(assumptions: Assumptions) -> list[Group]:
    return [group for deployment in assumptions.deployments for group in deployment.groups]


def _device(assumptions: Assumptions) -> dict[str, str]:
    """The device of all clients, or all devices where fleets have several."""
    devices = {group.device.kind: group.device.title for group in _groups(assumptions)}
    return {"kind": ", ".join(devices), "title": ", ".join(devices.values())}


def _grids(priced: Sequence[PricedCell]) -> list[Grid]:
    """Every grid that something was priced with, once."""
    found = {
        grid.iso3 or grid.name: grid
        for cell in priced[:1]
        for here in cell.result.deployments
        for _, places_of in places(here, cell.result.assumptions)
        for grid in places_of
    }
    return list(found.values())


def _described_grid(grid: Grid) -> dict[str, Any]:
    described = {key: value for key, value in vars(grid).items() if key != "series"}
    return described | {"name": grid.iso3 or grid.name, "title": grid.name}


def _unfinished(key: tuple[str, int], error: str) -> dict[str, Any]:
    method, seed = key
    return {"method": method, "seed": seed, "error": error}
