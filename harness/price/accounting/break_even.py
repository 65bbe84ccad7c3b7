"""Computes where a method pays: the J/bit of a radio, the size of an update, and the share of saved bits that arrives.

A method spends joules of computing to save bits. It pays where what the radio saves is more than what the codec takes.
All computing is that of the projected device; seconds of the machine that ran the benchmark are in none of it.
"""

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from harness.core.prices import PRICES
from harness.price.accounting.draws import RADIO_COMPONENTS
from harness.price.accounting.terms import Component, Term
from harness.statistics.intervals import SMALLEST_SAVING

COMPUTING: tuple[Component, ...] = ("codec",)
"""What a method spends to save bits."""

SMALLEST_SCALE, LARGEST_SCALE = 1e-4, 1e4
"""Sizes of an update that are tried, relative to the one that was sent."""

HALF = 0.5
"""Pass-through from which we say that a saving of bits arrives."""

_PER_DECADE = 2
_RELATIVE_ERROR = 0.01

Verdict = Literal["always", "never", "from", "up_to"]
"""Where something holds: everywhere, nowhere, from a threshold on, or below one."""


@dataclass(frozen=True)
class BitPrice:
    """What a bit must cost on the air for a method to pay, and what it does cost.

    Attributes:
        verdict: ``always`` if the codec takes no more than the reference's while bits are saved; ``never`` if no bits
            are saved and computing is not cheaper either; ``from`` if bits are bought with joules; ``up_to`` if joules
            are saved by sending more bits.
        j_per_bit: J/bit of a radio at which the method breaks even; None for ``always`` and ``never``.
        radio_j_per_bit: radio joules saved per bit saved, in this mix of directions; None if bits hardly differ.
    """

    verdict: Verdict
    j_per_bit: float | None
    radio_j_per_bit: float | None

    @property
    def pays(self) -> bool:
        """Whether the method pays on the radio that it was priced on.

        >>> BitPrice("from", 1e-6, 3e-6).pays, BitPrice("up_to", 1e-6, 3e-6).pays
        (True, False)
        """
        if self.j_per_bit is None or self.radio_j_per_bit is None:
            return self.verdict == "always"
        return (self.radio_j_per_bit > self.j_per_bit) == (self.verdict == "from")


@dataclass(frozen=True)
class SizeThreshold:
    """The size of an update from which something holds.

    Attributes:
        verdict: where it holds; ``from`` and ``up_to`` speak of `n_bytes`.
        n_bytes: bytes of the reference's update at the threshold, to 1 %; None for ``always`` and ``never``.
        is_only: whether there is no second threshold among the sizes that were tried.
    """

    verdict: Verdict
    n_bytes: float | None = None
    is_only: bool = True

    def __str__(self) -> str:
        """The threshold in words, of a length for a cell of a table.

        >>> str(SizeThreshold("from", 2_400_000.0)), str(SizeThreshold("never"))
        ('from 2.4 MB', 'never')
        """
        if self.n_bytes is None:
            return self.verdict
        return f"{self.verdict.replace('_', ' ')} {_size_text(self.n_bytes)}" + ("" if self.is_only else ", not only")


def component_j(terms: Iterable[Term], components: Collection[Component]) -> float:
    """Typical joules of some components."""
    return sum(term.joules().typical for term in terms if term.component in components)


def radio_j(terms: Iterable[Term]) -> float:
    """Typical joules of the radios of clients, at rest included where standby is among the terms."""
    return sum(
        term.joules().typical for term in terms if term.component in RADIO_COMPONENTS and term.quantity in PRICES
    )


def bit_price(
    terms: Collection[Term],
    bits: float,
    reference_terms: Collection[Term],
    reference_bits: float,
    components: Collection[Component] = COMPUTING,
) -> BitPrice:
    """What a bit must cost for a method to pay: joules of computing that it takes for every bit that it saves.

    Args:
        terms: of the method on one radio, in joules.
        bits: bits of its payloads, both directions.
        reference_terms: of the reference on the same radio.
        reference_bits: bits of its payloads, above 0.
        components: what counts as computing.
    """
    extra_j = component_j(terms, components) - component_j(reference_terms, components)
    saved_j = radio_j(reference_terms) - radio_j(terms)
    saved_bits = reference_bits - bits
    if abs(saved_bits) < SMALLEST_SAVING * reference_bits:
        return BitPrice("always" if extra_j < 0 else "never", None, None)
    if (extra_j <= 0) == (saved_bits > 0):
        return BitPrice("always" if saved_bits > 0 else "never", None, saved_j / saved_bits)
    return BitPrice("from" if saved_bits > 0 else "up_to", extra_j / saved_bits, saved_j / saved_bits)


def pass_through(joules: float, reference_joules: float, bits: float, reference_bits: float) -> float | None:
    """Share of joules saved over share of bits saved; None where the bits hardly differ or the reference took nothing.

    >>> pass_through(90.0, 100.0, 60.0, 100.0)
    0.25
    """
    if reference_joules <= 0 or reference_bits <= 0:
        return None
    saved_bits = (reference_bits - bits) / reference_bits
    if abs(saved_bits) < SMALLEST_SAVING:
        return None
    return (reference_joules - joules) / reference_joules / saved_bits


Price = Callable[[float], tuple[float, float]]
"""Joules of the reference and of a method, with all of both's payloads that times as large; pure."""


def pays_from(price: Price, reference_bytes: float) -> SizeThreshold:
    """The size of an update from which a method takes less than the reference.

    Args:
        price: total joules, computing included; called some 25 times.
        reference_bytes: bytes of the reference's update at scale 1, above 0.

    >>> str(pays_from(lambda scale: (10 * scale, 8 * scale + 1), 1000))  # from 2 s = 1, s = 0.5
    'from 500 B'
    """

    def does_pay(scale: float) -> bool:
        theirs, ours = price(scale)
        return ours < theirs

    return size_threshold(does_pay, reference_bytes)


def passes_from(
    price: Price, bits: float, reference_bits: float, reference_bytes: float, share: float = HALF
) -> SizeThreshold:
    """The size of an update from which a share of a saving in bits reaches the joules of the radio.

    Args:
        price: joules of the radio alone; called some 25 times.
        bits: bits of the method's payloads, both directions.
        reference_bits: bits of the reference's payloads.
        reference_bytes: bytes of the reference's update at scale 1, above 0.
        share: requested pass-through, above 0.

    >>> tail_j = 3.0
    >>> str(passes_from(lambda scale: (tail_j + 4 * scale, tail_j + scale), 25, 100, 1000))  # 3 s / (3 + 4 s) = 3 / 8
    'from 750 B'
    """

    def does_pass(scale: float) -> bool:
        theirs, ours = price(scale)
        found = pass_through(ours, theirs, bits, reference_bits)
        return found is not None and found >= share

    return size_threshold(does_pass, reference_bytes)


def size_threshold(holds: Callable[[float], bool], reference_bytes: float) -> SizeThreshold:
    """The first size at which a statement turns from wrong to right or from right to wrong.

    Two sizes a decade are tried from `SMALLEST_SCALE` to `LARGEST_SCALE`, and the first turn is halved in until it is
    known to 1 %. A statement that turns twice between two neighbours is not seen to.

    Args:
        holds: the statement, of a scale.
        reference_bytes: bytes at scale 1, above 0.

    Raises:
        ValueError: `reference_bytes` is not above 0.
    """
    if not reference_bytes > 0:
        raise ValueError(f"reference_bytes must be above 0, got {reference_bytes:g}")
    decades = round(math.log10(LARGEST_SCALE / SMALLEST_SCALE))
    scales = [SMALLEST_SCALE * 10 ** (step / _PER_DECADE) for step in range(decades * _PER_DECADE + 1)]
    is_right = [holds(scale) for scale in scales]
    turns = [place for place in range(1, len(scales)) if is_right[place] != is_right[place - 1]]
    if not turns:
        return SizeThreshold("always" if is_right[0] else "never")
    before, after = scales[turns[0] - 1], scales[turns[0]]
    while after / before > 1 + _RELATIVE_ERROR:
        middle = math.sqrt(before * after)
        before, after = (middle, after) if holds(middle) == is_right[0] else (before, middle)
    scale = math.sqrt(before * after)
    return SizeThreshold("up_to" if is_right[0] else "from", scale * reference_bytes, len(turns) == 1)


def break_even_row(
    method: str, radio: str, price: BitPrice, passed: float | None, pays: SizeThreshold, half: SizeThreshold
) -> dict[str, Any]:
    """A row of ``break_even.csv``; bytes and J/bit are None where the verdict beside them needs none.

    Args:
        method: for the column of that name, as is `radio`.
        radio: see `method`.
        price: as `bit_price` gives it.
        passed: pass-through at the size that was sent.
        pays: as `pays_from` gives it.
        half: as `passes_from` gives it.
    """
    return {
        "method": method,
        "radio": radio,
        "pays": price.pays,
        "break_even": price.verdict,
        "break_even_j_per_bit": price.j_per_bit,
        "radio_j_per_bit": price.radio_j_per_bit,
        "pass_through": passed,
        "pays_at": pays.verdict,
        "pays_at_bytes": pays.n_bytes,
        "half_passes_at": half.verdict,
        "half_passes_at_bytes": half.n_bytes,
    }


def _size_text(n_bytes: float) -> str:
    """A size with the two digits that are known."""
    rounded = round(n_bytes, 1 - math.floor(math.log10(n_bytes)))
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if rounded >= scale:
            return f"{rounded / scale:g} {unit}"
    return f"{rounded:g} B"
