"""Versions of facts: what a change of code must raise, and which cells are others for it."""

import os
from dataclasses import dataclass

import pytest

from baselines.qsgd import Qsgd
from harness.parts import facts_version
from harness.run import cell as cells
from harness.run.cell import cell_id, versions_of
from harness.run.tasks import prepared_data
from harness.run.tasks.digits import Digits
from harness.run.tasks.settings import Trained
from harness.spec.plan import expand
from harness.spec.spec import BenchmarkSpec
from quantfl.codec import QuantFL
from tests import golden_facts
from tests.golden_facts import Record, unversioned
from tests.runs import BOTH_WAYS, FP32, SIGN, SIX_BIT, tiny

WRAPPED = {"name": "wrapped", "uplink": {"kind": "error_feedback", "inner": SIX_BIT}}
METHODS = [FP32, BOTH_WAYS, SIGN, WRAPPED, {"name": "public", "init": "pretrained"}]
SPEC = BenchmarkSpec.model_validate(tiny(METHODS))


def ids() -> list[str]:
    return [cell_id(cell) for cell in expand(SPEC)]


def changed(before: list[str]) -> list[str]:
    """Names of the methods whose cells have other ids now."""
    return [method.name for method, old, new in zip(SPEC.methods, before, ids(), strict=True) if old != new]


@pytest.mark.skipif(
    golden_facts.made_with() != golden_facts.recorded_with() and os.environ.get("CI") != "true",
    reason="facts were recorded with other libraries, or on another architecture: they may differ in last digits",
)
def test_facts_are_those_that_were_recorded() -> None:
    before, now = golden_facts.recorded(), golden_facts.facts_now()
    assert unversioned(before, now) == []
    assert now == before, "versions were raised: record the facts anew with `python -m tests.golden_facts`"


def test_golden_facts_cover_both_task_families_and_what_makes_facts() -> None:
    parts = {part for record in golden_facts.recorded().values() for part in record["versions"]}
    assert {"task digits", "task images", "pretraining", "codec quantfl", "codec error_feedback"} <= parts
    assert {"server mean", "server fedavgm", "server fedadam", "server majority_vote", "server ef21"} <= parts


def test_a_comment_in_the_sources_changes_no_id(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids()
    monkeypatch.setattr(facts_version, "source_files", lambda: iter([]))
    facts_version.source_digest.cache_clear()
    assert ids() == before
    facts_version.source_digest.cache_clear()


def test_a_raised_version_of_a_codec_changes_the_cells_that_use_it_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids()
    monkeypatch.setattr(QuantFL, "version", 2, raising=False)
    assert changed(before) == ["six", "wrapped"]
    monkeypatch.setattr(Qsgd, "version", 2, raising=False)
    assert changed(before) == ["six", "wrapped"]


def test_a_raised_version_of_pretraining_changes_the_cells_that_start_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids()
    monkeypatch.setattr(cells, "PRETRAINING_VERSION", 2)
    assert changed(before) == ["public"]


def test_a_raised_version_of_what_all_share_changes_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    before = ids()
    monkeypatch.setattr(facts_version, "FACTS_VERSION", 2)
    assert changed(before) == [method.name for method in SPEC.methods]


def test_codecs_and_server_rules_of_one_name_have_versions_of_their_own() -> None:
    method = {
        "name": "m",
        "uplink": {"kind": "ef21", "inner": {"kind": "topk", "ratio": 0.1}},
        "server": {"kind": "ef21"},
    }
    (cell,) = expand(BenchmarkSpec.model_validate(tiny([method])))
    assert {"codec ef21", "server ef21", "codec topk", "task digits"} <= set(versions_of(cell))


def record(digest: str, **versions: int) -> Record:
    return {"digest": digest, "versions": {"facts": 1, "codec a": 1} | versions}


BEFORE = {
    "first": record("1"),
    "second": record("2", b=1),
    "third": record("3", pretraining=1),
    "fourth": record("4", b=1),
}


def test_changed_facts_name_the_part_that_changed_cells_share() -> None:
    now = BEFORE | {"second": record("20", b=1), "fourth": record("40", b=1)}
    assert [line.partition(", then")[0] for line in unversioned(BEFORE, now)] == [
        "fourth: facts changed: raise the version of b, an attribute of its class",
        "second: facts changed: raise the version of b, an attribute of its class",
    ]
    (line,) = unversioned(BEFORE, BEFORE | {"third": record("30", pretraining=1)})
    assert "raise the version of pre-training, PRETRAINING_VERSION in harness/parts/facts_version.py" in line


def test_changed_facts_of_all_cells_name_what_all_share() -> None:
    now = {name: {**found, "digest": found["digest"] + "0"} for name, found in BEFORE.items()}
    lines = unversioned(BEFORE, now)
    assert len(lines) == 4 and all("FACTS_VERSION in harness" in line for line in lines)


def test_changed_facts_under_a_raised_version_are_as_they_should_be() -> None:
    assert unversioned(BEFORE, BEFORE | {"second": record("20", b=2)}) == []


def folders(**task: object) -> dict[str, object]:
    part = Digits(init="pretrained", train=Trained("head"), **task)  # type: ignore[arg-type]
    return {
        "data": prepared_data._data_folder(part),
        "public": prepared_data._public_folder(part),
        "model": prepared_data.pretraining_folder(part),
        "activations": prepared_data.activations_folder(part, seed=0),
    }


def changed_folders(before: dict[str, object]) -> list[str]:
    return [name for name, folder in folders().items() if folder != before[name]]


def test_what_is_cached_follows_the_versions_of_what_made_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = folders()
    with monkeypatch.context() as patch:
        patch.setattr(prepared_data, "PRETRAINING_VERSION", 2)
        assert changed_folders(before) == ["public", "model", "activations"]
    with monkeypatch.context() as patch:
        patch.setattr(Digits, "version", 2)
        assert changed_folders(before) == ["data", "public", "model", "activations"]
    with monkeypatch.context() as patch:
        patch.setattr(facts_version, "FACTS_VERSION", 2)
        assert changed_folders(before) == ["data", "public", "model", "activations"]
    assert changed_folders(before) == []


def test_a_setting_called_version_is_no_version_of_facts() -> None:
    @dataclass(frozen=True)
    class Theirs:
        version: str = "v2"

    assert facts_version.version_of(Theirs) == 1
