"""Units as papers write them: how to find them in a text, what they measure, and how many base units they are."""

import re

from harness.papers.siunitx import UNIT_MARK

_PREFIXED = (
    r"[kMGT]?bits?\b|[kMGT]b\b|[kMGT]i?B\b|bytes?\b|[mkM\u00b5]?J\b|[kM]?Wh\b|(?:kilo|mega|milli)?joules?\b"
    r"|[mk\u00b5]?g\b|(?:kilo|milli)?grams?\b|tonnes?\b|(?:kilo|mega|giga)bytes?\b|(?:kilo|mega|giga)bits?\b"
)
_TIMES = r"ms\b|s\b|seconds?\b|min\b|minutes?\b|h\b|hours?\b|d\b|days?\b"
_FOREIGN = r"[kMG]?Hz\b|[mk]?W\b|[kMG]?bps\b|GFLOPS?\b|[ck]?m\b|\u00b0C|\u00d7|times\b|x\b|-?fold\b"
_SHARES = r"%|per ?cent(?! ?points)(?:age)?\b(?! points)|percentage points?\b|points?\b|pp\b"
UNIT = re.compile(
    rf"{UNIT_MARK}(?P<si>[^{UNIT_MARK}]*){UNIT_MARK}"
    rf"|(?P<plain>(?:{_SHARES}|{_PREFIXED}|{_TIMES}|{_FOREIGN})(?:\s?/\s?[A-Za-z]+)?)"
)
"""A unit, wherever it stands."""

_HEADED = re.compile(
    rf"[(\[]\s*(?:in\s+)?({_SHARES}|{_PREFIXED}|{_TIMES})[^)\]]*[)\]]|({_SHARES}|[kMGT]bits?\b|[mkM\u00b5]?J\b|[mk]g\b)"
)
_FACTORS = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "m": 1e-3, "\u00b5": 1e-6}
_FACTORS |= {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30}
_FACTORS |= {"kilo": 1e3, "mega": 1e6, "giga": 1e9, "milli": 1e-3}
_BASES = {
    "Wh": ("J", 3600.0), "bits": ("bit", 1.0), "bit": ("bit", 1.0), "bytes": ("bit", 8.0), "byte": ("bit", 8.0),
    "joules": ("J", 1.0), "joule": ("J", 1.0), "grams": ("g", 1.0), "gram": ("g", 1.0),
    "b": ("bit", 1.0), "B": ("bit", 8.0), "J": ("J", 1.0), "g": ("g", 1.0),
}  # fmt: skip
_SECONDS = {"ms": 1e-3, "s": 1.0, "second": 1.0, "min": 60.0, "minute": 60.0, "h": 3600.0, "hour": 3600.0}
_SECONDS |= {"d": 86_400.0, "day": 86_400.0}
_WHOLE = {name: ("s", length) for name, length in _SECONDS.items()} | {"t": ("g", 1e6), "tonne": ("g", 1e6)}


def unit_of(match: "re.Match[str]") -> str:
    """The unit that `UNIT` found."""
    return str(match["si"] if match["si"] is not None else match["plain"]).strip()


def heading_unit(heading: str) -> str:
    """Unit that a heading gives to the cells below it; empty if it names none, or several.

    >>> heading_unit("Energy (kJ)"), heading_unit("Accuracy [%]"), heading_unit("Method")
    ('kJ', '%', '')
    """
    marked = re.findall(rf"{UNIT_MARK}([^{UNIT_MARK}]*){UNIT_MARK}", heading)
    found = set(marked or (one or other for one, other in _HEADED.findall(heading)))
    return found.pop() if len(found) == 1 else ""


def dimension(unit: str) -> tuple[str, float]:
    """What a unit measures, and how many of its base unit it is; empty and 0 for a unit that results do not have.

    >>> dimension("kJ"), dimension("kWh"), dimension("per cent"), dimension("MB"), dimension("bit/s")
    (('J', 1000.0), ('J', 3600000.0), ('%', 1.0), ('bit', 8000000.0), ('', 0.0))
    """
    if "/" in unit:
        return "", 0.0
    if "point" in unit or unit == "pp":
        return "points", 1.0
    if unit.startswith(("%", "per")):
        return "%", 1.0
    single = unit.removesuffix("s") if len(unit) > 2 else unit
    if single in _WHOLE:
        return _WHOLE[single]
    for ending, (base, factor) in _BASES.items():
        if unit.endswith(ending) and unit.removesuffix(ending) in _FACTORS:
            return base, factor * _FACTORS[unit.removesuffix(ending)]
    return "", 0.0
