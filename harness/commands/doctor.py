"""Checks what can be measured and run on this machine, and says how to fix the rest."""

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from harness.run.meters.codecarbon import DEFAULT_WATTS_PER_CPU, has_readable_rapl, is_virtual_machine

POWERCAP = Path("/sys/class/powercap")
_MIN_MEMORY_BYTES, _MIN_DISK_BYTES = 2e9, 2e9
_BUSY_SHARE = 0.05


@dataclass(frozen=True)
class Check:
    """One thing looked at.

    Attributes:
        name: what was looked at.
        state: ``ok``, ``note`` (works, but can be better) or ``problem``.
        found: what is there.
        remedy: what to do; empty if nothing is to be done.
    """

    name: str
    state: Literal["ok", "note", "problem"]
    found: str
    remedy: str = ""


def examine() -> list[Check]:
    """All checks, in the order in which they matter; takes a few seconds."""
    checks: list[Callable[[], Iterator[Check]]] = [
        _python,
        _torch,
        _cores,
        _memory,
        _disk,
        _cpu_energy,
        _gpu,
        _data,
        _extras,
    ]
    return [found for check in checks for found in check()]


def _python() -> Iterator[Check]:
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    is_supported = sys.version_info >= (3, 11)
    yield Check("python", "ok" if is_supported else "problem", text, "" if is_supported else "use Python 3.11 or newer")


def _torch() -> Iterator[Check]:
    try:
        build = version("torch")
    except PackageNotFoundError:
        yield Check("torch", "problem", "not installed", "run `make compare`, or pip install torch")
        return
    yield Check("torch", "ok", f"torch {build}; cells train on the CPU, one thread each")


def _cores() -> Iterator[Check]:
    import psutil

    n_cores, busy = os.cpu_count() or 1, psutil.cpu_percent(interval=0.5) / 100
    if busy > _BUSY_SHARE:
        remedy = "CPU seconds stay comparable, wall times do not; stop other work before timing anything"
        yield Check("cores", "note", f"{n_cores} hardware threads, {busy:.0%} busy with other work", remedy)
    else:
        yield Check("cores", "ok", f"{n_cores} hardware threads, {busy:.0%} busy: {n_cores} cells at a time")


def _memory() -> Iterator[Check]:
    from harness.run.engines.cost_probe import available_bytes

    free = available_bytes()
    is_enough = free > _MIN_MEMORY_BYTES
    remedy = "" if is_enough else "use --jobs 1; `harness plan` tells what a benchmark needs"
    yield Check("memory", "ok" if is_enough else "note", f"{free / 1e9:.1f} GB available", remedy)


def _disk() -> Iterator[Check]:
    from harness.core.cache import cache_root

    for name, folder in (("results", Path.cwd()), ("cache", cache_root())):
        existing = next(path for path in [folder, *folder.parents] if path.exists())
        free = shutil.disk_usage(existing).free
        if not os.access(existing, os.W_OK):
            remedy = "use --out for results, HARNESS_CACHE for the cache"
            yield Check(f"disk, {name}", "problem", f"{folder}: no write permission", remedy)
        elif free < _MIN_DISK_BYTES:
            yield Check(f"disk, {name}", "note", f"{folder}: {free / 1e9:.1f} GB free", "make room")
        else:
            yield Check(f"disk, {name}", "ok", f"{folder}: {free / 1e9:.0f} GB free")


def _cpu_energy() -> Iterator[Check]:
    meter = f"CodeCarbon {version('codecarbon')}"
    if has_readable_rapl(POWERCAP):
        yield Check("CPU energy", "ok", f"{meter} with RAPL counters (class M1): one cell at a time, nothing beside")
    elif any(POWERCAP.glob("intel-rapl:*")):
        remedy = f"RAPL is there but only root may read it: sudo chmod -R a+r {POWERCAP}/intel-rapl:*"
        yield Check("CPU energy", "note", f"{meter}: estimated from CPU time", remedy)
    elif is_virtual_machine():
        found = f"{meter}: estimated as {DEFAULT_WATTS_PER_CPU:g} W x CPU seconds (class E2)"
        yield Check("CPU energy", "note", found, "a virtual machine has no counters; use bare metal to measure")
    else:
        found = f"{meter}: estimated from CPU time and the CPU's rated power (class E1)"
        yield Check("CPU energy", "note", found, "no RAPL counters found; on Linux, load the intel_rapl_msr module")


def _gpu() -> Iterator[Check]:
    try:
        import pynvml

        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
    except Exception:
        # Whatever NVML says where it does not work, it comes to the same: no GPU can be measured.
        yield Check("GPU energy", "ok", "no NVIDIA GPU; none is used")
        return
    yield Check("GPU energy", "ok", f"{count} NVIDIA GPU through NVML; cells do not use it")


def _data() -> Iterator[Check]:
    yield Check("data, digits", "ok", "comes with scikit-learn")
    root = os.environ.get("HARNESS_DATA")
    if root and any((Path(root) / "mnist").glob("**/*.parquet")):
        yield Check("data, mnist", "ok", f"{Path(root) / 'mnist'}")
    else:
        remedy = "put parquet files in a folder mnist and set HARNESS_DATA to the folder above it"
        yield Check("data, mnist", "note", "no folder; would be loaded from the hub on first use", remedy)


def _extras() -> Iterator[Check]:
    for package, extra, use in (("ray", "cluster", "cells on Ray"), ("flwr", "flower", "codecs in Flower apps")):
        try:
            yield Check(f"extra {extra}", "ok", f"{package} {version(package)}: {use}")
        except PackageNotFoundError:
            remedy = f"for {use}: pip install 'quantfl-harness[{extra}]'"
            yield Check(f"extra {extra}", "ok", f"{package} is not installed; optional", remedy)
