"""Estimates time and memory of the missing cells from a few real rounds of each method.

The probe is the round loop itself, on the real data and with the real codecs, in workers as many as the run will use,
so that contention between them is in the forecast too.
"""

import resource
import statistics
import sys
import time
from dataclasses import dataclass, replace

from harness.core.protocols import state_bytes
from harness.core.units import BITS_PER_MBIT
from harness.ledger.ledger import Facts
from harness.run.cell import Cell
from harness.run.federation.run_cell import run_once
from harness.run.federation.schedule import Budget

FEW_ROUNDS, MANY_ROUNDS = 3, 30
"""Rounds of a probe; the larger number where the smaller takes less than a second, and says little."""


@dataclass(frozen=True)
class Probe:
    """Estimate of a whole cell from the probe of one method.

    Attributes:
        seconds: wall time of the cell, s.
        peak_bytes: peak memory of the worker during the probe, bytes.
        residual_bytes: memory that codecs will have grown to beyond the probe, at most: their states when every client
            was seen and, in mode ``delta``, the models that the clients of a round hold; bytes.
    """

    seconds: float
    peak_bytes: int
    residual_bytes: int


def probe_cell(cell: Cell) -> Probe:
    """Run a few rounds of `cell`, write nothing, and extrapolate.

    Updates and their distribution are not recorded: their time is not in it.
    """
    most = int(cell.federation["rounds"])
    run = _Run(cell, min(FEW_ROUNDS, most))
    if run.seconds < 1 and most > FEW_ROUNDS:
        run = _Run(cell, min(MANY_ROUNDS, most))
    rounds = run.expected_rounds(cell)
    n_scores = rounds // int(cell.federation["score_every"]) + 2 + len(cell.federation["test_rounds"])
    seconds = run.setup_s + run.round_s * rounds + n_scores * run.score_s
    residual = max(map(state_bytes, run.channel.states()), default=0) * int(cell.task["clients"])
    if cell.method["downlink"]["mode"] == "delta":
        # While a cohort decodes, the simulation holds one model per round that its clients last took part in.
        residual += int(cell.federation["cohort"]) * run.channel.layout.reference_bytes
    return Probe(seconds, _peak_bytes(), residual)


class _Run:
    """A short run of a cell, and what its rounds and scores took in seconds of wall time."""

    def __init__(self, cell: Cell, rounds: int) -> None:
        facts, ends = Facts(), [time.perf_counter()]
        self._facts, self._rounds = facts, rounds
        self.channel = run_once(_shortened(cell, rounds), facts, lambda round: ends.append(time.perf_counter()))
        self.seconds = ends[-1] - ends[0]
        scoring = [(window.round, window.seconds) for window in facts.windows if window.phase == "evaluate"]
        self.score_s = statistics.median(seconds for _, seconds in scoring)
        self.setup_s = sum(window.seconds for window in facts.windows if window.phase == "setup")
        # The end of round r is ends[r + 1]: round 0 is the scoring of the initial model. The first round warms caches.
        each = [
            ends[number + 1] - ends[number] - sum(seconds for at, seconds in scoring if at == number)
            for number in range(min(2, rounds), rounds + 1)
        ]
        self.round_s = statistics.fmean(each)

    def expected_rounds(self, cell: Cell) -> int:
        """Rounds that the whole cell will run: fewer than planned if rounds like these use up its budget."""
        most, budget = int(cell.federation["rounds"]), cell.federation["budget"]
        if budget is None:
            return most
        each = Budget(**budget).bits(self._facts.transfers) / self._rounds
        return max(1, min(most, int(budget["mbit"] * BITS_PER_MBIT // each)))


def _shortened(cell: Cell, rounds: int) -> Cell:
    federation = {**cell.federation, "rounds": rounds, "score_every": min(rounds, cell.federation["score_every"])}
    return replace(cell, federation=federation | {"test_rounds": [], "budget": None}, record={"updates_at": []})


def _peak_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def available_bytes() -> int:
    """Memory that new processes can take without swapping."""
    import psutil

    return int(psutil.virtual_memory().available)
