"""Sessions and tails, for every radio alike.

A radio that leaves idle pays a promotion. After a transfer it stays connected for a tail; a transfer that comes within
the tail cuts it short and needs no promotion. The tail belongs to the transfer before it.
"""

from collections.abc import Sequence

import numpy as np

from harness.core.types import Direction, RadioTransfer, Usage
from harness.core.units import mbit_from_bits

_DIRECTIONS: tuple[Direction, Direction] = ("downlink", "uplink")


def usage_of(transfers: Sequence[RadioTransfer], tail_s: float) -> list[Usage]:
    """What the radios did, per round and direction.

    Args:
        transfers: of all clients, in any order. Those of one client that overlap count as back to back.
        tail_s: seconds that a radio stays connected when nothing follows, at least 0.

    Returns:
        A `Usage` per round and direction that occurs, by round, downlink first.

    >>> first = RadioTransfer(client=0, round=1, direction="downlink", start_s=0.0, seconds=1.0, bits=1_000_000)
    >>> second = RadioTransfer(client=0, round=1, direction="uplink", start_s=4.0, seconds=1.0, bits=1_000_000)
    >>> [(use.sessions, use.tail_s) for use in usage_of([first, second], tail_s=10.0)]
    [(1.0, 3.0), (0.0, 10.0)]
    """
    if not transfers:
        return []
    count = len(transfers)
    client = np.fromiter((transfer.client for transfer in transfers), np.int64, count)
    start = np.fromiter((transfer.start_s for transfer in transfers), np.float64, count)
    seconds = np.fromiter((transfer.seconds for transfer in transfers), np.float64, count)
    bits = np.fromiter((transfer.bits for transfer in transfers), np.float64, count)
    # One integer per round and direction: the groups of the result, in its order.
    keys = (2 * transfer.round + (transfer.direction == "uplink") for transfer in transfers)
    slot = np.fromiter(keys, np.int64, count)

    order = np.lexsort((start, client))
    client, slot = client[order], slot[order]
    start, seconds, bits = start[order], seconds[order], bits[order]
    gap = np.full(count, np.inf)
    gap[:-1] = np.where(client[1:] == client[:-1], np.maximum(start[1:] - (start + seconds)[:-1], 0.0), np.inf)
    opens = np.append(True, gap[:-1] >= tail_s)

    slots, group = np.unique(slot, return_inverse=True)
    sessions, tails, active, sent = (
        np.bincount(group, weights=column) for column in (opens, np.minimum(gap, tail_s), seconds, bits)
    )
    return [
        Usage(
            round=int(key) // 2,
            direction=_DIRECTIONS[int(key) % 2],
            sessions=float(sessions[place]),
            tail_s=float(tails[place]),
            active_s=float(active[place]),
            mbit=mbit_from_bits(float(sent[place])),
        )
        for place, key in enumerate(slots)
    ]


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Refuse a setting outside what makes sense.

    Raises:
        ValueError: `value` is not finite or not in [low, high].
    """
    if not low <= value <= high:
        raise ValueError(f"{name} must be between {low:g} and {high:g}, got {value:g}")
