"""Computes what a client's radio does per round from its turns: sessions, tails, seconds, megabits and frames.

A radio that leaves rest pays for a session. After a transfer it stays connected for a tail; a transfer that comes
within the tail cuts it short and needs no new session. A session or tail belongs to the transfer that caused it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.prices import Carriage
from harness.core.types import Direction, Float64, Int64

CARRIED = ("uplink_s", "downlink_s", "wait_s", "uplink_mbit", "downlink_mbit", "frames")
"""Quantities of a `Carriage` that are paid for."""

AWAKE = ("uplink_s", "downlink_s", "wait_s", "tail_s")
"""Quantities in which a radio does not rest."""


_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Transfers:
    """Transfers of one direction in time, at most one per client and round.

    Attributes:
        client: client number of each, shape (n,).
        round: round number of each, shape (n,).
        start_s: when the radio begins with each, first to leave rest: seconds since the start of round 1, shape (n,).
        carriage: what carrying each takes, fields of shape (n,).
        setup_s: seconds before it in which the radio leaves rest, 0 if it is connected, shape (n,).
    """

    client: Int64
    round: Int64
    start_s: Float64
    carriage: Carriage
    setup_s: Float64

    @property
    def end_s(self) -> Float64:
        """When the payload has arrived, shape (n,)."""
        return self.start_s + self.setup_s + self.carriage.seconds


Usage = Mapping[Direction, Mapping[str, Float64]]
"""Amounts by direction of the transfers that caused them, then by quantity: float64 of shape (rounds + 1,)."""


def reduce(transfers: Mapping[Direction, Transfers], tail_s: float, n_rounds: int) -> Usage:
    """What radios did in each round.

    Args:
        transfers: of any number of clients, sorted by client and then in time; those of one client that overlap count
            as back to back, the downlink first.
        tail_s: seconds that a radio stays connected if nothing follows, at least 0.
        n_rounds: number of the last round.

    Returns:
        All quantities of `harness.core.prices.PRICES` but ``rest_s``, by round; entry 0 is what came before round 1.
    """
    usage: dict[Direction, Mapping[str, Float64]] = {}
    for direction, (opens, tail) in sessions_of(transfers, tail_s, n_rounds).items():
        sent = transfers[direction]
        amounts = {
            "sessions": opens,
            "tail_s": tail,
            **{name: getattr(sent.carriage, name) for name in CARRIED},
        }
        usage[direction] = {name: by_round(sent.round, each, n_rounds) for name, each in amounts.items()}
    return usage


def sessions_of(
    transfers: Mapping[Direction, Transfers], tail_s: float, n_rounds: int
) -> dict[Direction, tuple[Float64, Float64]]:
    """Whether each transfer opens a session (1 or 0), and the seconds of tail after it; arguments as of `reduce`."""
    down, up = transfers["downlink"], transfers["uplink"]
    client, number = np.concatenate([down.client, up.client]), np.concatenate([down.round, up.round])
    start, end = np.concatenate([down.start_s, up.start_s]), np.concatenate([down.end_s, up.end_s])
    is_uplink = np.repeat([False, True], [len(down.client), len(up.client)])
    order = _in_time(client, number, is_uplink, n_rounds)
    opens, tail = np.empty(len(order)), np.empty(len(order))
    opens[order], tail[order] = _sessions(client[order], start[order], end[order], tail_s)
    n_down = len(down.client)
    return {"downlink": (opens[:n_down], tail[:n_down]), "uplink": (opens[n_down:], tail[n_down:])}


def by_round(rounds: Int64, amounts: Float64, n_rounds: int) -> Float64:
    """Sums of amounts over the entries of each round: float64 of shape (n_rounds + 1,)."""
    return np.bincount(rounds, amounts, minlength=n_rounds + 1).astype(np.float64)


def awake_s(usage: Usage, session_s: float) -> Float64:
    """Seconds of all radios together in which they do not rest, by round; `session_s` is what leaving rest takes."""
    setup_s = sum((session_s * usage[way]["sessions"] for way in usage), np.float64(0))
    return np.asarray(np.sum([usage[way][name] for way in usage for name in AWAKE], axis=0) + setup_s, dtype=np.float64)


def _in_time(client: Int64, number: Int64, is_uplink: NDArray[np.bool_], n_rounds: int) -> NDArray[np.intp]:
    """The order by client, then round, then downlink first: rounds do not overlap, so this is the order in time."""
    return np.argsort((client * (n_rounds + 1) + number) * 2 + is_uplink, kind="stable")


def _sessions(client: Int64, start: Float64, end: Float64, tail_s: float) -> tuple[Float64, Float64]:
    """Whether each transfer opens a session, and the seconds of tail after it."""
    if not len(client):
        return np.zeros(0), np.zeros(0)
    follows = np.append(client[1:] == client[:-1], False)
    gap = np.where(follows, np.maximum(np.append(start[1:], 0.0) - end, 0.0), np.inf)
    # A pause as long as the tail ends it, regardless of rounding in their difference.
    opens = np.append(True, gap[:-1] >= tail_s * (1 - _ROUNDING))
    return opens.astype(np.float64), np.minimum(gap, tail_s)
