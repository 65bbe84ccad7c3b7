"""Records the updates of a cell: raw ones for ``harness audit``, and their distribution.

Raw updates lie in the ledger's folder as ``updates/round-0001-client-0003.safetensors``: a float32 tensor per trained
tensor, by name and shape, as training left it and before any codec; 4 bytes a parameter. Metadata: round, client, init.
"""

import math
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save

from harness.core.facts import UpdateStatistic
from harness.core.types import Float32, Layout
from harness.ledger.ledger import Facts
from harness.run.federation.stopwatch import Stopwatch

UPDATES_FOLDER = "updates"


@dataclass(frozen=True)
class RecordSettings:
    """What is recorded; by default nothing.

    Attributes:
        updates_at: rounds whose raw updates are kept.
        clients: clients of each such round: the first of the cohort, at least 1.
        statistics_every: rounds between two looks at the distribution, besides the first and the last; None for none.
        step: the fixed step of the entropies, above 0.
    """

    updates_at: tuple[int, ...] = ()
    clients: int = 2
    statistics_every: int | None = None
    step: float = 1e-3


@dataclass
class Recorder:
    """Sees the updates of a cell, and keeps what its settings request.

    Its time is that of the benchmark, booked as codec timing.

    Attributes:
        settings: what is recorded.
        layout: shape of the model; statistics of a batch norm are left out.
        facts: where distributions are recorded.
        folder: the ledger's folder; None keeps no raw updates.
        init: where training started, for the metadata.
    """

    settings: RecordSettings
    layout: Layout
    facts: Facts
    folder: Path | None = None
    init: str = ""
    _seen: list[tuple[int, Float32]] = field(default_factory=list)

    def see(self, client: int, update: Float32) -> None:
        """Take note of an update of the running round; it must not be changed before the round is finished."""
        is_requested = self.settings.statistics_every is not None or self.settings.updates_at
        if is_requested and len(self._seen) < self.settings.clients:
            self._seen.append((client, update))

    def finish(self, round: int, is_last: bool) -> None:
        """Keep what is due after `round`: only then is it known whether it was the last.

        Raises:
            OSError: the updates cannot be written.
        """
        seen, self._seen = self._seen, []
        every = self.settings.statistics_every
        is_due = every is not None and (round % every == 0 or round == 1 or is_last)
        folder = self.folder if round in self.settings.updates_at else None
        if not seen or not (is_due or folder):
            return
        with Stopwatch(self.facts).window(round, "codec_timing"):
            for client, update in seen:
                if folder:
                    self._write(folder / UPDATES_FOLDER, round, client, update)
                if is_due:
                    self.facts.statistics += self._statistics(round, client, update)

    def _write(self, folder: Path, round: int, client: int, update: Float32) -> None:
        tensors = {tensor.name: update[place].reshape(tensor.shape) for tensor, place in self.layout.trained.slices()}
        folder.mkdir(exist_ok=True)
        metadata = {"round": str(round), "client": str(client), "init": self.init}
        with (folder / f"round-{round:04d}-client-{client:04d}.safetensors").open("wb") as file:
            file.write(save(tensors, metadata))
            file.flush()
            os.fsync(file.fileno())

    def _statistics(self, round: int, client: int, update: Float32) -> list[UpdateStatistic]:
        return [
            distribution(update[place], round, client, tensor.name, self.settings.step)
            for tensor, place in self.layout.trained.slices()
            if tensor.size >= 2
        ]


def distribution(values: Float32, round: int, client: int, tensor: str, step: float) -> UpdateStatistic:
    """How the entries of one tensor are distributed, in float64.

    Args:
        values: float32, shape (n,), n at least 2, finite.
        round: round number.
        client: client number.
        tensor: name of the tensor.
        step: the fixed step of the entropy, above 0.
    """
    entries = values.astype(np.float64)
    if entries.min() == entries.max():
        # Rounding of the mean would otherwise pass for a spread.
        return UpdateStatistic(round, client, tensor, len(values), 0.0, math.nan, math.nan, 0.0, step, 0.0)
    centred = entries - entries.mean()
    variance = float(np.mean(centred**2))
    sigma = math.sqrt(variance)
    return UpdateStatistic(
        round=round,
        client=client,
        tensor=tensor,
        size=len(values),
        sigma=sigma,
        kurtosis=float(np.mean((centred / sigma) ** 4)),
        absmax_sigmas=float(np.abs(entries).max() / sigma),
        entropy_bits=entropy_bits(entries, step),
        step=step,
        shape_entropy_bits=entropy_bits(entries, sigma / 2),
    )


def entropy_bits(entries: NDArray[np.float64], step: float) -> float:
    """Empirical entropy of entries rounded to multiples of `step`, bits an entry.

    >>> entropy_bits(np.array([0.0, 0.1, 0.9, 2.1]), step=1.0)
    1.5
    """
    _, counts = np.unique(np.rint(entries / step), return_counts=True)
    shares = counts / entries.size
    return float(-(shares * np.log2(shares)).sum()) + 0.0
