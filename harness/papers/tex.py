r"""Reads a paper: the files behind ``\input``, without comments and with every character in its place."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.core.errors import UsageError

IGNORE = "harness: ignore"
"""In a comment, keeps its line from being looked at."""

_INCLUDED = re.compile(r"\\(?:input|include|subfile)\s*\{([^{}]+)\}|\\input\s+([^\s{}\\]+)")
_COMMENT = re.compile(r"(?<!\\)((?:\\\\)*)%.*")
_MOST_BYTES = 20_000_000


@dataclass(frozen=True)
class TexFile:
    """A file of a paper.

    Attributes:
        name: as messages call it: the path that it was requested by.
        source: without comments, of the same length line by line.
        ignored: lines, from 1, that are not to be looked at.
    """

    name: str
    source: str
    ignored: frozenset[int]

    def line_of(self, place: int) -> int:
        """The line, from 1, of a place in `source`."""
        return self.source.count("\n", 0, place) + 1


def read_paper(path: Path) -> list[TexFile]:
    r"""A paper and everything that it includes, each file once, in the order of the text.

    Paths are relative to the paper, as LaTeX has them; a missing one may be elsewhere on TeX's path, and is
    left out.

    Raises:
        UsageError: the paper itself cannot be read.
    """
    return list(_read(path, path.parent, set()))


def _read(path: Path, folder: Path, seen: set[Path]) -> Iterator[TexFile]:
    seen.add(path.resolve())
    found = _file(path)
    yield found
    for match in _INCLUDED.finditer(found.source):
        named = folder / (match[1] or match[2]).strip()
        for target in (named.with_name(f"{named.name}.tex"), named):
            if target.is_file() and target.resolve() not in seen:
                yield from _read(target, folder, seen)
                break


def _file(path: Path) -> TexFile:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UsageError(f"{path}: larger than {_MOST_BYTES:,} bytes; the LaTeX source of a paper is needed")
        text = path.read_bytes().decode("utf-8", errors="replace")
    except (OSError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    ignored = frozenset(number for number, line in enumerate(lines, start=1) if IGNORE in _comment(line))
    return TexFile(
        str(path),
        "\n".join(_COMMENT.sub(lambda m: m[1] + " " * (len(m[0]) - len(m[1])), line) for line in lines),
        ignored,
    )


def _comment(line: str) -> str:
    match = _COMMENT.search(line)
    return match[0] if match else ""
