"""Codecs of other projects, where they are installed: no dependency of ours, and none of theirs beside numpy and torch.

Only the modules that code numbers are loaded. The packages around them import web servers, data sets and whole
frameworks; empty packages stand in for these, so that ``pip install --no-deps --target FOLDER`` and then
``PYTHONPATH=FOLDER`` are enough. They are called as their own documentation does: tensor by tensor.
"""

import importlib
import importlib.machinery
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import numpy as np
import torch

from harness.core.types import Float32, Layout
from tests.benchmarks.contenders import Contender

HIVEMIND = "hivemind==1.1.12"
OPENFL = "openfl==1.9"
NNCODEC = "nncodec==2.1.3"

NNC_QP = -28
"""Quantisation parameter of NNCodec: a step of 2**-7, 0.55 standard deviations of the update here."""

_SEED = 1
_RAW_BELOW = 1000
"""Entries up to which OpenFL sends a tensor as float32: the threshold that its documentation names."""


def peers(layout: Layout) -> Iterator[Contender | str]:
    """Contenders, or for a peer that is not there one line that says why and what to install."""
    for requirement, contenders in ((HIVEMIND, _hivemind), (OPENFL, _openfl), (NNCODEC, _nncodec)):
        try:
            yield from contenders(layout)
        except (ImportError, OSError) as error:
            yield (
                f"{requirement} was left out: {error}. "
                f"pip install --no-deps --target FOLDER {requirement}, then PYTHONPATH=FOLDER"
            )


def _shell(name: str) -> None:
    """Put a package into ``sys.modules`` without running it, so that single modules of it can be imported."""
    parent = sys.modules[name.rpartition(".")[0]].__path__ if "." in name else None
    found = importlib.machinery.PathFinder.find_spec(name, parent)
    if found is None or found.submodule_search_locations is None:
        raise ImportError(f"no package {name}")
    shell = types.ModuleType(name)
    shell.__path__ = list(found.submodule_search_locations)
    sys.modules[name] = shell


def _stand_in(name: str, **content: Any) -> None:
    """An empty module, or one with the given names, in place of a real one."""
    module = types.ModuleType(name)
    vars(module).update(content)
    sys.modules[name] = module
    if "." in name:
        setattr(sys.modules[name.rpartition(".")[0]], name.rpartition(".")[2], module)


def _tensors(values: Float32, layout: Layout) -> list[Float32]:
    return [values[place].reshape(tensor.shape) for tensor, place in layout.slices()]


def _joined(arrays: list[Any]) -> Float32:
    return np.concatenate([np.asarray(array, dtype=np.float32).reshape(-1) for array in arrays])


class _NumpyOfThen:
    """NumPy with the ``int(frombuffer(..., count=1))`` that hivemind relies on and NumPy 2.4 no longer converts."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def frombuffer(*args: Any, **kwargs: Any) -> Any:
        found = np.frombuffer(*args, **kwargs)
        return found[0] if kwargs.get("count") == 1 else found


def _hivemind(layout: Layout) -> Iterator[Contender]:
    for name in ("hivemind", "hivemind.compression"):
        _shell(name)
    messages = MagicMock()
    messages.Tensor = types.SimpleNamespace
    _stand_in("hivemind.proto", runtime_pb2=messages)
    _stand_in("hivemind.utils")
    _stand_in("hivemind.utils.tensor_descr", TensorDescriptor=object)
    quantization = importlib.import_module("hivemind.compression.quantization")
    quantization.np = _NumpyOfThen()

    for name, codec in (
        ("hivemind Uniform8Bit", quantization.Uniform8BitQuantization()),
        ("hivemind Quantile8Bit", quantization.Quantile8BitQuantization()),
    ):
        yield Contender(
            "peers",
            name,
            lambda values, codec=codec: [
                codec.compress(torch.from_numpy(tensor), None) for tensor in _tensors(values, layout)
            ],
            lambda messages, codec=codec: _joined([codec.extract(message) for message in messages]),
            lambda messages: sum(len(message.buffer) for message in messages),
        )


def _openfl(layout: Layout) -> Iterator[Contender]:
    """EDEN without its pipeline, whose raw path needs an older NumPy and whose seed is a sum in pure Python."""
    for name in ("openfl", "openfl.pipelines"):
        _shell(name)
    module = importlib.import_module("openfl.pipelines.eden_pipeline")

    for bits in (1, 4):
        eden = module.Eden(nbits=bits)

        def encode(values: Float32, eden: Any = eden) -> list[Any]:
            return [
                eden.compress(tensor, _SEED) if tensor.size > _RAW_BELOW else tensor.copy()
                for tensor in _tensors(values, layout)
            ]

        def decode(sent: list[Any], eden: Any = eden) -> Float32:
            return _joined([one if isinstance(one, np.ndarray) else _eden_tensor(eden, one) for one in sent])

        yield Contender("peers", f"OpenFL EDEN, {bits} bit", encode, decode, _eden_bytes)


def _eden_tensor(eden: Any, sent: tuple[Any, ...]) -> Float32:
    packed, scales, sizes, size = sent
    metadata = {0: float(_SEED), 1: float(size)}
    for number, (scale, block) in enumerate(zip(scales, sizes, strict=True)):
        metadata |= {2 + 2 * number: scale, 3 + 2 * number: float(block)}
    return eden.decompress(packed, metadata)


def _eden_bytes(sent: list[Any]) -> int:
    """Packed indices, and a float32 for each scale; the seed and the sizes of blocks are left out."""
    return sum(one.nbytes if isinstance(one, np.ndarray) else one[0].nbytes + 4 * len(one[1]) for one in sent)


def _nncodec(layout: Layout) -> Iterator[Contender]:
    for name in ("nncodec", "nncodec.framework"):
        _shell(name)
    for name in ("pytorch_model", "tensorflow_model", "use_case_init"):
        _stand_in(f"nncodec.framework.{name}")
    sys.modules.setdefault("h5py", MagicMock())
    nnc = importlib.import_module("nncodec.nnc")
    unused = Path(tempfile.gettempdir()) / "unused.nnc"

    def encoder(uses_trellis: bool) -> Callable[[Float32], Any]:
        def encode(values: Float32) -> Any:
            named = {str(number): np.array(tensor) for number, tensor in enumerate(_tensors(values, layout))}
            return nnc.compress(
                named, bitstream_path=str(unused), qp=NNC_QP, use_dq=uses_trellis, return_bitstream=True
            )

        return encode

    def decode(stream: Any) -> Float32:
        named = nnc.decompress(stream)
        return _joined([named[str(number)] for number in range(len(layout.tensors))])

    yield Contender("peers", "NNCodec, scalar", encoder(uses_trellis=False), decode)
    yield Contender("peers", "NNCodec, trellis", encoder(uses_trellis=True), decode)
