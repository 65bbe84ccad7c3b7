"""Radios against whole-model figures that were published, and against numbers worked out by hand."""

import math
import re
from pathlib import Path
from typing import Any

import pytest

import radio_models
from harness.accounting import radio_j
from harness.core.coefficients import combine, load
from harness.core.protocols import RadioModel
from harness.core.types import Coefficient, Direction, RadioTransfer
from radio_models.coefficients import table
from radio_models.handsets_2021 import LteHandset2021, NrLowbandHandset2021, NrMmwaveHandset2021
from radio_models.lte import LteHandset2012
from radio_models.nbiot import NbIotModule
from radio_models.sessions import usage_of
from radio_models.wifi import WifiHandset2012

FOLDER = Path(radio_models.__file__).parent
MB = 8_000_000


def one_transfer_j(radio: RadioModel, bits: int, direction: Direction) -> float:
    """Joules of a lone transfer: session, data and full tail."""
    transfer = RadioTransfer(0, 1, direction, 0.0, radio.transfer_s(bits, direction), bits)
    return sum(radio_j(use, radio.coefficients()).typical for use in radio.usage([transfer]))


def transmission_j(radio: RadioModel, bits: int, direction: Direction) -> float:
    """Joules of the data phase alone."""
    return one_transfer_j(radio, bits, direction) - one_transfer_j(radio, 0, direction)


def test_lte_single_packet_as_published() -> None:
    """Huang et al. 2012 give 12.76 J for one packet.

    By hand: 0.2601 s x 1.2107 W + 11.576 s x (1.06 + 0.6202 / 40) W = 12.765 J.
    """
    assert one_transfer_j(LteHandset2012(), 0, "uplink") == pytest.approx(12.76, rel=0.002)
    assert one_transfer_j(LteHandset2012(), 0, "downlink") == pytest.approx(12.7650, abs=1e-4)


def test_lte_bulk_transfers_by_hand() -> None:
    """1 MB up: 12.765 + 8 x 0.43839 + 8/6 x 1.28804; down: 12.765 + 8 x 0.05197 + 8/13 x 1.28804."""
    assert one_transfer_j(LteHandset2012(), MB, "uplink") == pytest.approx(17.99, rel=0.001)
    assert one_transfer_j(LteHandset2012(), MB, "downlink") == pytest.approx(13.97, rel=0.001)
    assert one_transfer_j(LteHandset2012(), 100 * MB, "uplink") == pytest.approx(535.2, rel=0.001)


def test_wifi_single_packet_is_of_the_published_size() -> None:
    """Huang et al. 2012 give 0.04 J, with one digit."""
    assert round(one_transfer_j(WifiHandset2012(), 0, "uplink"), 2) == 0.04
    assert one_transfer_j(WifiHandset2012(rate_up_mbps=6), MB, "uplink") == pytest.approx(2.481, rel=0.001)


def crossover_mbps(cheaper_when_fast: Any, other: Any, direction: Direction) -> float:
    """Rate at which both radios take the same power while active, by bisection."""
    setting = "rate_up_mbps" if direction == "uplink" else "rate_down_mbps"
    low, high = 1.0, 1000.0
    for _ in range(60):
        rate = (low + high) / 2
        joules = [transmission_j(kind(**{setting: rate}), MB, direction) for kind in (cheaper_when_fast, other)]
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


def test_nbiot_one_megabyte_at_the_peak_rate() -> None:
    """8000 kbit / 62 kbit/s = 129.03 s at 0.792 W = 102.19 J, plus 0.252 J wake-up and 10 s x 0.18 W of tail."""
    radio = NbIotModule()
    assert transmission_j(radio, MB, "uplink") == pytest.approx(102.19, rel=1e-3)
    assert one_transfer_j(radio, 0, "uplink") == pytest.approx(2.052)
    assert transmission_j(NbIotModule(rate_up_kbps=20), MB, "uplink") == pytest.approx(316.8)
    nb2 = NbIotModule(rate_up_kbps=159, rate_down_kbps=127)
    assert nb2.transfer_s(MB, "uplink") == pytest.approx(50.31, rel=1e-3)
    assert transmission_j(nb2, MB, "downlink") == pytest.approx(8000 / 127 * 0.1656)


def test_nbiot_infeasible_is_a_result() -> None:
    radio = NbIotModule(round_limit_s=100)
    long = RadioTransfer(3, 2, "uplink", 0.0, radio.transfer_s(MB, "uplink"), MB)
    assert radio.notes([long])[0] == "infeasible: a round keeps a client on the air for 129 s, the limit is 100 s"
    assert NbIotModule().notes([long])[0].startswith("feasible: 129 s per MB up, 308 s per MB down")
    # The limit is per client and round: two clients on the air side by side do not add up.
    two = [RadioTransfer(client, 1, "uplink", 0.0, 60.0, 1) for client in (0, 1)]
    assert radio.notes(two)[0].startswith("feasible")
    assert any("outside the standard" in note for note in NbIotModule(rate_up_kbps=200).notes([]))


def test_rates_beyond_the_fit_are_named() -> None:
    assert not any(note.startswith("outside") for note in LteHandset2021().notes([]))
    assert LteHandset2021(rate_down_mbps=187).notes([])[0] == (
        "outside the fitted range: 187 Mbit/s down, tested up to 50"
    )
    assert len(NrLowbandHandset2021(rate_up_mbps=41, rate_down_mbps=101).notes([])) == 3


def test_shared_tail_and_promotion() -> None:
    """Down 0-1 s, up 4-5 s, next round down at 15 s (gap equals the tail) and up at 16.5 s."""
    times: list[tuple[int, Direction, float, float]] = [
        (1, "downlink", 0.0, 1.0),
        (1, "uplink", 4.0, 1.0),
        (2, "downlink", 15.0, 1.0),
        (2, "uplink", 16.5, 1.0),
    ]
    transfers = [RadioTransfer(0, number, way, start, length, 2_000_000) for number, way, start, length in times]
    usage = usage_of(list(reversed(transfers)), tail_s=10.0)
    assert [(use.round, use.direction) for use in usage] == [(number, way) for number, way, _, _ in times]
    assert [use.sessions for use in usage] == [1, 0, 1, 0]
    assert [use.tail_s for use in usage] == [3.0, 10.0, 0.5, 10.0]
    assert [use.active_s for use in usage] == [1.0] * 4
    assert [use.mbit for use in usage] == [2.0] * 4


def test_clients_do_not_share_tails() -> None:
    transfers = [RadioTransfer(client, 1, "uplink", 0.1 * client, 1.0, 1_000_000) for client in range(3)]
    (use,) = usage_of(transfers, tail_s=10.0)
    assert (use.sessions, use.tail_s, use.active_s, use.mbit) == (3, 30.0, 3.0, 3.0)
    assert usage_of([], tail_s=10.0) == []


def test_overlapping_transfers_count_as_back_to_back() -> None:
    transfers = [RadioTransfer(0, 1, way, 0.0, 1.0, 8) for way in ("downlink", "uplink")]
    usage = usage_of(transfers, tail_s=10.0)
    assert sum(use.tail_s for use in usage) == 10.0
    assert sum(use.sessions for use in usage) == 1


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (LteHandset2012, {"rate_up_mbps": 0}),
        (LteHandset2012, {"tail_s": -1}),
        (WifiHandset2012, {"rate_down_mbps": math.nan}),
        (NrLowbandHandset2021, {"rate_down_mbps": math.inf}),
        (NbIotModule, {"rate_up_kbps": 62_000}),
        (NbIotModule, {"round_limit_s": 0}),
    ],
)
def test_settings_out_of_range_are_refused(kind: Any, settings: dict[str, float]) -> None:
    (name,) = settings
    with pytest.raises(ValueError, match=f"{name} must be between"):
        kind(**settings)


def test_a_changed_setting_is_a_point_of_the_users_and_no_longer_sourced() -> None:
    sourced = {row.name: row for row in LteHandset2012().inputs()}["lte.rate_up_mbps"]
    changed = {row.name: row for row in LteHandset2012(rate_up_mbps=20).inputs()}["lte.rate_up_mbps"]
    assert sourced.source == "huang2012" and sourced.typical == 6
    assert (changed.low, changed.typical, changed.high, changed.source) == (20, 20, 20, "judgement")
    assert changed.range_basis == "point: set in the benchmark"
    assert {row.name.split(".")[0] for row in LteHandset2021().inputs()} == {"lte_2021"}


def test_every_source_is_in_the_bibliography() -> None:
    keys = re.findall(r"^@\w+\{(\w+),", (FOLDER / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(keys) == len(set(keys))
    assert {row.source for row in table().values()} - {"judgement"} <= set(keys)


def test_marks_are_consistent() -> None:
    for row in table().values():
        assert row.locator, row.name
        assert row.is_verified == (row.basis == "primary"), f"{row.name}: verified means read in the named source"
        assert (row.source == "judgement") == (row.basis == "judgement"), row.name
        assert row.low <= row.typical <= row.high, row.name


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
def test_a_bad_row_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{HEADER}\n{line}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=complaint):
        load(path)


def test_a_name_stands_once_and_the_columns_are_fixed(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    row = "x.a,,1,,W,key,Table 1,2012,primary,,true"
    path.write_text(f"{HEADER}\n{row}\n{row}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="twice"):
        load(path)
    path.write_text("name,typical\nx.a,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="columns must be"):
        load(path)


def test_default_ranges_are_wider_the_less_is_known(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    rows = [f"x.{basis},,10,,W,key,Table 1,2012,{basis},,false" for basis in ("primary", "secondary", "memory")]
    path.write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    ranges = [(row.low, row.high) for row in load(path).values()]
    assert ranges == [(8.0, 12.5), (7.0, 14.0), (5.0, 20.0)]
    assert all(row.range_basis.startswith("judgement: ") for row in load(path).values())


def test_a_derived_range_covers_a_falling_formula() -> None:
    def between(low: float, typical: float, high: float) -> Coefficient:
        return Coefficient("x", low, typical, high, "W", "key", "here", 2012, "primary", "source", True)

    base = combine("base_w", "W", lambda phone, floor: phone - floor, between(5, 6, 7), between(1, 2, 3))
    assert (base.low, base.typical, base.high) == (2, 4, 6)
