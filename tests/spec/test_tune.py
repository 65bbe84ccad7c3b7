"""What a definition says of tuning: which settings, which seeds, and every mistake where it stands."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness.core.errors import SpecError
from harness.spec.load import dump_spec, parse_spec
from harness.spec.spec import BenchmarkSpec
from harness.spec.tune import Span, settings_of, with_settings
from tests.runs import tiny

GOOD = """\
name: tiny
task: {kind: digits, clients: 12}
federation: {rounds: 4, cohort: 3, lr: 0.1}
methods:
  - name: fp32
  - {name: EF, uplink: {kind: error_feedback, inner: {kind: topk, ratio: 0.01}}}
  - {name: step, uplink: {kind: quantfl, step: 1.5}}
seeds: 2
scenarios: {radios: [lte], grids: [NOR]}
tune:
  trials: 3
  seeds: [1000, 1001]
  space:
    lr: {log: [0.01, 1]}
    server.lr: {log: [0.1, 1]}
    uplink.step: {linear: [0.5, 3]}
  methods:
    EF: {uplink.inner.ratio: {log: [0.001, 0.1]}, lr: {choice: [0.1, 0.2]}}
"""

# what is replaced, by what, and how a line that must come of it begins
MISTAKES = {
    "evaluation seed": ("[1000, 1001]", "[1000, 1]", "12:17 tune.seeds[1]: 1 is an evaluation seed"),
    "evaluation seeds as a list": ("seeds: 2", "seeds: [0, 1000]", "12:11 tune.seeds[0]: 1000 is an evaluation seed"),
    "seed twice": ("[1000, 1001]", "[1000, 1000]", "12:17 tune.seeds[1]: 1000 is the same as seeds[0]"),
    "no seed": ("[1000, 1001]", "[]", "12:10 tune.seeds: an empty list"),
    "no trial": ("trials: 3", "trials: 0", "11:11 tune.trials: 0 is out of range"),
    "unknown path": ("uplink.step", "uplink.stpe", "16:5 tune.space.'uplink.stpe': unknown key; no method has"),
    "unknown path of a method": ("inner.ratio", "inner.rato", "18:10 tune.methods.EF.'uplink.inner.rato': unknown key"),
    "unknown method": ("EF: {uplink.inner", "EE: {uplink.inner", '18:9 tune.methods.EE: "EE" is not one of fp32, EF,'),
    "rounds": ("lr: {log: [0.01", "rounds: {log: [0.01", "14:5 tune.space.rounds: unknown key; rounds is the same"),
    "kind": ("uplink.step", "uplink.kind", "16:5 tune.space.'uplink.kind': unknown key; no method has"),
    "outside": ("0.001, 0.1]", "0.001, 3]", "18:44 tune.methods.EF.'uplink.inner.ratio'.log[1]: EF: must be"),
    "no logarithm": ("[0.01, 1]", "[0, 1]", "14:9 tune.space.lr: 0 has no logarithm"),
    "low above high": ("[0.01, 1]", "[1, 0.01]", "14:15 tune.space.lr.log: a list [low, high] is needed"),
    "text": ("[0.01, 1]", "[a, 1]", '14:15 tune.space.lr.log: "a" is no finite number'),
    "none": ("{log: [0.01, 1]}", "{}", "14:9 tune.space.lr: none of log, linear and choice"),
    "two": ("{log: [0.01, 1]}", "{log: [1, 2], choice: [1]}", "14:9 tune.space.lr: two of log, linear and choice"),
    "choice twice": ("[0.1, 0.2]", "[0.1, 0.1]", "18:64 tune.methods.EF.lr.choice: 0.1 stands twice"),
    "unknown key": ("  trials: 3", "  trials: 3\n  trails: 3", "12:3 tune.trails: unknown key; allowed: trials, seeds"),
    "unknown kind of span": ("{log: [0.01, 1]}", "{logg: [1, 2]}", "14:10 tune.space.lr.logg: unknown key"),
}


def spans(**given: Any) -> Span:
    return Span.model_validate(given)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_where_it_stands(mistake: str) -> None:
    old, new, told = MISTAKES[mistake]
    assert GOOD.count(old) >= 1
    with pytest.raises(SpecError) as caught:
        parse_spec(GOOD.replace(old, new, 1), "f")
    assert any(line.startswith(f"f:{told}") for line in str(caught.value).splitlines()), str(caught.value)


def test_an_unknown_path_brings_what_may_have_been_meant() -> None:
    with pytest.raises(SpecError, match=r"uplink\.stpe.* Did you mean uplink\.step\?$"):
        parse_spec(GOOD.replace("uplink.step", "uplink.stpe"), "f")


def test_a_method_is_searched_over_what_it_has() -> None:
    spec = parse_spec(GOOD, "f")
    assert spec.tune is not None
    spaces = {method.name: spec.tune.space_of(spec.federation, method) for method in spec.methods}
    assert {name: set(space) for name, space in spaces.items()} == {
        "fp32": {"lr", "server.lr"},
        "EF": {"lr", "server.lr", "uplink.inner.ratio"},
        "step": {"lr", "server.lr", "uplink.step"},
    }
    assert spaces["EF"]["lr"] == spans(choice=[0.1, 0.2])
    assert spaces["fp32"]["lr"] == spans(log=[0.01, 1])


def test_a_setting_that_is_empty_because_another_is_used_is_searched_for_a_method_by_name_only() -> None:
    with pytest.raises(SpecError, match="no method has such a setting"):
        parse_spec(GOOD.replace("uplink.step: {linear: [0.5, 3]}", "uplink.buckets: {choice: [width, mass]}"), "f")
    spec = parse_spec(GOOD, "f")
    assert settings_of(spec.federation, spec.methods[2])["uplink.levels"] is None


def test_settings_reach_local_training_and_parts_and_leave_the_rest() -> None:
    spec = parse_spec(GOOD, "f")
    changed = with_settings(spec.federation, spec.methods[1], {"lr": 0.5, "uplink.inner.ratio": 0.2, "server.lr": 0.7})
    assert changed.federation == {"lr": 0.5}
    assert settings_of(spec.federation, changed) == settings_of(spec.federation, spec.methods[1]) | {
        "lr": 0.5,
        "uplink.inner.ratio": 0.2,
        "server.lr": 0.7,
    }
    assert settings_of(spec.federation, spec.methods[1])["uplink.inner.ratio"] == 0.01


def test_a_definition_without_tuning_resolves_as_before_and_one_with_it_survives_writing() -> None:
    assert not {"tune", "tuned"} & set(BenchmarkSpec.model_validate(tiny()).resolved())
    spec = parse_spec(GOOD, "f")
    assert parse_spec(dump_spec(spec), "f", Path()) == spec


def test_what_is_said_to_have_been_chosen_is_what_the_methods_have() -> None:
    told = {"trials": 3, "space": {"lr": {"log": [0.01, 1]}}, "chosen": {"lr": 0.1}}
    tuned = {"seeds": [1000], "results": "tiny-tune", "digest": "0" * 16, "methods": {"fp32": told}}
    assert BenchmarkSpec.model_validate(tiny() | {"tuned": tuned}).tuned is not None
    for change, text in (
        ({"methods": {"fp32": told | {"chosen": {"lr": 0.2}}}}, "0.2 was chosen, but fp32 has 0.1"),
        ({"methods": {"fp33": told}}, '"fp33" is not allowed; only fp32 is'),
        ({"seeds": [0]}, "0 is an evaluation seed"),
    ):
        with pytest.raises(ValidationError, match=text):
            BenchmarkSpec.model_validate(tiny() | {"tuned": tuned | change})


@pytest.mark.parametrize(
    ("span", "value", "is_at_border"),
    [
        (spans(log=[0.01, 1]), 0.9, True),
        (spans(log=[0.01, 1]), 0.1, False),
        (spans(log=[0.01, 1]), 0.011, True),
        (spans(linear=[0, 10]), 9.4, False),
        (spans(linear=[0, 10]), 9.6, True),
        (spans(linear=[1, 3]), 1, True),
        (spans(linear=[1, 3]), 2, False),
        (spans(choice=[16, 64, 256]), 256, True),
        (spans(choice=[16, 256, 64]), 64, False),
        (spans(choice=[16, 64]), 64, False),
        (spans(choice=["a", "b", "c"]), "a", False),
    ],
)
def test_the_border_of_a_span(span: Span, value: Any, is_at_border: bool) -> None:
    assert span.is_at_border(value) == is_at_border
