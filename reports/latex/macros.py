r"""Writes ``numbers.tex``: one LaTeX macro per result, so that a paper's text never carries a number typed by hand.

Names are letters only, made of benchmark, method, quantity, radio and grid, in this order; digits are spelled. They
depend on those names alone, not on the order or the number of methods. Where two names would come out the same, each
gets letters from a digest of its names.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.core.files import write_text
from reports.latex.escape import escape
from reports.latex.result import Result
from reports.latex.results import results
from reports.tables.read import Tables
from reports.texts.numbers import clean

_DIGITS = ("Zero", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine")
_HEADER = r"""% One macro per result of the benchmark {name}. \input this file in the preamble.
%
% Names are benchmark, method, quantity, radio and grid run together, digits spelled. \X is the value as the report
% prints it, with its unit; \XLow and \XHigh are the ends of its interval or range, without unit. Behind each macro
% stands what it is and the same number at full precision, in the base unit named there; an interval is the 95 % t
% interval over seeds, a range is that of the assumptions. Changes are to the reference and carry their sign;
% behind a change or saving of costs stands the ratio to the reference. In running text write \X{{}} before a space.
"""


@dataclass(frozen=True)
class Macro:
    """A macro.

    Attributes:
        name: letters only, without backslash.
        text: what it prints, plain text.
        meaning: what it is, with its raw value.
    """

    name: str
    text: str
    meaning: str


def macros(tables: Tables) -> list[Macro]:
    """All results as macros, in the order of the report; names are unique."""
    named = list(results(tables))
    words = _words(sorted({part for result in named for part in result.path}))
    drafts = [
        ("".join(words[part] for part in result.path) + suffix, result, suffix, text, raw)
        for result in named
        for suffix, text, raw in _values(result)
    ]
    counts = Counter(name for name, *_ in drafts)
    return [
        Macro(
            name if counts[name] == 1 else name + _letters("\x1f".join([*result.path, suffix])),
            text,
            f"{_end(suffix)}{result.meaning}; raw {raw!r} {result.raw_unit}".rstrip(),
        )
        for name, result, suffix, text, raw in drafts
    ]


def render_macros(tables: Tables) -> str:
    """The file as text, byte-identical for equal tables."""
    header = _HEADER.format(name=clean(str(tables.context["name"])))
    lines = [
        rf"\newcommand{{\{macro.name}}}{{{escape(macro.text)}}}% {clean(macro.meaning)}" for macro in macros(tables)
    ]
    return "\n".join([header.rstrip(), "", *lines]) + "\n"


def write_macros(tables: Tables, path: Path) -> None:
    """Write the file to `path`.

    Raises:
        OSError: `path` cannot be written.
    """
    write_text(path, render_macros(tables))


def _values(result: Result) -> Iterator[tuple[str, str, float]]:
    """The value and, where there are any, its ends: suffix of the name, text, raw number."""
    yield "", result.text, result.raw
    if result.ends and result.raw_ends:
        yield "Low", result.ends[0], result.raw_ends[0]
        yield "High", result.ends[1], result.raw_ends[1]


def _end(suffix: str) -> str:
    return {"": "", "Low": "lower end: ", "High": "upper end: "}[suffix]


def _words(parts: Sequence[str]) -> dict[str, str]:
    """Parts of names as letters, different parts as different letters."""
    drafts = {part: spelled(part) for part in parts}
    counts = Counter(drafts.values())
    return {part: word if word and counts[word] == 1 else word + _letters(part) for part, word in drafts.items()}


def spelled(text: str) -> str:
    """A name in letters, words capitalised, digits spelled, everything else left out.

    >>> spelled("QuantFL 6-bit"), spelled("lte_2021")
    ('QuantFLSixBit', 'LteTwoZeroTwoOne')
    """
    flat = unicodedata.normalize("NFKD", text)
    spaced = "".join(f" {_DIGITS[int(c)]} " if c in "0123456789" else c if c.isascii() and c.isalpha() else
                     "" if unicodedata.combining(c) else " " for c in flat)  # fmt: skip
    return "".join(word[0].upper() + word[1:] for word in spaced.split())


def _letters(text: str) -> str:
    """Six letters from a digest of `text`."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return "X" + "".join(chr(ord("a") + byte % 26) for byte in digest[:5])
