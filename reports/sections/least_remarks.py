"""Explains the table of least carbon in sentences: what eats savings, and what the first methods rest on.

Savings are those of the best method after the reference, on each radio and in each network mode: where the reference
is first, of the one that comes after it.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from reports.tables import lookup, priced
from reports.tables.least_carbon import First, Least, Mode, Where, compared, eligible
from reports.tables.lookup import Range
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, NBSP, percent_estimate, significant

EATEN = 0.1
"""Share of what a radio saved from which it is said that something else takes it back."""
HALF_PASSES = 0.5

_RADIO = ("uplink", "downlink")


def least_remarks(tables: Tables, least: Least) -> list[str]:
    """The sentences that apply, in a fixed order."""
    names, conditioned = compared(tables), eligible(tables)
    firsts = _firsts(tables, least, conditioned)
    rivals = [name for name in (conditioned if len(conditioned) > 1 else names) if name != lookup.reference(tables)]
    subjects: dict[str, list[str]] = {}
    for (_, radio, _), first in _firsts(tables, least, rivals).items():
        subjects.setdefault(first.name, []).append(radio)
    found: list[str] = []
    for name, where in subjects.items():
        radios = list(dict.fromkeys(where))
        found += [*_codec(tables, name, radios), *_tails(tables, name, radios), *_rounds(tables, name, radios)]
    winners = list(dict.fromkeys(first.name for first in firsts.values()))
    found += [*_feedback(tables, winners), *_parts(tables, winners)]
    return [*found, *_unconditional(tables, firsts, _firsts(tables, least, names))]


def _firsts(tables: Tables, least: Least, names: Sequence[str]) -> dict[Where, First]:
    places = [(radio, grid) for radio in priced.radios(tables) for grid in priced.grids_of(tables, radio)]
    keys: list[Where] = [(mode, *place) for place, mode in product(places, least.modes)]
    return {key: first for key in keys if (first := least.first(names, key))}


def _codec(tables: Tables, name: str, radios: Sequence[str]) -> Iterator[str]:
    """Where coding takes back more than a little of what the radio saved."""
    found = []
    for radio in radios:
        extra, saved = _extra(tables, name, radio, ("codec",)), -_extra(tables, name, radio, _RADIO)
        if saved > 0 and extra > EATEN * saved:
            found.append(f"{percent_estimate(extra / saved)} on {priced.bare_title(tables, radio)}")
    if found:
        yield (
            f"The codec of {name} takes back, in joules of computing, {phrases.listing(found)} of what its radio saves."
        )


def _tails(tables: Tables, name: str, radios: Sequence[str]) -> Iterator[str]:
    """Where radio sessions keep more than half of what was saved in bits."""
    bits = lookup.pair(tables, name, "total_bits")
    if bits is None or bits.value is None or bits.value >= 1:
        return
    found = []
    for radio in radios:
        passed = lookup.pair(tables, name, "pass_through", radio)
        if passed is not None and passed.value is not None and passed.value < HALF_PASSES:
            found.append(f"{significant(passed.value, ESTIMATE_DIGITS)} on {priced.bare_title(tables, radio)}")
    if found:
        yield (
            f"Sessions of the radio, with their tails, keep more than half of what {name} saves in bits: pass-through "
            f"is {phrases.listing(found)}."
        )


def _rounds(tables: Tables, name: str, radios: Sequence[str]) -> Iterator[str]:
    """Where training in further rounds takes back what the radio saved."""
    reference = lookup.reference(tables)
    rows = tables.cells.groupby("method", sort=False)["rounds"].mean()
    if reference not in rows or not rows[name] > rows[reference]:
        return
    eaten, nothing = [], []
    for radio in radios:
        extra, saved = _extra(tables, name, radio, ("local_training",)), -_extra(tables, name, radio, _RADIO)
        title = priced.bare_title(tables, radio)
        if saved <= 0:
            nothing.append(title)
        elif extra > EATEN * saved:
            eaten.append(f"{percent_estimate(extra / saved)} on {title}")
    effects = [f"training in them takes back {phrases.listing(eaten)} of what its radio saves"] if eaten else []
    effects += [f"its radio saves nothing on {phrases.listing(nothing)}"] if nothing else []
    ours, theirs = (phrases.rounds(lookup.rounds(tables, each)).text for each in (name, reference))
    yield f"{'; '.join([f'{name} runs more rounds, {ours} for {theirs} of {reference}', *effects])}."


def _extra(tables: Tables, name: str, radio: str, components: Sequence[str]) -> float:
    """Joules of some components that a method takes beyond the reference; NaN, which compares as false, if unknown."""
    ours, theirs = (lookup.energy(tables, each, radio) for each in (name, lookup.reference(tables)))
    nothing = Range(0.0, 0.0, 0.0)
    return sum(ours.get(key, nothing).typical - theirs.get(key, nothing).typical for key in components)


def _feedback(tables: Tables, winners: Sequence[str]) -> Iterator[str]:
    names = [name for name in winners if lookup.codec(tables, name).get("keeps_residual")]
    if names:
        verb = "uses" if len(names) == 1 else "use"
        yield (
            f"{phrases.some(names)} {verb} error feedback: each client keeps what it did not send, a vector as long as "
            "what is trained, until it is asked again."
        )


def _parts(tables: Tables, winners: Sequence[str]) -> Iterator[str]:
    """What is trained by methods that are first and do not train all of the model."""
    names_of: dict[str, list[str]] = {}
    for name in winners:
        words = _trained(tables, name)
        if words:
            names_of.setdefault(words, []).append(name)
    of_reference = _trained(tables, lookup.reference(tables))
    for words, names in names_of.items():
        also = ", as the reference does" if words == of_reference and lookup.reference(tables) not in names else ""
        verb = "trains" if len(names) == 1 else "train"
        yield f"{phrases.some(names)} {verb} part of the model only: {words}{also}."


def _trained(tables: Tables, name: str) -> str:
    """What a method trains, in words; empty if that is all of the model, or not recorded."""
    settings = lookup.description(tables, name).get("train")
    if not isinstance(settings, Mapping):
        return ""
    is_whole = settings.get("kind") == "all" and settings.get("blocks") is None
    return "" if is_whole else phrases.trained(settings)


def _unconditional(tables: Tables, firsts: Mapping[Where, First], free: Mapping[Where, First]) -> Iterator[str]:
    """Who would be first if accuracy did not count, where that is another."""
    found: dict[str, dict[Where, First]] = {}
    for where, first in free.items():
        if where not in firsts or firsts[where].name != first.name:
            found.setdefault(first.name, {})[where] = first
    for name, own in found.items():
        shares = [1 - first.ratio for first in own.values() if first.ratio is not None]
        less = ""
        if shares and min(shares) > 0:
            less = f", {phrases.less(shares)} than the reference"
        points = phrases.points(lookup.score_difference(tables, name), has_verdict=False)
        lost = f", at {points.text}{NBSP}points of test accuracy" if points.value is not None else ""
        lost += f" ({phrases.CONFIDENCE} {points.detail})" if points.ends else ""
        yield f"If accuracy were no condition, {name} would be first {_places(tables, own, free)}{less}{lost}."


def _places(tables: Tables, own: Mapping[Where, First], whole: Mapping[Where, First]) -> str:
    """Where some of the first methods are first, in as few words as possible."""
    if set(own) == set(whole):
        return "everywhere"
    words = []
    for radio in dict.fromkeys(radio for _, radio, _ in own):
        here = [where for where in own if where[1] == radio]
        everywhere = [where for where in whole if where[1] == radio]
        title = priced.bare_title(tables, radio)
        words.append(f"on {title}" if len(here) == len(everywhere) else f"on {title} ({_within(here, everywhere)})")
    return phrases.listing(words)


def _within(here: Sequence[Where], everywhere: Sequence[Where]) -> str:
    modes: list[Mode] = list(dict.fromkeys(mode for mode, _, _ in here))
    grids = list(dict.fromkeys(grid for _, _, grid in here))
    n_grids = len({grid for _, _, grid in everywhere})
    network = f"network {phrases.listing(list(modes))}"
    return network if len(grids) == n_grids else f"{network}; {phrases.some(grids)}"
