"""Places each transfer of a cell in time: order and work from the ledger, pace from the assumptions.

A round starts when the slowest client of the round before is done, plus a pause. Every client goes through downlink,
decode, local training, encode and uplink, one after the other; a radio at rest connects first (see
`harness.price.accounting.sessions`). Where clients share a medium, a round lasts at least as long as that needs for all
of them (see `harness.price.accounting.shared_medium`). What the server does takes no time here. What clients were given
before round 1 happens before the timeline begins. A client that was late when the cell was run is not waited for: its
round lasts until the deadline.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.core.prices import Carriage
from harness.core.types import Direction, Float64, Int64
from harness.ledger.ledger import Ledger
from harness.price.accounting.radio_usage import Transfers

NO_PAYLOAD = -1
"""Bytes of a payload that was not sent: a client may have only one of the two directions in a round."""

_NEEDED: dict[str, tuple[str, ...]] = {"downlink": ("decode",), "uplink": ("local_training", "encode")}


@dataclass(frozen=True, eq=False)
class Turns:
    """The turns of clients, each a client's part in one round: sorted by client and then round.

    Attributes:
        client: client number, shape (n,).
        round: round number from 1, shape (n,).
        downlink_bytes: bytes of all payloads to the client, shape (n,); `NO_PAYLOAD` if there was none.
        uplink_bytes: bytes of all payloads from the client, shape (n,); `NO_PAYLOAD` if there was none.
        is_late: whether the deadline of the run passed before its uplink was done, shape (n,).
    """

    client: Int64
    round: Int64
    downlink_bytes: Int64
    uplink_bytes: Int64
    is_late: NDArray[np.bool_]

    def of(self, clients: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which turns are of some clients, given as a mask over client numbers."""
        return np.asarray(clients[self.client])

    def first(self, n_rounds: int) -> "Turns":
        """The turns of the first rounds."""
        chosen = self.round <= n_rounds
        return Turns(**{name: values[chosen] for name, values in vars(self).items()})

    def scaled(self, scale: float) -> "Turns":
        """The same turns with payloads that many times as large, to the nearest byte."""
        down, up = (
            np.where(n_bytes == NO_PAYLOAD, NO_PAYLOAD, np.rint(scale * n_bytes)).astype(np.int64)
            for n_bytes in (self.downlink_bytes, self.uplink_bytes)
        )
        return replace(self, downlink_bytes=down, uplink_bytes=up)

    def bytes_of(self, direction: Direction) -> Int64:
        """Bytes in one direction."""
        return self.uplink_bytes if direction == "uplink" else self.downlink_bytes


@dataclass(frozen=True, eq=False)
class Schedule:
    """When rounds happen: entry r of each array is round r; entry 0 is before the first and has no length.

    Attributes:
        start_s: seconds since the start of round 1, shape (rounds + 1,).
        end_s: when the round is over: its slowest client is done, or the deadline has passed.
        pause_s: seconds between the end of a round and the start of the next.
    """

    start_s: Float64
    end_s: Float64
    pause_s: float

    @property
    def n_rounds(self) -> int:
        """Number of the last round."""
        return len(self.start_s) - 1

    @property
    def round_s(self) -> Float64:
        """Seconds from the start to the end of each round."""
        return self.end_s - self.start_s

    @property
    def period_s(self) -> Float64:
        """Seconds of each round and the pause after it, the last one too; 0 before round 1."""
        periods = self.round_s + self.pause_s
        periods[0] = 0.0
        return periods

    @property
    def duration_s(self) -> float:
        """Seconds until the last round is over."""
        return float(self.end_s[-1])


def turns_of(ledger: Ledger) -> Turns:
    """The turns of a cell's clients in its rounds; what came in round 0 is in none.

    Raises:
        ValueError: a payload is addressed to no client.
    """
    sent = ledger.transfers
    if (sent["client"] < 0).any():
        raise ValueError(f"cell {ledger.cell_id}: a transfer names no client; the ledger has a row per receiver")
    number, client = sent["round"].to_numpy(np.int64), sent["client"].to_numpy(np.int64)
    n_bytes, is_uplink = sent["payload_bytes"].to_numpy(np.int64), (sent["direction"] == "uplink").to_numpy()
    is_late = sent["is_late"].to_numpy(bool)
    is_round = number > 0
    number, client, n_bytes = number[is_round], client[is_round], n_bytes[is_round]
    is_uplink, is_late = is_uplink[is_round], is_late[is_round]
    windows = ledger.windows[(ledger.windows["round"] > 0) & (ledger.windows["client"] >= 0)]
    worked = windows[["client", "round"]].drop_duplicates().to_numpy(np.int64)
    span = int(max(number.max(initial=0), worked[:, 1].max(initial=0))) + 1
    # A client that computed and sent nothing had its turn as well.
    keys, place = np.unique(
        np.concatenate([client * span + number, worked[:, 0] * span + worked[:, 1]]), return_inverse=True
    )
    place = place[: len(number)]
    return Turns(
        client=keys // span,
        round=keys % span,
        downlink_bytes=_sums(place[~is_uplink], n_bytes[~is_uplink], len(keys)),
        uplink_bytes=_sums(place[is_uplink], n_bytes[is_uplink], len(keys)),
        is_late=np.bincount(place, is_late, minlength=len(keys)) > 0,
    )


def phases_of(turns: Turns, device_s: pd.DataFrame) -> dict[str, Float64]:
    """Seconds that the device computes in each turn, by phase: between the end of its downlink and its uplink's start.

    Args:
        turns: turns of a cell, or those of its first rounds.
        device_s: as `harness.price.accounting.device_projection.device_seconds` gives them; empty if no computing was
            recorded.

    Returns:
        Float64 of shape (n,) by phase, 0 where a turn has no such phase; nothing at all if none was recorded.

    Raises:
        ValueError: some computing was recorded, but not what belongs to a transfer: its time is unknown, not zero.
    """
    if device_s.empty:
        return {}
    here = device_s.reindex(pd.MultiIndex.from_arrays([turns.round, turns.client], names=["round", "client"]))
    for direction, phases in _NEEDED.items():
        has = turns.bytes_of(direction) != NO_PAYLOAD  # type: ignore[arg-type]
        for phase in phases:
            lacking = has & here[phase].isna().to_numpy()
            if lacking.any():
                at = int(np.argmax(lacking))
                raise ValueError(
                    f"client {turns.client[at]} has a {direction} in round {turns.round[at]} but no {phase} window: "
                    "what its device did is unknown"
                )
    return {str(phase): np.nan_to_num(here[phase].to_numpy(np.float64)) for phase in here.columns}


def schedule_of(turns: Turns, busy_s: Float64, pause_s: float, deadline_s: float | None = None) -> Schedule:
    """When rounds start and end.

    Args:
        turns: turns of a cell.
        busy_s: seconds from the start of the round until each is over.
        pause_s: seconds between the end of a round and the start of the next, at least 0.
        deadline_s: the deadline that the cell was run with; None if it had none.
    """
    n_rounds = int(turns.round.max(initial=0))
    length_s = np.zeros(n_rounds + 1)
    np.maximum.at(length_s, turns.round[~turns.is_late], busy_s[~turns.is_late])
    if deadline_s is not None:
        # The server closes such a round at its deadline, not before: it cannot know that nobody else comes.
        late = turns.round[turns.is_late]
        length_s[late] = np.maximum(length_s[late], deadline_s)
    start_s = np.zeros(n_rounds + 1)
    start_s[2:] = np.cumsum(length_s[1:-1] + pause_s)
    return Schedule(start_s, start_s + length_s, pause_s)


def transfers_in_time(
    turns: Turns,
    chosen: NDArray[np.bool_],
    carriages: Mapping[Direction, Carriage],
    compute_s: Float64,
    setup_s: Mapping[Direction, Float64],
    schedule: Schedule,
) -> dict[Direction, Transfers]:
    """The transfers of some turns in time.

    Args:
        turns: turns of a cell.
        chosen: mask over them.
        carriages: what carrying the payload of each chosen turn takes; entries without a payload are not looked at.
        compute_s: seconds of computing of each chosen turn.
        setup_s: seconds in which the radio leaves rest before the transfer of each chosen turn; 0 where there is none.
        schedule: when rounds start.
    """
    client, number = turns.client[chosen], turns.round[chosen]
    has = {way: turns.bytes_of(way)[chosen] != NO_PAYLOAD for way in carriages}
    start_s = schedule.start_s[number]
    downlink_s = np.where(has["downlink"], setup_s["downlink"] + carriages["downlink"].seconds, 0.0)
    uplink_start_s = start_s + downlink_s + compute_s
    starts: dict[Direction, Float64] = {"downlink": start_s, "uplink": uplink_start_s}
    return {
        way: Transfers(client[mask], number[mask], starts[way][mask], _masked(carriages[way], mask), setup_s[way][mask])
        for way, mask in has.items()
    }


def _masked(carriage: Carriage, mask: NDArray[np.bool_]) -> Carriage:
    return carriage if mask.all() else Carriage(**{name: values[mask] for name, values in vars(carriage).items()})


def _sums(place: Int64, n_bytes: Int64, n: int) -> Int64:
    """Bytes by place; `NO_PAYLOAD` where there is no entry at all."""
    total = np.bincount(place, n_bytes, minlength=n).astype(np.int64)
    return np.where(np.bincount(place, minlength=n) > 0, total, NO_PAYLOAD)
