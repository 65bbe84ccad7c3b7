"""Writes the methods text: paragraphs for a paper, from what was run and assumed; the boundary; the sources."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.document import Block, Bullets, Cell, Column, Listing, Paragraph, Section, Table
from reports.sections.methods_text import methods_text
from reports.tables import lookup
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.bibliography import bibtex, keys
from reports.texts.numbers import FACT_DIGITS, percent_estimate, with_unit

_BITS_PER_MBIT = 1e6


def method(tables: Tables) -> Section:
    """Methods paragraphs, the settings of every method, the boundary of the account, and the sources."""
    blocks: list[Block] = [*methods_text(tables), _settings(tables)]
    blocks += [Paragraph("Boundary: what is inside the account and what is outside."), Bullets(boundary(tables))]
    if keys(tables):
        blocks.append(Listing("Sources (BibTeX)", bibtex(tables), "bibtex"))
    return Section("methods", "Methods and boundary", tuple(blocks))


def boundary(tables: Tables) -> tuple[str, ...]:
    """Sentences that say what is inside the account and what is outside."""
    lines = tables.context.get("boundary")
    return tuple(map(str, lines)) if isinstance(lines, list) and lines else ("The tables do not record the boundary.",)


def _settings(tables: Tables) -> Table:
    names = lookup.methods(tables)
    has_own = any(lookup.overrides(tables, name) for name in names)
    headings = {
        "method": "Method",
        "init": "Initialisation",
        "uplink": "Uplink codec",
        "downlink": "Downlink codec",
        "server": "Server rule",
        **({"federation": "Federation, where other"} if has_own else {}),
        "rounds": "Rounds run",
    }
    columns = tuple(Column(key, label, is_number=False) for key, label in headings.items())
    rows = []
    for name in names:
        entry = lookup.description(tables, name)
        parts = [Cell(phrases.part(entry.get(key))) for key in ("uplink", "downlink")]
        server = Cell(phrases.part(entry["server"])) if entry.get("server") else Cell("mean")
        own = [_federation(lookup.overrides(tables, name))] if has_own else []
        start = Cell(lookup.initialisation(tables, name))
        rows.append((Cell(name), start, *parts, server, *own, phrases.rounds(lookup.rounds(tables, name))))
    return Table("methods", "Methods as run", columns, tuple(rows), tuple(_beyond(tables)))


def _federation(overrides: Mapping[str, Any]) -> Cell:
    settings = ", ".join(f"{key} {text}" for key, text in phrases.flatten(overrides) if key)
    return Cell(settings) if settings else Cell("–", tone="muted")


def _beyond(tables: Tables) -> Iterator[str]:
    """Methods that sent more than their own budget of bits, at the seed that sent most."""
    for name in lookup.methods(tables):
        budget = lookup.federation(tables, name).get("budget")
        if not isinstance(budget, Mapping):
            continue
        direction, allowed = budget["direction"], budget["mbit"] * _BITS_PER_MBIT
        sent = tables.cells.loc[tables.cells["method"] == name, f"{direction}_bits"].max()
        if sent > allowed:
            yield (
                f"{name} sent {percent_estimate(sent / allowed - 1)} more than its budget of "
                f"{with_unit(allowed, 'bit', FACT_DIGITS)} ({direction}): a run sends whole rounds, always the first, "
                "and a last one that is larger than every one before."
            )
