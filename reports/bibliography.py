"""The sources that a report cites, as the tables folder gives them, and their BibTeX file."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reports import lookup
from reports.files import write_text
from reports.schema import Tables

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
        EnvironmentLacksError: `path` cannot be written.
    """
    write_text(path, bibtex(tables))


def _entries(tables: Tables) -> Iterator[tuple[str, tuple[str, ...]]]:
    for entry in _references(tables):
        yield str(entry["key"]), tuple(map(str, entry["cited_by"]))


def _references(tables: Tables) -> list[Mapping[str, Any]]:
    found = lookup.mappings(tables.context.get("references"))
    return [entry for entry in found if {"key", "entry", "cited_by"} <= entry.keys()]
