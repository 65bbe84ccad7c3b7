"""The channel: bytes in the ledger are bytes on the air, and the receiver has those bytes and nothing else."""

import hashlib
from collections.abc import Callable

import numpy as np
import pytest

from baselines.error_feedback import ErrorFeedback
from baselines.signsgd import ScaledSign
from baselines.uncompressed import Float32
from harness import channel as channel_module
from harness.channel import Channel
from harness.core.errors import PayloadError
from harness.core.protocols import Codec
from harness.core.types import SERVER
from harness.ledger import Facts
from harness.wire.frame import FRAME_BYTES, seal
from tests.contracts.codec_examples import EXAMPLES
from tests.factories import make_layout, make_update

LAYOUT = make_layout((9, 7), (13,))

every_codec = pytest.mark.parametrize("codec", [pytest.param(codec, id=name) for name, codec in EXAMPLES.items()])


def make_channel(uplink: Codec | None = None, downlink: Codec | None = None) -> Channel:
    return Channel(uplink or Float32(), downlink or Float32(), LAYOUT, 0, Facts())


def values(seed: int) -> np.ndarray:
    return make_update(LAYOUT, seed).values


@pytest.fixture
def on_air(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[bytes], bytes]], list[bytes]]:
    """Puts a function between sender and receiver; gives the payloads as they were sent."""

    def install(change: Callable[[bytes], bytes]) -> list[bytes]:
        sent: list[bytes] = []

        def sealed(body: bytes, wire_id: int) -> bytes:
            sent.append(seal(body, wire_id))
            return change(sent[-1])

        monkeypatch.setattr(channel_module, "seal", sealed)
        return sent

    return install


def flipped(payload: bytes) -> bytes:
    return payload[:-1] + bytes([payload[-1] ^ 1])


@every_codec
def test_uplink_facts_are_those_of_the_payload(codec: Codec, on_air) -> None:
    sent = on_air(lambda payload: payload)
    link = make_channel(uplink=codec)
    link.send_update(values(1), round=2, client=5)
    (payload,), (fact,) = sent, link.facts.transfers
    assert (fact.round, fact.client, fact.direction) == (2, 5, "uplink")
    assert fact.payload_bytes == len(payload)
    assert fact.frame_bytes == FRAME_BYTES == 12
    assert fact.payload_digest == hashlib.sha256(payload).hexdigest()[:16]
    assert fact.reference_bytes == 4 * 76


@every_codec
def test_downlink_facts_are_those_of_the_payload_for_each_receiver(codec: Codec) -> None:
    link = make_channel(downlink=codec)
    payload = link.encode_model(values(1), round=1)
    for client in (4, 8):
        link.receive_model(payload, round=1, client=client)
    assert [(fact.client, fact.direction) for fact in link.facts.transfers] == [(4, "downlink"), (8, "downlink")]
    for fact in link.facts.transfers:
        assert fact.payload_bytes == len(payload)
        assert fact.payload_digest == hashlib.sha256(payload).hexdigest()[:16]


@every_codec
def test_an_update_damaged_on_the_air_is_refused(codec: Codec, on_air) -> None:
    on_air(flipped)
    with pytest.raises(PayloadError, match="checksum"):
        make_channel(uplink=codec).send_update(values(1), round=1, client=0)


@every_codec
def test_a_broadcast_damaged_on_the_air_is_refused(codec: Codec) -> None:
    link = make_channel(downlink=codec)
    payload = flipped(link.encode_model(values(1), round=1))
    with pytest.raises(PayloadError, match="checksum"):
        link.receive_model(payload, round=1, client=0)


def test_a_cut_off_payload_is_refused(on_air) -> None:
    on_air(lambda payload: payload[:-1])
    with pytest.raises(PayloadError, match="its frame says"):
        make_channel().send_update(values(1), round=1, client=0)


def test_the_server_decodes_what_arrived_and_not_what_was_meant(on_air) -> None:
    other = seal(values(2).tobytes(), Float32.wire_id)
    on_air(lambda payload: other)
    decoded = make_channel().send_update(values(1), round=1, client=0)
    np.testing.assert_array_equal(decoded.values, values(2))


def test_a_residual_waits_while_its_client_sits_out() -> None:
    """What client 0 sends in rounds 1 and 9 is what one codec says of two updates in a row."""
    link = make_channel(uplink=ErrorFeedback(ScaledSign()))
    first = link.send_update(values(1), round=1, client=0).values
    for number in range(2, 9):
        link.send_update(values(10 + number), round=number, client=1)
    second = link.send_update(values(2), round=9, client=0).values

    residual = values(1) - first
    corrected = values(2) + residual
    scale = [np.abs(corrected[place]).mean(dtype=np.float64) for _, place in LAYOUT.slices()]
    expected = np.concatenate(
        [np.where(corrected[place] < 0, -s, s) for s, (_, place) in zip(scale, LAYOUT.slices(), strict=True)]
    )
    np.testing.assert_allclose(second, expected, rtol=1e-6)


def test_clients_keep_residuals_of_their_own() -> None:
    link = make_channel(uplink=ErrorFeedback(ScaledSign()))
    alone = make_channel(uplink=ErrorFeedback(ScaledSign()))
    link.send_update(values(1), round=1, client=0)
    link.send_update(values(2), round=1, client=1)
    alone.send_update(values(2), round=1, client=1)
    np.testing.assert_array_equal(
        link.send_update(values(3), round=2, client=1).values, alone.send_update(values(3), round=2, client=1).values
    )
    assert len(link.states()) == 2


def test_a_broadcast_is_work_of_the_server() -> None:
    link = make_channel()
    link.encode_model(values(1), round=3)
    (window,) = link.facts.windows
    assert (window.round, window.phase, window.client) == (3, "encode", SERVER)


def test_timing_the_codecs_leaves_no_trace() -> None:
    def sent_after(is_timed: bool) -> tuple[str, int]:
        link = make_channel(uplink=ErrorFeedback(ScaledSign()))
        link.receive_model(link.encode_model(values(1), 1), 1, 0)
        link.send_update(values(1), round=1, client=0)
        if is_timed:
            timings = link.time_codecs(at_least_s=0.001)
            operations = {(timing.direction, timing.operation) for timing in timings}
            assert operations == {(way, what) for way in ("uplink", "downlink") for what in ("encode", "decode")}
        link.send_update(values(2), round=2, client=0)
        return link.facts.digest(), len(link.facts.windows)

    assert sent_after(is_timed=True) == sent_after(is_timed=False)
