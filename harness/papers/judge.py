"""Whether a typed number is what the tables have: it agrees, it differs, or it was not checked, and why.

A number agrees only if every result that its words may mean rounds to it. It differs if none does, and what could be
meant is named. Everything else is not checked: to call a wrong number right is worse than to say nothing of it.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.papers.meanings import QUANTITY, Known, is_meant, names_quantity
from harness.papers.mentions import UNPRICED, Names
from harness.papers.numbers import Typed
from harness.papers.scopes import Scope
from harness.papers.units import dimension

Kind = Literal["agrees", "differs", "not checked"]

_BEHIND = (
    (
        r"\s*(?:per|each|every|a|/)\s*(?:\w+\s+)?(?:round|client|device|user|epoch|parameter|weight|second|step)",
        "a part",
    ),
    (r"\s*(?:per|/)\s*\w", "a part"),
    (r"\s*(?:confidence|credible|CI\b|t?\s*interval)", "a level of an interval, no result"),
    (r"\s*(?:or|and)\s+(?:more|less|above|below)\b", "a bound, no value"),
)
_BEFORE = (
    (r"(?:(?:more|less|fewer|lower|higher|greater|larger|smaller)\s+than|over|under|below|above|at\s+(?:most|least)"
     r"|up\s+to|within|exceed\w*|[<>])\s*$", "a bound, no value"),
)  # fmt: skip
_AROUND = (
    (
        r"\b(?:not|never|neither|(?-i:nor)|cannot|without|would|could|might|if|n't)\b",
        "its sentence denies or supposes",
    ),
    (r"\b(?:per|each|every)\s+(?:round|client|device|user|epoch|parameter)\b", "a part"),
    (r"\b(?:after|at|in|by)\s+(?:round\s+\d|\d+\s+rounds|seed\s+\d)", "a part"),
    (
        r"\b(?:lower|upper|low|high)\s+(?:end|bound)|\bat\s+(?:best|worst)|\b(?:intervals?|CI)\b",
        "an end of an interval",
    ),
    (r"\b(?:half|third|quarter|twice|double)\b", "a multiple or a part of a result"),
)
_REASONS = {"a part": "of a part of a run (a round, a client), which no result is"}
_PLAIN = re.compile(
    r"(?:\b(?:of|is|was|are|at|reach\w*|takes?|took|sends?|emits?|needs?|uses?|has|have|with|costs?)|[=:])\s*"
    r"(?:only|just|about|roughly|nearly|some)?\s*$",
    re.I,
)
_TURNS = re.compile(r"\s*(?:fewer|less|more|lower|higher|saved|smaller|larger|extra|greater|better|worse)\b", re.I)
_OF = re.compile(
    r"\s*of\s+(?:(?:the|all|its|their|total|raw|communicated|device|radio|test|deployment|\x01+)[\s\x01]+)*(\w+)"
)


@dataclass(frozen=True)
class Verdict:
    """What was found of a number.

    Attributes:
        kind: agrees, differs or not checked.
        text: with which result, from which, or why.
    """

    kind: Kind
    text: str


def judge(typed: Typed, scope: Scope, known: Sequence[Known], names: Names) -> Verdict:
    """Compare a number with every result that its words may mean."""
    reason = _unreadable(typed, scope, known)
    if reason:
        return Verdict("not checked", f'"{typed.text}": {reason}')
    measures = dimension(typed.unit)[0]
    is_relative = measures == "points" or (measures == "%" and "accurac" not in scope.words)
    methods, reason = _subjects(typed, scope, names, is_relative=is_relative)
    reason = reason or _unfit(typed, scope, is_relative=is_relative)
    fitting = [
        each
        for each in known
        if each.measures == measures
        and each.is_relative == is_relative
        and each.method in methods
        and is_meant(each, scope.words)
    ]
    fitting, named = _placed(fitting, scope, reason or "no result is of such a method and quantity in that unit")
    if reason or not fitting:
        return Verdict("not checked", f'"{typed.text}": {reason or named}')
    return _compared(typed, fitting, scope, named)


def _unreadable(typed: Typed, scope: Scope, known: Sequence[Known]) -> str:
    """Why a number is none that a result could be compared with."""
    if typed.flaw:
        return typed.flaw
    has_word = bool(QUANTITY.search(scope.words))
    measures = dimension(typed.unit)[0]
    if typed.unit and (not measures or all(each.measures != measures for each in known)):
        return f"unit {typed.unit} is no result's"
    if not typed.unit and "pass-through" not in scope.words:
        return "no unit" if has_word else "no unit and no word that names a result"
    if not names_quantity(scope.words, measures):
        return "no word that names a result"
    if not scope.has_own and typed.role == "value" and measures in ("%", "points", "s"):
        return "nothing beside it says what it is of"
    return _qualified(typed, scope)


def _qualified(typed: Typed, scope: Scope) -> str:
    for pattern, reason in _BEHIND:
        if re.match(pattern, scope.behind, re.I):
            return _REASONS.get(reason, reason)
    for pattern, reason in _BEFORE:
        if re.search(pattern, scope.before, re.I):
            return _REASONS.get(reason, reason)
    for pattern, reason in _AROUND:
        is_range = typed.role in ("low", "high") and reason.startswith("an end")
        if not is_range and re.search(pattern, f"{scope.before} # {scope.behind}", re.I):
            return _REASONS.get(reason, reason)
    owner = _OF.match(scope.behind) if dimension(typed.unit)[0] == "%" else None
    if owner and not QUANTITY.search(owner[1]) and "\x01" not in owner[0]:
        return f"per cent of {owner[1]}, which is no result"
    return ""


def _subjects(typed: Typed, scope: Scope, names: Names, *, is_relative: bool) -> tuple[frozenset[str], str]:
    """Methods that a number may be of, and why that cannot be said; empty if it can."""
    methods = scope.methods or (frozenset(names.methods) if len(names.methods) == 1 else frozenset())
    if scope.has_variant or not methods:
        variant = "names a method with a setting that may not be that of the tables"
        return methods, variant if scope.has_variant else "names no method of the tables"
    if not is_relative and typed.role not in ("from", "to"):
        return methods, "names only what it is compared with" if methods <= scope.compared else ""
    subjects = methods - scope.compared
    references = frozenset(names.reference[each] for each in subjects)
    if not subjects or scope.compared - references:
        return methods, "is compared with another method than the tables compare it with"
    if is_relative:
        two = "names two methods" if len(subjects) > 1 else "a change of the reference to itself"
        return subjects, two if subjects & references else ""
    subjects = subjects if subjects <= references else subjects - references
    is_reference = typed.role == "from" and bool(scope.every_way)
    return references if is_reference else subjects, "names two methods" if len(subjects) > 1 else ""


def _unfit(typed: Typed, scope: Scope, *, is_relative: bool) -> str:
    """Why the words of a change do not say what a number is."""
    reasons = _of_change(typed, scope) if is_relative else _of_amount(typed, scope)
    return next((reason for is_so, reason in reasons if is_so), "")


def _of_change(typed: Typed, scope: Scope) -> Iterator[tuple[bool, str]]:
    """What may be wrong with a change, each with its reason."""
    is_difference = bool(typed.sign) and "point" in typed.unit
    yield typed.role != "value", "a share that is left, or a range of changes, which no table has"
    yield not scope.ways and not is_difference, "a share with no word of more or less"
    yield len(scope.ways) > 1, "its words say both more and less"
    yield bool(typed.sign and scope.ways & {"down", "up"}), "has a sign and a word of more or less"
    is_open = not typed.sign and scope.ways == {"change"} and bool(typed.value)
    yield is_open, "a change that is not said to be more or less"


def _of_amount(typed: Typed, scope: Scope) -> Iterator[tuple[bool, str]]:
    """What may be wrong with an amount, each with its reason."""
    if typed.role in ("from", "to"):
        is_single_to = typed.role == "to" and not scope.every_way
        yield not scope.every_way and not is_single_to, "a step with no word of a change"
    else:
        is_turned = bool(_TURNS.match(scope.behind)) or not _PLAIN.search(scope.before)
        yield bool(scope.every_way) and is_turned, "may be an amount of change, which no table has"


def _placed(fitting: Sequence[Known], scope: Scope, otherwise: str) -> tuple[list[Known], str]:
    """Those that are where the text says, and, if several could be, why none of them is named."""
    if not fitting:
        return [], otherwise
    reason = ""
    for at, (kind, found) in enumerate((("radio", scope.radios), ("country", scope.grids))):
        places = {each.scenario[at] for each in fitting if len(each.scenario) > at}
        if not places:
            continue
        if UNPRICED in found:
            return [], f"a {kind} that was not priced"
        if found:
            fitting = [each for each in fitting if len(each.scenario) <= at or each.scenario[at] in found]
            if not fitting:
                return [], f"a {kind} that was not priced"
            reason = reason or (f"names {len(found)} {_many(kind)}" if len(found) > 1 else "")
        elif len(places) > 1:
            reason = reason or f"names none of {len(places)} {_many(kind)}"
    return list(fitting), reason


def _many(kind: str) -> str:
    return {"radio": "radios", "country": "countries"}[kind]


def _compared(typed: Typed, fitting: Sequence[Known], scope: Scope, unnamed: str) -> Verdict:
    measured = [(each, amount) for each in fitting if (amount := _amount(typed, each)) is not None]
    if len(measured) < len(fitting):
        return Verdict("not checked", f'"{typed.text}": an end of a range that the tables do not have')
    right = [each for each, amount in measured if _is(typed, amount, scope)]
    if len(right) == len(measured):
        return Verdict("agrees", f'"{typed.text}" is {_end(typed)}{right[0].where}, {_shown(typed, right[0])}')
    if right or unnamed:
        return Verdict("not checked", f'"{typed.text}": {unnamed or _several(fitting)}')
    each, _ = min(measured, key=lambda pair: abs(pair[1] - _signed(typed, scope)))
    macro = each.macro + {"low": "Low", "high": "High"}.get(typed.role, "")
    truth = f"{_end(typed)}{each.where} is {_shown(typed, each)}"
    return Verdict("differs", f'"{typed.text}" is typed by hand; {truth}: write \\{macro}')


def _amount(typed: Typed, known: Known) -> float | None:
    """What the tables have for a number, in its unit; None for an end of what has none."""
    _, factor = dimension(typed.unit)
    raw: float | None = known.result.raw
    if typed.role in ("low", "high"):
        raw = known.result.raw_ends[typed.role == "high"] if known.result.raw_ends else None
    return None if raw is None else known.amount(raw, factor or 1.0)


def _signed(typed: Typed, scope: Scope) -> float:
    return float(-typed.value if scope.ways == {"down"} and not typed.sign else typed.value)


def _is(typed: Typed, amount: float, scope: Scope) -> bool:
    is_change = dimension(typed.unit)[0] in ("%", "points") and ("accurac" not in scope.words or "point" in typed.unit)
    return typed.is_rounded_from(-amount if is_change and scope.ways == {"down"} and not typed.sign else amount)


def _end(typed: Typed) -> str:
    return {"low": "lower end of ", "high": "upper end of "}.get(typed.role, "")


def _shown(typed: Typed, known: Known) -> str:
    ends = known.result.ends
    text = ends[typed.role == "high"] if ends and typed.role in ("low", "high") else known.result.text
    return " ".join(text.split())


def _several(fitting: Sequence[Known]) -> str:
    methods = sorted({each.method for each in fitting})
    if len(methods) > 1:
        return f"names {'two' if len(methods) == 2 else len(methods)} methods: {', '.join(methods)}"
    shown = [f"{each.quantity} ({' '.join(each.result.text.split())})" for each in fitting[:3]]
    return f"{'two' if len(fitting) == 2 else len(fitting)} results would fit: {', '.join(shown)}"
