"""Tables: every number worked out by hand from two small ledgers, and nothing filled in where nothing is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.facts import EnergyReading, Score, Shadow, Transfer
from harness.core.types import SERVER, Direction
from harness.ledger.ledger import Ledger
from harness.price.accounting.account import COMPONENTS, account
from harness.price.accounting.assumptions import Assumptions
from harness.price.accounting.pooled_compute import Cost
from harness.price.accounting.terms import NOTHING
from harness.price.assumptions.grids import grid
from harness.tables import bit_budgets
from harness.tables.build import tabulate
from harness.tables.priced_cell import PricedCell
from radio_models.lte import LteHandset2012
from radio_models.wifi import WifiHandset2012
from tests.deployments import assuming
from tests.ledgers import make_ledger, provisioned, recorded_transfers, server_windows

ASSUMPTIONS = assuming(LteHandset2012(), WifiHandset2012(), grids=("NOR", "DEU"))
ACCURACY = {("fp32", 0): 0.80, ("fp32", 1): 0.90, ("half", 0): 0.82, ("half", 1): 0.86}
DOWN, UP = 1000, 600
SIZES = {"fp32": (DOWN, UP), "half": (DOWN, UP // 2)}
T_ONE_DEGREE = 12.706204736
"""Quantile 0.975 of Student's t with one degree of freedom: tan(0.475 pi)."""


def scores(final: float) -> pd.DataFrame:
    """Validation at rounds 0 to 6, test at the last; accuracy rises by 0.01 a round up to `final`."""
    rows = [
        score
        for number in range(7)
        for score in (
            Score(number, "validation", "accuracy", final - 0.01 * (6 - number)),
            Score(number, "validation", "loss", 1.0 - 0.1 * number),
        )
    ]
    rows += [Score(6, "test", "accuracy", final), Score(6, "test", "loss", 0.25)]
    return pd.DataFrame([vars(row) for row in rows])


def make_cell(method: str, seed: int, init: str = "random", **changes: Any) -> PricedCell:
    ledger = replace(
        make_ledger(rounds=6, clients=2, n_bytes=SIZES[method]),
        cell_id=f"{method}-{seed}",
        cell={"task": {}, "federation": {}, "method": {"init": init}, "seed": seed},
        scores=scores(ACCURACY[method, seed]),
        reading=EnergyReading(30.0, 25.0, 100.0, None, "estimated", "this process", "E2", 1.0, 4.0, "constant"),
    )
    changed: Ledger = replace(ledger, **changes)
    return PricedCell(method, account(changed, ASSUMPTIONS))


ALL = [make_cell(method, seed) for method, seed in ACCURACY]


def tables(cells: list[PricedCell] | None = None) -> dict[str, pd.DataFrame]:
    return tabulate(cells or ALL, {"half": "fp32"})


def cell_row(method: str, seed: int = 0) -> pd.Series:
    rows = tables()["cells"]
    return rows[(rows["method"] == method) & (rows["seed"] == seed)].iloc[0]


def pair(quantity: str, cells: list[PricedCell] | None = None, radio: str = "", grid_name: str = "") -> pd.Series:
    rows = tables(cells)["pairs"]
    chosen = (rows["quantity"] == quantity) & (rows["radio"] == radio) & (rows["grid"] == grid_name)
    (row,) = [row for _, row in rows[chosen].iterrows()]
    return row


def test_bits_are_eight_times_the_payload_bytes() -> None:
    """Six rounds of two clients."""
    row = cell_row("half")
    assert row["uplink_bits"] == 8 * 12 * 300
    assert row["downlink_bits"] == 8 * 12 * 1000
    assert row["total_bits"] == 8 * 12 * 1300
    assert row["reference_bits"] == 8 * 24 * 4_000_000
    assert row["frame_bits"] == 8 * 24 * 12


def test_a_broadcast_is_once_on_the_air_where_a_radio_can_multicast() -> None:
    """Every payload of the ledger has one digest, so each round has one broadcast for both clients."""
    row = cell_row("half")
    assert row["multicast_downlink_bits"] == 8 * 6 * 1000
    assert row["multicast_total_bits"] == 8 * (6 * 1000 + 12 * 300)


def test_a_cell_says_who_took_part() -> None:
    row = cell_row("fp32")
    assert (row["rounds"], row["clients_seen"], row["init"]) == (6, 2, "random")


def test_scores_are_the_first_the_mean_of_the_last_five_and_the_final() -> None:
    """Validation of fp32 at seed 0: 0.74 in round 0, then 0.75 to 0.80; the last five are 0.76 to 0.80."""
    row = cell_row("fp32")
    assert row["initial_accuracy"] == pytest.approx(0.74)
    assert row["validation_accuracy"] == pytest.approx(0.78)
    assert row["test_accuracy"] == pytest.approx(0.80)


def test_cpu_seconds_outside_every_window_are_other() -> None:
    """Per round 0.1 + 1.0 + 0.2 s of client 0 and twice that of client 1: 3.9 s, in six rounds 23.4 of 25 s."""
    row = cell_row("fp32")
    assert row["local_training_cpu_s"] == pytest.approx(18.0)
    assert (row["decode_cpu_s"], row["encode_cpu_s"]) == pytest.approx((1.8, 3.6))
    assert (row["evaluate_cpu_s"], row["setup_cpu_s"], row["aggregate_cpu_s"]) == (0, 0, 0)
    assert row["other_cpu_s"] == pytest.approx(1.6)
    assert row["other_share"] == pytest.approx(1.6 / 25)
    assert (row["cpu_s"], row["wall_s"], row["testbed_cpu_j"], row["coverage_share"]) == (25.0, 30.0, 100.0, 1.0)


def test_work_of_the_server_counts_for_the_testbed() -> None:
    base = make_ledger(rounds=6, clients=2)
    windows = pd.concat([base.windows, pd.DataFrame([vars(window) for window in server_windows(0.25)])])
    row = tables([make_cell("fp32", 0, windows=windows)])["cells"].iloc[0]
    assert (row["evaluate_cpu_s"], row["setup_cpu_s"], row["aggregate_cpu_s"]) == (0.25, 0.25, 0.25)
    assert row["encode_cpu_s"] == pytest.approx(3.6 + 0.25)


def test_unknown_joules_stay_empty() -> None:
    unknown = EnergyReading(30.0, 25.0, None, None, "not_measured", "this process", "none", None, None, "CPU time")
    frame = tables([make_cell("fp32", 0, reading=unknown)])["cells"]
    assert frame[["testbed_cpu_j", "coverage_share"]].isna().all(axis=None)
    header, line = frame.to_csv(index=False).splitlines()
    written = dict(zip(header.split(","), line.split(","), strict=True))
    assert written["testbed_cpu_j"] == written["coverage_share"] == ""
    assert written["testbed_method"] == "not_measured"


def test_bits_of_a_trajectory_add_up_over_rounds() -> None:
    rows = tables()["trajectories"]
    rows = rows[(rows["cell_id"] == "half-0") & (rows["split"] == "validation")].set_index("round")
    assert rows.index.tolist() == [0, 1, 2, 3, 4, 5, 6]
    for number in range(7):
        assert rows.loc[number, "uplink_bits"] == 8 * 2 * 300 * number
        assert rows.loc[number, "downlink_bits"] == 8 * 2 * 1000 * number
        assert rows.loc[number, "total_bits"] == 8 * 2 * 1300 * number
        assert rows.loc[number, "accuracy"] == pytest.approx(0.82 - 0.01 * (6 - number))
        assert rows.loc[number, "loss"] == pytest.approx(1.0 - 0.1 * number)


def test_a_trajectory_has_test_scores_where_they_were_taken() -> None:
    rows = tables()["trajectories"]
    (row,) = rows[(rows["cell_id"] == "half-0") & (rows["split"] == "test")].itertuples()
    assert (row.round, row.accuracy, row.loss, row.total_bits) == (6, 0.82, 0.25, 8 * 12 * 1300)


def test_a_breakdown_sums_to_the_cell() -> None:
    rows = tables()["breakdown"]
    for cell in ALL:
        for result in cell.result.deployments:
            for place in ("NOR", "DEU"):
                here = rows[
                    (rows["cell_id"] == cell.result.cell_id)
                    & (rows["radio"] == result.deployment.name)
                    & (rows["grid"] == place)
                ]
                assert here["component"].tolist() == list(COMPONENTS)
                total = result.joules()
                for column, expected in (
                    ("energy_j", total.typical),
                    ("energy_low_j", total.low),
                    ("energy_high_j", total.high),
                ):
                    assert here[column].sum() == pytest.approx(expected)


def test_grams_are_joules_times_the_intensity_of_the_grid() -> None:
    rows = tables()["breakdown"]
    for place in (grid("NOR"), grid("DEU")):
        here = rows[rows["grid"] == place.iso3]
        assert here["carbon_g"].tolist() == pytest.approx((here["energy_j"] / 3.6e6 * place.g_per_kwh).tolist())
        assert here["carbon_high_g"].tolist() == pytest.approx(
            (here["energy_high_j"] / 3.6e6 * place.high_g_per_kwh).tolist()
        )


def test_a_footprint_grows_from_nothing_to_the_cell_at_the_scored_rounds() -> None:
    rows = tables()["footprint"]
    for cell in ALL:
        for result in cell.result.deployments:
            here = rows[(rows["cell_id"] == cell.result.cell_id) & (rows["radio"] == result.deployment.name)]
            here = here[here["grid"] == "DEU"].set_index("round")
            assert here.index.tolist() == [0, 1, 2, 3, 4, 5, 6]
            assert here.loc[0, "energy_j"] == here.loc[0, "carbon_g"] == 0
            assert here["energy_j"].is_monotonic_increasing
            assert here["time_s"].tolist() == pytest.approx(result.schedule.end_s.tolist())
            assert here.loc[6, "energy_j"] == pytest.approx(result.joules().typical)
            assert here.loc[6, "carbon_g"] == pytest.approx(result.joules().typical / 3.6e6 * grid("DEU").g_per_kwh)


def test_pooled_costs_stand_once_per_method_with_their_scatter() -> None:
    """The scatter of a single cell is not known, and is left empty."""
    step, call = Cost(4, 1.0, 0.7), Cost(1, 0.25, 0.0)

    class Costs:
        def pooled(self, ledger: Ledger) -> Ledger:
            return ledger

        def step(self, ledger: Ledger) -> Cost:
            return step

        def call(self, ledger: Ledger, direction: str, operation: str) -> Cost:
            return replace(call, cpu_s=0.5) if operation == "encode" else call

    rows = tabulate(ALL, {"half": "fp32"}, Costs())["compute"]  # type: ignore[arg-type]
    assert rows["method"].tolist() == ["fp32"] * 3 + ["half"] * 3
    assert rows["operation"].tolist()[:3] == ["optimiser step", "encode uplink", "decode downlink"]
    assert rows["cpu_s"].tolist()[:3] == [1.0, 0.5, 0.25]
    assert rows["spread_share"].tolist()[0] == 0.7
    assert rows["spread_share"].isna().tolist()[:3] == [False, True, True]
    assert tables()["compute"].empty


def test_usage_sums_what_the_radio_did() -> None:
    rows = tables()["usage"]
    rows = rows[(rows["cell_id"] == "half-0") & (rows["radio"] == "wifi")].set_index("direction")
    directions: tuple[tuple[Direction, int], ...] = (("uplink", UP // 2), ("downlink", DOWN))
    for way, n_bytes in directions:
        carried = WifiHandset2012().carry(np.array([n_bytes]), way)
        for name in ("uplink_s", "downlink_s", "wait_s", "uplink_mbit", "downlink_mbit", "frames"):
            assert rows.loc[way, name] == pytest.approx(12 * getattr(carried, name).item()), (way, name)
    # Headers go with the payload, acknowledgements against it.
    assert rows.loc["uplink", "uplink_mbit"] > 8 * 12 * 300 / 1e6
    assert 0 < rows.loc["uplink", "downlink_mbit"] < rows.loc["uplink", "uplink_mbit"]


def test_methods_are_means_over_seeds_with_a_t_interval() -> None:
    """Test accuracy of fp32: 0.80 and 0.90, so 0.85 plus or minus t * 0.05 = 0.635, cut to what a share can be."""
    rows = tables()["methods"]
    (row,) = rows[(rows["method"] == "fp32") & (rows["quantity"] == "test_accuracy")].itertuples()
    assert (row.n, row.mean) == (2, pytest.approx(0.85))
    assert row.low == pytest.approx(0.85 - T_ONE_DEGREE * 0.05)
    assert row.high == 1.0


def test_bits_are_paired_as_a_ratio_that_does_not_vary() -> None:
    row = pair("uplink_bits")
    assert (row["method"], row["reference"], row["kind"], row["n_pairs"]) == ("half", "fp32", "ratio", 2)
    assert row["estimate"] == row["low"] == row["high"] == pytest.approx(0.5)
    assert row["note"] == "deterministic"
    assert pair("total_bits")["estimate"] == pytest.approx(1300 / 1600)


def test_accuracy_is_paired_as_a_difference_with_its_t_interval() -> None:
    """Differences 0.02 and -0.04: mean -0.01, standard deviation 0.03 * sqrt(2), so the half width is t * 0.03."""
    row = pair("test_accuracy")
    assert (row["kind"], row["n_pairs"], row["note"]) == ("difference", 2, "")
    assert row["estimate"] == pytest.approx(-0.01)
    assert row["low"] == pytest.approx(-0.01 - T_ONE_DEGREE * 0.03)
    assert row["high"] == pytest.approx(-0.01 + T_ONE_DEGREE * 0.03)


@pytest.mark.parametrize("radio", ["lte", "wifi"])
def test_joules_are_paired_by_radio(radio: str) -> None:
    number = ["lte", "wifi"].index(radio)
    ours, theirs = ALL[2].result.deployments[number], ALL[0].result.deployments[number]
    on_air = [result.joules(("uplink", "downlink")).typical for result in (ours, theirs)]
    whole = [result.joules().typical for result in (ours, theirs)]
    assert pair("radio_energy_j", radio=radio)["estimate"] == pytest.approx(on_air[0] / on_air[1])
    assert pair("device_energy_j", radio=radio)["estimate"] == pytest.approx(whole[0] / whole[1])
    saved_bits = 1 - 1300 / 1600
    assert pair("pass_through", radio=radio)["estimate"] == pytest.approx((1 - on_air[0] / on_air[1]) / saved_bits)


def test_grams_are_paired_by_radio_and_grid() -> None:
    """A ratio of grams on one grid is the ratio of joules."""
    joules = pair("device_energy_j", radio="lte")["estimate"]
    for place in ("NOR", "DEU"):
        assert pair("carbon_g", radio="lte", grid_name=place)["estimate"] == pytest.approx(joules)


def test_one_seed_has_no_interval() -> None:
    row = pair("test_accuracy", [ALL[0], ALL[2]])
    assert row["n_pairs"] == 1 and row["note"] == "one seed: no interval"
    assert row["estimate"] == pytest.approx(0.02)
    assert row["low"] is None and row["high"] is None


def test_only_seeds_that_both_have_are_paired() -> None:
    row = pair("test_accuracy", [ALL[0], ALL[2], ALL[3]])
    assert row["n_pairs"] == 1


def test_without_its_reference_a_method_has_no_pair() -> None:
    found = tables([ALL[2], ALL[3]])
    assert found["pairs"].empty
    assert len(found["cells"]) == 2


def test_cells_keep_the_order_they_came_in() -> None:
    assert tables()["cells"]["cell_id"].tolist() == ["fp32-0", "fp32-1", "half-0", "half-1"]


# --- Before round 1 ---


def provisioned_cell(method: str, seed: int, assumptions: Assumptions = ASSUMPTIONS) -> PricedCell:
    cell = make_cell(method, seed)
    ledger = cell.result.ledger
    transfers = make_ledger(transfers=[*provisioned(n_bytes=4000), *recorded_transfers(ledger)]).transfers
    return PricedCell(method, account(replace(ledger, transfers=transfers), assumptions))


def test_what_comes_before_round_1_is_in_a_column_of_its_own_and_nowhere_else() -> None:
    plain = tables([make_cell("fp32", 0), make_cell("half", 0)])
    given = tables([make_cell("fp32", 0), provisioned_cell("half", 0)])
    assert given["cells"]["provisioning_bits"].tolist() == [0, 2 * 8 * 4000]
    rest = [column for column in plain["cells"].columns if column != "provisioning_bits"]
    assert given["cells"][rest].equals(plain["cells"][rest])
    for name in ("trajectories", "breakdown", "usage", "footprint", "pairs", "schedule", "endurance", "ranks"):
        assert given[name].equals(plain[name]), name
    assert plain["provisioning"].empty


def test_both_prices_of_what_comes_before_round_1() -> None:
    over_the_air = replace(ASSUMPTIONS, included=frozenset({"provisioning"}))
    factory = tables([provisioned_cell("half", 0)])
    (charged,) = cells = [provisioned_cell("half", 0, over_the_air)]
    found = tables(cells)
    assert found["provisioning"].equals(factory["provisioning"])
    rows = found["provisioning"].set_index("radio")
    assert rows.index.tolist() == ["lte", "wifi"]
    assert (rows.loc["lte", "n_clients"], rows.loc["lte", "bits"]) == (2, 64_000)
    joules = rows.loc["lte", "energy_j"]
    extra = charged.result.deployments[0].extras["provisioning"]
    assert joules == sum((term.joules() for term in extra), NOTHING).typical > 0

    def device_j(frames: dict[str, pd.DataFrame]) -> float:
        rows = frames["breakdown"]
        return float(rows[(rows["radio"] == "lte") & (rows["grid"] == "NOR")]["energy_j"].sum())

    assert device_j(found) == pytest.approx(device_j(factory) + joules)
    start = found["footprint"].query("radio == 'lte' and grid == 'NOR' and round == 0")
    assert start["energy_j"].item() == pytest.approx(joules)


def test_a_pass_through_is_of_the_rounds_whatever_came_before() -> None:
    over_the_air = replace(ASSUMPTIONS, included=frozenset({"provisioning"}))
    plain, charged = (
        [make_cell("fp32", 0), provisioned_cell("half", 0, assumed)] for assumed in (ASSUMPTIONS, over_the_air)
    )
    assert pair("pass_through", charged, "wifi")["estimate"] == pair("pass_through", plain, "wifi")["estimate"]
    assert pair("radio_energy_j", charged, "wifi")["estimate"] > pair("radio_energy_j", plain, "wifi")["estimate"]


# --- Other codings ---


def coded_cell(seed: int, transfers: list[Transfer], shadows: list[Shadow]) -> PricedCell:
    made = make_ledger(rounds=6, clients=3, transfers=transfers, shadows=shadows)
    plain = make_cell("half", seed).result.ledger
    ledger = replace(plain, transfers=made.transfers, shadows=made.shadows, windows=made.windows)
    return PricedCell("half", replace(ALL[2].result, ledger=ledger))


def test_uplink_shadows_stand_beside_their_payloads() -> None:
    """Twelve payloads of 300 bytes, of which ten have a shadow of 240."""
    transfers = recorded_transfers(make_cell("half", 0).result.ledger)
    shadows = [Shadow(number, client, "uplink", "ans", 240) for number in range(1, 6) for client in (0, 1)]
    cell = coded_cell(0, transfers, shadows)
    found = tables([ALL[0], cell])
    (row,) = found["shadows"].itertuples()
    assert (row.direction, row.coding, row.n_payloads) == ("uplink", "ans", 10)
    assert (row.sent_bits, row.shadow_bits) == (8 * 3000, 8 * 2400)
    otherwise = pair("total_bits_as_ans", [ALL[0], cell])
    assert otherwise["estimate"] == pytest.approx((12 * 1300 - 600) / (12 * 1600))
    assert tables()["shadows"].empty


def test_a_broadcast_shadow_counts_for_every_client_that_got_the_payload_then_or_later() -> None:
    """Differences of rounds 1 to 3: client 1 sits out round 2 and gets it in round 3; client 2 gets a whole model."""

    def down(number: int, client: int, digest: str, size: int) -> Transfer:
        is_late = (number, digest) == (3, "b")
        return Transfer(number, client, "downlink", size, 12, digest * 16, 0 if is_late else 4000)

    transfers = [
        *(down(0, client, "f", 4012) for client in (0, 1, 2)),
        *(down(1, client, "a", 1000) for client in (0, 1)),
        down(2, 0, "b", 1100),
        *(down(3, 1, digest, size) for digest, size in (("b", 1100), ("c", 1200))),
        down(3, 2, "f", 4012),
        *(Transfer(number, 0, "uplink", 300, 12, "0" * 16, 4000) for number in (1, 2, 3)),
    ]
    shadows = [Shadow(number, SERVER, "downlink", "ans", 1000 * number) for number in (1, 2, 3)]
    (row,) = tables([ALL[0], coded_cell(0, transfers, shadows)])["shadows"].itertuples()
    assert (row.direction, row.n_payloads) == ("downlink", 5)
    assert row.sent_bits == 8 * (2 * 1000 + 2 * 1100 + 1200)
    assert row.shadow_bits == 8 * (2 * 1000 + 2 * 2000 + 3000)


def test_equal_payloads_of_one_client_are_two_on_the_air() -> None:
    """Two clients miss the same two differences, which happen to be equal: a broadcast of two payloads."""
    transfers = [Transfer(1, client, "downlink", 500, 12, "a" * 16, 4000) for client in (0, 1) for _ in range(2)]
    transfers += [Transfer(number, 0, "uplink", 300, 12, "0" * 16, 4000) for number in range(1, 7)]
    row = tables([coded_cell(0, transfers, [])])["cells"].iloc[0]
    assert (row["downlink_bits"], row["multicast_downlink_bits"]) == (8 * 2000, 8 * 1000)


# --- Budgets ---


def test_accuracy_within_a_budget_is_read_off_the_trajectory() -> None:
    """The reference sends 12 x 600 bytes up; half sends 600 a round: 20 % are 1440 bytes, so two rounds."""
    rows = tabulate(ALL, {"half": "fp32"}, reference="fp32")["budgets"]
    rows = rows[rows["quantity"] == "uplink_bits"].set_index(["method", "share"])
    fifth = rows.loc[("half", 0.20)]
    assert (fifth["budget_bits"], fifth["n_seeds"], fifth["n_scored"]) == (8 * 1440, 2, 2)
    assert fifth["mean"] == pytest.approx((0.82 + 0.86) / 2 - 0.04)
    assert (rows.loc[("fp32", 0.20), "mean"], rows.loc[("fp32", 0.20), "note"]) == (pytest.approx(0.80), "")
    for method in ("fp32", "half"):
        never = rows.loc[(method, 0.05)]
        assert (never["n_scored"], never["note"]) == (0, "no score within")
        assert pd.isna(never["mean"])


def test_the_last_score_within_counts_not_the_best() -> None:
    falling = scores(0.82).assign(value=lambda rows: rows["value"].where(rows["round"] != 2, 0.1))
    rows = tabulate([ALL[0], make_cell("half", 0, scores=falling)], {}, reference="fp32")["budgets"]
    (row,) = rows.query("method == 'half' and quantity == 'uplink_bits' and share == 0.2").itertuples()
    assert row.mean == pytest.approx(0.1)


def test_runs_that_end_at_a_budget_are_not_looked_up_at_another() -> None:
    cell = dict(ALL[2].result.ledger.cell, federation={"budget": {"direction": "uplink", "mbit": 1.0}})
    found = tabulate([*ALL[:2], make_cell("half", 0, cell=cell)], {}, reference="fp32")["budgets"]
    assert found.empty and list(found.columns) == bit_budgets.COLUMNS


def test_a_seed_without_a_score_within_leaves_no_mean() -> None:
    late = scores(0.86)
    late = late[(late["round"] > 2) | (late["round"] == 0)]
    rows = tabulate([*ALL[:3], make_cell("half", 1, scores=late)], {}, reference="fp32")["budgets"]
    (row,) = rows.query("method == 'half' and quantity == 'uplink_bits' and share == 0.2").itertuples()
    assert (row.n_seeds, row.n_scored, row.note) == (2, 1, "no score within at 1 of 2 seeds")
    assert pd.isna(row.mean)


def test_without_its_reference_there_is_no_budget() -> None:
    assert tabulate(ALL[2:], {"half": "fp32"}, reference="fp32")["budgets"].empty
