import numpy as np
import pytest

from harness.core.prices import Carriage
from radio_models.wifi_esp32s3 import WifiEsp32S3


def carried(radio: WifiEsp32S3, payload_bytes: int, direction: str = "uplink") -> Carriage:
    return radio.carry(np.array([payload_bytes]), direction)  # type: ignore[arg-type]


def joules(radio: WifiEsp32S3, carriage: Carriage) -> float:
    prices = radio.coefficients()
    return float(
        carriage.uplink_s[0] * prices["uplink_w"].typical
        + carriage.downlink_s[0] * prices["downlink_w"].typical
        + carriage.wait_s[0] * prices["wait_w"].typical
    )


def test_a_megabyte_at_10_mbit_per_second_of_nothing_but_sending_costs_three_quarters_of_a_joule() -> None:
    # 3.3 V x 283 mA x 0.8 s
    radio = WifiEsp32S3(phy_rate_mbps=10.0, mac_efficiency=1.0, transport="none")
    carriage = carried(radio, 1_000_000)
    assert carriage.seconds[0] == pytest.approx(0.8)
    assert joules(radio, carriage) == pytest.approx(0.747, rel=1e-3)


def test_what_the_mac_takes_is_listening() -> None:
    # 8 Mbit at 10 Mbit/s: 0.8 s of sending; at an efficiency of a half 0.8 s more, at 88 mA
    radio = WifiEsp32S3(phy_rate_mbps=10.0, mac_efficiency=0.5, transport="none")
    carriage = carried(radio, 1_000_000)
    assert carriage.uplink_s[0] == pytest.approx(0.8)
    assert carriage.wait_s[0] == pytest.approx(0.8)
    assert carriage.seconds[0] == pytest.approx(1.6)
    assert joules(radio, carriage) == pytest.approx(3.3 * 0.8 * (0.283 + 0.088))


def test_acknowledgements_of_tcp_are_received_by_the_sender() -> None:
    # 1 MB in 691 segments of 52 bytes of header; 346 acknowledgements of 52 bytes
    up = carried(WifiEsp32S3(phy_rate_mbps=10.0), 1_000_000)
    assert up.uplink_mbit[0] == pytest.approx((1_000_000 + 691 * 52) * 8e-6)
    assert up.downlink_mbit[0] == pytest.approx(346 * 52 * 8e-6)
    assert up.downlink_s[0] == pytest.approx(346 * 52 * 8e-6 / 10)
    down = carried(WifiEsp32S3(phy_rate_mbps=10.0), 1_000_000, "downlink")
    assert (down.uplink_s[0], down.downlink_s[0]) == (up.downlink_s[0], up.uplink_s[0])


def test_the_default_throughput_is_what_the_maker_measured_over_the_air() -> None:
    # ESP-IDF guide: TCP at 20 Mbit/s
    assert 8 / carried(WifiEsp32S3(), 1_000_000).seconds[0] == pytest.approx(20, rel=0.03)


@pytest.mark.parametrize(
    ("phy", "rate_mbps", "tx_ma", "rx_ma"),
    [("11b", 11.0, 340, 88), ("11g", 54.0, 291, 88), ("11n_ht20", 65.0, 283, 88), ("11n_ht40", 135.0, 286, 91)],
)
def test_currents_are_those_of_the_data_sheet(phy: str, rate_mbps: float, tx_ma: float, rx_ma: float) -> None:
    radio = WifiEsp32S3(phy=phy)  # type: ignore[arg-type]
    prices = radio.coefficients()
    assert radio.rate_mbps == rate_mbps
    assert prices["uplink_w"].typical == pytest.approx(3.3 * tx_ma / 1e3)
    for name in ("downlink_w", "wait_w", "tail_w"):
        assert prices[name].typical == pytest.approx(3.3 * rx_ma / 1e3)


def test_sleep_between_transfers_is_a_choice() -> None:
    modem, light = WifiEsp32S3().coefficients()["rest_w"], WifiEsp32S3(rest="light_sleep").coefficients()["rest_w"]
    assert (modem.low, modem.high) == (pytest.approx(3.3 * 21e-3), pytest.approx(3.3 * 31e-3))
    assert (light.low, light.high) == (pytest.approx(3.3 * 1.4e-3), pytest.approx(3.3 * 3.3e-3))


def test_frames_sent_again_scale_everything() -> None:
    once, twice = carried(WifiEsp32S3(), 10_000), carried(WifiEsp32S3(retransmission_share=0.5), 10_000)
    for name in ("seconds", "uplink_s", "downlink_s", "wait_s", "uplink_mbit", "downlink_mbit"):
        assert getattr(twice, name)[0] == pytest.approx(2 * getattr(once, name)[0])


def test_a_setting_of_the_user_stands_as_a_point_among_the_inputs() -> None:
    inputs = {row.name: row for row in WifiEsp32S3(mac_efficiency=0.5).inputs()}
    efficiency = inputs["wifi_esp32s3.mac_efficiency"]
    assert (efficiency.low, efficiency.typical, efficiency.high) == (0.5, 0.5, 0.5)
    assert inputs["wifi_esp32s3.tail_s"].range_basis != "point: set in the benchmark"
    assert "overhead.tcp_bytes" in inputs


def test_notes_say_that_nothing_was_compared() -> None:
    assert any(note.kind == "unvalidated" for note in WifiEsp32S3().notes())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"phy": "11ax"}, "phy"),
        ({"phy_rate_mbps": 100.0}, "phy_rate_mbps"),
        ({"phy": "11b", "phy_rate_mbps": 54.0}, "phy_rate_mbps"),
        ({"phy_rate_mbps": 0.0}, "phy_rate_mbps"),
        ({"mac_efficiency": 0.0}, "mac_efficiency"),
        ({"mac_efficiency": 1.1}, "mac_efficiency"),
        ({"rest": "deep_sleep"}, "rest"),
        ({"tail_s": -1.0}, "tail_s"),
        ({"transport": "sctp"}, "transport"),
        ({"retransmission_share": 1.0}, "retransmission_share"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name}\b.* must be"):
        WifiEsp32S3(**settings)  # type: ignore[arg-type]
