"""What reports say of how settings were chosen."""

from pathlib import Path
from typing import Any

import pytest

from reports.sections.methods_text import methods_text
from reports.sections.tuning import tuning
from reports.tables.read import read_tables
from tests.report_tables import NAMES, write_tables


def told(trials: int, *at_border: str, chosen: Any = None) -> dict[str, Any]:
    return {"trials": trials, "chosen": {"lr": 0.1} if chosen is None else chosen, "at_border": list(at_border)}


def said(folder: Path, spec: dict[str, Any]) -> str:
    tables = read_tables(write_tables(folder, context={"spec": spec}))
    text = " ".join(sentence.text for sentence in tuning(tables))
    assert text in " ".join(paragraph.text for paragraph in methods_text(tables))
    return text


ALIKE = {name: told(12) for name in NAMES}


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({}, ""),
        (
            {"tuned": {"seeds": [1000], "methods": ALIKE}},
            "Settings were chosen by 12 trials each, seed 1000, on validation.",
        ),
        (
            {"tuned": {"seeds": [1000, 1001], "methods": ALIKE | {NAMES[0]: told(6)}}},
            "Settings were chosen unequally: fp32 by 6 trials; QuantFL 6-bit, QuantFL both ways and EF-SignSGD by 12 "
            "trials, seeds 1000 and 1001, on validation.",
        ),
        (
            {"tuned": {"seeds": [1000], "methods": {NAMES[0]: told(1)}}},
            "Settings were chosen by 1 trial each, seed 1000, on validation. Not tuned: QuantFL 6-bit, QuantFL both "
            "ways and EF-SignSGD.",
        ),
        (
            {"tuned": {"seeds": [1000], "methods": ALIKE | {NAMES[0]: told(12, "lr"), NAMES[1]: told(12, "lr")}}},
            "Settings were chosen by 12 trials each, seed 1000, on validation. lr of fp32 and QuantFL 6-bit was "
            "chosen at the border of its space.",
        ),
        (
            {"tuned": {"seeds": [1000], "methods": ALIKE | {NAMES[0]: told(12, chosen={})}}},
            "Settings were chosen by 12 trials each, seed 1000, on validation. The search had no setting of fp32.",
        ),
        (
            {"tune": {"trials": 12, "seeds": [1000]}},
            "Settings were not tuned: the search of 12 trials for each method that the definition names has not "
            "chosen them.",
        ),
    ],
)
def test_how_settings_were_chosen_is_said(spec: dict[str, Any], text: str, tmp_path: Path) -> None:
    assert said(tmp_path, spec) == text
