"""The worked examples of CONTRIBUTING.md, run as they stand there: in a copy of the repository, edited as it says."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from harness.wire.frame import VERSION

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROOMS = ("harness", "baselines", "quantfl", "radio_models", "reports", "tests")

_EDIT = re.compile(
    r"\b(?P<how>New file|In|At the end of) `(?P<path>[\w/.]+)`(?:, below `(?P<anchor>[^`]+)`)?:\n\n"
    r"```\w+\n(?P<content>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Edit(NamedTuple):
    """One thing that the text tells the reader to write.

    Attributes:
        how: ``New file``, ``In`` or ``At the end of``.
        path: of the file, in the repository.
        anchor: the line below which it goes; None but for ``In``.
        content: whole lines.
    """

    how: str
    path: str
    anchor: str | None
    content: str


def edits_of(text: str) -> list[Edit]:
    return [Edit(**found.groupdict()) for found in _EDIT.finditer(text)]


def section(title: str) -> str:
    """The part of the text below a heading."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def apply(edit: Edit, root: Path) -> None:
    """What a reader does, with the refusals of one who reads closely."""
    path = root / edit.path
    if edit.how == "New file":
        assert not path.exists(), f"{edit.path} is no new file"
        path.write_text(edit.content, encoding="utf-8")
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    place = len(lines)
    if edit.how == "In":
        places = [number for number, line in enumerate(lines) if line.strip() == (edit.anchor or "").strip()]
        assert len(places) == 1, f"{edit.path}: {edit.anchor!r} stands there {len(places)} times"
        place = places[0] + 1
    assert not place or lines[place - 1].endswith("\n")
    path.write_text("".join([*lines[:place], edit.content, *lines[place:]]), encoding="utf-8")


Run = Callable[..., str]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of the repository with all edits of the text made."""
    root = tmp_path_factory.mktemp("contributed")
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room)  # with what is compiled: it is that of the same text
    for name in ("pyproject.toml", "README.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, root)
    for edit in edits_of(TEXT):
        apply(edit, root)
    yield root
    shutil.rmtree(root)


@pytest.fixture(scope="module")
def run(copy: Path) -> Run:
    """Runs Python in the copy; gives what it printed."""

    def call(*arguments: str) -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=copy, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return call


CODEC_BATTERY = (
    "tests/contracts/test_codecs.py",
    "tests/contracts/test_randomness.py",
    "tests/contracts/test_mutated_payloads.py",
    "tests/parts/test_registry.py",
)
CODEC_TESTS = "truncated or every_registered_codec or wire_ids"
RADIO_BATTERY = ("tests/contracts/test_radios.py",)
RADIO_TESTS = "umts_2009 or bibliography or marks_are_consistent"


def passed(output: str, files: tuple[str, ...]) -> int:
    """Tests of some files that passed in a run of pytest; none may have been skipped."""
    assert "SKIPPED" not in output, output
    return sum(line.startswith(files) and " PASSED " in line for line in output.splitlines())


SCRIPTS = {
    "task": """
import sys
from pathlib import Path
import numpy as np
from harness.parts import registry

task = registry.build("task", {"kind": "biopsies", "init": "pretrained", "clients": 5})
assert registry.build("task", registry.describe(task)) == task
assert "torch" not in sys.modules

task.prepare([0])
task.pretrain(registry.build("meter", "cpu_time"))
print(*(f"{name} {len(part.labels)}" for name, part in task.load_splits().items()))

problem = task.build(0, {"local_epochs": 1, "batch_size": 16, "lr": 0.1})
model = problem.initial_model()
updates = [problem.train(model, client, 1)[0] - model for client in range(5)]
after = (model + np.average(updates, axis=0, weights=problem.n_examples)).astype(np.float32)
print(problem.layout.size, sum(problem.n_examples), problem.evaluate(after, "validation")["accuracy"])

from harness.ledger.store import Store
from tests.runs import planned, run_here, tiny

(cell,) = planned(tiny(federation={"rounds": 1, "score_every": 1}) | {"task": {"kind": "biopsies", "clients": 5}})
assert run_here(cell, Path("biopsies")) is None
print(len(Store(Path("biopsies")).ledger(cell.cell_id).transfers))
""",
    "codec": """
from pathlib import Path
from harness.ledger.store import Store
from harness.parsing.yaml_text import read_yaml
from tests.runs import planned, run_here, tiny

methods = read_yaml(Path("methods.yaml").read_text(), "methods.yaml").value["methods"]
for cell in planned(tiny(methods)):
    assert run_here(cell, Path("results")) is None
    ledger = Store(Path("results")).ledger(cell.cell_id)
    sent = ledger.transfers[ledger.transfers["direction"] == "uplink"]
    scores = ledger.scores[ledger.scores["metric"] == "accuracy"]
    print(*set(sent["payload_bytes"] - sent["frame_bytes"]), len(sent), scores["value"].iloc[-1])
""",
    "radio": """
import json
from harness.parts import registry
from harness.price.accounting.account import account
from tests.deployments import assuming
from tests.ledgers import make_ledger

radio = registry.build("radio", "umts_2009")
ledger = make_ledger(rounds=1, clients=1, n_bytes=(50_000, 50_000))
(result,) = account(ledger, assuming(radio)).deployments
joules = {way: result.joules([way]) for way in ("downlink", "uplink")}
rows = {row.name: row.typical for row in radio.inputs()}
print(json.dumps({"rows": rows, **{way: [sum.low, sum.typical, sum.high] for way, sum in joules.items()}}))
""",
    "section": """
import json
from dataclasses import replace
from pathlib import Path
from reports.build import build_report
from reports.page.html import render_html
from reports.page.markdown import render_markdown
from tests.report_tables import write_tables

report = build_report(write_tables(Path("tables/full"), failed=[("fp32", 1)]))
for number, case in enumerate([{"n_seeds": 1, "failed": [("fp32", 0)], "names": ("fp32",)}, {"radios": ()}]):
    build_report(write_tables(Path(f"tables/{number}"), **case))
(section,) = (section for section in report.sections if section.key == "seeds")
table = section.blocks[1]
print(json.dumps({
    "order": [section.key for section in report.sections],
    "rows": [[cell.text for cell in row] for row in table.rows],
    "title": table.title,
    "html": render_html(replace(report, sections=(section,))),
    "markdown": render_markdown(report),
}))
""",
    "sources": """
from harness.results.citations import entries

for key in ("kalamkar2019", "wolberg1993", "balasubramanian2009"):
    print(*sorted(entries()[key].cited_by))
""",
    "lists": """
from harness.cli import app

for what in ("codecs", "radios", "tasks"):
    assert app.run(["list", what]) == 0
""",
    "schema": """
from harness.cli import app

assert app.run(["schema"]) == 0
""",
    "another": """
from pathlib import Path
from harness.cli.listing import rows
from harness.ledger.store import Store
from tests.runs import planned, run_here, tiny

print(dict(rows("codecs"))["mean_only"])
(cell,) = planned(tiny([{"name": "mean", "uplink": {"kind": "mean_only", "factor": 0.5}}]))
assert run_here(cell, Path("another")) is None
sent = Store(Path("another")).ledger(cell.cell_id).transfers
print(*set(sent[sent["direction"] == "uplink"]["payload_bytes"]))
""",
    "files": """
from harness.cli import app
from harness.run.engines import local
from reports.figures import draw
from tests.runs import PoolHere

local._workers = PoolHere().workers
draw._saved = lambda *_: b'<svg viewBox="0 0 1 1"><style></style></svg>'  # figures are not looked at here
assert app.run(["compare", "files.yaml", "--out", "files"]) == 0
""",
}
"""What each example is tried with. That of the task comes first: it looks for torch before anybody has loaded it."""

FILES = """
name: files
task: {kind: digits, clients: 90}
federation: {rounds: 2, cohort: 2, lr: 0.1}
seeds: 1
meter: cpu_time
scenarios: {radios: [lte], grids: [NOR]}
"""
"""What the definition that names files leaves out."""

ANOTHER = section("A part of another package")

_IN_TURN = """
import contextlib, io, json, sys

sys.path.insert(0, "installed")
told = {}
for name, script in json.loads(sys.stdin.read()).items():
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(script, name, "exec"), {"__name__": name})
    told[name] = printed.getvalue()
print(json.dumps(told))
"""


def _install(site: Path) -> None:
    """The other package, as far as Python can tell: its module lies beside `site`, its metadata in it."""
    metadata = site / "mean_only-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-only\nVersion: 1.0\n")
    found = re.search(r"```toml\n\[project.entry-points.\"(.*?)\"\]\n(.*?) = \"(.*?)\"\n```", ANOTHER)
    assert found
    (metadata / "entry_points.txt").write_text(f"[{found[1]}]\n{found[2]} = {found[3]}\n")


@pytest.fixture(scope="module")
def told(copy: Path) -> dict[str, str]:
    """What each script printed: all in one process, with a cache of its own."""
    for name, place, head in (("methods", "A codec", ""), ("files", "A part of another package", FILES)):
        methods = re.search(r"```yaml\n(.*?)```", section(place), re.DOTALL)
        assert methods
        (copy / f"{name}.yaml").write_text(head + methods[1], encoding="utf-8")
    own = next(edit.content for edit in edits_of(TEXT) if edit.path == "reports/sections/seeds.py")
    (copy / "my_section.py").write_text(own.replace("def seeds(", "def my_section("), encoding="utf-8")
    _install(copy / "installed")
    done = subprocess.run(
        [sys.executable, "-c", _IN_TURN],
        cwd=copy,
        env=os.environ | {"HARNESS_CACHE": str(copy / "cache")},
        input=json.dumps(SCRIPTS),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(
    ("title", "paths"),
    [
        (
            "A codec",
            [
                "baselines/truncated.py",
                "harness/parts/registry.py",
                "baselines/references.bib",
                "tests/contracts/promises.py",
            ],
        ),
        (
            "A radio",
            [
                "radio_models/umts.py",
                "harness/parts/registry.py",
                "radio_models/coefficients.csv",
            ],
        ),
        (
            "A task",
            [
                "harness/run/tasks/biopsies.py",
                "harness/parts/registry.py",
                "harness/run/tasks/references.bib",
            ],
        ),
        ("A report section", ["reports/sections/seeds.py", "reports/build.py", "reports/build.py"]),
        ("A part of another package", ["mean_only.py"]),
    ],
)
def test_an_example_is_one_file_and_lines_in_tables(title: str, paths: list[str]) -> None:
    edits = edits_of(section(title))
    assert [edit.path for edit in edits] == paths
    assert [edit.how for edit in edits].count("New file") == 1
    assert all(edit.content.count("\n") == 1 for edit in edits if edit.how == "In")


def test_every_block_of_code_is_run() -> None:
    # What is left are commands, the drawing of the arrows, an entry point, and what two definitions say.
    assert len(edits_of(TEXT)) == sum(TEXT.count(f"```{kind}\n") for kind in ("python", "csv", "bibtex"))
    assert (TEXT.count("```yaml\n"), TEXT.count("```toml\n")) == (2, 1)


def test_the_text_names_what_exists() -> None:
    new = {edit.path for edit in edits_of(TEXT) if edit.how == "New file"}
    named = set(re.findall(r"`((?:[\w.]+/)+[\w.]+)`", TEXT))
    assert len(named) > 10
    # What is to be added is called mine.
    named = {path for path in named - new if not path.endswith("/mine.py")}
    assert [path for path in named if not (ROOT / path).exists()] == []


def test_the_examples_are_clean(run: Run) -> None:
    new = [edit.path for edit in edits_of(TEXT) if edit.path.endswith(".py")]
    run("-m", "ruff", "check", *new)
    run("-m", "ruff", "format", "--check", *new)


def test_the_codec_and_the_radio_pass_the_batteries_and_rows_the_checks(run: Run, copy: Path) -> None:
    golden = copy / "tests" / "golden" / f"v{VERSION}" / "payloads.json"
    before = json.loads(golden.read_text(encoding="utf-8"))
    run("-m", "tests.contracts.codec_examples")
    after = json.loads(golden.read_text(encoding="utf-8"))
    assert set(after) - set(before) == {"truncated"} and after.items() >= before.items()
    output = run("-m", "pytest", *CODEC_BATTERY, *RADIO_BATTERY, "-n0", "-vv", "-k", f"{CODEC_TESTS} or {RADIO_TESTS}")
    # One case for each law of a codec without randomness and state, which runs on all hostile updates and damages.
    assert passed(output, CODEC_BATTERY) >= 27
    assert passed(output, RADIO_BATTERY) > 8


def test_the_codec_trains_a_cell(told: dict[str, str]) -> None:
    printed = told["codec"]
    raw, truncated = (line.split() for line in printed.splitlines())
    # 3 rounds of 2 clients; 9,610 entries of 32 bits, or of 12: a byte each and half a byte each.
    assert (raw[:2], truncated[:2]) == (["38440", "6"], [str(9610 + 4805), "6"])
    # A mantissa of three bits is enough to learn about as much.
    assert float(truncated[2]) == pytest.approx(float(raw[2]), abs=0.1)


def test_the_radio_prices_a_ledger_as_by_hand(told: dict[str, str]) -> None:
    printed = told["radio"]
    found: dict[str, Any] = json.loads(printed)
    lines = next(edit.content for edit in edits_of(TEXT) if edit.path.endswith(".csv")).splitlines()
    assert found["rows"] == {row[0]: float(row[2]) for row in csv.reader(lines)}
    # 50 kB down: a ramp, 50 x 0.025 J, and a tail of 2.6 s that the upload cuts short: the device, half as fast as the
    # host, decodes for 0.2 s, trains for 2 s and encodes for 0.4 s.
    assert found["downlink"][1] == pytest.approx(3.5 + 1.25 + 2.6 * 0.62)
    # 50 kB up: no ramp, 50 x 0.025 J, and a full tail of 12.5 s.
    assert found["uplink"][1] == pytest.approx(1.25 + 12.5 * 0.62)
    # Numbers from memory count half to double; settings, such as the tail, are held.
    assert found["uplink"] == pytest.approx([4.5, 9.0, 18.0])


def test_the_task_prepares_builds_and_trains(told: dict[str, str]) -> None:
    printed = told["task"]
    splits, trained, transfers = printed.splitlines()
    assert splits == "public 69 train 300 validation 100 test 100"
    n_parameters, n_examples, accuracy = trained.split()
    assert (n_parameters, n_examples) == ("4226", "300")
    assert float(accuracy) > 0.85
    assert transfers == "4"  # in a benchmark: a round of two clients, down and up


def test_the_section_appears_in_every_format_and_never_raises(told: dict[str, str]) -> None:
    printed = told["section"]
    found: dict[str, Any] = json.loads(printed)
    assert found["order"].index("seeds") == found["order"].index("accuracy") + 1
    assert [row[0] for row in found["rows"]] == ["fp32", "QuantFL 6-bit", "QuantFL both ways", "EF-SignSGD"]
    assert found["rows"][0][2] == "no finished cell"
    for page in (found["html"], found["markdown"]):
        assert "Seed by seed" in page and found["title"] in page
        assert all(cell in page for row in found["rows"] for cell in row)


def test_the_sources_reach_the_bibliography(told: dict[str, str]) -> None:
    # Rows of coefficients name their entry.
    assert told["sources"].splitlines() == ["codec:truncated", "task:biopsies", ""]


def test_what_was_added_is_listed_and_in_the_schema(told: dict[str, str]) -> None:
    assert all(name in told["lists"] for name in ("truncated", "umts_2009", "biopsies"))
    assert {"truncated", "umts_2009", "biopsies"} <= set(re.findall(r'"const": "(\w+)"', told["schema"]))


def test_the_part_of_another_package_is_listed_and_trains(told: dict[str, str]) -> None:
    listed, n_bytes = told["another"].splitlines()
    assert listed == "The mean of all entries, times a factor. (from mean-only 1.0)"
    assert n_bytes == "16", "a frame of 12 bytes and a float32"


def test_the_definition_that_names_files_runs_with_them(told: dict[str, str], copy: Path) -> None:
    assert "wrote files/report.md" in told["files"]
    assert "Seed by seed" in (copy / "files" / "report.md").read_text(encoding="utf-8")
    assert "mean_only" in (copy / "files" / "spec.yaml").read_text(encoding="utf-8")
