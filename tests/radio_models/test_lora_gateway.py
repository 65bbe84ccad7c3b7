"""Rounds on shared gateways of LoRaWAN, against numbers that are worked out from times on air by hand.

At SF7 in 125 kHz a symbol lasts 1.024 ms. A full frame of 242 + 13 bytes is 12.25 + 8 + 370 symbols from the client
(2056 bits in 74 blocks of 5), 399.616 ms, and 12.25 + 8 + 365 to it (2040 bits in 73 blocks, no checksum), 394.496 ms.
"""

import math

import numpy as np
import pytest

from radio_models.lora_gateway import Traffic, aloha_s, phase_s
from radio_models.lorawan import LoRaWan

UP_S, DOWN_S = 0.399616, 0.394496
WINDOW_S = 0.012288
"""12 symbols in which nothing is heard."""

MNIST_BYTES, LAST_S = 320_820, 0.292096
"""A model of paper-mnist in float32: 1325 full frames and one of 170 + 13 bytes, 12.25 + 8 + 265 symbols both ways."""

HETEROGENEITY_BYTES, LAST_UP_S, LAST_DOWN_S = 407_080, 0.097536, 0.092416
"""A model of heterogeneity: 1682 full frames and one of 36 + 13 bytes, 12.25 + 8 + 75 symbols up and 5 fewer down."""


def round_s(clients: int, n_bytes: int, **settings: float) -> float:
    """Seconds of a round in which all clients get and send as many bytes."""
    sizes = np.full(clients, n_bytes, dtype=np.int64)
    return LoRaWan(**settings).shared_round(sizes, sizes).seconds  # type: ignore[arg-type]


def downlink_s(clients: int, n_full: int, last_s: float) -> float:
    """All frames one after the other, each with nine times as much silence, but for the last."""
    return clients * (n_full * DOWN_S + last_s) / 0.1 - 9 * last_s


def uplink_s(clients: int, n_full: int, last_s: float) -> float:
    """A frame every hundred times its length and the windows of the last; of three channels, the others' load."""
    alone_s = n_full * UP_S / 0.01 + last_s + (2 - WINDOW_S) + 2 * WINDOW_S
    load = (clients - 1) * (n_full * UP_S + last_s) / (3 * alone_s)
    assert load < 0.5
    return alone_s * math.exp(2 * load)


def test_ten_clients_of_mnist_take_more_than_a_day_on_one_gateway() -> None:
    """14.5 h down and 14.7 h up are the 29 h of one gateway without collisions; a load of 0.03 makes it 30.1 h."""
    assert downlink_s(10, 1325, LAST_S) / 3600 == pytest.approx(14.527, abs=5e-4)
    assert uplink_s(1, 1325, LAST_S) / 3600 == pytest.approx(14.7087, abs=5e-5)
    expected_s = downlink_s(10, 1325, LAST_S) + uplink_s(10, 1325, LAST_S)
    assert expected_s / 3600 == pytest.approx(30.1458, abs=5e-5)
    assert round_s(10, MNIST_BYTES) == pytest.approx(expected_s)


def test_fifty_clients_take_more_than_the_92_hours_of_the_downlink_alone() -> None:
    """663.634688 s to each, at 10 %, less 0.83 s: 92.171 h; 18.671 h from each, times e^0.326 for collisions."""
    assert downlink_s(50, 1682, LAST_DOWN_S) / 3600 == pytest.approx(92.1713, abs=5e-5)
    assert uplink_s(1, 1682, LAST_UP_S) / 3600 == pytest.approx(18.6716, abs=5e-4)
    expected_s = downlink_s(50, 1682, LAST_DOWN_S) + uplink_s(50, 1682, LAST_UP_S)
    assert round_s(50, HETEROGENEITY_BYTES) == pytest.approx(expected_s)
    assert expected_s / 3600 > 92 + 18.6


@pytest.mark.parametrize("n_bytes", [0, 1, 242, 243, 12_000, MNIST_BYTES])
@pytest.mark.parametrize(
    "settings", [{}, {"acknowledged": True}, {"region": "us915", "data_rate": 3}, {"device_class": "c"}]
)
def test_one_client_takes_what_it_takes_alone(n_bytes: int, settings: dict[str, float]) -> None:
    radio, sizes = LoRaWan(**settings), np.array([n_bytes])  # type: ignore[arg-type]
    alone_s = float(radio.carry(sizes, "downlink").seconds[0] + radio.carry(sizes, "uplink").seconds[0])
    assert radio.shared_round(sizes, sizes).seconds == pytest.approx(alone_s, rel=1e-12)


def test_twice_the_gateways_take_half_of_what_goes_to_clients_and_as_long_for_what_comes_from_them() -> None:
    none, sizes = np.zeros(0, dtype=np.int64), np.full(50, HETEROGENEITY_BYTES)
    one, two = LoRaWan(), LoRaWan(gateways=2)
    assert two.shared_round(sizes, none).seconds == pytest.approx(one.shared_round(sizes, none).seconds / 2)
    assert two.shared_round(none, sizes).seconds == one.shared_round(none, sizes).seconds
    assert (one.shared_round(sizes, none).medium, two.shared_round(sizes, none).medium) == (
        "one LoRaWAN gateway",
        "2 LoRaWAN gateways",
    )


@pytest.mark.parametrize("gateways", [1, 2, 7])
@pytest.mark.parametrize("settings", [{}, {"acknowledged": True}, {"region": "us915", "data_rate": 3}])
def test_a_client_more_never_makes_a_round_shorter(gateways: int, settings: dict[str, float]) -> None:
    sizes = np.random.default_rng(0).integers(0, 30_000, 60)
    radio = LoRaWan(gateways=gateways, **settings)  # type: ignore[arg-type]
    seconds = [radio.shared_round(sizes[:n], sizes[:n][::-1]).seconds for n in range(1, len(sizes) + 1)]
    assert np.all(np.diff(seconds) >= 0)
    assert seconds[-1] > seconds[0]


def test_acknowledgements_take_time_in_which_the_gateway_receives_nothing() -> None:
    """Two clients, two full frames each at 1 %: the other's two answers of 12 bytes, 41.216 ms, come on top.

    Alone they take 39.9616 s and the last frame with its answer, 0.399616 + 1 + 0.041216 s; 2 x 0.399616 s of the
    other on three channels are a load of 0.0064. A gateway that sends for 0.1 % of the time is what a round waits for:
    three answers of 41.216 s each, and the last.
    """
    alone_s = 39.9616 + 1.440832
    collided_s = alone_s * math.exp(2 * 2 * UP_S / (3 * alone_s))
    none, sizes = np.zeros(0, dtype=np.int64), np.full(2, 484)
    radio = LoRaWan(acknowledged=True)
    assert radio.shared_round(none, sizes).seconds == pytest.approx(collided_s + 2 * 0.041216)
    slow = LoRaWan(acknowledged=True, gateway_duty_cycle=0.001)
    assert slow.shared_round(none, sizes).seconds == pytest.approx(3 * 41.216 + 0.041216)


def test_no_more_is_carried_than_pure_aloha_can() -> None:
    """1/(2 e) of a channel, however many clients want more; at that load both rules are one."""
    assert aloha_s(10.0, 1500.0, 3) == pytest.approx(500 * 2 * math.e)
    assert aloha_s(100.0, 50.0, 1) == pytest.approx(100 * math.e) == pytest.approx(50 * 2 * math.e)


def test_frames_in_both_ways_take_turns_without_a_duty_cycle() -> None:
    """A gateway that may always send: 3 s to the others, and the 10 s of a client alone among 2 s of load 0.1."""
    one = np.ones(4)
    found = phase_s(Traffic(10 * one, one / 3, one, one), gateways=1, gateway_duty=1.0, channels=1)
    assert found == pytest.approx(10 * math.exp(0.2) + 3)


def test_gateways_are_at_least_one() -> None:
    with pytest.raises(ValueError, match=r"^gateways must be"):
        LoRaWan(gateways=0)
