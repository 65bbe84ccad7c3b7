"""Shows the method with the least carbon, by radio, grid and network mode, among those whose accuracy holds."""

from collections.abc import Iterator, Mapping, Sequence

from reports.document import Block, Bullets, Cell, Column, Paragraph, Section, Table
from reports.sections.least_remarks import least_remarks
from reports.sections.optional_parts import PARTS
from reports.tables import lookup, priced
from reports.tables.least_carbon import (
    MODES,
    TIED_DRAWS,
    TIED_SHARE,
    First,
    Least,
    Mode,
    compared,
    eligible,
    has_accuracy,
    holding,
)
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, NBSP, absent, percent, shorten, with_unit

_HEADINGS: Mapping[Mode, str] = {
    "excluded": "Network excluded",
    "marginal": "Network, marginal",
    "average": "Network, average",
}
_MODE_WORDS: Mapping[Mode, str] = {
    "excluded": "clients' devices and their radios alone",
    "marginal": "what these bits add in access network and core",
    "average": "their share of all that access network and core take",
}
_MOST_GRIDS = 4
"""Grids whose grams are told one by one."""
_LONGEST_NAME = 40


def least_carbon(tables: Tables) -> Section | None:
    """The rule, the table, and the remarks on it; None where fewer than two methods or no grid can be compared."""
    if not _is_comparable(tables):
        return None
    least = Least(tables)
    blocks: list[Block] = [Paragraph(_who(tables)), _table(tables, least)]
    remarks = least_remarks(tables, least)
    blocks += [Bullets(tuple(remarks))] if remarks else []
    return Section("least_carbon", "Least carbon (projected)", tuple(blocks))


def least_table(tables: Tables) -> Table | None:
    """A row per radio, or per radio and grid where not the same method is first on all of them."""
    return _table(tables, Least(tables)) if _is_comparable(tables) else None


def _is_comparable(tables: Tables) -> bool:
    has_grid = any(priced.grids_of(tables, radio) for radio in priced.radios(tables))
    return has_grid and len(compared(tables)) > 1


def _table(tables: Tables, least: Least) -> Table:
    names = eligible(tables)
    columns = (
        Column("radio", "Radio", "grid", is_number=False),
        *(Column(mode, _HEADINGS[mode], phrases.PROJECTED, is_number=False) for mode in least.modes),
    )
    rows = [row for radio in priced.radios(tables) for row in _rows(tables, least, names, radio)]
    title = "The method with the least carbon" + (" among those whose accuracy holds" if has_accuracy(tables) else "")
    return Table("least_carbon", title, columns, tuple(rows), _notes(tables, least))


def _rows(tables: Tables, least: Least, names: Sequence[str], radio: str) -> list[tuple[Cell, ...]]:
    grids = priced.grids_of(tables, radio)
    firsts = {mode: [least.first(names, (mode, radio, grid)) for grid in grids] for mode in least.modes}
    if not any(least.is_possible(name, radio) for name in names):
        row = (Cell(priced.radio_title(tables, radio)), *[absent("not possible")] * len(least.modes))
        return [row]
    is_same = all(len({(first.name, first.tied) if first else None for first in own}) == 1 for own in firsts.values())
    title = priced.radio_title(tables, radio)
    if is_same and len(grids) > 1:
        cells = [_cell(tables, firsts[mode], grids) for mode in least.modes]
        return [(Cell(title, f"all {len(grids)} grids"), *cells)]
    return [
        (Cell(title, priced.grid_title(grid)), *(_cell(tables, [firsts[mode][at]], [""]) for mode in least.modes))
        for at, grid in enumerate(grids)
    ]


def _cell(tables: Tables, firsts: Sequence[First | None], grids: Sequence[str]) -> Cell:
    """The first on all of some grids, with what it takes on each."""
    known = [first for first in firsts if first]
    if not known:
        return absent("not known")
    name, tied = known[0].name, known[0].tied
    grams = _grams([first.grams for first in known], grids)
    words = [
        _less(tables, known),
        grams,
        f"tied: {phrases.some([shorten(each, _LONGEST_NAME) for each in tied])}" if tied else "",
    ]
    return Cell(shorten(name, _LONGEST_NAME), "; ".join(filter(None, words)))


def _grams(values: Sequence[float], grids: Sequence[str]) -> str:
    texts = [with_unit(value, "g", ESTIMATE_DIGITS) for value in values]
    if len(values) > _MOST_GRIDS:
        low, high = (texts[values.index(end)] for end in (min(values), max(values)))
        return f"{low} to {high}"
    return ", ".join(f"{grid}{NBSP}{text}".lstrip(NBSP) for grid, text in zip(grids, texts, strict=True))


def _less(tables: Tables, firsts: Sequence[First]) -> str:
    """What the first takes less than the reference: over grids, least to most."""
    if firsts[0].name == lookup.reference(tables):
        return "the reference"
    shares = [1 - first.ratio for first in firsts if first.ratio is not None]
    if not shares:
        return "the reference not possible or not known"
    if min(shares) <= 0:
        return "no less than the reference"
    return phrases.less(shares)


def _who(tables: Tables) -> str:
    """Which methods are compared with each other, and which are not."""
    paired = [name for name in compared(tables) if name != lookup.reference(tables)]
    text = f"Compared are the reference ({lookup.reference(tables)}) and "
    if not has_accuracy(tables):
        text += "all methods that are paired with it: no test accuracy was compared, so none is a condition."
        return " ".join([text, *_left_out(tables)])
    rule = "test accuracy holds, the lower end of the paired interval being above \u22120.5 points"
    held = [name for name in holding(tables) if name in paired]
    many = f"{len(paired)} methods that are" if len(paired) > 1 else "one method that is"
    text += f"those of the {many} paired with it whose {rule}: "
    if len(held) == len(paired) > 1:
        text += "all of them."
    else:
        text += f"{phrases.some(held)}." if held else "none, which leaves the reference alone."
    return " ".join([text, *_left_out(tables)])


def _left_out(tables: Tables) -> Iterator[str]:
    """Methods that no table of one reference can hold."""
    left = [name for name in lookup.methods(tables) if name not in compared(tables)]
    other = [name for name in left if lookup.seeds_finished(tables, name)]
    for names, why in (
        (other, "have another initialisation, cohort or partition, or no seed in common"),
        ([name for name in left if name not in other], "have no finished cell"),
    ):
        if names:
            yield f"Left out, because they {why}: {phrases.some(names)}."


def _notes(tables: Tables, least: Least) -> tuple[str, ...]:
    network = "; ".join(f"{mode}: {_MODE_WORDS[mode]}" for mode in MODES if mode in least.modes)
    extra = [PARTS.get(part, part) for part in priced.included(tables) if not part.startswith("network")]
    also = (
        f" The totals of the definition have {phrases.listing(extra)} in them, and so has every column."
        if extra
        else ""
    )
    drawn = ""
    if least.drawn and not tables.ranks.empty:
        drawn = (
            f" or, under “{_HEADINGS[least.drawn]}”, which is what totals have and draws were made of, fewer than the "
            f"first in at least {percent(TIED_DRAWS, 0)} of draws"
        )
    return (
        f"Below a method stand what it takes less than the reference, and its grams of one training run of the whole "
        f"fleet, mean over the seeds that all of these methods have. Of the network, {network}.{also}",
        f"Tied: at most {percent(TIED_SHARE, 0)} more grams{drawn}.",
    )
