"""Accounting: a whole cell by hand, and the laws that every change must keep."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.facts import CodecTiming, ComputeWindow, Transfer
from harness.core.prices import PRICES, Coefficient
from harness.core.types import Direction
from harness.ledger.ledger import Ledger
from harness.price.accounting.account import COMPONENTS, CellResult, DeploymentResult, account
from harness.price.accounting.carbon import carbon_terms, places
from harness.price.accounting.pooled_compute import pool
from harness.price.accounting.terms import NOTHING, Bounds, joules_by_round
from harness.price.assumptions.deployment import Deployment, Group
from harness.price.assumptions.devices import device
from harness.price.assumptions.grids import grid
from harness.price.assumptions.power_supply import supply
from radio_models.ble import Ble5
from radio_models.lte import LteHandset2012
from radio_models.nbiot import NbIotModule
from radio_models.wifi import WifiHandset2012
from tests.deployments import PI, RADIO, amount, assuming, by_component
from tests.ledgers import make_ledger, provisioned, recorded_transfers, server_windows

SESSION_J, TAIL_W, ACTIVE_W = 0.31490307, 1.075505, 1.28804
UP_J, DOWN_J = 0.43839, 0.05197


def priced(ledger: Ledger | None = None, *radios: Any, **assumed: Any) -> CellResult:
    """A small cell on an LTE handset and a Raspberry Pi 4, unless said otherwise."""
    return account(ledger or make_ledger(), assuming(*radios, **assumed))


def first(ledger: Ledger | None = None, *radios: Any, **assumed: Any) -> DeploymentResult:
    return priced(ledger, *radios, **assumed).deployments[0]


@dataclass(frozen=True)
class Repriced(LteHandset2012):
    """The LTE handset with one price multiplied."""

    price: str = ""
    factor: float = 1.0

    def coefficients(self) -> Mapping[str, Coefficient]:
        prices = dict(LteHandset2012().coefficients())
        old = prices[self.price]
        prices[self.price] = replace(
            old, low=old.low * self.factor, typical=old.typical * self.factor, high=old.high * self.factor
        )
        return prices


def repriced(price: str, factor: float) -> Repriced:
    return Repriced(rate_up_mbps=4, rate_down_mbps=8, transport="none", price=price, factor=factor)


def test_a_cell_by_hand() -> None:
    """One round, two clients: gaps of 2.6 s and 5.2 s between down and up are tails, then 11.576 s each.

    Compute: device seconds are twice the CPU seconds of clients 0 and 1 (x1 and x2): training 6 s, codec 1.8 s; 7.2 W.
    The radio takes 0.2601 s to connect, which the joules of a session are of.
    """
    result = first(make_ledger(rounds=1))
    joules = {component: bounds.typical for component, bounds in by_component(result).items()}
    assert joules == pytest.approx(
        {
            "local_training": 43.2,
            "codec": 12.96,
            "downlink": 2 * SESSION_J + 7.8 * TAIL_W + 2 * ACTIVE_W + 16 * DOWN_J,
            "uplink": 23.152 * TAIL_W + 2 * ACTIVE_W + 8 * UP_J,
        }
    )
    assert result.schedule.duration_s == pytest.approx(0.2601 + 7.2)
    assert result.joules().typical == pytest.approx(sum(joules.values()))
    assert result.joules(("uplink", "downlink")).typical == pytest.approx(joules["uplink"] + joules["downlink"])


def test_rounds_sum_to_the_cell() -> None:
    result = first(make_ledger(rounds=3))
    by_round = joules_by_round(result.charged, 3)
    assert by_round[0] == 0.0
    assert (by_round[1:] > 0).all()
    total = result.joules()
    assert by_round.sum() == pytest.approx(total.typical)
    assert 0 < total.low < total.typical < total.high
    assert set(by_component(result)) == set(COMPONENTS)
    assert amount(result, "local_training", "local_training_s") == pytest.approx(18.0)
    assert amount(result, "codec", "encode_s") + amount(result, "codec", "decode_s") == pytest.approx(5.4)


@pytest.mark.parametrize(
    ("price", "component", "extra_j"),
    [
        ("uplink_j_per_mbit", "uplink", 16 * UP_J),
        ("downlink_j_per_mbit", "downlink", 32 * DOWN_J),
        ("uplink_w", "uplink", 4 * ACTIVE_W),
    ],
)
def test_doubling_a_price_doubles_that_term_and_nothing_else(price: str, component: str, extra_j: float) -> None:
    """Two rounds of two clients: 16 Mbit up in 4 s, 32 Mbit down."""
    before, after = (by_component(first(None, radio)) for radio in (RADIO, repriced(price, 2.0)))
    for name in COMPONENTS:
        change = after[name].typical - before[name].typical
        assert change == pytest.approx(extra_j if name == component else 0.0, abs=1e-9)


def test_joules_are_linear_in_every_price() -> None:
    base = first().joules().typical
    for price in PRICES.values():
        totals = [first(None, repriced(price, factor)).joules().typical for factor in (2.0, 3.0)]
        assert totals[1] - base == pytest.approx(2 * (totals[0] - base), abs=1e-9)


@pytest.mark.parametrize("radio", [RADIO, LteHandset2012(), WifiHandset2012(), NbIotModule()])
@settings(deadline=None, max_examples=25)
@given(n_bytes=st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)), more=st.integers(0, 10**7))
def test_more_bytes_never_cost_less(radio: Any, n_bytes: tuple[int, int], more: int) -> None:
    few, many = (
        first(make_ledger(n_bytes=sizes), radio, pause_s=600.0).joules(("uplink", "downlink")).typical
        for sizes in (n_bytes, (n_bytes[0] + more, n_bytes[1] + more))
    )
    assert many >= few * (1 - 1e-12)


def test_bounds_are_all_low_and_all_high() -> None:
    result = first(make_ledger(rounds=1))
    prices = RADIO.coefficients()
    for end in ("low", "high"):
        expected = sum(
            amount(result, "uplink", quantity) * getattr(prices[price], end) for quantity, price in PRICES.items()
        )
        assert getattr(result.joules(["uplink"]), end) == pytest.approx(expected)


def test_radios_that_carry_nothing_cost_what_they_take_at_rest() -> None:
    """No turn at all in ten clients of the population; the others' rest, and an hour's pause after each round.

    After it everybody connects anew, in 0.2601 s.
    """
    ledger = replace(make_ledger(), cell={**make_ledger().cell, "task": {"clients": 12}})
    idle, busy = (first(each, pause_s=3600.0).extras["standby"] for each in (ledger, make_ledger()))
    rest = {len(terms): sum(t.amounts.sum() for t in terms if t.quantity == "rest_s") for terms in (idle,)}
    asleep = sum(t.amounts.sum() for t in idle if t.quantity == "rest_s") - sum(
        t.amounts.sum() for t in busy if t.quantity == "rest_s"
    )
    assert rest
    assert asleep == pytest.approx(10 * 2 * (3600.0 + 0.2601 + 7.2))
    (term,) = [t for t in idle if t.quantity == "rest_s"]
    assert term.factors[0].coefficient == RADIO.coefficients()["rest_w"]


def test_standby_is_the_time_that_nothing_else_takes() -> None:
    """Per client, seconds awake for the radio, computing and asleep sum to the whole run and its pauses.

    2 s on the link in each of four turns, and 0.2601 s to connect, in which the radio does not rest.
    """
    result = first(make_ledger(rounds=2), pause_s=100.0)
    standby = {term.quantity: term.amounts.sum() for term in result.extras["standby"]}
    computing = sum(
        amount(result, part, f"{phase}_s")
        for part, phase in (("local_training", "local_training"), ("codec", "encode"), ("codec", "decode"))
    )
    assert standby["device_awake_s"] == pytest.approx(4 * (2.0 + 0.2601))
    whole_s = 2 * 2 * (0.2601 + 7.2 + 100.0)
    assert standby["device_asleep_s"] + standby["device_awake_s"] + computing == pytest.approx(whole_s)
    tails = sum(amount(result, way, "tail_s") for way in ("uplink", "downlink"))
    assert standby["rest_s"] + 4 * (2.0 + 0.2601) + tails == pytest.approx(whole_s)


def test_what_comes_before_round_1_has_both_prices_and_counts_in_one() -> None:
    """Two clients, 8 Mbit each in a session of its own: promotion, 1 s on the air, and a whole tail."""
    plain = make_ledger()
    given_ = make_ledger(transfers=[*provisioned(), *recorded_transfers(plain)])
    base, factory = (first(ledger) for ledger in (plain, given_))
    charged = first(given_, included=frozenset({"provisioning"}))
    each_j = SESSION_J + ACTIVE_W + 11.576 * TAIL_W + 8 * DOWN_J
    provisioning = sum((term.joules() for term in factory.extras["provisioning"]), NOTHING)
    assert provisioning.typical == pytest.approx(2 * each_j)
    assert provisioning.low < provisioning.typical < provisioning.high
    assert base.extras["provisioning"] == ()
    assert factory.joules() == base.joules()
    assert by_component(charged)["provisioning"] == provisioning
    assert charged.joules().typical == pytest.approx(factory.joules().typical + 2 * each_j)
    assert joules_by_round(charged.charged, 2)[0] == pytest.approx(2 * each_j)
    assert charged.schedule.duration_s == factory.schedule.duration_s


def test_the_network_is_one_of_two_and_multicast_pays_once() -> None:
    """Two clients, two rounds: 32 Mbit down as unicast, 16 as multicast since both receive the same; 16 Mbit up."""
    amounts: dict[Any, Any] = {}
    for cast in ("unicast", "multicast"):
        result = first(cast=cast)
        for mode in ("network_average", "network_marginal"):
            access = [term for term in result.extras[mode] if term.component == "access"]
            amounts[cast, mode] = sum(float(term.amounts.sum()) for term in access)
            assert {term.component for term in result.extras[mode]} == {"access", "core"}
    assert amounts["unicast", "network_average"] == amounts["unicast", "network_marginal"] == pytest.approx(48.0)
    assert amounts["multicast", "network_average"] == pytest.approx(32.0)
    included = first(included=frozenset({"network_marginal"}))
    assert set(included.components) == {*COMPONENTS, "access", "core"}
    marginal = sum((term.joules() for term in included.extras["network_marginal"]), NOTHING)
    assert included.joules(("access", "core")) == marginal


def test_acknowledgements_of_a_multicast_payload_are_every_receivers_own() -> None:
    """One payload reaches both clients, sent once or twice; each of them answers, and both answers count."""
    radio = Ble5()
    ledger = make_ledger(rounds=1, n_bytes=(1000, 500))
    carried = {way: radio.carry(np.array([size]), way) for way, size in (("downlink", 1000), ("uplink", 500))}
    down, answers = carried["downlink"].downlink_mbit.item(), carried["downlink"].uplink_mbit.item()
    up = sum(carried["uplink"].uplink_mbit + carried["uplink"].downlink_mbit)
    assert answers > 0
    for cast, n_sent in (("unicast", 2), ("multicast", 1)):
        (result,) = priced(ledger, radio, cast=cast).deployments
        access = [term for term in result.extras["network_average"] if term.component == "access"]
        amount = sum(float(term.amounts.sum()) for term in access)
        assert amount == pytest.approx(n_sent * down + 2 * answers + 2 * up)


def test_a_client_that_sat_out_decodes_every_payload_it_missed() -> None:
    """One call costs 0.5 s; client 1 has three payloads in round 2 and one in round 1."""
    codec = {"uplink": {}, "downlink": {"codec": {}}}
    missed = [Transfer(2, 1, "downlink", 1000, 12, digest * 16, 4_000_000) for digest in "ab"]
    ledger = make_ledger()
    ledger = replace(
        make_ledger(transfers=[*recorded_transfers(ledger), *missed]),
        cell={"task": {}, "federation": {"batch_size": 16}, "method": codec, "seed": 0},
        codec_timings=(CodecTiming("uplink", "encode", 10, 2.0), CodecTiming("downlink", "decode", 10, 5.0)),
    )
    windows = pool([ledger]).pooled(ledger).windows
    decode = windows[windows["phase"] == "decode"].set_index(["round", "client"])["cpu_seconds"]
    assert decode.to_dict() == pytest.approx({(1, 0): 0.5, (1, 1): 0.5, (2, 0): 0.5, (2, 1): 1.5})
    assert set(windows[windows["phase"] == "encode"]["cpu_seconds"]) == {0.2}


def test_the_server_and_the_benchmark_stand_outside() -> None:
    ledger = make_ledger()
    records: Any = ledger.windows.to_dict("records")
    windows = [*(ComputeWindow(**row) for row in records), *server_windows(1000.0)]
    assert first(make_ledger(windows=windows)).joules() == first(ledger).joules()


def test_it_is_pure_and_radios_do_not_meet() -> None:
    ledger = make_ledger()
    copies = [frame.copy() for frame in (ledger.transfers, ledger.windows)]
    together = priced(ledger, LteHandset2012(), WifiHandset2012())
    alone = priced(ledger, WifiHandset2012())
    assert by_component(together.deployments[1]) == by_component(alone.deployments[0])
    assert ledger.transfers.equals(copies[0])
    assert ledger.windows.equals(copies[1])


def test_an_infeasible_radio_still_has_a_result() -> None:
    result = first(None, NbIotModule(), round_limit_s=60.0)
    assert not result.is_feasible
    assert any("limit is 0.0167 h" in note.text for note in result.notes)
    assert result.joules().typical > 0
    assert first().is_feasible


def test_fewer_bits_save_less_than_their_share_on_lte() -> None:
    """The tail dominates small models: 81 % fewer uplink bits save far less of the radio joules."""
    plain, coded = (
        first(make_ledger(n_bytes=(38_440, up)), LteHandset2012()).joules(("uplink", "downlink")).typical
        for up in (38_440, 7_300)
    )
    assert 0.0 < 1 - coded / plain < 0.1


def test_computing_that_nobody_recorded_is_unknown_and_said() -> None:
    result = first(replace(make_ledger(), windows=make_ledger().windows.iloc[:0]))
    assert set(result.components) == {"uplink", "downlink"}
    assert any("computing is not recorded" in note.text for note in result.notes)


def late_ledger() -> Ledger:
    """Two rounds of two clients with a deadline of 5 s; client 1 is late in round 2."""
    plain = make_ledger()
    transfers = plain.transfers.assign(
        is_late=(plain.transfers["round"] == 2)
        & (plain.transfers["client"] == 1)
        & (plain.transfers["direction"] == "uplink")
    )
    deadline = {"round_s": 5.0, "uplink_mbps": 2.0, "downlink_mbps": 10.0, "step_s": 0.05, "spread": 2.0}
    return replace(plain, transfers=transfers, cell={**plain.cell, "federation": {"deadline": deadline}})


def test_nobody_waits_for_a_late_client_and_what_it_took_is_told() -> None:
    """Client 1 takes 0.2601 s to connect and 7.2 s. Round 1 waits for it; round 2 is over at the deadline.

    Its uplink: 1 s and 4 Mbit.
    """
    result = first(late_ledger())
    assert result.schedule.round_s[1:].tolist() == pytest.approx([7.4601, 5.0])
    late = {(term.component, term.quantity): float(term.amounts.sum()) for term in result.late}
    assert late["uplink", "uplink_s"] == 1.0
    assert late["uplink", "uplink_mbit"] == 4.0
    assert late["local_training", "local_training_s"] == pytest.approx(4.0)
    joules = sum((term.joules() for term in result.late), NOTHING).typical
    assert joules == pytest.approx(7.2 * 2 * (2.0 + 0.2 + 0.4) + ACTIVE_W + 4 * UP_J)
    assert first().late == ()


def test_another_radio_than_the_deadline_knew_is_a_warning() -> None:
    """Both clients' rounds: client 0 takes 4.6 s and would be in time, client 1 twice 7.2 s."""
    (said,) = [note.text for note in first(late_ledger()).notes if note.kind == "warning"]
    assert said.startswith("1 of 4 client rounds were late by the plain numbers of the definition")
    assert "it would be 2" in said


def fleet(*shares: float, radio: Any = RADIO) -> Deployment:
    groups = tuple(
        Group(f"group {place}", share, radio, PI, supply("mains"), grid("NOR")) for place, share in enumerate(shares)
    )
    return Deployment("fleet", "a fleet", groups, is_fleet=True)


@given(cut=st.floats(0.05, 0.95), clients=st.integers(2, 40), seed=st.integers(0, 1000))
def test_every_client_is_in_one_group_and_shares_hold_to_the_nearest_client(
    cut: float, clients: int, seed: int
) -> None:
    group_of = fleet(cut, 1 - cut).group_of(clients, seed)
    assert len(group_of) == clients
    assert abs((group_of == 0).sum() - cut * clients) <= 0.5 + 1e-9
    assert (fleet(cut, 1 - cut).group_of(clients, seed) == group_of).all()


def test_a_fleet_of_equal_groups_costs_what_one_group_does() -> None:
    """Joules and grams are additive over groups, and waiting is for the slowest of all of them."""
    ledger = make_ledger(rounds=2, clients=6)
    whole = account(ledger, assuming())
    parts = account(ledger, replace(assuming(), deployments=(fleet(0.5, 0.5),)))
    (one,), (two,) = whole.deployments, parts.deployments
    assert two.joules().typical == pytest.approx(one.joules().typical)
    assert sum(two.joules(group=number).typical for number in (0, 1)) == pytest.approx(two.joules().typical)
    assert two.schedule.end_s.tolist() == pytest.approx(one.schedule.end_s.tolist())
    grams = [
        sum((t.joules() for t in carbon_terms(here, here.charged, places(here, cell.assumptions)[0])), NOTHING).typical
        for cell, here in ((whole, one), (parts, two))
    ]
    assert grams[0] == pytest.approx(grams[1])


def test_groups_have_their_own_radio_and_device() -> None:
    groups = (
        Group("fast", 0.5, WifiHandset2012(), device("raspberry_pi_5"), supply("mains"), grid("NOR")),
        Group("slow", 0.5, NbIotModule(), PI, supply("mains"), grid("POL")),
    )
    deployment = Deployment("mixed", "a fleet", groups, is_fleet=True)
    result = account(make_ledger(clients=4), replace(assuming(), deployments=(deployment,))).deployments[0]
    fast, slow = (result.joules(("uplink", "downlink"), group=number).typical for number in (0, 1))
    assert slow > 10 * fast
    assert [party.n_clients for party in result.parties] == [2, 2]
    assert result.schedule.round_s[1] > 60.0  # the NB-IoT clients set the pace


def test_grams_follow_the_grid_and_the_supply() -> None:
    """Joules x g/kWh / 3.6e6, doubled where the intensity is; losses of a charger come on top for clients alone."""
    result = first(included=frozenset({"network_average"}))
    own = {"name": "x", "source": "test"}
    grams = {}
    for value in (100.0, 200.0):
        place = ("x", (grid({**own, "g_per_kwh": value}),))
        grams[value] = sum((term.joules() for term in carbon_terms(result, result.charged, place)), NOTHING)
    assert grams[100.0].typical == pytest.approx(result.joules().typical * 100 / 3.6e6)
    assert grams[200.0].typical == pytest.approx(2 * grams[100.0].typical)
    rechargeable = supply("rechargeable")
    battery = replace(
        result,
        deployment=Deployment("x", "x", (replace(result.deployment.groups[0], supply=rechargeable),)),
    )
    place = ("x", (grid({**own, "g_per_kwh": 100.0}),))
    both = sum((term.joules() for term in carbon_terms(battery, result.charged, place)), NOTHING).typical
    network_j = result.joules(("access", "core")).typical
    client_j = result.joules().typical - network_j
    loss = rechargeable.grid_j_per_j.typical
    assert loss > 1
    assert both == pytest.approx((client_j * loss + network_j) * 100 / 3.6e6)


def test_all_coefficients_are_named_once() -> None:
    names = [row.name for row in assuming(LteHandset2012(), LteHandset2012(rate_up_mbps=20)).coefficients()]
    assert len(names) == len(set(names))
    assert "lte.rate_up_mbps" in names
    assert any(name.startswith("raspberry_pi_4.") for name in names)


def test_bounds_add() -> None:
    assert Bounds(1, 2, 3) + Bounds(10, 20, 30) == Bounds(11, 22, 33)


def test_directions_are_those_of_the_protocol() -> None:
    ways: tuple[Direction, ...] = ("uplink", "downlink")
    assert all(np.isfinite(RADIO.carry(np.array([0, 10**6]), way).seconds).all() for way in ways)
