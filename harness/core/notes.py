"""Defines notes: caveats printed with numbers. Code decides by a note's kind and prints its text."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, cast, get_args

Kind = Literal["infeasible", "warning", "unvalidated", "validated", "reproduces", "remark"]
"""What a note does to what is said of a deployment.

- ``infeasible``: it cannot be done, and why. Its joules are printed for the record and are no option.
- ``warning``: it can be done, and nobody may miss this.
- ``unvalidated``: a model that was compared with no measured whole, or not well. Kept out of first sentences.
- ``validated``: a model that is near an energy which had no part in making it.
- ``reproduces``: a model that gives the total which its own source published, so that its arithmetic was tested.
- ``remark``: anything else, such as what a number assumes or leaves out.
"""

KINDS: tuple[Kind, ...] = get_args(Kind)

URGENT: tuple[Kind, ...] = ("infeasible", "warning")
"""What stands beside numbers wherever they are shown, the terminal and the page included."""


@dataclass(frozen=True)
class Note:
    """A caveat that is printed with numbers.

    Attributes:
        kind: one of `KINDS`. Only this decides how a note is used, never its text.
        text: one line without its kind and without a full stop.
    """

    kind: Kind
    text: str

    def __post_init__(self) -> None:
        """Refuse a kind that nobody would read."""
        if self.kind not in KINDS:
            raise ValueError(f"kind must be one of {', '.join(KINDS)} (got {self.kind!r})")

    def __str__(self) -> str:
        """The note as it is printed wherever its kind has no place of its own.

        >>> str(Note("warning", "two were late")), str(Note("remark", "the tail is not charged"))
        ('warning: two were late', 'the tail is not charged')
        """
        return self.text if self.kind == "remark" else f"{self.kind}: {self.text}"

    def about(self, name: str) -> "Note":
        """The same of one among several.

        >>> str(Note("infeasible", "too slow").about("meters"))
        'infeasible: meters: too slow'
        """
        return replace(self, text=f"{name}: {self.text}")


def remarks(texts: Iterable[str]) -> tuple[Note, ...]:
    """Each text as a remark."""
    return tuple(Note("remark", text) for text in texts)


def jsonable(notes: Iterable[Note]) -> list[dict[str, str]]:
    """Each note once, JSON-able.

    >>> jsonable([Note("warning", "two were late"), Note("warning", "two were late")])
    [{'kind': 'warning', 'text': 'two were late'}]
    """
    return [asdict(note) for note in dict.fromkeys(notes)]


def notes_from(values: Iterable[Note | Mapping[str, str] | str]) -> tuple[Note, ...]:
    """Notes as a radio gives them or as JSON has them: the only place where a kind is read from a text.

    Radios written before there was `Note` give texts, and tables that were published then hold them. A text is of the
    kind that it begins with before a colon, and a remark where it begins with none.

    Raises:
        ValueError: a kind is none of `KINDS`.
        TypeError: a mapping has other keys than ``kind`` and ``text``.

    >>> notes_from(["unvalidated: nothing was compared", "on the air: 129 s", Note("remark", "infeasible: no mark")])
    (Note(kind='unvalidated', text='nothing was compared'), Note(kind='remark', text='on the air: 129 s'), \
Note(kind='remark', text='infeasible: no mark'))
    """
    return tuple(map(_note, values))


def _note(value: Note | Mapping[str, str] | str) -> Note:
    if isinstance(value, Note):
        return value
    if isinstance(value, Mapping):
        return Note(**cast("Mapping[str, Any]", value))
    mark, colon, text = value.partition(":")
    if colon and mark in KINDS and mark != "remark":
        return Note(cast("Kind", mark), text.strip())
    return Note("remark", value)
