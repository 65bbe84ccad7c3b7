"""Cellular and constant radios against whole-model figures that were published, and numbers worked out by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.core.coefficients import load
from harness.core.protocols import RadioModel
from harness.core.types import Direction
from harness.parts.registry import build, describe
from radio_models.carrying import Link, carried
from radio_models.coefficients import row
from radio_models.constant import ConstantPerBit
from radio_models.handsets_2021 import LteHandset2021, NrLowbandHandset2021, NrMmwaveHandset2021
from radio_models.lte import LteHandset2012
from radio_models.ltem import LteMModule
from radio_models.nbiot import NbIotModule
from radio_models.validation import compared, lone_session, measured, reproduced, transfer
from radio_models.wifi import WifiHandset2012

MB = 1_000_000
LTE, WIFI, NBIOT = (kind(transport="none") for kind in (LteHandset2012, WifiHandset2012, NbIotModule))


def session_j(radio: RadioModel, n_bytes: int, direction: Direction) -> float:
    """Joules of a lone transfer: leaving rest, data and full tail."""
    return lone_session(radio, **{f"{direction}_bytes": n_bytes})[1]


def data_j(radio: RadioModel, n_bytes: int, direction: Direction) -> float:
    """Joules of the data phase alone."""
    return transfer(radio, **{f"{direction}_bytes": n_bytes})[1]


def test_lte_single_packet_as_published() -> None:
    """Huang et al. 2012 give 12.76 J for one packet.

    By hand: 0.2601 s x 1.2107 W + 11.576 s x (1.06 + 0.6202 / 40) W = 12.765 J.
    """
    assert session_j(LTE, 0, "uplink") == pytest.approx(12.76, rel=0.002)
    assert session_j(LTE, 0, "downlink") == pytest.approx(12.7650, abs=1e-4)


@pytest.mark.parametrize(
    ("n_bytes", "direction", "joules"),
    [
        (10_000, "downlink", 12.775),  # 12.765 + 0.08 x 0.05197 + 0.08/13 x 1.28804 = 12.7771
        (MB, "uplink", 17.988),  # 12.765 + 8 x 0.43839 + 8/6 x 1.28804 = 17.9896
        (MB, "downlink", 13.972),  # 12.765 + 8 x 0.05197 + 8/13 x 1.28804 = 13.9734
        (100 * MB, "uplink", 535.214),  # 12.765 + 800 x 0.43839 + 800/6 x 1.28804 = 535.2157
    ],
)
def test_lte_bulk_transfers_by_hand(n_bytes: int, direction: Direction, joules: float) -> None:
    assert session_j(LTE, n_bytes, direction) == pytest.approx(joules, rel=2e-4)


def test_lte_at_rest_pages() -> None:
    """594.3 mW for 43.2 ms every 1.28 s: 20.06 mW."""
    assert LTE.coefficients()["rest_w"].typical == pytest.approx(0.0200576, abs=1e-6)


def test_wifi_single_packet_is_of_the_published_size() -> None:
    """Huang et al. 2012 give 0.04 J, with one digit; 0.0791 x 0.1244 + 0.2381 x 0.1193 = 0.03825 J."""
    assert round(session_j(WIFI, 0, "uplink"), 2) == 0.04
    assert session_j(WIFI, MB, "uplink") == pytest.approx(2.4808, rel=1e-4)


def test_wifi_at_rest_wakes_for_beacons() -> None:
    """77.2 mW for 7.6 ms every 308.2 ms: 1.90 mW."""
    assert WIFI.coefficients()["rest_w"].typical == pytest.approx(0.0019037, abs=1e-6)


def test_headers_go_with_the_payload_and_acknowledgements_against_it() -> None:
    """1 MB over TCP: 691 segments of 52 B more, 346 acknowledgements of 52 B; power is counted once."""
    radio = LteHandset2012(transport="tcp")
    carriage = radio.carry(np.array([MB]), "uplink")
    assert carriage.uplink_mbit[0] == pytest.approx(8.287456)
    assert carriage.downlink_mbit[0] == pytest.approx(0.143936)
    assert carriage.uplink_s[0] == carriage.seconds[0] == pytest.approx(8.287456 / 6)
    assert carriage.downlink_s[0] == 0
    # 8.287456 x 0.43839 + 0.143936 x 0.05197 + 1.381243 s x 1.28804 W
    assert data_j(radio, MB, "uplink") == pytest.approx(5.419716, rel=1e-6)
    back = radio.carry(np.array([MB]), "downlink")
    assert (back.downlink_mbit[0], back.uplink_mbit[0]) == (carriage.uplink_mbit[0], carriage.downlink_mbit[0])


def test_a_quarter_sent_again_is_a_third_more_on_the_air() -> None:
    once = LTE.carry(np.array([MB]), "uplink")
    again = replace(LTE, retransmission_share=0.25).carry(np.array([MB]), "uplink")
    assert again.seconds[0] == pytest.approx(once.seconds[0] * 4 / 3)
    assert again.uplink_mbit[0] == pytest.approx(once.uplink_mbit[0] * 4 / 3)


@pytest.mark.parametrize("share", [1.0, -0.1, float("nan")])
def test_a_share_of_retransmissions_lies_below_one(share: float) -> None:
    with pytest.raises(ValueError, match=r"^retransmission_share must be"):
        LteHandset2012(retransmission_share=share)


def crossover_mbps(cheaper_when_fast: Any, other: Any, direction: Direction) -> float:
    """Rate at which both radios take the same energy for the same data, by bisection."""
    setting = "rate_up_mbps" if direction == "uplink" else "rate_down_mbps"
    low, high = 1.0, 1000.0
    for _ in range(60):
        rate = (low + high) / 2
        joules = [
            data_j(kind(**{setting: rate}, transport="none"), MB, direction) for kind in (cheaper_when_fast, other)
        ]
        low, high = (low, rate) if joules[0] < joules[1] else (rate, high)
    return low


@pytest.mark.parametrize(
    ("other", "direction", "published_mbps"),
    [
        (LteHandset2021, "downlink", 187.0),
        (LteHandset2021, "uplink", 39.9),
        (NrLowbandHandset2021, "downlink", 188.8),
        (NrLowbandHandset2021, "uplink", 122.7),
    ],
)
def test_mmwave_crossovers_as_published(other: Any, direction: Direction, published_mbps: float) -> None:
    """Narayanan et al. 2021, Figure 11, marks where mmWave becomes the cheaper one."""
    assert crossover_mbps(NrMmwaveHandset2021, other, direction) == pytest.approx(published_mbps, rel=0.005)


def test_mmwave_tail_is_of_the_published_size() -> None:
    """11.2 s at 1.092 W: 12.2 J a session."""
    radio = NrMmwaveHandset2021()
    assert radio.tail_s * radio.coefficients()["tail_w"].typical == pytest.approx(12.2, abs=0.05)


def test_both_directions_of_a_fit_rise_and_fall_with_the_idle_phone() -> None:
    prices = NrLowbandHandset2021().coefficients()
    assert prices["uplink_w"].drawn_with == prices["downlink_w"].drawn_with == "nr_lowband.phone_floor_w"


def test_rates_beyond_the_fit_are_named() -> None:
    assert not any(note.text.startswith("outside") for note in LteHandset2021().notes())
    assert str(LteHandset2021(rate_down_mbps=187).notes()[0]) == (
        "outside the fitted range: 187 Mbit/s down, tested up to 50"
    )
    fast = NrLowbandHandset2021(rate_up_mbps=41, rate_down_mbps=101).notes()
    assert sum(note.text.startswith("outside") for note in fast) == 2


def test_nbiot_one_megabyte_at_the_peak_rate() -> None:
    """8000 kbit / 62 kbit/s = 129.03 s at 0.792 W = 102.19 J, plus 0.252 J wake-up and 10 s x 0.18 W of tail."""
    assert data_j(NBIOT, MB, "uplink") == pytest.approx(102.19, rel=1e-3)
    assert session_j(NBIOT, 0, "uplink") == pytest.approx(2.052)
    assert data_j(replace(NBIOT, rate_up_kbps=20.0), MB, "uplink") == pytest.approx(316.8)


def test_nbiot_downlink_waits_for_its_answer() -> None:
    """NB2 peak down: 8000 / 127 s at 0.1656 W, and 1 s at 0.18 W until it begins."""
    nb2 = replace(NBIOT, rate_up_kbps=159.0, rate_down_kbps=127.0)
    carriage = nb2.carry(np.array([MB]), "downlink")
    assert carriage.wait_s[0] == 1.0
    assert carriage.seconds[0] == pytest.approx(8000 / 127 + 1)
    assert data_j(nb2, MB, "downlink") == pytest.approx(8000 / 127 * 0.1656 + 0.18)


def test_block_wise_transfer_waits_at_each_block() -> None:
    """10 blocks of 1024 B, each answered before the next."""
    radio = NbIotModule(transport="coap")
    assert radio.carry(np.array([10_240]), "uplink").wait_s[0] == 10
    assert radio.carry(np.array([10_240]), "downlink").wait_s[0] == 10
    assert NbIotModule(transport="udp").carry(np.array([10_240]), "uplink").wait_s[0] == 0


def test_half_duplex_answers_take_turns_and_full_duplex_ones_go_alongside() -> None:
    sizes = np.array([100_000])
    half = LteMModule(transport="tcp", rate_up_kbps=500.0, rate_down_kbps=500.0).carry(sizes, "uplink")
    full = LteMModule(transport="tcp", duplex="full", rate_up_kbps=500.0, rate_down_kbps=500.0).carry(sizes, "uplink")
    assert half.seconds[0] == pytest.approx(half.uplink_s[0] + half.downlink_s[0])
    assert full.seconds[0] == pytest.approx(full.uplink_s[0])
    assert full.downlink_s[0] == half.downlink_s[0] > 0


def test_coverage_repeats_data_and_signalling() -> None:
    """Class 1: 10 repetitions, so 1290.3 s up per MB; wake-up 5.14 x 0.252 J."""
    normal, robust, extreme = (replace(NBIOT, coverage=name) for name in ("normal", "robust", "extreme"))
    assert robust.carry(np.array([MB]), "uplink").seconds[0] == pytest.approx(1290.3, abs=0.1)
    assert robust.coefficients()["session_j"].typical == pytest.approx(1.295, abs=0.001)
    costs = [session_j(radio, 500, "uplink") for radio in (normal, robust, extreme)]
    assert costs[0] < costs[1] < costs[2]
    # What is not known of the repetitions makes the range of the power wide, and both directions share it.
    prices = robust.coefficients()
    assert prices["uplink_w"].high == pytest.approx(0.99 * 64 / 10)
    assert prices["uplink_w"].drawn_with == prices["downlink_w"].drawn_with == "nbiot.robust_repetitions"
    assert normal.coefficients()["uplink_w"].drawn_with == ""


def test_early_release_ends_the_tail_at_once() -> None:
    assert NbIotModule().tail_s == 10
    assert NbIotModule(early_release=True).tail_s == 0
    assert session_j(replace(NBIOT, early_release=True), 0, "uplink") == pytest.approx(0.252)


def test_connected_drx_lets_the_tail_doze() -> None:
    """0.0216 + (0.18 - 0.0216) x 0.005 / 2.049 = 0.02199 W."""
    assert NbIotModule(connected_drx=True).coefficients()["tail_w"].typical == pytest.approx(0.021987, abs=1e-6)
    assert NbIotModule().coefficients()["tail_w"].typical == 0.18


def test_paging_time_is_paid_with_each_session_and_sleep_at_rest() -> None:
    """60 s at 2.4 mW: 0.144 J more than the 0.252 J of waking; asleep 15 uW, reachable 2.4 mW."""
    assert NbIotModule(active_time_s=60.0).coefficients()["session_j"].typical == pytest.approx(0.396)
    assert NbIotModule().coefficients()["rest_w"].typical == 1.5e-5
    assert NbIotModule(power_saving=False).coefficients()["rest_w"].typical == 0.0024


def test_nbiot_in_good_coverage_agrees_with_messages_that_it_was_not_built_from() -> None:
    """Kraus: 200 B 0.27 J, 400 B 0.36 J, 400 B and 40 B back 0.504 J; Robinson: 512 B 0.336 J."""
    notes = [note for note in NbIotModule().notes() if "validated" in note.kind]
    assert [note.kind for note in notes] == ["validated"] * 4
    assert str(notes[2]) == "validated: 0.2957 J against 0.36 J for 400 B up with early release (-18%, kraus_coaps)"


@pytest.mark.parametrize("coverage", ["robust", "extreme"])
def test_nbiot_in_poor_coverage_is_unvalidated(coverage: str) -> None:
    notes = build("radio", {"kind": "nbiot", "coverage": coverage}).notes()
    assert any(note.kind == "unvalidated" for note in notes)


def test_nbiot_tail_is_that_of_the_thesis() -> None:
    """Robinson 2019: about 1 mWh in 20 s connected."""
    radio = NbIotModule(inactivity_s=20.0)
    assert radio.tail_s * radio.coefficients()["tail_w"].typical == pytest.approx(3.6)


def test_nbiot_rates_beyond_the_standard_are_named() -> None:
    assert any("outside the standard" in note.text for note in NbIotModule(rate_up_kbps=200.0).notes())
    assert NbIotModule().notes()[0].text.startswith("on the air 129 s per MB up, 308 s per MB down")


def test_ltem_agrees_with_a_later_series() -> None:
    """Kraus, 400 B up: 0.54 J; by hand 0.36 + 10 x 0.0187 + 428 x 8 / 375000 x 0.836 = 0.5546 J."""
    udp = LteMModule(transport="udp")
    assert session_j(udp, 400, "uplink") == pytest.approx(0.5546, abs=1e-4)
    notes = [note for note in LteMModule().notes() if "validated" in note.kind]
    assert [note.kind for note in notes] == ["validated"] * 2


def test_ltem_takes_the_peak_rate_of_its_duplex_mode() -> None:
    bare = LteMModule(transport="none")
    assert bare.carry(np.array([MB]), "uplink").seconds[0] == pytest.approx(8000 / 375)
    assert replace(bare, duplex="full").carry(np.array([MB]), "uplink").seconds[0] == pytest.approx(8.0)
    assert replace(bare, rate_up_kbps=100.0).carry(np.array([MB]), "uplink").seconds[0] == pytest.approx(80.0)
    assert any("outside the category" in note.text for note in LteMModule(rate_up_kbps=7000.0).notes())


def test_a_constant_energy_per_bit() -> None:
    """1 MB is 8 Mbit: at 50 kbit/J 160 J, at 100 nJ/bit 0.8 J, at 25 nJ/bit 0.2 J."""
    assert session_j(ConstantPerBit(), MB, "uplink") == pytest.approx(160)
    assert session_j(ConstantPerBit(kbit_per_j=200.0), MB, "downlink") == pytest.approx(40)
    own = ConstantPerBit(uplink_nj_per_bit=100.0, downlink_nj_per_bit=25.0)
    assert session_j(own, MB, "uplink") == pytest.approx(0.8)
    assert session_j(own, MB, "downlink") == pytest.approx(0.2)
    assert own.carry(np.array([MB]), "uplink").seconds[0] == pytest.approx(8 / 6)


def test_a_constant_of_the_users_is_a_point_and_says_so() -> None:
    for radio in (ConstantPerBit(uplink_nj_per_bit=100.0, downlink_nj_per_bit=0.0), ConstantPerBit(kbit_per_j=10.0)):
        price = radio.coefficients()["uplink_j_per_mbit"]
        assert price.low == price.typical == price.high
        assert any(row.locator == "set in the benchmark" for row in radio.inputs())
        assert not any(row.name == "per_bit.kbit_per_j" and row.typical == 50 for row in radio.inputs())
        assert build("radio", describe(radio)) == radio
    assert ConstantPerBit().coefficients()["uplink_j_per_mbit"].low == 5
    assert ConstantPerBit().coefficients()["uplink_j_per_mbit"].high == 40


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"uplink_nj_per_bit": 1.0}, r"^uplink_nj_per_bit must be given together with downlink_nj_per_bit"),
        (
            {"uplink_nj_per_bit": 1.0, "downlink_nj_per_bit": 1.0, "kbit_per_j": 5.0},
            r"^kbit_per_j must be left out where uplink_nj_per_bit is given",
        ),
        ({"kbit_per_j": 0.0}, r"^kbit_per_j must be between"),
    ],
)
def test_constants_that_contradict_each_other_are_refused(settings: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        ConstantPerBit(**settings)  # type: ignore[arg-type]


def test_a_changed_setting_is_a_point_of_the_users_and_no_longer_sourced() -> None:
    sourced = {row.name: row for row in LteHandset2012().inputs()}["lte.rate_up_mbps"]
    changed = {row.name: row for row in LteHandset2012(rate_up_mbps=20.0).inputs()}["lte.rate_up_mbps"]
    assert sourced.source == "huang2012" and sourced.typical == 6
    assert (changed.low, changed.typical, changed.high, changed.source) == (20, 20, 20, "judgement")
    assert changed.range_basis == "point: set in the benchmark"


def test_inputs_are_those_of_the_radio_and_of_its_transport() -> None:
    assert {row.name.split(".")[0] for row in LteHandset2021().inputs()} == {"lte_2021", "overhead"}
    assert {row.name.split(".")[0] for row in LteHandset2021(transport="none").inputs()} == {"lte_2021"}


def test_a_link_of_its_own() -> None:
    """2000 bit at 1 Mbit/s up, half of all sent again: 4 ms."""
    taken = carried(np.array([250]), "uplink", Link(1.0, 1.0, retransmission_share=0.5))
    assert taken.seconds[0] == pytest.approx(0.004)
    assert taken.frames[0] == taken.wait_s[0] == taken.downlink_mbit[0] == 0


def test_a_comparison_fails_where_ranges_part_or_the_error_is_large() -> None:
    """Measured: 0.342 to 0.378 J, typical 0.36."""
    name = "nbiot.up_400_bytes_j"
    assert (measured()[name].low, measured()[name].high) == (0.342, 0.378)
    assert str(compared(name, (0.3, 0.4, 0.5))).startswith("validated: 0.4 J against 0.36 J")
    assert str(compared(name, (0.38, 0.4, 0.5))).startswith("unvalidated: 0.4 J against 0.36 J")
    assert str(compared(name, (0.38, 0.4, 0.5))).endswith("; the ranges do not overlap")
    assert str(compared(name, (0.1, 0.2, 0.5))).startswith("unvalidated: 0.2 J against 0.36 J")
    assert str(reproduced(name, (0.1, 0.2, 0.5))).startswith("reproduces: 0.2 J against 0.36 J")


HEADER = "name,low,typical,high,unit,source,locator,year,basis,range_basis,is_verified"


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("x.a,,1,,W,,Table 1,2012,primary,,true", "no source"),
        ("x.a,,1,,W,key,Table 1,2012,rumour,,true", "basis"),
        ("x.a,0.5,1,,W,key,Table 1,2012,primary,,true", "together"),
        ("x.a,2,1,3,W,key,Table 1,2012,primary,source,true", "low <= typical"),
        ("x.a,1,1,nan,W,key,Table 1,2012,primary,source,true", "low <= typical"),
        ("x.a,,1,,W,key,Table 1,2012,primary,,perhaps", "is_verified"),
    ],
)
def test_a_bad_row_is_refused(tmp_path: Any, line: str, complaint: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{HEADER}\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        load(path)


def test_a_name_stands_once_and_the_columns_are_fixed(tmp_path: Any) -> None:
    path = tmp_path / "table.csv"
    line = "x.a,,1,,W,key,Table 1,2012,primary,,true"
    path.write_text(f"{HEADER}\n{line}\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="twice"):
        load(path)
    path.write_text("name,typical\nx.a,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="columns must be"):
        load(path)


def test_default_ranges_are_wider_the_less_is_known(tmp_path: Any) -> None:
    path = tmp_path / "table.csv"
    lines = [f"x.{basis},,10,,W,key,Table 1,2012,{basis},,false" for basis in ("primary", "secondary", "memory")]
    path.write_text("\n".join([HEADER, *lines]), encoding="utf-8")
    ranges = [(row.low, row.high) for row in load(path).values()]
    assert ranges == [(8.0, 12.5), (7.0, 14.0), (5.0, 20.0)]
    assert all(row.range_basis.startswith("judgement: ") for row in load(path).values())


def test_a_falling_formula_is_spanned_by_its_range() -> None:
    """LTE 2021 up: 2.799 W of the phone less 2.21 to 2.49 W of the idle phone."""
    price = LteHandset2021().coefficients()["uplink_w"]
    assert (price.low, price.high) == (pytest.approx(0.309), pytest.approx(0.589))
    assert row("lte_2021", "phone_floor_w").low == 2.21
