"""Escapes plain text for LaTeX: prints unchanged with pdfLaTeX and its own fonts, in text and in arguments.

No package is needed. A character that LaTeX's base fonts lack is printed as its code point, never dropped.
"""

import re
import unicodedata

from reports.texts.numbers import MINUS, NBSP, clean

BREAK = "\u200b"
"""A place where a line may end."""
_NO_LIGATURE = "\u200c"

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\ensuremath{<}",
    ">": r"\ensuremath{>}",
    "|": r"\ensuremath{|}",
    "[": "{[}",  # a row that starts with a bracket or star would be read as an argument of the line break before it
    "]": "{]}",
    "*": "{*}",
    "`": r"\textquoteleft{}",
    '"': "''",
}
_SYMBOLS = {
    MINUS: r"\ensuremath{-}",
    NBSP: "~",
    BREAK: r"\hspace{0pt}",
    _NO_LIGATURE: "{}",
    "\u202f": r"\,",
    "\u00b5": r"\ensuremath{\mu}",
    "\u2013": "--",
    "\u2014": "---",
    "\u2018": "`",
    "\u2019": "'",
    "\u201c": "``",
    "\u201d": "''",
    "\u2026": r"\ldots{}",
    "\u00d7": r"\ensuremath{\times}",
    "\u00f7": r"\ensuremath{\div}",
    "\u00b1": r"\ensuremath{\pm}",
    "\u00b7": r"\ensuremath{\cdot}",
    "\u00b0": r"\ensuremath{^\circ}",
    "\u00b2": r"\ensuremath{^2}",
    "\u00b3": r"\ensuremath{^3}",
    "\u2082": r"\ensuremath{_2}",
    "\u2248": r"\ensuremath{\approx}",
    "\u2260": r"\ensuremath{\neq}",
    "\u2264": r"\ensuremath{\leq}",
    "\u2265": r"\ensuremath{\geq}",
    "\u2190": r"\ensuremath{\leftarrow}",
    "\u2192": r"\ensuremath{\rightarrow}",
    "\u2191": r"\ensuremath{\uparrow}",
    "\u2193": r"\ensuremath{\downarrow}",
    "\u221e": r"\ensuremath{\infty}",
    "\u00df": r"\ss{}",
    "\u00e6": r"\ae{}",
    "\u00c6": r"\AE{}",
    "\u0153": r"\oe{}",
    "\u0152": r"\OE{}",
    "\u00f8": r"\o{}",
    "\u00d8": r"\O{}",
    "\u0142": r"\l{}",
    "\u0141": r"\L{}",
    "\u0131": r"\i{}",
    "\u00a7": r"\S{}",
}
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi "
    "omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
_GREEK = {
    ord(letter): rf"\ensuremath{{\{name}}}"
    for letter, name in zip(
        "αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΣΦΨΩ",
        _GREEK_NAMES.split(),
        strict=True,
    )
}
_ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}
_BETWEEN_CODE_POINTS = re.compile(r"U\+[0-9A-F]{4,6}\}(?=\{\\ttfamily U\+)")
_LONGEST_WORD = 30
_SYLLABLE = 5


def escape(text: str) -> str:
    r"""`text` on one line, as LaTeX.

    >>> escape("50 % of a_b & #1")
    '50 \\% of a\\_b \\& \\#1'
    """
    kept = re.sub("-(?=-)", f"-{_NO_LIGATURE}", _one_line(text))  # or two hyphens would print as a dash
    kept = kept.replace("CO2e", "CO\u2082e")
    # Characters that print as code points are many letters long: a line may end between two.
    return _BETWEEN_CODE_POINTS.sub(lambda end: end.group() + _escaped(BREAK), "".join(map(_escaped, kept)))


def breakable(text: str) -> str:
    """`text` with places to end a line inside very long words, for narrow cells."""
    return re.sub(rf"\S{{{_LONGEST_WORD + 1},}}", lambda word: _broken(word.group()), text)


def _broken(word: str) -> str:
    return BREAK.join(word[at : at + _SYLLABLE] for at in range(0, len(word), _SYLLABLE))


def _one_line(text: str) -> str:
    return unicodedata.normalize("NFC", clean(text))


def _escaped(character: str) -> str:
    known = _SPECIAL.get(character) or _SYMBOLS.get(character) or _GREEK.get(ord(character))
    if known:
        return known
    if character.isascii():
        return character
    parts = unicodedata.normalize("NFD", character)
    if len(parts) == 2 and parts[0].isascii() and parts[1] in _ACCENTS:
        return rf"{{\{_ACCENTS[parts[1]]}{{{parts[0]}}}}}"
    return rf"{{\ttfamily U+{ord(character):04X}}}"
