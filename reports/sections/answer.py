"""Writes the answer in a sentence: what the first method after the reference saved, and what it cost."""

from reports.document import Highlight, Highlights, Paragraph
from reports.sections.provisioning import is_charged
from reports.tables import lookup, priced
from reports.tables.lookup import Estimate
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, NBSP, percent, percent_estimate, shorten, signed, significant

LONGEST_NAME = 60
_MOST_RADIOS = 4
"""Radios that the answer names; the others are under “Deployment”."""
_LEAST_CHANGE = 5e-4
"""Shares of bits closer to 1 than this print as "as many"."""


def featured(tables: Tables) -> str | None:
    """The method that the answer speaks of: the first of the spec, after the reference, that has a finished pair.

    The order of the spec decides, not the result, so that the answer is no pick of the winner.
    """
    others = lookup.challengers(tables)
    paired = [name for name in others if lookup.pair(tables, name, "total_bits")]
    return next(iter(paired), None)


def answer(tables: Tables) -> list[Paragraph]:
    """One lead sentence; a second paragraph says how far to trust it."""
    reference = lookup.reference(tables)
    method = featured(tables)
    if method is None:
        return [Paragraph(_nothing(tables, reference), role="lead")]
    names = [shorten(name, LONGEST_NAME) for name in (method, lookup.reference_of(tables, method))]
    budget = lookup.budget_words(tables, method)
    if budget:
        sentence = f"Within {budget}, {_reached(tables, method)}{_accuracy(tables, method, other=names[1])}"
    else:
        sentence = f"{names[0]} sent {_bits(tables, method)} than {names[1]}{_accuracy(tables, method)}"
    radios = _radios(tables, method)
    sentence += f"; that {phrases.listing(radios)}." if radios else "."
    return [Paragraph(sentence, role="lead"), Paragraph(_trust(tables, method))]


def pass_through(tables: Tables) -> Highlights | None:
    """Pass-through of the featured method, per radio; None without a radio or a pair."""
    method = featured(tables)
    radios = priced.headline_radios(tables)[:_MOST_RADIOS]
    # Where all may send as many bits, none are saved that could reach a battery.
    if method is None or not radios or lookup.budget_words(tables, method):
        return None
    return Highlights(
        "pass_through_first",
        f"Pass-through of {shorten(method, LONGEST_NAME)}",
        tuple(_highlight(tables, method, radio) for radio in radios),
        note="Share of device-radio joules saved ÷ share of total bits (unicast) saved. At 1, joules fall as fast as "
        f"bits; at 0, they do not fall. Joules are {phrases.PROJECTED}."
        + (" Of the rounds alone: without what came over the air before round 1." if is_charged(tables) else ""),
    )


def _nothing(tables: Tables, reference: str) -> str:
    if not lookup.challengers(tables):
        return f"Only the reference, {reference}, is in this benchmark: there is nothing to compare it with."
    if tables.cells.empty:
        return "No cell finished, so there is no answer yet."
    return f"No method has finished a seed that {reference} has finished as well, so there is no comparison yet."


def _bits(tables: Tables, method: str) -> str:
    total = lookup.pair(tables, method, "total_bits")
    text = f"{_fewer(total)} total bits in unicast"
    uplink = lookup.pair(tables, method, "uplink_bits")
    if uplink is not None and uplink.value is not None:
        text += f" ({_fewer(uplink)} on the uplink)"
    return text


def _fewer(ratio: Estimate | None) -> str:
    if ratio is None or ratio.value is None:
        return "an unknown share of the"
    if abs(ratio.value - 1) < _LEAST_CHANGE:
        return "no fewer"
    return f"{percent(abs(1 - ratio.value))} {'fewer' if ratio.value < 1 else 'more'}"


def _reached(tables: Tables, method: str) -> str:
    """The accuracy that a method reached within its budget, and in how many rounds."""
    other = lookup.reference_of(tables, method)
    score = phrases.accuracy(lookup.score(tables, method)).text
    n, of_other = (phrases.rounds(lookup.rounds(tables, name)).text for name in (method, other))
    instead = f" instead of {of_other}" if n != of_other else ""
    return f"{shorten(method, LONGEST_NAME)} reached {score} test accuracy in {n} rounds{instead}"


def _accuracy(tables: Tables, method: str, other: str = "") -> str:
    difference = lookup.score_difference(tables, method)
    if difference is None or difference.value is None:
        return ", with no paired test accuracy"
    interval = phrases.points_interval(difference)
    inside = f" ({interval})" if interval else ""
    points = f"{signed(100 * difference.value, 2)}{NBSP}points{inside}"
    return f", {points} against {other}" if other else f", at {points} of test accuracy"


def _radios(tables: Tables, method: str) -> list[str]:
    """What became of device-radio joules: radios that save first, then those that cost more."""
    saved: list[str] = []
    spent: list[str] = []
    for radio in priced.headline_radios(tables)[:_MOST_RADIOS]:
        ratio = lookup.pair(tables, method, "radio_energy_j", radio)
        if ratio is None or ratio.value is None:
            continue
        quotient = lookup.pair(tables, method, "pass_through", radio)
        group = saved if ratio.value <= 1 else spent
        unit = "" if group else " of device-radio joules" if group is saved else " more device-radio joules"
        words = f"{percent_estimate(abs(1 - ratio.value))}{unit} on {priced.radio_title(tables, radio)}"
        # The quotient is of the rounds alone: it does not fit a saving that includes what came before them.
        if not is_charged(tables) and quotient is not None and quotient.value is not None:
            words += f" (pass-through {significant(quotient.value, ESTIMATE_DIGITS)})"
        group.append(words)
    verbs = (("saves", saved), ("costs", spent))
    return [f"{verb} {phrases.listing(words)}" for verb, words in verbs if words]


def _trust(tables: Tables, method: str) -> str:
    difference = lookup.score_difference(tables, method)
    n = lookup.pair(tables, method, "total_bits")
    seeds = n.n if n else 0
    verdict = lookup.verdict(difference)
    if verdict == "holds":
        rule = "Accuracy holds: the interval's lower end is above −0.5 points."
    elif verdict == "not resolved":
        rule = "Whether accuracy holds is not resolved: that takes an interval whose lower end is above −0.5 points."
    else:
        rule = "Accuracy was not compared."
    paired = f"{seeds} paired seed{'s' if seeds != 1 else ''}"
    text = f"{rule} Bits are counted on {paired}; joules are {phrases.PROJECTED} from the assumptions listed below."
    return " ".join([text, *_left_out(tables)])


def _left_out(tables: Tables) -> list[str]:
    """Radios that the answer leaves out, and why."""
    radios, named = priced.radios(tables), priced.headline_radios(tables)
    found = {
        "Not possible with these transfers": [r for r in radios if priced.noted(tables, r, "infeasible")],
        "Not compared with a measured whole": [
            r for r in priced.feasible_radios(tables) if priced.noted(tables, r, "unvalidated")
        ],
        "Further radios are below": named[_MOST_RADIOS:],
    }
    return [
        f"{why}, so not named here: {phrases.listing([priced.bare_title(tables, radio) for radio in left])}."
        for why, left in found.items()
        if left
    ]


def _highlight(tables: Tables, method: str, radio: str) -> Highlight:
    quotient = lookup.pair(tables, method, "pass_through", radio)
    joules = lookup.pair(tables, method, "radio_energy_j", radio)
    bits = lookup.pair(tables, method, "total_bits")
    cell = phrases.quotient(quotient)
    detail = cell.detail
    if not is_charged(tables) and joules and bits and joules.value is not None and bits.value is not None:
        saved = f"{percent_estimate(1 - joules.value)} of joules for {percent(1 - bits.value)} of bits"
        detail = f"{saved}; {cell.detail}" if cell.detail else saved
    return Highlight(radio, priced.radio_title(tables, radio), cell.text, detail)
