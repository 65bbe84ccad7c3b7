"""Methods text: paragraphs that a paper can use, from what was run and assumed; the boundary; the sources."""

from reports import lookup, phrases
from reports.bibliography import bibtex, keys
from reports.document import Block, Bullets, Cell, Column, Listing, Paragraph, Section, Table
from reports.schema import Tables
from reports.sections.methods_text import methods_text


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
    columns = tuple(
        Column(key, label, is_number=False)
        for key, label in (
            ("method", "Method"),
            ("init", "Initialisation"),
            ("uplink", "Uplink codec"),
            ("downlink", "Downlink codec"),
            ("server", "Server rule"),
        )
    )
    rows = []
    for name in lookup.methods(tables):
        entry = lookup.description(tables, name)
        parts = [Cell(phrases.part(entry.get(key))) for key in ("uplink", "downlink")]
        server = Cell(phrases.part(entry["server"])) if entry.get("server") else Cell("mean")
        rows.append((Cell(name), Cell(lookup.initialisation(tables, name)), *parts, server))
    return Table("methods", "Methods as run", columns, tuple(rows))
