"""When rounds happen on radios that take time to leave rest: what opens a session, and what waits for it.

A transfer opens a session if the tail of the one before has ended; when that is depends on when rounds happen, and that
on who had to wait for a session. Nothing depends on what comes later, so that repeating both comes to rest.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.core.protocols import RadioModel
from harness.core.types import Float64
from harness.price.accounting.group_usage import DIRECTIONS, Party
from harness.price.accounting.radio_usage import sessions_of
from harness.price.accounting.timeline import NO_PAYLOAD, Schedule, Turns, schedule_of


def session_s(radio: RadioModel) -> float:
    """Seconds that a radio takes from rest to connected; 0 of one that does not say so."""
    return float(getattr(radio, "session_s", 0.0))


def turn_s(turns: Turns, parties: Sequence[Party]) -> Float64:
    """Seconds from the start of its round until each turn is over, shape (n,)."""
    seconds = np.zeros(len(turns.client))
    for party in parties:
        seconds[party.chosen] = party.turn_s
    return seconds


def in_time(
    turns: Turns, parties: Sequence[Party], pause_s: float, deadline_s: float | None
) -> tuple[tuple[Party, ...], Schedule]:
    """The groups with the seconds in which their radios leave rest, and when rounds happen.

    Args:
        turns: turns of a cell.
        parties: the groups.
        pause_s: as `harness.price.accounting.timeline.schedule_of` takes it.
        deadline_s: likewise.
    """
    known = tuple(parties)
    while True:
        schedule = schedule_of(turns, turn_s(turns, known), pause_s, deadline_s)
        found = tuple(_connected(party, turns, schedule) for party in known)
        if all(_is_equal(*pair) for pair in zip(known, found, strict=True)):
            return known, schedule
        known = found


def _connected(party: Party, turns: Turns, schedule: Schedule) -> Party:
    """A group whose radios leave rest where they must if rounds happen so."""
    seconds = session_s(party.group.radio)
    if not seconds:
        return party
    found = sessions_of(party.sent(turns, schedule), party.group.radio.tail_s, schedule.n_rounds)
    setup_s = {}
    for way in DIRECTIONS:
        setup_s[way] = np.zeros(len(party.link_s))
        setup_s[way][turns.bytes_of(way)[party.chosen] != NO_PAYLOAD] = seconds * found[way][0]
    return replace(party, setup_s=setup_s)


def _is_equal(one: Party, other: Party) -> bool:
    return all(np.array_equal(one.setup_s[way], other.setup_s[way]) for way in DIRECTIONS)
