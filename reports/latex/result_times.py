"""Names seconds and days as results: rounds, runs, the way to a target, and how long batteries last."""

from collections.abc import Iterator

from reports.latex.result import Result
from reports.sections.timing import targets
from reports.tables import lookup, priced
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import duration

_LENGTHS = {
    "round_s": ("round time", "mean time of a round without the pause"),
    "longest_round_s": ("longest round time", "time of the longest round"),
    "duration_s": ("run time", "time of the whole run with pauses"),
}
_S_PER_DAY = 86_400.0


def time_results(tables: Tables, method: str, radio: str) -> Iterator[Result]:
    """What is known of the times of a method on a radio."""
    lengths = lookup.means(tables.schedule, ("method", "radio"), tuple(_LENGTHS)).get((method, radio), [])
    for value_s, (name, words) in zip(lengths, _LENGTHS.values(), strict=False):
        yield from _of_seconds(tables, (method, name, radio), value_s, f"{words} on {radio}")
    reached = targets(tables).get((method, radio, priced.first_grid(tables, radio)))
    if reached is not None and reached.means is not None:
        words = f"time to the target accuracy on {radio}"
        yield from _of_seconds(tables, (method, "target time", radio), reached.means["time_s"], words)
    lives = lookup.means(tables.endurance, ("method", "radio", "group"), ("days",))
    for (name, place, group), (days,) in lives.items():
        if (name, place) == (method, radio):
            path = (method, "battery life", radio, *([group] if priced.is_fleet(tables, radio) else []))
            words = f"how long a battery lasts at the pace of the run on {radio}"
            yield from _of_seconds(tables, path, _S_PER_DAY * days, words)


def _of_seconds(tables: Tables, path: tuple[str, ...], value_s: float, words: str) -> Iterator[Result]:
    if is_known(value_s):
        full = (str(tables.context["name"]), *path)
        meaning = f"{words}, {phrases.PROJECTED}; {path[0]}"
        yield Result(full, duration(value_s), None, value_s, None, "s", meaning)
