"""Collects what the page needs to price runs anew: amounts and coefficients from the tables, with bits and scores."""

import json
from typing import Any

from reports.sections.answer import LONGEST_NAME, featured
from reports.tables import lookup
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts.numbers import clean, shorten

WORDS = {
    "zero_cost": "undefined: a cost of zero",
    "nothing_saved": "undefined: the bits differ by less than 0.1 %",
}
"""Why there is no pass-through, in the words of ``pairs.csv``."""

_FACTS = ("total_bits", "multicast_total_bits", "deployed_accuracy")


def what_if_data(tables: Tables) -> str:
    """JSON for the script of the page; empty where the tables hold no amounts, or nothing finished."""
    if not tables.what_if or tables.cells.empty:
        return ""
    found = dict(tables.what_if)
    names = [str(method["name"]) for method in found["methods"]]
    method = featured(tables)
    reference = lookup.reference(tables) if method is None else lookup.reference_of(tables, method)
    found |= {
        "folder": f"results/{tables.context['name']}",
        "featured": method,
        "name_of": {"short": shorten(method or "", LONGEST_NAME), "reference": shorten(reference, LONGEST_NAME)},
        "words": WORDS,
        "cells": [{**cell, **_facts(tables, names[cell["method"]], cell["seed"])} for cell in found["cells"]],
    }
    return json.dumps(_cleaned(found), ensure_ascii=False, separators=(",", ":"))


def _facts(tables: Tables, method: str, seed: int) -> dict[str, Any]:
    row = tables.cells[(tables.cells["method"] == method) & (tables.cells["seed"] == seed)].iloc[0]
    facts: dict[str, Any] = {name: float(row[name]) if is_known(row[name]) else None for name in _FACTS}
    return facts | {"machine": row["machine"]}


def _cleaned(value: Any) -> Any:
    """All text without control characters and marks that reorder what follows, as everywhere in a page."""
    if isinstance(value, dict):
        return {key: _cleaned(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_cleaned(each) for each in value]
    return clean(value) if isinstance(value, str) else value
