"""Selects the tensors of a model that are coded, and those sent as they are."""

from typing import Literal, NamedTuple

import numpy as np

from harness.core.types import Float32, Layout, TensorSpec

Vectors = Literal["float32", "coded", "fine"]

FINE = 1 / 16
"""Step of ``fine`` vectors in common steps: they cost 4 bits an entry more than the others would."""


class Share(NamedTuple):
    """A tensor that has entries.

    Attributes:
        tensor: name and shape.
        place: its position in the update.
        is_coded: whether it is coded; else it goes as float32.
    """

    tensor: TensorSpec
    place: slice
    is_coded: bool


class Run(NamedTuple):
    """Entries that are coded together, with one histogram.

    Attributes:
        places: their positions in the update; several only for vectors.
        scale: their step, in common steps.
    """

    places: tuple[slice, ...]
    scale: float

    @property
    def size(self) -> int:
        """Number of entries."""
        return sum(place.stop - place.start for place in self.places)

    def entries(self, values: Float32) -> Float32:
        """Its entries, of those of the update; a view if they are contiguous."""
        if len(self.places) == 1:
            return values[self.places[0]]
        return np.concatenate([values[place] for place in self.places])

    def room(self, values: Float32) -> Float32:
        """Where its entries may be written before they are `put`."""
        return values[self.places[0]] if len(self.places) == 1 else np.empty(self.size, dtype=np.float32)

    def put(self, room: Float32, values: Float32) -> None:
        """Put what was written in `room` where it belongs in the update."""
        start = 0
        for place in self.places if len(self.places) > 1 else ():
            stop = start + place.stop - place.start
            values[place] = room[start:stop]
            start = stop


def shares(layout: Layout, vectors: Vectors) -> list[Share]:
    """All tensors that have entries; of fewer than two dimensions they are coded only if `vectors` is set so.

    Biases and scales of norms are few, and a model suffers most from errors in them.
    """
    return [
        Share(tensor, place, vectors != "float32" or len(tensor.shape) > 1)
        for tensor, place in layout.slices()
        if tensor.size
    ]


def runs(layout: Layout, vectors: Vectors) -> tuple[list[Run], list[slice]]:
    """What is coded, and the places of the tensors that go as float32.

    Each tensor of two dimensions or more is a run, in model order. All others, if they are coded, are one run behind
    these: they are too short for histograms of their own.
    """
    matrices, others = list[Run](), list[slice]()
    for tensor, place in layout.slices():
        if place.start == place.stop:
            continue
        if len(tensor.shape) > 1:
            matrices.append(Run((place,), 1.0))
        else:
            others.append(place)
    if vectors == "float32" or not others:
        return matrices, others
    return [*matrices, Run(tuple(others), FINE if vectors == "fine" else 1.0)], []
