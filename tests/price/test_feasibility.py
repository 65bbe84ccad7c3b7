"""What is said of a run in a deployment: that it is possible or not, and what its numbers leave out."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from harness.core.notes import Note
from harness.ledger.ledger import Ledger
from harness.price.accounting.account import DeploymentResult, account
from harness.price.assumptions.deployment import Deployment, Group
from harness.price.assumptions.devices import device
from harness.price.assumptions.grids import grid
from harness.price.assumptions.power_supply import supply
from radio_models.ble import Ble5
from radio_models.lorawan import LoRaWan
from radio_models.lte import LteHandset2012
from radio_models.nbiot import NbIotModule
from tests.deployments import PI, RADIO, assuming
from tests.ledgers import make_ledger, recorded_transfers

DEADLINE = {"round_s": 5.0, "uplink_mbps": 2.0, "downlink_mbps": 10.0}


def deployed(ledger: Ledger, *radios: Any, **assumed: Any) -> DeploymentResult:
    return account(ledger, assuming(*radios, **assumed)).deployments[0]


def of_kind(result: DeploymentResult, *kinds: str) -> list[str]:
    """Texts of the notes of some kinds."""
    return [note.text for note in result.notes if note.kind in kinds]


def with_deadline(late: tuple[int, ...] = ()) -> Ledger:
    """One round of two clients, done after 4.8601 s and 7.4601 s on `RADIO`; some were late when it was run."""
    plain = make_ledger(rounds=1)
    transfers = [
        replace(sent, is_late=sent.direction == "uplink" and sent.client in late) for sent in recorded_transfers(plain)
    ]
    cell = {**plain.cell, "federation": {"deadline": DEADLINE}}
    return replace(make_ledger(rounds=1, transfers=transfers), cell=cell)


@pytest.mark.parametrize(("limit_s", "is_feasible"), [(2.0, True), (1.99, False)])
def test_a_round_may_take_the_link_for_as_long_as_the_limit_and_no_longer(limit_s: float, is_feasible: bool) -> None:
    """1 s down and 1 s up; seconds of computing are none on the link."""
    assert deployed(make_ledger(), round_limit_s=limit_s).is_feasible == is_feasible


def test_a_limit_is_told_in_hours() -> None:
    """2 s are 0.000556 h."""
    (said,) = of_kind(deployed(make_ledger(), round_limit_s=1.8), "infeasible")
    assert said == "a round keeps a client on the link for 0.000556 h, the limit is 0.0005 h"


def test_a_payload_over_the_limit_without_fragmentation_is_told_with_both_numbers() -> None:
    radio = LoRaWan(data_rate=0, fragmentation=False)
    ledger = make_ledger(rounds=1, n_bytes=(12, 500))
    (said,) = of_kind(deployed(ledger, radio), "infeasible")
    assert "a payload of 500 bytes does not fit into one frame of at most" in said
    assert str(radio.frame_payload_bytes("uplink")) in said
    assert deployed(make_ledger(rounds=1, n_bytes=(12, 12)), radio).is_feasible


def test_another_radio_than_that_of_the_deadline_is_warned_of() -> None:
    """Nobody was late by the plain numbers; here client 1, who takes 7.4601 s, would miss a deadline of 5 s."""
    (said,) = of_kind(deployed(with_deadline()), "warning")
    assert said == (
        "0 of 2 client rounds were late by the plain numbers of the definition (deadline 5 s, 2 Mbit/s up, 10 "
        "down); with this radio and device it would be 1, and training would have gone otherwise"
    )
    assert of_kind(deployed(make_ledger()), "warning") == []


def test_a_round_waits_beyond_its_deadline_for_a_client_that_was_not_late() -> None:
    """Client 0 was late when it was run; client 1 was not, and takes 7.4601 s here: the round is over then."""
    result = deployed(with_deadline(late=(0,)))
    assert result.schedule.end_s.tolist() == pytest.approx([0.0, 7.4601])


def test_a_round_with_late_clients_lasts_as_long_as_its_deadline() -> None:
    """Client 0 is done after 4.8601 s, and the server waits for client 1 until 5 s."""
    result = deployed(with_deadline(late=(1,)))
    assert result.schedule.duration_s == pytest.approx(5.0)
    assert of_kind(result, "warning")[0].startswith("1 of 2 client rounds were late")


def test_computing_that_nobody_recorded_is_said_once_and_judges_no_memory() -> None:
    result = deployed(make_ledger(windows=()))
    said = Note("remark", "computing is not recorded: its seconds and joules are unknown and in no figure")
    assert result.notes.count(said) == 1
    assert not any("memory" in note.text for note in result.notes)
    assert set(result.components) == {"uplink", "downlink"}
    assert said not in deployed(make_ledger()).notes


def test_notes_of_a_fleet_begin_with_the_group() -> None:
    groups = (
        Group("phones", 0.5, RADIO, device("phone"), supply("mains"), grid("NOR")),
        Group("meters", 0.5, NbIotModule(), PI, supply("mains"), grid("NOR")),
    )
    fleet = Deployment("city", "fleet city", groups, is_fleet=True)
    assumed = replace(assuming(round_limit_s=1.8), deployments=(fleet,))
    result = account(make_ledger(clients=4), assumed).deployments[0]
    infeasible = of_kind(result, "infeasible")
    assert [text.split(": ")[0] for text in infeasible] == ["phones", "meters"]
    told = of_kind(result, "validated", "unvalidated")
    assert {text.split(": ")[0] for text in told} == {"phones", "meters"}
    assert any(text.startswith("phones: ") and "memory" in text for text in of_kind(result, "remark"))


def test_a_deployment_of_one_kind_names_no_group() -> None:
    result = deployed(make_ledger())
    assert not any("all: " in note.text for note in result.notes)
    assert len(result.notes) == len(set(result.notes))


def test_a_colon_in_what_a_radio_says_is_none_of_a_kind() -> None:
    """The name of the group stands before the whole sentence, not inside it."""
    groups = tuple(Group(name, 0.5, Ble5(), PI, supply("mains"), grid("NOR")) for name in ("phones", "meters"))
    fleet = Deployment("city", "fleet city", groups, is_fleet=True)
    result = account(make_ledger(clients=4), replace(assuming(), deployments=(fleet,))).deployments[0]
    told = [text for text in of_kind(result, "remark") if "only the radio is charged" in text]
    assert [text.split(", ")[0] for text in told] == [
        f"{name}: only the radio is charged: neither the processor that feeds it" for name in ("phones", "meters")
    ]


@dataclass(frozen=True)
class Talking(LteHandset2012):
    """A radio that says whatever it is told to."""

    said: tuple[Note | str, ...] = ()

    def notes(self) -> tuple[Note | str, ...]:  # type: ignore[override]
        return self.said


def test_a_deployment_is_judged_by_the_kind_of_a_note_and_not_by_how_it_begins() -> None:
    said = Note("remark", "infeasible: a word that this radio explains")
    result = deployed(make_ledger(), Talking(said=(said,)))
    assert said in result.notes
    assert result.is_feasible
    assert not deployed(make_ledger(), Talking(said=(Note("infeasible", "no such network is left"),))).is_feasible


def test_a_radio_that_gives_texts_is_understood() -> None:
    """As radios of other packages did before notes had a kind."""
    result = deployed(make_ledger(), Talking(said=("infeasible: no such network is left", "the tail is guessed")))
    assert not result.is_feasible
    assert of_kind(result, "infeasible") == ["no such network is left"]
    assert "the tail is guessed" in of_kind(result, "remark")
