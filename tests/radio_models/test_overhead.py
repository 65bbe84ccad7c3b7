"""Packets around payloads, against packets counted by hand from the standards."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from radio_models.overhead import TRANSPORTS, inputs, packetise

SIZES = st.integers(0, 50_000_000)


def packets(payload_bytes: int, transport: str) -> tuple[float, float, float, float]:
    """Bytes forward, bytes back, packets forward, packets back."""
    found = packetise(np.array([payload_bytes]), transport)
    fields = (found.forward_bytes, found.reverse_bytes, found.n_packets, found.n_reverse_packets)
    return tuple(float(field[0]) for field in fields)  # type: ignore[return-value]


def test_a_megabyte_over_tcp_by_hand() -> None:
    """1500 - 20 - 20 - 12 = 1448 B a segment: 690 full ones are 999,120 B and one has the last 880 B.

    Forward 1,000,000 + 691 x 52 = 1,035,932 B; 345 pairs and the last one are 346 acknowledgements of 52 B.
    """
    assert packets(1_000_000, "tcp") == (1_035_932, 17_992, 691, 346)


def test_tcp_adds_the_known_shares_to_large_payloads() -> None:
    """1500 / 1448 = 1.0359 forward; 52 / (2 x 1448) = 1.8 % of the payload back."""
    forward, back, *_ = packets(1448 * 1_000_000, "tcp")
    assert forward / (1448 * 1_000_000) == pytest.approx(1.0359, abs=5e-5)
    assert back / (1448 * 1_000_000) == pytest.approx(0.018, abs=5e-5)


def test_a_full_segment_is_one_packet_and_one_byte_more_are_two() -> None:
    assert packets(1448, "tcp") == (1500, 52, 1, 1)
    assert packets(1449, "tcp") == (1449 + 104, 52, 2, 1)
    assert packets(2 * 1448 + 1, "tcp") == (2897 + 156, 104, 3, 2)


def test_tls_wraps_records_before_tcp_cuts_segments() -> None:
    """100,000 B are 7 records of at most 16,384 B: 100,154 B of stream, in 70 segments and 35 acknowledgements."""
    assert packets(100_000, "tls") == (100_154 + 70 * 52, 35 * 52, 70, 35)
    assert packets(16_384, "tls") == (16_406 + 12 * 52, 6 * 52, 12, 6)
    assert packets(16_385, "tls")[0] == 16_385 + 44 + 12 * 52


def test_udp_sends_datagrams_and_hears_nothing() -> None:
    """1472 B a datagram: 1,000,000 B are 680 of them, 28 B each."""
    assert packets(1_000_000, "udp") == (1_019_040, 0, 680, 0)


def test_a_small_coap_message_by_hand() -> None:
    """IPv4 20, UDP 8, header 4, token 4, marker 1; the answer has neither marker nor payload."""
    assert packets(100, "coap") == (137, 36, 1, 1)
    assert packets(100, "coaps") == (137 + 29, 36 + 29, 1, 1)


def test_coap_blocks_carry_an_option_that_grows_with_their_number() -> None:
    """20 blocks of 1024 B: numbers 0 to 15 fit into one byte of option value, 16 to 19 take two; 2 B of option head.

    An answer takes 36 + 2 B and the value: 16 x 39 + 4 x 40 = 784 B. Forward the same with 20 markers and the payload.
    """
    assert packets(20 * 1024, "coap") == (20 * 1024 + 784 + 20, 784, 20, 20)
    assert packets(20 * 1024, "coaps") == (20 * 1024 + 784 + 20 + 20 * 29, 784 + 20 * 29, 20, 20)


def test_a_coap_payload_past_4096_blocks_takes_three_bytes_of_option_value() -> None:
    before, after = packets(4096 * 1024, "coap"), packets(4097 * 1024, "coap")
    assert after[1] - before[1] == 36 + 2 + 3


def test_a_flower_message_is_a_row_of_http_exchanges_that_differs_by_direction() -> None:
    """20,000 B down: with 325 B of its answer's head 15 segments of 1448 B, and 8 more answers: 23, and 12 bare ACKs.

    Forward 20,000 + 2930 + 23 x 52 B; back 9 requests of 8270 B together and 12 acknowledgements: 8270 + 21 x 52 B.
    """
    found = packetise(np.array([20_000]), "flower", "downlink")
    assert (found.forward_bytes, found.reverse_bytes) == (20_000 + 2930 + 23 * 52, 8270 + 21 * 52)
    assert (found.n_packets, found.n_reverse_packets) == (23, 21)
    # Up, 1112 B of the head of its request: 15 and 7 more, 11 acknowledgements; back 8 answers of 1520 B together.
    assert packets(20_000, "flower") == (20_000 + 8900 + 22 * 52, 1520 + 19 * 52, 22, 19)


def test_without_a_transport_the_payload_goes_alone() -> None:
    assert packets(12_345, "none") == (12_345, 0, 1, 0)


@pytest.mark.parametrize(
    ("transport", "forward", "back"),
    [
        ("none", 0, 0),
        ("tcp", 52, 52),
        ("tls", 74, 52),
        ("udp", 28, 0),
        ("coap", 36, 36),
        ("coaps", 65, 65),
        ("flower", 9316, 2144),
    ],
)
def test_an_empty_payload_still_takes_one_packet(transport: str, forward: int, back: int) -> None:
    n_packets = 8 if transport == "flower" else 1
    assert packets(0, transport)[:3] == (forward, back, n_packets)


@pytest.mark.parametrize("transport", TRANSPORTS)
@given(smaller=SIZES, larger=SIZES)
def test_more_payload_never_takes_fewer_bytes(transport: str, smaller: int, larger: int) -> None:
    smaller, larger = sorted((smaller, larger))
    pairs = zip(packets(smaller, transport), packets(larger, transport), strict=True)
    assert all(less <= more for less, more in pairs)


@pytest.mark.parametrize("transport", TRANSPORTS)
@given(sizes=st.lists(SIZES, max_size=5))
def test_payloads_at_once_are_those_one_by_one(transport: str, sizes: list[int]) -> None:
    together = packetise(np.array(sizes, dtype=np.int64), transport)
    assert together.forward_bytes.dtype == np.float64
    assert together.forward_bytes.tolist() == [packets(size, transport)[0] for size in sizes]
    assert together.reverse_bytes.tolist() == [packets(size, transport)[1] for size in sizes]


@pytest.mark.parametrize("transport", TRANSPORTS)
@given(size=SIZES)
def test_no_packet_exceeds_the_mtu(transport: str, size: int) -> None:
    forward, _, n_packets, _ = packets(size, transport)
    assert transport == "none" or forward <= 1500 * n_packets


def test_the_payload_is_not_changed() -> None:
    sizes = np.array([100_000])
    packetise(sizes, "tls")
    assert sizes.tolist() == [100_000]


def test_what_makes_no_sense_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"^payload_bytes must be at least 0, got -1$"):
        packetise(np.array([5, -1]), "tcp")
    with pytest.raises(
        ValueError, match=r"^transport must be one of none, tcp, tls, udp, coap, coaps, flower, got 'quic'$"
    ):
        packetise(np.array([5]), "quic")


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_sizes_of_standards_are_points_with_a_source(transport: str) -> None:
    rows = inputs(transport)
    assert bool(rows) == (transport != "none")
    standards = [row for row in rows if row.source != "flwr1_41"]
    assert all(row.low == row.typical == row.high and row.source.startswith("rfc") for row in standards)
