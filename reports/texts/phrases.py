"""Formats estimates, ranges and settings as words and cells. One place decides how each kind of number is worded."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reports.document import Cell
from reports.tables import lookup
from reports.tables.lookup import HOLDS_ABOVE, Estimate, Range, is_known, verdict
from reports.tables.read import Tables
from reports.texts.numbers import (
    ESTIMATE_DIGITS,
    FACT_DIGITS,
    NBSP,
    absent,
    both_ends,
    duration,
    fixed,
    percent,
    signed,
    significant,
)

_TRAINED = {
    "all": "every parameter",
    "norm_and_bias": "the last layer, scales and shifts of normalisation layers, and biases",
    "lora": "the last layer, and low-rank additions to weights (rank {rank}, alpha {alpha:g})",
    "head": "the last layer",
}
CONFIDENCE = "95 % CI"
PROJECTED = "projected (P)"
NOT_PAIRED = "not paired"
NOT_FINISHED = "no finished cell"
_CLASSES = {"M": "measured", "E": "estimated", "P": "projected"}
_DETERMINISTIC = "deterministic"
_MOST_NAMES = 8


def class_words(evidence: str) -> str:
    """An uncertainty class with its word.

    >>> class_words("E1"), class_words("none")
    ('estimated (E1)', 'not measured')
    """
    word = _CLASSES.get(evidence[:1])
    return f"{word} ({evidence})" if word else "not measured"


def accuracy(estimate: Estimate | None) -> Cell:
    """Mean accuracy with its interval over seeds."""
    if estimate is None or estimate.value is None:
        return absent(NOT_FINISHED)
    if estimate.low is None or estimate.high is None or not estimate.has_interval:
        return Cell(percent(estimate.value), estimate.note, estimate.value)
    ends = (fixed(100 * estimate.low, 1), fixed(100 * estimate.high, 1))
    return Cell(percent(estimate.value), _joined(ends), estimate.value, ends=ends)


def points(estimate: Estimate | None, *, has_verdict: bool = True) -> Cell:
    """A paired difference of accuracy, in percentage points, its interval, and the verdict of the "holds" rule."""
    if estimate is None or estimate.value is None:
        return absent(NOT_PAIRED)
    words = [points_interval(estimate, "")] + ([_verdict_text(estimate)] if has_verdict else [])
    detail = "; ".join(word for word in words if word)
    return Cell(signed(100 * estimate.value, 2), detail, 100 * estimate.value, ends=_points_ends(estimate))


def _verdict_text(estimate: Estimate) -> str:
    if estimate.high is not None and estimate.high < HOLDS_ABOVE:
        return f"below {signed(100 * HOLDS_ABOVE, 1)}"
    return verdict(estimate)


def points_interval(estimate: Estimate, prefix: str = f"{CONFIDENCE} ") -> str:
    """The interval of a difference of accuracy in points, or the note that replaces it."""
    ends = _points_ends(estimate)
    if ends is None:
        return estimate.note
    return f"{prefix}{_joined(ends)}"


def change(ratio: Estimate | None, *, is_fact: bool) -> Cell:
    """A ratio to the reference as a change in per cent.

    Args:
        ratio: method / reference.
        is_fact: counted (one decimal), or resting on estimates (`ESTIMATE_DIGITS`).
    """
    if ratio is None:
        return absent(NOT_PAIRED)
    if ratio.value is None:
        return absent(ratio.note or "undefined")
    value = 100 * (ratio.value - 1)
    text = signed(value, 1) if is_fact else _signed_estimate(value)
    detail = ratio.note if ratio.note != _DETERMINISTIC else ""
    ends = None
    if ratio.low is not None and ratio.high is not None and ratio.has_interval:
        both = [100 * (end - 1) for end in (ratio.low, ratio.high)]
        low, high = (fixed(end, 1) if is_fact else significant(end, ESTIMATE_DIGITS) for end in both)
        ends = (low, high) if low != high else None  # narrower than the digits shown
        detail = _joined(ends)
    return Cell(f"{text}\u00a0%", detail, value, ends=ends)


def quotient(estimate: Estimate | None) -> Cell:
    """A pass-through."""
    if estimate is None:
        return absent(NOT_PAIRED)
    if estimate.value is None:
        return absent(estimate.note or "undefined")
    detail = estimate.note if estimate.note != _DETERMINISTIC else ""
    ends = both_ends(estimate.low, estimate.high, ESTIMATE_DIGITS)
    if estimate.has_interval:
        detail = f"{CONFIDENCE} {_joined(ends)}" if ends else ""
    return Cell(significant(estimate.value, ESTIMATE_DIGITS), detail, estimate.value, ends=ends)


def bits(estimate: Estimate | None, factor: float) -> Cell:
    """Counted bits, mean over seeds, in units of `factor` bits."""
    if estimate is None or estimate.value is None:
        return absent(NOT_FINISHED)
    ends = both_ends(estimate.low, estimate.high, FACT_DIGITS, factor)
    value = estimate.value / factor
    return Cell(significant(value, FACT_DIGITS), _joined(ends), value, ends=ends)


def assumed(amount: Range | None, factor: float) -> Cell:
    """Projected joules or grams with the range of the assumptions, in units of `factor`."""
    if amount is None:
        return absent(NOT_FINISHED)
    if not is_known(amount.typical):
        return absent("not known")
    ends = both_ends(amount.low, amount.high, ESTIMATE_DIGITS, factor)
    value = amount.typical / factor
    return Cell(significant(value, ESTIMATE_DIGITS), _joined(ends), value, ends=ends)


def drawn(amount: Range | None, factor: float) -> Cell:
    """The median of Monte-Carlo draws with the ends that enclose 95 % of them, in units of `factor`."""
    if amount is None or not is_known(amount.typical):
        return absent("not drawn")
    return assumed(amount, factor)


def drawn_change(ratio: Range | None) -> Cell:
    """A drawn ratio to the reference as a change in per cent, with the ends that enclose 95 % of draws."""
    if ratio is None or not is_known(ratio.typical):
        return absent("not defined")
    low, middle, high = (100 * (end - 1) for end in (ratio.low, ratio.typical, ratio.high))
    ends = both_ends(low, high, ESTIMATE_DIGITS)
    return Cell(f"{_signed_estimate(middle)}\u00a0%", _joined(ends), middle, ends=ends)


def less(shares: Sequence[float]) -> str:
    """Shares saved, least to most, in per cent; at least one.

    >>> less([0.5234, 0.95]).replace(chr(160), " "), less([0.5, 0.5]).replace(chr(160), " ")
    ('52 to 95 % less', '50 % less')
    """
    ends = [significant(100 * end, ESTIMATE_DIGITS) for end in (min(shares), max(shares))]
    return f"{' to '.join(dict.fromkeys(ends))}{NBSP}% less"


def lasting(value_s: float | None) -> Cell:
    """Seconds in the unit that suits them."""
    if value_s is None or not is_known(value_s):
        return absent("not known")
    return Cell(duration(value_s), value=value_s)


def rounds(ends: tuple[int, int] | None) -> Cell:
    """Rounds that were run, fewest to most over seeds."""
    if ends is None:
        return absent(NOT_FINISHED)
    return Cell(" to ".join(dict.fromkeys(map(str, ends))), value=sum(ends) / 2)


def compared(estimate: Estimate, *, is_ratio: bool) -> Cell:
    """A ratio with three digits, or a difference with its sign and two decimals; its interval or why there is none."""
    if estimate.value is None:
        return absent(estimate.note or "undefined")
    ends = None
    if estimate.low is not None and estimate.high is not None and estimate.has_interval:
        low, high = (significant(e, 3) if is_ratio else fixed(e, 2) for e in (estimate.low, estimate.high))
        ends = (low, high)
    text = significant(estimate.value, 3) if is_ratio else signed(estimate.value, 2)
    return Cell(text, _joined(ends) or estimate.note, estimate.value, ends=ends)


def part(settings: Any) -> str:
    """A codec, server rule or other part with the settings that it has.

    >>> part({"kind": "error_feedback", "inner": {"kind": "topk", "ratio": 0.01}})
    'error_feedback (inner topk (ratio 0.01))'
    """
    if not isinstance(settings, Mapping):
        return "float32" if settings is None else plain(settings)
    if "codec" in settings and "kind" not in settings:
        mode = settings.get("mode")
        return part(settings["codec"]) + (f", {mode} mode" if mode else "")
    given = {key: value for key, value in settings.items() if key != "kind" and value is not None}
    fields = ", ".join(f"{key.replace('_', ' ')} {part(value)}" for key, value in given.items())
    kind = plain(settings.get("kind", ""))
    return f"{kind} ({fields})" if fields else kind


def plain(value: Any) -> str:
    """A value of ``context.json`` as text."""
    if value is None or value == "":
        return "not recorded"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}" if is_known(value) else "not recorded"
    return str(value)


def flatten(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested mappings and lists, as (path in words, text)."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from flatten(inner, f"{path} {key}".strip().replace("_", " "))
    elif isinstance(value, list) and any(isinstance(entry, Mapping | list) for entry in value):
        for number, inner in enumerate(value, start=1):
            yield from flatten(inner, f"{path} {number}".strip())
    elif isinstance(value, list):
        yield path, ", ".join(plain(entry) for entry in value) or "none"
    else:
        yield path, plain(None if isinstance(value, Mapping) else value)


def listing(words: list[str]) -> str:
    """Words joined as in a sentence.

    >>> listing(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def some(names: list[str]) -> str:
    """Methods by name in a sentence; only how many, where a table nearby names them better.

    >>> some(["a", "b"]), some(["m"] * 20)
    ('a and b', '20 methods')
    """
    return listing(names) if len(names) <= _MOST_NAMES else f"{len(names)} methods"


def _points_ends(estimate: Estimate) -> tuple[str, str] | None:
    if estimate.low is None or estimate.high is None or not estimate.has_interval:
        return None
    return fixed(100 * estimate.low, 2), fixed(100 * estimate.high, 2)


def _joined(ends: tuple[str, str] | None) -> str:
    return " to ".join(ends) if ends else ""


def _signed_estimate(value: float) -> str:
    text = significant(value, ESTIMATE_DIGITS)
    return f"+{text}" if value > 0 else text


def decoded_notes(tables: Tables) -> tuple[str, ...]:
    """Below a table of test accuracies: whose they are, where clients and server have different models."""
    coded = "Where the downlink is coded, test accuracy is that of the final model as clients decode it."
    return (*((coded,) if lookup.has_coded_downlink(tables) else ()), *unscored_notes(tables))


def unscored_notes(tables: Tables) -> tuple[str, ...]:
    """Below a table of test accuracies: that some are the server's, where nobody scored what clients decode."""
    n = lookup.scored_on_the_server(tables)
    cells = f"{n} cell{'s' if n != 1 else ''}"
    return (f"At {cells} nobody scored the model that clients decode: the server’s counts there.",) if n else ()


def trained(settings: Mapping[str, Any]) -> str:
    """What a method trains, by its settings; empty if they do not say."""
    kind, blocks = str(settings.get("kind") or ""), settings.get("blocks")
    words = _TRAINED.get(kind, kind).format(**settings)
    return words if blocks is None else f"{words}, in the last {blocks} blocks and what follows them"
