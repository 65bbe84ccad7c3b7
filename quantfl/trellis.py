"""Computes trellis-coded rounding: same indices on the wire as plain rounding, about 1 dB less error at the same rate.

Plain rounding gives an entry x (in steps) the nearest integer k and decodes k. Here two quantisers take turns: the
upright one decodes index k to ``k + 1/4``, its mirror image to ``-(k + 1/4)``. Which one an entry has depends on the
parities of the indices before it, by the state machine below, so both ends know it and nothing is sent besides the
indices. The encoder picks, among all sequences of indices, the one with the smallest squared error (Viterbi search).
As one quantiser is the mirror image of the other, indices of both have the same distribution if the entries are
symmetric about 0, and one histogram serves all of them: an entropy coder need not know of the trellis.

State machine: three bits, ``(s2, s1, s0)``, 0 at the start. An entry is mirrored if ``s0`` is set; with p the parity
of its index, the next state is ``(s0, s2 ^ s0 ^ p, s1 ^ s0)``. With the quantisers' values numbered in ascending
order, this is Ungerboeck's 8-state code for amplitudes (parity checks 13 and 04, octal).

Machines run side by side, so that numpy steps all of them at once. The n entries are cut into blocks of 256 * 4096;
the last one is shorter. A block of m entries has ``w = ceil(m / r)`` machines with r, at least 32 and at most 256, as
near to ``ceil(m / 128)`` as that, and its entry i belongs to machine ``i mod w``. Starting afresh costs about 1.3 bits
a machine: 0.005 bit an entry for an m of 32,768 and more, up to 0.04 for fewer, which are not worth many rows.

Bias: deterministic; no unbiased form. Error of an entry decoded to ``+-(k + 1/4)``: at most 1 step, and
``dead_zone - 1/2`` more; mean square 0.066 steps^2 at high rate, where plain rounding has 1/12. Below about 3 bits an
entry, decode to the mean of the `fold`-ed entries of each index instead: no index stands for 0, and at 2 bits this is
worth 0.05 bit. Below about 0.7 bit an entry, plain rounding with a dead zone is as good or better.

References:
    Ungerboeck, "Channel coding with multilevel/phase signals", IEEE Trans. Information Theory 28(1), 1982 (code).
    Marcellin, Fischer, "Trellis coded quantization of memoryless and Gauss-Markov sources", IEEE Trans.
    Communications 38(1), 1990.
    Kasner, Marcellin, Hunt, "Universal trellis coded quantization", IEEE Trans. Image Processing 8(12), 1999 (uniform
    codebooks, one entropy code for both quantisers).
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from harness.core.types import Float32

Bool = NDArray[np.bool_]
Int32 = NDArray[np.int32]

_LEAST_ROWS = 32
_MOST_ROWS = 256
_BLOCK = _MOST_ROWS * 4096
_ENTRIES_PER_ROW = 128

# Entries whose costs are computed at a time: they stay in the cache of a core.
_IN_WORK = 1 << 14

# The state before an index, by the state after it and the parity of the index; states as numbers 4 q2 + 2 q1 + q0.
_BEFORE = np.array(
    [[4 * (q1 ^ q2 ^ parity) + 2 * (q0 ^ q2) + q2 for parity in (0, 1)] for q2, q1, q0 in np.ndindex(2, 2, 2)],
    dtype=np.uint8,
).reshape(-1)


def trellis_indices(scaled: Float32, dead_zone: float = 0.5, largest: int = 2**20, out: Int32 | None = None) -> Int32:
    """The indices with the smallest squared error.

    Args:
        scaled: entries in steps, float32, shape (n,), no NaN.
        dead_zone: 0.5 to 1; entries move towards 0 by up to ``dead_zone - 0.5`` steps before the search, as with plain
            rounding and a zero bucket of this half-width. Saves rate where small entries abound; best with means.
        largest: at least 2; no index has a larger magnitude. An entry that is cut off for it, because it is beyond
            ``largest - 3/4``, has an index of magnitude ``largest - 2`` or more.
        out: where the indices go, which may be the memory of `scaled`; None for a fresh array.

    Returns:
        int32, shape (n,).

    >>> trellis_indices(np.array([0.3, 0.8, -7.2, 0.0], dtype=np.float32)).tolist()
    [0, 1, -7, 0]
    """
    indices = np.empty(scaled.size, dtype=np.int32) if out is None else out
    for place, n_rows, width in _blocks(scaled.size):
        entries = np.zeros((n_rows, width), dtype=np.float32)
        block = entries.reshape(-1)[: place.stop - place.start]
        np.clip(scaled[place], np.float32(0.75 - largest), np.float32(largest - 0.75), out=block)
        if dead_zone > 0.5:
            block -= np.clip(block, np.float32(0.5 - dead_zone), np.float32(dead_zone - 0.5))
        parities, mirrored = _best_path(*_search(entries))
        _round(entries, parities, mirrored)
        indices[place] = block
    return indices


def mirrored_entries(indices: NDArray[np.integer]) -> Bool:
    """Which entries have the mirrored quantiser: bool, shape (n,).

    Any indices will do. Only their parities matter, so symbols that are indices plus an even number do as well.

    >>> mirrored_entries(np.array([0, 1, -7, 0], dtype=np.int32)).tolist()
    [False, False, False, True]
    """
    mirrored = np.empty(indices.size, dtype=np.bool_)
    for place, n_rows, width in _blocks(indices.size):
        parities = np.zeros((n_rows, width), dtype=np.bool_)
        np.bitwise_and(indices[place], 1, out=parities.reshape(-1)[: place.stop - place.start], casting="unsafe")
        rows = np.empty((n_rows, width), dtype=np.bool_)
        s2 = s1 = s0 = np.zeros(width, dtype=np.bool_)
        for row, parity in zip(rows, parities, strict=True):
            row[:] = s0
            s2, s1, s0 = s0, s2 ^ s0 ^ parity, s1 ^ s0
        mirrored[place] = rows.reshape(-1)[: place.stop - place.start]
    return mirrored


def fold(values: Float32, mirrored: Bool) -> Float32:
    """Values with the sign of mirrored entries turned, in a fresh array; its own inverse.

    Folded entries of one index lie around ``index + 1/4`` steps, whichever quantiser they had: bucket means are means
    of folded entries, and a decoded entry is what its index stands for, folded.
    """
    return np.where(mirrored, -values, values)


def _blocks(n: int) -> Iterator[tuple[slice, int, int]]:
    """Place, rows and width of each block; the last row may be longer than what is left."""
    for start in range(0, n, _BLOCK):
        stop = min(start + _BLOCK, n)
        size = stop - start
        width = -(-size // min(max(-(-size // _ENTRIES_PER_ROW), _LEAST_ROWS), _MOST_ROWS))
        yield slice(start, stop), -(-size // width), width


def _search(entries: Float32) -> tuple[Float32, NDArray[np.uint8]]:
    """Forward half of the Viterbi search.

    Args:
        entries: float32, shape (rows, width); every column is a machine.

    Returns:
        The least cost of a path to each final state, float32, shape (8, width), and for each row the states, a bit
        each, after which the last index of the best path to them is odd: uint8, shape (rows, width), lowest state
        first. States are ``4 q2 + 2 q1 + q0``.
    """
    n_rows, width = entries.shape
    costs = np.full((2, 2, 2, width), np.inf, dtype=np.float32)
    costs[0, 0, 0] = 0
    if_even, if_odd = np.empty_like(costs), np.empty_like(costs)
    # Costs from states (s2, s1), the upright ones and the mirrored ones, in the order of the states they lead to.
    upright, mirrored = costs[:, :, 0], costs[:, :, 1]
    odd_upright, even_mirrored, odd_mirrored = upright[::-1], mirrored[::-1, ::-1], mirrored[:, ::-1]
    n_at_once = max(1, _IN_WORK // width)
    choices = np.empty((n_at_once, 8, width), dtype=np.bool_)
    odd_states = np.empty((n_rows, width), dtype=np.uint8)
    for start in range(0, n_rows, n_at_once):
        rows = entries[start : start + n_at_once]
        for added, is_odd in zip(_index_costs(rows), choices.reshape(-1, 2, 2, 2, width), strict=False):
            np.add(upright, added[0, 0], out=if_even[0])
            np.add(odd_upright, added[0, 1], out=if_odd[0])
            np.add(even_mirrored, added[1, 0], out=if_even[1])
            np.add(odd_mirrored, added[1, 1], out=if_odd[1])
            np.less(if_odd, if_even, out=is_odd)
            np.minimum(if_even, if_odd, out=costs)
        odd_states[start : start + n_at_once] = _as_bits(choices[: len(rows)])
    return costs.reshape(8, width), odd_states


def _index_costs(rows: Float32) -> Float32:
    """Squared error of the best index by quantiser (upright, mirrored) and parity (even, odd), over 4.

    Indices of one parity are 2 steps apart; halved, an entry's distance to the nearest even one is its distance to an
    integer, and to the nearest odd one what is left to 1/2.

    Returns:
        float32, shape (rows, 2, 2, width).
    """
    costs = np.empty((len(rows), 2, 2, rows.shape[1]), dtype=np.float32)
    even, odd = costs[:, :, 0], costs[:, :, 1]
    np.multiply(rows[:, None], np.float32(0.5), out=even)
    even[:, 0] -= np.float32(0.125)
    even[:, 1] += np.float32(0.125)
    even -= np.rint(even, out=odd)
    np.abs(even, out=even)
    np.subtract(np.float32(0.5), even, out=odd)
    np.multiply(costs, costs, out=costs)
    return costs


def _as_bits(choices: Bool) -> NDArray[np.uint8]:
    """Eight bits as one number, the first one lowest: shape (rows, 8, width) to (rows, width)."""
    bits = choices.view(np.uint8)
    number = bits[:, 7].copy()
    for state in range(6, -1, -1):
        number <<= 1
        number |= bits[:, state]
    return number


def _best_path(costs: Float32, odd_states: NDArray[np.uint8]) -> tuple[Bool, Bool]:
    """Backward half: parity of the index and whether the quantiser is mirrored, bool, shape (rows, width) each.

    Args:
        costs: from `_search`.
        odd_states: likewise.
    """
    state = costs.argmin(axis=0).astype(np.uint8)
    parities, states = np.empty_like(odd_states), np.empty_like(odd_states)
    for row in range(len(odd_states) - 1, -1, -1):
        states[row] = state
        parity = np.right_shift(odd_states[row], state, out=parities[row])
        np.bitwise_and(parity, 1, out=parity)
        state <<= 1
        state |= parity
        np.take(_BEFORE, state, out=state, mode="clip")
    states >>= 2
    return parities.view(np.bool_), states.view(np.bool_)


def _round(entries: Float32, parities: Bool, mirrored: Bool) -> None:
    """Entries to the nearest index of the given parity in the given quantiser, in place."""
    np.negative(entries, out=entries, where=mirrored)
    entries -= parities
    entries -= np.float32(0.25)
    entries *= np.float32(0.5)
    np.rint(entries, out=entries)
    entries *= 2
    entries += parities
