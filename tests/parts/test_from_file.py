"""Parts from a file that a definition names: run, kept, changed, moved, and everything that can be wrong with one."""

import shutil
from pathlib import Path

import pytest

from harness.cli import app
from harness.commands import render as rendering
from harness.core.errors import SpecError, UsageError
from harness.ledger.store import Store
from harness.parts import from_file, registry
from harness.run.engines import local
from harness.spec.load import load_spec
from harness.spec.plan import expand
from tests.parts.test_entry_points import CODEC, RADIO, SECTION
from tests.runs import PoolHere, harness, tiny, write_spec

METER = """
from dataclasses import dataclass, replace
from contextlib import contextmanager
from typing import ClassVar

from harness.run.meters.cpu_time import CpuTimeMeter


@dataclass(frozen=True)
class Sundial(CpuTimeMeter):
    \"\"\"A sundial.\"\"\"

    kind: ClassVar[str] = "sundial"
"""
MEAN = {"file": "mine.py", "class": "Mean", "factor": 0.5}


def write(folder: Path, source: str = CODEC.format(kind="mine"), name: str = "mine.py") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(source, encoding="utf-8")
    return folder


def definition(folder: Path, uplink: object = MEAN, **changes: object) -> Path:
    return write_spec(tiny([{"name": "fp32"}, {"name": "mean", "uplink": uplink}]) | changes, folder)


def test_a_file_is_named_by_its_content_not_by_its_place(tmp_path: Path) -> None:
    first, second = (definition(write(tmp_path / name)) for name in ("here", "there"))
    mapping = load_spec(first).resolved()["methods"][1]["uplink"]
    assert {key: mapping[key] for key in ("kind", "file", "class", "factor")} == {"kind": "mine", **MEAN}
    assert expand(load_spec(first)) == expand(load_spec(second))
    write(tmp_path / "there", CODEC.format(kind="mine") + "# changed\n")
    assert expand(load_spec(first)) != expand(load_spec(second))


def test_what_is_built_can_be_built_again_from_its_description(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    part = load_spec(definition(write(tmp_path))).methods[1].uplink
    described = registry.describe(part)
    assert registry.build("codec", described) == part
    nested = {"kind": "error_feedback", "inner": described}
    assert registry.describe(registry.build("codec", nested))["inner"] == described
    from_file.keep()
    assert (tmp_path / "cache" / "parts" / described["digest"] / "mine.py").is_file()


def test_a_codec_that_says_it_keeps_a_residual_is_refused_where_ours_are(tmp_path: Path) -> None:
    source = CODEC.format(kind="mine").replace("    wire_id:", "    keeps_residual = True\n    wire_id:")
    folder = write(tmp_path, source)
    for uplink, downlink, why in (
        (
            "float32",
            {"codec": MEAN, "mode": "delta"},
            "with the next difference already; use a codec that keeps no resi",
        ),
        ({"kind": "error_feedback", "inner": MEAN}, {}, "a codec without error feedback of its own (got mine)"),
    ):
        method = {"name": "mean", "uplink": uplink, "downlink": downlink}
        with pytest.raises(SpecError) as caught:
            load_spec(write_spec(tiny([{"name": "fp32"}, method]), folder))
        assert why in str(caught.value)


def test_a_run_with_files_goes_on_from_its_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = definition(
        write(write(write(tmp_path), SECTION, "words.py"), METER, "sun.py"),
        meter={"file": "sun.py", "class": "Sundial"},
        sections=[{"file": "words.py", "function": "coo"}],
    )
    monkeypatch.setattr(local, "_workers", PoolHere().workers)
    monkeypatch.setattr(rendering, "render", lambda tables, results: [])
    assert app.run(["compare", str(path), "--out", str(tmp_path / "out")]) == 0
    text = (tmp_path / "out" / "spec.yaml").read_text(encoding="utf-8")
    assert str(tmp_path) not in text
    # Away from where it was written, without the files and without the cache, in a process that has seen none of them.
    moved = tmp_path / "elsewhere" / "results"
    shutil.copytree(tmp_path / "out", moved)
    for name in ("mine.py", "words.py", "sun.py"):
        (tmp_path / name).unlink()
    before = {entry.cell_id for entry in Store(tmp_path / "out").index()}
    again = harness("report", moved, folder=tmp_path, HARNESS_CACHE=str(tmp_path / "empty"))
    assert again.returncode == 0, again.stderr
    assert "2 cells flew" in (moved / "report.md").read_text(encoding="utf-8")
    assert expand(load_spec(moved / "spec.yaml"))[1].method["uplink"]["file"] == "mine.py"
    capsys.readouterr()
    assert app.run(["compare", str(moved / "spec.yaml"), "--out", str(moved)]) == 0
    assert "2 of 2 cells are finished already" in capsys.readouterr().err
    assert {entry.cell_id for entry in Store(moved).index()} == before


WRONG = {
    "no file": ({"file": "gone.py", "class": "Mean"}, "gone.py: there is no such file"),
    "a folder": ({"file": ".", "class": "Mean"}, "there is no such file"),
    "no class": ({"file": "mine.py", "class": "Mode"}, 'mine.py: has no "Mode"'),
    "no part": ({"file": "mine.py", "class": "np"}, "class np of mine.py: it is no class"),
    "a setting": (
        {"file": "mine.py", "class": "Mean", "facto": 1.0},
        "unknown key; allowed: kind, factor. Did you mean factor?",
    ),
    "a value": ({"file": "mine.py", "class": "Mean", "factor": -1.0}, "must be above 0"),
    "another digest": ({"file": "mine.py", "class": "Mean", "digest": "0" * 16}, "is not the file that is meant"),
    "texts": ({"file": 3, "class": "Mean"}, "texts are needed"),
    "not Python": ({"file": "notes.txt", "class": "Mean"}, "is no Python file"),
    "broken": ({"file": "broken.py", "class": "Mean"}, "broken.py: cannot be imported: ZeroDivisionError"),
    "a kind of ours": ({"file": "topk.py", "class": "Mean"}, 'its kind "topk" is that of a part of the harness'),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_a_file_is_told_with_its_place(case: str, tmp_path: Path) -> None:
    uplink, text = WRONG[case]
    write(write(write(tmp_path), "1 / 0", "broken.py"), CODEC.format(kind="topk"), "topk.py")
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(SpecError) as caught:
        load_spec(definition(tmp_path, uplink))
    (found,) = caught.value.problems
    assert text in found.text
    assert found.path.startswith("methods[1].uplink")
    assert str(tmp_path) not in found.text or case in ("no file", "a folder", "another digest")


@pytest.mark.parametrize("meter", ["no.py:Sundial", {"file": "mine.py", "class": "Mean"}, 3, {"file": "sun.py"}])
def test_a_meter_that_is_none_is_told(meter: object, tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(definition(write(tmp_path), meter=meter))
    assert caught.value.problems[0].path.startswith("meter")


def test_a_section_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r'words\.py: has no "moo"'):
        load_spec(
            definition(write(write(tmp_path), SECTION, "words.py"), sections=[{"file": "words.py", "function": "moo"}])
        )


def test_a_file_from_the_command_line_is_relative_to_where_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path))
    assert registry.build("codec", MEAN).factor == 0.5
    with pytest.raises(UsageError, match="no such file"):
        registry.build("codec", MEAN | {"file": "../mine.py"})


def test_a_radio_that_fails_while_runs_are_priced_is_named_and_costs_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lands = "        return ConstantPerBit().coefficients()"
    falls = RADIO.replace(lands, "        raise ValueError('no\\nwind')")
    assert falls != RADIO
    write(tmp_path, falls, "bird.py")
    path = definition(write(tmp_path), scenarios={"radios": [{"file": "bird.py", "class": "Pigeon"}], "grids": ["NOR"]})
    monkeypatch.setattr(local, "_workers", PoolHere().workers)
    assert app.run(["compare", str(path), "--out", str(tmp_path / "out")]) == 5
    *_, last = capsys.readouterr().err.strip().splitlines()
    assert last.startswith("error: bird.py, line ")
    assert ": ValueError: no wind. It is a part that the harness was given" in last
    store = Store(tmp_path / "out")
    assert all(store.is_finished(entry.cell_id) for entry in store.index())
