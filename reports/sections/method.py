"""Methods text: a paragraph that a paper can use, from what was run and assumed; and the boundary."""

from collections.abc import Mapping
from typing import Any

from reports import lookup, phrases
from reports.document import Block, Bullets, Cell, Column, Paragraph, Section, Table
from reports.schema import Tables

QUANTFL = (
    "QuantFL here is a parameterised bucket quantiser after the abstract of Herath et al., arXiv 2603.17507; the full "
    "text was not available, so it is not a reproduction, and the paper's accuracies are context, not a target."
)


def method(tables: Tables) -> Section:
    """Methods paragraphs, the settings of every method, and the boundary of the account."""
    blocks: list[Block] = [Paragraph(text) for text in _paragraphs(tables)]
    blocks.append(_settings(tables))
    boundary = tables.context.get("boundary")
    lines = [str(line) for line in boundary] if isinstance(boundary, list) else []
    blocks.append(Paragraph("Boundary: what is inside the account and what is outside.", role="plain"))
    blocks.append(Bullets(tuple(lines) or ("The tables do not record the boundary.",)))
    return Section("methods", "Methods and boundary", tuple(blocks))


def _paragraphs(tables: Tables) -> list[str]:
    context = tables.context
    seeds = sorted({int(seed) for seed in tables.cells["seed"].dropna()})
    ran = f"Seeds finished: {', '.join(map(str, seeds))}." if seeds else "No seed finished."
    return [
        f"Task: {_words(context.get('task'))}. Federation: {_words(context.get('federation'))}. {ran} At one seed all "
        "methods share partition, cohorts and batch order, and methods of equal initialisation share initial weights; "
        f"those are compared in pairs with {lookup.reference(tables)}.",
        QUANTFL,
        "Bits are 8 × the bytes of the payloads that the receiver decoded, both directions, frames included. Costs "
        "are compared as geometric means of per-seed ratios with t intervals on their logarithms, accuracies as mean "
        "paired differences with t intervals; where nothing varies between seeds the value is called deterministic. "
        "Validation accuracy is the mean of the last five validation scores, test accuracy that of the final round.",
        f"{_meter(context)} Deployment joules are {phrases.PROJECTED}: usage (sessions, tails, seconds on the air, "
        "bits) times the coefficients under “Assumptions”, plus computing carried over to the device; ranges take "
        "every coefficient at its low and every one at its high.",
    ]


def _words(facts: Any) -> str:
    if not isinstance(facts, Mapping) or not facts:
        return "not recorded"
    return ", ".join(f"{name} {text}" for name, text in phrases.flatten(facts))


def _meter(context: Mapping[str, Any]) -> str:
    testbed = context.get("testbed")
    facts = testbed if isinstance(testbed, Mapping) else {}
    word = phrases.class_words(str(facts.get("evidence") or "none"))
    meter = phrases.part(context.get("meter")) if context.get("meter") else "not recorded"
    if word == "not measured":
        return f"Testbed joules were not measured (meter: {meter})."
    scope = phrases.plain(facts.get("scope"))
    return f"Testbed joules are {word} (meter: {meter}; scope: {scope})."


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
