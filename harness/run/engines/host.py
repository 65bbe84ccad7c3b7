"""Records where results come from: code, packages, machine."""

import hashlib
import os
import platform
import socket
import statistics
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

import harness
from harness.ledger.ledger import Host
from harness.parts.facts_version import FACTS_VERSION, source_digest
from harness.run.accelerator import accelerator
from harness.run.meters.codecarbon import is_virtual_machine

_PACKAGES = ("torch", "numpy", "codecarbon", "flwr-datasets", "scikit-learn", "pyarrow")
_SOURCES = ("harness", "baselines", "quantfl", "radio_models", "reports", "pyproject.toml")


def describe_host() -> Host:
    """The machine this process runs on, with the rates of one thread (takes about a fifth of a second)."""
    return Host(
        machine=hashlib.sha256(socket.gethostname().encode()).hexdigest()[:12],
        cpu_model=cpu_model(),
        n_threads=os.cpu_count() or 1,
        is_virtual=is_virtual_machine(),
        gemm_gflops=gemm_gflops(),
        platform=f"{platform.system()} {platform.machine()}",
        versions={"python": platform.python_version()} | {name: _version(name) for name in _PACKAGES},
        copy_gb_per_s=copy_gb_per_s(),
        accelerator=accelerator(),
    )


def gemm_gflops(size: int = 384, repeats: int = 7) -> float:
    """Rate of one thread in a float64 matrix product, 1e9 flop/s by CPU time: median of `repeats`.

    The yardstick between machines: it is compared with a device's published rate of the same arithmetic.
    """
    import torch

    left = torch.ones(size, size, dtype=torch.float64)
    right = torch.ones(size, size, dtype=torch.float64)
    torch.mm(left, right)
    rates = []
    for _ in range(repeats):
        start = time.thread_time()
        torch.mm(left, right)
        rates.append(2 * size**3 / (time.thread_time() - start) / 1e9)
    return statistics.median(rates)


def copy_gb_per_s(n_bytes: int = 2**24, repeats: int = 7) -> float:
    """Rate of one thread in copying memory, 1e9 B/s by CPU time, bytes read plus bytes written: median of `repeats`.

    The yardstick between machines for work that waits for memory. Two buffers of 16 MiB, as the vectors of a model of
    four million parameters would be.
    """
    source, copy = np.ones(n_bytes, dtype=np.uint8), np.zeros(n_bytes, dtype=np.uint8)
    np.copyto(copy, source)
    rates = []
    for _ in range(repeats):
        start = time.thread_time()
        np.copyto(copy, source)
        rates.append(2 * n_bytes / (time.thread_time() - start) / 1e9)
    return statistics.median(rates)


def describe_code() -> dict[str, Any]:
    """Version, commit and whether the sources differ from it; commit is None where the code is no git checkout."""
    root = Path(harness.__file__).parent.parent
    commit = _git(root, "rev-parse", "HEAD")
    changes = None if commit is None else _git(root, "status", "--porcelain", "--", *_SOURCES)
    return {"version": harness.__version__, "commit": commit, "is_dirty": None if changes is None else bool(changes)}


def describe_facts_code() -> dict[str, Any]:
    """As `describe_code`, with the version of facts and the digest of the sources that make them."""
    return {**describe_code(), "facts_version": FACTS_VERSION, "source_digest": source_digest()}


def _git(root: Path, *arguments: str) -> str | None:
    if not (root / ".git").exists():
        return None
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def cpu_model() -> str:
    """Name of the processor, as the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
