"""The studies in `results/`: whole, small, of the facts that their ledgers hold, and told in the README as they are."""

import csv
import re
from pathlib import Path

import pytest

from harness.core.units import bits_from_bytes
from harness.ledger.store import Store
from harness.parts.facts_version import FACTS_VERSION
from harness.results.published_digests import not_as_published, write_digests
from harness.spec.load import load_spec
from harness.spec.plan import plan_cells
from tests.readme_results import BEGIN, END, RESULTS, ROOT, lines

STUDIES = sorted(path.parent.name for path in RESULTS.glob("*/index.json"))
MOST_CELL_BYTES, MOST_STUDY_BYTES = 110_000, 15_000_000
"""The longest runs have 150 rounds; all of up to 120 are below 100 kB."""


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_is_whole_and_small(study: str) -> None:
    folder = RESULTS / study
    for name in ("spec.yaml", "report.md", "tables/context.json", "tables/cells.csv", "tables/pairs.csv"):
        assert (folder / name).is_file(), name
    assert list((folder / "figures").glob("*.svg"))
    ids = {entry.cell_id for entry in Store(folder).index()}
    there = {path.name for path in (folder / "cells").iterdir()}
    assert there <= ids, "a cell that the index does not name"
    assert size_of(folder) <= MOST_STUDY_BYTES
    assert max(size_of(folder / "cells" / cell) for cell in there) <= MOST_CELL_BYTES


def listed() -> dict[str, tuple[int, int, int, int]]:
    """What ``results/README.md`` says of each study: cells, finished ones, version of facts, cells that resume."""
    rows = re.findall(r"^\| `([\w-]+)` \|(.*)\|$", (RESULTS / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    split = {study: [cell.strip() for cell in rest.split("|")] for study, rest in rows}
    return {
        study: (int(all_), int(done), int(facts), int(kept)) for study, (all_, done, facts, _, kept) in split.items()
    }


def test_every_study_is_listed_with_the_version_of_its_facts() -> None:
    assert sorted(listed()) == STUDIES


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_resumes_on_any_machine_as_far_as_is_said(study: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HARNESS_DATA", raising=False)
    store = Store(RESULTS / study)
    planned = {cell.cell_id for cell in plan_cells(load_spec(RESULTS / study / "spec.yaml"))}
    finished = {entry.cell_id for entry in store.index() if store.is_finished(entry.cell_id)}
    n_cells, n_finished, version, resumes = listed()[study]
    assert (len(planned), len(finished)) == (n_cells, n_finished)
    assert len(planned & finished) == resumes
    assert resumes == 0 or version == FACTS_VERSION


@pytest.mark.parametrize("study", STUDIES)
def test_tables_are_those_of_the_ledgers(study: str) -> None:
    """Bits and accuracy of a few cells, straight from the ledgers; digests of all."""
    store = Store(RESULTS / study)
    with (RESULTS / study / "tables" / "cells.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["method"], int(row["seed"])): row for row in csv.DictReader(file)}
    finished = [entry for entry in store.index() if store.is_finished(entry.cell_id)]
    assert set(rows) == {(entry.method, entry.seed) for entry in finished}
    for entry in finished[:: max(1, len(finished) // 8)]:
        row, ledger = rows[entry.method, entry.seed], store.ledger(entry.cell_id)
        assert row["facts_digest"] == ledger.facts_digest
        sent = ledger.transfers[ledger.transfers["round"] > 0].groupby("direction")["payload_bytes"].sum()
        assert int(float(row["uplink_bits"])) == bits_from_bytes(int(sent["uplink"]))
        assert int(float(row["downlink_bits"])) == bits_from_bytes(int(sent["downlink"]))
        scores = ledger.scores[(ledger.scores["split"] == "test") & (ledger.scores["metric"] == "accuracy")]
        assert float(row["test_accuracy"]) == scores.sort_values("round")["value"].iloc[-1]


def test_the_facts_are_those_that_were_published(tmp_path: Path) -> None:
    """All ledgers verify, and the list is of exactly them: `python -m tests.published_digests` renews it."""
    assert not_as_published(RESULTS) == []
    for study in STUDIES:
        (tmp_path / study).symlink_to(RESULTS / study)
    assert write_digests(tmp_path).read_text() == (RESULTS / "digests.csv").read_text()


def test_the_readme_says_what_the_tables_say() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    told = text.partition(BEGIN)[2].partition(END)[0].strip().splitlines()
    assert told == list(lines()), "paste the output of `python -m tests.readme_results`"
