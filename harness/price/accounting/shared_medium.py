"""Rounds on a medium that clients share, such as a gateway: the seconds that it needs for all of them together.

A medium serves the clients of all groups of a deployment whose radios are equal. Late uplinks are not in it: nobody
waits for them. What clients spend is that of each of them alone; only time is shared.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.core.prices import SharedRound
from harness.core.protocols import RadioModel, SharesMedium
from harness.core.types import Float64, Int64
from harness.price.accounting.timeline import NO_PAYLOAD, Turns


@dataclass(frozen=True, eq=False)
class SharedUse:
    """What a medium needs in the rounds of some turns.

    Attributes:
        seconds: of the round of each turn, computing left out, shape (n,); 0 where nothing is shared.
        medium: what is shared, in words; empty if nothing is.
    """

    seconds: Float64
    medium: str


def shared_use(radio: RadioModel, turns: Turns, sharing: NDArray[np.bool_], chosen: NDArray[np.bool_]) -> SharedUse:
    """What the medium of a radio needs; of a radio whose clients share none, no seconds.

    Args:
        radio: the radio.
        turns: turns of a cell, with the bytes that are to be carried.
        sharing: mask over them: those on this medium.
        chosen: mask over them: those that are asked about.
    """
    found = dict(_rounds(radio, turns, sharing)) if isinstance(radio, SharesMedium) else {}
    by_round_s = np.zeros(int(turns.round.max(initial=0)) + 1)
    for number, shared in found.items():
        by_round_s[number] = shared.seconds
    longest = max(found.values(), default=SharedRound(0.0, ""))
    return SharedUse(by_round_s[turns.round[chosen]], longest.medium)


def _rounds(radio: SharesMedium, turns: Turns, sharing: NDArray[np.bool_]) -> Iterator[tuple[int, SharedRound]]:
    """Rounds of at least two clients, with what each needs; equal payloads are asked about once."""
    place = np.flatnonzero(sharing)
    place = place[np.argsort(turns.round[place], kind="stable")]
    numbers, first = np.unique(turns.round[place], return_index=True)
    known: dict[tuple[bytes, bytes], SharedRound] = {}
    for number, here in zip(numbers, np.split(place, first[1:]), strict=True):
        if len(here) < 2:
            continue
        down = _sent(turns.downlink_bytes[here])
        up = _sent(turns.uplink_bytes[here][~turns.is_late[here]])
        key = down.tobytes(), up.tobytes()
        if key not in known:
            known[key] = radio.shared_round(down, up)
        yield int(number), known[key]


def _sent(n_bytes: Int64) -> Int64:
    """Payloads that there are, in order of size."""
    return np.sort(n_bytes[n_bytes != NO_PAYLOAD])
