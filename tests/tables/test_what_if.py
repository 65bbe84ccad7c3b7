"""What a page is given to price with: amounts that add up to what accounting charges, and what is not offered."""

import json
from typing import Any

import pytest

from harness.ledger.ledger import Ledger
from harness.parts import registry
from harness.price.accounting.account import account
from harness.price.accounting.assumptions import assumptions_of
from harness.price.assumptions.scenarios import Scenarios
from harness.tables.priced_cell import PricedCell
from harness.tables.what_if import TIMED, what_if
from tests.ledgers import make_ledger, provisioned, recorded_transfers
from tests.price.test_scenarios import METERS, PHONES

PLAIN: dict[str, Any] = {"radios": ["lte", {"kind": "nbiot", "name": "cellar"}], "grids": ["NOR"]}


def asked(ledger: Ledger | None = None, **changes: Any) -> tuple[dict[str, Any], Any]:
    """What a page is given for one run, and how the run was priced."""
    written, scenarios = (Scenarios.model_validate(plain) for plain in (PLAIN, PLAIN | changes))
    result = account(ledger or make_ledger(), assumptions_of(scenarios))
    return what_if([PricedCell("fp32", result)], written, scenarios, {"fp32": "fp32"}), result


def test_every_radio_and_device_is_offered_and_those_of_the_definition_come_first() -> None:
    found, _ = asked()
    names = [radio["name"] for radio in found["radios"]]
    assert names[:2] == ["lte", "cellar"]
    assert set(registry.names("radio")) <= set(names)
    (run,) = found["runs"]
    assert len(run["radios"]) == len(names)
    assert all(len(radio["devices"]) == len(found["devices"]) == len(run["computing"]) for radio in run["radios"])
    assert found["definition"]["radio"] == "lte"
    json.dumps(found, allow_nan=False)


def test_amounts_times_coefficients_are_the_joules_that_accounting_charges() -> None:
    found, result = asked()
    radio, on = found["radios"][1], found["runs"][0]["radios"][1]
    timed = dict(zip(TIMED, on["devices"][0], strict=True))
    amounts = {"sessions": timed["uplink_sessions"], "tail_s": timed["uplink_tail_s"]}
    amounts |= dict(zip(found["carried"], on["uplink"], strict=True))
    joules = sum(amount * radio["prices"][key][2] for key, amount in amounts.items())
    assert joules == pytest.approx(result.deployments[1].joules(["uplink"]).high, rel=1e-12)
    seconds, *watts = found["runs"][0]["computing"][0]["local_training"]
    assert seconds * watts[0] == pytest.approx(result.deployments[1].joules(["local_training"]).low, rel=1e-12)


def test_optional_parts_that_the_definition_charges_come_along() -> None:
    ledger = make_ledger(transfers=[*provisioned(), *recorded_transfers(make_ledger())])
    found, result = asked(ledger, provisioning="over_the_air", standby="included", embodied="calendar")
    on, here = found["runs"][0]["radios"][0], result.deployments[0]
    assert on["provisioning"][1] == pytest.approx(here.joules(["provisioning"]).typical, rel=1e-12)
    *_, standby, grams = on["devices"][0]
    assert standby[2] == pytest.approx(here.joules(["standby"]).high, rel=1e-12)
    assert 0 < grams[0] < grams[1] < grams[2]


def test_what_is_not_possible_says_so() -> None:
    found, _ = asked(make_ledger(n_bytes=(10_000_000, 10_000_000)))
    notes = {radio["name"]: radio["notes"] for radio in found["radios"]}
    assert any(note["kind"] == "infeasible" for note in notes["lorawan"])
    assert not any(note["kind"] == "infeasible" for note in notes["lte"])


def test_fleets_and_grids_that_change_are_not_offered_and_named(tmp_path: Any) -> None:
    found, _ = asked(radios=[], grids=[], fleets=[{"name": "city", "groups": [PHONES, METERS]}])
    assert found["left_out"] == ["the fleet city"]
    assert found["definition"]["radio"] == registry.names("radio")[0]


def test_an_operator_grid_that_changes_leaves_its_grams_unknown(tmp_path: Any) -> None:
    path = tmp_path / "hours.csv"
    lines = [f"2025-03-{day:02}T{hour:02}:00:00Z,{100 + hour}" for day in range(1, 29) for hour in range(24)]
    path.write_text("\n".join(["utc,g_per_kwh", *lines]) + "\n")
    grid = {"name": "hourly", "series": str(path), "start": "2025-03-01T00:00:00Z", "source": "made up"}
    found, _ = asked(network="average", operator_grid=grid)
    assert found["operator_grid"]["name"] == "hourly" and found["operator_grid"]["g_per_kwh"] is None
    assert any("hourly" in said for said in found["left_out"])


def test_a_run_without_computing_has_none_and_not_zero() -> None:
    found, _ = asked(make_ledger(windows=[]))
    assert found["runs"][0]["computing"] == [None] * len(found["devices"])
