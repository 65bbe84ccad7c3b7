"""Shows what this benchmark cost on the machine that ran it. Never in one table with a deployment."""

from typing import Any

import pandas as pd

from reports.document import Block, Bullets, Cell, Column, Paragraph, Section, Table
from reports.sections.compute import BELOW, compute_table, floor_note, machines, marked
from reports.tables import lookup
from reports.tables.columns import meaning
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, absent, percent, scale, significant, with_unit

_MOST_OTHER = 0.15
_LEAST_COVERAGE = 0.95
_PHASES = (
    "local_training_cpu_s",
    "encode_cpu_s",
    "decode_cpu_s",
    "aggregate_cpu_s",
    "evaluate_cpu_s",
    "setup_cpu_s",
    "codec_timing_cpu_s",
    "other_cpu_s",
)
_SECONDS_DIGITS = 3


def testbed(tables: Tables) -> Section:
    """Joules with method, scope and class; CPU seconds by phase; what attempts and pre-training added."""
    facts = tables.context.get("testbed")
    facts = facts if isinstance(facts, dict) else {}
    blocks: list[Block] = [Paragraph(_how(facts)), Bullets(tuple(_totals(facts)))]
    if tables.cells.empty:
        blocks.append(Paragraph("No cell finished, so there is no cell to show.", role="note"))
        return Section("testbed", "Testbed (this host)", tuple(blocks))
    blocks += [Paragraph(text, role="warning") for text in _explanations(tables.cells)]
    blocks += [_cells(tables), _phases(tables)]
    pooled = compute_table(tables)
    if pooled:
        blocks.append(pooled)
    return Section("testbed", "Testbed (this host)", tuple(blocks))


def _how(facts: dict[str, Any]) -> str:
    evidence = str(facts.get("evidence") or "none")
    text = "Testbed: what running this benchmark cost on its own host. It says nothing of a deployment. "
    if phrases.class_words(evidence) == "not measured":
        return f"{text}Joules were not measured here (no meter gave any); CPU and wall seconds stand instead."
    return (
        f"{text}Joules are {phrases.class_words(evidence)}: method “{phrases.plain(facts.get('method'))}”, "
        f"scope “{phrases.plain(facts.get('scope'))}”."
    )


def _totals(facts: dict[str, Any]) -> list[str]:
    word = phrases.class_words(str(facts.get("evidence") or "none"))
    lines = [
        f"Finished cells: {_joules(facts.get('cells_j'), word)}.",
        f"Failed and killed attempts, in no result: {_joules(facts.get('attempts_j'), word)}.",
    ]
    runs = lookup.mappings(facts.get("pretraining"))
    for run in runs:
        name = phrases.plain(run.get("name") or run.get("init"))
        if not run.get("is_made_here", True):
            lines.append(f"Pre-training, done elsewhere, “{name}”: unknown, and not charged.")
            continue
        lines.append(f"Pre-training, apart from all cells, “{name}”: {_joules(run.get('energy_j'), word)}.")
    here = [run for run in runs if run.get("is_made_here", True)]
    parts = [facts.get("cells_j"), facts.get("attempts_j"), *(run.get("energy_j") for run in here)]
    known = [float(part) for part in parts if isinstance(part, int | float) and is_known(part)]
    if len(known) == len(parts):
        lines.append(f"All together: {_joules(sum(known), word)}.")
    if not runs:
        lines.append("Pre-training: none by this benchmark.")
    return lines


def _joules(value: Any, word: str) -> str:
    if not isinstance(value, int | float) or not is_known(value):
        return "not measured"
    return f"{with_unit(float(value), 'J', ESTIMATE_DIGITS)}, {word}"


def _explanations(cells: pd.DataFrame) -> list[str]:
    lines = []
    other = cells["other_cpu_s"].sum() / cells["cpu_s"].sum() if cells["cpu_s"].sum() > 0 else 0.0
    if other > _MOST_OTHER:
        lines.append(
            f"{percent(float(other))} of the CPU time lies outside every phase (“other”, above 15 %): start of the "
            "process, data loading and bookkeeping weigh more, the shorter the cells. Phase shares are of all CPU "
            "time, so this part is in the joules of a cell and in none of its phases."
        )
    coverage = cells["coverage_share"].min()
    if is_known(coverage) and coverage < _LEAST_COVERAGE:
        lines.append(
            f"The meter saw as little as {percent(float(coverage))} of a cell's CPU time (coverage below 95 %): short "
            "cells fall between its samples, so their joules are too low by about the part it missed."
        )
    return lines


def _cells(tables: Tables) -> Table:
    factor, unit = scale(tables.cells["testbed_cpu_j"].tolist(), "J")
    columns = (
        Column("method", "Method", is_number=False),
        Column("seeds", "Cells", "finished"),
        Column("cpu_s", "CPU time", "s, mean", "lower"),
        Column("wall_s", "Wall time", "s, mean", "lower"),
        Column("cpu_j", "CPU energy of a cell", f"{unit}, mean", "lower"),
        Column("evidence", "Class", is_number=False),
        Column("scope", "Scope", is_number=False),
        Column("coverage", "Coverage", "least", "higher"),
        Column("other", "Other", "share of CPU time", "lower"),
    )
    rows: list[tuple[Cell, ...]] = []
    groups: list[str] = []
    for machine in machines(tables):
        here = tables.cells[tables.cells["machine"] == machine]
        own = [_cell_row(name, here[here["method"] == name], factor, len(columns)) for name in lookup.methods(tables)]
        raw = {at: _TOTALS[column.key] for at, column in enumerate(columns) if column.key in _TOTALS}
        rows += marked(tables, own, machine, raw)
        groups += _group(tables, machine) * len(own)
    notes = (f"Raw cell totals are diagnostics. {floor_note(tables)}",)
    return Table("testbed_cells", "Cells on this host", columns, tuple(rows), notes, tuple(groups))


_TOTALS = {"cpu_s": "cpu_s", "wall_s": "wall_s", "cpu_j": "testbed_cpu_j"}
"""Columns of measured totals, with their quantity in ``noise.csv``."""


def _group(tables: Tables, machine: str) -> list[str]:
    """The heading of the rows of a machine, where there are several."""
    return [f"Machine {machine}"] if len(machines(tables)) > 1 else []


def _cell_row(name: str, cells: pd.DataFrame, factor: float, n_columns: int) -> tuple[Cell, ...]:
    """The totals of a method's cells on one machine."""
    if cells.empty:
        return (Cell(name), *[absent(phrases.NOT_FINISHED)] * (n_columns - 1))
    is_complete = bool(cells["testbed_cpu_j"].notna().all())
    joules = float(cells["testbed_cpu_j"].mean()) if is_complete else None
    return (
        Cell(name),
        Cell(str(len(cells)), value=float(len(cells))),
        _number(cells["cpu_s"].mean(), _SECONDS_DIGITS),
        _number(cells["wall_s"].mean(), _SECONDS_DIGITS),
        _number(None if joules is None else joules / factor, ESTIMATE_DIGITS),
        Cell(phrases.listing(sorted({phrases.class_words(e) for e in cells["testbed_evidence"]}))),
        Cell(phrases.listing(sorted({s or "not measured" for s in cells["testbed_scope"]}))),
        _share(cells["coverage_share"].min()),
        _share(cells["other_share"].mean()),
    )


def _phases(tables: Tables) -> Table:
    columns = (
        Column("method", "Method", is_number=False),
        *(Column(key, meaning(key).label, "CPU s, mean", "lower") for key in _PHASES),
    )
    rows: list[tuple[Cell, ...]] = []
    groups: list[str] = []
    for machine in machines(tables):
        here, own = tables.cells[tables.cells["machine"] == machine], []
        for name in lookup.methods(tables):
            cells = here[here["method"] == name]
            numbers = [_number(cells[key].mean(), _SECONDS_DIGITS, phrases.NOT_FINISHED) for key in _PHASES]
            own.append((Cell(name), *numbers))
        rows += marked(tables, own, machine, dict(enumerate(_PHASES, start=1)))
        groups += _group(tables, machine) * len(own)
    notes = (
        "Evaluation and codec timing (repeat-and-divide) are work of the benchmark, not of a deployment, and are left "
        "out of every headline.",
        f"Grey (in plain text: slanted), marked “{BELOW}” and never best, is what differs from the reference by less "
        "than twice the scatter of its phase between the seeds of one method, or that of a calibration where that is "
        "larger: such a difference means nothing.",
    )
    title = "CPU seconds of a cell by phase, on this host"
    return Table("testbed_phases", title, columns, tuple(rows), notes, tuple(groups))


def _number(value: float | None, digits: int, missing: str = "not measured") -> Cell:
    if value is None or not is_known(value):
        return absent(missing)
    return Cell(significant(float(value), digits), value=float(value))


def _share(value: float | None) -> Cell:
    if value is None or not is_known(value):
        return absent()
    return Cell(percent(float(value)), value=float(value))
