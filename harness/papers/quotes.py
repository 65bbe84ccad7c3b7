r"""Finds numbers typed by hand into a paper, and the result in a table that each one evidently quotes.

The rule is strict, so its findings are worth reading. A number counts if it has a unit that results have (per cent,
points, bits, bytes, joules, grams) and its sentence, or its row and the heading of its column, names a method and a
quantity. It is right if a result of such a method and quantity, or an end of its interval, rounds to it. It is an
objection if only one result could be meant, or if it is within `NEAR` of one that could be. Sentences that cite others
are left alone, and so are numbers whose quantity has no result in that unit.

Not seen: numbers of two methods of one sentence in each other's place, and "more" where the tables say less.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.papers.tex import TexFile, plain_text
from reports.latex.result import Result

NEAR = 0.05
"""Relative distance within which a number is taken to quote a result, where several could be meant."""

FAR = 2.0
"""Relative distance beyond which bits, joules and grams are others than those of the results: of a single parameter."""

_RELATIVE = ("%", "percent", "per cent", "points", "percentage points", "pp")
_NUMBER = re.compile(
    r"(?<![\w.,\0])([-+\u2212]?)((?:\d{1,3}(?:[,\0]+\d{3})+|\d+)(?:\.\d+)?)[ \0\n]*"
    r"(%|per ?cent(?! points)|percentage points?|points?|pp|[kMGT]?bits?\b|[kMGT]i?B\b|[mkM\u00b5]?J\b|k?Wh\b|joules?"
    r"|[mk\u00b5]?g\b|grams?)"
)
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3, "\u00b5": 1e-6}
_SENTENCE = re.compile(
    r"(?<=[.!?])\s+(?=[A-Z\\$])|\n[ \t]*\n|\\\\|\\item\b|\\(?:sub)*section\*?|\\(?:begin|end)\{[^{}]*\}"
)
_CITES = re.compile(r"\\[a-zA-Z]*cite[a-zA-Z]*")
_CHANGED = re.compile(
    r"\b(fewer|less|more|sav\w+|reduc\w+|lower\w*|cut\w*|chang\w+|decreas\w+|increas\w+|shrink\w*|smaller|drop\w*)\b",
    re.I,
)
_TABULAR = re.compile(r"\\begin\{tabular[x*]?\}(.*?)\\end\{tabular[x*]?\}", re.DOTALL)


@dataclass(frozen=True)
class Known:
    """A result of the tables and the macro that prints it."""

    result: Result
    macro: str

    @property
    def method(self) -> str:
        """Method that it is of, or name of a contrast."""
        return self.result.path[1]

    @property
    def quantity(self) -> str:
        """Quantity, in words."""
        return self.result.path[2].replace("_", " ")

    @property
    def scenario(self) -> tuple[str, ...]:
        """Radio and grid, where it depends on them."""
        return self.result.path[3:]


@dataclass(frozen=True)
class Quoted:
    """A number that was compared.

    Attributes:
        line: its line, from 1.
        objection: what is wrong with it; empty if a result rounds to it.
    """

    line: int
    objection: str


@dataclass(frozen=True)
class _Typed:
    """A number with its unit."""

    text: str
    value: float
    tolerance: float
    unit: str
    is_signed: bool


def quoted(file: TexFile, known: Sequence[Known]) -> Iterator[Quoted]:
    """Every number of a file that quotes a result."""
    names = sorted({each.method for each in known}, key=len, reverse=True)
    inside = [match.span() for match in _TABULAR.finditer(file.source)]
    for start, end, context in (*_sentences(file.source, inside), *_rows(file.source, names)):
        if file.line_of(start) in file.ignored or _CITES.search(file.source[start:end]):
            continue
        yield from _in_context(file, (start, end), context, known, names)


def _sentences(source: str, tables: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, str]]:
    """Start, end and text of each sentence outside tables."""
    breaks = [0, *(match.end() for match in _SENTENCE.finditer(source)), len(source)]
    for start, end in pairwise(breaks):
        if not any(begin <= start < stop for begin, stop in tables):
            yield start, end, plain_text(source[start:end])


def _rows(source: str, names: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Start and end of each cell of tables, with the first cell of its row and the headings above it as its context."""
    for table in _TABULAR.finditer(source):
        headings: dict[int, str] = {}
        place = table.start(1)
        for row in re.split(r"(\\\\)", table[1]):
            cells = row.split("&") if row != r"\\" else []
            first = plain_text(cells[0]) if cells else ""
            is_method = any(_normal(name) in _normal(first) for name in names)
            at = place
            for number, cell in enumerate(cells):
                if is_method and number:
                    yield at, at + len(cell), f"{first} | {headings.get(number, '')} | {plain_text(cell)}"
                elif not is_method:
                    headings[number] = f"{headings.get(number, '')} {plain_text(cell)}"
                at += len(cell) + 1
            place += len(row)


def _in_context(
    file: TexFile, span: tuple[int, int], context: str, known: Sequence[Known], names: Sequence[str]
) -> Iterator[Quoted]:
    own = plain_text(file.source[span[0] : span[1]])
    for name in names:
        own = _blank(own, name)
    heading = context.rpartition(" | ")[0]
    unit = _unit_of(heading) if heading else ""
    methods = _methods_in(context, names)
    if not methods:
        return
    for match, typed in _numbers(own, unit):
        fitting = [each for each in known if each.method in methods and _fits(each, typed, context, known)]
        line = file.line_of(span[0] + match.start())
        if fitting and line not in file.ignored:
            objection = _objection(typed, fitting)
            if objection is not None:
                yield Quoted(line, objection)


def _methods_in(context: str, names: Sequence[str]) -> set[str]:
    """Methods that a text names; one whose name is part of another's counts only where it stands alone."""
    left, found = _normal(context), set()
    for name in names:
        normal = _normal(name)
        if re.search(rf"(?<!\w){re.escape(normal)}(?!\w)", left):
            found.add(name)
            left = left.replace(normal, " ")
    return found


def _normal(text: str) -> str:
    return " ".join(text.replace("\0", "").replace("_", " ").replace("-", " ").replace("\\", "").lower().split())


def _blank(text: str, name: str) -> str:
    """A text with spaces for a method's name, whose own numbers are no results."""
    words = [re.escape(word) for word in re.split(r"[\s\-_]+", name) if word]
    pattern = r"[\s\-_]+".join(words)
    return re.sub(pattern, lambda match: re.sub(r"[^\n]", " ", match[0]), text, flags=re.IGNORECASE)


def _numbers(text: str, unit: str) -> Iterator[tuple["re.Match[str]", _Typed]]:
    """Numbers with units; in a cell, also numbers whose unit is in the heading."""
    pattern = re.compile(r"(?<![\w.,\0])([-+\u2212]?)((?:\d{1,3}(?:[,\0]+\d{3})+|\d+)(?:\.\d+)?)") if unit else _NUMBER
    for match in pattern.finditer(text):
        digits = re.sub(r"[,\0]", "", match[2])
        decimals = len(digits.partition(".")[2])
        zeros = len(digits) - len(digits.rstrip("0")) if not decimals and float(digits) >= 1000 else 0
        value = -float(digits) if match[1] in ("-", "\u2212") and match[1] else float(digits)
        typed = _Typed(
            " ".join(re.sub(r"\0", "", match[0]).split()),
            value,
            0.5 * 10.0 ** (zeros - decimals),
            unit or match[3],
            bool(match[1]),
        )
        yield match, typed
        if unit:
            return  # what follows in a cell is an interval


def _unit_of(heading: str) -> str:
    found = re.search(r"%|\bpoints\b|\b[kMGT]?bits?\b|\b[mkM\u00b5]?J\b|\b[mk\u00b5]?g\b", heading)
    return found[0] if found else ""


def _dimension(unit: str) -> tuple[str, float]:
    """What a typed unit measures, and how many of its base unit it is."""
    if unit.startswith(("%", "per cent", "percent")) and "point" not in unit:
        return "%", 1.0
    if unit.startswith(("point", "percentage", "pp")):
        return "points", 1.0
    if unit.startswith(("joule", "gram")):
        return unit[0].upper() if unit[0] == "j" else "g", 1.0
    for ending, (base, factor) in _BASES.items():
        if unit.endswith(ending):
            return base, factor * _FACTORS.get(unit.removesuffix(ending), 0.0)
    return "", 0.0


_BASES = {
    "Wh": ("J", 3600.0),
    "bits": ("bit", 1.0),
    "bit": ("bit", 1.0),
    "B": ("bit", 8.0),
    "J": ("J", 1.0),
    "g": ("g", 1.0),
}


def _in_unit(raw: float, raw_unit: str, quantity: str, unit: str) -> float | None:
    """A raw number in the unit of what was typed; None if it has another dimension."""
    dimension, factor = _dimension(unit)
    if dimension == "%":
        is_change = quantity.endswith(("change", "saving"))
        return 100 * (raw - 1) if is_change else 100 * raw if quantity.endswith("accuracy") else None
    if dimension == "points":
        return 100 * raw if quantity.endswith("difference") else None
    return raw / factor if factor and raw_unit == dimension else None


def _fits(each: Known, typed: _Typed, context: str, known: Sequence[Known]) -> bool:
    """Whether a result could be what a number in this context means."""
    if _in_unit(each.result.raw, each.result.raw_unit, each.quantity, typed.unit) is None:
        return False
    if not _is_named(each.quantity, context.lower()):
        return False
    return all(_is_place(place, at, context, known) for at, place in enumerate(each.scenario))


def _is_place(place: str, at: int, context: str, known: Sequence[Known]) -> bool:
    """Whether a radio (at 0) or grid (at 1) is named, or is the only one there is."""
    if len({each.scenario[at] for each in known if len(each.scenario) > at}) == 1:
        return True
    # Codes of countries are words otherwise.
    flags = 0 if place.isupper() else re.IGNORECASE
    joined, name = (re.sub(r"(?<=\w)[-_ ](?=\w)", " ", part) for part in (context, place))
    spelled = r"[-_\s]?".join(map(re.escape, name.replace(" ", "")))
    return bool(re.search(rf"\b{spelled}\b", joined, flags))


def _is_named(quantity: str, text: str) -> bool:
    """Whether a text names a quantity."""
    if quantity.endswith(("change", "saving")) and not _CHANGED.search(text):
        return False
    if "accuracy" in quantity:
        scores = [kind for kind in ("initial", "validation", "test") if kind in text] or ["test"]
        scores += ["deployed"] if "test" in scores else []
        return "accuracy" in text and quantity.startswith(tuple(scores))
    if "bits" in quantity:
        return _names_bits(quantity, text)
    if "energy" in quantity:
        parts = tuple(part for part in ("radio", "device", "deployment") if re.search(rf"\b{part}\b", text))
        return bool(re.search(r"energy|joule|\b[mk]?j\b", text)) and quantity.startswith(parts or ("device",))
    return "carbon" in quantity and bool(re.search(r"carbon|co2|co\W{0,3}2|gram|emission", text))


def _names_bits(quantity: str, text: str) -> bool:
    if ("multicast" in text) != ("multicast" in quantity) or "raw" in quantity or " as " in quantity:
        return False
    if quantity.startswith(("frame", "reference", "provisioning")):
        return quantity.partition(" ")[0] in text
    ways = [way for way in ("uplink", "downlink", "total") if way in text]
    return any(way in quantity for way in ways or ("total",)) and bool(
        re.search(r"bit|byte|traffic|uplink|downlink", text)
    )


def _objection(typed: _Typed, fitting: Sequence[Known]) -> str | None:
    """What is wrong with a number; empty if a result that could be meant rounds to it, None if none evidently is."""
    values = [(each, value) for each in fitting for value in _values(each, typed.unit)]
    if any(_agrees(typed, value) for _, value in values):
        return ""
    mains = {each.macro: (each, next(_values(each, typed.unit))) for each in fitting}
    each, value = min(mains.values(), key=lambda entry: _distance(typed, entry[1]))
    # A change and its saving are one number, and no text says whose model a test accuracy is of.
    same = {"saving": "change", "deployed accuracy": "test accuracy"}
    candidates = {(known.method, _replaced(known.quantity, same), known.scenario) for known in fitting}
    if _distance(typed, value) > (NEAR if len(candidates) > 1 else math.inf if typed.unit in _RELATIVE else FAR):
        return None
    where = f" ({', '.join(each.scenario)})" if each.scenario else ""
    return (
        f'"{typed.text}" is typed by hand; {each.quantity} of {each.method}{where} is '
        f"{' '.join(each.result.text.split())}: write \\{each.macro}"
    )


def _replaced(text: str, others: Mapping[str, str]) -> str:
    for word, other in others.items():
        text = text.replace(word, other)
    return text


def _values(known: Known, unit: str) -> Iterator[float]:
    """A result and the ends of its interval, in a unit."""
    for raw in (known.result.raw, *(known.result.raw_ends or ())):
        value = _in_unit(raw, known.result.raw_unit, known.quantity, unit)
        if value is not None:
            yield value


def _agrees(typed: _Typed, value: float) -> bool:
    allowed = typed.tolerance * (1 + 1e-9) + 1e-12
    return abs(typed.value - value) <= allowed or (not typed.is_signed and abs(typed.value - abs(value)) <= allowed)


def _distance(typed: _Typed, value: float) -> float:
    less, more = sorted((abs(typed.value), abs(value)))
    return more / less - 1 if less else math.inf
