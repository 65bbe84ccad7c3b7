"""Lists column and page widths of common venues, so that a figure needs no scaling and keeps its font size.

Widths of column and text in the classes: IEEEtran 252 and 516 pt, acmart (sigconf) 241 and 506 pt,
ICML's style 3.25 and 6.75 in, NeurIPS's style one column of 5.5 in.
"""

from dataclasses import dataclass

from harness.core.errors import UsageError


@dataclass(frozen=True)
class Venue:
    """Widths of a venue.

    Attributes:
        title: name in prose.
        page_in: width of the text of a page, inches.
        column_in: width of one column, inches.
    """

    title: str
    page_in: float
    column_in: float


VENUES = {
    "ieee": Venue("IEEE", 7.16, 3.5),
    "acm": Venue("ACM", 7.0, 3.33),
    "icml": Venue("ICML", 6.75, 3.25),
    "neurips": Venue("NeurIPS", 5.5, 5.5),
}
IEEE = VENUES["ieee"]


def venue(name: str) -> Venue:
    """The venue called `name`.

    Raises:
        UsageError: there is no such venue.

    >>> venue("acm").column_in
    3.33
    """
    if name not in VENUES:
        raise UsageError(f"venue {name!r} is unknown (known: {', '.join(VENUES)})")
    return VENUES[name]
