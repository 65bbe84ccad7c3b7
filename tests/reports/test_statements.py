"""The checklist answer and the climate card: what is recorded is told, what is not is left to the author."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reports.document import Cards, Report
from reports.latex.fragment import render_latex
from reports.page.markdown import render_markdown
from reports.sections.statements import TO_FILL_IN, compute_checklist, model_card
from reports.tables.read import Tables, read_tables
from reports.texts.numbers import with_unit
from tests.report_tables import write_tables


def test_the_checklist_names_workers_times_and_energy(tmp_path: Path) -> None:
    text = render_markdown(compute_checklist(read_tables(write_tables(tmp_path))))
    assert "Answer: Yes" in text
    assert "CPU only, Example CPU, 2 threads" in text
    assert "of wall time together" in text
    assert "estimated by a meter" in text
    assert "memory" in text


def test_an_accelerator_is_named_and_never_denied(tmp_path: Path) -> None:
    folder = write_tables(tmp_path)
    context = json.loads((folder / "context.json").read_text())
    context["provenance"]["hardware"]["accelerators"] = ["Example GPU"]
    (folder / "context.json").write_text(json.dumps(context))
    tables = read_tables(folder)
    assert "Example GPU beside a CPU, Example CPU" in render_markdown(compute_checklist(tables))
    card = render_markdown(model_card(tables))
    assert "GPU: Example GPU." in card and "none was used" not in card


def test_joules_that_nobody_measured_are_not_invented(tmp_path: Path) -> None:
    tables = read_tables(write_tables(tmp_path, has_joules=False))
    assert "energy was not measured" in render_markdown(compute_checklist(tables))
    card = render_markdown(model_card(tables))
    assert "Not known: the energy was not measured throughout." in card
    assert " g in NOR" not in card


def test_the_card_leaves_to_the_author_what_the_harness_cannot_know(tmp_path: Path) -> None:
    tables = read_tables(write_tables(tmp_path))
    (card,) = (
        card for block in model_card(tables).sections[0].blocks if isinstance(block, Cards) for card in block.items
    )
    answers = dict(card.facts)
    assert answers["Is the resulting model publicly available?"] == TO_FILL_IN
    assert TO_FILL_IN in answers["Where was it computed?"]
    parts = tables.context["testbed"]
    joules = parts["cells_j"] + parts["attempts_j"] + sum(run["energy_j"] for run in parts["pretraining"])
    norway = next(grid for grid in tables.context["grids"] if grid["name"] == "NOR")
    grams = with_unit(joules / 3.6e6 * norway["g_per_kwh"], "g", 2)
    assert f"{grams} in NOR" in answers["How much CO2e did all experiments emit?"]
    assert "g/kWh" in answers["How much CO2e did all experiments emit?"]


@pytest.mark.parametrize("document", [compute_checklist, model_card])
def test_both_stand_in_both_formats(document: Callable[[Tables], Report], tmp_path: Path) -> None:
    tables = write_tables(tmp_path, context={"meter": {"kind": "<b> & \\input{x} %"}, "provenance": {}})
    report = document(read_tables(tables))
    sheet, paper = render_markdown(report), render_latex(report)
    assert sheet.startswith("# ") and "<b>" not in sheet
    assert "\\input" not in paper.replace("before \\input", "")
    assert "CPU only" in sheet and "CPU only" in paper


def test_of_runs_that_were_not_ours_no_machine_is_claimed(tmp_path: Path) -> None:
    tables = read_tables(write_tables(tmp_path, context={"origin": "logged"}))
    for report in (compute_checklist(tables), model_card(tables)):
        text = render_markdown(report)
        assert "on one thread" not in text and "none was used" not in text
        assert "knows no machine of theirs" in text
