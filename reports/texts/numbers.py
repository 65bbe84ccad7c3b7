"""Formats numbers: units chosen per column, significant digits, signs. Returns plain text with no-break spaces.

One rule rounds them all, here, in the terminal and in the page (`templates/what_if.js`, which mirrors this module): a
number is taken at `HELD_DIGITS` significant digits, which leaves out what the order of a sum did to its last bits, and
from there is rounded to the digits that are printed, halves away from zero.
"""

import math
import unicodedata
from collections.abc import Iterable
from decimal import ROUND_HALF_UP, Context, Decimal

from reports.document import Cell
from reports.tables.lookup import is_known

LONGEST_NAME = 26
"""Characters of a name in a figure."""
NBSP = "\u00a0"
MINUS = "\u2212"
FACT_DIGITS = 4
"""Significant digits of counted quantities (bits)."""
ESTIMATE_DIGITS = 2
"""Significant digits of estimated (E1, E2) and projected (P) quantities; more would claim what is not known."""

HELD_DIGITS = 12
"""Significant digits that are looked at; what a sum of floats leaves behind them is noise."""

_EXACT = Context(prec=400, rounding=ROUND_HALF_UP)
"""Wide enough for every float with any number of decimals."""

TABLE_HEADROOM = 10.0
"""Tables of joules keep the smaller unit until the largest value needs five digits."""

_BITS = ((1e12, "Tbit"), (1e9, "Gbit"), (1e6, "Mbit"), (1e3, "kbit"), (1.0, "bit"))
_JOULES = ((1e9, "GJ"), (1e6, "MJ"), (1e3, "kJ"), (1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"))
_GRAMS = ((1e6, "t"), (1e3, "kg"), (1.0, "g"), (1e-3, "mg"), (1e-6, "µg"))
_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_STEPS = {"bit": _BITS, "J": _JOULES, "g": _GRAMS, "s": _SECONDS}
_BIDI_CONTROLS = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F}


def clean(text: str) -> str:
    """Text on one line without control characters or marks that reorder what follows; all else is kept.

    >>> clean("a" + chr(10) + "b" + chr(9) + "c")
    'a b c'
    """
    flat = " ".join(text.split("\n"))
    return "".join(_safe(character) for character in flat)


def shorten(text: str, longest: int = LONGEST_NAME) -> str:
    """`text`, cleaned, of at most `longest` characters; tables carry names in full.

    >>> shorten("QuantFL 6-bit", 10)
    'QuantFL 6…'
    """
    text = clean(text)
    return text if len(text) <= longest else text[: longest - 1].rstrip(" -") + "…"


def _safe(character: str) -> str:
    if character == "\t":
        return " "
    bad = unicodedata.category(character) in {"Cc", "Cs"} or ord(character) in _BIDI_CONTROLS
    return "\ufffd" if bad else character


def significant(value: float, digits: int) -> str:
    """`value` with `digits` significant digits and no exponent.

    >>> significant(1234.0, 2), significant(0.2, 2), significant(-0.00123, 2), significant(12.5, 2)
    ('1,200', '0.20', '\u22120.0012', '13')
    """
    held = _held(value)
    if held == 0 or not math.isfinite(value):
        return format(held, ",f").replace("-", MINUS) if held else "0"
    for place in (held.adjusted(), held.adjusted() + 1):
        rounded = held.quantize(Decimal(1).scaleb(place - digits + 1), context=_EXACT)
        if rounded.adjusted() == place:
            break  # else it was rounded up to the next power of ten, which has one digit less to show
    return format(rounded, ",f").replace("-", MINUS)


def fixed(value: float, decimals: int) -> str:
    """`value` with `decimals` decimals; a rounded zero has no sign.

    >>> fixed(-0.04, 1), fixed(-0.06, 1)
    ('0.0', '\u22120.1')
    """
    held = _held(value)
    if not held.is_finite():
        return format(held, ",f").replace("-", MINUS)
    rounded = held.quantize(Decimal(1).scaleb(-decimals), context=_EXACT)
    return format(abs(rounded) if rounded == 0 else rounded, ",f").replace("-", MINUS)


def _held(value: float) -> Decimal:
    """A number at `HELD_DIGITS` significant digits.

    >>> _held(0.1 + 0.2)
    Decimal('0.300000000000')
    """
    return Decimal(f"{value:.{HELD_DIGITS - 1}e}")


def signed(value: float, decimals: int) -> str:
    """`value` with its sign, also when positive.

    >>> signed(0.24, 1), signed(-0.4, 1), signed(0.0, 1)
    ('+0.2', '\u22120.4', '0.0')
    """
    text = fixed(value, decimals)
    return text if text.startswith(MINUS) or float(text.replace(",", "")) == 0 else f"+{text}"


def percent(share: float, decimals: int = 1) -> str:
    """A share as a percentage with fixed decimals.

    >>> percent(0.4058).replace(NBSP, " ")
    '40.6 %'
    """
    return f"{fixed(100 * share, decimals)}{NBSP}%"


def percent_estimate(share: float) -> str:
    """A share that rests on estimates, at `ESTIMATE_DIGITS`.

    >>> percent_estimate(0.0912).replace(NBSP, " ")
    '9.1 %'
    """
    return f"{significant(100 * share, ESTIMATE_DIGITS)}{NBSP}%"


def scale(values: Iterable[float | None], base: str, headroom: float = 1.0) -> tuple[float, str]:
    """Factor and unit that keep the largest of `values` between `headroom` and 1000 times it.

    Args:
        values: in `base`; None and NaN are left out.
        base: "bit", "J", "g" or "s".
        headroom: above 1 where small values are next to large ones and should not start with zeros.

    >>> scale([1.5e6, 3.0], "bit")
    (1000000.0, 'Mbit')
    """
    known = (abs(value) for value in values if is_known(value) and value is not None)
    largest = float(_held(max(known, default=0.0)))
    for factor, unit in _STEPS[base]:
        if largest >= headroom * factor:
            return factor, unit
    return (1.0, base) if largest == 0 else _STEPS[base][-1]


def with_unit(value: float, base: str, digits: int) -> str:
    """A single number with the unit that suits it.

    >>> with_unit(1234.0, "J", 2).replace(NBSP, " ")
    '1.2 kJ'
    """
    factor, unit = scale([value], base)
    return f"{significant(value / factor, digits)}{NBSP}{unit}"


_DURATIONS = ((2 * 365.25 * 86_400.0, 365.25 * 86_400.0, "years"), (172_800.0, 86_400.0, "d"), (7_200.0, 3_600.0, "h"),
              (120.0, 60.0, "min"), (1.0, 1.0, "s"), (0.0, 1e-3, "ms"))  # fmt: skip
_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1.0, "B"))


def duration(value_s: float) -> str:
    """Seconds at `ESTIMATE_DIGITS`, in the unit that suits them.

    >>> [duration(value).replace(NBSP, " ") for value in (0.078, 90.0, 1141.0, 604_800.0)]
    ['78 ms', '90 s', '19 min', '7.0 d']
    """
    if value_s == 0:
        return f"0{NBSP}s"
    factor, unit = next((factor, unit) for least, factor, unit in _DURATIONS if value_s >= least)
    return f"{significant(value_s / factor, ESTIMATE_DIGITS)}{NBSP}{unit}"


def size(n_bytes: float) -> str:
    """Bytes at `ESTIMATE_DIGITS`.

    >>> size(860_059.0).replace(NBSP, " "), size(27.4).replace(NBSP, " ")
    ('860 kB', '27 B')
    """
    factor, unit = next((step for step in _SIZES if n_bytes >= step[0]), _SIZES[-1])
    return f"{significant(n_bytes / factor, ESTIMATE_DIGITS)}{NBSP}{unit}"


def both_ends(low: float | None, high: float | None, digits: int, factor: float = 1.0) -> tuple[str, str] | None:
    """Both ends of an interval at `digits` significant digits; None if there is none, or narrower than the digits."""
    if low is None or high is None or not (is_known(low) and is_known(high)):
        return None
    first, last = (significant(end / factor, digits) for end in (low, high))
    return (first, last) if first != last else None


def to_text(low: float | None, high: float | None, digits: int, factor: float = 1.0) -> str:
    """An interval as ``low to high``, at `digits` significant digits; empty if none, or narrower than the digits."""
    both = both_ends(low, high, digits, factor)
    return " to ".join(both) if both else ""


def absent(text: str = "not measured") -> Cell:
    """A cell for a missing value."""
    return Cell(text, tone="muted")
