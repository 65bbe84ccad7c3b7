"""Accounting: a whole cell by hand, and the laws that every change must keep."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from harness.accounting import COMPONENTS, NOTHING, Assumptions, Bounds, CellResult, account
from harness.carbon import grid
from harness.core.types import CodecTiming, Coefficient, ComputeWindow, Transfer
from harness.devices import device
from harness.pooling import pool
from radio_models.lte import LteHandset2012
from radio_models.nbiot import NbIotModule
from radio_models.wifi import WifiHandset2012
from tests.ledgers import make_ledger, provisioned, recorded_transfers, server_windows

PI = device("raspberry_pi_4")
RADIO = LteHandset2012(rate_up_mbps=4, rate_down_mbps=8)


def priced(ledger: Any = None, *radios: Any) -> CellResult:
    """A small cell on an LTE handset and a Raspberry Pi 4, unless said otherwise."""
    return account(ledger or make_ledger(), Assumptions(radios or (RADIO,), (grid("NOR"),), PI))


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


def test_a_cell_by_hand() -> None:
    """One round, two clients: gaps of 2.6 s and 5.2 s between down and up are tails, then 11.576 s each.

    Compute: device seconds are twice the CPU seconds of clients 0 and 1 (x1 and x2): training 6 s, codec 1.8 s; 7.2 W.
    Down: 2 promotions x 0.31490 J + 7.8 s x 1.075505 W + 2 s x 1.28804 W + 16 Mbit x 0.05197 J.
    Up: no promotion + 23.152 s x 1.075505 W + 2 s x 1.28804 W + 8 Mbit x 0.43839 J.
    """
    (result,) = priced(make_ledger(rounds=1)).radios
    joules = {component: bounds.typical for component, bounds in result.joules.items()}
    assert joules == pytest.approx(
        {
            "local_training": 43.2,
            "codec": 12.96,
            "downlink": 2 * 0.31490307 + 7.8 * 1.075505 + 2 * 1.28804 + 16 * 0.05197,
            "uplink": 23.152 * 1.075505 + 2 * 1.28804 + 8 * 0.43839,
        }
    )
    assert result.duration_s == pytest.approx(7.2)
    assert result.total().typical == pytest.approx(sum(joules.values()))
    assert result.total(("uplink", "downlink")).typical == pytest.approx(joules["uplink"] + joules["downlink"])


def test_rounds_sum_to_the_cell() -> None:
    cell = priced(make_ledger(rounds=3))
    (result,) = cell.radios
    assert [(entry.round, entry.component) for entry in result.rounds] == [
        (number, component) for number in (1, 2, 3) for component in COMPONENTS
    ]
    for component in COMPONENTS:
        of_rounds = [entry.joules for entry in result.rounds if entry.component == component]
        total = result.joules[component]
        for end in ("low", "typical", "high"):
            assert sum(getattr(bounds, end) for bounds in of_rounds) == pytest.approx(getattr(total, end))
        assert 0 < total.low < total.typical < total.high
    assert cell.device_s == pytest.approx({"local_training": 18.0, "codec": 5.4})


@pytest.mark.parametrize(
    ("price", "component", "extra_j"),
    [
        ("uplink_j_per_mbit", "uplink", 16 * 0.43839),
        ("downlink_j_per_mbit", "downlink", 32 * 0.05197),
        ("uplink_active_w", "uplink", 4 * 1.28804),
    ],
)
def test_doubling_a_price_doubles_that_term_and_nothing_else(price: str, component: str, extra_j: float) -> None:
    """Two rounds of two clients: 16 Mbit up in 4 s, 32 Mbit down."""
    doubled = Repriced(rate_up_mbps=4, rate_down_mbps=8, price=price, factor=2.0)
    before, after = (priced(None, radio).radios[0] for radio in (RADIO, doubled))
    assert after.usage == before.usage
    for name in COMPONENTS:
        change = after.joules[name].typical - before.joules[name].typical
        assert change == pytest.approx(extra_j if name == component else 0.0, abs=1e-9)


def test_pricing_is_linear_in_every_price() -> None:
    base = priced().radios[0].total().typical
    for price in RADIO.coefficients():
        totals = [
            priced(None, Repriced(rate_up_mbps=4, rate_down_mbps=8, price=price, factor=factor))
            .radios[0]
            .total()
            .typical
            for factor in (2.0, 3.0)
        ]
        assert totals[0] > base
        assert totals[1] - base == pytest.approx(2 * (totals[0] - base))


def test_bounds_are_all_low_and_all_high() -> None:
    (result,) = priced(make_ledger(rounds=1)).radios
    prices = RADIO.coefficients()
    use = next(use for use in result.usage if use.direction == "uplink")
    for end in ("low", "high"):
        expected = (
            use.sessions * getattr(prices["session_j"], end)
            + use.tail_s * getattr(prices["tail_w"], end)
            + use.active_s * getattr(prices["uplink_active_w"], end)
            + use.mbit * getattr(prices["uplink_j_per_mbit"], end)
        )
        assert getattr(result.joules["uplink"], end) == pytest.approx(expected)


def test_what_comes_before_round_1_has_both_prices_and_counts_in_one() -> None:
    """Two clients, 8 Mbit each in a session of its own: promotion, 1 s on the air, and a whole tail."""
    plain = make_ledger()
    given = make_ledger(transfers=[*provisioned(), *recorded_transfers(plain)])
    assumed = Assumptions((RADIO,), (grid("NOR"),), PI)
    (base,), (factory,) = (account(ledger, assumed).radios for ledger in (plain, given))
    (charged,) = account(given, replace(assumed, provisioning="over_the_air")).radios
    each_j = 0.31490307 + 1.28804 + 11.576 * 1.075505 + 8 * 0.05197
    assert factory.provisioning.typical == pytest.approx(2 * each_j)
    assert factory.provisioning.low < factory.provisioning.typical < factory.provisioning.high
    assert base.provisioning == NOTHING
    assert replace(factory, provisioning=NOTHING) == base
    assert charged.provisioning == factory.provisioning == charged.joules["provisioning"]
    assert charged.total().typical == pytest.approx(factory.total().typical + 2 * each_j)
    assert (charged.rounds[0].round, charged.rounds[0].component) == (0, "provisioning")
    assert (charged.usage, charged.duration_s) == (factory.usage, factory.duration_s)
    assert account(plain, replace(assumed, provisioning="over_the_air")).radios[0].joules["provisioning"] == NOTHING


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
    assert priced(make_ledger(windows=windows)).radios == priced(ledger).radios


def test_it_is_pure_and_radios_do_not_meet() -> None:
    ledger = make_ledger()
    copies = [frame.copy() for frame in (ledger.transfers, ledger.windows)]
    together = priced(ledger, LteHandset2012(), WifiHandset2012())
    alone = priced(ledger, WifiHandset2012())
    assert together.radios[1] == alone.radios[0]
    assert ledger.transfers.equals(copies[0])
    assert ledger.windows.equals(copies[1])


def test_an_infeasible_radio_still_has_a_result() -> None:
    (result,) = priced(None, NbIotModule(round_limit_s=60)).radios
    assert not result.is_feasible
    assert result.total().typical > 0
    assert priced().radios[0].is_feasible


def test_fewer_bits_save_less_than_their_share_on_lte() -> None:
    """The tail dominates small models: 81 % fewer uplink bits save far less of the radio joules."""
    plain, coded = (
        priced(make_ledger(n_bytes=(38_440, up)), LteHandset2012()).radios[0].total(("uplink", "downlink")).typical
        for up in (38_440, 7_300)
    )
    assert 0.0 < 1 - coded / plain < 0.1


def test_all_coefficients_are_named_once() -> None:
    rows = Assumptions((LteHandset2012(), LteHandset2012(rate_up_mbps=20)), (), PI).coefficients()
    names = [row.name for row in rows]
    assert len(names) == len(set(names))
    assert names[:3] == ["raspberry_pi_4.gflops", "raspberry_pi_4.active_w", "raspberry_pi_4.seconds_scale"]
    assert "lte.rate_up_mbps" in names


def test_bounds_add() -> None:
    assert Bounds(1, 2, 3) + Bounds(10, 20, 30) == Bounds(11, 22, 33)
