# ruff: noqa: E501 - one case a line reads better than wrapped ones
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harness.core.errors import SpecError, UsageError
from harness.parsing.yaml_text import MAX_BYTES
from harness.parts import registry
from harness.spec import load
from harness.spec.load import dump_spec, find_benchmark, load_spec, parse_spec
from harness.spec.methods import Federation

GOOD = """\
name: tiny
task: {kind: digits, clients: 12, partition: {kind: dirichlet, alpha: 0.3}}
federation:
  rounds: 4
  cohort: 3
  lr: 0.1
methods:
  - name: fp32
  - name: six bits
    uplink: {kind: quantfl, levels: 64}
  - name: EF
    uplink: {kind: error_feedback, inner: {kind: quantfl, levels: 2}}
reference: fp32
seeds: 2
scenarios: {radios: [lte, wifi], grids: [NOR, DEU], device: raspberry_pi_4}
"""

CODECS = ", ".join(registry.choices("codec"))
FEDERATION = ", ".join(Federation.model_fields)
QUANTFL = ", ".join(["kind", *(field.name for field in dataclasses.fields(registry.load("codec", "quantfl")))])
TAKES_A_NAME = "is no codec; a name or a mapping is needed, e.g. {kind: float32}"

# what is replaced, by what, and the one line that must come of it
MISTAKES = {
    "unknown key": ("  cohort: 3", "  cohort: 3\n  cohrt: 4", f"6:3 federation.cohrt: unknown key; allowed: {FEDERATION}. Did you mean cohort?"),
    "unknown key at the root": ("seeds: 2", "seeds: 2\nseed: 2", "15:1 seed: unknown key; allowed: name, task, federation, methods, reference, seeds, meter, resources, record, contrasts, sections, scenarios, tune, tuned. Did you mean seeds?"),
    "unknown key of a codec": ("{kind: quantfl, levels: 64}", "{kind: quantfl, level: 64}", f"10:29 methods[1].uplink.level: unknown key; allowed: {QUANTFL}. Did you mean levels?"),
    "merge key": ("  cohort: 3", "  cohort: 3\n  <<: {lr: 1}", f"6:3 federation.'<<': unknown key; allowed: {FEDERATION}."),
    "missing key": ("  rounds: 4\n", "", "4:3 federation.rounds: missing; it is required"),
    "missing at the root": ("name: tiny\n", "", "1:1 name: missing; it is required"),
    "missing kind": ("{kind: quantfl, levels: 64}", "{levels: 64}", f"10:13 methods[1].uplink.kind: missing; one of {CODECS}"),
    "unknown kind": ("{kind: quantfl, levels: 64}", "{kind: QuanFL}", f'10:20 methods[1].uplink.kind: "QuanFL" is not one of {CODECS}. Did you mean quantfl?'),
    "unknown kind, short": ("{kind: quantfl, levels: 64}", "quantl", f'10:13 methods[1].uplink: "quantl" is not one of {CODECS}. Did you mean quantfl?'),
    "kind of a wrong type": ("{kind: quantfl, levels: 64}", "{kind: [1]}", f"10:20 methods[1].uplink.kind: a list is not one of {CODECS}."),
    "no part": ("{kind: quantfl, levels: 64}", "64", f"10:13 methods[1].uplink: 64 {TAKES_A_NAME}"),
    "empty part": (" {kind: quantfl, levels: 64}", "", f"10:12 methods[1].uplink: an empty value {TAKES_A_NAME}"),
    "deep range": ("levels: 2}", "levels: 1}", "12:67 methods[2].uplink.inner.levels: must be 2 to 65536 (got 1)"),
    "deep kind": ("{kind: quantfl, levels: 2}", "{kind: signsdg}", f'12:50 methods[2].uplink.inner.kind: "signsdg" is not one of {CODECS}. Did you mean signsgd?'),
    "choice": ("levels: 64", "reconstruction: center", '10:45 methods[1].uplink.reconstruction: "center" is not one of centre, mean, matched. Did you mean centre?'),
    "settings that clash": ("alpha: 0.3", "min_examples: 1", "2:46 task.partition: a dirichlet partition needs alpha, above 0 and at most 1e6"),
    "setting that another needs": ("levels: 64", "levels: 8, range_rule: percentile", "10:13 methods[1].uplink: percentile must be above 50 and below 100, e.g. 99.9 (got None)"),
    "seeds of a method": ("{kind: quantfl, levels: 64}", "float32\n    seeds: 5", "11:12 methods[1].seeds: 5 is above the 2 seeds of the benchmark"),
    "partition of a method": ("{kind: quantfl, levels: 64}", "float32\n    partition: {kind: column, column: writer}", "11:16 methods[1].partition: the digits have no column to partition by; use iid, dirichlet or label"),
    "kind of a method's partition": ("{kind: quantfl, levels: 64}", "float32\n    partition: {kind: iidd}", '11:23 methods[1].partition.kind: "iidd" is not one of iid, dirichlet, label, column. Did you mean iid?'),
    "downlink mode": ("{kind: quantfl, levels: 64}", "float32\n    downlink: {mode: deltas}", '11:22 methods[1].downlink.mode: "deltas" is not one of model, delta, since_start. Did you mean delta?'),
    "residual beside a difference": ("{kind: quantfl, levels: 64}", "float32\n    downlink: {mode: delta, codec: {kind: error_feedback, inner: signsgd}}", "11:36 methods[1].downlink.codec: delta sends what was lost with the next difference already; use the codec inside error_feedback"),
    "downlink of an increment": ("- name: fp32", "- name: fp32\n    downlink: {codec: {kind: ef21, inner: signsgd}}", "9:23 methods[0].downlink.codec: ef21 is for the uplink only: what it decodes is added to an estimate that only the server rule ef21 keeps"),
    "downlink without a magnitude": ("- name: fp32", "- name: fp32\n    downlink: {codec: sign, mode: delta}", "9:23 methods[0].downlink.codec: sign is for the uplink only: it carries no magnitude; signsgd does, in as many bits"),
    "record after the end": ("seeds: 2", "seeds: 2\nrecord: {updates_at: [1, 5]}", "15:26 record.updates_at[1]: 5 is above the 4 rounds"),
    "contrast with itself": ("seeds: 2", "seeds: 2\ncontrasts: [{name: a, plus: [EF], minus: [EF]}]", '15:43 contrasts[0].minus[0]: "EF" stands in plus as well, which takes it out of the comparison'),
    "server without its codec": ("- name: fp32", "- name: fp32\n    server: ef21", "8:5 methods[0]: float32 does not go with server ef21, which needs uplink ef21"),
    "budget": ("lr: 0.1", "lr: 0.1\n  budget: {direction: uplink, mbit: 0}", "7:37 federation.budget.mbit: 0.0 is out of range; allowed: above 0 and at most 1,000,000,000,000"),
    "schedule": ("lr: 0.1", "lr: 0.1\n  lr_schedule: cosin", '7:16 federation.lr_schedule: "cosin" is not one of constant, cosine. Did you mean cosine?'),
    "own federation, key": ("- name: fp32", "- name: fp32\n    federation: {round: 3}", f"9:18 methods[0].federation.round: unknown key; allowed: {FEDERATION}. Did you mean rounds?"),
    "own federation, range": ("- name: fp32", "- name: fp32\n    federation: {rounds: 0}", "9:26 methods[0].federation.rounds: 0 is out of range; allowed: 1 to 100,000"),
    "own federation, cohort": ("- name: fp32", "- name: fp32\n    federation: {cohort: 13}", "9:26 methods[0].federation.cohort: 13 is above the 12 clients of the task"),
    "own federation, scores": ("- name: fp32", "- name: fp32\n    federation: {score_every: 9}", "9:31 methods[0].federation.score_every: 9 is above the 4 rounds"),
    "coding that is not there": ("- name: fp32", "- name: fp32\n    also_code: [ans]", "9:17 methods[0].also_code[0]: neither uplink nor downlink has a coding that could be ans; leave also_code out"),
    "record": ("seeds: 2", "seeds: 2\nrecord: {updates_at: [2, 1, 2]}", "15:29 record.updates_at[2]: 2 is the same as updates_at[0]"),
    "contrast of no method": ("seeds: 2", "seeds: 2\ncontrasts: [{name: a, plus: [EF], minus: [fp23]}]", '15:43 contrasts[0].minus[0]: "fp23" is not one of fp32, six bits, EF. Did you mean fp32?'),
    "contrast of unequal sides": ("seeds: 2", "seeds: 2\ncontrasts: [{name: a, plus: [EF], minus: [fp32, six bits]}]", "15:42 contrasts[0].minus: 2 methods, but plus has 1; both sides need as many"),
    "init": ("- name: fp32", "- name: fp32\n    init: pretraind", '9:11 methods[0].init: "pretraind" is not one of random, pretrained. Did you mean pretrained?'),
    "range": ("rounds: 4", "rounds: 100001", "4:11 federation.rounds: 100001 is out of range; allowed: 1 to 100,000"),
    "zero": ("lr: 0.1", "lr: 0", "6:7 federation.lr: 0.0 is out of range; allowed: above 0 and at most 1,000"),
    "infinity": ("lr: 0.1", "lr: .inf", "6:7 federation.lr: inf is not a finite number"),
    "overflow": ("lr: 0.1", "lr: 1e999", "6:7 federation.lr: inf is not a finite number"),
    "not a number in a part": ("alpha: 0.3", "alpha: .nan", "2:71 task.partition.alpha: nan is not a finite number"),
    "text for a number": ("rounds: 4", "rounds: four", '4:11 federation.rounds: "four" is text; a whole number is needed'),
    "quoted number": ("rounds: 4", "rounds: '4'", '4:11 federation.rounds: "4" is text; a whole number is needed: leave the quotes out'),
    "leading zero": ("rounds: 4", "rounds: 04", '4:11 federation.rounds: "04" is text; a whole number is needed: write 4, without the leading zero'),
    "fraction for a whole number": ("rounds: 4", "rounds: 4.0", "4:11 federation.rounds: 4.0 is a number; a whole number is needed: write 4"),
    "fraction in a part": ("levels: 64", "levels: 64.5", "10:37 methods[1].uplink.levels: 64.5 is a number; a whole number is needed"),
    "truth for a number": ("rounds: 4", "rounds: true", "4:11 federation.rounds: true is a truth value; a whole number is needed"),
    "truth in a part": ("levels: 64", "levels: true", "10:37 methods[1].uplink.levels: true is a truth value; a whole number is needed"),
    "text in a part": ("levels: 64", "levels: '64'", '10:37 methods[1].uplink.levels: "64" is text; a whole number is needed: leave the quotes out'),
    "empty value": ("rounds: 4", "rounds:", "4:10 federation.rounds: empty; a whole number is needed"),
    "list for a number": ("rounds: 4", "rounds: [4]", "4:11 federation.rounds: a list is out of place; a whole number is needed"),
    "number for a name": ("- name: fp32", "- name: 32", "8:11 methods[0].name: 32 is a number; text is needed: put it in quotes"),
    "text for a list": ("radios: [lte, wifi]", "radios: lte", '15:21 scenarios.radios: "lte" is text; a list is needed, e.g. [a, b]'),
    "text for a mapping": ("scenarios: {radios: [lte, wifi], grids: [NOR, DEU], device: raspberry_pi_4}", "scenarios: lte", '15:12 scenarios: "lte" is text; a mapping is needed, e.g. {key: value}'),
    "no radios": ("[lte, wifi]", "[]", "15:21 scenarios.radios: an empty list; at least one radio, or a fleet, is needed"),
    "radio setting": ("[lte, wifi]", "[{kind: lte, tail: 1}]", "15:34 scenarios.radios[0].tail: unknown key; allowed: kind, rate_up_mbps, rate_down_mbps, tail_s, transport, retransmission_share. Did you mean tail_s?"),
    "radio twice": ("[lte, wifi]", "[lte, wifi, {kind: lte}]", '15:33 scenarios.radios[2]: "lte" is the same as radios[0]'),
    "own grid lacks a source": ("[NOR, DEU]", "[{name: campus, g_per_kwh: 41}]", "15:42 scenarios.grids[0].source: missing; it is required"),
    "own grid out of range": ("[NOR, DEU]", "[{name: campus, g_per_kwh: -1, source: x}]", "15:68 scenarios.grids[0].g_per_kwh: -1.0 is out of range; allowed: 0 to 10,000"),
    "meter": ("seeds: 2", "seeds: 2\nmeter: codecrabon", '15:8 meter: "codecrabon" is not one of codecarbon, cpu_time. Did you mean codecarbon?'),
    "method twice": ("- name: EF", "- name: fp32", '11:11 methods[2].name: "fp32" is the same as methods[0]'),
    "method alike": ("- name: EF", "- name: FP32.", '11:11 methods[2].name: "FP32." cannot be told from "fp32" at methods[0]'),
    "method without letters": ("- name: EF", "- name: '%'", '11:11 methods[2].name: "%" is no name: one line, no space at the ends, at least one letter or digit'),
    "long method": ("- name: EF", f"- name: {'x' * 201}", "11:11 methods[2].name: 201 characters; at most 200 are allowed"),
    "no methods": (GOOD[GOOD.index("methods:") : GOOD.index("reference")], "methods: []\n", "7:10 methods: an empty list; at least one entry is needed"),
    "reference": ("reference: fp32", "reference: fp23", '13:12 reference: "fp23" is not one of fp32, six bits, EF. Did you mean fp32?'),
    "cohort": ("cohort: 3", "cohort: 13", "5:11 federation.cohort: 13 is above the 12 clients of the task"),
    "score_every": ("cohort: 3", "cohort: 3\n  score_every: 5", "6:16 federation.score_every: 5 is above the 4 rounds"),
    "test round": ("cohort: 3", "cohort: 3\n  test_rounds: [9, 1]", "6:17 federation.test_rounds[0]: 9 is above the 4 rounds"),
    "test round twice": ("cohort: 3", "cohort: 3\n  test_rounds: [4, 1, 4]", "6:23 federation.test_rounds[2]: 4 is the same as test_rounds[0]"),
    "no seeds": ("seeds: 2", "seeds: 0", "14:8 seeds: 0 is out of range; allowed: 1 to 1,000"),
    "empty seeds": ("seeds: 2", "seeds: []", "14:8 seeds: an empty list; at least one entry is needed"),
    "seed twice": ("seeds: 2", "seeds: [7, 3, 7]", "14:15 seeds[2]: 7 is the same as seeds[0]"),
    "negative seed": ("seeds: 2", "seeds: [-1]", "14:9 seeds[0]: -1 is out of range; allowed: 0 to 4,294,967,295"),
    "seeds of a wrong type": ("seeds: 2", "seeds: many", '14:8 seeds: "many" is no seeds; a number of seeds or a list is needed, e.g. 3 or [0, 1, 2]'),
    "name": ("name: tiny", "name: My bench/1", '1:7 name: "My bench/1" cannot name a folder; allowed: a-z, 0-9, dot, dash and underscore, the first a letter or digit, at most 64 characters. Did you mean my-bench-1?'),
    "name that climbs": ("name: tiny", "name: ../x", '1:7 name: "../x" cannot name a folder; allowed: a-z, 0-9, dot, dash and underscore, the first a letter or digit, at most 64 characters. Did you mean x?'),
    "duplicate key": ("  cohort: 3", "  cohort: 3\n  rounds: 5", "6:3 federation.rounds: the key stands twice, first at line 4, column 3"),
    "alias": ("rounds: 4", "rounds: *r", "4:11 federation.rounds: aliases (*r) are not supported; write the value out"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_one_line_with_its_place(case):
    before, after, line = MISTAKES[case]
    assert GOOD.count(before) == 1
    with pytest.raises(SpecError) as caught:
        parse_spec(GOOD.replace(before, after), "bench.yaml")
    assert str(caught.value) == f"bench.yaml:{line}"


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ("[NOR, DEU]", "[NOR, NRO]", "15:47 scenarios.grids[1]: "),
        ("raspberry_pi_4", "raspbery_pi_4", "15:61 scenarios.device: "),
        ("[NOR, DEU]", "[DEU, NOR, de]", "15:52 scenarios.grids[2]: "),
    ],
)
def test_countries_and_devices_have_a_place(before, after, place):
    with pytest.raises(SpecError) as caught:
        parse_spec(GOOD.replace(before, after), "bench.yaml")
    assert str(caught.value).startswith(f"bench.yaml:{place}") and len(caught.value.problems) == 1


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file():
    text = (
        GOOD.replace("clients: 12", "clients: 1000").replace("alpha: 0.3", "alpha: x").replace("rounds: 4", "ronds: 4")
    )
    text = text.replace("levels: 64", "levels: 1, percentile: 99, range_rule: x").replace("levels: 2}", "levels: 1}")
    text = (
        text.replace("reference: fp32", "reference: ef").replace("seeds: 2", "seeds: [1, 1, x]").replace("wifi", "lte")
    )
    with pytest.raises(SpecError) as caught:
        parse_spec(text, "f")
    assert [(problem.line, problem.path) for problem in caught.value.problems] == [
        (2, "task.clients"),
        (2, "task.partition.alpha"),
        (4, "federation.rounds"),
        (4, "federation.ronds"),
        (10, "methods[1].uplink.levels"),
        (10, "methods[1].uplink.range_rule"),
        (12, "methods[2].uplink.inner.levels"),
        (13, "reference"),
        (14, "seeds[1]"),
        (14, "seeds[2]"),
        (15, "scenarios.radios[1]"),
    ]


def test_clashes_as_written_hide_none_that_equal_codes_make():
    with pytest.raises(SpecError) as caught:
        parse_spec(GOOD.replace("[lte, wifi]", "[lte, lte]").replace("[NOR, DEU]", "[DE, DEU]"), "f")
    assert [problem.path for problem in caught.value.problems] == ["scenarios.radios[1]", "scenarios.grids[1]"]


def test_a_cohort_is_compared_with_the_default_number_of_clients():
    with pytest.raises(SpecError, match=r"^f:5:11 federation\.cohort: 1000 is above the 20 clients of the task$"):
        parse_spec(GOOD.replace("clients: 12, ", "").replace("cohort: 3", "cohort: 1000"), "f")


@pytest.mark.parametrize("text", ["- a\n", "just text", "12", "---\n"])
def test_the_top_level_is_a_mapping(text):
    with pytest.raises(SpecError, match=r"^f:[12]:[14] a spec is a mapping with name, task"):
        parse_spec(text, "f")


def test_what_is_dumped_is_read_back():
    text = GOOD.replace("six bits", "'1e-3'").replace("name: EF", "name: 'NO'")
    spec = parse_spec(text, "f")
    assert [method.name for method in spec.methods] == ["fp32", "1e-3", "NO"]
    assert parse_spec(dump_spec(spec), "f") == spec
    assert parse_spec(dump_spec(spec), "f").resolved() == spec.resolved()


@pytest.mark.parametrize("name", load.benchmark_names())
def test_packaged_benchmarks_are_good_and_round_trip(name):
    spec = load_spec(find_benchmark(name))
    assert spec.name == name
    assert parse_spec(yaml.safe_dump(spec.resolved()), "f") == spec
    assert parse_spec(dump_spec(spec), "f") == spec


def test_the_quickstart_has_four_methods_and_three_seeds():
    spec = load_spec(find_benchmark("quickstart"))
    assert len(spec.methods) == 4 and spec.seeds == (0, 1, 2) and spec.reference == "fp32"


def test_a_path_goes_before_a_packaged_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_benchmark("quickstart").name == "quickstart.yaml"
    Path("quickstart").mkdir()
    assert find_benchmark("quickstart").name == "quickstart.yaml"
    Path("mine.yaml").write_text(GOOD)
    assert find_benchmark("mine.yaml") == Path("mine.yaml")
    with pytest.raises(UsageError, match=r"^quikstart: no such file, .*: .*quickstart.*\. Did you mean quickstart\?$"):
        find_benchmark("quikstart")
    Path("folder").mkdir()
    with pytest.raises(UsageError, match=r"^folder: a folder, not a file"):
        find_benchmark("folder")


def test_files_that_cannot_be_read_are_one_line(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"none\.yaml: there is no such file$"):
        load_spec(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match=r": a folder; the YAML file of a benchmark is needed$"):
        load_spec(tmp_path)
    with pytest.raises(UsageError, match=r": cannot be read: "):
        load_spec(Path("a\0b"))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UsageError, match=r"f\.yaml: cannot be read: Permission denied$"):
        load_spec(Path("f.yaml"))


def test_files_that_are_no_text_or_too_long(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_bytes("name: é\ntask: é".encode() + b"\xff\n")
    with pytest.raises(SpecError) as caught:
        load_spec(path)
    assert str(caught.value) == f"{path}:2:8 not UTF-8; save the file as UTF-8 text"
    path.write_text("#" * MAX_BYTES + "\n")
    with pytest.raises(SpecError, match=r":1:1 larger than 262,144 bytes; a spec is a page of text$"):
        load_spec(path)


def test_a_byte_order_mark_is_fine(tmp_path):
    path = tmp_path / "f.yaml"
    path.write_text(GOOD, encoding="utf-8-sig")
    assert load_spec(path).name == "tiny"


def test_reading_a_spec_loads_nothing_heavy():
    code = (
        "import sys; from harness.spec.load import load_spec, find_benchmark; load_spec(find_benchmark('quickstart')); "
        "print(sorted({'torch', 'pandas', 'scipy', 'matplotlib', 'datasets', 'sklearn', 'codecarbon'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
