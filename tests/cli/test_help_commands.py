"""Commands that explain: completion, list, init, doctor."""

from pathlib import Path

import pytest

from harness.cli import app
from harness.commands import doctor
from harness.commands.doctor import Check
from harness.spec import load


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("harness compare qu", ["quickstart"]),
        ("harness init ini", ["initialisation"]),
        ("harness price x --radio nr", ["nr_lowband", "nr_mmwave"]),
        ("harness price x --grid NO", ["NOR"]),
        ("harness report x --device ras", ["raspberry_pi_4", "raspberry_pi_5"]),
        ("harness list co", ["codecs"]),
        ("harness list codecs si", ["signsgd", "sign"]),
        ("harness list nothing x", []),
    ],
)
def test_the_shell_is_offered_names(
    words: str, offered: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = str(len(words.split()) - 1)
    asked = {"_HARNESS_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": place}
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        app.main()
    assert capsys.readouterr().out.split() == offered


def test_the_settings_of_a_part_are_listed_with_their_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["list", "codecs", "quantfl"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "coding ans" in text and "percentile unset share" in text
    assert app.run(["list", "codecs", "quantfl-paper"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "levels 64" in text and "coding packed" in text and "percentile unset share" in text
    assert app.run(["list", "codecs", "topk"]) == 0
    assert "ratio required" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["list", "codecs", "quantf"], "Did you mean quantfl?"),
        (["list", "codcs"], "Did you mean codecs?"),
        (["list", "grids", "NOR"], "grids have no settings"),
    ],
)
def test_a_misspelt_part_is_one_line(arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(arguments) == 2
    assert text in capsys.readouterr().err


def test_a_starter_is_written_once_and_is_valid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert app.run(["init"]) == 0
    assert load.load_spec(tmp_path / "quickstart.yaml").name == "quickstart"
    assert app.run(["init", "initialisation", "--out", "mine.yaml"]) == 0
    assert app.run(["validate", "mine.yaml"]) == 0
    (tmp_path / "mine.yaml").write_text("mine")
    assert app.run(["init", "--out", "mine.yaml"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "mine.yaml").read_text() == "mine"


def _energy(monkeypatch: pytest.MonkeyPatch, powercap: Path, *, is_readable: bool, is_virtual: bool) -> Check:
    monkeypatch.setattr(doctor, "POWERCAP", powercap)
    monkeypatch.setattr(doctor, "has_readable_rapl", lambda root: is_readable)
    monkeypatch.setattr(doctor, "is_virtual_machine", lambda: is_virtual)
    return next(check for check in doctor.examine() if check.name == "CPU energy")


def test_the_doctor_tells_how_energy_can_be_measured_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guest = _energy(monkeypatch, tmp_path, is_readable=False, is_virtual=True)
    assert guest.state == "note" and "4 W x CPU seconds (class E2)" in guest.found and "bare metal" in guest.remedy
    (tmp_path / "intel-rapl:0").mkdir()
    locked = _energy(monkeypatch, tmp_path, is_readable=False, is_virtual=False)
    assert locked.state == "note" and "only root may read it" in locked.remedy
    assert _energy(monkeypatch, tmp_path, is_readable=True, is_virtual=False).state == "ok"


def test_the_doctor_sees_data_and_ends_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "train.parquet").touch()
    monkeypatch.setenv("HARNESS_DATA", str(tmp_path))
    assert next(check for check in doctor.examine() if check.name == "data, mnist").state == "ok"
    monkeypatch.delenv("HARNESS_DATA")
    assert app.run(["doctor"]) == 0
    assert "set HARNESS_DATA" in " ".join(capsys.readouterr().out.split())


def test_the_doctor_fails_where_nothing_can_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda path, mode: False)
    assert app.run(["doctor"]) == 5
    assert "no write permission" in " ".join(capsys.readouterr().out.split())
