"""What the words around a number name: those of its clause, or of its whole sentence where clauses do not tell."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from harness.papers.meanings import QUANTITY
from harness.papers.mentions import Mentions, Names, masked, mentions
from harness.papers.numbers import Typed, numbers
from harness.papers.passages import Passage
from harness.papers.units import heading_unit

_CLAUSE = re.compile(r"[;:]|,(?!\d)|\b(?:and|but|while|whereas|yet)\b")


@dataclass(frozen=True)
class Scope:
    """What is named around a number.

    Attributes:
        before: text of its clause up to it, names masked.
        behind: text of its clause after it, names masked.
        words: text that names its quantity, in lower case.
        methods: methods that it may be of, compared ones included.
        compared: those of them that others are compared with.
        radios: radios that it may be on.
        grids: grids that it may be in.
        ways: which way its clause, or else its sentence, says that something goes.
        every_way: which ways the sentence has.
        has_variant: whether a method is named with another setting.
        has_own: whether its own clause names anything at all.
    """

    before: str
    behind: str
    words: str
    methods: frozenset[str]
    compared: frozenset[str]
    radios: frozenset[str]
    grids: frozenset[str]
    ways: frozenset[str]
    every_way: frozenset[str]
    has_variant: bool
    has_own: bool


def scoped(passage: Passage, names: Names) -> Iterator[tuple[Typed, Scope]]:
    """Every number of a passage with its scope."""
    text = masked(passage.text, names)
    found = numbers(text)
    if passage.label:
        headings = (passage.heading, passage.label, passage.wider)
        unit = next((unit for heading in headings if (unit := heading_unit(masked(heading, names)))), "")
        for each in found:
            yield replace(each, unit=each.unit or unit), _of_cell(passage, text, each, names)
        return
    clauses = _clauses(text, found)
    whole = mentions(passage.text, names)
    told = [mentions(passage.text[start:end], names) for start, end in clauses]
    filled = [any(start <= each.start < end for each in found) for start, end in clauses]
    for each in found:
        at = next(number for number, (start, end) in enumerate(clauses) if start <= each.start < end)
        yield each, _of_clause(text, each, (clauses, told, filled), at, whole)


def _of_cell(passage: Passage, text: str, each: Typed, names: Names) -> Scope:
    near, wide = mentions(passage.label, names), mentions(passage.wider, names)
    words = masked(passage.label, names).lower()
    caption = masked(passage.wider, names).lower()
    if not QUANTITY.search(words) or ("accurac" in words and not re.search(r"test|validation|initial|deployed", words)):
        words = f"{words} {caption}"
    return Scope(
        text[: each.start],
        text[each.end :],
        words,
        near.methods or wide.methods,
        near.compared,
        near.radios or wide.radios,
        near.grids or wide.grids,
        near.ways or wide.ways,
        near.ways,
        near.has_variant,
        has_own=True,
    )


def _clauses(text: str, found: Sequence[Typed]) -> list[tuple[int, int]]:
    """Start and end of each clause; a range is in one."""
    inner = [
        (one.start, two.end) for one, two in pairwise(found) if one.role in ("low", "from") and two.role != "value"
    ]
    cuts = [m.start() for m in _CLAUSE.finditer(text) if not any(start < m.start() < end for start, end in inner)]
    cuts = [cut for cut in cuts if not any(each.start < cut < each.end for each in found)]
    return list(pairwise(sorted({0, *cuts, len(text)}))) or [(0, len(text))]


def _of_clause(
    text: str,
    each: Typed,
    parsed: tuple[Sequence[tuple[int, int]], Sequence[Mentions], Sequence[bool]],
    at: int,
    whole: Mentions,
) -> Scope:
    clauses, told, filled = parsed
    start, end = clauses[at]
    is_mixed = bool(re.search(r"\brespectively\b", text, re.I))

    def near(of: Callable[[Mentions], frozenset[str]]) -> frozenset[str]:
        # A clause that names something and has no number may name it for a number elsewhere.
        is_own = of(told[at]) and not is_mixed
        is_own = is_own and all(has for one, has in zip(told, filled, strict=True) if of(one))
        return of(told[at]) if is_own else of(whole)

    has_word = [bool(QUANTITY.search(text[one:two])) for one, two in clauses]
    is_clear = has_word[at] and all(has for has, named in zip(filled, has_word, strict=True) if named)
    own = told[at]
    # A method that is named only afterwards may stand beside one that the tables do not have.
    is_named = any(one.methods for one in told[: at + 1])
    methods = near(lambda one: one.methods) if is_named else frozenset[str]()
    return Scope(
        text[start : each.start],
        text[each.end : end],
        (text[start:end] if is_clear else text).lower(),
        methods,
        whole.compared & methods,
        near(lambda one: one.radios),
        near(lambda one: one.grids),
        near(lambda one: one.ways),
        whole.ways,
        whole.has_variant,
        has_own=bool(has_word[at] or own.methods or own.radios or own.grids or own.ways),
    )
