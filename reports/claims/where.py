"""Shows where a claim on joules or grams holds: a grid of radios and update sizes, and what turns each radio."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from reports.claims.data import ClaimsData
from reports.document import Cell, Column, Figure, Table, Tile, Tiles
from reports.tables import lookup
from reports.tables.lookup import is_known
from reports.texts.numbers import ESTIMATE_DIGITS, absent, fixed, significant, size

_MODES = {"excluded": "Clients alone", "marginal": "With network, marginal", "average": "With network, average"}
_MOST_FLIPS = 6
HOW_TO_READ = (
    "In the base: the study's own size, clients alone, and what they are given before round 1 at no cost. If "
    "fetched: that comes over the air as well. By update size: from or up to which size of an update without a "
    "codec the claim holds, from a ten-thousandth to ten thousand times the study's. A coefficient is told with its "
    "typical value and the one at which the claim turns; choices stand after numbers."
)
"""What columns of `where_table` mean."""

_MARKS = {"infeasible": "\u2013", "nothing to save": "0"}


def where_figure(data: ClaimsData, each: Mapping[str, Any], key: str) -> Figure:
    """A panel per mode of the network: what is saved on each radio at each update size."""
    frame = data.where
    own = frame[
        (frame["claim"] == each["claim"])
        & (frame["study"] == each["study"])
        & (frame["method"] == each["method"])
        & (frame["supply"] == each["base_supply"])
        & (frame["cast"] != "multicast")
    ]
    names = [str(radio["name"]) for radio in each["radios"]]
    panels = tuple(_panel(own[own["network"] == mode], names, title) for mode, title in _MODES.items()
                   if (own["network"] == mode).any())  # fmt: skip
    held = [str(radio["name"]) for radio in each["radios"] if radio["status"] == "holds"]
    needed = float(own["needed"].iloc[0])
    return Figure(
        key=key,
        title=f"{each['claim']}, {each['study']}, {each['method']}: where it holds",
        caption=f"Per cent saved of {_unit_words(own)}, projected (P), by radio and by size of an update without a "
        f"codec. Shaded and bold where at least {needed:g} % are saved; {_MARKS['infeasible']} where a radio cannot "
        f"carry such updates. Typical values, {each['base_supply']}; a network carries payloads once for each client.",
        alt=f"Grids of savings by radio and update size. With clients alone at the study's own size it holds on "
        f"{', '.join(held) or 'no radio'}.",
        panels=panels,
    )


def where_table(each: Mapping[str, Any], key: str) -> Table:
    """A row per radio: the verdict in the base, by update size, and what turns it."""
    columns = (
        Column("radio", "Radio", is_number=False),
        Column("saves", "Saves", "%, projected (P)"),
        Column("status", "Claim", "in the base", is_number=False),
        Column("size", "By update size", "projected (P)", is_number=False),
        Column("flips", "Turned by", "one assumption at a time, nearest first", is_number=False),
    )
    rows = tuple(_row(radio) for radio in each["radios"])
    return Table(key, f"{each['claim']}, {each['study']}, {each['method']}: radio by radio", columns, rows)


def _row(radio: Mapping[str, Any]) -> tuple[Cell, ...]:
    named = Cell(str(radio["title"]), f"{radio['name']}{'' if radio['is_validated'] else ', not validated'}")
    if radio["obstacles"]:
        why = "; ".join(map(str, radio["obstacles"]))
        return named, absent("not possible"), Cell("infeasible", why, tone="warn"), absent(""), absent("")
    saves = radio["saves"]
    status = str(radio["status"])
    return (
        named,
        Cell(significant(saves, ESTIMATE_DIGITS), _fetched(radio), value=saves)
        if is_known(saves)
        else absent("nothing to save"),
        Cell(status, tone="plain" if status == "holds" else "warn"),
        Cell(_size_words(radio["size"])),
        Cell(_flips(radio)),
    )


def _fetched(radio: Mapping[str, Any]) -> str:
    """What is saved if what clients are given before round 1 comes over the air; empty if they are given nothing."""
    saves = radio["saves_fetched"]
    return f"{significant(saves, ESTIMATE_DIGITS)} if fetched" if is_known(saves) else ""


def _size_words(found: Mapping[str, Any]) -> str:
    if found["n_bytes"] is None:
        return {"always": "at all sizes", "never": "at no possible size"}[str(found["verdict"])]
    words = f"{str(found['verdict']).replace('_', ' ')} {size(float(found['n_bytes']))}"
    return words if found["is_only"] else f"{words}, not only"


def _flips(radio: Mapping[str, Any]) -> str:
    flips = [_flip(flip) for flip in radio["flips"]]
    more = f"; and {len(flips) - _MOST_FLIPS} more" if len(flips) > _MOST_FLIPS else ""
    return "; ".join(flips[:_MOST_FLIPS]) + more if flips else "nothing we vary"


def _flip(flip: Mapping[str, Any]) -> str:
    saves = flip["saves"]
    then = f"saves {significant(saves, ESTIMATE_DIGITS)} %" if is_known(saves) else "nothing to save"
    if flip["axis"] == "size":
        return f"update size at {size(float(flip['at']))} instead of {size(float(flip['typical']))}"
    if flip["at"] is not None:
        unit = "" if flip["unit"] in ("", "1") else f" {flip['unit']}"
        return f"{flip['name']} at {significant(flip['at'], 3)} instead of {significant(flip['typical'], 3)}{unit}"
    return f"{flip['name']} ({then})"


def _panel(rows: pd.DataFrame, names: list[str], title: str) -> Tiles:
    scales = sorted(rows["scale"].unique())
    points = lookup.records(rows)
    sizes = {point["scale"]: size(point["update_bytes"]) for point in points}
    known = {(point["radio"], point["scale"]): (point["saves"], point["status"]) for point in points}
    tiles = tuple(tuple(_tile(*known[name, scale]) for scale in scales) for name in names)
    return Tiles(title, "fp32 update", tuple(names), tuple(sizes[scale] for scale in scales), tiles)


def _tile(saves: float, status: str) -> Tile:
    if status in _MARKS:
        return Tile(_MARKS[status], "none")
    return Tile(fixed(saves, 0), "yes" if status == "holds" else "no", saves)


def _unit_words(rows: pd.DataFrame) -> str:
    return "grams" if rows["unit"].iloc[0] == "g" else "joules"
