"""Reads the sources that a report cites from the tables folder, and writes their BibTeX file."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness.core.files import write_text
from reports.tables import lookup
from reports.tables.read import Tables

_HEADER = """% Sources of this report: every entry is cited in report.tex, and nothing else stands here.
@preamble{"\\providecommand{\\url}[1]{\\texttt{#1}}"}
"""


def citing(tables: Tables, *parts: str) -> tuple[str, ...]:
    """Keys of the entries that these parts cite, each once, in the order of the parts.

    Args:
        tables: where the entries are.
        parts: what cites, as ``role:kind``, e.g. ``codec:topk``.
    """
    return tuple(dict.fromkeys(key for part in parts for key, cited_by in _entries(tables) if part in cited_by))


def own_first(tables: Tables, found: Iterable[str], name: str) -> list[str]:
    """Keys in the order of how much a source is that of a part: its title begins with the part's name, or has it."""
    entries = {str(entry["key"]): str(entry["entry"]) for entry in _references(tables)}
    words = name.replace("_", " ").casefold()
    titles = {key: _field(entries.get(key, ""), "title").casefold() for key in found}
    return sorted(titles, key=lambda key: (not titles[key].startswith(words), words not in titles[key]))


def in_words(tables: Tables, key: str, *, is_short: bool = False) -> str:
    """An entry as one line of text: authors, title, venue, year, or authors and year; the key where there is none.

    Of LaTeX only what our sources use is read: accents, braces, and escaped signs.
    """
    text = next((str(entry["entry"]) for entry in _references(tables) if entry["key"] == key), "")
    found = {name: _field(text, name) for name in ("author", "title", *_VENUES, "year")}
    venue = next((found[name] for name in _VENUES if found[name]), "")
    people = [_family_name(person) for person in found["author"].split(" and ")]
    authors = f"{people[0]} et al." if len(people) > 2 else " and ".join(people)
    if is_short:
        return " ".join(filter(None, [authors, found["year"]])) or key
    return ", ".join(filter(None, [authors, found["title"], venue, found["year"]])) or key


_VENUES = ("journal", "booktitle", "howpublished", "publisher", "institution")
_MARKS = {"'": "\u0301", "`": "\u0300", '"': "\u0308", "~": "\u0303", "c": "\u0327", "v": "\u030c", "^": "\u0302"}


def _family_name(person: str) -> str:
    return person.partition(",")[0].strip()


def _field(entry: str, name: str) -> str:
    """A field of an entry as plain text; empty where there is none."""
    found = re.search(rf"^\s*{name}\s*=\s*[{{\"](.*?)[}}\"],?\s*$", entry, re.MULTILINE)
    text = found.group(1) if found else ""
    text = re.sub(r"\\url\{([^}]*)\}", r"\1", text).replace(r"{\o}", "ø")
    text = re.sub(r"\\(['`\"~^cv])\s*\{?(\w)\}?", lambda mark: mark.group(2) + _MARKS[mark.group(1)], text)
    return unicodedata.normalize(
        "NFC", re.sub(r"\\([&%_#$])", r"\1", text).replace("\\,", " ").replace("{", "").replace("}", "")
    )


def citing_role(tables: Tables, role: str) -> tuple[str, ...]:
    """Keys of the entries that parts of one role cite, e.g. ``formula``, in the order of the entries."""
    return tuple(key for key, cited_by in _entries(tables) if any(part.startswith(f"{role}:") for part in cited_by))


def keys(tables: Tables) -> tuple[str, ...]:
    """Keys of all entries."""
    return tuple(key for key, _ in _entries(tables))


def bibtex(tables: Tables) -> str:
    """All entries as one file, byte-identical for equal tables."""
    entries = [str(entry["entry"]).strip() for entry in _references(tables)]
    return "\n\n".join([_HEADER.strip(), *entries]) + "\n"


def write_bibtex(tables: Tables, path: Path) -> None:
    """Write the file to `path`.

    Raises:
        OSError: `path` cannot be written.
    """
    write_text(path, bibtex(tables))


def _entries(tables: Tables) -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in _references(tables):
        yield str(entry["key"]), tuple(map(str, entry["cited_by"]))


def _references(tables: Tables) -> list[Mapping[str, Any]]:
    found = lookup.mappings(tables.context.get("references"))
    return [entry for entry in found if {"key", "entry", "cited_by"} <= entry.keys()]
