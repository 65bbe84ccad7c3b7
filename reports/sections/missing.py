"""Shows what is missing: cells that failed or never ran. Nothing is averaged over them in silence."""

from collections.abc import Mapping
from typing import Any

from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.tables import lookup
from reports.tables.read import Tables
from reports.texts import phrases


def missing(tables: Tables) -> Section:
    """Planned, finished, failed and missing cells."""
    cells = tables.context["cells"]
    counts: Mapping[str, Any] = cells if isinstance(cells, Mapping) else {}
    failed = lookup.mappings(counts.get("failed"))
    absent = counts.get("missing") or []
    text = f"{phrases.plain(counts.get('finished'))} of {phrases.plain(counts.get('planned'))} planned cells finished."
    if not failed and not absent:
        return Section("missing", "What is missing", (Paragraph(f"{text} No cell is missing."),))
    blocks: list[Block] = [
        Paragraph(f"{text} Means are over the seeds that finished; pairs are of seeds that both methods finished.")
    ]
    columns = (
        Column("method", "Method", is_number=False),
        Column("seed", "Seed", is_number=False),
        Column("state", "State", is_number=False),
        Column("error", "Error", is_number=False),
    )
    rows = [_row(entry, "failed", phrases.plain(entry.get("error"))) for entry in failed]
    rows += [_row(entry, "not run", "") for entry in lookup.mappings(absent)]
    rows += [
        (Cell(str(entry)), Cell(""), Cell("not run"), Cell("")) for entry in absent if not isinstance(entry, Mapping)
    ]
    blocks.append(Table("missing", "Cells without a result", columns, tuple(rows)))
    return Section("missing", "What is missing", tuple(blocks))


def _row(entry: Mapping[str, Any], state: str, error: str) -> tuple[Cell, ...]:
    return Cell(phrases.plain(entry.get("method"))), Cell(phrases.plain(entry.get("seed"))), Cell(state), Cell(error)
