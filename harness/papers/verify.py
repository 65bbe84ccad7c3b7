r"""Lists what a paper says and the tables do not (``harness verify``): line, true value and macro of each.

Three things are looked at. Macros that the paper carries along (a copy of ``numbers.tex``) and whose text is no longer
that of the tables. Macros that are used and that there are not. And numbers typed by hand (`harness.papers.quotes`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError
from harness.papers.quotes import Known, quoted
from harness.papers.tex import TexFile, read_paper
from harness.parsing.problems import nearest
from reports.latex.escape import escape
from reports.latex.macros import Macro, macros, spelled
from reports.latex.results import results
from reports.tables.read import Tables, read_tables

_DEFINITION = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand)\*?\s*\{?\\([A-Za-z]+)\}?\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_OTHER_DEFINITION = re.compile(r"\\(?:def|let|newcommand\*?|renewcommand\*?|providecommand\*?)\s*\{?\\([A-Za-z]+)")
_USE = re.compile(r"\\([A-Za-z]+)")


@dataclass(frozen=True)
class Finding:
    """Something that a paper says and the tables do not.

    Attributes:
        file: as it was named.
        line: from 1.
        text: what is written, what is true, what to write.
    """

    file: str
    line: int
    text: str


@dataclass(frozen=True)
class Verified:
    """What was found in a paper, and what was looked at.

    Attributes:
        findings: in the order of the text.
        n_files: files that were read.
        n_uses: uses of macros of this benchmark.
        n_numbers: numbers typed by hand that were compared with a table.
    """

    findings: tuple[Finding, ...]
    n_files: int
    n_uses: int
    n_numbers: int


def verify(paper: Path, folder: Path) -> Verified:
    """Compare a paper with a results folder.

    Args:
        paper: its LaTeX source; what it includes is read as well, and a ``numbers.tex`` in its folder.
        folder: a results folder with tables.

    Raises:
        UsageError: either cannot be read.
    """
    if not (folder / "tables").is_dir():
        raise UsageError(f"{folder}: has no tables; `harness report {folder}` writes them")
    tables = read_tables(folder / "tables")
    files = read_paper(paper)
    copy = paper.parent / "numbers.tex"
    if copy.is_file() and copy.resolve() not in {Path(file.name).resolve() for file in files}:
        files += read_paper(copy)
    named = macros(tables)
    truth = {macro.name: macro for macro in named}
    prefix = spelled(str(tables.context["name"]))
    own = {match[1] for file in files for match in _OTHER_DEFINITION.finditer(file.source)}
    findings = [*_stale_results(folder, truth)]
    n_uses = n_numbers = 0
    known = list(_known(tables, named))
    for number, file in enumerate(files):
        # Files that define results for the paper, and the tables that a report writes, are not the author's own words.
        is_ours = number > 0 and any(match[1] in truth for match in _DEFINITION.finditer(file.source))
        uses = [match for match in _USE.finditer(file.source) if match[1] in truth or _has(prefix, match[1])]
        n_uses += 0 if is_ours else len(uses)
        found = [
            *_stale(file, truth, prefix if is_ours else ""),
            *([] if is_ours else _missing(file, uses, truth, own)),
        ]
        if not is_ours and not file.name.endswith("report.tex"):
            looked_at = list(quoted(file, known))
            n_numbers += len(looked_at)
            found += [Finding(file.name, each.line, each.objection) for each in looked_at if each.objection]
        findings += sorted((each for each in found if each.line not in file.ignored), key=lambda each: each.line)
    return Verified(tuple(findings), len(files), n_uses, n_numbers)


def _has(prefix: str, name: str) -> bool:
    return bool(prefix) and name.startswith(prefix) and name[len(prefix) : len(prefix) + 1].isupper()


def _known(tables: Tables, named: Iterable[Macro]) -> Iterator[Known]:
    """Every result with the name of its macro; ends have macros of their own, which follow it."""
    following = iter(named)
    for result in results(tables):
        macro = next(following)
        if result.ends and result.raw_ends:
            next(following), next(following)
        yield Known(result, macro.name)


def _stale_results(folder: Path, truth: Mapping[str, Macro]) -> Iterator[Finding]:
    """Macros of the results folder itself, which a report writes together with its tables."""
    path = folder / "numbers.tex"
    if path.is_file():
        stale = list(_stale(read_paper(path)[0], truth, ""))
        if stale:
            text = f"{len(stale)} macros are not those of the tables beside it; `harness report {folder}` writes both"
            yield Finding(str(path), stale[0].line, text)


def _stale(file: TexFile, truth: Mapping[str, Macro], prefix: str) -> Iterator[Finding]:
    """Macros that a file defines otherwise than the tables, or that are no longer."""
    for match in _DEFINITION.finditer(file.source):
        name, line = match[1], file.line_of(match.start())
        if name in truth and _text(match[2]) != _text(escape(truth[name].text)):
            text = (
                f'\\{name} is "{match[2]}" here and "{escape(truth[name].text)}" in the tables; copy numbers.tex again'
            )
            yield Finding(file.name, line, text)
        elif name not in truth and _has(prefix, name):
            text = f'\\{name} ("{match[2]}") is in no table any more; copy numbers.tex again'
            yield Finding(file.name, line, text)


def _text(latex: str) -> str:
    return " ".join(latex.split())


def _missing(
    file: TexFile, uses: Iterable["re.Match[str]"], truth: Mapping[str, Macro], own: set[str]
) -> Iterator[Finding]:
    """Macros that are used, look like ours, and are defined nowhere."""
    for match in uses:
        name = match[1]
        if name in truth or name in own:
            continue
        near = nearest(name, truth)
        hint = "" if near is None else f"; did you mean \\{near} ({truth[near].text})?"
        yield Finding(file.name, file.line_of(match.start()), f"\\{name} is no macro of these results{hint}")
