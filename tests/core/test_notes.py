"""Notes: their kind survives being written and read, and is taken from a text in one place only."""

import json

import pytest

from harness.core.notes import KINDS, Kind, Note, jsonable, notes_from

OF_EVERY_KIND = [Note(kind, "infeasible: as some texts begin") for kind in KINDS]


def test_a_kind_survives_json_whatever_the_text_says() -> None:
    assert list(notes_from(json.loads(json.dumps(jsonable(OF_EVERY_KIND))))) == OF_EVERY_KIND


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_printed_reads_back(kind: Kind) -> None:
    note = Note(kind, "on the air: 129 s")
    assert str(note).endswith("on the air: 129 s")
    assert notes_from([str(note)]) == (note,)


@pytest.mark.parametrize("said", ["outside the standard: too fast", "infeasible", "remark: of mine", "Warning: late"])
def test_a_text_without_a_kind_is_a_remark_as_it_stands(said: str) -> None:
    assert notes_from([said]) == (Note("remark", said),)


def test_a_kind_that_nobody_reads_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^kind must be one of infeasible, .* \(got 'infeasable'\)$"):
        Note("infeasable", "too slow")  # type: ignore[arg-type]


def test_a_name_stands_before_the_text_and_behind_the_kind() -> None:
    assert [str(note.about("meters")) for note in (Note("warning", "late"), Note("remark", "slow: 1 s"))] == [
        "warning: meters: late",
        "meters: slow: 1 s",
    ]
