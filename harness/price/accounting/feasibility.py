"""Checks whether a run is possible in a deployment: what radios can do, what devices can hold, who would be late."""

from collections.abc import Iterator, Sequence

import numpy as np

from harness.core.notes import Note, notes_from, remarks
from harness.core.types import Float64
from harness.ledger.ledger import Ledger
from harness.price.accounting import device_projection
from harness.price.accounting.group_usage import DIRECTIONS, Party
from harness.price.accounting.timeline import NO_PAYLOAD, Turns

_S_PER_H = 3600.0


def notes(ledger: Ledger, turns: Turns, parties: Sequence[Party], busy_s: Float64, round_limit_s: float) -> list[Note]:
    """Notes on a run in a deployment, each once; one of kind ``infeasible`` says that it is not possible.

    Where there are several groups, those of a group begin with its name.

    Args:
        ledger: the run.
        turns: its turns.
        parties: the groups of the deployment.
        busy_s: seconds of each turn.
        round_limit_s: longest time of a round on the link, of one client or of all on a medium that they share, that
            still counts as feasible.
    """
    found: list[Note] = []
    for party in parties:
        own = _of_group(ledger, turns, party, round_limit_s)
        found += [note.about(party.group.name) for note in own] if len(parties) > 1 else own
    if not any(party.phase_s for party in parties):
        found += remarks(["computing is not recorded: its seconds and joules are unknown and in no figure"])
    found += deadline(ledger, turns, busy_s)
    return list(dict.fromkeys(found))


def _of_group(ledger: Ledger, turns: Turns, party: Party, round_limit_s: float) -> list[Note]:
    """What the radio of a group says, what it cannot do, and what its device can hold."""
    device = party.group.device
    found = [*notes_from(party.group.radio.notes()), *infeasible(party, turns, round_limit_s)]
    if party.phase_s:
        found += device_projection.notes(ledger, device)
        verdict = device_projection.memory_verdict(ledger, device)
        found += remarks([f"training memory on {device.title}: {verdict}"])
    return found


def infeasible(party: Party, turns: Turns, round_limit_s: float) -> list[Note]:
    """The `obstacles` of a group as notes."""
    return [Note("infeasible", reason) for reason in obstacles(party, turns, round_limit_s)]


def obstacles(party: Party, turns: Turns, round_limit_s: float) -> Iterator[str]:
    """Why a radio cannot do what a group needs; nothing where it can."""
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
        return
    together_s = float(party.shared.seconds.max(initial=0.0))
    if together_s > round_limit_s:
        yield (
            f"clients of a round share {party.shared.medium}: together they take {together_s / _S_PER_H:.3g} h, "
            f"the limit is {round_limit_s / _S_PER_H:.3g} h"
        )


def deadline(ledger: Ledger, turns: Turns, busy_s: Float64) -> Iterator[Note]:
    """How many clients would miss the deadline of a run in a deployment; nothing where it had none."""
    rule = ledger.cell["federation"].get("deadline")
    if rule is None:
        return
    limit_s = float(rule["round_s"])
    late, here = int(turns.is_late.sum()), int(np.sum(busy_s > limit_s))
    yield Note(
        "warning",
        f"{late} of {len(busy_s)} client rounds were late by the plain numbers of the definition "
        f"(deadline {limit_s:g} s, {rule['uplink_mbps']:g} Mbit/s up, {rule['downlink_mbps']:g} down); "
        f"with this radio and device it would be {here}, and training would have gone otherwise",
    )
