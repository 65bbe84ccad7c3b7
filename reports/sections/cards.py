"""Builds one card per method: what it sends, what that took, whether it is biased, and where it was published."""

from typing import Any

from reports.document import Card, Cards, Section
from reports.tables import lookup
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.bibliography import citing, in_words, own_first
from reports.texts.numbers import scale


def cards(tables: Tables) -> Section | None:
    """A card for every method of the definition; None where nothing is known of their codecs."""
    names = lookup.methods(tables)
    if not any(lookup.description(tables, name).get("uplink") for name in names):
        return None
    means = {name: lookup.mean(tables, name, "total_bits") for name in names}
    factor, unit = scale([mean.value for mean in means.values() if mean], "bit")
    items = tuple(_card(tables, name, phrases.bits(means[name], factor).text, unit) for name in names)
    return Section("cards", "Method cards", (Cards("method_cards", items),))


def _card(tables: Tables, name: str, bits: str, unit: str) -> Card:
    entry, text = lookup.description(tables, name), lookup.codec(tables, name)
    uplink = entry.get("uplink")
    total, score = lookup.mean(tables, name, "total_bits"), phrases.accuracy(lookup.score(tables, name))
    change = phrases.change(lookup.pair(tables, name, "total_bits"), is_fact=True)
    against = f" ({change.text} to {lookup.reference_of(tables, name)})" if change.value is not None else ""
    known = total is not None and total.value is not None
    facts = (
        ("Uplink", phrases.part(uplink)),
        ("Downlink", phrases.part(entry.get("downlink"))),
        ("Starts from", lookup.initialisation(tables, name)),
        ("Total bits", f"{bits}\u00a0{unit}, unicast{against}" if known else bits),
        ("Test accuracy", f"{score.text} ({score.detail})" if score.detail else score.text),
        ("Bias", text.get("bias") or "not stated"),
        ("Published", _papers(tables, uplink) or "no source recorded"),
    )
    role = "reference" if name == lookup.reference(tables) else ""
    return Card(name, text.get("title") or "", role, facts)


def _papers(tables: Tables, codec: Any) -> str:
    """The source that is most the codec's own, and the sources of the rest of it."""
    kinds = lookup.kinds(codec)
    keys = own_first(tables, citing(tables, *(f"codec:{kind}" for kind in kinds)), next(iter(kinds), ""))
    others = [in_words(tables, key, is_short=True) for key in keys[1:]]
    rest = f". Rests on {', '.join(others)}" if others else ""
    return f"{in_words(tables, keys[0])}{rest}" if keys else ""
