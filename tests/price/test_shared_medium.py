"""Clients that share a medium: rounds wait for it, and are not possible where it takes too long."""

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from harness.core.prices import SharedRound
from harness.core.types import Int64
from harness.price.accounting.account import DeploymentResult, account, scaled
from harness.price.accounting.timeline import turns_of
from harness.price.assumptions.deployment import Deployment, Group
from harness.price.assumptions.power_supply import supply
from radio_models.lorawan import LoRaWan
from radio_models.lte import LteHandset2012
from tests.deployments import PI, RADIO, assuming
from tests.ledgers import make_ledger, recorded_transfers


@dataclass(frozen=True)
class Hub(LteHandset2012):
    """`RADIO` behind a hub that carries 1 Mbyte in 4 s; it connects at once."""

    session_s: ClassVar[float] = 0.0

    rate_up_mbps: float = 4
    rate_down_mbps: float = 8
    transport: str = "none"  # type: ignore[assignment]

    def shared_round(self, downlink_bytes: Int64, uplink_bytes: Int64) -> SharedRound:
        return SharedRound(float(downlink_bytes.sum() + uplink_bytes.sum()) * 4e-6, "a hub")


def deployed(radio: LteHandset2012 | LoRaWan, clients: int = 2, **assumed: float) -> DeploymentResult:
    return account(make_ledger(clients=clients), assuming(radio, **assumed)).deployments[0]


def infeasible(result: DeploymentResult) -> list[str]:
    return [note.text for note in result.notes if note.kind == "infeasible"]


def test_a_round_lasts_as_long_as_the_hub_takes_and_computing_on_top() -> None:
    """2 x 1.5 Mbyte take 12 s; the slower client computes for 5.2 s. Alone it is done after 7.2 s, once connected."""
    assert deployed(RADIO).schedule.round_s.tolist() == pytest.approx([0, 0.2601 + 7.2, 7.2])
    assert deployed(Hub()).schedule.round_s.tolist() == pytest.approx([0, 17.2, 17.2])


def test_joules_are_those_of_clients_alone() -> None:
    """Pauses are longer than tails either way, so that sessions are the same."""
    alone, together = deployed(RADIO, pause_s=60.0), deployed(Hub(), pause_s=60.0)
    assert together.joules() == alone.joules()


def test_a_client_alone_shares_with_nobody() -> None:
    """1.5 Mbyte take the hub 6 s, the client 2 s, and its computing 2.6 s."""
    assert deployed(Hub(), clients=1).schedule.round_s.tolist() == pytest.approx([0, 4.6, 4.6])


def test_a_round_beyond_the_limit_names_what_is_shared() -> None:
    """12 s; computing is none of it."""
    assert deployed(Hub(), round_limit_s=12.0).is_feasible
    assert infeasible(deployed(Hub(), round_limit_s=9.0)) == [
        "clients of a round share a hub: together they take 0.00333 h, the limit is 0.0025 h"
    ]


def test_a_client_that_is_too_slow_alone_is_told_of_once() -> None:
    (said,) = infeasible(deployed(Hub(), round_limit_s=1.8))
    assert said.startswith("a round keeps a client on the link for")


def test_late_uplinks_are_not_waited_for() -> None:
    """Of 3 Mbyte, the 0.5 that came late are not in it: 10 s and 2.6 s of computing."""
    sent = [
        replace(each, is_late=each.direction == "uplink" and each.client == 1)
        for each in recorded_transfers(make_ledger(rounds=1))
    ]
    result = account(make_ledger(rounds=1, transfers=sent), assuming(Hub())).deployments[0]
    assert result.schedule.round_s.tolist() == pytest.approx([0, 12.6])


@pytest.mark.parametrize(("other", "shared_s"), [(Hub(), 24.0), (Hub(tail_s=1.0), 12.0)])
def test_groups_of_a_fleet_share_where_their_radios_are_equal(other: Hub, shared_s: float) -> None:
    """4 clients with 1.5 Mbyte each, 4 s a Mbyte: of two equal groups together, of two others each by itself."""
    groups = tuple(Group(name, 0.5, radio, PI, supply("mains")) for name, radio in (("north", Hub()), ("south", other)))
    fleet = Deployment("city", "fleet city", groups, is_fleet=True)
    result = account(make_ledger(clients=4), replace(assuming(), deployments=(fleet,))).deployments[0]
    assert [party.shared.seconds.tolist() for party in result.parties] == [pytest.approx([shared_s] * 4)] * 2


def test_a_larger_model_shares_as_large_payloads() -> None:
    """Ten times as large: 120 s, and 52 s of computing."""
    ledger, assumed = make_ledger(), assuming(Hub(), round_limit_s=100.0)
    found = scaled(ledger, turns_of(ledger), assumed, assumed.deployments[0], 10.0)
    assert found.schedule.round_s.tolist() == pytest.approx([0, 172, 172])
    assert found.obstacles == ("clients of a round share a hub: together they take 0.0333 h, the limit is 0.0278 h",)


@pytest.mark.parametrize(("clients", "n_bytes", "hours"), [(10, 320_820, "30.1"), (50, 407_080, "118")])
def test_the_models_of_published_studies_are_no_round_on_one_lorawan_gateway(
    clients: int, n_bytes: int, hours: str
) -> None:
    """Worked out in tests/radio_models/test_lora_gateway.py; a client alone takes 16.2 h and 20.6 h."""
    ledger = make_ledger(rounds=1, clients=clients, n_bytes=(n_bytes, n_bytes))
    result = account(ledger, assuming(LoRaWan())).deployments[0]
    assert infeasible(result) == [
        f"clients of a round share one LoRaWAN gateway: together they take {hours} h, the limit is 24 h"
    ]
    assert result.schedule.duration_s > float(hours) * 3600
    assert result.parties[0].link_s.max() < 86_400


def test_a_client_alone_on_lorawan_has_the_time_of_its_own_link() -> None:
    result = account(make_ledger(rounds=1, clients=1, n_bytes=(320_820, 320_820)), assuming(LoRaWan())).deployments[0]
    assert result.is_feasible
    assert result.schedule.duration_s == result.parties[0].busy_s[0]
    assert result.parties[0].link_s[0] / 3600 == pytest.approx(16.2264, abs=5e-5)
