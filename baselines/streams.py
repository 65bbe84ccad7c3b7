"""Writes runs of symbols as one entropy-coded stream at the end of a body. Used by every codec with ``coding: ans``.

Wire format: nothing if no run has symbols; else the words of one stream (`harness.wire.entropy`), in which each run has
a histogram of its own. Runs may be tensors, whose sizes both ends know.

References:
    Duda, "Asymmetric numeral systems", arXiv 1311.2540, 2013.
    Bamler, "Understanding Entropy Coding With Asymmetric Numeral Systems (ANS)", arXiv 2201.01741, 2022.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from harness.core.types import Layout
from harness.wire.entropy import AnsReader, AnsWriter
from harness.wire.groups import Symbols


def write_runs(runs: Iterable[Symbols], n_symbols: int) -> bytes:
    """Runs of unsigned symbols below `n_symbols`, each of shape (n,), as one stream."""
    writer, is_empty = AnsWriter(), True
    for run in runs:
        writer.symbols(run, n_symbols)
        is_empty = is_empty and not run.size
    return b"" if is_empty else writer.finish()


def read_runs(words: bytes, sizes: Sequence[int], n_symbols: int, what: str) -> Symbols:
    """What `write_runs` wrote, the runs one behind the other, of the narrowest dtype that holds ``n_symbols - 1``.

    Args:
        words: all of the stream and nothing else.
        sizes: of the runs.
        n_symbols: size of the alphabet.
        what: names the symbols in errors.

    Raises:
        PayloadError: the words are no such stream.
    """
    table: Symbols = np.arange(n_symbols, dtype=np.uint32).astype(np.min_scalar_type(n_symbols - 1))
    symbols = np.empty_like(table, shape=sum(sizes))
    stream, start = AnsReader(words, what), 0
    for size in sizes:
        stream.values(table, symbols[start : start + size])
        start += size
    if symbols.size or words:
        stream.finish()
    return symbols


def write_tensors(symbols: Symbols, layout: Layout, n_symbols: int) -> bytes:
    """One symbol per entry of `layout`, a run per tensor."""
    return write_runs((symbols[place] for _, place in layout.slices()), n_symbols)


def read_tensors(words: bytes, layout: Layout, n_symbols: int, what: str) -> Symbols:
    """What `write_tensors` wrote; see `read_runs`."""
    return read_runs(words, [tensor.size for tensor in layout.tensors], n_symbols, what)
