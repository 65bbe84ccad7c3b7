"""Shows the contrasts named in the definition: comparisons fixed before anything was run."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reports.document import Block, Bullets, Cell, Column, Paragraph, Section, Table
from reports.tables import lookup
from reports.tables.lookup import Estimate, is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import MINUS, absent, significant

_QUANTITIES = {
    "validation_accuracy": "validation accuracy",
    "test_accuracy": "test accuracy",
    "sent_test_accuracy": "test accuracy of the model as clients decode it",
    "uplink_bits": "uplink bits",
    "total_bits": "total bits",
}

RULE = (
    "Contrasts that the definition calls primary, as all are unless it says otherwise, are tested twice: by Student’s "
    "t test, and by the exact permutation of the signs of the differences, which takes nothing to be normal. P values "
    "are two-sided, and corrected after Holm for the number of primary contrasts. A contrast is called significant "
    "only if both corrected values are below 0.05; where so few seeds cannot bring the second there, no such word "
    "falls."
)
"""How contrasts are tested, in words."""

_MANY = 2
"""Methods on a side beyond which they are counted; the definition and `spec.yaml` name them all."""


@dataclass(frozen=True)
class Contrast:
    """A contrast as the tables give it.

    Attributes:
        name: as the definition calls it.
        quantity: of what, in words.
        formula: its methods with their signs.
        unit: ``points``, or ``factor`` for bits.
        estimate: in `unit`, over the seeds that all its methods have.
        tests: p values of the t test and of the permutation of signs, each with the one after Holm.
        verdict: what they say.
    """

    name: str
    quantity: str
    formula: str
    unit: str
    estimate: Estimate
    tests: tuple[Cell, Cell]
    verdict: str

    @property
    def cell(self) -> Cell:
        """The estimate with its interval, or why there is none."""
        return phrases.compared(self.estimate, is_ratio=self.unit != "points")


def contrasts(tables: Tables) -> Section | None:
    """A sentence and a row for each; None if the definition names none."""
    found = named_contrasts(tables)
    if not found:
        return None
    text = (
        "The comparisons that the definition names, which is for its author to do before anything is run; every other "
        "comparison in this report is exploratory. Seed by seed, the methods are added and subtracted as shown. "
        "Intervals are 95 % t intervals over the seeds that all methods of a contrast have finished, not corrected for "
        f"the number of contrasts. {RULE}"
    )
    blocks: list[Block] = [Paragraph(text), Bullets(tuple(map(sentence, found)))]
    table = contrast_table(tables)
    return Section("contrasts", "Contrasts named in the definition", (*blocks, *([table] if table else [])))


def contrast_table(tables: Tables) -> Table | None:
    """One row per contrast; None if there are none."""
    found = named_contrasts(tables)
    if not found:
        return None
    columns = (
        Column("name", "Contrast", is_number=False),
        Column("formula", "Methods", is_number=False),
        Column("quantity", "Of", is_number=False),
        Column("n", "Seeds"),
        Column("estimate", "Estimate", phrases.CONFIDENCE),
        Column("unit", "Unit", is_number=False),
        Column("t_p", "p, t test", "after Holm below"),
        Column("sign_flip_p", "p, signs", "after Holm below"),
        Column("verdict", "Verdict", is_number=False),
    )
    rows = tuple(
        (
            Cell(contrast.name),
            Cell(contrast.formula),
            Cell(contrast.quantity),
            Cell(str(contrast.estimate.n), value=float(contrast.estimate.n)),
            contrast.cell,
            Cell(contrast.unit),
            *contrast.tests,
            Cell(contrast.verdict),
        )
        for contrast in found
    )
    notes = (
        "Accuracies in percentage points. Bits as a factor: products and quotients, as their logarithms are summed.",
    )
    return Table("contrasts", "Named contrasts", columns, rows, notes)


def named_contrasts(tables: Tables) -> list[Contrast]:
    """All contrasts, in the order of the definition."""
    spec = tables.context.get("spec")
    defined = lookup.mappings(spec.get("contrasts")) if isinstance(spec, Mapping) else []
    formulas = {str(entry.get("name")): _formula(entry) for entry in defined}
    return [
        Contrast(
            str(row["name"]),
            _QUANTITIES.get(str(row["quantity"]), str(row["quantity"])),
            formulas.get(str(row["name"]), "not recorded"),
            "points" if row["unit"] == "points" else "factor",
            _estimate(row),
            (_p_cell(row, "t"), _p_cell(row, "sign_flip")),
            str(row["verdict"]),
        )
        for row in lookup.records(tables.contrasts)
    ]


def sentence(contrast: Contrast) -> str:
    """A contrast in words: what it is of, its methods, its number, and the seeds behind it."""
    cell, seeds = contrast.cell, contrast.estimate.n
    head = f"{contrast.name}: {contrast.quantity} of {contrast.formula}"
    if cell.value is None:
        return f"{head} is not known ({cell.text})."
    amount = f"{cell.text} points" if contrast.unit == "points" else f"a factor of {cell.text}"
    interval = f"{phrases.CONFIDENCE} {cell.detail}" if cell.ends else cell.detail
    inside = "; ".join(filter(None, [interval, f"{seeds} seed{'s' if seeds != 1 else ''}"]))
    return f"{head} is {amount} ({inside})."


def _estimate(row: Mapping[str, Any]) -> Estimate:
    found = lookup.estimate_of(row, "estimate", "n")
    if row["unit"] == "points":
        return found
    value, low, high = (None if end is None else math.exp(end) for end in (found.value, found.low, found.high))
    return Estimate(found.n, value, low, high, found.note)


def _p_cell(row: Mapping[str, Any], test: str) -> Cell:
    """The p value of a test, with the corrected one below it."""
    p, corrected = (row[f"{test}{which}_p"] for which in ("", "_holm"))
    if not is_known(p):
        return absent("no test")
    return Cell(p_text(p), p_text(corrected) if is_known(corrected) else "", float(p))


def p_text(p: float) -> str:
    """A p value with two digits; small ones print alike.

    >>> p_text(0.0312), p_text(0.000012), p_text(1.0)
    ('0.031', '< 0.001', '1')
    """
    return "1" if p == 1 else significant(p, 2) if p >= 0.001 else "< 0.001"


def _formula(entry: Mapping[str, Any]) -> str:
    """Sums of accuracies; products of bits, whose logarithms are added. Many methods are given by their number."""
    is_sum = str(entry.get("quantity")).endswith("_accuracy")
    plus, minus = (list(map(str, entry.get(side) or [])) for side in ("plus", "minus"))
    if len(plus) > _MANY:
        what = "sum" if is_sum else "product"
        text = f"{what} of {len(plus)} methods {MINUS if is_sum else '÷'} {what} of {len(minus)} others"
    else:
        text = f" {MINUS if is_sum else '÷'} ".join([(" + " if is_sum else " × ").join(plus), *minus])
    per = entry.get("per", 1)
    return text if per == 1 else f"({text}) / {per}" if is_sum else f"({text}) to the power 1/{per}"
