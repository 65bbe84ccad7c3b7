"""Shows what it took to reach the target accuracy, seed by seed; seeds that never did are included."""

from collections.abc import Sequence
from math import inf
from statistics import median

import pandas as pd

from reports.document import Cell, Column, Paragraph, Section, Table
from reports.sections.timing import target_words
from reports.tables import lookup
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import FACT_DIGITS, absent, scale, significant

NEVER = "never"
_MOST_SEEDS = 10
"""Seeds up to which each is printed."""


def reaching(tables: Tables) -> Section | None:
    """Rounds and bits to the target; None where no target could be set."""
    table = reaching_table(tables)
    if table is None:
        return None
    text = (
        f"The target is {target_words(tables)}. It counts as reached at the first validation score at or above it. "
        "Seeds that never reached it are counted as beyond the end of the run: a median over all seeds is known as "
        "long as most of them reached it, and a mean over those that did would be one of lucky seeds."
    )
    return Section("target", "To the target accuracy", (Paragraph(text), table))


def reaching_table(tables: Tables) -> Table | None:
    """Seeds that reached the target, rounds and bits until then: medians in which never is later than all."""
    if tables.targets.empty:
        return None
    rows = tables.targets.drop_duplicates(["method", "seed"])
    factor, unit = scale([bits for bits in rows["total_bits"] if is_known(bits)], "bit")
    columns = (
        Column("method", "Method", is_number=False),
        Column("reached", "Reached", "seeds", "higher"),
        Column("rounds", "Rounds", "median; each seed below", "lower"),
        Column("bits", "Total bits", f"{unit}, median; range below", "lower"),
        Column("change", "Total bits, change", "median to reference", "lower"),
    )
    of_reference = rows[rows["method"] == lookup.reference(tables)].set_index("seed")["total_bits"]
    printed = []
    for name in lookup.methods(tables):
        own = rows[rows["method"] == name].sort_values("seed")
        if own.empty:
            printed.append((Cell(name), *[absent(phrases.NOT_FINISHED)] * (len(columns) - 1)))
            continue
        n_reached = int(own["round"].notna().sum())
        printed.append(
            (
                Cell(name),
                Cell(f"{n_reached} of {len(own)}", value=float(n_reached)),
                _rounds(own["round"].tolist()),
                _bits(own["total_bits"].tolist(), factor),
                absent("reference") if name == lookup.reference(tables) else _change(own, of_reference),
            )
        )
    notes = (
        "Never: not at any scored round of the run. Bits are those of both directions (unicast) up to and with the "
        "round that was scored. The change is the median over seeds of bits to the target relative to those of the "
        "reference at the same seed, where never is more than any bits.",
    )
    return Table("reaching", "Rounds and bits to the target accuracy", columns, tuple(printed), notes)


def _rounds(rounds: Sequence[float]) -> Cell:
    texts = [f"{each:.0f}" if is_known(each) else NEVER for each in rounds]
    detail = ", ".join(texts) if 1 < len(texts) <= _MOST_SEEDS else ""
    middle = _median(rounds)
    return Cell(NEVER, detail, tone="warn") if middle is None else Cell(f"{middle:.3g}", detail, middle)


def _bits(values: Sequence[float], factor: float) -> Cell:
    known = sorted(value / factor for value in values if is_known(value))
    middle = _median(values)
    if middle is None:
        return Cell(NEVER, tone="warn")
    low, high = significant(known[0], FACT_DIGITS), significant(known[-1], FACT_DIGITS)
    end = high if len(known) == len(values) else NEVER
    detail = f"{low} to {end}" if low != end else ""
    return Cell(significant(middle / factor, FACT_DIGITS), detail, middle / factor)


def _change(own: pd.DataFrame, of_reference: "pd.Series[float]") -> Cell:
    ratios = []
    for seed, bits in zip(own["seed"], own["total_bits"], strict=True):
        base = of_reference.get(seed)
        if base is None or (not is_known(base) and not is_known(bits)):
            return absent("not known")
        if base == 0:
            return absent("reference reached it before round 1")
        ratios.append(0.0 if not is_known(base) else bits / base if is_known(bits) else inf)
    middle = median(ratios)
    if middle in (0.0, inf):
        return absent(NEVER if middle else "only here reached")
    value = 100 * (middle - 1)
    return Cell(f"{'+' if value > 0 else ''}{significant(value, 3)}\u00a0%", value=value)


def _median(values: Sequence[float]) -> float | None:
    """The median with unknown values as larger than all; None where it is one of them."""
    middle = median(value if is_known(value) else inf for value in values)
    return None if middle == inf else float(middle)
