"""Notes on their way from a radio to the terminal, ``context.json``, the page's data and the report: by kind alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from harness.cli.summary import print_summary
from harness.commands.price import Priced, price
from harness.commands.render import write_tables
from harness.core.notes import KINDS, Note, notes_from
from harness.price.assumptions.overrides import with_changes
from radio_models.lorawan import LoRaWan
from reports.build import build_report
from reports.page.markdown import render_markdown
from reports.tables import priced as radios_of
from reports.tables.read import read_tables

TOLD = Note("remark", "infeasible: what this radio calls a payload above 51 bytes")
"""A text that begins as another kind prints."""


def table(folder: Path, n_bytes: int) -> Path:
    """A published table: so many bytes up in each of 100 rounds, of each of 10 clients."""
    path = folder / "published.csv"
    total = 1000 * n_bytes
    path.write_text(
        "method,rounds,clients,bytes_up,bytes_down,accuracy\n"
        f"FedAvg,100,10,{total},{total},0.912\nQSGD,100,10,{total // 8},{total},0.91\n"
    )
    return path


def priced_on(source: Path, *radios: str) -> Priced:
    return price(source, lambda old: with_changes(old, radios, ["NOR"], None, []))


def terminal(priced: Priced, capsys: pytest.CaptureFixture[str]) -> str:
    """What is printed, on one line."""
    print_summary(priced)
    return " ".join(capsys.readouterr().out.split())


def on_page(priced: Priced, name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(radio for radio in priced.what_if()["radios"] if radio["name"] == name)
    return found


def test_an_infeasible_radio_is_named_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1 MB at SF7 takes 45.9 h at a duty cycle of 1 %; the limit is a day."""
    priced = priced_on(table(tmp_path, 1_000_000), "lorawan", "lte")
    assert "infeasible: a round keeps a client on the link for" in terminal(priced, capsys)
    assert {note["kind"] for note in on_page(priced, "lorawan")["notes"]} == {"infeasible"}
    assert on_page(priced, "lte")["notes"] == []
    tables = read_tables(write_tables(priced, tmp_path / "out"))
    assert radios_of.feasible_radios(tables) == ["lte"]
    sheet = render_markdown(build_report(tmp_path / "out" / "tables"))
    assert "is infeasible here: a round keeps a client on the link for" in sheet
    assert f"{LoRaWan.title} (infeasible)" in sheet
    assert "infeasible: a round" not in sheet


def test_no_reader_takes_a_note_for_what_its_text_begins_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoRaWan, "notes", lambda self: (TOLD, Note("validated", "unvalidated: an old word of ours")))
    priced = priced_on(table(tmp_path, 40), "lorawan", "lte")
    assert "infeasible" not in terminal(priced, capsys)
    assert (on_page(priced, "lorawan")["notes"], on_page(priced, "lorawan")["is_validated"]) == ([], True)
    tables = read_tables(write_tables(priced, tmp_path / "out"))
    assert "lorawan" in radios_of.headline_radios(tables)
    assert radios_of.radio_title(tables, "lorawan") == LoRaWan.title
    assert TOLD.text in radios_of.noted(tables, "lorawan", "remark")
    assert "is infeasible here" not in render_markdown(build_report(tmp_path / "out" / "tables"))


def test_all_notes_of_a_context_have_a_kind_and_none_is_told_twice(tmp_path: Path) -> None:
    context = json.loads(json.dumps(priced_on(table(tmp_path, 1000), "lorawan", "wifi").context))
    lists = [context["notes"], context["scenarios"]["notes"], *(r["notes"] for r in context["scenarios"]["radios"])]
    assert all(lists[1:]), "a power supply and every radio have something to say"
    for entries in lists:
        notes = [Note(**entry) for entry in entries]
        assert notes == list(dict.fromkeys(notes))
        assert {note.kind for note in notes} <= set(KINDS)
    assert {"reproduces", "unvalidated", "remark"} == {note.kind for note in notes_from(lists[-1])}
