import numpy as np
import pytest

from harness.core.prices import Carriage
from radio_models.ble import Ble5
from radio_models.validation import measured


def carried(radio: Ble5, payload_bytes: int, direction: str = "uplink") -> Carriage:
    return radio.carry(np.array([payload_bytes]), direction)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("phy", "att_mtu_bytes", "has_extension", "cycle_us", "goodput_kbps"),
    [
        # 2 + 4 + 2 + 251 + 3 bytes at 2 Mbit/s: 1048 us; an empty packet: 44 us; twice 150 us (Goodix application note)
        ("2m", 247, True, 1392, 1402),
        # 1 + 4 + 2 + 251 + 3 bytes at 1 Mbit/s: 2088 us, 80 us; the note prints 2500 us, which does not add up
        ("1m", 247, True, 2468, 790.9),
        # 27 bytes, of which 20 of payload (Punch Through)
        ("2m", 23, False, 496, 323),
    ],
)
def test_a_packet_with_its_answer_takes_the_published_time(
    phy: str, att_mtu_bytes: int, has_extension: bool, cycle_us: float, goodput_kbps: float
) -> None:
    radio = Ble5(
        phy=phy,  # type: ignore[arg-type]
        att_mtu_bytes=att_mtu_bytes,
        data_length_extension=has_extension,
        encryption=False,
        connection_interval_s=4.0,
    )
    value_bytes = att_mtu_bytes - 3
    carriage = carried(radio, value_bytes)
    assert carriage.seconds[0] * 1e6 == pytest.approx(cycle_us, rel=1e-12)
    assert value_bytes * 8 / carriage.seconds[0] / 1e3 == pytest.approx(goodput_kbps, rel=2e-3)


@pytest.mark.parametrize(("phy", "longest_us"), [("coded_s8", 17_040), ("coded_s2", 4_542)])
def test_the_longest_coded_packets_take_the_time_of_the_specification(phy: str, longest_us: float) -> None:
    radio = Ble5(phy=phy)  # type: ignore[arg-type]
    assert radio.packet_s(np.array([251]))[0] * 1e6 == pytest.approx(longest_us, rel=1e-12)


def test_encryption_adds_four_bytes_to_packets_with_payload_only() -> None:
    plain, secret = Ble5(encryption=False), Ble5()
    assert secret.packet_s(np.array([0]))[0] == plain.packet_s(np.array([0]))[0]
    assert secret.packet_s(np.array([1]))[0] - plain.packet_s(np.array([1]))[0] == pytest.approx(32e-6)


def test_sending_a_packet_costs_the_radio_31_microjoules() -> None:
    # 3 V x (4.8 mA x 2088 us + 4.6 mA x 80 us), turning round apart
    radio = Ble5(encryption=False)
    carriage, prices = carried(radio, 244), radio.coefficients()
    on_air_j = carriage.uplink_s[0] * prices["uplink_w"].typical + carriage.downlink_s[0] * prices["downlink_w"].typical
    assert on_air_j * 1e6 == pytest.approx(31.171, rel=1e-4)


def test_a_notification_is_cut_into_packets_without_length_extension() -> None:
    # 244 bytes and 7 of headers: 9 packets of 27 bytes (296 us) and one of 8 (144 us), each with 80 us and twice 150 us
    carriage = carried(Ble5(data_length_extension=False, encryption=False, connection_interval_s=4.0), 244)
    assert carriage.uplink_s[0] * 1e6 == pytest.approx(9 * 296 + 144)
    assert carriage.seconds[0] * 1e6 == pytest.approx(9 * 296 + 144 + 10 * 380)


def test_an_empty_payload_takes_one_notification() -> None:
    # 7 bytes of headers and 10 around them: 136 us
    assert carried(Ble5(encryption=False), 0).uplink_s[0] * 1e6 == pytest.approx(136)


def test_a_download_swaps_who_sends_what() -> None:
    up, down = carried(Ble5(), 10_000), carried(Ble5(), 10_000, "downlink")
    assert down.uplink_s[0] == up.downlink_s[0]
    assert down.downlink_s[0] == up.uplink_s[0]
    assert down.downlink_mbit[0] == up.uplink_mbit[0] > 10_000 * 8e-6


def test_a_limit_of_packets_in_an_event_slows_a_transfer_and_costs_no_joules_of_traffic() -> None:
    # Eight packets, four in each event of 50 ms: the last four start after 50 ms
    free, limited = (
        carried(Ble5(encryption=False), 8 * 244),
        carried(Ble5(encryption=False, packets_per_event=4), 8 * 244),
    )
    assert free.seconds[0] == pytest.approx(8 * 2468e-6)
    assert limited.seconds[0] == pytest.approx(50e-3 + 4 * 2468e-6)
    assert limited.uplink_s[0] == free.uplink_s[0]


def test_twenty_packets_fit_into_an_event_of_50_ms() -> None:
    # 20 x 2468 us = 49.36 ms; the 21st waits for the next event
    assert carried(Ble5(encryption=False), 21 * 244).seconds[0] == pytest.approx(50e-3 + 2468e-6)


def test_packets_sent_again_scale_what_was_sent() -> None:
    once, twice = carried(Ble5(), 10_000), carried(Ble5(retransmission_share=0.5), 10_000)
    assert twice.uplink_s[0] == pytest.approx(2 * once.uplink_s[0])
    assert twice.wait_s[0] == pytest.approx(2 * once.wait_s[0])


def test_more_transmit_power_costs_the_sender_only() -> None:
    low, high = Ble5().coefficients(), Ble5(tx_power_dbm=8).coefficients()
    assert high["uplink_w"].typical == pytest.approx(low["uplink_w"].typical * 14.8 / 4.8)
    assert high["downlink_w"] == low["downlink_w"]


def test_a_whole_chip_takes_far_more_than_its_radio_and_the_notes_say_so() -> None:
    # 113.2 nJ/bit of a whole chip
    assert measured()["ble.streamed_megabyte_j"].typical == pytest.approx(113.2e-9 * 8e6, rel=1e-3)
    (comparison,) = (note.text for note in Ble5().notes() if note.kind == "unvalidated")
    assert "against 0.906 J" in comparison and "(-92%" in comparison


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"phy": "4m"}, "phy"),
        ({"att_mtu_bytes": 22}, "att_mtu_bytes"),
        ({"att_mtu_bytes": 248}, "att_mtu_bytes"),
        ({"tx_power_dbm": 4}, "tx_power_dbm"),
        ({"connection_interval_s": 0.0}, "connection_interval_s"),
        ({"packets_per_event": 0}, "packets_per_event"),
        ({"retransmission_share": -0.1}, "retransmission_share"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be"):
        Ble5(**settings)  # type: ignore[arg-type]
