import numpy as np
import pytest

from harness.core.prices import Carriage
from radio_models.ieee802154 import Ieee802154, frame_s
from radio_models.validation import measured


def carried(radio: Ieee802154, payload_bytes: int, direction: str = "uplink") -> Carriage:
    return radio.carry(np.array([payload_bytes]), direction)  # type: ignore[arg-type]


def test_a_full_frame_takes_4_256_ms() -> None:
    # 6 + 127 bytes of 32 us
    assert frame_s(np.array([127]))[0] * 1e3 == pytest.approx(4.256, rel=1e-12)


def test_sending_a_full_frame_costs_a_cc2420_222_microjoules() -> None:
    # 3 V x 17.4 mA x 4.256 ms
    radio = Ieee802154()
    sending_j = carried(radio, 102).uplink_s[0] * radio.coefficients()["uplink_w"].typical
    assert sending_j * 1e6 == pytest.approx(222.16, rel=1e-4)


def test_an_acknowledged_frame_takes_its_steps_one_after_the_other() -> None:
    # backoff 3.5 x 320 us, assessment 128 us, turnaround 192 us, frame 4256 us, turnaround 192 us, answer 352 us, space
    # 640 us
    carriage = carried(Ieee802154(), 102)
    assert carriage.uplink_s[0] * 1e6 == pytest.approx(4256)
    assert carriage.downlink_s[0] * 1e6 == pytest.approx(1120 + 128 + 192 + 192 + 352)
    assert carriage.wait_s[0] * 1e6 == pytest.approx(640)
    assert carriage.seconds[0] * 1e6 == pytest.approx(1120 + 128 + 192 + 4256 + 192 + 352 + 640)


def test_a_radio_may_doze_in_its_backoff() -> None:
    carriage = carried(Ieee802154(listens_in_backoff=False), 102)
    assert carriage.downlink_s[0] * 1e6 == pytest.approx(128 + 192 + 192 + 352)
    assert carriage.wait_s[0] * 1e6 == pytest.approx(640 + 1120)
    assert carriage.seconds[0] == pytest.approx(carried(Ieee802154(), 102).seconds[0])


def test_without_assessment_and_acknowledgement_only_the_frame_is_left() -> None:
    carriage = carried(Ieee802154(csma=False, acknowledged=False), 102)
    assert carriage.downlink_s[0] == 0
    assert carriage.seconds[0] * 1e6 == pytest.approx(4256 + 640)


def test_a_receiver_listens_through_the_backoff_and_sends_the_acknowledgement() -> None:
    carriage = carried(Ieee802154(listens_in_backoff=False), 102, "downlink")
    assert carriage.uplink_s[0] * 1e6 == pytest.approx(352)
    assert carriage.downlink_s[0] * 1e6 == pytest.approx(1120 + 128 + 192 + 4256 + 192)


def test_a_megabyte_without_assessment_takes_47_s_and_2_5_j() -> None:
    # 9804 frames (102 bytes, the last 94): 4.256 ms, 192 us and 352 us each, the last 0.256 ms less; 17.4 and 18.8 mA
    radio = Ieee802154(csma=False)
    carriage, prices = carried(radio, 1_000_000), radio.coefficients()
    assert carriage.uplink_s[0] + carriage.downlink_s[0] == pytest.approx(9804 * 4.8e-3 - 0.256e-3)
    on_air_j = carriage.uplink_s[0] * prices["uplink_w"].typical + carriage.downlink_s[0] * prices["downlink_w"].typical
    assert on_air_j == pytest.approx(2.5, rel=0.02)


def test_a_short_last_frame_is_followed_by_a_short_space() -> None:
    # 9 bytes of header and 5 of payload: (6 + 14) x 32 us; 14 bytes are below the 18 of a long space
    carriage = carried(Ieee802154(mac_bytes=9, csma=False, acknowledged=False), 5)
    assert carriage.uplink_s[0] * 1e6 == pytest.approx(640)
    assert carriage.wait_s[0] * 1e6 == pytest.approx(192)


def test_an_empty_payload_takes_one_frame() -> None:
    assert carried(Ieee802154(), 0).uplink_s[0] * 1e6 == pytest.approx((6 + 25) * 32)


def test_frames_sent_again_scale_everything() -> None:
    once, twice = carried(Ieee802154(), 1000), carried(Ieee802154(retransmission_share=0.5), 1000)
    for name in ("seconds", "uplink_s", "downlink_s", "wait_s", "uplink_mbit", "downlink_mbit"):
        assert getattr(twice, name)[0] == pytest.approx(2 * getattr(once, name)[0])


def test_a_system_on_chip_takes_more_than_a_bare_radio() -> None:
    bare, system = Ieee802154().coefficients(), Ieee802154(chip="cc2538").coefficients()
    assert system["uplink_w"].typical == pytest.approx(3.0 * 24e-3)
    assert bare["uplink_w"].typical < system["uplink_w"].typical
    assert bare["rest_w"].typical > system["rest_w"].typical


def test_notes_compare_with_a_measured_frame() -> None:
    # 3 V x (17.4 mA x 4256 us + 18.8 mA x 544 us) = 252.8 uJ, of which the space of 640 us at 0.426 mA makes 253.7
    assert measured()["ieee802154.acknowledged_frame_j"].typical == pytest.approx(64.82e-6 * 3, rel=1e-3)
    said = Ieee802154().notes()[0].text
    assert "0.0002" in said and "(+30%" in said
    assert Ieee802154(chip="cc2538").notes()[0].kind == "unvalidated"


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"chip": "cc1101"}, "chip"),
        ({"mac_bytes": 8}, "mac_bytes"),
        ({"mac_bytes": 127}, "mac_bytes"),
        ({"retransmission_share": 1.0}, "retransmission_share"),
    ],
)
def test_impossible_settings_are_refused_by_name(settings: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be"):
        Ieee802154(**settings)  # type: ignore[arg-type]
