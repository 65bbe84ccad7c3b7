"""Sets a deadline for each round, and determines which clients miss it.

Training must not know of radios or devices, so that the times here are plain numbers of the spec: two link rates, the
seconds of an optimiser step, and how far clients are apart. What a late client sends burns energy all the same, so that
it is counted; the server does not use it. A late client takes part again when it is next drawn.
"""

import functools
import math
from dataclasses import dataclass

from harness.core.seeds import stream
from harness.core.units import bits_from_bytes, mbit_from_bits

_UPPER_QUANTILE = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""


@dataclass(frozen=True)
class Deadline:
    """When the server stops waiting for the clients of a round, and how long they take.

    Attributes:
        round_s: seconds from the start of a round until the server goes on, above 0.
        uplink_mbps: rate of the median client to the server, Mbit/s, above 0.
        downlink_mbps: rate of the server to the median client, Mbit/s, above 0.
        step_s: seconds of one optimiser step on the median client, at least 0.
        spread: how many times as long as the median client one at the 97.5 % quantile takes, at least 1; for the link
            and for computing alike, drawn apart.
    """

    round_s: float
    uplink_mbps: float
    downlink_mbps: float
    step_s: float
    spread: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings out of range."""
        for name in ("round_s", "uplink_mbps", "downlink_mbps"):
            value = getattr(self, name)
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be above 0 and finite, got {value}")
        if not 0 <= self.step_s < math.inf:
            raise ValueError(f"step_s must be at least 0 and finite, got {self.step_s}")
        if not 1 <= self.spread < math.inf:
            raise ValueError(f"spread must be at least 1 and finite, got {self.spread}")

    def client_s(self, seed: int, client: int, downlink_bytes: int, n_steps: int, uplink_bytes: int) -> float:
        """Seconds that `client` takes for a round: receive, train, send, one after the other.

        Args:
            seed: evaluation seed of the cell.
            client: client number, from 0.
            downlink_bytes: bytes of all payloads that it receives in the round.
            n_steps: its optimiser steps.
            uplink_bytes: bytes of the payload that it sends.

        >>> Deadline(60, uplink_mbps=2, downlink_mbps=10, step_s=0.05).client_s(0, 0, 10_000_000, 40, 1_000_000)
        14.0
        """
        link, compute = slowness(seed, client, self.spread)
        down_s = mbit_from_bits(bits_from_bytes(downlink_bytes)) / self.downlink_mbps
        up_s = mbit_from_bits(bits_from_bytes(uplink_bytes)) / self.uplink_mbps
        return link * down_s + compute * n_steps * self.step_s + link * up_s

    def is_missed(self, seed: int, client: int, downlink_bytes: int, n_steps: int, uplink_bytes: int) -> bool:
        """Whether `client` is late: it takes longer than `round_s`; see `client_s`. Just in time is not late."""
        return self.client_s(seed, client, downlink_bytes, n_steps, uplink_bytes) > self.round_s


@functools.lru_cache(maxsize=1 << 16)
def slowness(seed: int, client: int, spread: float) -> tuple[float, float]:
    """How many times as long as the median client `client` takes: for the link, and for computing.

    Log-normal with median 1 and 97.5 % quantile `spread`: ``exp(z ln(spread) / 1.96)`` with z standard normal. Drawn
    once for a seed and client, so that it is the same in every round and for every method (common random numbers), and
    clients have the same order at any spread.

    Args:
        seed: evaluation seed of the cell.
        client: client number, from 0.
        spread: at least 1, where all clients are equal.

    >>> slowness(seed=0, client=3, spread=1.0)
    (1.0, 1.0)
    """
    sigma = math.log(spread) / _UPPER_QUANTILE
    link, compute = (stream(seed, f"slowness-{part}", client).standard_normal() for part in ("link", "compute"))
    return math.exp(sigma * link), math.exp(sigma * compute)
