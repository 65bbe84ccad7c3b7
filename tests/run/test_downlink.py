"""The downlink in mode ``delta``: server and clients hold the same model, bit for bit, after any absence."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.drive import Drive
from baselines.error_feedback import ErrorFeedback
from baselines.linear8 import Linear8
from baselines.powersgd import PowerSgd
from baselines.signsgd import ScaledSign
from baselines.topk import TopK
from baselines.uncompressed import Float32
from harness.core.protocols import Codec
from harness.core.types import SERVER, Agreed, Layout, TensorSpec
from harness.ledger.ledger import Facts
from harness.run.federation.channel import Channel
from harness.run.federation.downlink import DeltaBroadcast, Mode
from harness.run.federation.link import Coder, Link
from harness.wire.frame import FRAME_BYTES
from quantfl.codec import QuantFL

TRAINED = Layout((TensorSpec("weight", (15, 6)), TensorSpec("bias", (10,))))
NORMED = Layout((*TRAINED.tensors, TensorSpec("norm.var", (4,), is_statistic=True)))
CODECS: dict[str, Codec] = {
    "sign": ScaledSign(),
    "linear8": Linear8(),
    "quantfl": QuantFL(levels=4),
    "sparse": ErrorFeedback(TopK(ratio=0.05)),
    "float32": Float32(),
    "drive": Drive(),
}
"""Of one bit and of many, with a state, and with what both ends draw from the round (drive)."""


class Walk:
    """A global model that drifts, and the two ends of its downlink: the server's, and a copy per client."""

    def __init__(self, codec: Codec, layout: Layout, n_clients: int, seed: int = 0) -> None:
        self.rng, self.layout, self.n_trained = np.random.default_rng(seed), layout, layout.trained.size
        self.facts, self.seed = Facts(), seed
        self.delta = Coder(codec, layout)
        self.whole = Coder(Float32(), layout)
        self.server = DeltaBroadcast(
            Link(codec, layout, "downlink", seed, self.facts),
            Link(Float32(), layout, "downlink", seed, self.facts),
            self.n_trained,
        )
        self.model = self.drawn()
        self.server.provision(self.model, n_clients)
        self.copies = [self.model.copy() for _ in range(n_clients)]
        self.round = 0

    def drawn(self, scale: float = 1.0) -> np.ndarray:
        return (scale * self.rng.normal(size=self.layout.size)).astype(np.float32)

    def play(self, cohort: Sequence[int]) -> None:
        """One round: every client of the cohort decodes what it is sent, into its own copy."""
        self.round += 1
        self.model = self.model + self.drawn(0.1)
        self.server.send(self.model, self.round, cohort)
        for client in cohort:
            for sent in self.server.due(self.round, client):
                agreed = Agreed(self.seed, sent.round, SERVER, "downlink")
                decoded = (self.whole if sent.is_whole else self.delta).decode(sent.payload, agreed)
                if not sent.is_whole:
                    decoded[: self.n_trained] += self.copies[client][: self.n_trained]
                self.copies[client] = decoded
            received = self.server.receive(self.round, client)
            assert received.tobytes() == self.copies[client].tobytes() == self.server.model.tobytes()

    def bytes_to(self, client: int, number: int) -> list[int]:
        return [t.payload_bytes for t in self.facts.transfers if (t.client, t.round) == (client, number)]


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@pytest.mark.parametrize("layout", [TRAINED, NORMED], ids=["plain", "statistics"])
@given(
    cohorts=st.lists(st.sets(st.integers(0, 4)), min_size=1, max_size=25),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=25, deadline=None, derandomize=True, database=None)
def test_reconstructions_are_equal_after_any_absence(
    codec: Codec, layout: Layout, cohorts: list[set[int]], seed: int
) -> None:
    walk = Walk(codec, layout, 5, seed)
    for cohort in cohorts:
        walk.play(sorted(cohort))


@pytest.mark.parametrize("codec", CODECS.values(), ids=CODECS)
@given(cohorts=st.lists(st.sets(st.integers(0, 2)), min_size=1, max_size=25))
@settings(max_examples=15, deadline=None, derandomize=True, database=None)
def test_a_client_is_charged_for_what_it_missed_or_for_a_model(codec: Codec, cohorts: list[set[int]]) -> None:
    """Worked out from the sizes of all differences, of which the server has forgotten most."""
    walk, last = Walk(codec, NORMED, 4), dict.fromkeys(range(4), 0)
    sizes: list[int] = []
    for number, cohort in enumerate(cohorts, start=1):
        walk.play([*sorted(cohort), 3])  # client 3 never misses a round
        sizes.append(len(list(walk.server._deltas)[-1].payload) if walk.server._deltas else 10**9)
        for client in (*cohort, 3):
            missed, whole = sizes[last[client] :], FRAME_BYTES + 4 * NORMED.size
            expected = missed if sum(missed) <= whole else [whole]
            assert walk.bytes_to(client, number) == expected
            last[client] = number


def test_round_0_gives_every_client_the_initial_model_in_full() -> None:
    walk = Walk(ScaledSign(), NORMED, 3)
    assert [(t.round, t.client, t.direction, t.payload_bytes) for t in walk.facts.transfers] == [
        (0, client, "downlink", 12 + 4 * 104) for client in range(3)
    ]
    assert len({t.payload_digest for t in walk.facts.transfers}) == 1
    assert walk.server.model.tobytes() == walk.model.tobytes()


def test_mode_model_lacks_nothing_at_the_start() -> None:
    channel = Channel(Float32(), Float32(), TRAINED, 0, Facts())
    channel.provision(np.zeros(TRAINED.size, dtype=np.float32), 3)
    assert channel.facts.transfers == [] and channel.facts.windows == []


def test_missed_differences_are_rows_of_the_current_round_in_their_order() -> None:
    walk = Walk(ScaledSign(), TRAINED, 2)
    for cohort in ([0], [0], [0, 1]):
        walk.play(cohort)
    rows = [t for t in walk.facts.transfers if t.round > 0]
    assert [(t.round, t.client) for t in rows] == [(1, 0), (2, 0), (3, 0), (3, 1), (3, 1), (3, 1)]
    digests = [t.payload_digest for t in rows]
    assert digests[3:] == digests[:3] and len(set(digests)) == 3
    decoding = [(w.round, w.client) for w in walk.facts.windows if w.phase == "decode" and w.client != SERVER]
    assert decoding == [(t.round, t.client) for t in rows]


def test_of_equal_sizes_the_difference_is_sent() -> None:
    walk = Walk(Float32(), TRAINED, 1)
    walk.play([0])
    walk.server.send(walk.model, 2, [0])
    assert [(sent.is_whole, len(sent.payload)) for sent in walk.server.due(2, 0)] == [(False, 412)]


def test_a_long_absence_costs_one_model() -> None:
    """Sign differences of 33 bytes against a model of 412: twelve missed ones still are fewer bytes, 13 are not."""
    walk = Walk(ScaledSign(), TRAINED, 3)
    for number in range(1, 14):
        walk.play([0, 1] if number == 12 else [0, 2] if number == 13 else [0])
    assert walk.bytes_to(1, 12) == [33] * 12
    assert walk.bytes_to(2, 13) == [412]
    assert [(w.round, w.client) for w in walk.facts.windows if w.phase == "encode"][-2:] == [(13, SERVER)] * 2


def test_the_server_forgets_what_nobody_can_need() -> None:
    everybody, somebody = Walk(ScaledSign(), TRAINED, 2), Walk(ScaledSign(), TRAINED, 2)
    for _ in range(30):
        everybody.play([0, 1])
        somebody.play([0])
    assert len(everybody.server._deltas) == 1
    assert len(somebody.server._deltas) == 412 // 33


def test_the_error_of_a_round_is_sent_in_the_next() -> None:
    """Closed loop: while the model stands still, one-bit differences bring the clients ever closer to it."""
    walk = Walk(ScaledSign(), TRAINED, 1)
    target = walk.model + walk.drawn(0.1)
    errors = []
    for number in range(1, 31):
        walk.server.send(target, number, [0])
        walk.server.receive(number, 0)
        errors.append(float(np.square(target - walk.server.model).sum()))
    assert errors[-1] < 0.05 * errors[0]
    assert errors == sorted(errors, reverse=True)


def test_statistics_are_replaced_and_not_added() -> None:
    walk = Walk(ScaledSign(), NORMED, 1)
    for _ in range(3):
        walk.play([0])
        assert walk.copies[0][-4:].tobytes() == walk.model[-4:].tobytes()


@pytest.mark.parametrize("mode", ["model", "delta", "since_start"])
def test_the_server_keeps_the_state_of_its_own_encoder(mode: Mode) -> None:
    """Warm starts of PowerSGD: what is on the air in round 2 depends on the state that round 1 left."""
    channel, coder = Channel(Float32(), PowerSgd(), TRAINED, 0, Facts(), mode), Coder(PowerSgd(), TRAINED)
    first, second, start = np.random.default_rng(1).normal(size=(3, TRAINED.size)).astype(np.float32)
    channel.provision(start, 1)
    state, held = coder.init(), start
    for number, model in ((1, first), (2, second)):
        channel.send_model(model, number, [0])
        received = channel.receive_model(number, 0)
        lacking = {"model": model, "delta": model - held, "since_start": model - start}
        vector, agreed = lacking[mode], Agreed(0, number, SERVER, "downlink")
        payload, after = coder.encode(vector, state, agreed)
        assert channel.facts.transfers[-1].payload_digest == hashlib.sha256(payload).hexdigest()[:16]
        without_state, _ = coder.encode(vector, coder.init(), agreed)
        assert (payload == without_state) == (number == 1)
        state, held = after, received


def test_a_model_counts_once_as_raw_float32_however_many_payloads_bring_it() -> None:
    """Client 1 is sent three differences in round 3, and client 2 a model in round 13."""
    walk = Walk(ScaledSign(), TRAINED, 3)
    for number in range(1, 14):
        walk.play({3: [0, 1], 13: [0, 2]}.get(number, [0]))
    rows = [(t.round, t.client, t.reference_bytes) for t in walk.facts.transfers]
    assert [row for row in rows if row[1] == 1] == [(0, 1, 400), (3, 1, 0), (3, 1, 0), (3, 1, 400)]
    assert [row for row in rows if row[1] == 2] == [(0, 2, 400), (13, 2, 400)]
    assert {row[2] for row in rows if row[1] == 0} == {400}


def test_since_the_start_what_a_client_holds_does_not_depend_on_the_rounds_it_sat_out() -> None:
    """The change since round 0 is all that is sent, at a step in proportion to the change and not to the weights."""
    rng = np.random.default_rng(0)
    start = rng.normal(size=NORMED.size).astype(np.float32)
    model = start + 0.01 * rng.normal(size=NORMED.size).astype(np.float32)
    always, late, whole = (
        Channel(Float32(), QuantFL(step=0.5), NORMED, 0, Facts(), mode)
        for mode in ("since_start", "since_start", "model")
    )
    for channel in (always, late, whole):
        channel.provision(start, 2)
    for number in (1, 2, 3):
        always.send_model(start if number == 1 else model, number, [0])
        received = always.receive_model(number, 0)
    late.send_model(model, 3, [1])
    assert late.receive_model(3, 1).tobytes() == received.tobytes()
    assert received[-4:].tobytes() == model[-4:].tobytes()
    whole.send_model(model, 3, [0])
    coarse = whole.receive_model(3, 0)
    n_trained = TRAINED.size
    assert np.abs(received - model)[:n_trained].max() < 0.2 * np.abs(coarse - model)[:n_trained].max()
    given = [transfer for transfer in always.facts.transfers if transfer.round == 0]
    assert [(transfer.client, transfer.payload_bytes) for transfer in given] == [
        (client, 4 * NORMED.size + FRAME_BYTES) for client in (0, 1)
    ]
    # Before anything has changed there is next to nothing to send; afterwards, less than the model itself.
    first, last = (always.facts.transfers[place].payload_bytes for place in (2, -1))
    assert first < last < 4 * NORMED.size
