"""The channel: bytes in the ledger are bytes on the air, and the receiver has those bytes and nothing else."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import pytest

from baselines.error_feedback import ErrorFeedback
from baselines.qsgd import Qsgd
from baselines.signsgd import ScaledSign
from baselines.uncompressed import Float32
from harness.core.errors import PayloadError, UpdateError
from harness.core.protocols import Codec, State
from harness.core.types import SERVER, Agreed, Layout, TensorSpec, Update
from harness.ledger.ledger import Facts
from harness.run.federation import link as link_module
from harness.run.federation.channel import Channel
from harness.run.federation.downlink import Mode
from harness.run.federation.link import Coder, settings_bytes
from harness.wire.frame import FRAME_BYTES, seal
from quantfl.codec import QuantFL
from tests.factories import make_layout, make_update

LAYOUT = make_layout((9, 7), (13,))
NORMED = Layout(
    (*LAYOUT.tensors, TensorSpec("norm.mean", (3,), is_statistic=True), TensorSpec("norm.var", (3,), is_statistic=True))
)
"""With six statistics."""

some_codecs = pytest.mark.parametrize(
    "codec", [Float32(), Qsgd(coding="ans"), ErrorFeedback(ScaledSign())], ids=["plain", "random", "stateful"]
)
"""The channel knows nothing of what codecs do: one with bodies of one length, one that draws, one that remembers."""


def make_channel(
    uplink: Codec | None = None,
    downlink: Codec | None = None,
    layout: Layout = LAYOUT,
    also_code: Sequence[str] = (),
    mode: Mode = "model",
) -> Channel:
    return Channel(uplink or Float32(), downlink or Float32(), layout, 0, Facts(), mode, also_code)


def values(seed: int, layout: Layout = LAYOUT) -> np.ndarray:
    return make_update(layout, seed).values


@pytest.fixture
def on_air(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[bytes], bytes]], list[bytes]]:
    """Puts a function between sender and receiver; gives the payloads as they were sent."""

    def install(change: Callable[[bytes], bytes]) -> list[bytes]:
        sent: list[bytes] = []

        def sealed(body: bytes, wire_id: int, agreed: bytes) -> bytes:
            sent.append(seal(body, wire_id, agreed))
            return change(sent[-1])

        monkeypatch.setattr(link_module, "seal", sealed)
        return sent

    return install


def flipped(payload: bytes) -> bytes:
    return payload[:-1] + bytes([payload[-1] ^ 1])


@some_codecs
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


@some_codecs
def test_downlink_facts_are_those_of_the_payload_for_each_receiver(codec: Codec, on_air) -> None:
    sent = on_air(lambda payload: payload)
    link = make_channel(downlink=codec)
    link.send_model(values(1), round=1, cohort=[4, 8])
    for client in (4, 8):
        link.receive_model(round=1, client=client)
    (payload,) = sent
    assert [(fact.client, fact.direction) for fact in link.facts.transfers] == [(4, "downlink"), (8, "downlink")]
    for fact in link.facts.transfers:
        assert fact.payload_bytes == len(payload)
        assert fact.payload_digest == hashlib.sha256(payload).hexdigest()[:16]


def test_an_update_damaged_on_the_air_is_refused(on_air) -> None:
    on_air(flipped)
    with pytest.raises(PayloadError, match="checksum"):
        make_channel().send_update(values(1), round=1, client=0)


def test_a_broadcast_damaged_on_the_air_is_refused(on_air) -> None:
    on_air(flipped)
    link = make_channel()
    link.send_model(values(1), round=1, cohort=[0])
    with pytest.raises(PayloadError, match="checksum"):
        link.receive_model(round=1, client=0)


def test_every_payload_has_random_numbers_of_its_own(on_air) -> None:
    """One vector from two clients, in two rounds and in both directions, with a codec that rounds at random."""
    sent = on_air(lambda payload: payload)
    link, again = make_channel(Qsgd(), Qsgd()), make_channel(Qsgd(), Qsgd())
    for channel in (link, again):
        for number in (1, 2):
            channel.send_model(values(1), number, [0, 1])
            for client in (0, 1):
                channel.send_update(values(1), number, client)
    assert len(sent) == 12 and sent[:6] == sent[6:]
    assert len(set(sent[:6])) == 6


def test_a_receiver_with_other_settings_refuses() -> None:
    """Same codec, same wire id, same length: 63 and 64 levels take 6 bits."""
    agreed = Agreed(0, 1, 0, "uplink")
    payload, _ = Coder(QuantFL(levels=63), LAYOUT).encode(values(1), None, agreed)
    assert Coder(QuantFL(levels=63), LAYOUT).decode(payload, agreed).size == 76
    with pytest.raises(PayloadError, match="its sender has other codec settings"):
        Coder(QuantFL(levels=64), LAYOUT).decode(payload, agreed)


def test_settings_of_wrapped_codecs_are_agreed_on_too() -> None:
    text = settings_bytes(ErrorFeedback(QuantFL(levels=5)))
    assert text.startswith(b'{"inner": {') and b'"levels": 5' in text


def test_a_cut_off_payload_is_refused(on_air) -> None:
    on_air(lambda payload: payload[:-1])
    with pytest.raises(PayloadError, match="its frame says"):
        make_channel().send_update(values(1), round=1, client=0)


def test_the_server_decodes_what_arrived_and_not_what_was_meant(on_air) -> None:
    other = seal(values(2).tobytes(), Float32.wire_id, b'{"kind": "float32"}')
    on_air(lambda payload: other)
    decoded = make_channel().send_update(values(1), round=1, client=0)
    np.testing.assert_array_equal(decoded, values(2))


def test_a_residual_waits_while_its_client_sits_out() -> None:
    """What client 0 sends in rounds 1 and 9 is what one codec says of two updates in a row."""
    link = make_channel(uplink=ErrorFeedback(ScaledSign()))
    first = link.send_update(values(1), round=1, client=0)
    for number in range(2, 9):
        link.send_update(values(10 + number), round=number, client=1)
    second = link.send_update(values(2), round=9, client=0)

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
        link.send_update(values(3), round=2, client=1), alone.send_update(values(3), round=2, client=1)
    )
    assert len(link.states()) == 2


def test_a_broadcast_is_work_of_the_server() -> None:
    link = make_channel()
    link.send_model(values(1), round=3, cohort=[])
    (window,) = link.facts.windows
    assert (window.round, window.phase, window.client) == (3, "encode", SERVER)


def test_timing_the_codecs_leaves_no_trace() -> None:
    def sent_after(is_timed: bool) -> tuple[str, int]:
        link = make_channel(uplink=ErrorFeedback(ScaledSign()))
        link.send_model(values(1), 1, [0])
        link.receive_model(1, 0)
        link.send_update(values(1), round=1, client=0)
        if is_timed:
            timings = link.time_codecs(at_least_s=0.001)
            operations = {(timing.direction, timing.operation) for timing in timings}
            assert operations == {(way, what) for way in ("uplink", "downlink") for what in ("encode", "decode")}
        link.send_update(values(2), round=2, client=0)
        return link.facts.digest(), len(link.facts.windows)

    assert sent_after(is_timed=True) == sent_after(is_timed=False)


@some_codecs
def test_statistics_travel_as_they_are_behind_the_body(codec: Codec, on_air) -> None:
    """Whatever the codec does to the trained entries; 4 bytes each, and counted."""
    sent = on_air(lambda payload: payload)
    both, alone = make_channel(uplink=codec, layout=NORMED), make_channel(uplink=codec)
    vector = values(1, NORMED)
    vector[-6:] = [-1e-3, 1e30, np.pi, 0.0, 1e-40, 7.0]
    decoded = both.send_update(vector, round=1, client=0)
    assert decoded[-6:].tobytes() == vector[-6:].tobytes()
    np.testing.assert_array_equal(decoded[:-6], alone.send_update(vector[:-6], round=1, client=0))
    with_statistics, without = sent
    assert with_statistics[FRAME_BYTES:] == without[FRAME_BYTES:] + vector[-6:].tobytes()
    fact = both.facts.transfers[0]
    assert fact.payload_bytes == alone.facts.transfers[0].payload_bytes + 24
    assert fact.reference_bytes == 4 * 82


def test_what_a_codec_keeps_is_for_trained_entries_only() -> None:
    link = make_channel(uplink=ErrorFeedback(ScaledSign()), layout=NORMED)
    link.send_update(values(1, NORMED), round=1, client=0)
    (state,) = link.states()
    assert sum(part.size for part in (state if isinstance(state, tuple) else (state,)) if part is not None) == 76


def test_a_body_too_short_for_the_statistics_is_refused() -> None:
    payload = seal(b"\0" * 23, Float32.wire_id, settings_bytes(Float32()))
    with pytest.raises(PayloadError, match="body of 23 bytes is shorter than its 6 statistics, which take 24"):
        Coder(Float32(), NORMED).decode(payload, Agreed(0, 1, 0, "uplink"))


def test_broken_statistics_are_refused_by_name_at_both_ends() -> None:
    vector = values(1, NORMED)
    vector[-1] = np.nan
    with pytest.raises(UpdateError, match=r"^round 2, client 3: tensor norm\.var: 1 of 3 entries"):
        make_channel(layout=NORMED).send_update(vector, round=2, client=3)
    payload = seal(vector.tobytes(), Float32.wire_id, settings_bytes(Float32()))
    with pytest.raises(PayloadError, match="statistics in the body are not finite"):
        Coder(Float32(), NORMED).decode(payload, Agreed(0, 1, 0, "uplink"))


@pytest.mark.parametrize("mode", ["model", "delta", "since_start"])
def test_a_broken_model_names_its_round(mode: Mode) -> None:
    link = make_channel(mode=mode)
    link.provision(values(1), 1)
    broken = values(2)
    broken[0] = np.inf
    with pytest.raises(UpdateError, match=r"^round 4, downlink: tensor t0: 1 of 63 entries"):
        link.send_model(broken, 4, [0])


@dataclass(frozen=True)
class Coded:
    """Float32 plus noise from the stream; `ans` is two bytes shorter, `wrong` decodes to something else."""

    coding: Literal["packed", "ans", "wrong"] = "packed"

    kind: ClassVar[str] = "coded"
    wire_id: ClassVar[int] = 200

    def nominal_bits(self, layout: Layout) -> float:
        return 32.0

    def init(self, layout: Layout) -> State:
        return np.zeros(layout.size, dtype=np.float32)

    def encode(self, update: Update, state: State, rng: np.random.Generator, agreed: Agreed) -> tuple[bytes, State]:
        noisy = (update.values + state + rng.normal(size=update.values.size)).astype(np.float32)
        return noisy.tobytes() + (b"" if self.coding == "ans" else b"\0\0"), np.asarray(state + noisy, dtype=np.float32)

    def decode(self, body: bytes, layout: Layout, agreed: Agreed) -> Update:
        values = np.frombuffer(body[: 4 * layout.size], dtype=np.float32)
        return Update(-values if self.coding == "wrong" else values, layout)


def test_shadows_are_logged_and_change_nothing() -> None:
    def run(also_code: Sequence[str]) -> Channel:
        link = make_channel(ErrorFeedback(Coded()), Coded(), NORMED, also_code)
        for number in (1, 2):
            link.send_model(values(number, NORMED), number, [5])
            link.receive_model(number, 5)
            link.send_update(values(3, NORMED), number, 5)
        return link

    plain, shadowed = run(()), run(["ans"])
    assert plain.facts.shadows == []
    assert shadowed.facts.digest() == plain.facts.digest()
    found = [(row.round, row.client, row.direction, row.coding, row.payload_bytes) for row in shadowed.facts.shadows]
    sent = plain.facts.transfers[0].payload_bytes
    assert found == [
        (number, client, direction, "ans", sent - 2)
        for number in (1, 2)
        for client, direction in ((SERVER, "downlink"), (5, "uplink"))
    ]
    assert [w.client for w in shadowed.facts.windows if w.phase == "codec_timing"] == [SERVER] * 4
    for phase in ("encode", "decode"):
        assert [(w.round, w.client) for w in shadowed.facts.windows if w.phase == phase] == [
            (w.round, w.client) for w in plain.facts.windows if w.phase == phase
        ]


def test_a_direction_without_the_coding_has_no_shadow() -> None:
    link = make_channel(Coded(), Float32(), also_code=["ans"])
    link.send_model(values(1), 1, [0])
    link.send_update(values(1), 1, 0)
    assert [row.direction for row in link.facts.shadows] == ["uplink"]


def test_a_coding_that_decodes_to_other_values_is_a_bug() -> None:
    with pytest.raises(RuntimeError, match="uplink codec coded decodes to other values with coding wrong"):
        make_channel(Coded(), also_code=["wrong"]).send_update(values(1), 1, 0)
