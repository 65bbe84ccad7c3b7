"""Shows where the numbers come from: commit, packages, hardware, and the spec as resolved."""

import json
from collections.abc import Mapping

from reports.document import Block, Cell, Column, Listing, Paragraph, Section, Table
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import clean


def provenance(tables: Tables) -> Section:
    """Commit with its dirty mark, packages, hardware, machines and spec."""
    facts = tables.context.get("provenance")
    facts = facts if isinstance(facts, Mapping) else {}
    blocks: list[Block] = [Paragraph(_commit(facts))]
    machines = sorted({str(machine) for machine in tables.cells["machine"]})
    if len(machines) > 1:
        blocks.append(
            Paragraph(
                f"Cells ran on {len(machines)} machines. Bits and scores may be pooled over them; seconds and testbed "
                "joules of different machines do not compare.",
                role="warning",
            )
        )
    rows = tuple((Cell(name), Cell(text)) for name, text in phrases.flatten(facts) if name)
    if rows:
        columns = (Column("item", "Item", is_number=False), Column("value", "Value", is_number=False))
        blocks.append(Table("provenance", "Software and hardware", columns, rows))
    spec = json.dumps(tables.context["spec"], indent=2, ensure_ascii=False, default=str)
    lines = [clean(line) for line in spec.split("\n")]
    blocks.append(Listing("Spec as resolved", "\n".join(lines)))
    return Section("provenance", "Provenance", tuple(blocks))


def _commit(facts: Mapping[str, object]) -> str:
    commit = facts.get("commit")
    if not commit:
        return "The commit of the code is not recorded."
    state = {True: "with uncommitted changes", False: "without uncommitted changes"}.get(
        facts.get("is_dirty", facts.get("dirty")) is True
    )
    known = "is_dirty" in facts or "dirty" in facts
    return f"Code at commit {commit}, {state if known else 'state of the working tree not recorded'}."
