"""Checks conditions on results for scripts: ``harness compare --check 'uplink_ratio >= 5'``.

A check is ``[METHOD:] OPERAND[@RADIO[/GRID]] OP NUMBER``. Without a method it must hold for every method that is
compared with another; without a radio or grid the first is meant. Estimates are compared, not ends of their intervals.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from harness.core.errors import UsageError
from harness.parsing.problems import did_you_mean
from harness.price.assumptions.scenarios import Scenarios
from harness.spec.spec import BenchmarkSpec

OPERANDS: Mapping[str, tuple[str, str]] = {
    "uplink_ratio": ("uplink_bits", "inverse"),
    "downlink_ratio": ("downlink_bits", "inverse"),
    "total_ratio": ("total_bits", "inverse"),
    "radio_energy_ratio": ("radio_energy_j", "inverse"),
    "device_energy_ratio": ("device_energy_j", "inverse"),
    "carbon_ratio": ("carbon_g", "inverse"),
    "pass_through": ("pass_through", "plain"),
    "test_difference": ("deployed_accuracy", "points"),
    "validation_difference": ("validation_accuracy", "points"),
    "test_accuracy": ("deployed_accuracy", "mean"),
    "validation_accuracy": ("validation_accuracy", "mean"),
}
"""Operands. A ratio is that of the reference to the method, so that 5 is a fifth of the bits; differences of accuracies
are in points and accuracies in per cent. Test accuracy is the deployed one, as in reports."""

_PRICED = ("radio_energy_j", "device_energy_j", "carbon_g", "pass_through")
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CHECK = re.compile(
    r"\s*(?:(?P<method>.+?)\s*:)?\s*(?P<operand>\w+)\s*(?:@\s*(?P<radio>[^/<>=]+?)\s*(?:/\s*(?P<grid>[^<>=]+?))?)?\s*"
    r"(?P<op>>=|<=|>|<)\s*(?P<number>[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)\s*%?\s*"
)


@dataclass(frozen=True)
class Check:
    """Something that must hold.

    Attributes:
        text: as it was written.
        methods: methods that it must hold for.
        operand: a key of `OPERANDS`.
        radio: radio; empty takes the first.
        grid: grid; empty takes the first.
        op: a key of the operators.
        number: what the operand is compared with.
    """

    text: str
    methods: tuple[str, ...]
    operand: str
    radio: str
    grid: str
    op: str
    number: float


def parse_checks(texts: Sequence[str], spec: BenchmarkSpec) -> list[Check]:
    """Checks of a benchmark, before anything is run.

    Raises:
        UsageError: one cannot be read, or names what the benchmark does not have.
    """
    return [_parsed(text, spec) for text in texts]


def _parsed(text: str, spec: BenchmarkSpec) -> Check:
    match = _CHECK.fullmatch(text)
    if match is None:
        raise UsageError(
            f"--check {text!r}: not of the form [METHOD:] OPERAND[@RADIO[/GRID]] >= NUMBER, e.g. 'uplink_ratio >= 5'; "
            f"operands: {', '.join(OPERANDS)}"
        )
    operand, methods = match["operand"], [method.name for method in spec.methods]
    _check_name(text, "operand", operand, list(OPERANDS))
    compared = methods if OPERANDS[operand][1] == "mean" else list(spec.references())
    if match["method"] is not None:
        _check_name(text, "method", match["method"], compared)
    if not compared:
        raise UsageError(f"--check {text!r}: nothing is compared in this definition, which has one method of its kind")
    if match["radio"]:
        _check_place(text, match["radio"], match["grid"], OPERANDS[operand][0], spec.scenarios)
    chosen = (match["method"],) if match["method"] is not None else tuple(compared)
    return Check(text, chosen, operand, match["radio"] or "", match["grid"] or "", match["op"], float(match["number"]))


def _check_place(text: str, radio: str, grid: str | None, quantity: str, scenarios: Scenarios) -> None:
    if quantity not in _PRICED:
        raise UsageError(f"--check {text!r}: this is the same on every radio; leave @{radio} out")
    fleets = [fleet.name for fleet in scenarios.fleets]
    _check_name(text, "radio", radio, [*(entry.label for entry in scenarios.radios), *fleets])
    # Groups of a fleet have grids of their own, and a supply that sees no grid has the name of one.
    if grid and radio not in fleets and scenarios.grids:
        _check_name(text, "grid", grid, [each if isinstance(each, str) else each.name for each in scenarios.grids])


def _check_name(text: str, what: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        hint = did_you_mean(name, known)
        raise UsageError(f"--check {text!r}: no {what} {name}; there are: {', '.join(known)}.{hint}")


def missed(checks: Sequence[Check], frames: Mapping[str, pd.DataFrame]) -> list[str]:
    """A line for everything that does not hold.

    Args:
        checks: what must hold.
        frames: tables of the results.
    """
    found = []
    for check in checks:
        for method in check.methods:
            value, why = _value(check, method, frames)
            if value is None:
                found.append(f"{check.text}: not known for {method} ({why})")
            elif not _OPERATORS[check.op](value, check.number):
                found.append(f"{check.text}: it is {value:.6g} for {method}")
    return found


def _value(check: Check, method: str, frames: Mapping[str, pd.DataFrame]) -> tuple[float | None, str]:
    """The operand for a method, or why it is not known."""
    quantity, kind = OPERANDS[check.operand]
    table, column = ("methods", "mean") if kind == "mean" else ("pairs", "estimate")
    rows = frames[table]
    rows = rows[(rows["method"] == method) & (rows["quantity"] == quantity)]
    for place, wanted in (("radio", check.radio), ("grid", check.grid)):
        if wanted and quantity in _PRICED:
            rows = rows[(rows[place] == wanted) | (rows[place] == "")]
    if rows.empty:
        return None, "no seed, radio or grid to compare at"
    row = rows.iloc[0]
    estimate = row[column]
    if estimate is None or pd.isna(estimate):
        return None, str(row["note"])
    factor = {"points": 100.0, "mean": 100.0, "plain": 1.0}
    return (1 / float(estimate) if kind == "inverse" else factor[kind] * float(estimate)), ""
