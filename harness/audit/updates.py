"""Provides the updates that codecs are audited on: seeded independent entries, or those that a benchmark recorded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np

from harness.audit.bounds import Distribution
from harness.core.errors import UsageError
from harness.core.seeds import stream
from harness.core.types import Float32, Layout, TensorSpec, Update
from harness.parsing.problems import did_you_mean

SIGMA = 0.01
"""Standard deviation of drawn entries, about that of an update of a small model."""

MOST_UPDATES = 4
"""Recorded updates that are audited; of more, as many are taken at equal distances."""

HOW_TO_RECORD = "record: {updates_at: [1, 10], clients: 2}"


@dataclass(frozen=True)
class Source:
    """Updates to audit on.

    Attributes:
        title: a few words, e.g. "1,000,000 Laplace entries".
        detail: sentences on how they came about.
        updates: at least one, none empty.
        distribution: what their entries were drawn from; None for recorded ones.
    """

    title: str
    detail: str
    updates: tuple[Update, ...]
    distribution: Distribution | None


def find_source(on: str, size: int, seed: int) -> Source:
    """What ``--on`` names.

    Args:
        on: ``gaussian``, ``laplace``, a results folder, or one recorded update.
        size: number of entries to draw, at least 1.
        seed: of the draw.

    Raises:
        UsageError: there is nothing of that name, it recorded no updates, or one of them cannot be read.
    """
    for distribution in get_args(Distribution):
        if on == distribution:
            return drawn(distribution, size, seed)
    path = Path(on)
    if path.is_file():
        return _recorded([path], path, 1)
    if not path.is_dir():
        known = get_args(Distribution)
        raise UsageError(
            f"--on {on}: not {' or '.join(known)}, and no results folder of that name.{did_you_mean(on, known)}"
        )
    files = sorted(path.glob("cells/*/ledger/updates/*.safetensors"))
    if not files:
        raise UsageError(
            f"{path}: no updates were recorded here; a definition with `{HOW_TO_RECORD}` records them, "
            "then `harness compare` runs it"
        )
    places = np.unique(np.linspace(0, len(files) - 1, min(MOST_UPDATES, len(files))).round().astype(int))
    return _recorded([files[place] for place in places], path, len(files))


def drawn(distribution: Distribution, size: int, seed: int) -> Source:
    """One update of `size` independent entries of mean 0, in up to four matrices of halving size."""
    rng = stream(seed, f"audit-{distribution}")
    if distribution == "gaussian":
        values = rng.normal(scale=SIGMA, size=size)
    else:
        values = rng.laplace(scale=SIGMA / np.sqrt(2), size=size)
    layout = _halving_layout(size)
    name = distribution.capitalize()
    entries = f"{name} entries" if size > 1 else f"{name} entry"
    detail = (
        f"Independent entries of mean 0 and standard deviation {SIGMA:g}, seed {seed}, in {len(layout.tensors)} "
        f"{'matrices' if len(layout.tensors) > 1 else 'matrix'} and no vectors."
    )
    return Source(f"{size:,} {entries}", detail, (Update(values.astype(np.float32), layout),), distribution)


def _halving_layout(size: int) -> Layout:
    """Matrices of a half, a quarter, an eighth and the rest of `size` entries, as square as whole numbers allow."""
    sizes = [size // 2, size // 4, size // 8]
    sizes = [part for part in (*sizes, size - sum(sizes)) if part]
    return Layout(tuple(TensorSpec(f"matrix{number}", _matrix(part)) for number, part in enumerate(sizes)))


def _matrix(size: int) -> tuple[int, int]:
    rows = next(rows for rows in range(int(np.sqrt(size)), 0, -1) if size % rows == 0)
    return rows, size // rows


def _recorded(files: Sequence[Path], origin: Path, n_found: int) -> Source:
    read = [_read(file) for file in files]
    recorded = {key: sorted({facts[key] for _, facts in read if key in facts}, key=_natural) for key in _FACTS}
    settings = "; ".join(
        f"{key if len(values) == 1 else _FACTS[key]} {', '.join(values)}" for key, values in recorded.items() if values
    )
    sizes = sorted({update.layout.size for update, _ in read})
    entries = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
    updates = "1 recorded update" if len(read) == 1 else f"{len(read)} recorded updates"
    of_run = f" ({settings})" if settings else ""
    detail = f"{len(read)} of {n_found} in {origin.name}{of_run}, as trained, before any codec."
    if len(read) > 1:
        detail += " Figures are means over them; the worst error is the largest, times are medians."
    return Source(f"{updates} of {entries} entries", detail, tuple(update for update, _ in read), None)


_FACTS = {"round": "rounds", "client": "clients", "init": "inits"}


def _natural(text: str) -> tuple[int, str]:
    return (int(text), "") if text.isdecimal() else (-1, text)


def _read(file: Path) -> tuple[Update, dict[str, str]]:
    """A recorded update with its tensors in the order of the file, and the facts that the file states."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping
            facts = dict(opened.metadata() or {})
    except (SafetensorError, TypeError) as error:
        raise UsageError(f"{file}: no recorded update: {error}") from error
    return _update(file, tensors), facts


def _update(file: Path, tensors: dict[str, Any]) -> Update:
    for name, tensor in tensors.items():
        if tensor.dtype != np.float32:
            raise UsageError(f"{file}: tensor {name} is {tensor.dtype}; recorded updates are float32")
        if not np.isfinite(tensor).all():
            raise UsageError(f"{file}: tensor {name} holds NaN or infinity, which no codec sends")
    layout = Layout(tuple(TensorSpec(name, tensor.shape) for name, tensor in tensors.items()))
    if layout.size == 0:
        raise UsageError(f"{file}: an update without entries")
    values: Float32 = np.concatenate([tensor.reshape(-1) for tensor in tensors.values()])
    return Update(values, layout)
