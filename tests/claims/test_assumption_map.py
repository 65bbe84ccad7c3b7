"""Where claims on joules and grams hold: against sums by hand, radio by radio, and what turns them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from harness.claims.assumption_map import NETWORKS, SCALES, Amounts, ClaimMap, Radio, Setting
from harness.claims.flips import Flip, flips, threshold
from harness.claims.judge import judge
from harness.claims.regions import condition, finding_of, region, rows
from harness.cli import app
from harness.commands.price import price
from harness.core.facts import Transfer
from harness.price.accounting.break_even import SizeThreshold
from harness.price.assumptions.network import network
from harness.price.assumptions.overrides import with_changes
from harness.price.assumptions.power_supply import supply
from harness.price.assumptions.scenarios import Scenarios
from radio_models.lte import LteHandset2012
from tests.ledgers import make_ledger, provisioned, recorded_transfers
from tests.results.test_merge import results
from tests.runs import BOTH_WAYS, FP32

MB = 1_000_000
LTE = {"kind": "lte", "rate_up_mbps": 4, "rate_down_mbps": 8, "transport": "none"}
"""A long tail, whatever is sent."""
SCENARIOS = Scenarios.model_validate(
    {"radios": [LTE, "nbiot", {"kind": "lorawan", "name": "slow"}], "grids": ["NOR", "DEU"]}
)


def ledger(n_bytes: int, clients: int = 2, encode_s: float = 0.0) -> Any:
    return make_ledger(
        clients=clients,
        cpu_s=(0.0, 0.0, encode_s),
        transfers=[
            Transfer(number, client, way, n_bytes, 12, ("d" if way == "downlink" else f"{client}") * 16, 4 * MB)
            for number in (1, 2)
            for client in range(clients)
            for way in ("downlink", "uplink")
        ],
    )


def amounts(n_bytes: int = MB, scenarios: Scenarios = SCENARIOS, **settings: Any) -> Amounts:
    """A method that sends `n_bytes` where its reference sends 4 MB."""
    pair = ledger(n_bytes, **settings), ledger(4 * MB, clients=settings.get("clients", 2))
    return Amounts("six", "fp32", pair, scenarios)


def radio(found: Amounts, name: str) -> Radio:
    return next(each for each in found.radios if each.name == name)


@pytest.fixture(scope="module")
def found() -> Amounts:
    return amounts()


# --- Points ---


def test_the_map_has_a_point_for_every_setting_of_every_radio(found: Amounts) -> None:
    claim = ClaimMap(found, "device_energy_j", 20.0)
    points = claim.points()
    assert len(points) == len(set(points)) == len(found.radios) * len(SCALES) * (1 + len(NETWORKS)) * 4
    names = [each.name for each in found.radios]
    assert names[:3] == ["lte", "nbiot", "slow"] and len(set(names)) == len(names)
    assert {"wifi", "lorawan", "ble"} <= set(names), "packaged radios beside those of the study"


def test_the_network_adds_its_joules_a_megabit_to_both(found: Amounts) -> None:
    claim = ClaimMap(found, "device_energy_j", 20.0)
    lte = radio(found, "lte")
    base = claim.point(lte, claim.base)
    side = network("mobile", "marginal")
    j_per_mbit = side.access_j_per_mbit.typical + side.core_j_per_mbit.typical
    apart = claim.point(lte, Setting(network=("marginal", "unicast")))
    assert apart.ours - base.ours == pytest.approx(8 * 8 * j_per_mbit)  # 2 rounds, 2 clients, both ways, 1 MB each
    assert apart.theirs - base.theirs == pytest.approx(4 * 8 * 8 * j_per_mbit)
    once = claim.point(lte, Setting(network=("marginal", "multicast")))
    assert once.ours - base.ours == pytest.approx(8 * 6 * j_per_mbit), "a downlink for two clients is carried once"


def test_what_is_carried_once_grows_with_the_update(found: Amounts) -> None:
    claim = ClaimMap(found, "device_energy_j", 20.0)
    lte = radio(found, "lte")
    ten = [claim.point(lte, Setting(10.0, mode)).ours for mode in (None, ("average", "multicast"))]
    one = [claim.point(lte, Setting(1.0, mode)).ours for mode in (None, ("average", "multicast"))]
    assert ten[1] - ten[0] == pytest.approx(10 * (one[1] - one[0]))


def test_a_supply_loses_joules_of_clients_and_not_of_the_network(found: Amounts) -> None:
    claim = ClaimMap(found, "device_energy_j", 20.0)
    lte, loss = radio(found, "lte"), supply("rechargeable").grid_j_per_j.typical
    mains, charged = (claim.point(lte, replace(claim.base, supply=name)) for name in ("mains", "rechargeable"))
    assert charged.ours == pytest.approx(loss * mains.ours)
    assert charged.saves == pytest.approx(mains.saves)
    both = [claim.point(lte, Setting(1.0, ("average", "unicast"), name)).ours for name in ("mains", "rechargeable")]
    assert both[1] - both[0] == pytest.approx((loss - 1) * mains.ours)


def test_grams_are_joules_at_the_intensity_of_the_supply(found: Amounts) -> None:
    joules, grams = (ClaimMap(found, quantity, 20.0) for quantity in ("device_energy_j", "carbon_g"))
    lte = radio(found, "lte")
    j, g = (claim.point(lte, claim.base) for claim in (joules, grams))
    assert g.ours == pytest.approx(j.ours * 30.08 / 3.6e6)
    assert g.saves == pytest.approx(j.saves)
    none = grams.point(lte, Setting(supply="harvested"))
    assert (none.status, none.saves) == ("nothing to save", None)
    cell = grams.point(lte, Setting(supply="primary"))
    assert cell.ours > 10 * g.ours, "a primary cell has its own grams"
    with_network = grams.point(lte, Setting(network=("marginal", "unicast"), supply="primary"))
    side = network("mobile", "marginal")
    added = 64 * (side.access_j_per_mbit.typical + side.core_j_per_mbit.typical) * 30.08 / 3.6e6
    assert with_network.ours - cell.ours == pytest.approx(added), "the network is on the grid, not on the cell"


def test_grams_without_a_grid_are_asked_of_supplies_that_need_none() -> None:
    scenarios = Scenarios.model_validate({"radios": [LTE], "supply": "harvested"})
    claim = ClaimMap(amounts(scenarios=scenarios), "carbon_g", 20.0)
    assert {point.setting.supply for point in claim.points()} == {"primary", "harvested"}
    assert {point.setting.network for point in claim.points()} == {None}
    assert claim.base.supply == "primary"


def test_the_radio_alone_has_no_computing_in_it() -> None:
    slow = amounts(encode_s=1000.0)
    lte = radio(slow, "lte")
    device, alone = (ClaimMap(slow, quantity, 0.0) for quantity in ("device_energy_j", "radio_energy_j"))
    assert device.point(lte, device.base).status == "does not hold"
    assert alone.point(lte, alone.base).status == "holds"
    assert alone.point(lte, alone.base).ours < device.point(lte, device.base).ours


def test_a_point_that_a_radio_cannot_carry_is_infeasible(found: Amounts) -> None:
    claim = ClaimMap(found, "device_energy_j", 20.0)
    slow = radio(found, "slow")
    assert claim.point(slow, claim.base).status == "infeasible"
    assert found.obstacles(slow) and not found.obstacles(radio(found, "lte"))


# --- Regions ---


def between(found: Amounts, quantity: str, *names: str) -> ClaimMap:
    """A claim that lies halfway between what two radios save."""
    claim = ClaimMap(found, quantity, 0.0)
    saves = [claim.point(radio(found, name), claim.base).saves or 0.0 for name in names]
    return ClaimMap(found, quantity, sum(saves) / 2)


def test_a_claim_between_two_radios_holds_if_it_is_the_right_one(found: Amounts) -> None:
    claim = between(found, "device_energy_j", "lte", "nbiot")
    here = region(claim)
    verdict = finding_of(here)
    assert verdict.verdict == "holds if"
    status = {each.name: each.base.status for each in here.radios}
    assert (status["nbiot"], status["lte"], status["slow"]) == ("holds", "does not hold", "infeasible")
    said = condition(here)
    assert said.startswith("clients alone, on mains: on ")
    at_own_size = said.partition(" at the study's own size")[0]
    assert "nbiot" in at_own_size and "lte," not in at_own_size and "slow" not in said
    lte = next(each for each in here.radios if each.name == "lte")
    assert lte.size is not None and lte.size.verdict == "from"
    assert f"on lte with updates {lte.size} on" in said
    assert here.radios[-1].obstacles, "what is not possible stands last"


def test_a_claim_that_holds_everywhere_or_nowhere_has_no_condition(found: Amounts) -> None:
    for needed, verdict in ((-1000.0, "holds"), (99.9, "does not hold")):
        here = finding_of(region(ClaimMap(found, "device_energy_j", needed)))
        assert (here.verdict, here.condition) == (verdict, "")
    assert here.interval is not None and here.interval.estimate is None
    assert here.interval.low < here.interval.high


def test_the_range_is_that_of_radios_that_are_possible(found: Amounts) -> None:
    here = region(ClaimMap(found, "device_energy_j", 20.0))
    saves = [each.base.saves for each in here.possible]
    assert finding_of(here).interval == replace(
        finding_of(here).interval, low=min(saves), high=max(saves), note="range over radios"
    )


def test_every_point_is_a_row(found: Amounts) -> None:
    here = region(ClaimMap(found, "carbon_g", 20.0))
    table = pd.DataFrame(rows(here, "claim", "study"))
    assert len(table) == len(here.points)
    assert set(table["unit"]) == {"g"} and set(table["update_bytes"]) == {4e5, 4e6, 4e7, 4e8}
    assert set(table[table["network"] == "excluded"]["cast"]) == {""}


# --- What turns a claim ---


def named(found: list[Flip], axis: str) -> list[Flip]:
    return [flip for flip in found if flip.axis == axis]


def test_the_size_that_turns_a_claim_is_found_to_a_percent(found: Amounts) -> None:
    claim = between(found, "radio_energy_j", "lte", "nbiot")
    lte = radio(found, "lte")
    (turned,) = named(flips(claim, lte), "size")
    assert turned.at is not None and turned.typical == 4e6
    scale = turned.at / turned.typical
    assert claim.holds_at(lte, scale) and not claim.holds_at(lte, scale / 1.011)
    assert threshold(claim, lte).n_bytes == pytest.approx(turned.at, rel=0.02)


def test_a_coefficient_turns_a_claim_that_is_near_and_is_told_where(found: Amounts) -> None:
    """Half a per cent below what is needed: a little less tail, and it is saved."""
    lte = radio(found, "lte")
    saves = ClaimMap(found, "radio_energy_j", 0.0).point(lte, Setting()).saves
    assert saves is not None
    claim = ClaimMap(found, "radio_energy_j", saves + 0.5)
    turned = {flip.name: flip for flip in named(flips(claim, lte), "coefficient")}
    tail = turned["lte.tail_w"]
    row = lte.model.coefficients()["tail_w"]
    assert tail.typical == row.typical and tail.at is not None and row.low <= tail.at < row.typical
    moved = [
        sum(
            float(term.amounts.sum()) * (tail.at if coefficient.name == "lte.tail_w" else coefficient.typical)
            for term in terms
            for coefficient in [term.factors[0].coefficient]
        )
        for terms in claim.terms(lte, claim.base)
    ]
    assert 100 * (1 - moved[0] / moved[1]) == pytest.approx(saves + 0.5, abs=1e-6)
    assert tail.saves is not None and tail.saves > saves + 0.5


def test_flips_come_by_how_far_they_are_moved_and_choices_last(found: Amounts) -> None:
    claim = between(found, "device_energy_j", "lte", "nbiot")
    turned = flips(claim, radio(found, "lte"))
    assert [flip.distance for flip in turned] == sorted(flip.distance for flip in turned)
    axes = [flip.axis for flip in turned]
    assert {"size", "network"} <= set(axes)
    assert axes.index("size") < axes.index("network")


def test_a_claim_far_from_all_that_is_varied_is_turned_by_nothing(found: Amounts) -> None:
    assert flips(ClaimMap(found, "device_energy_j", -1000.0), radio(found, "lte")) == []


def test_what_is_given_before_round_1_may_turn_a_claim() -> None:
    """Three quarters of the bits are saved, and twice as many as the reference sends are given before round 1."""
    ours, theirs = ledger(MB), ledger(4 * MB)
    given = make_ledger(cpu_s=(0.0, 0.0, 0.0), transfers=[*provisioned(n_bytes=32 * MB), *recorded_transfers(ours)])
    found = Amounts("six", "fp32", (given, theirs), SCENARIOS)
    assert found.is_given
    assert found.reference_bytes == 4 * MB, "what is given is no update"
    claim = ClaimMap(found, "device_energy_j", 20.0)
    nbiot = radio(found, "nbiot")
    fetched = claim.point(nbiot, replace(claim.base, is_fetched=True))
    base = claim.point(nbiot, claim.base)
    assert (base.status, fetched.status) == ("holds", "does not hold")
    assert (base.theirs, base.ours) == (
        fetched.theirs,
        pytest.approx(fetched.ours - 32 / 4 * _received(ours), rel=0.05),
    )
    (turned,) = (flip for flip in flips(claim, nbiot) if flip.axis == "provisioning")
    assert turned.saves == fetched.saves
    (here,) = (each for each in region(claim).radios if each.name == "nbiot")
    assert here.fetched == fetched


def _received(own: Any) -> float:
    """Joules of one download of 4 MB by both clients on NB-IoT: four times those of 1 MB."""
    down = Amounts("six", "fp32", (own, own), SCENARIOS)
    (found, _) = down.at(radio(down, "nbiot"), 4.0)
    return sum(term.joules().typical for term in found.terms if term.component == "downlink") / 2


def test_nothing_given_turns_nothing(found: Amounts) -> None:
    claim = ClaimMap(found, "device_energy_j", 20.0)
    assert not found.is_given
    assert all(each.fetched is None for each in region(claim).radios)
    assert not any(flip.axis == "provisioning" for each in found.radios for flip in flips(claim, each))


def test_harvested_energy_leaves_nothing_to_save(found: Amounts) -> None:
    claim = ClaimMap(found, "carbon_g", -1000.0)
    (turned,) = flips(claim, radio(found, "lte"))
    assert (turned.axis, turned.name, turned.saves) == ("supply", "supply harvested", None)


def test_participation_turns_a_claim_where_methods_ask_other_numbers_of_clients(found: Amounts) -> None:
    claim = ClaimMap(found, "device_energy_j", 1.0)
    worse = ClaimMap(amounts(4 * MB - 1, clients=5), "device_energy_j", 1.0)
    alike = ClaimMap(amounts(4 * MB - 1), "device_energy_j", 1.0)
    lte = radio(found, "lte")
    (turned,) = named(flips(claim, lte, [worse, alike]), "participation")
    assert turned.name == "5 clients a round instead of 2 (six)"


def test_a_size_that_cannot_be_carried_is_no_threshold(found: Amounts) -> None:
    strict = SCENARIOS.model_copy(update={"round_limit_s": 30.0})
    here = amounts(scenarios=strict)
    lte = radio(here, "lte")
    assert not here.obstacles(lte) and here.obstacles(lte, 10.0)
    claim = ClaimMap(here, "radio_energy_j", 70.0)
    free = ClaimMap(found, "radio_energy_j", 70.0)
    assert threshold(free, radio(found, "lte")).verdict == "from"
    assert threshold(claim, lte) == SizeThreshold("never")


# --- From results to a page ---


def test_the_command_tells_on_which_radio_a_claim_holds_and_what_turns_it(tmp_path: Path) -> None:
    scenarios = {"radios": [LTE | {"transport": "tcp"}, "nbiot"], "grids": ["NOR"]}
    results(tmp_path / "tiny", [FP32, BOTH_WAYS], seeds=[0], scenarios=scenarios)
    claim: dict[str, Any] = {
        "name": "radio joules",
        "says": "saves a tenth of the radio's joules",
        "needs": {"quantity": "radio_energy_j", "saves": 10.0},
        "on": [{"study": "tiny", "method": "six"}, {"study": "later", "method": "six"}],
    }
    path = tmp_path / "claims.yaml"
    path.write_text(json.dumps({"claims": [claim]}), encoding="utf-8")
    assert app.run(["claims", str(path)]) == 0
    table = pd.read_csv(tmp_path / "claims.csv")
    assert table["verdict"].tolist() == ["holds if", "not resolved"]
    said = str(table["condition"][0])
    assert "nbiot" in said.partition(" at the study's own size")[0]
    assert "on lte with updates from " in said
    told = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))["maps"][0]
    lte = next(each for each in told["radios"] if each["name"] == "lte")
    assert lte["status"] == "does not hold" and lte["flips"][0]["name"] == "update size"
    sheet = (tmp_path / "claims.md").read_text(encoding="utf-8")
    assert "figures/where_radio-joules_tiny_six.svg" in sheet and "projected (P)" in sheet
    assert "update size at" in sheet
    for name in (
        "claims.html",
        "where.csv",
        "figures/where_radio-joules_tiny_six.svg",
        "figures/where_radio-joules_tiny_six.csv",
    ):
        assert (tmp_path / name).stat().st_size > 0
    tiles = pd.read_csv(tmp_path / "figures/where_radio-joules_tiny_six.csv")
    where = pd.read_csv(tmp_path / "where.csv")
    assert len(tiles) == 3 * len(SCALES) * where["radio"].nunique()
    assert (tiles["mark"] == "yes").sum() == len(
        where[(where["status"] == "holds") & (where["supply"] == "mains") & (where["cast"] != "multicast")]
    )
    claim["needs"]["saves"] = round(lte["saves"] + 0.1, 3)
    path.write_text(json.dumps({"claims": [claim]}), encoding="utf-8")
    assert app.run(["claims", str(path)]) == 0
    told = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))["maps"][0]
    lte = next(each for each in told["radios"] if each["name"] == "lte")
    tail = next(flip for flip in lte["flips"] if flip["name"] == "lte.tail_w")
    assert lte["status"] == "does not hold" and tail["axis"] == "coefficient" and tail["at"] < tail["typical"]
    assert "lte.tail\\_w at " in (tmp_path / "claims.md").read_text(encoding="utf-8")


def test_a_point_of_the_map_is_what_pricing_under_its_assumptions_gives(tmp_path: Path) -> None:
    folder = results(tmp_path / "tiny", [FP32, BOTH_WAYS], seeds=[0], scenarios={"radios": [LTE], "grids": ["NOR"]})
    needs = {"quantity": "carbon_g", "saves": 10}
    claims = [{"name": "grams", "needs": needs, "on": [{"study": "tiny", "method": "six"}]}]
    (tmp_path / "claims.yaml").write_text(json.dumps({"claims": claims}), encoding="utf-8")
    where = pd.DataFrame(judge(tmp_path / "claims.yaml").where)
    for radio_name, mode, cast, source in (
        ("lte", "excluded", "", "mains"),
        ("lte", "average", "multicast", "rechargeable"),
        ("nbiot", "marginal", "unicast", "mains"),
    ):
        at = where[(where["radio"] == radio_name) & (where["network"] == mode) & (where["cast"] == cast)]
        (point,) = at[(at["supply"] == source) & (at["scale"] == 1.0)].to_dict("records")
        settings = [f"network={mode}", f"supply={source}", *([f"cast={cast}"] if cast else [])]

        def change(old: Scenarios, name: str = radio_name, settings: list[str] = settings) -> Scenarios:
            return with_changes(old, [name], settings=settings)

        breakdown = price(folder, change).frames["breakdown"]
        grams = breakdown.groupby("method")["carbon_g"].sum()
        assert (point["ours"], point["theirs"]) == pytest.approx((grams["six"], grams["fp32"]), rel=1e-9)


def test_a_radio_of_the_study_keeps_its_settings(found: Amounts) -> None:
    model = radio(found, "lte").model
    assert isinstance(model, LteHandset2012) and model.rate_up_mbps == 4
