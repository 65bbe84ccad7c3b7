"""Computes how far results survive their assumptions: draws of every range, order of methods, where a method pays.

Everything here is of the mean over the seeds of a method; how much seeds differ is in ``pairs.csv``.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import pandas as pd

from harness.core.units import BITS_PER_BYTE
from harness.ledger.ledger import Ledger
from harness.price.accounting import break_even
from harness.price.accounting.account import CellResult, scaled_terms
from harness.price.accounting.carbon import carbon_terms, places
from harness.price.accounting.draws import Draws, with_link
from harness.price.accounting.pooled_compute import ComputeCosts
from harness.price.accounting.terms import Term
from harness.price.accounting.timeline import turns_of
from harness.price.accounting.uncertainty import (
    amounts_drawn,
    mean_terms,
    quantiles,
    rank_rows,
    ratio_rows,
    uncertainty_row,
    variance_rows,
)

COLUMNS: Mapping[str, list[str]] = {
    "uncertainty": ["method", "radio", "grid", "quantity", "low", "median", "high"],
    "ratios": ["method", "radio", "grid", "quantity", "low", "median", "high", "reference"],
    "variance": ["method", "radio", "coefficient", "scope", "group", "share"],
    "ranks": ["method", "radio", "grid", "rank", "share_best", "share_before_next"],
    "break_even": [
        *("method", "radio", "pays", "break_even", "break_even_j_per_bit", "radio_j_per_bit", "pass_through"),
        *("pays_at", "pays_at_bytes", "half_passes_at", "half_passes_at_bytes"),
    ],
}
"""Columns of the tables that `robustness_tables` gives."""

_OF_COMPUTING = ("pays", "break_even", "break_even_j_per_bit", "pays_at", "pays_at_bytes")
"""Columns of ``break_even.csv`` that say nothing where computing is not known."""

_ROUNDS = 50
"""Rounds that break-even is asked of: the first ones, because each question prices a run anew."""

Results = Mapping[str, Sequence[CellResult]]
"""Priced cells by method, in the order of the definition."""


def robustness_tables(
    results: Results, references: Mapping[str, str], costs: ComputeCosts | None
) -> dict[str, pd.DataFrame]:
    """The tables of `COLUMNS`.

    Args:
        results: priced cells by method.
        references: for each method, what it is compared with.
        costs: the pooled costs of computing that the cells were priced with.
    """
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    first = next(iter(results.values()))[0]
    draws = Draws(first.assumptions.draws, first.assumptions.draw_seed)
    for number, here in enumerate(first.deployments):
        radio = here.deployment.name
        joules = {
            method: mean_terms([with_link(cell.deployments[number].charged) for cell in cells])
            for method, cells in results.items()
        }
        _add_draws(rows, joules, references, (radio, "", "energy_j"), draws)
        for count, place in enumerate(places(here, first.assumptions)):
            grams = {
                method: mean_terms([_grams(cell, number, count) for cell in cells]) for method, cells in results.items()
            }
            _add_draws(rows, grams, references, (radio, place[0], "carbon_g"), draws)
            rows["ranks"] += rank_rows(grams, radio, place[0], draws) if here.is_feasible else []
            if count == 0:
                for method, terms in grams.items():
                    rows["variance"] += variance_rows(method, radio, terms, draws)
        if not here.deployment.is_fleet:
            rows["break_even"] += _break_even_rows(results, references, number, costs)
    return {name: pd.DataFrame(rows[name], columns=columns) for name, columns in COLUMNS.items()}


def _grams(cell: CellResult, number: int, count: int) -> tuple[Term, ...]:
    here = cell.deployments[number]
    place = places(here, cell.assumptions)[count]
    return carbon_terms(here, with_link(here.charged), place, cell.assumptions.operator_grid)


def _add_draws(
    rows: dict[str, list[dict[str, Any]]],
    terms: Mapping[str, tuple[Term, ...]],
    references: Mapping[str, str],
    scenario: tuple[str, str, str],
    draws: Draws,
) -> None:
    for method, own in terms.items():
        rows["uncertainty"].append(uncertainty_row(method, *scenario, quantiles(amounts_drawn(own, method, draws))))
        other = references.get(method, "")
        if other in terms:
            rows["ratios"] += ratio_rows({method: own, other: terms[other]}, other, *scenario, draws)


def _break_even_rows(
    results: Results, references: Mapping[str, str], number: int, costs: ComputeCosts | None
) -> list[dict[str, Any]]:
    """One row per method on one deployment, at the first seed that it shares with its reference."""
    rows = []
    for method, other in references.items():
        pair = _paired(results.get(method, ()), results.get(other, ()))
        if pair is None:
            continue
        ours, theirs = pair
        here, there = (cell.deployments[number] for cell in pair)
        bits, reference_bits = _bits(ours.ledger), _bits(theirs.ledger)
        price = break_even.bit_price(here.terms, bits, there.terms, reference_bits)
        passed = break_even.pass_through(
            break_even.radio_j(here.terms), break_even.radio_j(there.terms), bits, reference_bits
        )
        question = _Question(theirs, ours, number, costs)
        n_bytes = float(theirs.ledger.transfers[["reference_bytes", "payload_bytes"]].max().max())
        pays = break_even.pays_from(question.clients_j, n_bytes)
        half = break_even.passes_from(question.radios_j, bits, reference_bits, n_bytes)
        row = break_even.break_even_row(method, here.deployment.name, price, passed, pays, half)
        # Whether a method pays is a question about its computing, which nobody recorded here.
        unknown = () if here.is_computed and there.is_computed else _OF_COMPUTING
        rows.append({**row, **dict.fromkeys(unknown)})
    return rows


class _Question:
    """What the first rounds of a reference and of a method take in one deployment, at any size of the model."""

    def __init__(self, reference: CellResult, method: CellResult, number: int, costs: ComputeCosts | None) -> None:
        self._terms_of = [_terms_at(cell, number, costs) for cell in (reference, method)]

    def clients_j(self, scale: float) -> tuple[float, float]:
        """Joules of the clients."""
        theirs, ours = (sum(term.joules().typical for term in terms(scale)) for terms in self._terms_of)
        return theirs, ours

    def radios_j(self, scale: float) -> tuple[float, float]:
        """Joules of the clients' radios."""
        theirs, ours = (break_even.radio_j(terms(scale)) for terms in self._terms_of)
        return theirs, ours


def _terms_at(cell: CellResult, number: int, costs: ComputeCosts | None) -> Callable[[float], tuple[Term, ...]]:
    ledger = cell.ledger if costs is None else costs.pooled(cell.ledger)
    turns = turns_of(ledger).first(_ROUNDS)
    deployment = cell.deployments[number].deployment
    return cache(lambda scale: scaled_terms(ledger, turns, cell.assumptions, deployment, scale))


def _paired(ours: Sequence[CellResult], theirs: Sequence[CellResult]) -> tuple[CellResult, CellResult] | None:
    by_seed = {int(cell.ledger.cell["seed"]): cell for cell in theirs}
    for cell in ours:
        if int(cell.ledger.cell["seed"]) in by_seed:
            return cell, by_seed[int(cell.ledger.cell["seed"])]
    return None


def _bits(ledger: Ledger) -> float:
    transfers = ledger.transfers
    return float(BITS_PER_BYTE * transfers["payload_bytes"][transfers["round"] > 0].sum())
