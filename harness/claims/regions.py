"""Describes where a claim on joules or grams holds, radio by radio, in a few words and as rows of ``where.csv``."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness.claims.assumption_map import ClaimMap, Point
from harness.claims.flips import Flip, flips, threshold
from harness.claims.on_facts import Finding, Verdict
from harness.core.notes import notes_from
from harness.price.accounting.break_even import SizeThreshold
from harness.statistics.intervals import Interval

COLUMNS = [
    *("claim", "study", "method", "reference", "quantity", "cohort", "radio", "radio_title", "scale", "update_bytes"),
    *("network", "cast", "supply", "ours", "theirs", "unit", "saves", "saves_fetched", "needed", "status"),
]


@dataclass(frozen=True)
class RadioVerdict:
    """A claim on one radio.

    Attributes:
        name: name of the radio.
        title: its name in reports.
        base: the claim at the base setting.
        fetched: the same if clients fetch what they are given before round 1; None where they are given nothing.
        obstacles: why the radio cannot carry the study's updates; empty if it can.
        is_validated: whether its model was compared with a measured whole.
        size: where it holds by update size, all else as in the base; None where the radio is not possible.
        flips: what turns it, the nearest first.
    """

    name: str
    title: str
    base: Point
    fetched: Point | None
    obstacles: tuple[str, ...]
    is_validated: bool
    size: SizeThreshold | None
    flips: tuple[Flip, ...]


@dataclass(frozen=True, eq=False)
class Region:
    """Where a claim holds.

    Attributes:
        claim: the claim.
        points: the whole map.
        radios: verdicts by radio, by falling saving; those that are not possible last.
    """

    claim: ClaimMap
    points: Sequence[Point]
    radios: Sequence[RadioVerdict]

    @property
    def possible(self) -> list[RadioVerdict]:
        """Radios that can carry the study's updates."""
        return [radio for radio in self.radios if not radio.obstacles]


def region(claim: ClaimMap, others: Sequence[ClaimMap] = ()) -> Region:
    """The map of a claim; `others` are the same claim about methods of the study with other cohorts."""
    found = []
    for radio in claim.amounts.radios:
        base, obstacles = claim.point(radio, claim.base), claim.amounts.obstacles(radio)
        fetched = claim.point(radio, replace(claim.base, is_fetched=True)) if claim.amounts.is_given else None
        size = None if obstacles else threshold(claim, radio)
        turned = () if obstacles else tuple(flips(claim, radio, others))
        is_validated = not any(note.kind == "unvalidated" for note in notes_from(radio.model.notes()))
        found.append(RadioVerdict(radio.name, radio.model.title, base, fetched, obstacles, is_validated, size, turned))
    found.sort(key=lambda each: (bool(each.obstacles), -(each.base.saves or 0.0)))
    return Region(claim, claim.points(), found)


def finding_of(found: Region) -> Finding:
    """The verdict over the map; the interval is the range of savings over radios in the base, and no estimate."""
    statuses = {point.status for point in found.points} - {"infeasible", "nothing to save"}
    saves = [radio.base.saves for radio in found.possible if radio.base.saves is not None]
    interval = Interval(1, None, min(saves), max(saves), "range over radios") if saves else None
    unit = "% saved, projected, range over radios"
    if not statuses:
        return Finding(interval, unit, "not resolved", "no radio can carry these updates")
    verdicts: dict[frozenset[str], Verdict] = {
        frozenset({"holds"}): "holds",
        frozenset({"does not hold"}): "does not hold",
    }
    verdict = verdicts.get(frozenset(statuses), "holds if")
    return Finding(interval, unit, verdict, condition(found) if verdict == "holds if" else "")


def condition(found: Region) -> str:
    """Where the claim holds in the base, by radio and update size; else with what besides it holds at all."""
    holding = [radio.name for radio in found.possible if radio.base.status == "holds"]
    sized = [
        f"on {radio.name} with updates {_size_words(radio.size)}"
        for radio in found.possible
        if radio.base.status != "holds" and radio.size is not None and radio.size.n_bytes is not None
    ]
    never = [
        radio.name
        for radio in found.possible
        if radio.base.status != "holds" and (radio.size is None or radio.size.n_bytes is None)
    ]
    phrases = [f"on {_listed(holding)} at the study's own size"] if holding else []
    phrases += sized
    phrases += [f"not on {_listed(never)}"] if never else []
    base = "clients alone" if found.claim.base.supply != "mains" else "clients alone, on mains"
    text = f"{base}: {'; '.join(phrases)}"
    if not holding:
        besides = dict.fromkeys(
            point.setting.network_words
            for point in found.points
            if point.status == "holds" and point.setting.network is not None
        )
        text += f"; on some radio and at some size with {' or '.join(besides)}" if besides else ""
    elif not sized and not never:
        turned = dict.fromkeys(flip.name for radio in found.possible for flip in radio.flips)
        text += f"; turned on some radio by {_listed(list(turned)[:3])}" if turned else ""
    return text


def rows(found: Region, claim: str, study: str) -> list[dict[str, Any]]:
    """The map as rows of ``where.csv``; savings with the start fetched are in the rows of the base."""
    amounts = found.claim.amounts
    titles = {radio.name: radio.title for radio in found.radios}
    fetched = {radio.name: radio.fetched.saves if radio.fetched else None for radio in found.radios}
    return [
        {
            "claim": claim,
            "study": study,
            "method": amounts.method,
            "reference": amounts.reference,
            "quantity": found.claim.quantity,
            "cohort": amounts.cohort,
            "radio": point.radio,
            "radio_title": titles[point.radio],
            "scale": point.setting.scale,
            "update_bytes": point.setting.scale * amounts.reference_bytes,
            "network": "excluded" if point.setting.network is None else point.setting.network[0],
            "cast": "" if point.setting.network is None else point.setting.network[1],
            "supply": point.setting.supply,
            "ours": point.ours,
            "theirs": point.theirs,
            "unit": "g" if found.claim.quantity == "carbon_g" else "J",
            "saves": point.saves,
            "saves_fetched": fetched[point.radio] if point.setting == found.claim.base else None,
            "needed": found.claim.needed,
            "status": point.status,
        }
        for point in found.points
    ]


def _size_words(size: SizeThreshold) -> str:
    """A threshold as it goes on after "updates"."""
    words = str(size)
    return f"{words} on" if size.verdict == "from" and size.is_only else words


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
