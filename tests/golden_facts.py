"""Golden facts: the digests of about a dozen tiny cells, which guard the versions in `harness.parts.facts_version`.

A change that keeps all facts keeps all digests. One that changes facts must raise the version of what it changed; then
``python -m tests.golden_facts`` records the digests anew, which it refuses while a version is missing.

Cells are run in a process of its own, by code paths that do not depend on the processor's vector units.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "golden" / "facts.json"

Record = Mapping[str, Any]
"""What is recorded of a cell: ``digest`` of its facts and the ``versions`` of what made them."""

ANY_PROCESSOR = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OPENBLAS_CORETYPE": "Prescott",
}
"""Environment in which torch, MKL, oneDNN and OpenBLAS compute alike on every x86-64 processor."""

SHARED = "facts"
"""How versions call what all cells share."""

_QUANTFL = {"kind": "quantfl", "levels": 64}
_STEPS = {"kind": "quantfl", "step": 1.0}
_DIGITS: dict[str, Any] = {
    "kind": "digits",
    "model": "mlp",
    "clients": 30,
    "partition": {"kind": "dirichlet", "alpha": 1.0},
}
_ROUNDS: dict[str, Any] = {"rounds": 3, "cohort": 3, "lr": 0.1, "batch_size": 16, "score_every": 2}
_DEADLINE = {"round_s": 5, "uplink_mbps": 0.1, "downlink_mbps": 1, "step_s": 0.01, "spread": 3}


def _cell(method: Mapping[str, Any], task: Mapping[str, Any] = _DIGITS, **federation: Any) -> dict[str, Any]:
    return {"method": method, "task": task, "federation": _ROUNDS | federation}


def cells(data: Path) -> dict[str, dict[str, Any]]:
    """Method, task and federation of each cell, by name; `data` holds what `make_data` made."""
    both = {"uplink": _STEPS, "downlink": {"codec": {"kind": "quantfl", "step": 0.1}}}
    sign = {"kind": "error_feedback", "inner": {"kind": "signsgd"}}
    pictures = {"kind": "images", "data": str(data / "pictures"), "validation": 20, "clients": 4}
    network = {"model": "efficientnet_lite0", "train": {"blocks": 1}, "input": {"pixels": 32}}
    digits = {"init": "pretrained", "pretraining": {"source": "digits", "epochs": 1}, "model": "cnn"}
    written = {"kind": "images", "data": str(data / "numerals"), "validation": 40, "clients": 8} | digits
    return {
        "uncompressed": _cell({}),
        "buckets up, model down": _cell({"uplink": _QUANTFL, "downlink": {"codec": {"kind": "float16"}}}),
        "steps both ways, deltas": _cell(both | {"downlink": both["downlink"] | {"mode": "delta"}}),
        "steps both ways, since start, pre-trained": _cell(
            both | {"downlink": both["downlink"] | {"mode": "since_start"}},
            _DIGITS | {"init": "pretrained", "pretraining": {"epochs": 1}},
        ),
        "error feedback": _cell({"uplink": sign}),
        "EF21": _cell(
            {"uplink": {"kind": "ef21", "inner": {"kind": "topk", "ratio": 0.1}}, "server": {"kind": "ef21"}}
        ),
        "majority vote": _cell({"uplink": "sign", "server": {"kind": "majority_vote", "lr": 0.01}}),
        "QSGD, Adam": _cell({"uplink": "qsgd", "server": {"kind": "fedadam", "lr": 0.01}}),
        "TernGrad, momentum": _cell(
            {"uplink": "terngrad", "server": {"kind": "fedavgm", "momentum": 0.9}}, momentum=0.5
        ),
        "STC, budget": _cell(
            {"uplink": {"kind": "error_feedback", "inner": {"kind": "stc", "ratio": 0.05}}},
            rounds=20,
            budget={"mbit": 0.5, "direction": "uplink"},
        ),
        "PowerSGD, deadline": _cell({"uplink": {"kind": "powersgd", "rank": 1}}, deadline=_DEADLINE),
        "EDEN, cosine, proximal": _cell({"uplink": {"kind": "eden", "bits": 2}}, lr_schedule="cosine", proximal=0.1),
        "batch norms": _cell({"uplink": _STEPS}, pictures | network, batch_size=8, augment="flip", rounds=2),
        "CNN, pre-trained": _cell({"uplink": _QUANTFL}, written, rounds=2, lr=0.05),
    }


def make_data(folder: Path) -> None:
    """Two small data sets as parquet files: coloured pictures of four kinds, and grey ones of ten kinds."""
    import datasets
    import numpy as np

    rng = np.random.default_rng(0)
    for name, sizes, shape, kinds in (("pictures", (60, 20), (32, 32, 3), 4), ("numerals", (160, 40), (28, 28), 10)):
        (folder / name).mkdir(parents=True)
        patterns = rng.integers(0, 200, (kinds, *shape))
        for split, size in zip(("train", "test"), sizes, strict=True):
            labels = rng.integers(0, kinds, size)
            images = (patterns[labels] + rng.integers(0, 56, (size, *shape))).astype(np.uint8)
            values = {"image": list(images), "label": labels.tolist()}
            table = datasets.Dataset.from_dict(values).cast_column("image", datasets.Image())
            table.to_parquet(str(folder / name / f"{split}-00000-of-00001.parquet"))


def facts_now() -> dict[str, Record]:
    """Digest and versions of every cell, run by the present code."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | ANY_PROCESSOR | {"HARNESS_CACHE": f"{folder}/cache"}
        command = [sys.executable, "-W", "ignore", "-m", "tests.golden_facts", folder]
        root = Path(__file__).parent.parent
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr)
        found: dict[str, Record] = json.loads(done.stdout)
        return found


def _run_all(folder: Path) -> dict[str, Record]:
    from harness.ledger.store import Store
    from harness.parts.facts_version import FACTS_VERSION
    from harness.run.cell import versions_of
    from harness.run.engines import local
    from harness.run.engines.local import run_missing
    from tests.runs import PoolHere, planned, tiny

    local._workers = PoolHere().workers
    make_data(folder / "data")
    store, found = Store(folder / "results"), {}
    for name, settings in cells(folder / "data").items():
        method = {"name": "golden"} | settings["method"]
        (cell,) = planned(tiny([method]) | {"task": settings["task"], "federation": settings["federation"]})
        failures = run_missing({cell.cell_id: cell.cell}, store, "cpu_time", 1, lambda event: None)
        if failures:
            raise RuntimeError(f"{name}: {failures}")
        digest = store.ledger(cell.cell_id).facts_digest
        found[name] = {"digest": digest, "versions": {SHARED: FACTS_VERSION, **versions_of(cell.cell)}}
    return found


def recorded() -> dict[str, Record]:
    """What is recorded of every cell."""
    found: dict[str, Record] = json.loads(FILE.read_text(encoding="utf-8"))["cells"]
    return found


def made_with() -> dict[str, str]:
    """Architecture and libraries that facts are computed with: others may sum in another order."""
    packages = ("torch", "numpy", "constriction", "flwr-datasets", "scikit-learn", "pillow", "datasets")
    versions = {package: version(package).partition("+")[0] for package in packages}
    return {"machine": platform.machine(), **versions}


def recorded_with() -> dict[str, str]:
    """As `made_with`, of what is recorded."""
    found: dict[str, str] = json.loads(FILE.read_text(encoding="utf-8"))["made_with"]
    return found


def unversioned(before: Mapping[str, Record], now: Mapping[str, Record]) -> list[str]:
    """A line for each cell whose facts changed although no version of what made them did, with what to do."""
    changed = {name for name in before.keys() & now.keys() if before[name]["digest"] != now[name]["digest"]}
    silent = sorted(name for name in changed if before[name]["versions"] == now[name]["versions"])
    if not silent:
        return []
    remedy = f"raise the version of {_suspect(changed, now)}, then record anew: python -m tests.golden_facts"
    return [f"{name}: facts changed: {remedy}" for name in silent]


def _suspect(changed: Collection[str], now: Mapping[str, Record]) -> str:
    """The part that all changed cells have and the fewest others; if there is none, what all cells share."""
    shared = set.intersection(*({*now[name]["versions"]} for name in changed)) - {SHARED}
    users = {part: sum(part in found["versions"] for found in now.values()) for part in sorted(shared)}
    part = min(users, key=lambda name: users[name], default=SHARED)
    if part == SHARED or len(changed) == len(now):
        return "all facts, FACTS_VERSION in harness/parts/facts_version.py"
    if part == "pretraining":
        return "pre-training, PRETRAINING_VERSION in harness/parts/facts_version.py"
    return f"{part}, an attribute of its class"


def record() -> None:
    """Write the digests of the present code, unless facts changed under a version that did not."""
    now = facts_now()
    if FILE.is_file() and recorded_with() == made_with() and (missing := unversioned(recorded(), now)):
        sys.exit("\n".join(missing))
    FILE.write_text(json.dumps({"made_with": made_with(), "cells": now}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(_run_all(Path(sys.argv[1]))))
    else:
        record()
