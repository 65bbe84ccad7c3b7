"""Encoding and decoding a million entries, beside what a user would otherwise reach for.

Not part of the fast suite: ``pytest tests/benchmarks/test_codec_speed.py --benchmark-columns=min,median``.
``extra_info`` carries the payload's bytes, so that speed is read together with size. The alternatives are not all
codecs: ``astype(int8)`` keeps neither range nor outliers, and stands for the least that quantising can cost.
"""

import io
import pickle
import zlib

import numpy as np
import pytest
import torch

from tests.contracts.codec_examples import EXAMPLES
from tests.factories import AGREED, encode, make_layout, make_update

LAYOUT = make_layout((900, 1000), (100_000,))
VALUES = make_update(LAYOUT).values


def torch_save(values):
    buffer = io.BytesIO()
    torch.save(torch.from_numpy(values), buffer)
    return buffer.getvalue()


def torch_save_half(values):
    buffer = io.BytesIO()
    torch.save(torch.from_numpy(values).half(), buffer)
    return buffer.getvalue()


def astype_int8(values):
    return (values * (127 / np.abs(values).max())).astype(np.int8).tobytes()


def torch_quantize_per_tensor(values):
    """What ships with torch: affine 8 bits, the int8 tensor only, without its scale."""
    quantised = torch.quantize_per_tensor(torch.from_numpy(values), float(values.max()) / 127, 0, torch.qint8)
    return quantised.int_repr().numpy().tobytes()


ALTERNATIVES = {
    "tobytes": lambda values: values.tobytes(),
    "pickle": lambda values: pickle.dumps(values, protocol=5),
    "torch.save": torch_save,
    "torch.save half": torch_save_half,
    "astype int8": astype_int8,
    "torch.quantize_per_tensor": torch_quantize_per_tensor,
    "zlib level 1": lambda values: zlib.compress(values.tobytes(), 1),
}


@pytest.mark.benchmark(group="encode")
@pytest.mark.parametrize("name", EXAMPLES)
def test_encode(benchmark, name):
    update = make_update(LAYOUT)
    body, _ = benchmark(encode, EXAMPLES[name], update)
    benchmark.extra_info["bytes"] = len(body)


@pytest.mark.benchmark(group="encode")
@pytest.mark.parametrize("name", ALTERNATIVES)
def test_encode_otherwise(benchmark, name):
    benchmark.extra_info["bytes"] = len(benchmark(ALTERNATIVES[name], VALUES))


@pytest.mark.benchmark(group="decode")
@pytest.mark.parametrize("name", EXAMPLES)
def test_decode(benchmark, name):
    body, _ = encode(EXAMPLES[name], make_update(LAYOUT))
    assert benchmark(EXAMPLES[name].decode, body, LAYOUT, AGREED).values.size == LAYOUT.size


@pytest.mark.benchmark(group="decode")
def test_decode_torch_load(benchmark):
    saved = torch_save(VALUES)
    loaded = benchmark(lambda: torch.load(io.BytesIO(saved), weights_only=True))
    np.testing.assert_array_equal(loaded.numpy(), VALUES)


@pytest.mark.benchmark(group="decode")
def test_decode_zlib(benchmark):
    packed = zlib.compress(VALUES.tobytes(), 1)
    assert benchmark(zlib.decompress, packed) == VALUES.tobytes()
