"""Shows how updates are distributed before any codec: by round, by layer, and compared between initialisations."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reports.document import Block, Cell, Column, Curve, Curves, Figure, Paragraph, Section, Table
from reports.tables import lookup
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import absent, significant

_WORDS = {
    "sigma": "standard deviation",
    "kurtosis": "kurtosis",
    "absmax_sigmas": "largest magnitude over the standard deviation",
    "entropy_bits": "entropy at the fixed step",
    "shape_entropy_bits": "entropy at a step of half a standard deviation",
}
_PANELS = {
    "kurtosis": ("Kurtosis", "3 Gaussian, 6 Laplace"),
    "absmax_sigmas": ("Largest magnitude", "standard deviations (sigma)"),
    "entropy_bits": ("Entropy at the fixed step", "bit an entry"),
    "shape_entropy_bits": ("Entropy at a step of sigma / 2", "bit an entry"),
}
_MOST_TENSORS = 24
_DIGITS = 3


def update_statistics(tables: Tables) -> Section | None:
    """Sentence, figure, and tables by initialisation and by layer; None if no update was looked at."""
    if tables.statistics.empty:
        return None
    blocks: list[Block] = [Paragraph(_scope(tables)), *map(Paragraph, _sentences(tables))]
    figure = statistics_figure(tables)
    blocks += [figure] if figure else []
    table = _initialisations_table(tables)
    blocks += [table] if table else []
    blocks.append(_by_layer(tables))
    return Section("update_statistics", "How updates are distributed", tuple(blocks))


def statistics_figure(tables: Tables) -> Figure | None:
    """A panel per measure, a line per initialisation, against rounds; None if no update was looked at."""
    rows = tables.statistics
    if rows.empty:
        return None
    inits = _inits(tables)
    panels = tuple(
        Curves(
            "Round",
            unit,
            tuple(_curve(rows[rows["init"] == init], init, slot, measure) for slot, init in enumerate(inits)),
            title=title,
        )
        for measure, (title, unit) in _PANELS.items()
    )
    ends = "; ".join(
        f"{panel.title}: "
        + ", ".join(f"{c.label} {significant(c.points[-1][1], _DIGITS)}" for c in panel.curves if c.points)
        for panel in panels
    )
    has_seeds = any(curve.repeats for panel in panels for curve in panel.curves)
    return Figure(
        key="update_statistics",
        title="How updates are distributed, by round and initialisation",
        caption="Updates before any codec: medians over tensors, weighted by their entries, and over the recorded "
        f"clients and methods{'; faint lines are single seeds' if has_seeds else ''}. The fixed step is "
        f"{phrases.plain(_step(rows))} for all tensors, rounds and initialisations. Rounds that fewer than half of the "
        "cells recorded are left out.",
        alt=f"Line charts of the distribution of updates against rounds. At the last recorded round: {ends}.",
        panels=panels,
    )


def _scope(tables: Tables) -> str:
    rows = tables.statistics
    rounds, seeds = int(rows["round"].nunique()), int(rows["seed"].nunique())
    tensors, methods = int(rows["tensor"].nunique()), int(rows["method"].nunique())
    counted = [(methods, "method"), (seeds, "seed"), (rounds, "round"), (tensors, "tensor")]
    seen = phrases.listing([f"{n} {word}{'s' if n != 1 else ''}" for n, word in counted])
    return (
        f"Updates were looked at before any codec touched them: {seen}. A kurtosis of 3 is that of Gaussian entries, 6 "
        "that of Laplace entries. An entropy is what an ideal coder would spend on an entry rounded to multiples of a "
        f"step: a fixed one ({phrases.plain(_step(rows))}), where a smaller scale saves bits, and half a standard "
        "deviation, where only the shape counts."
    )


def _sentences(tables: Tables) -> list[str]:
    rows = tables.initialisations
    if rows.empty:
        if len(_inits(tables)) > 1:
            return ["No two methods differ in their initialisation only, at a seed that both have: none are compared."]
        return ["All recorded updates start from one initialisation, so that none are compared."]
    sentences = []
    for (init, other), group in rows.groupby(["init", "other_init"], sort=False):
        known = {str(row["quantity"]): row for row in lookup.records(group)}
        texts = [_measure_text(measure, known[measure]) for measure in _WORDS if measure in known]
        n = int(group["n_pairs"].max())
        sentences.append(
            f"Whether {init} concentrates updates, as measured beside {other}: {'; '.join(texts)}. "
            f"Paired over {n} seed{'s' if n != 1 else ''}, between methods that differ in nothing else, at the rounds "
            "and tensors that both have."
        )
    return sentences


def _measure_text(measure: str, row: Mapping[str, Any]) -> str:
    cell = _compared(row)
    if cell.value is None:
        return f"{_WORDS[measure]} not known ({cell.text})"
    inside = f"{phrases.CONFIDENCE} {cell.detail}" if cell.ends else cell.detail
    interval = f" ({inside})" if inside else ""
    if row["kind"] == "ratio":
        return f"{_WORDS[measure]} {cell.text} times{interval}"
    return f"{_WORDS[measure]} {cell.text} bit an entry{interval}"


def _compared(row: Mapping[str, Any]) -> Cell:
    return phrases.compared(lookup.estimate_of(row, "estimate", "n_pairs"), is_ratio=row["kind"] == "ratio")


def _initialisations_table(tables: Tables) -> Table | None:
    if tables.initialisations.empty:
        return None
    columns = (
        Column("quantity", "Measure", is_number=False),
        Column("init", "Initialisation", is_number=False),
        Column("other_init", "Beside", is_number=False),
        Column("n", "Seeds", "paired"),
        Column("estimate", "Estimate", phrases.CONFIDENCE),
        Column("kind", "Kind", is_number=False),
    )
    kinds = {"ratio": "ratio", "difference": "difference, bit an entry"}
    rows = tuple(
        (
            Cell(_WORDS.get(str(row["quantity"]), str(row["quantity"]))),
            Cell(str(row["init"])),
            Cell(str(row["other_init"])),
            Cell(f"{row['n_pairs']:.0f}", value=float(row["n_pairs"])),
            _compared(row),
            Cell(kinds.get(str(row["kind"]), str(row["kind"]))),
        )
        for row in lookup.records(tables.initialisations)
    )
    notes = (
        "Per seed: medians over rounds and clients for each tensor; then geometric means of scale and shape, and means "
        "of entropies, over tensors weighted by their entries. 95 % t intervals over seeds, on logarithms for ratios.",
    )
    return Table("initialisations", "One initialisation beside another", columns, rows, notes)


def _by_layer(tables: Tables) -> Table:
    rows = tables.statistics
    sizes = {tensor: int(size) for tensor, size in rows.drop_duplicates("tensor")[["tensor", "size"]].itertuples(False)}
    largest = sorted(sizes, key=lambda tensor: -sizes[tensor])[:_MOST_TENSORS]
    medians = {
        (str(row["tensor"]), str(row["init"])): [float(row[measure]) for measure in _WORDS]
        for row in lookup.records(rows.groupby(["tensor", "init"])[list(_WORDS)].median().reset_index())
    }
    columns = (
        Column("tensor", "Tensor", is_number=False),
        Column("init", "Initialisation", is_number=False),
        Column("size", "Entries"),
        Column("sigma", "Standard deviation"),
        Column("kurtosis", "Kurtosis"),
        Column("absmax_sigmas", "Largest magnitude", "standard deviations"),
        Column("entropy_bits", "Entropy, fixed step", "bit an entry"),
        Column("shape_entropy_bits", "Entropy, half a standard deviation", "bit an entry"),
    )
    printed = []
    for tensor in (name for name in sizes if name in largest):
        for init in (name for name in _inits(tables) if (tensor, name) in medians):
            amounts = [
                Cell(significant(value, _DIGITS), value=value) if is_known(value) else absent("no spread")
                for value in medians[tensor, init]
            ]
            printed.append((Cell(tensor), Cell(init), Cell(f"{sizes[tensor]:,}", value=float(sizes[tensor])), *amounts))
    left_out = len(sizes) - len(largest)
    notes = ["Medians over recorded rounds, clients, methods and seeds."]
    if left_out:
        notes.append(f"The {_MOST_TENSORS} largest tensors; the other {left_out} are in statistics.csv.")
    return Table("layers", "Updates by tensor and initialisation", columns, tuple(printed), tuple(notes))


def _curve(rows: pd.DataFrame, init: str, slot: int, measure: str) -> Curve:
    known = _shared_rounds(rows.dropna(subset=[measure]))
    repeats = tuple(_points(of_seed, measure) for _, of_seed in known.groupby("seed"))
    return Curve(init, slot, _points(known, measure), repeats if len(repeats) > 1 else ())


def _points(rows: pd.DataFrame, measure: str) -> tuple[tuple[float, float], ...]:
    numbers, values, sizes = (rows[name].to_numpy(dtype=np.float64) for name in ("round", measure, "size"))
    return tuple(
        (float(number), _median(values[numbers == number], sizes[numbers == number])) for number in np.unique(numbers)
    )


def _shared_rounds(rows: pd.DataFrame) -> pd.DataFrame:
    """Without rounds that few cells recorded, such as the last of a shorter run: a line would jump to those cells."""
    cells = rows.groupby("round")["cell_id"].nunique()
    shared = cells[cells >= rows["cell_id"].nunique() / 2].index
    return rows[rows["round"].isin(shared)]


def _median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Weighted median: the smallest value with at least half of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    heaped = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(heaped, heaped[-1] / 2)])


def _inits(tables: Tables) -> list[str]:
    return [str(init) for init in tables.statistics["init"].drop_duplicates()]


def _step(rows: pd.DataFrame) -> float:
    return float(rows["step"].iloc[0])
