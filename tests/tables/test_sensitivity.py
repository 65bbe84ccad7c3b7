"""What survives the assumptions: tables of draws, ranks and break-even over methods and deployments."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from harness.ledger.ledger import Ledger
from harness.price.accounting.account import CellResult, account
from harness.price.accounting.assumptions import Assumptions
from harness.price.assumptions.deployment import Deployment, Group
from harness.price.assumptions.grids import grid
from harness.price.assumptions.power_supply import supply
from harness.tables.sensitivity import COLUMNS, robustness_tables
from radio_models.constant import ConstantPerBit
from tests.deployments import PI, assuming
from tests.ledgers import make_ledger

PER_BIT = ConstantPerBit()
"""Joules for bits and nothing else, so that what is saved in bits is saved in joules."""

ASSUMED = assuming(PER_BIT, draws=1000)


def priced(
    up: int = 500_000, encode_s: float = 0.2, seed: int = 0, assumed: Assumptions = ASSUMED, **changes: Any
) -> CellResult:
    ledger: Ledger = make_ledger(n_bytes=(1_000_000, up), cpu_s=(0.1, 1.0, encode_s), **changes)
    return account(replace(ledger, cell={**ledger.cell, "seed": seed}), assumed)


def tables(**methods: CellResult | Sequence[CellResult]) -> dict[str, pd.DataFrame]:
    """All compared with the method called ``fp32``."""
    results = {name: [cells] if isinstance(cells, CellResult) else cells for name, cells in methods.items()}
    return robustness_tables(results, {name: "fp32" for name in results if name != "fp32"}, None)


def test_every_table_has_its_columns_even_if_it_is_empty() -> None:
    found = robustness_tables({"fp32": [priced()]}, {}, None)
    assert {name: list(frame.columns) for name, frame in found.items()} == COLUMNS
    assert found["ratios"].empty and found["break_even"].empty
    assert len(found["uncertainty"]) == 2  # joules, and grams on one grid


def test_break_even_is_asked_at_a_seed_that_both_have() -> None:
    """At seed 2: 17.28 J for 8 Mbit saved, as by hand below."""
    assert tables(fp32=priced(seed=1), half=priced(250_000, seed=0))["break_even"].empty
    (row,) = tables(
        fp32=[priced(900_000, seed=1), priced(seed=2)],
        half=[priced(100_000, seed=0), priced(250_000, encode_s=0.4, seed=2)],
    )["break_even"].to_dict("records")
    assert row["break_even_j_per_bit"] == pytest.approx(17.28 / 8e6)


def test_half_the_uplink_passes_through_whole_where_bits_are_all_that_costs() -> None:
    """16 of 48 Mbit are uplink in two rounds of two clients; a constant energy per bit has the same share."""
    (row,) = tables(fp32=priced(), half=priced(250_000))["break_even"].to_dict("records")
    assert row["pass_through"] == pytest.approx(1.0)
    assert row["radio_j_per_bit"] == pytest.approx(1 / 50_000)  # 50 kbit/J
    assert (row["pays"], row["break_even"]) == (True, "always")
    assert row["half_passes_at"] == "always"


def test_break_even_by_hand() -> None:
    """Encoding takes client c 0.2 (c + 1) s more of CPU, twice that on the device: 1.2 s in a round, 2.4 s at 7.2 W.

    That is 17.28 J for 8 Mbit saved: 2.16 uJ/bit, and the radio takes 20 uJ/bit.
    """
    (row,) = tables(fp32=priced(), half=priced(250_000, encode_s=0.4))["break_even"].to_dict("records")
    assert row["break_even_j_per_bit"] == pytest.approx(17.28 / 8e6)
    assert row["pays"]
    dear = ConstantPerBit(kbit_per_j=1000.0)  # 1 uJ/bit, less than what the codec takes for it
    assumed = assuming(dear, draws=100)
    (row,) = tables(
        fp32=priced(assumed=assumed), half=priced(250_000, encode_s=0.4, assumed=assumed)
    )["break_even"].to_dict("records")  # fmt: skip
    assert row["break_even_j_per_bit"] == pytest.approx(17.28 / 8e6)
    assert not row["pays"]


def test_whether_computing_pays_is_unknown_where_nobody_recorded_it() -> None:
    (row,) = tables(fp32=priced(windows=()), half=priced(250_000, windows=()))["break_even"].to_dict("records")
    for column in ("pays", "break_even", "break_even_j_per_bit", "pays_at", "pays_at_bytes"):
        assert pd.isna(row[column]), column
    assert row["pass_through"] == pytest.approx(1.0)


def test_a_ratio_that_hangs_on_one_number_is_sure_however_unsure_the_number_is() -> None:
    """Without computing, joules are bits times one coefficient, which both methods share: 40 of 48 Mbit."""
    found = tables(fp32=priced(windows=()), half=priced(250_000, windows=()))
    ratio = found["ratios"].query("quantity == 'energy_j'").iloc[0]
    assert ratio[["low", "median", "high"]].tolist() == pytest.approx([40 / 48] * 3)
    whole = found["uncertainty"].query("quantity == 'energy_j' and method == 'half'").iloc[0]
    assert whole["high"] > 1.5 * whole["low"]


def test_the_order_of_methods_changes_no_interval() -> None:
    cells = {"fp32": priced(), "half": priced(250_000), "tenth": priced(50_000, encode_s=0.5)}
    forth, back = (tables(**{name: cells[name] for name in names}) for names in (list(cells), list(cells)[::-1]))
    for name in ("uncertainty", "ratios", "variance", "ranks"):
        keys = [
            column
            for column in ("method", "radio", "grid", "quantity", "coefficient", "group")
            if column in COLUMNS[name]
        ]
        sides = [found[name].sort_values(keys, ignore_index=True) for found in (forth, back)]
        pd.testing.assert_frame_equal(*sides)  # fmt: skip


def test_a_method_that_is_better_under_every_draw_is_always_first() -> None:
    """Fewer bits at one price of a bit: no assumption changes the order, that of the grid neither."""
    sizes = {"fp32": 500_000, "half": 250_000, "tenth": 50_000}
    cells = {name: priced(up, windows=()) for name, up in sizes.items()}
    ranks = tables(**cells)["ranks"].set_index("method")
    assert ranks["rank"].to_dict() == {"tenth": 1, "half": 2, "fp32": 3}
    assert ranks["share_best"].to_dict() == {"tenth": 1.0, "half": 0.0, "fp32": 0.0}


def test_methods_whose_order_hangs_on_a_number_share_the_first_place() -> None:
    """The same bits and the same seconds of a codec each: what these are off by is drawn for each on its own."""
    ranks = tables(fp32=priced(), same=priced())["ranks"].set_index("method")
    assert ranks["share_best"].sum() == pytest.approx(1.0)
    assert 0.4 < ranks.loc["same", "share_best"] < 0.6


def test_what_cannot_be_done_is_not_ranked() -> None:
    assumed = assuming(PER_BIT, draws=100, round_limit_s=0.5)
    found = tables(fp32=priced(assumed=assumed), half=priced(250_000, assumed=assumed))
    assert found["ranks"].empty
    assert len(found["uncertainty"]) == 4


def test_a_fleet_has_draws_and_ranks_but_no_break_even() -> None:
    """There is no one J/bit of a fleet."""
    groups = tuple(Group(name, 0.5, PER_BIT, PI, supply("mains"), grid("NOR")) for name in ("a", "b"))
    assumed = replace(assuming(PER_BIT, draws=100), deployments=(Deployment("x", "fleet x", groups, is_fleet=True),))
    found = tables(fp32=priced(assumed=assumed), half=priced(250_000, assumed=assumed))
    assert found["break_even"].empty
    assert set(found["ranks"]["grid"]) == {"own grids"}


def test_seeds_of_a_method_are_drawn_as_their_mean() -> None:
    """250 kB and 750 kB up are 500 kB: the same draws give the same quantiles."""
    found = tables(fp32=priced(), mean=[priced(250_000), priced(750_000, seed=1)])["uncertainty"]
    rows = found.query("quantity == 'energy_j'").set_index("method")
    # Each method has its own factors of computing, so that only a radio's joules are equal to the last digit.
    assert rows.loc["mean", "median"] == pytest.approx(rows.loc["fp32", "median"], rel=0.05)
    radio = tables(fp32=priced(windows=()), mean=[priced(250_000, windows=()), priced(750_000, seed=1, windows=())])
    rows = radio["uncertainty"].query("quantity == 'energy_j'").set_index("method")
    assert rows.loc["mean", ["low", "high"]].tolist() == pytest.approx(rows.loc["fp32", ["low", "high"]].tolist())
