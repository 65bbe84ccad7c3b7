"""Rows about deployments, by hand: battery life, late clients, manufacture, supplies without a grid."""

from dataclasses import replace
from typing import Any

import pytest

from harness.core.facts import Score
from harness.ledger.ledger import Ledger
from harness.price.accounting.account import CellResult, account
from harness.price.accounting.assumptions import Assumptions
from harness.price.accounting.embodied import embodied_g
from harness.price.assumptions.deployment import Deployment, Group, deployment_of
from harness.price.assumptions.devices import device
from harness.price.assumptions.grids import grid
from harness.price.assumptions.power_supply import supply
from harness.tables import deployments
from radio_models.constant import ConstantPerBit
from tests.deployments import PI, RADIO, assuming
from tests.ledgers import make_ledger, recorded_transfers

KEY = {"cell_id": "x", "method": "fp32", "seed": 0}
PER_BIT = ConstantPerBit(kbit_per_j=1000.0, rate_up_mbps=1.0, rate_down_mbps=1.0)
"""1 J for a megabit, 1 s for a megabit, nothing else."""


def on(kind: str, power: str, ledger: Ledger | None = None, radio: Any = PER_BIT, **assumed: Any) -> CellResult:
    """A cell on devices of one kind with one supply; a supply without a grid is given none."""
    grids = (grid("DEU"),) if power in ("mains", "rechargeable") else ()
    deployment = deployment_of(radio, device(kind), supply(power))
    return account(ledger or make_ledger(cpu_s=(0, 0, 0)), Assumptions((deployment,), grids, **assumed))


def test_battery_life_by_hand() -> None:
    """A 18650 of 10.8 Wh, of which 0.9 are usable, is 34,992 J.

    A client gets 8 Mbit in 8 s and sends 4 Mbit in 4 s: 12 J of radio, 12 s awake, then 48 s of sleep.
    """
    (row,) = deployments.endurance_rows(KEY, on("esp32_s3", "rechargeable", pause_s=48.0))
    assert row["battery_j"] == pytest.approx(34_992.0)
    kind = device("esp32_s3")
    each_j = 12.0 + 12 * kind.idle_w.typical + 48 * kind.sleep_w.typical
    assert row["client_j"] == pytest.approx(2 * each_j)  # two rounds
    assert row["rounds"] == pytest.approx(34_992.0 / each_j)
    assert row["days"] == pytest.approx(34_992.0 / each_j * 60 / 86_400)


def test_a_battery_lasts_as_long_as_its_joules_at_the_mean_power() -> None:
    """Whatever the radio and the computing: joules of all components with standby, over clients and seconds."""
    ledger = make_ledger(rounds=3)
    (row,) = deployments.endurance_rows(KEY, on("phone", "rechargeable", ledger, RADIO, pause_s=30.0))
    (here,) = on("phone", "rechargeable", ledger, RADIO, pause_s=30.0, included=frozenset({"standby"})).deployments
    mean_w = here.joules().typical / 2 / here.schedule.period_s.sum()
    assert row["days"] == pytest.approx(row["battery_j"] / mean_w / 86_400)


def test_sleep_between_rounds_costs_a_battery_rounds_and_gives_it_days() -> None:
    short, long = (
        deployments.endurance_rows(KEY, on("esp32_s3", "rechargeable", pause_s=pause_s))[0]
        for pause_s in (60.0, 3600.0)
    )
    assert long["rounds"] < short["rounds"]
    assert long["days"] > short["days"]


@pytest.mark.parametrize(("kind", "power"), [("phone", "mains"), ("esp32_s3", "harvested")])
def test_what_has_no_battery_has_no_battery_life(kind: str, power: str) -> None:
    assert deployments.endurance_rows(KEY, on(kind, power)) == []


def test_late_uplinks_are_told_with_their_joules() -> None:
    """Client 1 is late in one of two rounds: 4 J of its uplink, and what its device computed, 2 x 2.6 s at 7.2 W."""
    plain = make_ledger()
    transfers = [
        replace(sent, is_late=(sent.round, sent.client, sent.direction) == (2, 1, "uplink"))
        for sent in recorded_transfers(plain)
    ]
    federation = {"deadline": {"round_s": 20.0, "uplink_mbps": 1.0, "downlink_mbps": 1.0}}
    ledger = replace(make_ledger(transfers=transfers), cell={**plain.cell, "federation": federation})
    (row,) = deployments.schedule_rows(KEY, account(ledger, assuming(PER_BIT)))
    assert (row["late_uplinks"], row["late_energy_j"]) == (1, pytest.approx(4.0 + 5.2 * 7.2))
    (on_time,) = deployments.schedule_rows(KEY, account(plain, assuming(PER_BIT)))
    assert (on_time["late_uplinks"], on_time["late_energy_j"]) == (0, 0.0)


def test_seconds_of_rounds_and_of_the_run() -> None:
    """8 s down, 5.2 s of the slower client's computing, 4 s up: 17.2 s twice, and a pause of 10 s between."""
    (row,) = deployments.schedule_rows(KEY, account(make_ledger(), assuming(PER_BIT, pause_s=10.0)))
    assert (row["round_s"], row["longest_round_s"]) == (pytest.approx(17.2), pytest.approx(17.2))
    assert row["duration_s"] == pytest.approx(2 * 17.2 + 10)
    assert row["is_feasible"]


def test_manufacture_stands_beside_the_totals_or_in_them_and_takes_no_joules() -> None:
    """Busy are both clients in both rounds: 2 x (12 + 2.6) + 2 x (12 + 5.2) = 63.6 s."""
    beside, charged = (account(make_ledger(), assuming(PER_BIT, embodied=rule)) for rule in ("excluded", "calendar"))
    expected = embodied_g(PI, 63.6, "calendar")
    for cell, is_included in ((beside, False), (charged, True)):
        parts = {row["part"]: row for row in deployments.boundary_rows(KEY, cell)}
        row = parts["embodied_calendar"]
        assert row["is_included"] == is_included
        assert (row["energy_j"], row["carbon_g"]) == (0.0, pytest.approx(expected.typical))
        assert (row["carbon_low_g"], row["carbon_high_g"]) == pytest.approx((expected.low, expected.high))
    grams = [sum(row["carbon_g"] for row in deployments.breakdown_rows(KEY, cell)) for cell in (beside, charged)]
    assert grams[1] - grams[0] == pytest.approx(expected.typical)
    assert [row["component"] for row in deployments.breakdown_rows(KEY, charged)].count("embodied") == 1


def test_a_primary_cell_has_grams_of_its_own_and_harvested_energy_none() -> None:
    """48 J of radios, 12 in each of two rounds of two clients, times the grams per kWh of the cell."""
    cell = deployments.breakdown_rows(KEY, on("esp32_s3", "primary"))
    assert {row["grid"] for row in cell} == {"primary cell"}
    own = supply("primary").own_g_per_kwh
    assert own is not None
    assert sum(row["carbon_g"] for row in cell) == pytest.approx(48.0 / 3.6e6 * own.typical)
    harvested = deployments.breakdown_rows(KEY, on("esp32_s3", "harvested"))
    assert {row["grid"] for row in harvested} == {"harvested energy"}
    assert sum(row["carbon_g"] for row in harvested) == 0.0
    assert sum(row["energy_j"] for row in harvested) == pytest.approx(48.0)


def test_operators_have_a_grid_of_their_own_where_clients_see_none() -> None:
    network = on("esp32_s3", "harvested", operator_grid=grid("DEU"), included=frozenset({"network_average"}))
    rows = {row["component"]: row for row in deployments.breakdown_rows(KEY, network)}
    assert rows["uplink"]["carbon_g"] == 0.0
    for part in ("access", "core"):
        assert rows[part]["carbon_g"] == pytest.approx(rows[part]["energy_j"] / 3.6e6 * grid("DEU").g_per_kwh)


def test_a_fleet_brings_its_grids_and_stands_once_however_many_others_are_tried() -> None:
    groups = tuple(
        Group(name, 0.5, PER_BIT, PI, supply("mains"), grid(code)) for name, code in (("north", "NOR"), ("east", "POL"))
    )
    fleet = Deployment("both", "fleet both", groups, is_fleet=True)
    assumed = replace(assuming(PER_BIT, grids=("NOR", "DEU")), deployments=(*assuming(PER_BIT).deployments, fleet))
    result = account(make_ledger(clients=4, cpu_s=(0, 0, 0)), assumed)
    uplinks = [row for row in deployments.breakdown_rows(KEY, result) if row["component"] == "uplink"]
    assert [(row["radio"], row["grid"]) for row in uplinks] == [
        ("per_bit", "NOR"),
        ("per_bit", "DEU"),
        ("both", "own grids"),
    ]
    # Two clients of each group, two rounds, 4 J up: 16 J on either grid.
    mean = (grid("NOR").g_per_kwh + grid("POL").g_per_kwh) / 2
    assert uplinks[2]["carbon_g"] == pytest.approx(32.0 / 3.6e6 * mean)
    rows = [row for row in deployments.group_rows(KEY, result) if row["component"] == "uplink"]
    assert [(row["group"], row["group_grid"], row["energy_j"]) for row in rows] == [
        ("north", "NOR", pytest.approx(16.0)),
        ("east", "POL", pytest.approx(16.0)),
    ]


def test_a_score_after_the_last_payload_is_at_its_cost() -> None:
    """A run may be scored in a round in which nothing was sent any more."""
    plain = make_ledger()
    late = replace(plain, scores=plain.scores.iloc[:0])
    scores = [vars(Score(number, "validation", "accuracy", 0.5)) for number in (2, 3)]
    late = replace(late, scores=type(plain.scores)(scores))
    second, third = deployments.footprint_rows(KEY, account(late, assuming(PER_BIT)))
    assert (second["round"], third["round"]) == (2, 3)
    assert {name: second[name] for name in ("time_s", "energy_j", "carbon_g")} == {
        name: third[name] for name in ("time_s", "energy_j", "carbon_g")
    }
