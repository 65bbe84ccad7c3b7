"""The benchmark of codecs measures what it says; how fast they are is no matter of tests."""

import numpy as np
import pytest
from rich.console import Console

from baselines.linear8 import Linear8
from tests.benchmarks.codec_speed import lite0_layout, measured, printed
from tests.benchmarks.contenders import Contender, alternatives, of_codec, ours
from tests.benchmarks.peers import peers
from tests.factories import make_layout, make_update

LAYOUT = make_layout((300, 100), (100,))


def test_the_layout_has_the_parameters_of_efficientnet_lite0():
    # As published with the model: 4.65 million.
    assert lite0_layout().size == 4_652_008


def test_a_row_of_a_codec():
    values = make_update(LAYOUT).values
    row = measured(of_codec("linear8", Linear8(), LAYOUT), values, seconds=0.01)
    assert row.bits == pytest.approx(8 * (12 + 16 + LAYOUT.size) / LAYOUT.size)
    steps = [(values[part].max() - values[part].min()) / 255 for part in (slice(30_000), slice(30_000, None))]
    expected = (30_000 * steps[0] ** 2 + 100 * steps[1] ** 2) / 12 / np.sum(values**2)
    assert row.nmse == pytest.approx(expected, rel=0.05)
    assert row.gap == pytest.approx(row.bits - 0.5 * np.log2(np.e / np.pi / row.nmse))
    assert row.encode_s > 0 and row.decode_s > 0
    console = Console(width=120)
    with console.capture() as output:
        console.print(printed([row], LAYOUT.reference_bytes))
    assert "linear8" in output.get() and f"{row.bits:.3f}" in output.get()


def test_memory_that_is_allocated_is_seen():
    def wasteful(values):
        return np.ones(50 * values.size, dtype=np.float32)[: values.size] + values

    layout = make_layout((1_000_000,))
    row = measured(Contender("test", "wasteful", wasteful, np.copy, len), make_update(layout).values, seconds=0)
    assert row.memory is None or row.memory == pytest.approx(51, rel=0.1)


def test_every_codec_takes_part_and_what_is_no_codec_gives_the_floats_back():
    names = {contender.name for contender in ours(LAYOUT)}
    assert {"float32", "signsgd", "quantfl", "quantfl-paper", "topk: ratio 0.01"} <= names
    values = make_update(LAYOUT).values
    for contender in alternatives(LAYOUT):
        if contender.name != "constriction, bare":
            np.testing.assert_array_equal(contender.decode(contender.encode(values)), values)


def test_a_peer_that_is_not_installed_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.path_importer_cache", {})
    lines = list(peers(LAYOUT))
    assert all(isinstance(line, str) and "pip install --no-deps" in line for line in lines)
    assert len(lines) == 3
