r"""siunitx's macros as the text that they print: ``\SI{77}{\milli\gram}`` is "77 mg".

Units stand between `UNIT_MARK`, so that one that no table has is still known to be a unit. Line breaks are kept.
"""

import re

UNIT_MARK = "\x03"
"""Around a unit that siunitx was told."""

_UNITS = {
    "joule": "J", "gram": "g", "kilogram": "kg", "tonne": "t", "bit": "bit", "byte": "B", "percent": "%",
    "second": "s", "minute": "min", "hour": "h", "day": "d", "watt": "W", "watthour": "Wh", "hertz": "Hz",
    "metre": "m", "meter": "m", "squared": "²", "cubed": "³",
}  # fmt: skip
_PREFIXES = {
    "nano": "n", "micro": "µ", "milli": "m", "centi": "c", "kilo": "k", "mega": "M", "giga": "G", "tera": "T",
    "kibi": "Ki", "mebi": "Mi", "gibi": "Gi", "per": "/",
}  # fmt: skip
_OPTION = r"\s*(?:\[[^\]]*\])?\s*"
_ARGUMENT = r"\{((?:[^{}]|\{[^{}]*\})*)\}"
_MACRO = re.compile(
    rf"\\(?:(?P<range>SIrange|qtyrange){_OPTION}{_ARGUMENT}\s*{_ARGUMENT}\s*{_ARGUMENT}"
    rf"|(?P<list>(?:SI|qty)(?:list|product)){_OPTION}{_ARGUMENT}\s*{_ARGUMENT}"
    rf"|(?P<quantity>SI|qty){_OPTION}{_ARGUMENT}{_OPTION}{_ARGUMENT}"
    rf"|(?P<numbers>numrange){_OPTION}{_ARGUMENT}\s*{_ARGUMENT}"
    rf"|(?P<numlist>numlist|numproduct){_OPTION}{_ARGUMENT}"
    rf"|(?P<number>num){_OPTION}{_ARGUMENT}"
    rf"|(?P<unit>si|unit){_OPTION}{_ARGUMENT})"
)


def printed(source: str) -> str:
    r"""Source with siunitx's macros as what they print.

    >>> printed(r"\SIrange{1.2}{1.9}{\kilo\joule}").replace(UNIT_MARK, "")
    '1.2 kJ to 1.9 kJ'
    """
    return _MACRO.sub(_printed, source)


def _printed(match: "re.Match[str]") -> str:
    kind = next(name for name, text in match.groupdict().items() if text)
    given = [each for each in match.groups() if each is not None][1:]
    if kind == "unit":
        text = _unit(given[0])
    elif kind == "number":
        text = _number(given[0])
    elif kind == "numbers":
        text = " to ".join(map(_number, given))
    elif kind == "numlist":
        text = "; ".join(map(_number, given[0].split(";")))
    else:
        amounts = given[0].split(";") if kind == "list" else given[:-1]
        joint = " to " if kind == "range" else "; "
        text = joint.join(f"{_number(amount)} {_unit(given[-1])}" for amount in amounts)
    return text + "\n" * match[0].count("\n")


def _number(text: str) -> str:
    """A number as siunitx reads it: a comma is a decimal point, digits in parentheses are an uncertainty."""
    flat = re.sub(r"\s+", "", text).replace(",", ".").replace(r"\pm", "±").replace("+-", "±")
    return re.sub(r"(?<=\d)[EdD](?=[-+]?\d)", "e", re.sub(r"\(\d+\)", "", flat))


def _unit(text: str) -> str:
    r"""A unit's symbol.

    >>> _unit(r"\kilo\watt\hour"), _unit(r"\mega\bit\per\second")
    ('\x03kWh\x03', '\x03Mbit/s\x03')
    """
    words = re.findall(r"\\([A-Za-z]+|%)|([^\\\s~.{}]+)", text)
    symbols = (_PREFIXES.get(macro) or _UNITS.get(macro) or macro if macro else plain for macro, plain in words)
    return f"{UNIT_MARK}{''.join(symbols)}{UNIT_MARK}"
