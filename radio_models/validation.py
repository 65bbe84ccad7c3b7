"""Compares models with energies that were measured end to end, from measured.csv, for printing.

A comparison holds if the range of the model and that of the measurement overlap and the model is within a factor of 1.5
(our judgement: a range can be so wide that it excludes nothing). One that does not hold, or that nobody made, is a
note of kind ``unvalidated``, which keeps a radio out of first sentences. A locator in measured.csv says what was
measured, and in brackets where it is printed.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np

from harness.core.coefficients import load
from harness.core.notes import Note
from harness.core.prices import PRICES, Coefficient
from harness.core.protocols import RadioModel
from harness.core.types import Direction

NOT_COMPARED = Note("unvalidated", "no end-to-end energy outside its sources was compared with this model")

_LARGEST_FACTOR = 1.5

Joules = tuple[float, float, float]
"""Low, typical and high."""


@cache
def measured() -> Mapping[str, Coefficient]:
    """Energies that were measured end to end and that no radio's coefficients come from, by name."""
    return load(Path(__file__).with_name("measured.csv"))


def lone_session(radio: RadioModel, uplink_bytes: int | None = None, downlink_bytes: int | None = None) -> Joules:
    """Joules of one isolated session: leaving rest, the payloads, the whole tail.

    Args:
        radio: the radio.
        uplink_bytes: bytes of the payload from the client; None if it sends none.
        downlink_bytes: bytes of the payload to the client; None if it gets none.
    """
    amounts = {"sessions": 1.0, "tail_s": radio.tail_s}
    return _priced(radio, amounts | _payloads(radio, uplink_bytes, downlink_bytes))


def transfer(radio: RadioModel, uplink_bytes: int | None = None, downlink_bytes: int | None = None) -> Joules:
    """Joules of payloads alone, without session and tail; arguments as in `lone_session`."""
    return _priced(radio, _payloads(radio, uplink_bytes, downlink_bytes))


def compared(name: str, modelled: Joules) -> Note:
    """A note on a comparison: whether it holds, both energies, the error, the source.

    Args:
        name: of a row of measured.csv.
        modelled: joules of the same, by a model that was built without it.
    """
    row = measured()[name]
    low, typical, high = modelled
    does_overlap = low <= row.high and row.low <= high
    is_near = 1 / _LARGEST_FACTOR <= typical / row.typical <= _LARGEST_FACTOR
    text = f"{_comparison(row, typical)}{'' if does_overlap else '; the ranges do not overlap'}"
    return Note("validated" if does_overlap and is_near else "unvalidated", text)


def reproduced(name: str, modelled: Joules) -> Note:
    """A note on a total that was published with the coefficients that the model is built from.

    That tests the arithmetic, not the model. Arguments as in `compared`.
    """
    return Note("reproduces", _comparison(measured()[name], modelled[1]))


def _comparison(row: Coefficient, typical_j: float) -> str:
    error = typical_j / row.typical - 1
    what, _, _ = row.locator.partition(" (")
    return f"{typical_j:.4g} J against {row.typical:.4g} J for {what} ({error:+.0%}, {row.source})"


def _payloads(radio: RadioModel, uplink_bytes: int | None, downlink_bytes: int | None) -> dict[str, float]:
    sizes: dict[Direction, int | None] = {"uplink": uplink_bytes, "downlink": downlink_bytes}
    amounts: dict[str, float] = {}
    for way, size in sizes.items():
        if size is not None:
            carriage = radio.carry(np.array([size], dtype=np.int64), way)
            for name in PRICES:
                if hasattr(carriage, name):
                    amounts[name] = amounts.get(name, 0.0) + float(getattr(carriage, name)[0])
    return amounts


def _priced(radio: RadioModel, amounts: Mapping[str, float]) -> Joules:
    prices = radio.coefficients()
    low, typical, high = (
        sum(amount * getattr(prices[PRICES[name]], end) for name, amount in amounts.items())
        for end in ("low", "typical", "high")
    )
    return low, typical, high
