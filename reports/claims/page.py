"""Builds the page about claims: the verdicts, and for joules and grams where a claim holds and what turns it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from reports.claims.data import ClaimsData
from reports.claims.where import HOW_TO_READ, where_figure, where_table
from reports.document import Block, Cell, Column, Paragraph, Report, Section, Table
from reports.tables.lookup import is_known
from reports.texts.numbers import ESTIMATE_DIGITS, absent, fixed, signed, significant
from reports.texts.phrases import CONFIDENCE, listing

_VERDICTS = {
    "holds": ("holds", "hold"),
    "holds if": ("holds under a condition", "hold under a condition"),
    "does not hold": ("does not hold", "do not hold"),
    "not resolved": ("is not resolved", "are not resolved"),
    "nothing": ("has no results yet", "have no results yet"),
}
"""What is said of one judgement, and of several."""
_PROJECTED = "projected"
_METHOD = (
    "A claim on facts holds where the whole 95 % interval over seeds is on the needed side, does not hold where all "
    "of it is on the other, and is not resolved otherwise; facts that are the same at every seed are their own "
    "interval. Verdicts are not corrected for how many there are: of twenty intervals, one may miss. All joules and "
    "grams are projected (P). They are judged with typical values on a map: every radio of the study and every "
    "packaged one with its default settings; the model, its payloads and all computing 0.1, 1, 10 and 100 times as "
    "large; the network outside the total, or inside with marginal or average intensities, carrying what many "
    "clients receive alike once for each (unicast) or once (multicast); and four supplies. Participation enters "
    "through methods of the study that ask other numbers of clients. The base is the study's own size with clients "
    "alone, on mains, and what they have before round 1 at no cost; standby is outside. A claim holds if every "
    "point of the map holds, does not if none does, and in between holds under the condition that is told; points "
    "where a radio cannot carry the updates, or where nothing is taken that could be saved, are left out. What "
    "turns a radio is found by moving one assumption at a time from the base: each axis, and each coefficient to "
    "the low and the high end of its range. Amounts are those of one run at one seed of each method and its "
    "reference."
)


def claims_report(data: ClaimsData) -> Report:
    """The page."""
    warnings = [Paragraph(str(note), "warning") for note in data.notes]
    sections = [Section("claims", "Claims", (Paragraph(_lead(data), "lead"), *warnings, verdict_table(data)))]
    if data.maps:
        blocks: list[Block] = [Paragraph(HOW_TO_READ)]
        for number, each in enumerate(data.maps, start=1):
            blocks += [_about(data, each), where_figure(data, each, _key(each)), where_table(each, f"radios_{number}")]
        sections.append(Section("where", "Where it holds", tuple(blocks)))
    sections.append(Section("method", "How claims are judged", (Paragraph(_METHOD),)))
    studies = list(dict.fromkeys(str(row["study"]) for row in data.rows))
    return Report("Claims", f"Judged on {listing(studies)}", tuple(sections))


def _key(each: Mapping[str, Any]) -> str:
    """Name of the figure of a map: it stays as it is when claims are added."""
    words = (re.sub(r"[\W_]+", "-", str(each[key]).casefold()).strip("-") for key in ("claim", "study", "method"))
    return "_".join(["where", *words])


def verdict_table(data: ClaimsData) -> Table:
    """A row per claim and what it is judged on."""
    columns = (
        Column("claim", "Claim", is_number=False),
        Column("study", "Judged on", is_number=False),
        Column("needed", "Needed", is_number=False),
        Column("found", "Found", f"{CONFIDENCE}, or range over radios"),
        Column("verdict", "Verdict", is_number=False),
        Column("source", "Source", is_number=False),
    )
    # A claim is printed in words, with its source, only once: in the first of its rows.
    first = {str(row["claim"]): row for row in reversed(data.rows)}
    rows = tuple(_verdict_row(row, data.claims[name], is_first=row is first[name])
                 for row in data.rows if (name := str(row["claim"])))  # fmt: skip
    return Table("verdicts", "Claims and what results say of them", columns, rows)


def _verdict_row(row: Mapping[str, Any], claim: Mapping[str, Any], *, is_first: bool) -> tuple[Cell, ...]:
    return (
        Cell(str(row["claim"]), str(claim["says"]) if is_first else ""),
        Cell(str(row["study"]), str(row["method"])),
        Cell(_needed(row), _quantity(row)),
        _found(row),
        Cell(str(row["verdict"]), str(row["condition"]), tone="plain" if row["verdict"] == "holds" else "warn"),
        Cell(str(claim["source"] or "not stated") if is_first else ""),
    )


def _lead(data: ClaimsData) -> str:
    """How many hold, by what they are about: saved bits and kept accuracy are counted separately."""
    found: dict[str, list[str]] = {}
    for row in data.rows:
        found.setdefault(_subject(row), []).append(str(row["verdict"]) if row["n"] else "nothing")
    sentences = []
    for subject, verdicts in found.items():
        counts = [f"{n} {words[n > 1]}" for verdict, words in _VERDICTS.items() if (n := verdicts.count(verdict))]
        sentences.append(
            f"Of {len(verdicts)} judgement{'s' if len(verdicts) != 1 else ''} on {subject}, {listing(counts)}."
        )
    return " ".join(sentences)


def _subject(row: Mapping[str, Any]) -> str:
    quantity = str(row["quantity"])
    if not row["method"]:
        return "error feedback and initialisations"
    if quantity.endswith("_bits"):
        return "bits"
    return "accuracy" if quantity.endswith("_accuracy") else "joules and grams"


def _about(data: ClaimsData, each: Mapping[str, Any]) -> Paragraph:
    (row,) = (row for row in data.rows if _is_of(row, each))
    infeasible = [str(radio["title"]) for radio in each["radios"] if radio["obstacles"]]
    text = (
        f"{each['claim']}, {each['study']}: {each['method']} beside {each['reference']}, {_quantity(row)}, projected "
        f"(P) to {each['device']}. {str(row['verdict']).capitalize()}{': ' if row['condition'] else ''}"
        f"{row['condition']}. Seed {each['seed']}, {each['cohort']} clients a round"
    )
    text += f", {each['base_supply']}"
    text += f", grams on the grid of {each['grid']}." if row["quantity"] == "carbon_g" and each["grid"] else "."
    if infeasible:
        text += f" Not possible with such updates: {listing(infeasible)}."
    return Paragraph(text)


def _is_of(row: Mapping[str, Any], each: Mapping[str, Any]) -> bool:
    return all(row[key] == each[key] for key in ("claim", "study", "method"))


def _quantity(row: Mapping[str, Any]) -> str:
    words = {
        "uplink_bits": "uplink bits",
        "total_bits": "total bits",
        "multicast_total_bits": "total bits, broadcast once",
        "all_bits": "total bits and those before round 1",
        "validation_accuracy": "validation accuracy",
        "test_accuracy": "test accuracy",
        "sent_test_accuracy": "test accuracy of the model that clients decode",
        "radio_energy_j": "joules of clients' radios",
        "device_energy_j": "joules of clients",
        "carbon_g": "grams of CO2-equivalent",
    }
    return words.get(str(row["quantity"]), str(row["quantity"]).replace("_", " "))


def _needed(row: Mapping[str, Any]) -> str:
    value, quantity = float(row["needed"]), str(row["quantity"])
    if quantity.endswith("_accuracy"):
        return f"loses at most {_plain(-value)} points"
    if row["method"]:
        return f"saves {_plain(value)} %"
    return f"{row['side']} {_plain(value)} {row['unit']}".rstrip()


def _plain(value: float) -> str:
    """A number as the file has it."""
    return fixed(value, 0) if value == round(value) else f"{value:g}".replace("-", "\u2212")


def _found(row: Mapping[str, Any]) -> Cell:
    unit, estimate, ends = str(row["unit"]), row["estimate"], (row["low"], row["high"])
    if _PROJECTED in unit:
        if not is_known(ends[0]):
            return absent("no radio")
        return Cell(f"{_joined(significant(end, ESTIMATE_DIGITS) for end in ends)} %", "projected (P), by radio")
    if not is_known(estimate):
        return absent("nothing yet")
    texts = [_in_unit(value, unit) for value in (estimate, *ends) if is_known(value)]
    detail = ""
    if len(texts) == 3:
        detail = "the same at every seed" if ends[0] == ends[1] else f"{CONFIDENCE} {_joined(texts[1:])}"
    seeds = f"{row['n']:.0f} seed{'s' if row['n'] != 1 else ''}"
    return Cell(f"{texts[0]} {unit}", f"{detail}, {seeds}" if detail else seeds, float(estimate))


def _in_unit(value: float, unit: str) -> str:
    if unit.startswith("%"):
        return fixed(value, 1)
    return significant(value, 3) if unit == "times" else signed(value, 2)


def _joined(texts: Iterable[str] | Sequence[str]) -> str:
    return " to ".join(texts)
