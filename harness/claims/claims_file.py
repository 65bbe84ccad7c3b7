"""Reads a claims file: sentences that somebody published, each as a condition on published results.

A claim names a quantity that must be saved or kept, a contrast that a study named beforehand, or a statistic of updates
from one initialisation beside another, and the studies that it is judged on: results folders next to the file::

    claims:
      - name: total bits
        says: about 40 % fewer total bits
        source: where it is said
        needs: {quantity: total_bits, saves: 39.5}
        on: [{study: mnist, method: QuantFL 6-bit}]
      - name: accuracy
        needs: {quantity: test_accuracy, loses_at_most: 0.5}
        on: [{study: mnist, method: QuantFL 6-bit}]
      - name: no error feedback needed
        needs: {contrast: what EF gains from pretrained weights, at_most: 0.5}
        on: [{study: ablation-ef}]
      - name: updates concentrated
        needs: {statistic: absmax_over_sigma, of: pretrained, over: random, at_most: 1.0}
        on: [{study: initialisation}]
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, AllowInfNan, Strict, StringConstraints, ValidationError

from harness.core.errors import Problem, SpecError
from harness.parsing.fields import Name, not_empty
from harness.parsing.problems import Clash, ranged, shown
from harness.parsing.strict_model import Part, listed, repeated
from harness.parsing.yaml_text import Document, Location, path_text, read_yaml
from harness.spec.load import located, position_of, read_text

Bits = Literal["uplink_bits", "total_bits", "multicast_total_bits", "all_bits"]
Score = Literal["validation_accuracy", "test_accuracy", "sent_test_accuracy"]
Deployed = Literal["radio_energy_j", "device_energy_j", "carbon_g"]
Statistic = Literal["sigma", "kurtosis", "absmax_over_sigma", "entropy_bits", "shape_entropy_bits"]
Quantity = Literal[Bits, Score, Deployed]
DEPLOYED: tuple[str, ...] = get_args(Deployed)
SCORES: tuple[str, ...] = get_args(Score)

Side = Literal["at least", "at most"]

_KINDS = ("quantity", "contrast", "statistic")
_BOUNDS = ("saves", "loses_at_most", "at_most", "at_least")
_WHAT = "claims are a mapping with one key, claims: a list"

_Number = Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(-1e9, 1e9))]
_Text = Annotated[str, StringConstraints(max_length=1000)]


class Needs(Part):
    """What must hold; one of quantity, contrast and statistic, with a bound.

    Attributes:
        quantity: what is compared with the method's reference, seed by seed; ``all_bits`` are those of the rounds and
            of what clients are given before round 1.
        saves: per cent of bits, joules or grams that must be saved, at least.
        loses_at_most: points of accuracy that may be lost.
        contrast: a contrast that the study names.
        statistic: how updates are distributed before any codec, `of` one initialisation `over` another: a ratio, of
            entropies a difference in bit an entry.
        of: an initialisation.
        over: the initialisation that it is compared with.
        at_most: highest value of a contrast or statistic, in its unit.
        at_least: lowest value of it.
    """

    quantity: Quantity | None = None
    saves: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(-10_000, 100))] | None = None
    loses_at_most: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(-100, 100))] | None = None
    contrast: Name | None = None
    statistic: Statistic | None = None
    of: Name | None = None
    over: Name | None = None
    at_most: _Number | None = None
    at_least: _Number | None = None

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Several or no kinds of needs, and bounds that do not belong to theirs."""
        given = {key for key, value in values.items() if value is not None}
        kinds = [kind for kind in _KINDS if kind in given]
        if not kinds:
            yield ("quantity",), f"missing; one of {', '.join(_KINDS)} is required"
            return
        for other in kinds[1:]:
            yield (other,), f"does not go with {kinds[0]}; a claim needs one of {', '.join(_KINDS)}"
        kind, allowed = kinds[0], _allowed(kinds[0], values.get("quantity"))
        for key in (*_BOUNDS, *(() if kind == "statistic" else ("of", "over"))):
            if key in given and key not in allowed:
                yield (key,), f"does not go with {_named(kind, values)}; {' or '.join(allowed)} does"
        bounds = [key for key in allowed if key in given]
        if not bounds:
            yield (allowed[0],), f"missing; {_named(kind, values)} needs {' or '.join(allowed)}"
        for other in bounds[1:]:
            yield (other,), f"stands beside {bounds[0]}; a claim has one bound: make two claims"
        if kind == "statistic":
            for key in ("of", "over"):
                if key not in given:
                    yield (key,), "missing; a statistic is of one initialisation over another"
            if "of" in given and values.get("of") == values.get("over"):
                yield ("over",), f"{shown(values['over'])} is what it is compared with already"

    @property
    def bound(self) -> tuple[Side, float]:
        """What an estimate must be: in per cent saved, in points of accuracy, or in the unit of what is named."""
        if self.saves is not None:
            return "at least", self.saves
        if self.loses_at_most is not None:
            return "at least", 0.0 - self.loses_at_most
        if self.at_most is not None:
            return "at most", self.at_most
        return "at least", float(self.at_least or 0.0)

    @property
    def label(self) -> str:
        """What is looked at, in words of the tables."""
        if self.statistic is not None:
            return f"{self.statistic}, {self.of} over {self.over}"
        return self.quantity or self.contrast or ""


def _allowed(kind: str, quantity: object) -> tuple[str, ...]:
    if kind != "quantity":
        return "at_most", "at_least"
    return ("loses_at_most",) if quantity in SCORES else ("saves",)


def _named(kind: str, values: Mapping[str, Any]) -> str:
    return str(values["quantity"]) if kind == "quantity" else f"a {kind}"


class Judged(Part):
    """What a claim is judged on.

    Attributes:
        study: name of a results folder next to the file.
        method: name of a method of the study, where the claim is of a quantity.
    """

    study: Name
    method: Name | None = None


class Claim(Part):
    """A claim.

    Attributes:
        name: how reports call it.
        says: the claim in words.
        source: where it is made.
        needs: what must hold.
        on: what it is judged on.
    """

    name: Name
    says: _Text = ""
    source: _Text = ""
    needs: Needs
    on: Annotated[tuple[Judged, ...], AfterValidator(not_empty)]

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """A quantity without a method, a method without a quantity, the same thing twice."""
        needs, entries = values.get("needs"), listed(values.get("on"))
        if not isinstance(needs, Mapping):
            return
        of_methods = needs.get("quantity") is not None
        marks = []
        for place, given in enumerate(entries):
            entry = given if isinstance(given, Mapping) else {}
            method = entry.get("method")
            if of_methods and entry and method is None:
                yield ("on", place, "method"), "missing; a quantity is that of a method"
            if not of_methods and method is not None:
                yield ("on", place, "method"), "only a claim of a quantity is judged on a method; leave it out"
            marks.append(f"{entry.get('study')} / {method}" if method is not None else entry.get("study"))
        yield from repeated(marks, ("on",), marks)


class Claims(Part):
    """A file of claims."""

    claims: Annotated[tuple[Claim, ...], AfterValidator(not_empty)]

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Report claims that have the same name."""
        names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in listed(values.get("claims"))]
        folded = [name.casefold() if isinstance(name, str) else None for name in names]
        yield from repeated(folded, ("claims",), names, "name")


@dataclass(frozen=True, eq=False)
class ClaimsFile:
    """Claims with where they stand.

    Attributes:
        path: the file.
        claims: what is in it.
        document: the file as it was read, with positions.
    """

    path: Path
    claims: tuple[Claim, ...]
    document: Document

    def problem(self, location: Location, text: str) -> Problem:
        """What is wrong at a place of the file."""
        line, column = position_of(location, text, self.document)
        return Problem(line, column, path_text(location), text)


def load_claims(path: Path) -> ClaimsFile:
    """The claims in a YAML file.

    Raises:
        SpecError: the content is wrong; all problems, with positions.
        UsageError: the file cannot be read.
    """
    document = read_yaml(read_text(path, "claims"), str(path), _WHAT)
    if not isinstance(document.value, dict):
        line, column = document.values_at[()]
        raise SpecError(str(path), document.problems or [Problem(line, column, "", _WHAT)])
    try:
        found = Claims.model_validate(document.value)
    except ValidationError as error:
        raise SpecError(str(path), located(error, document)) from None
    if document.problems:
        raise SpecError(str(path), document.problems)
    return ClaimsFile(path, found.claims, document)
