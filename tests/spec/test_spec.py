import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.parsing.fields import slug
from harness.parts import registry
from harness.spec.load import dump_spec, parse_spec
from harness.spec.spec import BenchmarkSpec

SMALL = {
    "name": "tiny",
    "task": {"kind": "digits"},
    "federation": {"rounds": 4, "cohort": 3, "lr": 1},
    "methods": [{"name": "fp32"}, {"name": "six bits", "uplink": "quantfl", "init": "pretrained"}],
    "seeds": 2,
    "scenarios": {"radios": ["lte"], "grids": ["no", {"name": "campus", "g_per_kwh": 41, "source": "utility"}]},
}


def test_defaults_are_filled_in():
    spec = BenchmarkSpec.model_validate(SMALL)
    resolved = spec.resolved()
    assert resolved["federation"] == {
        "rounds": 4,
        "cohort": 3,
        "lr": 1.0,
        "local_epochs": 1,
        "local_steps": None,
        "momentum": 0.0,
        "weight_decay": 0.0,
        "proximal": 0.0,
        "norm_momentum": None,
        "augment": "none",
        "batch_size": 16,
        "lr_schedule": "constant",
        "budget": None,
        "score_every": 4,
        "test_rounds": [],
    }
    assert resolved["seeds"] == [0, 1]
    assert resolved["reference"] == "fp32"
    assert resolved["meter"] == "codecarbon"
    assert resolved["methods"][0] == {
        "name": "fp32",
        "uplink": {"kind": "float32"},
        "downlink": {"codec": {"kind": "float32"}, "mode": "model"},
        "server": registry.describe(registry.build("server", "mean")),
        "init": resolved["task"]["init"],
        "train": {"kind": "all", "blocks": None, "rank": 8, "alpha": 16.0},
        "partition": None,
        "seeds": None,
        "federation": {},
        "also_code": [],
    }
    assert resolved["methods"][1]["init"] == "pretrained"
    campus = {"name": "campus", "g_per_kwh": 41.0, "source": "utility", "kind": "average"}
    scenarios = resolved["scenarios"]
    assert scenarios["grids"] == ["NOR", campus]
    assert scenarios["device"] == "raspberry_pi_4"
    assert (scenarios["supply"], scenarios["fleets"], scenarios["cast"]) == ("mains", [], "unicast")
    optional = ("standby", "network", "server", "embodied")
    assert [scenarios[key] for key in optional] == ["excluded"] * len(optional), "totals are of the clients alone"
    assert scenarios["uncertainty"] == {"draws": 10_000, "seed": 0}


def test_a_method_has_the_federation_with_its_own_settings():
    values = copy.deepcopy(SMALL)
    values["federation"] |= {"test_rounds": [2, 4]}
    values["methods"].append({"name": "short", "federation": {"rounds": 2, "local_epochs": 2}})
    spec = BenchmarkSpec.model_validate(values)
    short = spec.federation_of(spec.methods[2])
    assert (short.rounds, short.local_epochs, short.cohort, short.lr) == (2, 2, 3, 1.0)
    assert (short.score_every, short.test_rounds) == (2, (2,))
    assert spec.federation_of(spec.methods[0]) == spec.federation


def test_methods_are_compared_at_equal_initialisation_and_cohort():
    methods = [
        {"name": name, "init": init, "federation": {"cohort": cohort}}
        for name, init, cohort in [
            ("a", "random", 3),
            ("b", "random", 3),
            ("c", "random", 2),
            ("d", "pretrained", 3),
            ("e", "random", 2),
        ]
    ]
    spec = BenchmarkSpec.model_validate(SMALL | {"methods": methods, "reference": "b"})
    assert spec.references() == {"a": "b", "e": "c"}


def test_the_given_values_are_left_alone():
    given_values = copy.deepcopy(SMALL)
    BenchmarkSpec.model_validate(given_values)
    assert given_values == SMALL


def test_a_resolved_spec_is_equal_to_itself():
    spec = BenchmarkSpec.model_validate(SMALL)
    assert BenchmarkSpec.model_validate(spec.resolved()) == spec
    assert BenchmarkSpec.model_validate(spec.resolved()).resolved() == spec.resolved()


def test_a_spec_is_frozen_and_its_parts_are_built():
    spec = BenchmarkSpec.model_validate(SMALL)
    assert spec.methods[1].uplink == registry.build("codec", "quantfl")
    with pytest.raises(ValidationError):
        spec.name = "other"


def test_a_spec_can_be_made_of_built_parts():
    spec = BenchmarkSpec.model_validate(SMALL)
    fields = {name: getattr(spec, name) for name in BenchmarkSpec.model_fields}
    assert BenchmarkSpec(**fields) == spec


def test_errors_are_in_plain_english_without_a_file_too():
    with pytest.raises(ValidationError) as caught:
        BenchmarkSpec.model_validate(SMALL | {"federation": {"rounds": True, "lr": 1}, "seds": 1})
    found = {error["loc"]: error["msg"] for error in caught.value.errors()}
    assert found[("federation", "rounds")] == "true is a truth value; a whole number is needed"
    assert found[("federation", "cohort")] == "missing; it is required"
    assert found[("seds",)].endswith("Did you mean seeds?")


def test_test_rounds_are_put_in_order():
    spec = BenchmarkSpec.model_validate(SMALL | {"federation": SMALL["federation"] | {"test_rounds": [3, 1]}})
    assert spec.federation.test_rounds == (1, 3)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("QuantFL 6-bit", "quantfl-6-bit"), ("EF-Top-k 1 %", "ef-top-k-1"), ("Été_2", "été-2"), ("%", "")],
)
def test_slugs(name, expected):
    assert slug(name) == expected


NAMES = st.lists(
    st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=12).filter(slug)
    | st.sampled_from(["1e-3", "NO", "0x1F", "true", "null", "10:30", "012"]),
    min_size=1,
    max_size=4,
    unique_by=slug,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    names=NAMES,
    seeds=st.integers(1, 5) | st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=4, unique=True),
    rounds=st.integers(1, 100_000),
    lr=st.floats(1e-6, 1000),
    levels=st.integers(2, 65536),
    data=st.data(),
)
def test_every_spec_survives_being_written_and_read(names, seeds, rounds, lr, levels, data):
    values = copy.deepcopy(SMALL) | {
        "methods": [{"name": name, "uplink": {"kind": "quantfl", "levels": levels}} for name in names],
        "reference": data.draw(st.sampled_from(names)),
        "seeds": seeds,
    }
    values["federation"] |= {"rounds": rounds, "lr": lr}
    spec = BenchmarkSpec.model_validate(values)
    again = parse_spec(dump_spec(spec), "f")
    assert again == spec and again.resolved() == spec.resolved()


def test_methods_are_compared_with_one_that_starts_like_them():
    methods = [
        {"name": "EF", "init": "random"},
        {"name": "plain", "init": "random"},
        {"name": "fp32", "init": "pretrained"},
        {"name": "fp16", "init": "pretrained", "uplink": "float16"},
    ]
    spec = BenchmarkSpec.model_validate({**SMALL, "methods": methods, "reference": "plain"})
    assert spec.references() == {"EF": "plain", "fp16": "fp32"}
    assert BenchmarkSpec.model_validate({**SMALL, "methods": methods, "reference": "fp16"}).references() == {
        "plain": "EF",
        "fp32": "fp16",
    }
