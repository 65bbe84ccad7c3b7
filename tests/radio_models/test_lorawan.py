from fractions import Fraction

import numpy as np
import pytest

from harness.core.prices import Carriage
from radio_models.lora_airtime import Fsk, LoRa, LowDataRate, off_s
from radio_models.lorawan import LoRaWan, linear_tx_ma
from radio_models.validation import measured

# Times on air, ms, that other people's test suites expect; keys: spreading factor, bandwidth in kHz, coding rate, B.
TTN_LORAWAN_STACK = {  # pkg/toa/toa_test.go
    (7, 125, 1, 10): 41.216,
    (8, 125, 1, 10): 72.192,
    (9, 125, 1, 10): 144.384,
    (10, 125, 1, 10): 288.768,
    (11, 125, 1, 10): 577.536,
    (12, 125, 1, 10): 991.232,
    (7, 250, 1, 10): 20.608,
    (7, 500, 1, 10): 10.304,
    (7, 125, 2, 10): 45.312,
    (7, 125, 3, 10): 49.408,
    (7, 125, 4, 10): 53.504,
    (7, 125, 1, 13): 46.336,
    (7, 125, 1, 14): 46.336,
    (7, 125, 1, 15): 46.336,
    (7, 125, 1, 16): 51.456,
    (7, 125, 1, 19): 51.456,
}
AIRTIME_CALCULATOR = {  # avbentem/airtime-calculator, src/lora/Airtime.test.ts
    (7, 125, 1, 25): 61.696,
    (7, 250, 1, 14): 23.168,
    (7, 250, 1, 16): 25.728,
    (7, 250, 1, 25): 30.848,
    (7, 125, 4, 14): 61.696,
    (7, 125, 4, 16): 69.888,
    (7, 125, 4, 25): 86.272,
    (7, 250, 4, 14): 30.848,
    (7, 250, 4, 16): 34.944,
    (7, 250, 4, 25): 43.136,
    (8, 125, 1, 14): 82.432,
    (8, 125, 1, 15): 92.672,
    (8, 125, 1, 25): 113.152,
    (11, 125, 1, 14): 659.456,
    (11, 125, 1, 16): 659.456,
    (11, 125, 1, 25): 823.296,
}
NS3_LORAWAN = [  # signetlabdei/lorawan, test/lorawan-test-suite.cc, TimeOnAirTest; times as printed, to 0.1 ms
    (LoRa(7, low_data_rate="off"), 10, 41.216),
    (LoRa(8, low_data_rate="off"), 10, 72.192),
    (LoRa(8, has_header=False, low_data_rate="off"), 10, 72.192),
    (LoRa(8, coding_rate=2, has_header=False, low_data_rate="off"), 10, 78.336),
    (LoRa(8, coding_rate=2, preamble_symbols=10, has_header=False, low_data_rate="off"), 10, 82.432),
    (LoRa(8, coding_rate=2, preamble_symbols=10, has_header=False, low_data_rate="on"), 10, 82.432),
    (LoRa(10, coding_rate=2, preamble_symbols=10, has_header=False, low_data_rate="on"), 10, 280.576),
    (LoRa(10, 250, coding_rate=2, preamble_symbols=10, has_header=False, low_data_rate="on"), 10, 140.28),
    (LoRa(10, 500, coding_rate=2, preamble_symbols=10, has_header=False, low_data_rate="on"), 10, 70.144),
    (LoRa(10, 500, coding_rate=2, preamble_symbols=10, low_data_rate="on"), 10, 82.432),
    (LoRa(10, 500, coding_rate=2, low_data_rate="on"), 10, 78.336),
    (LoRa(12, 500, coding_rate=2, low_data_rate="on"), 10, 264.192),
    (LoRa(12, 500, coding_rate=2, low_data_rate="on"), 50, 657.408),
    (LoRa(12, 125, coding_rate=2, low_data_rate="on"), 50, 2629.632),
    (LoRa(12, 125, low_data_rate="on"), 50, 2301.952),
]
SPREADING_FACTORS = range(7, 13)
BANDWIDTHS_KHZ = (125, 250, 500)
CODING_RATES = range(1, 5)


def airtime_ms(modulation: LoRa, phy_bytes: int) -> float:
    return float(modulation.airtime_s(np.array([phy_bytes]))[0] * 1e3)


def by_counting_blocks(modulation: LoRa, phy_bytes: int, is_optimised: bool) -> Fraction:
    """Milliseconds, exactly, block by block rather than by the formula.

    The first 8 symbols carry 4 (SF - 2) bits, 20 of them for the header; each further block of CR + 4 symbols carries 4
    bits for each bit of a symbol in use.
    """
    bits = 8 * phy_bytes + (16 if modulation.has_crc else 0) + (20 if modulation.has_header else 0)
    bits -= 4 * (modulation.spreading_factor - 2)
    symbols = Fraction(modulation.preamble_symbols) + Fraction(17, 4) + 8
    while bits > 0:
        bits -= 4 * (modulation.spreading_factor - (2 if is_optimised else 0))
        symbols += modulation.coding_rate + 4
    return symbols * 2**modulation.spreading_factor / modulation.bandwidth_khz


def carried(radio: LoRaWan, payload_bytes: int, direction: str = "uplink") -> Carriage:
    return radio.carry(np.array([payload_bytes]), direction)  # type: ignore[arg-type]


@pytest.mark.parametrize(("case", "expected_ms"), [*TTN_LORAWAN_STACK.items(), *AIRTIME_CALCULATOR.items()])
def test_time_on_air_is_that_of_published_tables(case: tuple[int, int, int, int], expected_ms: float) -> None:
    factor, bandwidth_khz, coding_rate, phy_bytes = case
    assert airtime_ms(LoRa(factor, bandwidth_khz, coding_rate), phy_bytes) == pytest.approx(expected_ms, rel=1e-12)


@pytest.mark.parametrize(("modulation", "phy_bytes", "expected_ms"), NS3_LORAWAN)
def test_time_on_air_is_that_of_the_ns3_module(modulation: LoRa, phy_bytes: int, expected_ms: float) -> None:
    assert airtime_ms(modulation, phy_bytes) == pytest.approx(expected_ms, abs=0.01)


def test_time_on_air_without_optimisation_is_that_of_a_published_table() -> None:
    # brocaar/lorawan, airtime/airtime_test.go: 13 bytes at SF12 without low data rate optimisation
    assert airtime_ms(LoRa(12, low_data_rate="off"), 13) == pytest.approx(1155.072, rel=1e-12)
    # the same file: 58 payload symbols for 50 bytes with it
    assert airtime_ms(LoRa(12, low_data_rate="on"), 50) == pytest.approx((12.25 + 58) * 32.768, rel=1e-12)
    # and 26 for 13 bytes at 4/6; 18 without a header
    assert airtime_ms(LoRa(12, 125, 2, low_data_rate="off"), 13) == pytest.approx((12.25 + 26) * 32.768, rel=1e-12)
    assert airtime_ms(LoRa(12, has_header=False, low_data_rate="off"), 13) == pytest.approx(
        (12.25 + 18) * 32.768, rel=1e-12
    )


@pytest.mark.parametrize("low_data_rate", ["on", "off"])
@pytest.mark.parametrize("coding_rate", CODING_RATES)
@pytest.mark.parametrize("bandwidth_khz", BANDWIDTHS_KHZ)
@pytest.mark.parametrize("factor", SPREADING_FACTORS)
def test_time_on_air_agrees_with_counting_blocks_on_the_whole_grid(
    factor: int, bandwidth_khz: int, coding_rate: int, low_data_rate: LowDataRate
) -> None:
    for has_header, has_crc in ((True, True), (True, False), (False, True)):
        modulation = LoRa(
            factor, bandwidth_khz, coding_rate, has_header=has_header, has_crc=has_crc, low_data_rate=low_data_rate
        )
        for phy_bytes in (0, 1, 2, 12, 13, 51, 64, 128, 255):
            expected_ms = by_counting_blocks(modulation, phy_bytes, low_data_rate == "on")
            assert airtime_ms(modulation, phy_bytes) == pytest.approx(float(expected_ms), rel=1e-12)


@pytest.mark.parametrize(
    ("factor", "phy_bytes", "on_ms", "off_ms"),
    [(12, 12, 1155.072, 991.232), (12, 51, 2465.792, 2138.112), (11, 10, 577.536, 495.616)],
)
def test_optimisation_lengthens_frames_where_it_matters(
    factor: int, phy_bytes: int, on_ms: float, off_ms: float
) -> None:
    assert airtime_ms(LoRa(factor), phy_bytes) == pytest.approx(on_ms)
    assert airtime_ms(LoRa(factor, low_data_rate="on"), phy_bytes) == pytest.approx(on_ms)
    assert airtime_ms(LoRa(factor, low_data_rate="off"), phy_bytes) == pytest.approx(off_ms)


def test_optimisation_is_on_where_a_symbol_lasts_16_ms() -> None:
    on = {(f, b) for f in SPREADING_FACTORS for b in BANDWIDTHS_KHZ if LoRa(f, b).is_optimised}
    assert on == {(11, 125), (12, 125), (12, 250)}


def test_fsk_time_on_air_is_that_of_a_published_table() -> None:
    # TTN: 200 bytes at 50 kbit/s take 33.76 ms
    assert Fsk().airtime_s(np.array([200]))[0] == pytest.approx(0.03376)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"spreading_factor": 6}, "spreading_factor"),
        ({"spreading_factor": 7, "bandwidth_khz": 100}, "bandwidth_khz"),
        ({"spreading_factor": 7, "coding_rate": 5}, "coding_rate"),
        ({"spreading_factor": 7, "preamble_symbols": 5}, "preamble_symbols"),
    ],
)
def test_modems_refuse_what_they_cannot_be_set_to(settings: dict[str, int], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be"):
        LoRa(**settings)  # type: ignore[arg-type]


def test_a_duty_cycle_of_one_percent_demands_99_times_the_frame() -> None:
    # ns-3 LoRaWAN module, its test of the logical channel: 2 s at 1 % are followed by 198 s
    assert off_s(2.0, 0.01) == pytest.approx(198.0)


@pytest.mark.parametrize(
    ("data_rate", "hourly_bytes"), [(0, 612), (1, 1173), (2, 2601), (3, 6095), (4, 12100), (5, 21780)]
)
def test_an_hour_at_one_percent_carries_so_many_full_frames(data_rate: int, hourly_bytes: int) -> None:
    radio = LoRaWan(data_rate=data_rate)
    n_frames = hourly_bytes // radio.frame_payload_bytes("uplink")
    assert f"at most {hourly_bytes} bytes" in radio.notes()[0].text
    start_of_last_s = (
        carried(radio, hourly_bytes).seconds[0] - carried(radio, radio.frame_payload_bytes("uplink")).seconds[0]
    )
    period_s = start_of_last_s / (n_frames - 1)
    assert n_frames * period_s <= 3600 < (n_frames + 1) * period_s


@pytest.mark.parametrize(
    ("region", "expected"),
    [("eu868", [51, 51, 51, 115, 242, 242, 242, 242]), ("us915", [11, 53, 125, 242, 242])],
)
def test_frames_are_as_long_as_the_region_allows(region: str, expected: list[int]) -> None:
    radios = [LoRaWan(region=region, data_rate=rate) for rate in range(len(expected))]  # type: ignore[arg-type]
    assert [radio.frame_payload_bytes("uplink") for radio in radios] == expected


@pytest.mark.parametrize("coding_rate", CODING_RATES)
@pytest.mark.parametrize("data_rate", range(5))
def test_no_frame_in_us915_lasts_longer_than_the_dwell_time(data_rate: int, coding_rate: int) -> None:
    radio = LoRaWan(region="us915", data_rate=data_rate, coding_rate=coding_rate)
    assert 0 < carried(radio, radio.frame_payload_bytes("uplink")).uplink_s[0] <= 0.4


@pytest.mark.parametrize(
    ("data_rate", "power", "payload_bytes", "expected_j"),
    [
        # 42 frames: 41 of 399.616 ms, one of 78 + 13 bytes (158.976 ms); 3.3 V x 29 mA x 16.543 s
        (5, "chip", 10_000, 1.583),
        (5, "chip", 1_000_000, 158.0),
        (0, "chip", 1_000_000, 5242.0),
        # 83 mA x 16.543 s and 42 wake-ups of 12.919 mC
        (5, "board", 10_000, 6.322),
        (5, "board", 1_000_000, 628.0),
        (0, "board", 1_000_000, 15_836.0),
    ],
)
def test_sending_costs_time_on_air_and_for_a_board_its_wake_ups(
    data_rate: int, power: str, payload_bytes: int, expected_j: float
) -> None:
    radio = LoRaWan(data_rate=data_rate, power=power)  # type: ignore[arg-type]
    carriage, prices = carried(radio, payload_bytes), radio.coefficients()
    sending_j = carriage.uplink_s[0] * prices["uplink_w"].typical + carriage.frames[0] * prices["frame_j"].typical
    assert sending_j == pytest.approx(expected_j, rel=2e-3)


def test_the_charge_of_a_wake_up_is_the_sum_over_its_states() -> None:
    # Casals et al. 2017, ms x mA: wake-up, radio preparation, radio off, post-processing, turn-off
    states = [(168.2, 22.1), (83.8, 13.3), (147.4, 13.2), (268.0, 21.0), (38.6, 13.3)]
    charge_mc = sum(time_ms * current_ma for time_ms, current_ma in states) / 1e3
    board = {row.name: row for row in LoRaWan(power="board").inputs()}
    assert board["lorawan.board_frame_mc"].typical == pytest.approx(charge_mc, rel=1e-4)


def test_measured_energies_are_those_of_their_sources() -> None:
    # Maudet et al. 2021, ms x mA: wake-up, 23 bytes at SF7, off, wait, answer, turn-off; at 3.3 V
    states = [(1.722, 2.268), (61.696, 27.0), (0.3, 2.072), (1000, 0.123), (39.8, 10.76), (0.3, 2.054)]
    message_j = 3.3 * sum(time_ms * current_ma for time_ms, current_ma in states) / 1e6
    assert measured()["lorawan.confirmed_message_j"].typical == pytest.approx(message_j, rel=1e-3)
    # Casals et al. 2017: 2400 mAh in a year of 5 minutes each; at 3.3 V
    assert measured()["lorawan.lifetime_j"].typical == pytest.approx(
        2.4 * 3600 * 3.3 * 300 / (365.25 * 86400), rel=1e-3
    )


def test_a_board_that_sends_every_five_minutes_lasts_about_a_year_on_2400_mah() -> None:
    radio = LoRaWan(power="board")
    carriage, prices = carried(radio, 10), radio.coefficients()
    message_j = (
        carriage.uplink_s[0] * prices["uplink_w"].typical
        + carriage.downlink_s[0] * prices["downlink_w"].typical
        + carriage.wait_s[0] * prices["wait_w"].typical
        + carriage.frames[0] * prices["frame_j"].typical
    )
    resting_j = (300 - carriage.seconds[0]) * prices["rest_w"].typical
    battery_j = 2.4 * 3600 * 3.3
    years = battery_j / (message_j + resting_j) * 300 / (365.25 * 86400)
    assert years == pytest.approx(1.0, rel=0.06)
    # asleep for ever: about 6 years
    assert battery_j / prices["rest_w"].typical / (365.25 * 86400) == pytest.approx(6.08, rel=1e-3)


def test_a_linear_transmitter_draws_the_current_of_the_ns3_model() -> None:
    # 25.119 mW / (3.3 V x 0.1) + 1.4 mA
    assert linear_tx_ma(14, 3.3, 0.1, 1.4) == pytest.approx(77.52, rel=1e-4)
    watts = LoRaWan(power="linear", tx_power_dbm=14).coefficients()["uplink_w"].typical
    assert watts == pytest.approx(3.3 * 77.52e-3, rel=1e-4)


def test_a_megabyte_over_eu868_takes_days() -> None:
    # 4132 full frames, one every 39.9616 s
    assert carried(LoRaWan(data_rate=5), 1_000_000).seconds[0] / 3600 == pytest.approx(45.87, rel=1e-3)
    assert carried(LoRaWan(data_rate=0), 1_000_000).seconds[0] / 86400 >= 63


def test_a_frame_takes_its_two_receive_windows() -> None:
    # 23 bytes on the air at SF7: 61.696 ms; two windows of 12 symbols of 1.024 ms; the second opens 2 s after the frame
    carriage = carried(LoRaWan(), 10)
    assert carriage.uplink_s[0] == pytest.approx(0.061696)
    assert carriage.downlink_s[0] == pytest.approx(2 * 0.012288)
    assert carriage.wait_s[0] == pytest.approx(2 - 0.012288)
    assert carriage.seconds[0] == pytest.approx(0.061696 + 2 + 0.012288)
    assert carriage.uplink_mbit[0] == pytest.approx(23 * 8e-6)


def test_the_last_frame_is_followed_by_no_silence() -> None:
    # Two full frames at SF7: the second starts 39.9616 s after the first
    lone, pair = carried(LoRaWan(), 242).seconds[0], carried(LoRaWan(), 484).seconds[0]
    assert pair - lone == pytest.approx(39.9616)


def test_each_frame_to_a_class_a_device_costs_one_from_it() -> None:
    down, up = carried(LoRaWan(), 484, "downlink"), carried(LoRaWan(), 0)
    assert down.frames[0] == 2
    # An empty frame of 12 bytes: 41.216 ms
    assert down.uplink_s[0] == pytest.approx(2 * up.uplink_s[0]) == pytest.approx(2 * 0.041216)
    # Full frames without checksum of the payload: 394.496 ms, after one empty window each
    assert down.downlink_s[0] == pytest.approx(2 * (0.394496 + 0.012288))


def test_class_c_receives_at_rest_and_needs_no_frame_of_its_own() -> None:
    radio = LoRaWan(device_class="c")
    down, prices = carried(radio, 484, "downlink"), radio.coefficients()
    assert down.frames[0] == down.uplink_s[0] == down.wait_s[0] == 0
    assert prices["rest_w"].typical == prices["downlink_w"].typical == pytest.approx(3.3 * 11.5e-3)
    # The gateway may send for a tenth of the time
    assert down.seconds[0] == pytest.approx(10 * 0.394496 + 0.394496)


def test_acknowledged_frames_are_answered_in_the_first_window() -> None:
    carriage = carried(LoRaWan(acknowledged=True), 10)
    # 12 bytes without checksum of the payload: 41.216 ms
    assert carriage.downlink_s[0] == pytest.approx(0.041216)
    assert carriage.wait_s[0] == pytest.approx(1.0)


def test_frames_sent_again_scale_what_was_sent() -> None:
    once, twice = carried(LoRaWan(), 1000), carried(LoRaWan(retransmission_share=0.5), 1000)
    assert twice.uplink_s[0] == pytest.approx(2 * once.uplink_s[0])
    assert twice.frames[0] == 2 * once.frames[0]
    assert twice.seconds[0] > 2 * once.seconds[0]


def test_a_payload_beyond_one_frame_needs_fragmentation() -> None:
    radio = LoRaWan(fragmentation=False)
    assert radio.obstacle(242, "uplink") == ""
    assert "243 bytes does not fit into one frame of at most 242" in radio.obstacle(243, "uplink")
    assert LoRaWan().obstacle(10**9, "uplink") == ""


def test_the_chip_reading_is_validated_and_the_others_say_that_they_are_not() -> None:
    assert any(note.kind == "validated" for note in LoRaWan().notes())
    assert any(note.kind == "unvalidated" for note in LoRaWan(power="board").notes())
    assert any(note.kind == "unvalidated" for note in LoRaWan(power="linear").notes())
    assert any(note.kind == "unvalidated" for note in LoRaWan(tx_power_dbm=20.0).notes())
    assert any("gateway's own power is not charged" in note.text for note in LoRaWan().notes())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"duty_cycle": 0}, "duty_cycle"),
        ({"duty_cycle": -0.01}, "duty_cycle"),
        ({"gateway_duty_cycle": 1.1}, "gateway_duty_cycle"),
        ({"duty_cycle": float("nan")}, "duty_cycle"),
        ({"region": "as923"}, "region"),
        ({"data_rate": 8}, "data_rate"),
        ({"region": "us915", "data_rate": 5}, "data_rate"),
        ({"data_rate": -1}, "data_rate"),
        ({"coding_rate": 0}, "coding_rate"),
        ({"device_class": "b"}, "device_class"),
        ({"power": "module"}, "power"),
        ({"tx_power_dbm": 14.0}, "tx_power_dbm"),
        ({"power": "linear", "tx_power_dbm": 40.0}, "tx_power_dbm"),
        ({"retransmission_share": 1.0}, "retransmission_share"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}\b.* must be"):
        LoRaWan(**settings)  # type: ignore[arg-type]
