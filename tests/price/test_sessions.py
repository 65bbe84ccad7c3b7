"""Radios that take time to connect: who waits for it, by hand.

`Slow` takes 3 s from rest to connected and stays so for 5 s. Downlinks take 1 s, uplinks 1 s.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from harness.price.accounting.account import DeploymentResult, account
from harness.price.accounting.sessions import session_s
from harness.price.accounting.timeline import Schedule, turns_of
from radio_models.lorawan import LoRaWan
from radio_models.lte import LteHandset2012
from radio_models.nbiot import NbIotModule
from radio_models.wifi import WifiHandset2012
from tests.deployments import amount, assuming
from tests.ledgers import make_ledger


@dataclass(frozen=True)
class Slow(LteHandset2012):
    """`tests.deployments.RADIO` with seconds to reckon with."""

    session_s: ClassVar[float] = 3.0

    rate_up_mbps: float = 4
    rate_down_mbps: float = 8
    tail_s: float = 5.0
    transport: str = "none"


@dataclass(frozen=True)
class AtOnce(Slow):
    """The same, connected at once."""

    session_s: ClassVar[float] = 0.0


def deployed(radio: Any, trains_s: float, rounds: int = 3, clients: int = 1, **assumed: float) -> DeploymentResult:
    """Rounds of clients of which the first trains for so many seconds, the second for twice that."""
    ledger = make_ledger(rounds=rounds, clients=clients, cpu_s=(0.0, trains_s / 2, 0.0))
    return account(ledger, assuming(radio, **assumed)).deployments[0]


def sessions(result: DeploymentResult) -> list[list[float]]:
    """Sessions that downlinks and uplinks open, round by round."""
    return [
        next(t.amounts[1:].tolist() for t in result.terms if (t.component, t.quantity) == (way, "sessions"))
        for way in ("downlink", "uplink")
    ]


def test_the_first_transfer_waits_and_those_within_the_tail_do_not() -> None:
    result = deployed(Slow(), trains_s=2.0)
    assert sessions(result) == [[1, 0, 0], [0, 0, 0]]
    assert result.schedule.round_s[1:].tolist() == [7.0, 4.0, 4.0]


def test_every_round_waits_where_the_pause_is_longer_than_the_tail() -> None:
    result = deployed(Slow(), trains_s=2.0, pause_s=6.0)
    assert sessions(result) == [[1, 1, 1], [0, 0, 0]]
    assert result.schedule.start_s[1:].tolist() == [0.0, 13.0, 26.0]
    assert result.schedule.round_s[1:].tolist() == [7.0, 7.0, 7.0]


def test_the_uplink_waits_as_well_after_long_training() -> None:
    """3 s, 1 s, 6 s of training, 3 s, 1 s; the next downlink follows at once."""
    result = deployed(Slow(), trains_s=6.0)
    assert sessions(result) == [[1, 0, 0], [1, 1, 1]]
    assert result.schedule.round_s[1:].tolist() == [14.0, 11.0, 11.0]


def test_waiting_of_one_client_ends_the_tail_of_another() -> None:
    """Client 0 trains for 3 s, client 1 for 6 s and connects a second time; all connect first in round 1.

    Round 1 takes client 0 8 s and client 1 14 s, so that client 0 was at rest for 6 s and connects again in round 2;
    there it takes 8 s and client 1 11 s. Three seconds later, in round 3, it is still connected.
    """
    result = deployed(Slow(), trains_s=3.0, clients=2, rounds=4)
    assert result.schedule.round_s[1:].tolist() == [14.0, 11.0, 11.0, 11.0]
    assert sessions(result) == [[2, 1, 0, 1], [1, 1, 1, 1]]


def test_the_seconds_are_charged_as_a_session_and_not_as_rest_or_tail() -> None:
    """3 s in each of three rounds; the joules of a session are those that it has anyway."""
    slow, at_once = (deployed(radio, trains_s=2.0, pause_s=6.0) for radio in (Slow(), AtOnce()))
    assert slow.joules() == at_once.joules()
    assert amount(slow, "uplink", "tail_s") == amount(at_once, "uplink", "tail_s")
    rest = [next(t.amounts.sum() for t in each.extras["standby"] if t.quantity == "rest_s") for each in (slow, at_once)]
    assert rest[0] == pytest.approx(rest[1])


def test_transfers_start_where_sessions_are_consistent_with_the_schedule() -> None:
    """What was waited for is what `reduce` counts, in a cell with many clients and pauses near the tail."""
    result = deployed(Slow(), trains_s=0.7, clients=7, rounds=6, pause_s=1.0)
    (party,) = result.parties
    assert isinstance(result.schedule, Schedule)
    for way, opened in zip(("downlink", "uplink"), sessions(result), strict=True):
        rounds = turns_of(make_ledger(rounds=6, clients=7)).round
        waited = np.bincount(rounds, party.setup_s[way], minlength=7)[1:]  # type: ignore[index]
        assert waited.tolist() == [3.0 * n for n in opened]


def test_seconds_are_those_of_the_sources_and_none_where_a_radio_gives_none() -> None:
    assert session_s(LteHandset2012()) == 0.2601
    assert session_s(WifiHandset2012()) == 0.0791
    assert [session_s(radio) for radio in (NbIotModule(), LoRaWan())] == [0.0, 0.0]
