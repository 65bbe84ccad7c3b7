r"""Lists what a paper says and the tables do not (``harness verify``): line, true value and macro of each.

Three things are looked at. Macros that the paper carries along (a copy of ``numbers.tex``) and whose text is no longer
that of the tables. Macros that are used and that there are not. And numbers typed by hand: each agrees with a result,
differs from the one that it quotes, or was not checked, with the reason (`harness.papers.judge`).
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.core.errors import UsageError
from harness.papers.judge import Kind, judge
from harness.papers.meanings import Known
from harness.papers.mentions import Names
from harness.papers.passages import passages
from harness.papers.plain import readable
from harness.papers.scopes import scoped
from harness.papers.tex import TexFile, read_paper
from harness.parsing.problems import nearest
from reports.latex.escape import escape
from reports.latex.macros import Macro, macros, spelled
from reports.latex.results import results
from reports.tables import lookup, priced
from reports.tables.read import Tables, read_tables

_DEFINITION = re.compile(
    r"\\(?:(?:re)?newcommand|providecommand)\*?\s*\{?\\([A-Za-z]+)\}?\s*\{((?:[^{}]|\{[^{}]*\})*)\}"
)
_OTHER_DEFINITION = re.compile(r"\\(?:def|let|newcommand\*?|renewcommand\*?|providecommand\*?)\s*\{?\\([A-Za-z]+)")
_USE = re.compile(r"\\([A-Za-z]+)")


@dataclass(frozen=True)
class Finding:
    """Something that a paper says.

    Attributes:
        file: as it was named.
        line: from 1.
        text: what is written, what is true, what to write; or why it was not checked.
        kind: what was found of a number; "macro" for a macro that is stale or missing.
    """

    file: str
    line: int
    text: str
    kind: Kind | Literal["macro"] = "macro"


@dataclass(frozen=True)
class Verified:
    """What was found in a paper, and what was looked at.

    Attributes:
        found: every number typed by hand and every macro that is not well, in the order of the text.
        n_files: files that were read.
        n_uses: uses of macros of this benchmark.
        n_ignored: numbers on lines that are to be left out.
    """

    found: tuple[Finding, ...]
    n_files: int
    n_uses: int
    n_ignored: int

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is not as in the tables."""
        return tuple(each for each in self.found if each.kind in ("macro", "differs"))

    def of(self, kind: str) -> tuple[Finding, ...]:
        """Findings of a kind."""
        return tuple(each for each in self.found if each.kind == kind)


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
    found = [*_stale_results(folder, truth)]
    n_uses = n_ignored = 0
    known = [each for each in _known(tables, named) if each.result.raw_unit not in ("(points)", "(factor)")]
    known = [each for each in known if not each.quantity.endswith("saving")]  # a change without its sign
    names, shorthand = _names(tables), _shorthand(files, truth, prefix)
    for number, file in enumerate(files):
        # Files that define results for the paper, and the tables that a report writes, are not the author's own words.
        is_ours = number > 0 and any(match[1] in truth for match in _DEFINITION.finditer(file.source))
        uses = [match for match in _USE.finditer(file.source) if match[1] in truth or _has(prefix, match[1])]
        n_uses += 0 if is_ours else len(uses)
        told = [
            *_stale(file, truth, prefix if is_ours else ""),
            *([] if is_ours else _missing(file, uses, truth, own)),
        ]
        if not is_ours and not (number and file.name.endswith("report.tex")):
            told += _numbers(file, shorthand, known, names)
        n_ignored += sum(each.kind != "macro" and each.line in file.ignored for each in told)
        found += sorted((each for each in told if each.line not in file.ignored), key=lambda each: each.line)
    return Verified(tuple(found), len(files), n_uses, n_ignored)


def _numbers(file: TexFile, shorthand: Mapping[str, str], known: Sequence[Known], names: Names) -> Iterator[Finding]:
    """Every number typed by hand, judged."""
    for passage in passages(readable(file.source, shorthand), names.pattern):
        for typed, scope in scoped(passage, names):
            line = passage.line_of(typed.start)
            if passage.cites:
                yield Finding(file.name, line, f'"{typed.text}": its sentence cites others', "not checked")
            else:
                verdict = judge(typed, scope, known, names)
                yield Finding(file.name, line, verdict.text, verdict.kind)


def _names(tables: Tables) -> Names:
    """The names that results have, and what radios are called besides."""
    methods = tuple(lookup.methods(tables))
    titles = {str(each["name"]): str(each.get("title", "")) for each in tables.context["scenarios"]["radios"]}
    radios = priced.radios(tables)
    return Names(
        methods,
        {name: lookup.reference_of(tables, name) for name in methods},
        lookup.reference(tables),
        {name: _titled(titles.get(name, "")) for name in radios},
        tuple(sorted({grid for name in radios for grid in priced.grids_of(tables, name)})),
    )


def _titled(title: str) -> tuple[str, ...]:
    """A radio's title, and the same without the kind of device."""
    bare = re.sub(r"\b(?:handset|module)\b", " ", title)
    return tuple({" ".join(text.replace("(", " ").replace(")", " ").split()) for text in (title, bare)} - {""})


def _shorthand(files: Iterable[TexFile], truth: Mapping[str, Macro], prefix: str) -> dict[str, str]:
    """Macros without arguments that the author defined, e.g. for a method's name."""
    defined = {match[1]: match[2] for file in files for match in _DEFINITION.finditer(file.source)}
    return {name: text for name, text in defined.items() if name not in truth and not _has(prefix, name)}


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
