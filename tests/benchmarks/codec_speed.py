"""Speed of encoding and decoding an update of EfficientNet-Lite0's shapes, beside size, error and memory.

``python -m tests.benchmarks.codec_speed [WORD ...]`` prints one table; with words, of what has one of them in its name.
Times are CPU seconds of all threads, the best of several calls, so that they are per core; MB are of float32. Bits are
per parameter, frame and side information included; nMSE is that of a client's first payload. The entries are i.i.d.
Laplace, for which the least bits at a given error are known: ``over bound`` is what is sent beyond them. Peak memory is
what a call needs beside its arguments, its result included, in sizes of the update. Other projects' codecs take part
where they are installed.
"""

import argparse
import ctypes
import gc
import math
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits

from harness.core.types import Float32, Layout
from tests.benchmarks.contenders import Contender, alternatives, as_vector, ours
from tests.benchmarks.peers import peers
from tests.factories import make_layout, make_update

BLOCKS = (
    (1, 3, 1, 32, 16),
    (2, 3, 6, 16, 24),
    (2, 5, 6, 24, 40),
    (3, 3, 6, 40, 80),
    (3, 5, 6, 80, 112),
    (4, 5, 6, 112, 192),
    (1, 3, 6, 192, 320),
)
"""Repeats, kernel, expansion, channels in and out of the inverted bottlenecks of EfficientNet-Lite0."""


@dataclass(frozen=True)
class Row:
    """What was measured of one contender.

    Attributes:
        bits: of what travels, per parameter.
        nmse: squared error relative to the squared entries.
        encode_s: CPU seconds, the best of several.
        decode_s: the same.
        memory: most memory beyond what there was before, in sizes of the update; the result counts.
    """

    contender: Contender
    bits: float
    nmse: float
    encode_s: float
    decode_s: float
    memory: float | None

    @property
    def gap(self) -> float | None:
        """Bits above Shannon's lower bound for a Laplace source at the same squared error."""
        return self.bits - 0.5 * math.log2(math.e / math.pi / self.nmse) if 1e-12 < self.nmse < 0.8 else None


def lite0_layout() -> Layout:
    """Trained tensors of EfficientNet-Lite0: 4,652,008 parameters in 150 tensors or so."""

    def normalised(*shape: int) -> list[tuple[int, ...]]:
        return [shape, shape[:1], shape[:1]]

    shapes = normalised(32, 3, 3, 3)
    for repeats, kernel, expansion, first, out in BLOCKS:
        for channels in [first] + [out] * (repeats - 1):
            inner = channels * expansion
            if expansion > 1:
                shapes += normalised(inner, channels, 1, 1)
            shapes += normalised(inner, 1, kernel, kernel) + normalised(out, inner, 1, 1)
    return make_layout(*shapes, *normalised(1280, 320, 1, 1), (1000, 1280), (1000,))


def measured(contender: Contender, values: Float32, seconds: float) -> Row:
    """A contender's row; each operation is repeated for at least `seconds`, and at least twice."""
    sent = contender.encode(values)
    decoded = np.asarray(as_vector(contender, contender.decode(sent)), dtype=np.float64)
    nmse = float(np.sum((decoded - values) ** 2) / np.sum(values.astype(np.float64) ** 2))
    del decoded
    peaks = [_peak_memory(lambda: contender.encode(values)), _peak_memory(lambda: contender.decode(sent))]
    return Row(
        contender,
        bits=8 * contender.n_bytes(sent) / values.size,
        nmse=nmse,
        encode_s=_best(lambda: contender.encode(values), seconds),
        decode_s=_best(lambda: contender.decode(sent), seconds),
        memory=None if None in peaks else max(peaks) / values.nbytes,
    )


def _best(operation: Callable[[], Any], seconds: float) -> float:
    times: list[float] = []
    while len(times) < 2 or sum(times) < seconds:
        start = time.process_time()
        operation()
        times.append(time.process_time() - start)
    return min(times)


def _peak_memory(operation: Callable[[], Any]) -> int | None:
    """Bytes by which resident memory grew at most during a call; None where the system does not tell."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # so that memory freed before is not used again unseen
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forget the peak so far
        before = _kilobytes("VmRSS")
        operation()
        return 1024 * (_kilobytes("VmHWM") - before)
    except (OSError, AttributeError):
        return None


def _kilobytes(field: str) -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith(field)).split()[1])


def printed(rows: list[Row], n_bytes: int) -> Table:
    """The rows as a table; speeds in MB of float32 per CPU second."""
    table = Table()
    headings = ("", "bits", "nMSE", "over bound", "encode MB/s", "decode MB/s", "both MB/s", "peak memory")
    for heading in headings:
        table.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    for row in rows:
        speeds = (row.encode_s, row.decode_s, row.encode_s + row.decode_s)
        table.add_row(
            row.contender.name,
            f"{row.bits:.3f}",
            f"{row.nmse:.2e}" if row.nmse else "0",
            "" if row.gap is None else f"{row.gap:.3f}",
            *(f"{n_bytes / 1e6 / seconds:,.0f}" if seconds else "" for seconds in speeds),
            "" if row.memory is None else f"{row.memory:.1f}",
        )
    return table


def _selected(words: list[str], layout: Layout, notes: list[str]) -> Iterator[Contender]:
    for contender in chain(alternatives(layout), ours(layout), peers(layout)):
        if isinstance(contender, str):
            notes.append(contender)
        elif not words or any(word.lower() in contender.name.lower() for word in words):
            yield contender


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD", help="only what has one of these in its name")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long to repeat each operation (default 1)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    layout, notes = lite0_layout(), list[str]()
    values = make_update(layout).values
    rows = []
    with threadpool_limits(1):
        for contender in _selected(options.words, layout, notes):
            print(contender.name, file=sys.stderr)
            rows.append(measured(contender, values, options.seconds))
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(f"{layout.size:,} float32 in {len(layout.tensors)} tensors, i.i.d. Laplace")
    console.print(printed(rows, layout.reference_bytes))
    console.print(f"load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f} of {os.cpu_count()} cores")
    for note in notes:
        console.print(note, highlight=False)


if __name__ == "__main__":
    main()
