"""Numbers in plain text: value, precision, unit, and whether each is a value, an end of a range or a step of a change.

Left out, as no numbers that a paper states: parts of names (CIFAR-10, 5G, fp32), numbers of sections, figures and
equations, years after words of time, ordinals and versions.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal

from harness.papers.siunitx import UNIT_MARK
from harness.papers.units import UNIT, dimension, unit_of

Role = Literal["value", "low", "high", "from", "to"]

_NUMBER = re.compile(
    r"(?:(?<![\w.\0])|(?=\u00b1))(?<![A-Za-z]-)([-+\u2212\u00b1]\s?)?(\d+(?:[,\0]\d+)*(?:\.\d+)?|\.\d+)(?:e([-+\u2212]?\d+))?(?!\d)"
)
_GROUPED = re.compile(r"\d{1,3}(?:[,\0]+\d{3})+(?:\.\d+)?$")
_VERSION = re.compile(r"\d+(?:\.\d+){2,}")
_NUMBERED = re.compile(
    r"\b(?:sections?|secs?\.|figures?|figs?\.|tables?|tabs?\.|equations?|eqs?\.|appendix|chapters?|algorithms?|lines?"
    r"|steps?|theorems?|lemmas?|footnotes?|pages?|pp?\.|version)\s*\(?(?:\d+[a-z]?\)?(?:\s*(?:,|and|to|\u2013|-)\s*\(?)?)*$",
    re.I,
)
_DATED = re.compile(
    r"(?:\b(?:in|of|since|from|until|by|year|jan\w*|feb\w*|mar\w*|apr\w*|may|june?|july?|aug\w*|sep\w*|oct\w*|nov\w*"
    r"|dec\w*)|[(\u2013])\s*$",
    re.I,
)
_TO = re.compile(r"\s*(?:\u2013|-|to)\s*$")
_AND = re.compile(r"\s*(?:and|to)\s*$")
_OPENS = re.compile(r"\s*[(\[]\s*(?:from\s+)?$")
_CLOSES = re.compile(r"\s*[)\]]\s*")
_HELD = 12
_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)


@dataclass(frozen=True)
class Typed:
    """A number as it was typed.

    Attributes:
        text: as printed, with its unit.
        start: where it begins in its text.
        end: behind its unit.
        value: what it says, in `unit`.
        quantum: what its last digit counts.
        unit: as typed; empty if it has none.
        sign: -1, 0 (none typed) or 1.
        role: what it is beside its neighbours.
        flaw: why it cannot be read as one number; empty if it can.
    """

    text: str
    start: int
    end: int
    value: Decimal
    quantum: Decimal
    unit: str
    sign: int
    role: Role = "value"
    flaw: str = ""

    def is_rounded_from(self, amount: float) -> bool:
        """Whether an amount, in `unit`, rounds to this number, halves away from zero."""
        held = Decimal(f"{amount:.{_HELD - 1}e}")
        return any(
            (held / step).quantize(Decimal(1), context=_EXACT) * step == self.value for step in self._precisions()
        )

    def _precisions(self) -> Iterator[Decimal]:
        yield self.quantum
        # Zeros at the end may be digits or not, down to the two digits that reports print of what they estimate.
        spare = min(self.value.copy_abs().normalize().as_tuple().exponent, self.value.adjusted() - 1)
        if self.quantum >= 1 and self.value and dimension(self.unit)[0] in ("bit", "J", "g", "s"):
            yield from (Decimal(1).scaleb(place) for place in range(1, int(spare) + 1))


def numbers(text: str) -> list[Typed]:
    """All numbers of a text, in its order."""
    blanked = _VERSION.sub(lambda match: " " * len(match[0]), text)
    return _with_roles(text, [each for match in _NUMBER.finditer(blanked) if (each := _typed(text, match))])


def _typed(text: str, match: "re.Match[str]") -> Typed | None:
    before, end = text[: match.start()], match.end()
    gap = re.compile(r"[\s\-\0]*").match(text, end)
    found = UNIT.match(text, gap.end() if gap else end)
    unit = unit_of(found) if found else ""
    if _NUMBERED.search(before) or (not found and re.match(r"[A-Za-z]", text[end:])):
        return None
    digits = match[2].replace("\0", ",")
    is_grouped = bool(_GROUPED.match(digits))
    if not unit and re.fullmatch(r"(?:19|20)\d\d", digits) and _DATED.search(before):
        return None
    mark = (match[1] or "").strip()
    value = Decimal(digits.replace(",", "")).scaleb(int((match[3] or "0").replace("\u2212", "-")))
    sign = -1 if mark in ("-", "\u2212") else 1 if mark == "+" else 0
    flaw = "" if is_grouped or "," not in digits else "a comma that separates no thousands"
    flaw = "a half-width; tables give both ends" if mark == "\u00b1" else flaw
    decimals = len(digits.partition(".")[2])
    end = found.end() if found else end
    shown = " ".join(text[match.start() : end].replace("\0", ",").replace(UNIT_MARK, "").split())
    quantum = Decimal(1).scaleb(int((match[3] or "0").replace("\u2212", "-")) - decimals)
    return Typed(shown, match.start(), end, -value if sign < 0 else value, quantum, unit, sign, flaw=flaw)


def _with_roles(text: str, found: Sequence[Typed]) -> list[Typed]:
    """The same numbers, with ranges and steps of changes told apart and units shared within them."""
    told = list(found)
    for at in range(len(told) - 1):
        one, two = told[at], told[at + 1]
        between, before = text[one.end : two.start], text[: one.start]
        is_from = bool(re.search(r"\bfrom\s+$", before, re.I))
        is_pair = bool(_TO.match(between)) or bool(re.search(r"\bbetween\s+$", before) and _AND.match(between))
        opened = at > 0 and bool(_OPENS.match(text[told[at - 1].end : one.start]))
        closed = bool(_CLOSES.match(text, two.end))
        is_bracket = opened and closed and re.fullmatch(r"\s*[,;]\s*", between) is not None
        if not (is_pair or is_bracket) or one.role != "value":
            continue
        outer = told[at - 1].unit if opened and closed else ""
        unit = two.unit or one.unit or outer or (_unit_behind(text, two.end) if opened and closed else "")
        roles: tuple[Role, Role] = ("from", "to") if is_from else ("low", "high")
        told[at] = replace(one, unit=one.unit or unit, role=roles[0])
        told[at + 1] = replace(two, unit=two.unit or unit, role=roles[1])
        if opened and closed and not outer:
            told[at - 1] = replace(told[at - 1], unit=unit)
    return [_alone(text, each) for each in told]


def _unit_behind(text: str, place: int) -> str:
    closing = _CLOSES.match(text, place)
    found = UNIT.match(text, closing.end()) if closing else None
    return unit_of(found) if found else ""


def _alone(text: str, each: Typed) -> Typed:
    """A single step of a change: "from 25.6 Gbit down to", "falls to 14.6 Gbit"."""
    if each.role == "value":
        for role in ("from", "to"):
            if re.search(rf"\b{role}\s+(?:about\s+|only\s+)?$", text[: each.start], re.I):
                return replace(each, role=role)
    return each
