"""Shows what formulas of other papers give for the same bits, and technologies that are kept out of rankings."""

from collections.abc import Mapping
from typing import Any

from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.tables import lookup
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import (
    ESTIMATE_DIGITS,
    NBSP,
    TABLE_HEADROOM,
    absent,
    percent,
    scale,
    signed,
    significant,
    with_unit,
)


def formulas(tables: Tables) -> Section | None:
    """Other formulas for the bits that were counted here, and verdicts; None if there is neither."""
    blocks: list[Block] = []
    if not tables.formulas.empty:
        text = (
            "What papers on the carbon of federated learning would have said of the same bits, by their own formulas "
            "for communication: joules of the two directions, at each formula's typical numbers. They draw other "
            "boundaries than this report and each other, know neither sessions nor tails, and are in no total here."
        )
        blocks += [Paragraph(text), _table(tables)]
    verdicts = verdict_table(tables)
    if verdicts:
        blocks.append(verdicts)
    return Section("formulas", "Other formulas and technologies", tuple(blocks)) if blocks else None


def verdict_table(tables: Tables) -> Table | None:
    """Technologies that no ranking names, why, and how well their published figures are reproduced."""
    entries = lookup.mappings(tables.context.get("verdicts"))
    if not entries:
        return None
    columns = (
        Column("technology", "Technology", is_number=False),
        Column("why_not", "Why it stays out", is_number=False),
        Column("figure", "Published figure", is_number=False),
        Column("published", "Published"),
        Column("reproduced", "Reproduced"),
        Column("error", "Error", "reproduced to published"),
        Column("source", "Source", is_number=False),
        Column("mark", "Mark", is_number=False),
    )
    rows = tuple(
        (
            Cell(phrases.plain(entry.get("title") or entry.get("kind"))),
            Cell(phrases.plain(entry.get("why_not"))),
            Cell(str(entry.get("figure") or entry.get("reproduces") or "–")),
            _figure(entry, "published"),
            _figure(entry, "reproduced"),
            _error(entry),
            Cell(phrases.plain(entry.get("source"))),
            _mark(entry),
        )
        for entry in entries
    )
    notes = (
        "Independent: the figure had no part in making the constants. One that had only tests our arithmetic. None of "
        "these is priced in this report.",
    )
    return Table("verdicts", "Technologies that are kept out of rankings", columns, rows, notes)


def _table(tables: Tables) -> Table:
    rows = tables.formulas
    heads = list(rows.drop_duplicates("formula")[["formula", "title", "source"]].itertuples(index=False, name=None))
    known = {(str(row["method"]), str(row["formula"])): row for row in lookup.records(rows)}
    factor, unit = scale(rows["energy_j"].tolist(), "J", TABLE_HEADROOM)
    columns = (
        Column("method", "Method", is_number=False),
        *(Column(kind, title, f"{unit}, {phrases.PROJECTED}", "lower") for kind, title, _ in heads),
    )
    printed = tuple(
        (Cell(name), *(_joules(known.get((name, kind)), factor) for kind, _, _ in heads))
        for name in lookup.methods(tables)
    )
    has_grams = bool(rows["carbon_g"].notna().any())
    grams = " Below joules stand grams where a paper has an intensity of its own." if has_grams else ""
    sources = ", ".join(dict.fromkeys(source for *_, source in heads))
    notes = (f"Of the mean bits over seeds, unicast.{grams} Sources: {sources}.",)
    return Table("formulas", "The same bits by the formulas of other papers", columns, printed, notes)


def _joules(row: Mapping[str, Any] | None, factor: float) -> Cell:
    if row is None:
        return absent(phrases.NOT_FINISHED)
    value = float(row["energy_j"]) / factor
    grams = row["carbon_g"]
    detail = f"{with_unit(float(grams), 'g', ESTIMATE_DIGITS)} CO2e" if is_known(grams) else ""
    return Cell(significant(value, ESTIMATE_DIGITS), detail, value)


def _figure(entry: Mapping[str, Any], key: str) -> Cell:
    value = entry.get(key)
    if not isinstance(value, int | float) or not is_known(value):
        return absent("none of the whole")
    if entry.get("unit") == "J":
        return Cell(with_unit(float(value), "J", 3), value=float(value))
    return Cell(f"{significant(float(value), 3)}{NBSP}{phrases.plain(entry.get('unit'))}", value=float(value))


def _error(entry: Mapping[str, Any]) -> Cell:
    error = entry.get("error")
    if not isinstance(error, int | float) or not is_known(error):
        return absent("–")
    return Cell(percent(0.0) if abs(error) < 5e-4 else f"{signed(100 * error, 1)}{NBSP}%", value=float(error))


def _mark(entry: Mapping[str, Any]) -> Cell:
    read = "verified" if entry.get("is_verified") is True else "unverified"
    return Cell(
        read,
        "independent" if entry.get("is_independent") is True else "same source",
        tone="plain" if read == "verified" else "warn",
    )
