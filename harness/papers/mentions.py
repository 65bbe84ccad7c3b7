"""What a text names: methods, radios, grids and their like that were not priced, and which way a change goes."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache

from harness.core.packaged_tables import table_rows
from harness.price.assumptions.data import table_path

UNPRICED = "?"
"""Stands for a radio or a grid that is named and has no results."""

_RADIO = re.compile(
    r"\b(?:LTE(?:-M)?|[3-6]G|NR|Wi-?Fi|WLAN|NB-?IoT|LoRa(?:WAN)?|Bluetooth|BLE|UMTS|GSM|GPRS|Ethernet|mmWave|Zigbee"
    r"|satellite)\b",
    re.I,
)
_PLACE = re.compile(
    r"\b(?:in|of|for|on)\s+(?:the\s+)?([A-Z][a-z]{2,})\b|\b([A-Z][a-z]{2,})\s+(?:grid|electricity|power|mix)\b"
)
_PLACES = {
    "US": "USA", "U.S.": "USA", "America": "USA", "American": "USA", "UK": "GBR", "Britain": "GBR", "British": "GBR",
    "French": "FRA", "German": "DEU", "Norwegian": "NOR", "Swedish": "SWE", "Polish": "POL", "Indian": "IND",
    "Chinese": "CHN", "Danish": "DNK", "Dutch": "NLD", "Swiss": "CHE", "Spanish": "ESP", "Italian": "ITA",
    "Japanese": "JPN", "Australian": "AUS", "Brazilian": "BRA", "Canadian": "CAN", "Finnish": "FIN",
}  # fmt: skip
_COLUMNS = ("iso3", "iso2", "name", "g_per_kwh", "year", "source", "basis")
_NO_PLACE = {"Section", "Table", "Figure", "Appendix", "Equation", "All", "Each", "Every", "Method", "Methods"}
_COMPARED = re.compile(
    r"\b(?:than|against|versus|vs\.?|over|compared\s+(?:to|with)|relative\s+to)\s+"
    r"(?:(?:the|that|those|of|for|with|plain|vanilla|uncompressed|reference|baseline|method)\s+)*$",
    re.I,
)
_VARIANT = re.compile(r"[\s-]*(?:\d+[\s-]*(?:bit|level)|at\s+\d|with\s+\d)", re.I)


@dataclass(frozen=True)
class Names:
    """The names that results have.

    Attributes:
        methods: as the tables call them.
        reference: what a method's changes are to.
        the_reference: method that "the reference" means.
        radios: each with the other names that stand for it.
        grids: as the tables call them.
    """

    methods: tuple[str, ...]
    reference: Mapping[str, str]
    the_reference: str
    radios: Mapping[str, tuple[str, ...]]
    grids: tuple[str, ...]
    pattern: "re.Pattern[str]" = field(init=False, repr=False)

    def __post_init__(self) -> None:
        longest = sorted(self.methods, key=len, reverse=True)
        spelled = "|".join(f"(?P<m{self.methods.index(name)}>{_spelled(name)})" for name in longest)
        pattern = rf"(?<!\w)(?<!\w-)(?:{spelled}|(?P<ref>the\s+reference))(?!\w)(?!-\w)"
        object.__setattr__(self, "pattern", re.compile(pattern, re.I))


@dataclass(frozen=True)
class Mentions:
    """What a text names.

    Attributes:
        methods: methods.
        compared: those of them that others are compared with.
        radios: radios; `UNPRICED` for another.
        grids: grids; `UNPRICED` for another.
        has_variant: whether a method is named with a setting that its results are not of.
        ways: "down", "up", "change", as its words have it.
    """

    methods: frozenset[str]
    compared: frozenset[str]
    radios: frozenset[str]
    grids: frozenset[str]
    has_variant: bool
    ways: frozenset[str]


def masked(text: str, names: Names) -> str:
    """A text of the same length whose methods' names have no digits, commas or words."""
    return names.pattern.sub(lambda match: re.sub(r"[^\n]", "\x01", match[0]), text)


def mentions(text: str, names: Names) -> Mentions:
    """What a plain text names."""
    found = list(names.pattern.finditer(text))
    methods = {_method(match, names) for match in found}
    compared = {_method(match, names) for match in found if _COMPARED.search(text[: match.start()])}
    rest = masked(text, names)
    return Mentions(
        frozenset(methods),
        frozenset(compared),
        frozenset(_radios(rest, names.radios)),
        frozenset(_grids(rest, names.grids)),
        any(_VARIANT.match(text, match.end()) for match in found),
        frozenset(ways(rest)),
    )


_WAYS = {
    "down": r"fewer|less|sav(?:es?|ed|ings?)|reduc\w+|lower\w*|cuts?|cutting|decreas\w+|shr[iau]nk\w*|smaller|drop\w*"
    r"|falls?|fell|falling|los(?:es?|t|ing)|below|declin\w+|worse|down",
    "up": r"more|increas\w+|rises?|rose|rising|grows?|grew|growth|higher|larger|above|gain\w*|rais\w+|adds?|extra"
    r"|better|improv\w+|up|exceed\w*|greater|wast\w+",
    "change": r"chang\w+|differ\w*|apart",
}
_WEAK = r"costs?|costing"


def ways(text: str) -> Iterator[str]:
    """Which ways the words of a text say that something goes."""
    found = [way for way, words in _WAYS.items() if re.search(rf"\b(?:{words})\b", text, re.I)]
    yield from found or (["up"] if re.search(rf"\b(?:{_WEAK})\b", text, re.I) else [])


def _method(match: "re.Match[str]", names: Names) -> str:
    group = str(match.lastgroup)
    return names.the_reference if group == "ref" else names.methods[int(group[1:])]


def _spelled(name: str) -> str:
    return r"[\s\-_]+".join(re.escape(word) for word in re.split(r"[\s\-_]+", name) if word)


def _radios(text: str, radios: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    left = text
    aliases = [(alias, name) for name, others in radios.items() for alias in (name, *others)]
    for alias, name in sorted(aliases, key=lambda pair: len(pair[0]), reverse=True):
        words = r"[\s\-_(]*".join(re.escape(word) for word in re.split(r"[\s\-_()]+", alias) if word)
        words = words.replace("wifi", r"wi[\s\-]*fi").replace("nbiot", r"nb[\s\-]*iot")
        for match in re.finditer(rf"\b{words}\b", left, re.I):
            yield name
            # A word such as LTE may stand for every radio whose name begins with it.
            if match[0] != name:
                yield from (other for other in radios if other.startswith(f"{alias}_"))
        left = re.sub(rf"\b{words}\b", lambda match: " " * len(match[0]), left, flags=re.I)
    if _RADIO.search(left):
        yield UNPRICED


def _grids(text: str, grids: Iterable[str]) -> Iterator[str]:
    known = {name.casefold(): name for name in grids}
    countries = _countries()
    for name in grids:
        if re.search(rf"\b{_spelled(name)}\b", text, 0 if name.isupper() else re.I):
            yield name
    for word, code in countries.items():
        if word in text and re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text):
            yield known.get(code.casefold(), UNPRICED)
    for match in _PLACE.finditer(text):
        word = match[1] or match[2]
        is_known = word.casefold() in known or any(word in country for country in countries)
        if not (is_known or word in _NO_PLACE or _RADIO.match(word)):
            yield UNPRICED


@cache
def _countries() -> Mapping[str, str]:
    """Names and codes of countries, and some of what belongs to them, each with its code of three letters."""
    rows = [row for _, row in table_rows(table_path("grid_intensity"), _COLUMNS)]
    return _PLACES | {row[key]: row["iso3"] for row in rows for key in ("name", "iso3")}
