"""What is written is true: README, help texts, packaged benchmarks, one-line descriptions and the JSON Schema."""

import copy
import json
import re
from pathlib import Path
from typing import Any

import click
import pytest
import typer
from jsonschema import Draft202012Validator

from harness.cli import app
from harness.core import errors
from harness.parsing.yaml_text import read_yaml
from harness.parts import registry
from harness.price.assumptions import devices, power_supply
from harness.price.assumptions.scenarios import Scenarios
from harness.spec.json_schema import spec_schema
from harness.spec.load import benchmark_names, load_spec, packaged, parse_spec
from harness.spec.plan import expand
from harness.spec.spec import BenchmarkSpec
from tests.runs import BOTH_WAYS, SIGN, tiny

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SOURCES = [path for room in ("harness", "baselines", "quantfl", "radio_models", "reports") for path in
           sorted((ROOT / room).rglob("*.py"))]  # fmt: skip
COMMANDS = typer.main.get_command(app.app).commands  # type: ignore[attr-defined]
PARTS = [(table, kind) for table in registry.TABLES for kind in registry.names(table)]


def readme_section(title: str) -> str:
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def first_cells(text: str, heading: str) -> list[str]:
    """First column of the Markdown table with this heading of it."""
    rows = text.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [row.split("|")[1].strip().strip("`") for row in rows]


def readme_yaml() -> str:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    return str(example)


def definition(name: str) -> Any:
    """A packaged benchmark, or the README's example, as plain values."""
    text = readme_yaml() if name == "README" else packaged(name).read_text(encoding="utf-8")
    return read_yaml(text, name).value


# --- Commands ---


def test_every_command_has_its_row_in_the_readme() -> None:
    told = [cell.split()[1] for cell in first_cells(readme_section("Commands"), "command")]
    assert sorted(told) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_argument_and_option_has_help(name: str) -> None:
    command = COMMANDS[name]
    assert re.match(r"[A-Z].*\.", command.help or "")
    for parameter in command.params:
        assert re.match(r"[A-Za-z].*\.", getattr(parameter, "help", None) or ""), parameter.name


def test_the_readme_calls_no_command_and_no_option_that_does_not_exist() -> None:
    options = {option for command in COMMANDS.values() for parameter in command.params for option in parameter.opts}
    group = typer.main.get_command(app.app)
    options |= {option for parameter in group.get_params(click.Context(group)) for option in parameter.opts}
    texts = {"README.md": README, "CONTRIBUTING.md": (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")}
    for file, text in texts.items():
        called = set(re.findall(r"(?:`|\$ |bin/)harness ([a-z]+)", text))
        assert called and called <= set(COMMANDS), file
    told = set(re.findall(r"`[^`\n]*?(--[a-z-]+)", README))
    assert {"--out", "--radio"} <= told <= options


def test_make_has_the_targets_of_the_readme() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = set(re.findall(r"(?:`|\$ )make ([a-z]+)", README))
    assert called and called <= targets


def test_exit_codes_are_those_of_the_code() -> None:
    paragraph = README.partition("\nExit codes: ")[2].partition("\n\n")[0].partition(".")[0]
    told = {int(code) for code in re.findall(r"(?:^|, )(\d+) ", paragraph.replace("\n", " "))}
    raised = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.HarnessError)
    }
    assert told == {0, *raised, app.EXIT_BUG, app.EXIT_ENVIRONMENT, app.EXIT_INTERRUPTED}


def test_environment_variables_are_those_of_the_code() -> None:
    told = set(first_cells(README, "variable"))
    code = "\n".join(path.read_text(encoding="utf-8") for path in SOURCES)
    read = set(re.findall(r'environ(?:\.get\(|\[)"(HARNESS_\w+)"\]?\)?(?! =)', code))
    # Set by --debug, which is what a user is told of.
    assert told == (read - {"HARNESS_DEBUG"}) | {"NO_COLOR"}
    # Rich looks at it, but only in a console that is made without a word about colours.
    assert "NO_COLOR" in code and "no_color=False" not in code


# --- Definitions ---


def test_the_example_of_the_readme_is_valid() -> None:
    spec = parse_spec(readme_yaml(), "README.md")
    assert len(expand(spec)) == len(spec.methods) * len(spec.seeds) == 12


@pytest.mark.parametrize("name", benchmark_names())
def test_a_packaged_benchmark_validates_plans_and_explains_itself(name: str) -> None:
    spec = load_spec(packaged(name))
    assert spec.name == name, "its results would lie under another name"
    cells = expand(spec)
    assert len(cells) == sum(len(spec.seeds_of(method)) for method in spec.methods)
    assert BenchmarkSpec.model_validate(spec.resolved()) == spec
    text = packaged(name).read_text(encoding="utf-8")
    head = re.match(r"(?:#.*\n)+", text)
    assert head and head[0].count("\n") >= 2, "begins with what it asks and how long it takes"
    assert len(re.findall(r"(?:^|\s)# ", text)) > head[0].count("\n"), "explains some of its lines"


def test_starters_are_those_of_the_readme() -> None:
    (row,) = re.findall(r"\| `harness init \[STARTER\]` \|(.*)\|", README)
    assert set(re.findall(r"`([\w-]+)`", row)) == set(benchmark_names())


# --- Scenarios ---


def scenario_row(key: str) -> set[str]:
    """What stands in code marks in the row of a key of scenarios."""
    (row,) = re.findall(rf"^\| (`{key}`.*?) \|(.*)\|$", readme_section("Scenarios"), re.MULTILINE)
    return set(re.findall(r"`([^`]+)`", row[1]))


def test_every_key_of_scenarios_has_its_row_in_the_readme() -> None:
    cells = re.findall(r"^\| (`.*?) \|", readme_section("Scenarios"), re.MULTILINE)
    told = [key for cell in cells for key in re.findall(r"`(\w+)`", cell) if key != "scenarios"]
    assert sorted(told) == sorted(Scenarios.model_fields)


def test_the_readme_names_every_radio_device_and_supply() -> None:
    assert {name for name in scenario_row("radios") if "{" not in name} == set(registry.names("radio"))
    assert scenario_row("device") == set(devices.names())
    assert scenario_row("supply") == set(power_supply.names())


# --- One line about each part ---


@pytest.mark.parametrize(("table", "kind"), PARTS)
def test_a_part_says_in_one_sentence_what_it_is(table: str, kind: str) -> None:
    line, _, rest = (registry.load(table, kind).__doc__ or "").strip().partition("\n")
    assert re.fullmatch(r"[A-Z0-9].*[^.]\.", line), "a sentence, with a full stop"
    assert len(line) <= 100
    assert not re.search(r"[.!?] [A-Z]", line), "one sentence"
    assert not rest or rest.startswith("\n"), "the first line is a whole sentence"


# --- JSON Schema ---


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(json.dumps(spec_schema()))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.parametrize("name", [*benchmark_names(), "README"])
def test_the_schema_accepts_what_we_ship(validator: Draft202012Validator, name: str) -> None:
    assert [error.message for error in validator.iter_errors(definition(name))] == []


@pytest.mark.parametrize("name", [*benchmark_names(), "README"])
def test_the_schema_accepts_a_resolved_definition(validator: Draft202012Validator, name: str) -> None:
    resolved = BenchmarkSpec.model_validate(definition(name)).resolved()
    assert [error.message for error in validator.iter_errors(resolved)] == []


def put(values: Any, path: str, value: Any) -> Any:
    """`values` with one more, or another, setting at a path such as ``methods.1.uplink.levels``."""
    changed = copy.deepcopy(values)
    *parents, last = [int(key) if key.isdigit() else key for key in path.split(".")]
    place = changed
    for key in parents:
        place = place[key]
    place[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("sceanrios", {}),
        ("task.modell", "mlp"),
        ("task.partition.alfa", 0.3),
        ("federation.round", 3),
        ("methods.0.uplnk", "float32"),
        ("methods.1.uplink.level", 64),
        ("methods.1.downlink.kodec", {"kind": "float32"}),
        ("methods.1.downlink.codec.level", 64),
        ("methods.2.uplink.inner.ratio", 0.1),
        ("scenarios.radio", ["lte"]),
        ("scenarios.devise", "raspberry_pi_4"),
    ],
)
def test_the_schema_refuses_a_misspelt_key(validator: Draft202012Validator, path: str, value: Any) -> None:
    values = tiny([{"name": "fp32"}, BOTH_WAYS, SIGN])
    assert validator.is_valid(values)
    assert not validator.is_valid(put(values, path, value))
    with pytest.raises(ValueError, match=re.escape(path.rpartition(".")[2])):
        BenchmarkSpec.model_validate(put(values, path, value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", 3),
        ("task", "digit"),
        ("task.kind", "digit"),
        ("task.model", "transformer"),
        ("federation.lr", "0.1"),
        ("federation.rounds", 2.5),
        ("methods.0", "fp32"),
        ("methods.1.uplink", "quantffl"),
        ("methods.1.uplink.range_rule", "max"),
        ("methods.2.uplink.inner", None),
        ("seeds", 0),
        ("seeds", "three"),
        ("meter", "codecarbone"),
        ("scenarios.radios", ["lte_2022"]),
        ("scenarios.grids", ["Norway"]),
        ("scenarios.grids", [{"name": "campus", "g_per_kwh": 41}]),
        ("scenarios.device", "raspberry_pi"),
    ],
)
def test_the_schema_refuses_what_validation_refuses(validator: Draft202012Validator, path: str, value: Any) -> None:
    values = put(tiny([{"name": "fp32"}, BOTH_WAYS, SIGN]), path, value)
    assert not validator.is_valid(values)
    with pytest.raises(ValueError, match=r"\w"):
        BenchmarkSpec.model_validate(values)


@pytest.mark.parametrize("key", ["name", "task", "federation", "methods", "seeds", "scenarios"])
def test_the_schema_asks_for_what_validation_asks_for(validator: Draft202012Validator, key: str) -> None:
    values = tiny([{"name": "fp32"}])
    del values[key]
    assert not validator.is_valid(values)


def test_the_schema_explains_every_setting_of_every_part() -> None:
    schema = spec_schema()
    for table, entry in schema["$defs"].items():
        for part in entry["anyOf"][1:]:
            assert part["description"]
            for name, setting in part["properties"].items():
                assert name == "kind" or setting.get("description"), f"{table} {part['properties']['kind']}: {name}"
