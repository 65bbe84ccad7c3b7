"""Prints the summary of a comparison on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.commands.price import Priced
from harness.core.notes import URGENT, notes_from
from reports.tables.lookup import is_known
from reports.texts import numbers
from reports.texts.numbers import signed

_UNKNOWN = "unknown"


def print_summary(priced: Priced) -> None:
    """The comparison: facts, one deployment table for each radio, and what of the saved bits reaches its battery."""
    console = Console(highlight=False)
    cells, breakdown, pairs = (priced.frames[name] for name in ("cells", "breakdown", "pairs"))
    console.print(_facts_table(cells, pairs, priced.context["reference"]))
    for note in (*notes_from(priced.context["notes"]), *_unknowns(cells, breakdown)):
        console.print(Text(str(note), style="yellow"))
    for radio in priced.context["scenarios"]["radios"]:
        console.print(_deployment_table(breakdown[breakdown["radio"] == radio["name"]], priced, radio))
        for note in notes_from(radio["notes"]):
            if note.kind in URGENT:
                console.print(Text(str(note), style="yellow"))
    for line in _pass_through_lines(pairs, priced):
        console.print(line)


def _unknowns(cells: pd.DataFrame, breakdown: pd.DataFrame) -> list[str]:
    """What nobody recorded, and what that means for the tables."""
    found = []
    if not set(breakdown["component"]) & set(_COMPUTE):
        found.append("Unknown: what computing takes. It is in no figure, and neither is its time.")
    if cells["deployed_accuracy"].isna().all():
        found.append("Unknown: test accuracy. Whether methods reach the same is not compared.")
    return found


def _facts_table(cells: pd.DataFrame, pairs: pd.DataFrame, reference: str) -> Table:
    factor, unit = numbers.scale(cells["total_bits"], "bit")
    table = _table("On the air, one training run of the whole fleet, mean over seeds")
    has_scores = bool(cells["deployed_accuracy"].notna().any())
    scores = ["test\n%", "difference\npoints [95 % CI]"] if has_scores else []
    _columns(table, "method", [*(f"{way}\n{unit}" for way in ("up", "down", "total")), "saved\n%", *scores])
    references = {reference, *pairs["reference"]}
    for method, group in cells.groupby("method", sort=False):
        bits = [float(group[f"{name}_bits"].mean()) / factor for name in ("uplink", "downlink", "total")]
        saved, difference = (_pair(pairs, str(method), quantity) for quantity in ("total_bits", "deployed_accuracy"))
        unpaired = "reference" if method in references else "not paired"
        row = [
            *(numbers.significant(value, numbers.FACT_DIGITS) for value in bits),
            "" if saved is None else _known(1 - saved["estimate"]),
            # The mean of the seeds that were scored would be of lucky ones.
            _known(group["deployed_accuracy"].mean(skipna=False)),
            unpaired if difference is None else _points(difference),
        ]
        table.add_row(Text(str(method)), *row[: len(row) if has_scores else -2])
    return table


def _known(share: float) -> str:
    """A share in per cent."""
    return numbers.fixed(100 * share, 1) if is_known(share) else _UNKNOWN


def _points(pair: "pd.Series[float]") -> str:
    if not is_known(pair["estimate"]):
        return _UNKNOWN
    estimate = signed(100 * pair["estimate"], 1)
    if not is_known(pair["low"]):
        return estimate
    return f"{estimate} [{signed(100 * pair['low'], 1)}, {signed(100 * pair['high'], 1)}]"


def _deployment_table(rows: pd.DataFrame, priced: Priced, radio: Mapping[str, Any]) -> Table:
    grids = list(dict.fromkeys(rows["grid"]))
    n_cells = rows.groupby("method", sort=False)["cell_id"].nunique()
    joules = rows[rows["grid"] == grids[0]].pivot_table("energy_j", "method", "component", "sum", sort=False)
    joules = joules.div(n_cells, axis=0)
    grams = rows.pivot_table("carbon_g", "method", "grid", "sum", sort=False).div(n_cells, axis=0)
    energy_factor, energy_unit = numbers.scale(joules.sum(axis=1), "J")
    carbon_factor, carbon_unit = numbers.scale(grams.to_numpy().ravel(), "g")
    table = _table(_deployed_on(priced, radio, has_computing=bool(set(_COMPUTE) & set(joules.columns))))
    columns = [part for part in _COLUMNS if set(part[1]) & set(joules.columns)]
    headings = [f"{name}\n{energy_unit}" for name in (*(name for name, _ in columns), "total")]
    _columns(table, "method", [*headings, *(f"{grid}\n{carbon_unit}" for grid in grids)])
    for method in joules.index:
        parts = joules.loc[method]
        values = [float(parts[[each for each in components if each in parts]].sum()) for _, components in columns]
        values.append(float(parts.sum()))
        table.add_row(
            Text(str(method)),
            *(numbers.significant(value / energy_factor, numbers.ESTIMATE_DIGITS) for value in values),
            *(numbers.significant(grams.loc[method, grid] / carbon_factor, numbers.ESTIMATE_DIGITS) for grid in grids),
        )
    return table


_COMPUTE = ("local_training", "codec")
_COLUMNS = (
    ("compute", _COMPUTE),
    ("up", ("uplink",)),
    ("down", ("downlink",)),
    ("round 0", ("provisioning",)),
    ("standby", ("standby",)),
    ("network", ("access", "core")),
    ("server", ("server",)),
)
"""Columns of joules, each with its components; one without any is left out."""


def _deployed_on(priced: Priced, radio: Mapping[str, Any], *, has_computing: bool) -> str:
    has_device = has_computing and not radio["is_fleet"]
    device = f" and {priced.context['device']['title']}" if has_device else ""
    return f"Deployed on {radio['title']}{device} (projected), all clients"


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)


def _columns(table: Table, first: str, others: Sequence[str]) -> None:
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)


def _pass_through_lines(pairs: pd.DataFrame, priced: Priced) -> list[Text]:
    titles = {radio["name"]: radio["title"] for radio in priced.context["scenarios"]["radios"]}
    lines = []
    for radio, rows in pairs[pairs["quantity"] == "pass_through"].groupby("radio", sort=False):
        parts = [
            f"{method} " + (numbers.significant(estimate, numbers.ESTIMATE_DIGITS) if is_known(estimate) else str(note))
            for method, estimate, note in zip(rows["method"], rows["estimate"], rows["note"], strict=True)
        ]
        lines.append(Text(f"Pass-through on {titles[str(radio)]}: " + " · ".join(parts)))
    if lines:
        of_rounds = ", of the rounds alone" if priced.context["scenarios"]["provisioning"] == "over_the_air" else ""
        lines.append(Text(f"(share of device-radio joules saved / share of bits saved{of_rounds})", style="dim"))
    return lines


def _pair(pairs: pd.DataFrame, method: str, quantity: str) -> "pd.Series[float] | None":
    found = pairs[(pairs["method"] == method) & (pairs["quantity"] == quantity)]
    return None if found.empty else found.iloc[0]
