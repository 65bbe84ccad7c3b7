"""Scenarios from the file to the tables: what is refused, what is priced, and that nothing is counted twice."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pydantic import ValidationError

from harness.core.errors import UsageError
from harness.core.facts import Score
from harness.ledger.ledger import Ledger
from harness.price.accounting.account import CellResult, account
from harness.price.accounting.assumptions import assumptions_of
from harness.price.assumptions.devices import battery_of
from harness.price.assumptions.overrides import with_changes
from harness.price.assumptions.scenarios import FOLDER, Scenarios
from harness.results.definition_copy import _copied
from harness.tables import deployments
from harness.tables.build import tabulate
from harness.tables.priced_cell import PricedCell
from harness.tables.sensitivity import COLUMNS
from reports.build import build_report
from reports.page.html import render_html
from tests.ledgers import make_ledger, provisioned, recorded_transfers
from tests.report_tables import write_tables

PHONES = {
    "name": "phones",
    "share": 0.5,
    "radio": "lte_2021",
    "device": "phone",
    "supply": "rechargeable",
    "grid": "DEU",
}
METERS = {"name": "meters", "share": 0.5, "radio": "nbiot", "device": "cortex_m7", "supply": "primary"}
PLAIN: dict[str, Any] = {"radios": ["lte"], "grids": ["NOR"]}


def scenarios(**changes: Any) -> Scenarios:
    return Scenarios.model_validate(PLAIN | changes)


def refused(**changes: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        scenarios(**changes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"fleets": [{"name": "x", "groups": [PHONES, METERS | {"share": 0.4}]}]}, "the shares sum to 0.9"),
        ({"fleets": [{"name": "x", "groups": [PHONES, PHONES]}]}, "is the same as"),
        ({"fleets": [{"name": "x", "groups": [PHONES, METERS | {"grid": "DEU"}]}]}, "primary supply sees no grid"),
        ({"fleets": [{"name": "x", "groups": [METERS, {k: v for k, v in PHONES.items() if k != "grid"}]}]}, "missing"),
        ({"fleets": [{"name": "LTE", "groups": [PHONES, METERS]}]}, "is the name of a radio"),
        ({"supply": "primary"}, "primary supply sees no grid; leave grids out"),
        ({"grids": []}, "mains supply takes its electricity from a grid"),
        ({"radios": []}, "at least one radio, or a fleet, is needed"),
        ({"radios": ["lte", {"kind": "lte", "tail_s": 1.0}]}, "is the same as"),
        ({"supply": "harvested", "grids": [], "network": "average"}, "network and server need a grid"),
        ({"radios": [{"kind": "lorawan", "duty_cycle": 0.0}]}, "duty_cycle"),
        ({"grids": ["XYZ"]}, "is not in the table"),
    ],
)
def test_impossible_scenarios_are_one_clear_line(changes: dict[str, Any], said: str) -> None:
    assert said in refused(**changes)


def test_one_kind_of_radio_stands_there_twice_under_two_names() -> None:
    two = [{"kind": "lorawan", "name": "SF12", "data_rate": 0}, {"kind": "lorawan", "name": "SF7", "data_rate": 5}]
    chosen = scenarios(radios=two)
    assert Scenarios.model_validate(chosen.model_dump(mode="json")) == chosen
    slow, fast = account(make_ledger(), assumptions_of(chosen)).deployments
    assert [here.deployment.name for here in (slow, fast)] == ["SF12", "SF7"]
    assert slow.joules().typical > 10 * fast.joules().typical
    assert not slow.is_feasible


def test_a_megabyte_over_lorawan_is_no_round_and_its_hours_are_told() -> None:
    """1 MB at SF7 takes 45.9 h at a duty cycle of 1 %; the limit is a day."""
    ledger = make_ledger(rounds=1, clients=1, n_bytes=(12, 1_000_000))
    (here,) = account(ledger, assumptions_of(scenarios(radios=["lorawan"]))).deployments
    (said,) = [note for note in here.notes if note.kind == "infeasible"]
    assert str(said) == "infeasible: a round keeps a client on the link for 45.9 h, the limit is 24 h"


def test_what_if_changes_any_setting_and_refuses_what_it_does_not_know() -> None:
    old = scenarios(radios=[{"kind": "lte", "name": "slow", "rate_up_mbps": 1.0}])
    new = with_changes(old, settings=["supply=rechargeable", "network=marginal", "pause_s=5"])
    assert (new.supply, new.network, new.pause_s) == ("rechargeable", "marginal", 5.0)
    assert with_changes(old, ["slow", "{kind: nbiot, coverage: extreme}"]).radios[0] == old.radios[0]
    assert with_changes(old, settings=["supply=primary"]).grids == ()
    assert with_changes(old, grids=["de"]).grids == ("DEU",)
    for text, said in (
        ("pause=5", "Did you mean pause_s?"),
        ("pause_s=soon", "a number is needed"),
        ("pause_s", "key=value"),
    ):
        with pytest.raises(UsageError, match=said.replace("?", r"\?")):
            with_changes(old, settings=[text])


def test_a_series_is_found_beside_the_definition_and_travels_with_the_results(tmp_path: Path) -> None:
    (tmp_path / "de.csv").write_text("utc,g_per_kwh\n2025-03-01T00:00:00Z,100\n2025-03-01T01:00:00Z,300\n")
    entry = {"name": "hourly", "series": "de.csv", "start": "2025-03-01T00:00:00Z", "source": "a test"}
    chosen = Scenarios.model_validate(PLAIN | {"grids": [entry]}, context={FOLDER: tmp_path})
    (here,) = account(make_ledger(), assumptions_of(chosen)).deployments
    row = deployments.breakdown_rows({}, account(make_ledger(), assumptions_of(chosen)))[0]
    assert row["carbon_g"] == pytest.approx(row["energy_j"] * 100 / 3.6e6)  # the run is over within the first hour
    copied = _copied(chosen.grids[0], tmp_path / "out")
    assert getattr(copied, "series", "") == "grids/hourly.csv"
    assert (tmp_path / "out" / "grids" / "hourly.csv").read_text() == (tmp_path / "de.csv").read_text()
    assert here.schedule.duration_s < 3600


def cell(method: str = "fp32", seed: int = 0, up: int = 500_000, **changes: Any) -> PricedCell:
    """Two rounds of four clients, deployed on LTE and as a fleet, validated at each round."""
    plain = make_ledger(clients=4, n_bytes=(1_000_000, up))
    given = make_ledger(clients=4, transfers=[*provisioned(4), *recorded_transfers(plain)])
    scores = [Score(number, "validation", "accuracy", 0.5 + 0.2 * number - 0.05 * seed) for number in range(3)]
    scores += [Score(number, "validation", "loss", 1.0) for number in range(3)]
    scores += [Score(2, "test", "accuracy", 0.9), Score(2, "test", "loss", 0.4)]
    ledger: Ledger = replace(
        given,
        cell_id=f"{method}-{seed}",
        cell={**given.cell, "seed": seed, "method": {"init": "random"}},
        scores=pd.DataFrame([vars(score) for score in scores]),
    )
    fleet = {"name": "city", "groups": [PHONES, METERS]}
    chosen = scenarios(fleets=[fleet], grids=["NOR", "DEU"], uncertainty={"draws": 400}, **changes)
    return PricedCell(method, account(ledger, assumptions_of(chosen)))


@pytest.fixture(scope="module")
def frames() -> dict[str, pd.DataFrame]:
    cells = [cell(method, seed, up) for method, up in (("fp32", 500_000), ("half", 250_000)) for seed in (0, 1)]
    return tabulate(cells, {"half": "fp32"}, None, "fp32")


def test_groups_sum_to_their_fleet(frames: dict[str, pd.DataFrame]) -> None:
    keys = ["method", "seed", "component"]
    parts = frames["groups"].groupby(keys)[["energy_j", "carbon_g"]].sum()
    whole = frames["breakdown"].query("radio == 'city'").groupby(keys)[["energy_j", "carbon_g"]].sum()
    pd.testing.assert_frame_equal(parts, whole)
    assert set(frames["groups"]["group_grid"]) == {"DEU", "primary cell"}
    assert (frames["groups"].groupby(["method", "seed", "group"])["n_clients"].first() == 2).all()


def test_both_networks_are_told_and_a_total_has_at_most_one(frames: dict[str, pd.DataFrame]) -> None:
    boundary = frames["boundary"]
    assert {"network_average", "network_marginal", "standby", "provisioning", "server"} <= set(boundary["part"])
    assert not boundary["is_included"].any()
    assert set(frames["breakdown"]["component"]) == {"local_training", "codec", "uplink", "downlink"}
    one: CellResult = cell(network="average", operator_grid="DEU").result
    rows = pd.DataFrame(deployments.boundary_rows({}, one))
    assert set(rows[rows["is_included"]]["part"]) == {"network_average"}
    components = {row["component"] for row in deployments.breakdown_rows({}, one)}
    assert components == {"local_training", "codec", "uplink", "downlink", "access", "core"}


def test_battery_life_is_energy_over_the_mean_draw() -> None:
    """Joules of a mean client in the run, turns and standby, into those of its battery."""
    (here,) = [here for here in cell().result.deployments if here.deployment.is_fleet]
    rows = {row["group"]: row for row in deployments.endurance_rows({}, cell().result)}
    terms = [term for term in (*here.terms, *here.extras["standby"]) if term.group == 0]
    each_j = sum(term.joules().typical for term in terms) / 2
    battery = battery_of(here.parties[0].group.device, "rechargeable")
    assert battery is not None
    assert rows["phones"]["rounds"] == pytest.approx(2 * battery.usable_j.typical / each_j)
    days = here.schedule.period_s.sum() / 86_400
    assert rows["phones"]["days"] == pytest.approx(days * battery.usable_j.typical / each_j)
    assert set(rows) == {"phones", "meters"}


def test_the_way_to_a_target_ends_where_it_is_reached_or_is_empty(frames: dict[str, pd.DataFrame]) -> None:
    """The reference ends at a mean of .8 and .75 in its two rounds: the targets are .79 and .74, reached in round 2."""
    targets = frames["targets"].query("radio == 'lte' and grid == 'NOR' and method == 'half'").set_index("seed")
    assert targets["target_accuracy"].tolist() == pytest.approx([0.79, 0.74])
    assert targets["round"].tolist() == [2, 2]
    assert (targets["time_s"] > 60).all()
    never = tabulate([cell(target_accuracy=0.99)], {}, None, "fp32")["targets"]
    assert len(never) and never["round"].isna().all()


def test_ratios_are_surer_than_what_they_are_made_of(frames: dict[str, pd.DataFrame]) -> None:
    for name, columns in COLUMNS.items():
        assert list(frames[name].columns) == columns
        assert len(frames[name])
    ratio = frames["ratios"].query("radio == 'lte' and quantity == 'energy_j'").iloc[0]
    whole = frames["uncertainty"].query("radio == 'lte' and quantity == 'energy_j' and method == 'half'").iloc[0]
    assert ratio["low"] < ratio["median"] < ratio["high"]
    assert ratio["high"] / ratio["low"] < 0.7 * whole["high"] / whole["low"]
    shares = frames["variance"].query("radio == 'lte' and method == 'fp32'")["share"]
    assert shares.sum() == pytest.approx(1.0, abs=0.05)
    ranks = frames["ranks"].query("radio == 'lte' and grid == 'NOR'").set_index("method")
    assert ranks.loc["half", "rank"] == 1
    assert ranks["share_best"].sum() == pytest.approx(1.0)
    assert frames["break_even"].query("radio == 'lte'")["pays"].tolist() == [True]


def test_a_report_says_all_of_it(frames: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    radios = [
        {"name": "lte", "title": "LTE", "kinds": ["lte"], "is_fleet": False, "notes": []},
        {"name": "city", "title": "fleet city", "kinds": ["lte_2021", "nbiot"], "is_fleet": True, "notes": []},
    ]
    context = {"scenarios": {"radios": radios, "grids": ["NOR", "DEU"], "pause_s": 60.0, "cast": "unicast"}}
    write_tables(tmp_path, names=("fp32", "half"), n_seeds=2, radios=("lte",), context=context)
    for name, frame in frames.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
    report = build_report(tmp_path)
    keys = {section.key for section in report.sections}
    assert {"time", "beside", "fleets", "robustness", "formulas"} <= keys
    page = render_html(report)
    assert len(page) < 2_000_000
    assert all(words in page for words in ("fleet city", "meters", "Qiu et al.", "no total has both"))
