"""Finds single assumptions that turn a claim on one radio: each axis of the map and each coefficient, one at a time.

All else stays as in the base setting (see `harness.claims.assumption_map`). A coefficient is moved from its typical
value to the low and to the high end of its range; those that share a draw are moved together (see
`harness.price.accounting.draws`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from harness.claims.assumption_map import SCALES, ClaimMap, Radio, saving
from harness.core.prices import Coefficient
from harness.price.accounting.break_even import SizeThreshold, size_threshold
from harness.price.accounting.draws import Key, is_point, key_of
from harness.price.accounting.terms import Term

Axis = Literal["coefficient", "size", "network", "supply", "provisioning", "participation"]

_HALVINGS = 30


@dataclass(frozen=True)
class Flip:
    """An assumption that turns a claim on a radio.

    Attributes:
        axis: what is assumed otherwise.
        name: the coefficient, or the other choice.
        unit: unit of `typical` and `at`; empty for a choice.
        typical: value in the base; None for a choice.
        at: value at which the claim turns, bytes of an fp32 update for a size; None for a choice.
        saves: per cent saved once it has turned, at the end of the range for a coefficient; None if there is nothing
            to save then.
        distance: how far the number is moved, |ln(at / typical)|; infinite for a choice.
    """

    axis: Axis
    name: str
    unit: str = ""
    typical: float | None = None
    at: float | None = None
    saves: float | None = None
    distance: float = math.inf


def flips(claim: ClaimMap, radio: Radio, others: Sequence[ClaimMap] = ()) -> list[Flip]:
    """All that turn the claim on a radio, each alone, the nearest first.

    Numbers come by how far they are moved; choices come after them, by how little the saving changes.

    Args:
        claim: the claim about a method.
        radio: one that can carry the updates of the study.
        others: the same claim about methods of the same study with other cohorts.
    """
    base = claim.point(radio, claim.base)
    found = [
        *_coefficients(claim, radio),
        *_sizes(claim, radio),
        *_choices(claim, radio),
        *_participation(claim, radio, others),
    ]

    def nearness(flip: Flip) -> tuple[float, float]:
        moved = math.inf if flip.saves is None or base.saves is None else abs(flip.saves - base.saves)
        return flip.distance, moved

    return sorted(found, key=nearness)


def threshold(claim: ClaimMap, radio: Radio) -> SizeThreshold:
    """The update size from which the claim holds on a radio, all else as in the base.

    ``never`` also if the radio cannot carry updates of that size.
    """
    n_bytes = claim.amounts.reference_bytes
    found = size_threshold(lambda scale: claim.holds_at(radio, scale), n_bytes)
    if found.n_bytes is None:
        return found
    beyond = found.n_bytes / n_bytes * (1.01 if found.verdict == "from" else 0.99)
    return SizeThreshold("never") if claim.amounts.obstacles(radio, beyond) else found


def _coefficients(claim: ClaimMap, radio: Radio) -> Iterator[Flip]:
    sides = list(zip((claim.amounts.method, claim.amounts.reference), claim.terms(radio, claim.base), strict=True))
    moved: dict[Key, Coefficient] = {}
    for method, terms in sides:
        for term in terms:
            for factor in term.factors:
                if not is_point(factor):
                    moved.setdefault(key_of(factor, method, term.group), factor.coefficient)
    before = claim.status(*(_total(terms, method) for method, terms in sides))
    for key, coefficient in moved.items():
        for end in ("low", "high"):
            if getattr(coefficient, end) == coefficient.typical:
                continue

            def totals(share: float, key: Key = key, end: str = end) -> tuple[float, float]:
                ours, theirs = (_total(terms, method, key, end, share) for method, terms in sides)
                return ours, theirs

            if claim.status(*totals(1.0)) == before:
                continue
            share = _turn(lambda share: claim.status(*totals(share)) == before)
            at = _between(coefficient, end, share)
            owner = f" of {key.owner}" if key.scope == "method" else ""
            can_divide = at > 0 and coefficient.typical > 0
            distance = abs(math.log(at / coefficient.typical)) if can_divide else math.inf
            yield Flip(
                "coefficient",
                f"{coefficient.name}{owner}",
                coefficient.unit,
                coefficient.typical,
                at,
                saving(*totals(1.0)),
                distance,
            )


def _total(terms: Iterable[Term], method: str, key: Key | None = None, end: str = "", share: float = 0.0) -> float:
    """Joules or grams with the coefficients of one key moved that share of the way to an end of their range."""
    return sum(
        float(term.amounts.sum())
        * math.prod(
            _between(factor.coefficient, end, share)
            if key is not None and key_of(factor, method, term.group) == key
            else factor.coefficient.typical
            for factor in term.factors
        )
        for term in terms
    )


def _between(coefficient: Coefficient, end: str, share: float) -> float:
    """A share of the way from the typical value to an end: of its logarithm, or of itself where the end is 0."""
    typical, last = coefficient.typical, float(getattr(coefficient, end))
    if typical > 0 and last > 0:
        return typical * math.exp(share * math.log(last / typical))
    return typical + share * (last - typical)


def _turn(is_as_before: Callable[[float], bool]) -> float:
    """The share of the way from 0 to 1 at which a statement that is right at 0 and wrong at 1 turns."""
    before, after = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (before + after) / 2
        before, after = (middle, after) if is_as_before(middle) else (before, middle)
    return after


def _sizes(claim: ClaimMap, radio: Radio) -> Iterator[Flip]:
    before = claim.holds_at(radio, 1.0)
    n_bytes = claim.amounts.reference_bytes
    for scales in (sorted(s for s in SCALES if s > 1), sorted((s for s in SCALES if s < 1), reverse=True)):
        last = 1.0
        for scale in scales:
            if claim.amounts.obstacles(radio, scale):
                break
            if claim.holds_at(radio, scale) != before:
                at = _size_turn(claim, radio, last, scale, is_right=before)
                saves = claim.point(radio, replace(claim.base, scale=scale)).saves
                yield Flip("size", "update size", "B", n_bytes, at * n_bytes, saves, abs(math.log(at)))
                break
            last = scale


def _size_turn(claim: ClaimMap, radio: Radio, before: float, after: float, *, is_right: bool) -> float:
    """The scale between two at which the claim turns, to 1 %."""
    while max(before, after) / min(before, after) > 1.01:
        middle = math.sqrt(before * after)
        before, after = (middle, after) if claim.holds_at(radio, middle) == is_right else (before, middle)
    return after


def _choices(claim: ClaimMap, radio: Radio) -> Iterator[Flip]:
    base = claim.point(radio, claim.base)
    for network in claim.networks[1:]:
        point = claim.point(radio, replace(claim.base, network=network))
        if point.status != base.status:
            yield Flip("network", point.setting.network_words, saves=point.saves)
    fetched = claim.point(radio, replace(claim.base, is_fetched=True))
    if fetched.status != base.status:
        yield Flip("provisioning", "what is given before round 1 fetched over the air", saves=fetched.saves)
    for source in claim.supplies[1:]:
        point = claim.point(radio, replace(claim.base, supply=source))
        if point.status != base.status:
            yield Flip("supply", f"supply {source}", saves=point.saves)


def _participation(claim: ClaimMap, radio: Radio, others: Sequence[ClaimMap]) -> Iterator[Flip]:
    base = claim.point(radio, claim.base)
    for other in others:
        if other.amounts.cohort == claim.amounts.cohort:
            continue
        point = other.point(radio, other.base)
        if point.status not in (base.status, "infeasible"):
            name = f"{other.amounts.cohort} clients a round instead of {claim.amounts.cohort} ({other.amounts.method})"
            yield Flip("participation", name, saves=point.saves)
