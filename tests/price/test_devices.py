"""Devices and batteries: published figures that the numbers did not come from, and every number with a source."""

import re
from pathlib import Path

import pytest

import harness.price.assumptions.data
import radio_models
from harness.core.errors import UsageError
from harness.core.prices import Coefficient
from harness.price.assumptions.devices import EVIDENCE, battery, battery_names, battery_of, device, names

BOOKS = [Path(package.__file__).parent / "references.bib" for package in (harness.price.assumptions.data, radio_models)]


def error_of(computed: float, published: float) -> float:
    """Relative error of a number of ours."""
    return abs(computed / published - 1)


def test_published_efficiency_of_the_measurement() -> None:
    """The source prints Gflop/s per watt beside both numbers: 1.65 and 2.77."""
    for name, published in (("raspberry_pi_4", 1.65), ("raspberry_pi_5", 2.77)):
        board = device(name)
        assert board.gflops.typical / board.active_w.typical == pytest.approx(published, abs=0.005)
    assert EVIDENCE == "P"


def test_power_of_a_jetson_against_a_detector_that_was_measured() -> None:
    """12.34 frames a second at 0.154 mWh each: 12.34 x 0.154e-3 Wh x 3600 s/h = 6.84 W. Ours is from power modes."""
    measured_w = 12.34 * 0.154e-3 * 3600
    power = device("jetson_nano").active_w
    assert measured_w == pytest.approx(6.84, abs=0.01)
    assert error_of(power.typical, measured_w) < 0.05
    assert power.low <= measured_w <= power.high


def test_power_of_a_cortex_m7_against_other_models_than_it_came_from() -> None:
    """Energy times rate of image classification and of keyword spotting: 6310.7 uJ x 19.3 / s, 1869.4 uJ x 65.4 / s."""
    power = device("cortex_m7").active_w
    for energy_uj, per_second in ((6310.7, 19.3), (1869.4, 65.4)):
        measured_w = energy_uj * 1e-6 * per_second
        assert error_of(power.typical, measured_w) < 0.03
        assert power.low <= measured_w <= power.high


def test_rates_of_an_esp32_s3_by_hand() -> None:
    """16 x 16 x 16 multiply-adds in 6297 cycles, 362.48 MB/s copied, 81.3 mA at 3.3 V."""
    chip = device("esp32_s3")
    assert chip.gflops.typical == pytest.approx(2 * 16**3 / 6297 * 240e6 / 1e9, rel=0.002)
    assert chip.gflops.low == pytest.approx(2 * 16**3 / 52517 * 240e6 / 1e9, rel=0.002)
    assert chip.copy_gb_per_s.typical == pytest.approx(2 * 0.36248, rel=0.001)
    assert chip.active_w.typical == pytest.approx(0.0813 * 3.3, rel=0.002)
    assert chip.active_w.low == pytest.approx(0.0512 * 3.3, rel=0.002)
    assert chip.active_w.high == pytest.approx(0.1079 * 3.3, rel=0.002)


def test_coremark_of_the_chips_agrees_with_what_others_print_per_megahertz() -> None:
    """2.56 a MHz for ESP32-S3 at 240 MHz; 2010 at 400 MHz for the same Cortex-M7 core at another clock."""
    assert device("esp32_s3").coremark.typical / 240 == pytest.approx(2.56, abs=0.005)
    assert error_of(device("cortex_m7").coremark.typical / 280, 2010 / 400) < 0.01


@pytest.mark.parametrize("name", names())
def test_a_device_takes_less_the_less_it_does(name: str) -> None:
    kind = device(name)
    assert kind.sleep_w.typical < kind.idle_w.typical < kind.active_w.typical
    assert kind.title and kind.kind == name


def test_devices_stand_in_the_order_of_their_rates() -> None:
    """From microcontroller to board to phone, on every kind of work but dense on a GPU."""
    order = [device(name) for name in ("esp32_s3", "cortex_m7", "raspberry_pi_4", "raspberry_pi_5", "phone")]
    assert [kind.coremark.typical for kind in order] == sorted(kind.coremark.typical for kind in order)
    assert [kind.copy_gb_per_s.typical for kind in order] == sorted(kind.copy_gb_per_s.typical for kind in order)


def test_energy_of_batteries_by_hand() -> None:
    """What a cell prints: 9.36 Wh is 33.7 kJ, 0.675 Wh 2.43 kJ, 10.8 Wh 38.9 kJ, 4.995 Wh 18.0 kJ, 17.3 Wh 62.3 kJ."""
    printed_kj = {"aa_lisocl2": 33.7, "cr2032": 2.43, "18650": 38.9, "thingy91": 18.0, "phone": 62.3}
    for name, expected in printed_kj.items():
        assert battery(name).energy_wh.typical * 3.6 == pytest.approx(expected, rel=0.005)
    cell = battery("cr2032").usable_j
    assert (cell.low, cell.typical, cell.high) == pytest.approx((0.6 * 0.3 * 3600, 2430 * 0.7, 0.72 * 0.95 * 3600))


@pytest.mark.parametrize("name", battery_names())
def test_a_device_never_gets_more_than_the_battery_holds(name: str) -> None:
    cell = battery(name)
    assert 0 < cell.usable.low <= cell.usable.high <= 1
    assert cell.usable_j.high <= cell.energy_wh.high * 3600 * (1 + 1e-12)


def test_batteries_go_with_supplies() -> None:
    chosen = {
        (name, supply): battery_of(device(name), supply)
        for name in names()
        for supply in ("mains", "rechargeable", "primary", "harvested")
    }
    assert {key: cell.name for key, cell in chosen.items() if cell} == {
        ("phone", "rechargeable"): "phone",
        ("esp32_s3", "rechargeable"): "18650",
        ("esp32_s3", "primary"): "aa_lisocl2",
        ("cortex_m7", "rechargeable"): "18650",
        ("cortex_m7", "primary"): "aa_lisocl2",
    }


def test_unknown_device() -> None:
    with pytest.raises(UsageError, match=r"known: raspberry_pi_4, .*\)\. Did you mean raspberry_pi_4\?"):
        device("raspbery_pi4")


def test_unknown_battery() -> None:
    with pytest.raises(UsageError, match=r"battery 'cr2023' is unknown \(known: .*\)\. Did you mean cr2032\?"):
        battery("cr2023")


def all_inputs() -> list[Coefficient]:
    rows = [row for name in names() for row in device(name).inputs()]
    return rows + [row for name in battery_names() for row in battery(name).inputs()]


def test_every_number_has_a_source_in_a_bibliography() -> None:
    keys = {key for book in BOOKS for key in re.findall(r"^@\w+\{(\w+),", book.read_text("utf-8"), re.MULTILINE)}
    for row in all_inputs():
        assert row.source in {*keys, "judgement"}, row.name
        assert row.locator and row.range_basis, row.name
        assert (row.source == "judgement") == (row.basis == "judgement"), row.name
        assert not (row.is_verified and row.basis in ("judgement", "memory")), row.name
        assert 0 < row.low <= row.typical <= row.high, row.name
