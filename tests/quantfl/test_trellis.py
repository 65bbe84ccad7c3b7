"""Trellis-coded rounding: best paths, what both ends derive from the indices, and its rate against Shannon's bound."""

import itertools

import numpy as np
import pytest

from harness.wire.body import BodyReader
from harness.wire.entropy import decode_symbols, encode_symbols
from quantfl.trellis import fold, mirrored_entries, trellis_indices

N_BLOCK = 256 * 4096


def _entries(n, scale=1.0, seed=0):
    return (scale * np.random.default_rng(seed).standard_normal(n)).astype(np.float32)


def _centres(indices):
    return fold((indices + 0.25).astype(np.float32), mirrored_entries(indices))


def _by_the_book(indices, n_machines):
    """Which entries are mirrored, by the state machine of the module head, one entry after the other."""
    states = [(0, 0, 0)] * n_machines
    mirrored = []
    for i, index in enumerate(indices.tolist()):
        s2, s1, s0 = states[i % n_machines]
        mirrored.append(bool(s0))
        states[i % n_machines] = (s0, s2 ^ s0 ^ (index & 1), s1 ^ s0)
    return mirrored


@pytest.mark.parametrize(
    ("n", "n_machines"), [(1, 1), (32, 1), (33, 2), (1000, 32), (5000, 125), (9472, 128), (70_001, 274)]
)
def test_machines_are_as_documented(n, n_machines):
    indices = np.random.default_rng(n).integers(-9, 9, n).astype(np.int32)
    assert mirrored_entries(indices).tolist() == _by_the_book(indices, n_machines)


def test_a_new_block_starts_afresh():
    indices = np.random.default_rng(1).integers(-9, 9, N_BLOCK + 300).astype(np.int32)
    assert np.array_equal(mirrored_entries(indices)[:N_BLOCK], mirrored_entries(indices[:N_BLOCK]))
    assert np.array_equal(mirrored_entries(indices)[N_BLOCK:], mirrored_entries(indices[N_BLOCK:]))


def test_no_other_indices_have_a_smaller_error():
    entries = _entries(7, scale=2.0, seed=3)
    found = float(np.square(_centres(trellis_indices(entries)) - entries).sum(dtype=np.float64))
    least = min(_path_error(entries, parities) for parities in itertools.product((0, 1), repeat=len(entries)))
    assert found == pytest.approx(least, rel=1e-5)


def _path_error(entries, parities):
    s2 = s1 = s0 = 0
    error = 0.0
    for entry, parity in zip(entries.tolist(), parities, strict=True):
        centres = (np.arange(-20, 20) * 2 + parity + 0.25) * (-1 if s0 else 1)
        error += np.square(centres - entry).min()
        s2, s1, s0 = s0, s2 ^ s0 ^ parity, s1 ^ s0
    return error


@pytest.mark.parametrize("n", [0, 1, 2, 100, 257, 5000, N_BLOCK + 1])
def test_every_entry_is_within_a_step_of_what_is_decoded(n):
    entries = _entries(n, scale=5.0)
    indices = trellis_indices(entries)
    assert indices.shape == (n,)
    assert np.abs(_centres(indices) - entries).max(initial=0) <= 1


def test_the_error_is_1_db_below_that_of_plain_rounding():
    entries = _entries(300_000, scale=8.0)
    error = np.square(_centres(trellis_indices(entries)) - entries).mean(dtype=np.float64)
    plain = np.square(np.rint(entries) - entries).mean(dtype=np.float64)
    assert 10 * np.log10(plain / error) == pytest.approx(1.05, abs=0.05)


def _shannon_bits(source, nmse):
    return 0.5 * np.log2((1 if source == "gaussian" else np.e / np.pi) / nmse)


@pytest.mark.parametrize(
    ("source", "step", "dead_zone", "bits"),
    [
        ("gaussian", 1.6, 0.5, 1.5),
        ("gaussian", 1.0, 0.5, 2.1),
        ("gaussian", 0.25, 0.5, 4.05),
        ("laplace", 1.4, 0.55, 1.5),
        ("laplace", 1.0, 0.55, 1.95),
        ("laplace", 0.25, 0.5, 3.95),
    ],
)
def test_real_bytes_are_within_a_tenth_of_a_bit_of_the_shannon_bound(source, step, dead_zone, bits):
    rng = np.random.default_rng(7)
    values = (rng.standard_normal(10**6) if source == "gaussian" else rng.laplace(0, 0.5**0.5, 10**6)).astype("f4")
    indices = trellis_indices(values / np.float32(step), dead_zone)
    symbols = (indices - indices.min()).astype(np.uint32)
    n_symbols = int(symbols.max()) + 1
    folded = fold(values, mirrored_entries(indices))
    counts = np.bincount(symbols)
    means = (np.bincount(symbols, weights=folded) / np.maximum(counts, 1)).astype(np.float32)

    body = encode_symbols(symbols, n_symbols) + means.tobytes()
    reader = BodyReader(body)
    received = decode_symbols(reader, 10**6, n_symbols, "indices").astype(np.int32) + indices.min()
    decoded = fold(reader.float32(n_symbols, "means")[received - indices.min()], mirrored_entries(received))

    payload_bits = 8 * len(body) / 10**6
    nmse = np.square(decoded - values).sum(dtype=np.float64) / np.square(values).sum(dtype=np.float64)
    assert payload_bits == pytest.approx(bits, abs=0.1)
    assert 0.06 < payload_bits - _shannon_bits(source, nmse) < 0.1


def test_largest_bounds_indices_and_marks_every_entry_that_was_cut_off():
    entries = _entries(50_000, scale=4.0)
    entries[::1000] = 3e38
    entries[1::1000] = -3e38
    indices = trellis_indices(entries, largest=7)
    assert np.abs(indices).max() == 7
    cut_off = np.abs(entries) > 7 - 0.75
    assert np.abs(indices[cut_off]).min() >= 5
    assert np.abs(_centres(indices) - entries)[~cut_off].max() <= 1


def test_indices_stay_exact_up_to_the_default_bound():
    entries = np.array([1e6 - 0.25, -1e6 + 0.25, 3e38, -3e38] * 100, dtype=np.float32)
    indices = trellis_indices(entries)
    within = np.abs(entries) < 2e6
    assert np.abs(_centres(indices) - entries)[within].max() <= 1
    assert np.abs(indices).max() <= 2**20


@pytest.mark.parametrize("value", [0.0, 1e-45, 0.25, -17.0])
def test_constant_entries_round_trip(value):
    entries = np.full(1000, value, dtype=np.float32)
    assert np.abs(_centres(trellis_indices(entries)) - entries).max() <= 1


def test_small_entries_have_no_rate_in_a_wide_dead_zone():
    entries = np.random.default_rng(5).uniform(-0.2, 0.2, 10_000).astype(np.float32)
    assert set(trellis_indices(entries, dead_zone=0.7).tolist()) == {0}


def test_any_indices_decode_to_finite_values():
    extremes = np.array([-(2**31), 2**31 - 1, 0, -1] * 1000, dtype=np.int32)
    assert np.isfinite(_centres(extremes)).all()


def test_arguments_are_not_changed_and_the_search_is_deterministic():
    entries = _entries(5000)
    before = entries.copy()
    assert np.array_equal(trellis_indices(entries, 0.6), trellis_indices(entries, 0.6))
    assert np.array_equal(entries, before)
    mirrored = mirrored_entries(trellis_indices(entries))
    assert np.array_equal(fold(fold(entries, mirrored), mirrored), entries)
