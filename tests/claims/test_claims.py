"""Files of claims: mistakes with their places, verdicts on facts, and what is not there yet."""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from harness.claims.claims_file import Judged, Needs, load_claims
from harness.claims.judge import judge
from harness.claims.on_facts import BETWEEN, judge_facts, saved, verdict_of
from harness.claims.studies import NO_RESULTS
from harness.cli import app
from harness.core.errors import SpecError, UsageError
from harness.ledger.store import Store
from harness.spec.spec import Contrast
from harness.statistics.intervals import Interval
from harness.tables.pairs import OTHER_MACHINES
from reports.claims.data import ClaimsData
from reports.claims.page import _lead
from tests.resealed import on_another_machine
from tests.results.test_merge import results
from tests.runs import BOTH_WAYS, FP32

GOOD = """\
claims:
  - name: total bits
    says: fewer bits
    needs: {quantity: total_bits, saves: 39.5}
    on: [{study: tiny, method: six}]
"""


def file_of(folder: Path, text: str) -> Path:
    path = folder / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def runs(values: dict[str, list[float]], quantity: str = "test_accuracy", **more: Any) -> Any:
    """Runs of `six` and `fp32` with these values seed by seed."""
    cells = pd.DataFrame(
        [
            {"method": method, "seed": seed, quantity: value}
            for method, of_seeds in values.items()
            for seed, value in enumerate(of_seeds)
        ]
    )
    study = SimpleNamespace(references={"six": "fp32"}, contrasts=more.get("contrasts", ()))
    empty = pd.DataFrame(columns=["quantity", "init", "other_init"])
    return SimpleNamespace(cells=cells, study=study, ledgers=[1], initialisations=more.get("initialisations", empty))


ON = Judged(study="tiny", method="six")

# --- Verdicts ---


@pytest.mark.parametrize(
    ("low", "high", "side", "needed", "verdict"),
    [
        (2.0, 3.0, "at least", 2.0, "holds"),
        (2.0, 3.0, "at least", 2.1, "not resolved"),
        (2.0, 3.0, "at least", 3.0, "not resolved"),
        (2.0, 3.0, "at least", 3.1, "does not hold"),
        (2.0, 3.0, "at most", 3.0, "holds"),
        (2.0, 3.0, "at most", 2.9, "not resolved"),
        (2.0, 3.0, "at most", 2.0, "not resolved"),
        (2.0, 3.0, "at most", 1.9, "does not hold"),
        (2.0, 2.0, "at least", 2.0, "holds"),
        (2.0, 2.0, "at most", 2.0, "holds"),
        (2.0, 2.0, "at most", 1.0, "does not hold"),
        (None, None, "at least", 0.0, "not resolved"),
    ],
)
def test_a_verdict_is_that_of_the_whole_interval(low: Any, high: Any, side: Any, needed: float, verdict: str) -> None:
    assert verdict_of(Interval(3, 2.5, low, high), side, needed) == verdict


def test_a_saving_turns_the_ends_of_a_ratio() -> None:
    found = saved(Interval(3, 0.6, 0.5, 0.7, "x"))
    assert (found.low, found.high) == (pytest.approx(30.0), pytest.approx(50.0))
    assert (found.estimate, found.n, found.note) == (pytest.approx(40.0), 3, "x")


def test_bits_that_are_the_same_at_every_seed_are_their_own_interval() -> None:
    found = runs({"six": [60.0, 60.0], "fp32": [100.0, 100.0]}, "total_bits")
    for saves, verdict in ((39.0, "holds"), (41.0, "does not hold")):
        assert judge_facts(Needs(quantity="total_bits", saves=saves), ON, found).verdict == verdict


def test_bits_before_round_1_belong_to_all_bits_alone() -> None:
    found = runs({"six": [20.0, 20.0], "fp32": [100.0, 100.0]}, "total_bits")
    found.cells["provisioning_bits"] = [40.0, 40.0, 0.0, 0.0]
    for quantity, estimate in (("total_bits", 80.0), ("all_bits", 40.0)):
        (interval,) = [judge_facts(Needs(quantity=quantity, saves=50.0), ON, found).interval]
        assert interval is not None and interval.estimate == pytest.approx(estimate), quantity


def test_a_file_is_summed_up_by_what_its_claims_are_about() -> None:
    rows = [
        {"method": "six", "quantity": "total_bits", "verdict": "holds"},
        {"method": "six", "quantity": "uplink_bits", "verdict": "holds"},
        {"method": "six", "quantity": "test_accuracy", "verdict": "not resolved"},
        {"method": "six", "quantity": "test_accuracy", "verdict": "not resolved", "n": 0},
        {"method": "", "quantity": "gain", "verdict": "does not hold"},
        {"method": "six", "quantity": "carbon_g", "verdict": "holds if"},
    ]
    rows = [{"n": 3} | row for row in rows]
    assert _lead(ClaimsData(rows, pd.DataFrame(), {}, ())) == (
        "Of 2 judgements on bits, 2 hold. Of 2 judgements on accuracy, 1 is not resolved and 1 has no results yet. Of "
        "1 judgement on error feedback and initialisations, 1 does not hold. Of 1 judgement on joules and grams, 1 "
        "holds under a condition."
    )


def test_accuracy_is_judged_in_points_by_its_interval() -> None:
    found = runs({"six": [0.890, 0.902, 0.898], "fp32": [0.900, 0.900, 0.900]})
    loss = judge_facts(Needs(quantity="test_accuracy", loses_at_most=2.0), ON, found)
    assert loss.interval is not None and loss.interval.estimate == pytest.approx(-1 / 3)
    assert (loss.verdict, loss.unit, loss.interval.n) == ("holds", "points", 3)
    tight = judge_facts(Needs(quantity="test_accuracy", loses_at_most=0.5), ON, found)
    assert (tight.verdict, tight.condition) == ("not resolved", BETWEEN)


def test_accuracy_that_only_happens_to_agree_and_one_seed_are_not_resolved() -> None:
    needs = Needs(quantity="test_accuracy", loses_at_most=0.5)
    for values in ([0.9, 0.9], [0.9]):
        found = judge_facts(needs, ON, runs({"six": values, "fp32": values}))
        assert found.verdict == "not resolved"
        assert "no interval" in found.condition


def test_values_that_nobody_recorded_are_not_resolved_and_not_zero() -> None:
    found = judge_facts(
        Needs(quantity="test_accuracy", loses_at_most=99.0), ON, runs({"six": [float("nan"), 0.9], "fp32": [0.9, 0.9]})
    )
    assert (found.verdict, found.condition) == ("not resolved", "not recorded at 1 of 2 seeds")
    assert found.interval is not None and found.interval.estimate is None


@pytest.mark.parametrize("there", [None, runs({"fp32": [0.9]})])
def test_a_study_or_method_without_results_is_not_resolved(there: Any) -> None:
    found = judge_facts(Needs(quantity="test_accuracy", loses_at_most=0.5), ON, there)
    assert (found.verdict, found.condition, found.interval) == ("not resolved", NO_RESULTS, None)


def test_a_contrast_is_judged_in_its_unit_from_either_side() -> None:
    named = Contrast(name="gain", plus=("six",), minus=("fp32",), quantity="test_accuracy")
    there = runs({"six": [0.91, 0.92, 0.915], "fp32": [0.9, 0.91, 0.9]}, contrasts=(named,))
    on = Judged(study="tiny")
    assert judge_facts(Needs(contrast="gain", at_most=3.0), on, there).verdict == "holds"
    assert judge_facts(Needs(contrast="gain", at_least=3.0), on, there).verdict == "does not hold"
    assert judge_facts(Needs(contrast="gain", at_least=1.0), on, there).unit == "points"


@pytest.mark.parametrize(
    ("of", "over", "bounds", "ends"),
    [("pretrained", "random", (0.5, 0.8), (0.5, 0.8)), ("random", "pretrained", (0.5, 0.8), (1.25, 2.0))],
)
def test_a_statistic_may_be_asked_the_other_way_round(of: str, over: str, bounds: Any, ends: Any) -> None:
    row = {"quantity": "absmax_sigmas", "init": "pretrained", "other_init": "random", "n_pairs": 3, "estimate": 0.6}
    table = pd.DataFrame([{**row, "low": bounds[0], "high": bounds[1], "note": ""}])
    needs = Needs(statistic="absmax_over_sigma", of=of, over=over, at_most=1.0)
    found = judge_facts(needs, Judged(study="tiny"), runs({"six": [0.9]}, initialisations=table))
    assert found.interval is not None and (found.interval.low, found.interval.high) == pytest.approx(ends)
    assert found.verdict == ("holds" if of == "pretrained" else "does not hold")


# --- The file ---


@pytest.mark.parametrize(
    ("old", "new", "place", "text"),
    [
        ("saves: 39.5", "save: 39.5", "4:35", "unknown key"),
        ("saves: 39.5", "loses_at_most: 1", "4:50", "does not go with total_bits; saves does"),
        (", saves: 39.5", "", "4:12", "missing; total_bits needs saves"),
        ("total_bits", "total_bit", "4:23", "Did you mean total_bits?"),
        ("quantity: total_bits, saves: 39.5", "at_most: 1", "4:12", "missing; one of quantity, contrast, statistic"),
        ("quantity: total_bits, saves: 39.5", "contrast: x, at_most: 1, at_least: 2", "4:48", "one bound"),
        ("quantity: total_bits, saves: 39.5", "statistic: sigma, of: a, at_most: 1", "4:12", "missing; a statistic"),
        ("quantity: total_bits", "quantity: total_bits, contrast: x", "4:45", "does not go with quantity"),
        (", method: six", "", "5:10", "missing; a quantity is that of a method"),
        ("{study: tiny, method: six}", "{study: a, method: m}, {study: a, method: m}", "5:33", "the same as"),
        ("saves: 39.5", "saves: 101", "4:42", "out of range"),
    ],
)
def test_every_mistake_has_its_place(old: str, new: str, place: str, text: str, tmp_path: Path) -> None:
    assert old in GOOD
    path = file_of(tmp_path, GOOD.replace(old, new))
    with pytest.raises(SpecError) as caught:
        load_claims(path)
    assert any(line.startswith(f"{path}:{place} ") and text in line for line in str(caught.value).splitlines()), caught


def test_a_file_that_is_missing_empty_or_no_mapping_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no such file"):
        load_claims(tmp_path / "claims.yaml")
    for text in ("", "[]"):
        with pytest.raises(SpecError, match="claims are a mapping"):
            load_claims(file_of(tmp_path, text))


def test_claims_of_one_name_are_refused(tmp_path: Path) -> None:
    second = GOOD.partition("claims:\n")[2].replace("total bits", "Total bits")
    with pytest.raises(SpecError, match=r"claims\[1\].name"):
        load_claims(file_of(tmp_path, GOOD + second))


# --- The command ---


@pytest.fixture(scope="module")
def tiny_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("claims")
    contrast = {"name": "six less fp32", "plus": ["six"], "minus": ["fp32"], "quantity": "total_bits"}
    results(root / "tiny", [FP32, BOTH_WAYS], seeds=[0, 1], contrasts=[contrast])
    return root


@pytest.mark.parametrize(
    ("needs", "on", "text"),
    [
        ("{quantity: total_bits, saves: 1}", "{study: tiny, method: sixx}", "fp32, six. Did you mean six?"),
        ("{quantity: total_bits, saves: 1}", "{study: tiny, method: fp32}", "nothing to compare it with"),
        ("{contrast: six les fp32, at_most: 1}", "{study: tiny}", "Did you mean six less fp32?"),
        ("{statistic: sigma, of: randm, over: x, at_most: 1}", "{study: tiny}", "randm is no initialisation of tiny"),
    ],
)  # fmt: skip
def test_names_that_a_study_does_not_have_are_mistakes_of_the_file(
    needs: str, on: str, text: str, tiny_results: Path
) -> None:
    path = tiny_results / "misspelt.yaml"
    path.write_text(f"claims: [{{name: a, needs: {needs}, on: [{on}]}}]", encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        judge(path)
    assert text in str(caught.value)
    assert str(caught.value).startswith(f"{path}:1:")


def test_the_command_judges_facts_and_says_what_is_missing(
    tiny_results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    claims = [
        {"name": "bits", "says": "a | few *bits*", "needs": {"quantity": "total_bits", "saves": 50},
         "on": [{"study": "tiny", "method": "six"}, {"study": "later", "method": "any"}]},
        {"name": "all bits", "needs": {"quantity": "total_bits", "saves": 99},
         "on": [{"study": "tiny", "method": "six"}]},
        {"name": "logs", "needs": {"contrast": "six less fp32", "at_most": 0}, "on": [{"study": "tiny"}]},
        {"name": "concentrated", "on": [{"study": "tiny"}],
         "needs": {"statistic": "kurtosis", "of": "random", "over": "pretrained", "at_most": 1}},
    ]  # fmt: skip
    path = tiny_results / "claims.yaml"
    path.write_text(json.dumps({"claims": claims[:3]}), encoding="utf-8")
    assert app.run(["claims", str(path)]) == 0
    assert "not resolved: no results yet" in " ".join(capsys.readouterr().out.split())
    rows = pd.read_csv(tiny_results / "claims.csv")
    assert rows["verdict"].tolist() == ["holds", "not resolved", "does not hold", "holds"]
    assert rows["n"].tolist() == [2, 0, 2, 2]
    assert rows["condition"][1] == NO_RESULTS
    assert pd.read_csv(tiny_results / "where.csv").empty
    page, sheet = ((tiny_results / f"claims.{end}").read_text(encoding="utf-8") for end in ("html", "md"))
    assert "a | few *bits*" in page and r"a \| few \*bits\*" in sheet
    assert not (tiny_results / "figures").exists()
    path.write_text(json.dumps({"claims": claims[3:]}), encoding="utf-8")
    assert app.run(["claims", str(path)]) == 2, "the study never starts from pretrained weights"


def test_joules_of_two_machines_or_without_computing_are_not_resolved(tiny_results: Path, tmp_path: Path) -> None:
    """Joules of computing rest on seconds of a machine; those of nobody are unknown, not zero."""
    shutil.copytree(tiny_results / "tiny", tmp_path / "tiny")
    text = GOOD.replace("total_bits, saves: 39.5", "device_energy_j, saves: 1")
    path = file_of(tmp_path, text)
    index = Store(tmp_path / "tiny").index()
    for entry in index:
        if entry.method == "six":
            on_another_machine(tmp_path / "tiny" / "cells" / entry.cell_id / "ledger")
    (row,) = judge(path).rows
    assert (row["verdict"], row["condition"], row["n"]) == ("not resolved", OTHER_MACHINES, 0)
    shutil.rmtree(tmp_path / "tiny" / "cells")
    (row,) = judge(path).rows
    assert (row["verdict"], row["condition"]) == ("not resolved", NO_RESULTS)


def test_an_equal_file_gives_equal_bytes(tiny_results: Path, tmp_path: Path) -> None:
    path = file_of(tiny_results, GOOD)
    names = ("claims.csv", "where.csv", "claims.json", "claims.md", "claims.html")
    assert app.run(["claims", str(path)]) == 0
    first = [(tiny_results / name).read_bytes() for name in names]
    assert app.run(["claims", str(path)]) == 0
    assert [(tiny_results / name).read_bytes() for name in names] == first
