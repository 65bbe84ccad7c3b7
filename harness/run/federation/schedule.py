"""Schedules scores and the learning rate of a cell, and its end: by rounds or by bits sent, whichever is first."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from harness.core.facts import Transfer
from harness.core.types import Split
from harness.core.units import BITS_PER_MBIT, bits_from_bytes


@dataclass(frozen=True)
class Budget:
    """Bits that a run may send.

    Attributes:
        direction: ``uplink``, or ``total`` for both directions.
        mbit: megabits (1e6 bit) of all clients together, above 0.
    """

    direction: Literal["uplink", "total"]
    mbit: float

    @property
    def total_bits(self) -> int:
        """The budget in bits."""
        return round(self.mbit * BITS_PER_MBIT)

    def bits(self, transfers: Iterable[Transfer]) -> int:
        """Bits of payloads that the budget counts: those of its direction, round 0 left out."""
        return bits_from_bytes(
            sum(
                transfer.payload_bytes
                for transfer in transfers
                if transfer.round > 0 and self.direction in ("total", transfer.direction)
            )
        )


@dataclass(frozen=True)
class Schedule:
    """When what happens.

    Attributes:
        rounds: number of rounds at most, at least 1.
        cohort: clients per round, at least 1 and at most the population.
        score_every: validation is scored at round 0, at every such round and at the last.
        test_rounds: rounds after which test is scored too; it always is after the last.
        lr_schedule: ``constant``, or ``cosine`` from 1 to 0 over the rounds or the budget, whichever ends first.
        budget: bits that may be sent; None for any number.
    """

    rounds: int
    cohort: int
    score_every: int = 1
    test_rounds: tuple[int, ...] = field(default=())
    lr_schedule: Literal["constant", "cosine"] = "constant"
    budget: Budget | None = None

    def splits_due(self, round: int, is_last: bool) -> list[Split]:
        """Splits to score after `round`."""
        due: list[Split] = []
        if round % self.score_every == 0 or is_last:
            due.append("validation")
        if is_last or round in self.test_rounds:
            due.append("test")
        return due


class Course:
    """How far a run has come: in rounds, and in bits, which only the transfers of the ledger show."""

    def __init__(self, schedule: Schedule) -> None:
        """Stand before the first round."""
        self._schedule = schedule
        self._round = self._bits = self._most_bits = 0

    @property
    def is_over(self) -> bool:
        """Whether no further round is run: all are done, or one like the largest so far would go beyond the budget.

        The first round is always run. Sizes vary (entropy coding, differences for who sat out): a run goes beyond its
        budget only where its last round is larger than every one before.
        """
        if self._round == 0:
            return False
        budget = self._schedule.budget
        is_spent = budget is not None and self._bits + self._most_bits > budget.total_bits
        return self._round == self._schedule.rounds or is_spent

    def lr_scale(self) -> float:
        """Factor on the learning rate of the next round, 0 to 1.

        ``cosine``: ``(1 + cos(pi * progress)) / 2`` (Loshchilov, Hutter, "SGDR: Stochastic Gradient Descent with Warm
        Restarts", ICLR 2017, without restarts), where progress is the share of the rounds done or of the budget spent,
        whichever is larger. Of a budget, what rounds like the largest so far would leave over is left out: all methods
        come equally close to 0, whatever the size of their rounds.
        """
        if self._schedule.lr_schedule == "constant":
            return 1.0
        budget = self._schedule.budget
        spent = 0.0 if budget is None or not self._bits else self._bits / self._usable_bits(budget)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, max(self._round / self._schedule.rounds, spent))))

    def _usable_bits(self, budget: Budget) -> int:
        """Bits of as many rounds like the largest so far as the budget pays for, at least one."""
        return max(1, budget.total_bits // self._most_bits) * self._most_bits

    def finish(self, transfers: Iterable[Transfer]) -> None:
        """Note that a round is done, with its `transfers`."""
        self._round += 1
        if self._schedule.budget is not None:
            bits = self._schedule.budget.bits(transfers)
            self._bits += bits
            self._most_bits = max(self._most_bits, bits)
