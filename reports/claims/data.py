"""Reads the data of a page about claims: ``claims.csv``, ``where.csv`` and ``claims.json``."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.notes import Note, notes_from
from reports.tables import lookup

_NUMBERS = (
    "estimate",
    "low",
    "high",
    "needed",
    "n",
    "cohort",
    "scale",
    "update_bytes",
    "ours",
    "theirs",
    "saves",
    "saves_fetched",
)


@dataclass(frozen=True, eq=False)
class ClaimsData:
    """Judged claims, read.

    Attributes:
        rows: verdicts, a row per claim and what it is judged on; numbers are floats, NaN where there is none.
        where: points of the maps.
        claims: by name, each claim in words with its source.
        notes: what must be said before any verdict.
        maps: of claims on joules and grams, verdicts radio by radio with what turns them.
    """

    rows: Sequence[Mapping[str, Any]]
    where: pd.DataFrame
    claims: Mapping[str, Mapping[str, Any]]
    maps: Sequence[Mapping[str, Any]]
    notes: tuple[Note, ...] = ()


def read_claims(folder: Path) -> ClaimsData:
    """The claims that were judged in a folder."""
    details = json.loads((folder / "claims.json").read_text(encoding="utf-8"))
    rows, where = (_read(folder / name) for name in ("claims.csv", "where.csv"))
    return ClaimsData(
        lookup.records(rows),
        where,
        {each["name"]: each for each in details["claims"]},
        details["maps"],
        notes_from(details.get("notes", ())),
    )


def _read(path: Path) -> pd.DataFrame:
    frame = pd.read_csv(path, dtype=str, keep_default_na=False)
    for name in _NUMBERS:
        if name in frame:
            frame[name] = pd.to_numeric(frame[name])
    return frame
