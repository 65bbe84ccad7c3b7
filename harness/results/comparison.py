"""Determines which methods are compared with which: from a definition, or from the runs where there is none."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.core.errors import UsageError
from harness.core.notes import Note
from harness.ledger.external_runs import Origin
from harness.parsing.problems import did_you_mean
from harness.spec.spec import BenchmarkSpec
from harness.tables.contrasts import Contrast


@dataclass(frozen=True)
class Study:
    """A comparison, with all that reports say of it and that is in no ledger.

    Attributes:
        name: title of reports.
        origin: ``benchmark`` if the harness ran it from a definition; otherwise where the facts come from.
        described: the definition with every default, or what is known where there is none; JSON-able, with the keys
            ``methods``, ``task`` and ``federation``.
        reference: the method that others are compared with.
        references: for each method, what it is compared with.
        n_planned: runs that there are to be, finished or not.
        contrasts: comparisons that were named beforehand.
        spec: the definition; None if there is none.
        notes: caveats printed before any number.
    """

    name: str
    origin: Literal["benchmark"] | Origin
    described: Mapping[str, Any]
    reference: str
    references: Mapping[str, str]
    n_planned: int
    contrasts: tuple[Contrast, ...] = ()
    spec: BenchmarkSpec | None = None
    notes: tuple[Note, ...] = field(default=())

    @property
    def methods(self) -> list[str]:
        """Names of the methods, finished or not, in order."""
        return [str(method["name"]) for method in self.described["methods"]]


def study_of(spec: BenchmarkSpec) -> Study:
    """The comparison that a definition describes."""
    return Study(
        name=spec.name,
        origin="benchmark",
        described=spec.resolved(),
        reference=spec.reference,
        references=spec.references(),
        n_planned=sum(len(spec.seeds_of(method)) for method in spec.methods),
        contrasts=spec.contrasts,
        spec=spec,
    )


def compared_with(study: Study, reference: str) -> Study:
    """The same comparison with another reference.

    Raises:
        UsageError: it has no such method.
    """
    names = study.methods
    if reference not in names:
        hint = did_you_mean(reference, names)
        raise UsageError(f"--reference {reference}: no method of {study.name}; there are: {', '.join(names)}.{hint}")
    if study.spec is not None:
        return replace(study_of(study.spec.model_copy(update={"reference": reference})), notes=study.notes)
    others = {name: reference for name in names if name != reference}
    described = {**study.described, "reference": reference}
    return replace(study, described=described, reference=reference, references=others)
