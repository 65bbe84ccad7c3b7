"""Groups several symbols into one larger symbol, which is faster to code; rare symbols are kept out of groups.

Of symbols 0 to w - 1, up to a 32nd of all weight is cut off at either end: symbols from `first` on, `n_core` of them,
are left. If that makes for larger groups, all symbols that were cut off are one *mark* for the time being, number
`n_core`, and what they are follows later: symbols of which the core has been taken out. Else nothing is cut off.

A group of g neighbouring symbols below m is ``s[0] m**(g-1) + ... + s[g-1]``. g is the largest of 1, 2 and 4 with
``m**g <= min(2**14, count / 8)``, where there are `count` symbols.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Symbols = NDArray[np.unsignedinteger]

_MAX_GROUPS = 1 << 14
_BLOCK = 1 << 15

# Share of the weights that may be cut off at either end.
_CUT_OFF = 1 / 32

# Items of so many bytes, to be moved as they are.
_ITEMS = {1: "u1", 2: "u2", 4: "u4", 8: "u8", 16: "c16"}


class Grouping(NamedTuple):
    """How symbols below `width` are put together.

    Attributes:
        width: w.
        first: the first symbol of the core.
        n_core: symbols in the core; `width` if nothing is cut off.
        size: symbols in a group.
    """

    width: int
    first: int
    n_core: int
    size: int

    @property
    def has_marks(self) -> bool:
        """Whether symbols are cut off."""
        return self.n_core < self.width

    @property
    def n_kinds(self) -> int:
        """Symbols of the core, and the mark if there is one: m."""
        return self.n_core + self.has_marks

    def core(self, table: NDArray[Any]) -> NDArray[Any]:
        """What belongs to the core, of a table of all symbols; what belongs to the mark has to be appended."""
        return table[self.first : self.first + self.n_core]

    def ends(self, table: NDArray[Any]) -> NDArray[Any]:
        """What belongs to the symbols that are cut off."""
        return np.concatenate([table[: self.first], table[self.first + self.n_core :]])

    def group_weights(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of groups of independent symbols."""
        products = np.append(self.core(weights), self.end_weights(weights).sum()) if self.has_marks else weights
        size = self.size
        while size > 1:
            products = np.multiply.outer(products, products).reshape(-1)
            size //= 2
        return products

    def end_weights(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weights of the symbols that are cut off; equal if none should occur."""
        ends = self.ends(weights)
        return ends if ends.any() else np.ones_like(ends)

    def grouped(self, symbols: Symbols, low: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Groups, and the symbols that are cut off.

        Args:
            symbols: shape (n,), from `low` to ``low + w - 1``; the last ``n mod size`` are left out.
            low: subtracted from all of them.
        """
        groups = np.empty(len(symbols) // self.size, dtype=np.int32)
        ends = [np.zeros(0, dtype=np.int32)]
        for start in range(0, len(groups), _BLOCK):
            block = groups[start : start + _BLOCK]
            part = symbols[start * self.size : (start + len(block)) * self.size]
            members: Symbols = part - part.dtype.type(low + self.first)  # what is below 0 wraps to the far end
            if self.has_marks:
                cut_off = part[np.flatnonzero(members >= self.n_core)].astype(np.int32) - low
                ends.append(np.where(cut_off < self.first, cut_off, cut_off - self.n_core))
                np.minimum(members, part.dtype.type(self.n_core), out=members)
            block[:] = _joined(members, self.n_kinds, self.size)
        return groups, np.concatenate(ends)

    def put(self, groups: NDArray[np.int32], table: NDArray[Any], out: NDArray[Any]) -> NDArray[np.int64]:
        """``out = table[symbols]``, shape (n,), of groups; where in `out` marks are, which are yet to be replaced."""
        core = np.append(self.core(table), table[:1]) if self.has_marks else table
        items, target = _tuples(core, self.size), out.view(_ITEMS[self.size * out.itemsize])
        places = [np.zeros(0, dtype=np.int64)]
        for start in range(0, len(groups), _BLOCK):
            np.take(items, groups[start : start + _BLOCK], out=target[start : start + _BLOCK], mode="clip")
        if self.has_marks:
            marks = _tuples(np.arange(self.n_kinds) == self.n_core, self.size)
            for start in range(0, len(groups), _BLOCK):
                is_mark = np.take(marks, groups[start : start + _BLOCK], mode="clip").view(np.bool_)
                places.append(np.flatnonzero(is_mark) + start * self.size)
        return np.concatenate(places)


def grouping(weights: NDArray[np.float64], count: int) -> Grouping:
    """How `count` symbols with these weights, integers of at most 2**53 together, are put together."""
    width = len(weights)
    size = _group_size(width, count)
    if size < 4:
        sums = np.cumsum(weights)
        cut_off = sums[-1] * _CUT_OFF
        first, last = np.searchsorted(sums, cut_off, side="right"), np.searchsorted(sums, sums[-1] - cut_off)
        n_core = int(last - first) + 1
        larger = _group_size(n_core + 1, count)
        if larger > size:
            return Grouping(width, int(first), n_core, larger)
    return Grouping(width, 0, width, size)


def counted(symbols: Symbols, low: int, width: int) -> NDArray[np.int64]:
    """How often each symbol from `low` to ``low + width - 1`` occurs."""
    plain = Grouping(width, 0, width, min(_group_size(width, len(symbols)), 2))
    n_grouped = len(symbols) // plain.size * plain.size
    counts = np.bincount(symbols[n_grouped:] - symbols.dtype.type(low), minlength=width)
    for start in range(0, n_grouped, _BLOCK):
        pairs, _ = plain.grouped(symbols[start : min(start + _BLOCK, n_grouped)], low)
        found = np.bincount(pairs, minlength=width**plain.size)
        if plain.size == 2:  # one of many equal symbols waits for the other before it is counted; pairs are fewer
            square = found.reshape(width, width)
            found = square.sum(axis=0) + square.sum(axis=1)
        counts += found
    return counts


def _group_size(n_kinds: int, count: int) -> int:
    return max(size for size in (1, 2, 4) if size == 1 or n_kinds**size <= min(_MAX_GROUPS, count // 8))


def _joined(symbols: Symbols, n_kinds: int, size: int) -> Symbols:
    """Groups of neighbours as one number each; with more than one to a group, symbols are below 128."""
    if size == 1:
        return symbols
    joined = symbols.astype(np.uint8, copy=False)
    while size > 1:
        pairs: Symbols = joined.view(f"<u{2 * joined.itemsize}")
        bits, kinds = pairs.dtype.type(8 * joined.itemsize), pairs.dtype.type(n_kinds)
        upper = pairs >> bits
        joined = (pairs - (upper << bits)) * kinds + upper
        n_kinds, size = n_kinds**2, size // 2
    return joined


def _tuples(table: NDArray[Any], size: int) -> NDArray[Any]:
    """Values of groups, ``table[s[0]], ..., table[s[g-1]]``, as items of up to 16 bytes."""
    items = table.view(_ITEMS[table.itemsize])
    while size > 1:
        pairs = np.empty((len(items), len(items), 2), dtype=items.dtype)
        pairs[:, :, 0] = items[:, None]
        pairs[:, :, 1] = items
        items = pairs.reshape(-1).view(_ITEMS[2 * items.itemsize])
        size //= 2
    return items
