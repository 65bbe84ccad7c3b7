"""Which tensors of a model are coded, and which travel as they are."""

from typing import Literal, NamedTuple

from harness.core.types import Layout, TensorSpec

Vectors = Literal["float32", "coded"]


class Share(NamedTuple):
    """A tensor that has entries.

    Attributes:
        tensor: name and shape.
        place: where it lies in the update.
        is_coded: whether it is coded; else it goes as float32.
    """

    tensor: TensorSpec
    place: slice
    is_coded: bool


def shares(layout: Layout, vectors: Vectors) -> list[Share]:
    """All tensors that have entries; of fewer than two dimensions they are coded only if `vectors` says so.

    Biases and scales of norms are few, and a model suffers most from errors in them.
    """
    return [
        Share(tensor, place, vectors == "coded" or len(tensor.shape) > 1)
        for tensor, place in layout.slices()
        if tensor.size
    ]
