"""Judges a claims file: verdicts and maps, and the files that report them."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.claims import regions
from harness.claims.assumption_map import Amounts, ClaimMap
from harness.claims.claims_file import DEPLOYED, Claim, ClaimsFile, Judged, load_claims
from harness.claims.on_facts import Finding, judge_facts
from harness.claims.regions import RadioVerdict, Region, finding_of, region
from harness.claims.studies import NO_RESULTS, read_studies
from harness.core.errors import LedgerError
from harness.core.files import write_text
from harness.core.notes import URGENT, Note, jsonable
from harness.results.published_digests import not_as_published
from harness.results.runs import Runs
from harness.tables.pairs import OTHER_MACHINES

COLUMNS = [
    *("claim", "study", "method", "quantity", "unit", "estimate", "low", "high", "n", "side", "needed"),
    *("verdict", "condition"),
]
NO_COMPUTING = "what computing takes was not recorded"

_RADIO_ONLY = "radio_energy_j"


@dataclass(frozen=True, eq=False)
class Judgement:
    """All that was found.

    Attributes:
        rows: of ``claims.csv``, one per claim and what it is judged on.
        where: rows of ``where.csv``, one per point of a map.
        details: what is in no table, JSON-able: claims in words, maps radio by radio with what turns them.
    """

    rows: Sequence[Mapping[str, Any]]
    where: Sequence[Mapping[str, Any]]
    details: Mapping[str, Any]


def judge(path: Path, *, trusts_ledgers: bool = False) -> Judgement:
    """Judge every claim of a file on the results folders next to it. Writes nothing.

    Args:
        path: the file.
        trusts_ledgers: whether ledgers that are not what their digests state are read too, with a warning.

    Raises:
        SpecError: the file is wrong, or names what a study does not have; each problem with its place.
        UsageError: a file cannot be read.
        LedgerError: a ledger is damaged, not what its digests state, or not what ``digests.csv`` beside the file says.
    """
    changes = not_as_published(path.parent)
    if changes and not trusts_ledgers:
        raise LedgerError("\n".join(changes))
    return _Judge(load_claims(path), trusts_ledgers, [Note("warning", text) for text in changes]).judgement()


def write(judgement: Judgement, folder: Path) -> list[Path]:
    """Write the tables, the report and its figures into a folder. Returns what was written.

    Raises:
        EnvironmentLacksError: a file cannot be written.
    """
    from reports.claims.data import read_claims
    from reports.claims.page import claims_report
    from reports.figures.files import write_figures
    from reports.page.html import write_html
    from reports.page.markdown import write_markdown

    table, where, details, sheet, page = (
        folder / name for name in ("claims.csv", "where.csv", "claims.json", "claims.md", "claims.html")
    )
    write_text(table, pd.DataFrame(judgement.rows, columns=COLUMNS).to_csv(index=False))
    write_text(where, pd.DataFrame(judgement.where, columns=regions.COLUMNS).to_csv(index=False))
    write_text(details, json.dumps(judgement.details, ensure_ascii=False, indent=1, allow_nan=False) + "\n")
    report = claims_report(read_claims(folder))
    write_markdown(report, sheet)
    write_html(report, page)
    figures = [write_figures(report, folder)] if any(report.figures()) else []
    return [page, sheet, table, where, details, *figures]


class _Judge:
    """The claims of a file with the studies that they are judged on."""

    def __init__(self, file: ClaimsFile, trusts_ledgers: bool, notes: Sequence[Note]) -> None:
        self._file, self._notes = file, notes
        self._studies = read_studies(file, trusts_ledgers=trusts_ledgers)
        self._amounts: dict[tuple[str, str], Amounts | None] = {}

    def judgement(self) -> Judgement:
        rows, where, maps = [], [], []
        for claim in self._file.claims:
            for on in claim.on:
                if claim.needs.quantity not in DEPLOYED:
                    rows.append(_row(claim, on, judge_facts(claim.needs, on, self._studies[on.study])))
                    continue
                found = self._map(claim, on)
                if isinstance(found, str):
                    rows.append(_row(claim, on, Finding(None, "", "not resolved", found)))
                    continue
                others = [self._map(claim, other) for other in claim.on if other.study == on.study and other != on]
                here = region(found, [other for other in others if isinstance(other, ClaimMap)])
                rows.append(_row(claim, on, finding_of(here)))
                where += regions.rows(here, claim.name, on.study)
                maps.append(_map_entry(claim, on, here))
        claims = [{"name": claim.name, "says": claim.says, "source": claim.source} for claim in self._file.claims]
        details = {"schema_version": 1, "claims": claims, "maps": maps}
        doubts = [
            note.about(name)
            for name, runs in self._studies.items()
            if runs is not None
            for note in runs.study.notes
            if note.kind in URGENT
        ]
        notes = [*self._notes, *doubts]
        return Judgement(rows, where, details | ({"notes": jsonable(notes)} if notes else {}))

    def _map(self, claim: Claim, on: Judged) -> ClaimMap | str:
        """The map of a claim about a method, or why there is none."""
        runs, method = self._studies[on.study], str(on.method)
        if runs is None:
            return NO_RESULTS
        if (on.study, method) not in self._amounts:
            reference = runs.study.references[method]
            pair = runs.pair(method, reference)
            found = None if pair is None else Amounts(method, reference, pair, runs.scenarios)
            self._amounts[on.study, method] = found
        amounts = self._amounts[on.study, method]
        if amounts is None:
            return _why_none(runs, method)
        if claim.needs.quantity != _RADIO_ONLY and not amounts.is_computed:
            return NO_COMPUTING
        return ClaimMap(amounts, str(claim.needs.quantity), claim.needs.bound[1])


def _why_none(runs: Runs, method: str) -> str:
    finished = {name for name, _ in runs.ledgers}
    return OTHER_MACHINES if {method, runs.study.references[method]} <= finished else NO_RESULTS


def _row(claim: Claim, on: Judged, found: Finding) -> dict[str, Any]:
    side, needed = claim.needs.bound
    interval = found.interval
    return {
        "claim": claim.name,
        "study": on.study,
        "method": on.method or "",
        "quantity": claim.needs.label,
        "unit": found.unit,
        "estimate": interval.estimate if interval else None,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "n": interval.n if interval else 0,
        "side": side,
        "needed": needed,
        "verdict": found.verdict,
        "condition": found.condition,
    }


def _map_entry(claim: Claim, on: Judged, found: Region) -> dict[str, Any]:
    amounts = found.claim.amounts
    return {
        "claim": claim.name,
        "study": on.study,
        "method": amounts.method,
        "reference": amounts.reference,
        "seed": amounts.seed,
        "cohort": amounts.cohort,
        "update_bytes": amounts.reference_bytes,
        "device": amounts.device.title,
        "grid": None if amounts.grid is None else amounts.grid.name,
        "base_supply": found.claim.base.supply,
        "radios": [_radio(radio) for radio in found.radios],
    }


def _radio(radio: RadioVerdict) -> dict[str, Any]:
    return {
        "name": radio.name,
        "title": radio.title,
        "status": radio.base.status,
        "saves": radio.base.saves,
        "saves_fetched": None if radio.fetched is None else radio.fetched.saves,
        "is_validated": radio.is_validated,
        "obstacles": list(radio.obstacles),
        "size": None if radio.size is None else asdict(radio.size),
        "flips": [{key: _finite(value) for key, value in asdict(flip).items()} for flip in radio.flips],
    }


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
