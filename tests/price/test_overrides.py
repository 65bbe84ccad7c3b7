"""From scenarios to assumptions, and what a user may change about them on the command line."""

import re
from typing import Any

import pytest

from harness.core.errors import UsageError
from harness.price.accounting.assumptions import assumptions_of
from harness.price.assumptions.overrides import with_changes
from harness.price.assumptions.scenarios import CustomGrid, Scenarios

CAMPUS = {"name": "campus", "g_per_kwh": 41.0, "source": "utility, 2025"}
FLEET = {
    "name": "city",
    "groups": [
        {
            "name": "phones",
            "share": 0.25,
            "radio": "lte_2021",
            "device": "phone",
            "supply": "rechargeable",
            "grid": "DEU",
        },
        {"name": "meters", "share": 0.75, "radio": {"kind": "nbiot", "coverage": "extreme"}, "supply": "harvested"},
    ],
}


def scenarios(**changes: Any) -> Scenarios:
    return Scenarios.model_validate({"radios": ["lte"], "grids": ["NOR"]} | changes)


def labels(chosen: Scenarios) -> list[str]:
    return [entry.label for entry in chosen.radios]


def test_totals_are_of_the_clients_in_rounds_unless_said_otherwise() -> None:
    assumed = assumptions_of(scenarios())
    assert assumed.included == frozenset()
    assert (assumed.cast, assumed.embodied, assumed.operator_grid) == ("unicast", "excluded", None)
    assert (assumed.pause_s, assumed.round_limit_s, assumed.draws) == (60.0, 86_400.0, 10_000)
    (deployment,) = assumed.deployments
    assert (deployment.name, deployment.is_fleet, len(deployment.groups)) == ("lte", False, 1)


@pytest.mark.parametrize(
    ("setting", "extra"),
    [
        ({"provisioning": "over_the_air"}, "provisioning"),
        ({"standby": "included"}, "standby"),
        ({"network": "average"}, "network_average"),
        ({"network": "marginal"}, "network_marginal"),
        ({"server": "included"}, "server"),
    ],
)
def test_an_optional_part_is_included_by_its_own_key_alone(setting: dict[str, str], extra: str) -> None:
    assert assumptions_of(scenarios(**setting)).included == {extra}


def test_a_fleet_is_built_with_what_each_group_has() -> None:
    assumed = assumptions_of(scenarios(fleets=[FLEET], uncertainty={"draws": 500, "seed": 7}, operator_grid=CAMPUS))
    assert [here.name for here in assumed.deployments] == ["lte", "city"]
    phones, meters = assumed.deployments[1].groups
    assert (phones.device.kind, phones.supply.name, phones.grid and phones.grid.iso3) == (
        "phone",
        "rechargeable",
        "DEU",
    )
    assert (meters.device.kind, meters.supply.name, meters.grid) == ("raspberry_pi_4", "harvested", None)
    assert (meters.radio.kind, vars(meters.radio)["coverage"]) == ("nbiot", "extreme")
    assert (assumed.draws, assumed.draw_seed) == (500, 7)
    assert assumed.operator_grid is not None and assumed.operator_grid.g_per_kwh == 41.0


def test_scenarios_survive_being_written_down() -> None:
    """As in ``spec.yaml`` of a results folder, and as a what-if question starts from."""
    chosen = scenarios(
        radios=["wifi", {"kind": "lorawan", "name": "SF12", "data_rate": 0}], grids=["NOR", CAMPUS], fleets=[FLEET]
    )
    assert Scenarios.model_validate(chosen.model_dump(mode="json")) == chosen
    assert with_changes(chosen) == chosen


def test_naming_radios_leaves_fleets_out_and_settings_keep_them() -> None:
    chosen = scenarios(fleets=[FLEET])
    assert with_changes(chosen, ["wifi"]).fleets == ()
    assert labels(with_changes(chosen, ["wifi"])) == ["wifi"]
    assert with_changes(chosen, settings=["pause_s=0"]).fleets == chosen.fleets


def test_a_fleet_alone_can_be_asked_for() -> None:
    assert with_changes(scenarios(fleets=[FLEET]), settings=["radios=[]", "grids=[]"]).radios == ()


def test_what_is_named_twice_counts_once() -> None:
    assert labels(with_changes(scenarios(), ["wifi", "lte", "wifi"])) == ["wifi", "lte"]
    assert with_changes(scenarios(), grids=["no", "NOR", "de"]).grids == ("NOR", "DEU")


def test_settings_are_read_as_in_a_definition() -> None:
    """YAML 1.2: Norway is no truth value, digits in groups of sixty no number, an octal one begins with 0o."""
    assert with_changes(scenarios(), settings=["grids=[NO, DE]"]).grids == ("NOR", "DEU")
    assert with_changes(scenarios(), settings=["pause_s=0o17"]).pause_s == 15.0
    assert with_changes(scenarios(), settings=["pause_s=1e2"]).pause_s == 100.0
    rounds = "uncertainty={draws: 0x64, seed: 7}"
    assert with_changes(scenarios(), settings=[rounds]).uncertainty.draws == 100


def test_what_a_spec_named_keeps_its_settings_and_others_have_defaults() -> None:
    chosen = scenarios(radios=[{"kind": "lte", "rate_up_mbps": 1.0}], grids=[CAMPUS])
    assert vars(with_changes(chosen, ["lte"]).radios[0].radio)["rate_up_mbps"] == 1.0
    assert vars(with_changes(chosen, ["{kind: lte}"]).radios[0].radio)["rate_up_mbps"] != 1.0
    (campus, norway) = with_changes(chosen, grids=["campus", "NOR"]).grids
    assert isinstance(campus, CustomGrid) and campus.g_per_kwh == 41.0
    assert norway == "NOR"


def test_a_supply_without_grids_drops_those_of_the_spec_but_refuses_those_that_are_asked_for() -> None:
    assert with_changes(scenarios(), settings=["supply=harvested"]).grids == ()
    for grids, settings in ((["DEU"], ["supply=harvested"]), ([], ["supply=harvested", "grids=[DEU]"])):
        with pytest.raises(UsageError, match=r"^grids: harvested supply sees no grid; leave grids out"):
            with_changes(scenarios(), grids=grids, settings=settings)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"radios": ["lte_2022"]}, r'^radios\[0\].*"lte_2022" is not one of .*Did you mean lte_2021\?$'),
        ({"radios": ["{kind: lte, tail: 1}"]}, r"^radios\[0\]\.tail: unknown key; .*Did you mean tail_s\?$"),
        ({"radios": ["{kind: lorawan, duty_cycle: 0}"]}, r"^radios\[0\]\.duty_cycle: "),
        ({"radios": ["{kind: lte"]}, r"^--radio \{kind: lte: not valid YAML: the text ends before a br"),
        ({"grids": ["XYZ"]}, "^country 'XYZ' is not in the table"),
        ({"device_name": "raspberry"}, "^device: "),
        ({"settings": ["network=both"]}, '^network: "both" is not one of excluded, average, marginal'),
        ({"settings": ["round_limit_s=-1"]}, "^round_limit_s: "),
        ({"settings": ["target_accuracy=1.5"]}, "^target_accuracy: "),
        ({"settings": ["uncertainty={draws: 5}"]}, r"^uncertainty\.draws: "),
        ({"settings": ["supply=solar"]}, "^supply: "),
        ({"settings": ["newtork=average"]}, r"^--set newtork=average: .*Did you mean network\?$"),
        ({"settings": ["network"]}, "^--set network: write key=value"),
        ({"settings": ["pause_s={"]}, r"^--set pause_s=\{: not valid YAML: "),
        ({"settings": ["device=&x phone"]}, r"^--set device=&x phone: anchors \(&x\) are not supported"),
        ({"settings": ["pause_s=1_000"]}, '^pause_s: "1_000" is text; a number is needed'),
        ({"settings": ["pause_s=12:30"]}, '^pause_s: "12:30" is text; a number is needed'),
        (
            {"settings": ["grids=[{name: a, series: a.csv, start: 12:30, source: b}]"]},
            r"^grids\[0\]: start must be an ISO 8601 moment in UTC .*, got '12:30'$",
        ),
        ({"settings": ["network=on"]}, '^network: "on" is not one of excluded, average, marginal'),
        ({"grids": ["NOR"], "radios": ["no"]}, r'^radios\[0\].*"no" is not one of '),
        ({"settings": ["grids=[]"]}, "^grids: missing; mains supply takes its electricity from a grid"),
    ],
)
def test_a_wrong_change_is_one_line_that_names_it(changes: dict[str, Any], line: str) -> None:
    with pytest.raises(UsageError) as caught:
        with_changes(scenarios(), **changes)
    (said,) = str(caught.value).splitlines()
    assert re.search(line, said), said


def test_every_mistake_is_told_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        with_changes(scenarios(), settings=["network=both", "pause_s=-1"])
    assert [line.partition(":")[0] for line in str(caught.value).splitlines()] == ["pause_s", "network"]
