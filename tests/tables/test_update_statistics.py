"""Statistics of updates: initialisations beside each other on equal terms, by hand."""

import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from harness.core.facts import Score, UpdateStatistic
from harness.core.types import Metric, Split
from harness.price.accounting.account import account
from harness.tables.build import tabulate
from harness.tables.priced_cell import PricedCell
from tests.deployments import assuming
from tests.ledgers import make_ledger

ASSUMPTIONS = assuming(draws=100)
SIZES = {"conv": 100, "head": 300}
CODEC = {"kind": "quantfl"}


def statistic(number: int, client: int, tensor: str, sigma: float, entropy: float = 3.0) -> UpdateStatistic:
    return UpdateStatistic(number, client, tensor, SIZES[tensor], sigma, 6.0, 8.0, entropy, 1e-3, 2.5)


def cell(init: str, seed: int, rows: list[UpdateStatistic], uplink: Any = CODEC, name: str | None = None) -> PricedCell:
    ledger = make_ledger(statistics=rows)
    scored: list[tuple[int, Split]] = [(0, "validation"), (2, "validation"), (2, "test")]
    metrics: tuple[Metric, ...] = ("accuracy", "loss")
    scores = pd.DataFrame([vars(Score(*place, metric, 0.5)) for place in scored for metric in metrics])
    settings = {"task": {"init": init}, "federation": {}, "method": {"init": init, "uplink": uplink}, "seed": seed}
    ledger = replace(ledger, cell_id=f"{init}-{seed}-{uplink}", cell=settings, scores=scores)
    return PricedCell(name or f"{uplink} {init}", account(ledger, ASSUMPTIONS))


def updates(conv: float, head: float, entropy: float = 3.0, rounds: tuple[int, ...] = (1, 2)) -> list[UpdateStatistic]:
    """Sigmas of two tensors, the same in all rounds; a third client is far off, and no median sees it."""
    return [
        statistic(number, client, tensor, factor * sigma, entropy)
        for number in rounds
        for client, factor in ((0, 1.0), (1, 1.0), (2, 50.0))
        for tensor, sigma in (("conv", conv), ("head", head))
    ]


def pairs(cells: list[PricedCell]) -> dict[str, Any]:
    rows = tabulate(cells, {})["initialisations"].to_dict("records")
    return {row["quantity"]: row for row in rows}


def test_a_row_per_update_and_tensor_with_its_cell() -> None:
    rows = tabulate([cell("random", 3, updates(0.1, 0.2))], {})["statistics"]
    assert len(rows) == 2 * 3 * 2
    first = rows.iloc[0]
    assert (first["init"], first["seed"], first["tensor"], first["size"]) == ("random", 3, "conv", 100)
    assert (first["sigma"], first["step"], first["shape_entropy_bits"]) == (0.1, 1e-3, 2.5)


def test_without_records_both_tables_are_empty() -> None:
    frames = tabulate([cell("random", 0, []), cell("pretrained", 0, [])], {})
    assert frames["statistics"].empty
    assert frames["initialisations"].empty


def test_scale_is_a_geometric_mean_weighted_by_entries_and_entropy_a_difference() -> None:
    """Ratios 1/2 of 100 and 1/4 of 300 entries: exp of (100 ln 1/2 + 300 ln 1/4) / 400."""
    cells = [
        made
        for seed in (0, 1)
        for made in (
            cell("pretrained", seed, updates(0.1, 0.1, 2.0)),
            cell("random", seed, updates(0.2, 0.4, 3.5)),
        )
    ]
    found = pairs(cells)
    assert {(row["init"], row["other_init"], row["n_pairs"]) for row in found.values()} == {("pretrained", "random", 2)}
    expected = math.exp((100 * math.log(0.5) + 300 * math.log(0.25)) / 400)
    assert (found["sigma"]["kind"], found["sigma"]["estimate"]) == ("ratio", pytest.approx(expected))
    assert found["kurtosis"]["estimate"] == pytest.approx(1.0)
    assert (found["entropy_bits"]["kind"], found["entropy_bits"]["estimate"]) == ("difference", pytest.approx(-1.5))
    assert found["shape_entropy_bits"]["estimate"] == 0.0


def test_only_what_differs_in_nothing_else_is_paired() -> None:
    """Another codec, another seed and a round that one of them lacks stay outside."""
    cells = [
        cell("pretrained", 0, updates(0.1, 0.1)),
        cell("random", 0, [*updates(0.2, 0.2), *updates(9.0, 9.0, rounds=(3, 4, 5))]),
        cell("random", 0, updates(7.0, 7.0), uplink={"kind": "topk"}),
        cell("random", 1, updates(8.0, 8.0)),
    ]
    found = pairs(cells)["sigma"]
    assert (found["n_pairs"], found["estimate"]) == (1, pytest.approx(0.5))
    assert found["note"] == "one seed: no interval"
    assert pairs([cells[0], cells[2]]) == {}


def test_names_for_one_cell_count_once() -> None:
    ours = updates(0.1, 0.1)
    twice = [cell("pretrained", 0, ours, name="x"), cell("pretrained", 0, ours, name="y")]
    assert pairs([*twice, cell("random", 0, updates(0.2, 0.2))])["sigma"]["estimate"] == pytest.approx(0.5)


def test_tensors_that_never_moved_have_no_scale_to_compare() -> None:
    still = [
        replace(entry, sigma=0.0, kurtosis=math.nan, absmax_sigmas=math.nan) if entry.tensor == "conv" else entry
        for entry in updates(0.1, 0.1)
    ]
    found = pairs([cell("pretrained", 0, still), cell("random", 0, updates(0.2, 0.4))])
    assert found["sigma"]["estimate"] == pytest.approx(0.25)
    assert found["kurtosis"]["estimate"] == pytest.approx(1.0)
