"""What must be said of a run in a deployment: whether it is possible, what devices can hold, who would be late."""

from collections.abc import Iterator, Sequence

import numpy as np

from harness.core.types import Float64
from harness.ledger.ledger import Ledger
from harness.price.accounting import device_projection
from harness.price.accounting.group_usage import DIRECTIONS, Party
from harness.price.accounting.timeline import NO_PAYLOAD, Turns

_S_PER_H = 3600.0


def notes(ledger: Ledger, turns: Turns, parties: Sequence[Party], busy_s: Float64, round_limit_s: float) -> list[str]:
    """Remarks on a run in a deployment; one that begins with ``infeasible: `` says that it is not possible.

    Args:
        ledger: the run.
        turns: its turns.
        parties: the groups of the deployment.
        busy_s: seconds of each turn.
        round_limit_s: longest time on the link, per client and round, that still counts as feasible.
    """
    found: list[str] = []
    for party in parties:
        named = f"{party.group.name}: " if len(parties) > 1 else ""
        found += [_after_mark(named, note) for note in party.group.radio.notes()]
        found += [f"infeasible: {named}{reason}" for reason in obstacles(party, turns, round_limit_s)]
        if party.phase_s:
            found += [f"{named}{note}" for note in device_projection.notes(ledger, party.group.device)]
            found.append(f"{named}training memory on {party.group.device.title}: {_memory(ledger, party)}")
    if not any(party.phase_s for party in parties):
        found.append("computing is not recorded: its seconds and joules are unknown and in no figure")
    found += deadline(ledger, turns, busy_s)
    return list(dict.fromkeys(found))


def _memory(ledger: Ledger, party: Party) -> str:
    return device_projection.memory_verdict(ledger, party.group.device)


def _after_mark(named: str, note: str) -> str:
    """A note with the name of its group after its mark, by which notes are recognised."""
    mark, colon, rest = note.partition(": ")
    return f"{mark}{colon}{named}{rest}" if named and colon else f"{named}{note}"


def obstacles(party: Party, turns: Turns, round_limit_s: float) -> Iterator[str]:
    """Why a radio cannot do what a group asks of it; nothing where it can."""
    radio = party.group.radio
    for way in DIRECTIONS:
        largest = int(turns.bytes_of(way)[party.chosen].max(initial=NO_PAYLOAD))
        reason = radio.obstacle(largest, way) if largest > NO_PAYLOAD else ""
        if reason:
            yield reason
    longest_s = float(party.link_s.max(initial=0.0))
    if longest_s > round_limit_s:
        yield (
            f"a round keeps a client on the link for {longest_s / _S_PER_H:.3g} h, "
            f"the limit is {round_limit_s / _S_PER_H:.3g} h"
        )


def deadline(ledger: Ledger, turns: Turns, busy_s: Float64) -> Iterator[str]:
    """How many clients would miss the deadline of a run in a deployment; nothing where it had none."""
    rule = ledger.cell["federation"].get("deadline")
    if rule is None:
        return
    limit_s = float(rule["round_s"])
    late, here = int(turns.is_late.sum()), int(np.sum(busy_s > limit_s))
    yield (
        f"warning: {late} of {len(busy_s)} client rounds were late by the plain numbers of the definition "
        f"(deadline {limit_s:g} s, {rule['uplink_mbps']:g} Mbit/s up, {rule['downlink_mbps']:g} down); "
        f"with this radio and device it would be {here}, and training would have gone otherwise"
    )
