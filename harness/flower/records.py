"""Converts between Flower records and vectors: which arrays are coded, in what order, how a message carries a payload.

A coded message carries one `Array` with the payload of `harness.run.federation.link.Coder` as its data, byte for byte,
and with it the arrays that are not float32, unchanged. A `ConfigRecord` says what a receiver cannot know: on the
downlink round, seed and the signature of the model (names and shapes, compressed JSON), on the uplink the client's
number.
"""

import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from harness.core.errors import PayloadError
from harness.core.extras import require
from harness.core.protocols import State
from harness.core.types import Float32, Layout, TensorSpec

PAYLOAD = "payload"
"""Name of the array that is a payload."""

LINK = "quantfl-harness"
"""Name of the record beside it, and of the state that a client keeps."""

_STYPE = "quantfl-harness.payload"
_MODEL_TYPES = ("train", "evaluate")


def app() -> Any:
    """The module ``flwr.app``.

    Raises:
        EnvironmentLacksError: Flower is not installed.
    """
    return require("flwr.app", "flower", "harness.flower")


@dataclass(frozen=True)
class Signature:
    """The arrays of a model in the app's order.

    Attributes:
        arrays: of each its name, its shape, and what it is: ``trained`` and ``statistic`` arrays are float32 and coded,
            ``other`` ones travel as they are.
    """

    arrays: tuple[tuple[str, tuple[int, ...], str], ...]

    @classmethod
    def of(cls, record: Any, is_statistic: Callable[[str], bool]) -> "Signature":
        """The signature of an ``ArrayRecord``.

        Raises:
            ValueError: there is nothing to code in it.
        """
        found = []
        for name, array in record.items():
            kind = "other" if array.dtype != "float32" else "statistic" if is_statistic(name) else "trained"
            found.append((name, tuple(int(side) for side in array.shape), kind))
        if not any(kind == "trained" for _, _, kind in found):
            raise ValueError("the model has no float32 array that is trained; there is nothing to code")
        return cls(tuple(found))

    @cached_property
    def layout(self) -> Layout:
        """The coded arrays: trained ones first, then statistics, each in the app's order."""
        kinds = ("trained", "statistic")
        return Layout(
            tuple(
                TensorSpec(name, shape, kind == "statistic")
                for wanted in kinds
                for name, shape, kind in self.arrays
                if kind == wanted
            )
        )

    def vector(self, record: Any) -> Float32:
        """The coded arrays of a record as float32 of shape (layout.size,).

        Raises:
            ValueError: the record has other arrays than this signature.
        """
        parts = []
        for tensor in self.layout.tensors:
            array = record[tensor.name].numpy() if tensor.name in record else np.zeros(0)
            if array.shape != tensor.shape or array.dtype != np.float32:
                raise ValueError(f"array {tensor.name} is not float32 of shape {tensor.shape}, as it was when sent")
            parts.append(array.reshape(-1))
        return np.concatenate(parts)

    def in_float32(self, record: Any) -> Any:
        """A record whose coded arrays may be of another precision, as what a strategy computes is, in float32."""
        flwr, coded = app(), {tensor.name for tensor in self.layout.tensors}
        changed = {
            name: flwr.Array(array.numpy().astype(np.float32))
            for name, array in record.items()
            if name in coded and array.dtype != "float32"
        }
        return flwr.ArrayRecord({**record, **changed})

    def record(self, vector: Float32, others: Any) -> Any:
        """The ``ArrayRecord`` in the app's order, with the arrays that are not coded from the record `others`."""
        flwr = app()
        coded = {tensor.name: vector[place].reshape(tensor.shape) for tensor, place in self.layout.slices()}
        return flwr.ArrayRecord(
            {name: flwr.Array(coded[name]) if name in coded else others[name] for name, _, _ in self.arrays}
        )

    def sealed(self, payload: bytes, others: Any) -> Any:
        """The ``ArrayRecord`` that carries a payload."""
        flwr = app()
        kept = {name: others[name] for name, _, kind in self.arrays if kind == "other"}
        return flwr.ArrayRecord({PAYLOAD: flwr.Array("uint8", (len(payload),), _STYPE, payload), **kept})

    def pack(self) -> bytes:
        """The signature as bytes for a message."""
        return zlib.compress(json.dumps(self.arrays, separators=(",", ":")).encode(), level=9)

    @classmethod
    def unpack(cls, packed: bytes) -> "Signature":
        """The signature in bytes of `pack`."""
        return cls(tuple((name, tuple(shape), kind) for name, shape, kind in json.loads(zlib.decompress(packed))))


def only_arrays(content: Any) -> tuple[str, Any]:
    """Key and value of the only ``ArrayRecord`` of a message's content.

    Raises:
        PayloadError: there is none, or more than one.
    """
    records = list(content.array_records.items())
    if len(records) != 1:
        raise PayloadError(f"{len(records)} array records in a message that should carry one model")
    key, record = records[0]
    return str(key), record


def is_about_model(message: Any) -> bool:
    """Whether messages of this type carry a model: ``train`` and ``evaluate``, also ``train.mine``; not ``query``."""
    return message.metadata.message_type.partition(".")[0] in _MODEL_TYPES


def client_of(reply: Any) -> int | None:
    """The number that a client sent as its own; None if it sent none."""
    link = reply.content.get(LINK)
    number = None if link is None else link.get("client")
    return number if isinstance(number, int) and number >= 0 else None


def payload_of(record: Any) -> bytes:
    """The payload that an ``ArrayRecord`` carries.

    Raises:
        PayloadError: it carries none: its sender does not code.
    """
    array = record.get(PAYLOAD)
    if array is None or array.stype != _STYPE:
        raise PayloadError("the message carries no payload; does its sender have CodedClient or CodedStrategy?")
    return bytes(array.data)


def save_state(state: State, records: Any) -> None:
    """Keep the state of a codec in the records of a client's context, which Flower keeps between messages of a run."""
    flwr, leaves = app(), list[Any]()

    def shape_of(part: State) -> Any:
        if part is None:
            return None
        if isinstance(part, tuple):
            return [shape_of(each) for each in part]
        leaves.append(part)
        return len(leaves) - 1

    structure = json.dumps(shape_of(state))
    records[LINK] = flwr.ArrayRecord({str(place): flwr.Array(leaf) for place, leaf in enumerate(leaves)})
    records[f"{LINK}-structure"] = flwr.ConfigRecord({"structure": structure})


def load_state(records: Any, first: State) -> State:
    """What `save_state` kept, or `first` if nothing was kept yet."""
    if LINK not in records:
        return first
    leaves = records[LINK]

    def part_of(shape: Any) -> State:
        if shape is None:
            return None
        if isinstance(shape, list):
            return tuple(part_of(each) for each in shape)
        leaf: Float32 = leaves[str(shape)].numpy()
        return leaf

    return part_of(json.loads(records[f"{LINK}-structure"]["structure"]))
