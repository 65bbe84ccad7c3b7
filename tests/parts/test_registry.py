import subprocess
import sys

import pytest

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.protocols import Codec, EnergyMeter, RadioModel, ServerRule, Task
from harness.parts import registry
from tests.fake_parts import Inner, Plain, Wrapper


@pytest.fixture
def fakes(monkeypatch):
    codecs = {
        "plain": "tests.fake_parts:Plain",
        "wrapper": "tests.fake_parts:Wrapper",
        "lacking": "tests.no_such_module:Codec",
        "renamed": "tests.fake_parts:NoSuchClass",
    }
    monkeypatch.setattr(registry, "TABLES", {**registry.TABLES, "codec": codecs})


PROTOCOLS = {"codec": Codec, "server": ServerRule, "task": Task, "radio": RadioModel, "meter": EnergyMeter}
ENTRIES = [(table, kind) for table in registry.TABLES for kind in registry.names(table)]


@pytest.mark.parametrize(("table", "kind"), ENTRIES)
def test_every_entry_loads_under_its_own_name(table, kind):
    part = registry.load(table, kind)
    assert part.kind == kind
    asked = {name for name in vars(PROTOCOLS[table]) if not name.startswith("_")} | set(
        PROTOCOLS[table].__annotations__
    )
    assert not [name for name in asked if not hasattr(part, name)]


REQUIRED = {
    "topk": {"ratio": 0.01},
    "stc": {"ratio": 0.01},
    "ef21": {"inner": {"kind": "topk", "ratio": 0.5}},
    "error_feedback": {"inner": {"kind": "topk", "ratio": 0.5}},
    "exact_vectors": {"inner": {"kind": "topk", "ratio": 0.5}},
    "images": {"data": "somebody/pictures"},
}


@pytest.mark.parametrize(("table", "kind"), ENTRIES)
def test_every_part_is_built_from_its_description(table, kind):
    part = registry.build(table, {"kind": kind, **(REQUIRED.get(kind, {}) if table != "server" else {})})
    assert part.kind == kind
    assert registry.build(table, registry.describe(part)) == part


@pytest.mark.parametrize(
    ("table", "name"), [(table, name) for table in registry.PRESETS for name in registry.PRESETS[table]]
)
def test_a_preset_is_its_settings_under_those_given(table, name):
    settings = registry.preset(table, name)
    assert registry.build(table, name) == registry.build(table, settings)
    assert name not in registry.names(table) and name in registry.choices(table)


def test_settings_given_beside_a_preset_hold():
    paper = registry.build("codec", {"kind": "quantfl-paper", "levels": 16})
    assert registry.describe(paper) == {**registry.describe(registry.build("codec", "quantfl-paper")), "levels": 16}


def test_loading_one_part_imports_no_other():
    code = (
        "import sys; from harness.parts import registry; before = set(sys.modules); registry.load('codec', 'topk'); "
        "ours = ('baselines.', 'quantfl', 'radio_models'); "
        "print(sorted(name for name in set(sys.modules) - before if name.startswith(ours)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "baselines.topk" in done.stdout
    assert "signsgd" not in done.stdout and "quantfl" not in done.stdout and "error_feedback" not in done.stdout


def test_unknown_names_are_told_with_the_known_ones(fakes):
    with pytest.raises(UsageError) as caught:
        registry.load("codec", "Plian")
    known = "plain, wrapper, lacking, renamed, quantfl-paper"
    assert str(caught.value) == f'codec "Plian" is not one of {known}. Did you mean plain?'


def test_a_module_that_lacks_something_is_one_line(fakes):
    with pytest.raises(EnvironmentLacksError, match=r"^codec lacking cannot be loaded: No module named 'tests.no_such"):
        registry.load("codec", "lacking")
    with pytest.raises(EnvironmentLacksError, match=r"^codec lacking cannot be loaded"):
        registry.build("codec", {"kind": "wrapper", "inner": "lacking"})


def test_a_table_entry_without_a_class_is_a_bug(fakes):
    with pytest.raises(AttributeError):
        registry.load("codec", "renamed")


def test_parts_are_built_with_their_parts(fakes):
    mapping = {
        "kind": "wrapper",
        "inner": {"kind": "plain", "ratio": 1, "sizes": [3], "weights": {"a": 1}, "mode": "slow", "share": 0.25},
        "nested": {"depth": 2},
        "several": ["plain", {"kind": "wrapper", "inner": "plain"}],
        "perhaps": {"kind": "plain", "levels": 8},
    }
    part = registry.build("codec", mapping)
    assert part == Wrapper(
        inner=Plain(ratio=1.0, sizes=(3,), weights={"a": 1.0}, mode="slow", share=0.25),
        nested=Inner(2),
        several=(Plain(), Wrapper(inner=Plain())),
        perhaps=Plain(levels=8),
    )
    assert type(part.inner.ratio) is float and type(part.inner.weights["a"]) is float
    assert registry.build("codec", registry.describe(part)) == part
    assert registry.build("codec", part) is part


def test_a_description_has_every_setting_and_nothing_else(fakes):
    assert registry.describe(Wrapper(inner=Plain(sizes=()))) == {
        "kind": "wrapper",
        "inner": {
            "kind": "plain",
            "levels": 4,
            "ratio": 0.5,
            "flag": False,
            "mode": "fast",
            "share": None,
            "sizes": [],
            "small": 0,
            "weights": {},
        },
        "nested": {"depth": 1, "rate": 0.5},
        "several": [],
        "perhaps": None,
    }


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        ({"levels": "4"}, ['levels: "4" is text; a whole number is needed: leave the quotes out']),
        ({"levels": 4.0}, ["levels: 4.0 is a number; a whole number is needed: write 4"]),
        ({"levels": True}, ["levels: true is a truth value; a whole number is needed"]),
        ({"ratio": True}, ["ratio: true is a truth value; a number is needed"]),
        ({"ratio": float("nan")}, ["ratio: nan is not a finite number"]),
        ({"share": float("inf")}, ["share: inf is not a finite number"]),
        ({"flag": 1}, ["flag: 1 is a number; true or false is needed"]),
        ({"flag": "yes"}, ['flag: "yes" is text; true or false is needed']),
        ({"sizes": [1, "2"]}, ['sizes[1]: "2" is text; a whole number is needed: leave the quotes out']),
        ({"sizes": 3}, ["sizes: 3 is a number; a list is needed, e.g. [a, b]"]),
        ({"weights": [1]}, ["weights: a list is out of place; a mapping is needed, e.g. {key: value}"]),
        ({"weights": {"a": "b"}}, ['weights.a: "b" is text; a number is needed']),
        ({"small": -1}, ["small: -1 should be greater than or equal to 0"]),
        ({"mode": "Fast"}, ['mode: "Fast" is not one of fast, slow. Did you mean fast?']),
        (
            {"levels": 1, "ratio": 0},
            ["levels: must be 2 to 8 (got 1)", "ratio: must be above 0 and at most 1 (got 0.0)"],
        ),
        ({"share": 0.5}, ["share: is for mode: slow only (got 0.5)"]),
        ({"share": 0.5, "mode": "slwo"}, ['mode: "slwo" is not one of fast, slow. Did you mean slow?']),
        ({"share": 0.5, "levels": 1}, ["levels: must be 2 to 8 (got 1)"]),
        ({"flag": True, "sizes": []}, ["a flag needs sizes"]),
        (
            {"secret": 1},
            ["secret: unknown key; allowed: kind, levels, ratio, flag, mode, share, sizes, small, weights."],
        ),
    ],
)
def test_wrong_settings(fakes, settings, lines):
    with pytest.raises(UsageError) as caught:
        registry.build("codec", {"kind": "plain", **settings})
    expected = [f"codec: {line}" if line == "a flag needs sizes" else f"codec.{line}" for line in lines]
    assert str(caught.value).splitlines() == expected


def test_wrong_settings_of_inner_parts_have_their_path(fakes):
    mapping = {
        "kind": "wrapper",
        "nested": {"depth": 0, "dept": 1},
        "several": ["plain", {"kind": "plain", "levels": 9}, 3],
    }
    with pytest.raises(UsageError) as caught:
        registry.build("codec", mapping)
    assert set(str(caught.value).splitlines()) == {
        "codec.inner: missing; it is required",
        "codec.nested.dept: unknown key; allowed: depth, rate. Did you mean depth?",
        "codec.nested.depth: must be at least 1 (got 0)",
        "codec.several[1].levels: must be 2 to 8 (got 9)",
        "codec.several[2]: 3 is no codec; a name or a mapping is needed, e.g. {kind: plain}",
    }
