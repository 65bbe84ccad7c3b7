r"""TeX as text, line by line where it was: what is no text (commands, references, lengths, verbatim) is left out."""

import re
from collections.abc import Mapping

from harness.papers.siunitx import printed

_GROUP = r"\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}"
_SILENT = r"(?:verbatim|Verbatim|lstlisting|minted|comment|tikzpicture|thebibliography|filecontents|algorithmic)\*?"
_WITHOUT_TEXT = (
    re.compile(rf"\\begin\{{({_SILENT})\}}.*?\\end\{{\1\}}", re.DOTALL),
    re.compile(r"\\(?:verb|lstinline)\*?([^\w\s{])(?:(?!\1).)*\1"),
    re.compile(r"\\end\{document\}.*", re.DOTALL),
    re.compile(rf"\\(?:re)?(?:newcommand|providecommand)\*?\s*(?:\{{\\\w+\}}|\\\w+)\s*(?:\[[^\]]*\])*\s*{_GROUP}"),
    re.compile(rf"\\def\s*\\\w+[^{{]*{_GROUP}"),
)
_NOT_TEXT = (
    re.compile(
        r"\\(?:\w*cite\w*|ref|eqref|[vcC]ref|autoref|nameref|pageref|label|url|path|input|include|subfile|includegraphics"
        r"|bibliography\w*|usepackage|documentclass|[vh]space|setlength|addtolength|setcounter|addtocounter|cline"
        r"|cmidrule|rule|fontsize|definecolor|pagestyle|sisetup|hypersetup|raisebox|vskip|hskip|kern|color)"
        rf"(?![A-Za-z])\*?(?:\([^)]*\))?[ \t]*(?:\[[^\]]*\])*(?:[ \t]*{_GROUP})*"
    ),
    re.compile(rf"\\(?:begin|end)\{{[^{{}}]*\}}(?:[ \t]*(?:\[[^\]]*\]|{_GROUP}))*"),
    re.compile(rf"\\(?:multicolumn|multirow|resizebox)\*?(?:\[[^\]]*\])?{_GROUP}{_GROUP}"),
    re.compile(rf"\\(?:href|textcolor|colorbox|scalebox|parbox|makebox)(?:\[[^\]]*\])*{_GROUP}(?=\{{)"),
    re.compile(r"(?:\\\\|\\[A-Za-z]+\*?)\[[^\]]*\]"),
    re.compile(r"-?\d*\.?\d+\s*\\(?:text|line|column|page)?(?:width|height)|\\(?:baselineskip|hsize)"),
    re.compile(r"https?://\S+"),
)
_AS_TEXT = (
    (re.compile(r"(?<=\d)[\s$}~]*\\(?:times|cdot)[\s{]*10\s*\^\s*(?:\{\s*([-+\u2212]?\d+)\s*\}|(\d))"), r"e\1\2"),
    (re.compile(r"\{,\}|(?<=\d)\\,(?=\d{3}(?!\d))"), "\0"),
    (re.compile(r"\\text(?:super|sub)script\{[^{}]*\}"), " "),
    (re.compile(r"(?<!\\)[_^]\s*(?:\{[^{}]*\}|\\[A-Za-z]+|[A-Za-z0-9])"), " "),
    (re.compile(r"\\(?:percent(?![A-Za-z])|%)"), "%"),
    (re.compile(r"\\_"), "_"),
    (re.compile(r"\\pm(?![A-Za-z])"), "\u00b1"),
    (re.compile(r"\\times(?![A-Za-z])"), "\u00d7"),
    (re.compile(r"---"), " , "),
    (re.compile(r"--"), "\u2013"),
    (re.compile(r"\\(?:leq?|geq?|approx|sim|l?dots|ll|gg)(?![A-Za-z])"), " < "),
    (re.compile(r"\\[,;:!&$# ]"), " "),
    (re.compile(r"\\[A-Za-z]+\*?"), " "),
    (re.compile(r"[~${}\\]"), " "),
)
_TITLE = re.compile(rf"\\title\s*{_GROUP}")
_BEGIN = r"\begin{document}"


def readable(source: str, own: Mapping[str, str]) -> str:
    r"""A file's source without what is never printed as text, with siunitx's and the author's macros as they print.

    Args:
        source: without comments.
        own: macros without arguments that the author defined, and what each stands for.
    """
    head, begins, body = source.partition(_BEGIN)
    if begins:
        title = _TITLE.search(head)
        start, end = title.span() if title else (len(head), len(head))
        source = _lines(head[:start]) + head[start:end] + _lines(head[end:]) + body
    for pattern in _WITHOUT_TEXT:
        source = pattern.sub(lambda match: _lines(match[0]), source)
    if own:
        named = re.compile(rf"\\({'|'.join(sorted(own, key=len, reverse=True))})(?![A-Za-z])")
        source = named.sub(lambda match: own[match[1]].replace("\n", " "), source)
    return printed(source)


def plain_text(source: str) -> str:
    r"""Readable source without commands, of the same lines: ``\%`` is a per cent sign, ``{,}`` a digit group (NUL).

    >>> plain_text(r"saves $40.5\,\%$~of")
    'saves  40.5 %  of'
    """
    for pattern in _NOT_TEXT:
        source = pattern.sub(lambda match: f" {_lines(match[0])}", source)
    for pattern, text in _AS_TEXT:
        source = pattern.sub(text, source)
    return source


def _lines(text: str) -> str:
    return "\n" * text.count("\n")
