import copy
import json
import random

import pytest

from harness.parts import facts_version
from harness.parts.facts_version import source_digest, source_files
from harness.run.cell import Cell, cell_id
from harness.spec.load import find_benchmark, load_spec
from harness.spec.plan import expand, named_cells
from harness.spec.spec import BenchmarkSpec

FULL = load_spec(find_benchmark("quickstart")).resolved()


def ids(values):
    return [cell_id(cell) for cell in expand(BenchmarkSpec.model_validate(values))]


def changed(path, value):
    values = copy.deepcopy(FULL)
    inside = values
    for step in path[:-1]:
        inside = inside[step]
    assert inside[path[-1]] != value
    inside[path[-1]] = value
    return values


def shuffled(value, rng):
    if isinstance(value, dict):
        keys = rng.sample(list(value), len(value))
        return {key: shuffled(value[key], rng) for key in keys}
    return [shuffled(entry, rng) for entry in value] if isinstance(value, list) else value


def test_cells_come_seed_by_seed_in_the_order_of_the_methods():
    cells = expand(BenchmarkSpec.model_validate(FULL))
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4 + [2] * 4
    assert [cell.method["uplink"]["kind"] for cell in cells[:4]] == ["float32", "quantfl", "quantfl", "error_feedback"]
    assert len({cell_id(cell) for cell in cells}) == 12


def test_a_cell_is_plain_and_survives_json():
    for cell in expand(BenchmarkSpec.model_validate(FULL)):
        assert set(cell.method) == {"uplink", "downlink", "server", "init", "also_code"}
        again = Cell(**json.loads(json.dumps(vars(cell))))
        assert again == cell and cell_id(again) == cell_id(cell)


def test_a_method_runs_in_its_own_federation_and_is_another_cell_for_it():
    values = copy.deepcopy(FULL)
    values["methods"] = [{"name": "fp32"}, {"name": "twice", "federation": {"local_epochs": 7}}]
    first, second = expand(BenchmarkSpec.model_validate(values))[:2]
    assert (first.federation["local_epochs"], second.federation["local_epochs"]) == (3, 7)
    assert cell_id(first) != cell_id(second)


def test_what_is_recorded_is_part_of_a_cell():
    with_record = FULL | {"record": {"statistics_every": 2}}
    assert expand(BenchmarkSpec.model_validate(with_record))[0].record["statistics_every"] == 2
    assert not set(ids(with_record)) & set(ids(FULL))


def test_an_id_is_16_hexadecimal_digits():
    for found in ids(FULL):
        assert len(found) == 16 and int(found, 16) >= 0


@pytest.mark.parametrize("order", range(5))
def test_the_order_of_options_changes_no_id(order):
    assert ids(shuffled(FULL, random.Random(order))) == ids(FULL)  # noqa: S311 - any order will do


def test_writing_defaults_out_changes_no_id():
    short = copy.deepcopy(FULL)
    for method in short["methods"]:
        method.pop("init")
        method.pop("server")
    short["methods"][0] = {"name": "fp32"}
    short["federation"].pop("score_every")
    assert ids(short) == ids(FULL)


CHANGES_EVERY_CELL = {
    ("task", "clients"): 21,
    ("task", "init"): "random",
    ("task", "partition", "alpha"): 0.4,
    ("task", "partition", "min_examples"): 1,
    ("federation", "rounds"): 41,
    ("federation", "cohort"): 11,
    ("federation", "lr"): 0.2,
    ("federation", "local_epochs"): 2,
    ("federation", "batch_size"): 17,
    ("federation", "score_every"): 4,
    ("federation", "test_rounds"): [7],
}


@pytest.mark.parametrize("path", CHANGES_EVERY_CELL, ids=".".join)
def test_settings_of_task_and_federation_change_every_id(path):
    values = changed(path, CHANGES_EVERY_CELL[path])
    if path == ("task", "init"):
        for method in values["methods"]:
            method.pop("init")
    assert not set(ids(values)) & set(ids(FULL))


CHANGES_ONE_METHOD = {
    ("methods", 1, "uplink", "levels"): 63,
    ("methods", 1, "uplink", "reconstruction"): "mean",
    ("methods", 1, "uplink"): {"kind": "qsgd"},
    ("methods", 1, "downlink", "codec"): {"kind": "float16"},
    ("methods", 1, "server", "lr"): 0.5,
    ("methods", 1, "init"): "random",
}


@pytest.mark.parametrize("path", CHANGES_ONE_METHOD, ids=lambda path: ".".join(map(str, path)))
def test_settings_of_a_method_change_its_ids_only(path):
    before, after = ids(FULL), ids(changed(path, CHANGES_ONE_METHOD[path]))
    assert [place for place in range(12) if before[place] != after[place]] == [1, 5, 9]


CHANGES_NOTHING = {
    ("name",): "other",
    ("methods", 1, "name"): "renamed",
    ("reference",): "EF-SignSGD",
    ("meter",): "cpu_time",
    ("scenarios", "radios"): ["wifi"],
    ("scenarios", "grids"): ["FRA"],
    ("scenarios", "device"): "raspberry_pi_5",
}


@pytest.mark.parametrize("path", CHANGES_NOTHING, ids=lambda path: ".".join(map(str, path)))
def test_names_scenarios_and_meters_change_no_id(path):
    assert ids(changed(path, CHANGES_NOTHING[path])) == ids(FULL)


def test_seeds_name_the_cells():
    assert ids(changed(("seeds",), [2, 0])) == ids(FULL)[8:] + ids(FULL)[:4]


def test_methods_that_differ_in_name_only_share_their_cells():
    values = copy.deepcopy(FULL)
    values["methods"] = [FULL["methods"][0], FULL["methods"][0] | {"name": "again"}]
    first, second, *_ = ids(values)
    assert first == second


def test_an_init_of_its_own_is_the_task_of_the_cell():
    by_method, by_task = changed(("methods", 0, "init"), "random"), changed(("task", "init"), "random")
    by_task["methods"][0].pop("init")
    assert ids(by_method)[0] == ids(by_task)[0]
    assert expand(BenchmarkSpec.model_validate(by_method))[0].task["init"] == "random"


def test_the_source_digest_depends_on_names_and_content(monkeypatch, tmp_path):
    def digest(files):
        paths = []
        for name, text in files:
            (tmp_path / name).write_text(text)
            paths.append((name, tmp_path / name))
        monkeypatch.setattr(facts_version, "source_files", lambda: iter(paths))
        return source_digest.__wrapped__()

    digests = [
        digest([("a.py", "x"), ("b.py", "y")]),
        digest([("a.py", "x"), ("b.py", "z")]),
        digest([("a.py", "x"), ("c.py", "y")]),
        digest([("a.py", "xb"), ("b.py", "y")]),
        digest([("a.py", "x")]),
    ]
    assert len(set(digests)) == 5 and all(len(found) == 64 for found in digests)


def test_the_sources_are_all_that_facts_are_made_with():
    names = [name for name, _ in source_files()]
    assert names == sorted(names) and len(names) == len(set(names))
    rooms = {name.rpartition("/")[0] for name in names}
    assert {"baselines", "quantfl", "harness/core", "harness/wire", "harness/ledger", "harness/parts"} <= rooms
    assert {f"harness/run/{room}" for room in ("engines", "federation", "tasks", "meters")} <= rooms
    assert not [name for name in names if name.startswith(("radio_models", "reports", "harness/price", "harness/spec"))]
    assert all(path.is_file() for _, path in source_files())


def test_a_method_may_find_the_data_spread_otherwise_and_run_with_fewer_seeds():
    values = copy.deepcopy(FULL)
    skewed = {"kind": "dirichlet", "alpha": 0.1}
    values["methods"] = [
        {"name": "fp32"},
        {"name": "fp32, skewed", "partition": skewed, "seeds": 2},
        {"name": "QuantFL, skewed", "partition": skewed, "uplink": "quantfl", "seeds": 1},
        {"name": "QuantFL", "uplink": "quantfl", "seeds": 3},
    ]
    values["seeds"] = [4, 7, 1]
    spec = BenchmarkSpec.model_validate(values | {"reference": "fp32"})
    named = named_cells(spec)
    assert [(name, cell.seed) for name, cell in named] == [
        *(("fp32", 4), ("fp32, skewed", 4), ("QuantFL, skewed", 4), ("QuantFL", 4)),
        *(("fp32", 7), ("fp32, skewed", 7), ("QuantFL", 7), ("fp32", 1), ("QuantFL", 1)),
    ]
    assert {(name, cell.task["partition"]["alpha"]) for name, cell in named if "skewed" in name} == {
        *(("fp32, skewed", 0.1), ("QuantFL, skewed", 0.1)),
    }
    # What is compared finds the same data, and may send as much.
    assert spec.references() == {"QuantFL": "fp32", "QuantFL, skewed": "fp32, skewed"}
    # A cell is the same whether its partition is the task's or the method's.
    alone = BenchmarkSpec.model_validate(
        values | {"task": values["task"] | {"partition": skewed}, "methods": [{"name": "fp32"}], "reference": "fp32"}
    )
    assert cell_id(expand(alone)[0]) == cell_id(named[1][1])


def test_methods_are_compared_at_equal_budgets():
    values = copy.deepcopy(FULL)
    few = {"budget": {"direction": "total", "mbit": 1.0}}
    values["methods"] = [
        {"name": "fp32"},
        {"name": "fp32, few bits", "federation": few},
        {"name": "QuantFL, few bits", "uplink": "quantfl", "federation": few},
        {"name": "QuantFL", "uplink": "quantfl"},
    ]
    spec = BenchmarkSpec.model_validate(values | {"reference": "fp32"})
    assert spec.references() == {"QuantFL": "fp32", "QuantFL, few bits": "fp32, few bits"}
