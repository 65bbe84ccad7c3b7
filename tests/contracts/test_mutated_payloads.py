"""A hundred thousand damaged payloads, of all ways through the codecs: each is refused, or decodes to finite numbers.

Half are damaged as the air would: the frame must refuse every one. Half are damaged and sealed again, as a broken or
hostile sender would: the checksum is right, and the codec is on its own. Nothing but `PayloadError` is raised, nothing
hangs, and memory stays in proportion to the layout.
"""

import itertools
import math
import random
import resource
import signal
import tracemalloc
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest

from baselines.uncompressed import Float32
from harness.core.errors import PayloadError
from harness.wire.frame import seal, unseal
from tests.contracts.codec_examples import PATHS
from tests.contracts.selection import paths
from tests.factories import AGREED, encode, make_layout, make_update, settings_bytes

TOTAL = 100_000
PER_CODEC = 2 * math.ceil(TOTAL / len(PATHS) / 2)

LAYOUTS = {
    "tiny": make_layout((3, 5), (), (12,)),  # where tensors go as they are
    "small": make_layout((24, 20), (), (0, 3), (33,)),  # where they are coded
}

LARGE = make_layout((512, 500), (500,))
"""About a megabyte, so that what a decode takes in proportion is more than what it takes anyway."""

MEMORY_PER_BYTE = 14
MEMORY_FIXED = 2**21
"""Peak of a decode, per byte of the layout as float32, and on top: a table of 65,536 levels in float64, and copies."""

ROOM = 2**29
"""Bytes that the address space may grow by: what asks for more fails at once instead of taking the machine down."""

SECONDS = 30
"""For all payloads of one codec; they take about a tenth of one."""


@contextmanager
def fenced():
    """A ``with`` whose body gets neither unlimited memory nor unlimited time."""

    def stop(number, frame):
        raise TimeoutError(f"no end after {SECONDS} s")

    with open("/proc/self/statm", encoding="ascii") as sizes:  # noqa: PTH123 - no file
        used = int(sizes.read().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    previous = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (used + ROOM, hard))
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def shortened(data, rng):
    return data[: rng.randrange(len(data))]


def extended(data, rng):
    n_extra = rng.randrange(1, 40)
    return data + (rng.randbytes(n_extra) if rng.random() < 0.5 else bytes(n_extra))


def flipped(data, rng):
    """A few bits."""
    damaged = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        damaged[place_in(data, rng)] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def overwritten(data, rng):
    """A run of random or extreme bytes."""
    start, n = place_in(data, rng), rng.randrange(1, 9)
    filler = rng.choice((rng.randbytes(n), bytes(n), b"\xff" * n, b"\x7f" * n))
    return (data[:start] + filler + data[start + n :])[: len(data)]


def swapped(data, rng):
    """Two blocks in each other's place."""
    first, second, third = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:first] + data[second:third] + data[first:second] + data[third:]


def foreign(data, rng):
    return rng.randbytes(len(data))


def foreign_tail(data, rng):
    """A beginning that is right, and then anything."""
    kept = place_in(data, rng)
    return data[:kept] + rng.randbytes(len(data) - kept)


def cut_out(data, rng):
    start = place_in(data, rng)
    return data[:start] + data[start + rng.randrange(1, 9) :]


MUTATIONS = (shortened, extended, flipped, overwritten, swapped, foreign, foreign_tail, cut_out)


def place_in(data, rng):
    """Half of the time near the beginning, where lengths and scales are."""
    return rng.randrange(min(len(data), 64) if rng.random() < 0.5 else len(data))


def mutated(data, count, seed):
    """`count` mutations of `data`, each kind about equally often; none is `data` itself."""
    rng = random.Random(seed)  # noqa: S311 - no secrets here
    made = 0
    for mutation in itertools.cycle(MUTATIONS):
        if made == count:
            return
        damaged = mutation(data, rng)
        if damaged != data:
            made += 1
            yield damaged


def is_well(codec, body, layout):
    """Whether the body was refused, or decoded to finite numbers of the right shape."""
    try:
        values = codec.decode(body, layout, AGREED).values
    except PayloadError:
        return True
    return values.dtype == np.float32 and values.shape == (layout.size,) and bool(np.isfinite(values).all())


def bodies_of(codec, layout):
    """What mutations start from: ordinary entries, and one that dwarfs the others."""
    update, outlier = make_update(layout), make_update(layout, seed=1)
    outlier.values[3] = 1e30
    return [encode(codec, update)[0], encode(codec, outlier)[0]]


def test_they_are_a_hundred_thousand():
    assert PER_CODEC * len(PATHS) >= TOTAL


def test_damaged_payloads_are_refused_by_the_frame():
    n_refused = 0
    for name, codec in PATHS.items():
        agreed = settings_bytes(codec)
        body, _ = bodies_of(codec, LAYOUTS["small"])
        for damaged in mutated(seal(body, codec.wire_id, agreed), PER_CODEC // 2, seed=0):
            with pytest.raises(PayloadError):
                pytest.fail(f"{name}: {damaged.hex()} gave {unseal(damaged, codec.wire_id, agreed).hex()}")
            n_refused += 1
    assert n_refused == PER_CODEC // 2 * len(PATHS)


@paths
def test_damaged_bodies_are_refused_or_decode_to_finite_numbers(codec):
    agreed = settings_bytes(codec)
    starts = [(body, layout) for layout in LAYOUTS.values() for body in bodies_of(codec, layout)]
    share, n_seen = math.ceil(PER_CODEC / 2 / len(starts)), 0
    with fenced():
        for number, (sent, layout) in enumerate(starts):
            for damaged in mutated(sent, share, seed=number):
                n_seen += 1
                body = unseal(seal(damaged, codec.wire_id, agreed), codec.wire_id, agreed)
                assert is_well(codec, body, layout), body.hex()
    assert n_seen >= PER_CODEC // 2


@paths
def test_a_body_that_ends_early_or_late_is_refused(codec):
    for layout in LAYOUTS.values():
        body, _ = encode(codec, make_update(layout))
        lengths = {*range(min(len(body), 64)), *range(max(0, len(body) - 64), len(body))}
        wrong = [*(body[:length] for length in lengths), *(body + bytes(extra) for extra in range(1, 9))]
        for damaged in wrong:
            with pytest.raises(PayloadError):
                codec.decode(damaged, layout, AGREED)


@paths
def test_memory_stays_in_proportion_to_the_layout(codec):
    for layout, count in [*((small, 24) for small in LAYOUTS.values()), (LARGE, 3)]:
        allowed = MEMORY_PER_BYTE * layout.reference_bytes + MEMORY_FIXED
        for body in bodies_of(codec, layout):
            with fenced():
                tracemalloc.start()
                try:
                    peaks = []
                    for damaged in [body, *mutated(body, count, seed=99)]:
                        before = tracemalloc.get_traced_memory()[0]
                        tracemalloc.reset_peak()
                        is_well(codec, damaged, layout)
                        peaks.append(tracemalloc.get_traced_memory()[1] - before)
                finally:
                    tracemalloc.stop()
            assert max(peaks) <= allowed


def test_a_trusting_decoder_is_found():
    class Trusting(Float32):
        def decode(self, body, layout, agreed):
            return SimpleNamespace(values=np.frombuffer(body[: len(body) // 4 * 4], dtype=np.float32))

    (body, _), layout = bodies_of(Float32(), LAYOUTS["small"]), LAYOUTS["small"]
    assert is_well(Trusting(), body, layout)
    assert not all(is_well(Trusting(), damaged, layout) for damaged in mutated(body, 100, seed=0))


def test_a_decoder_without_end_is_stopped(monkeypatch):
    monkeypatch.setattr(f"{__name__}.SECONDS", 1)
    with pytest.raises(TimeoutError), fenced():
        while True:
            pass


def test_a_greedy_decoder_gets_no_memory():
    with pytest.raises(MemoryError), fenced():
        np.ones(2 * ROOM, dtype=np.uint8)
