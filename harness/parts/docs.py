"""Reads the descriptions of a part's settings from its docstring."""

import inspect
import re
from typing import Any


def attribute_texts(cls: type[Any]) -> dict[str, str]:
    """The text of each setting in the ``Attributes`` part of a docstring, on one line."""
    _, _, text = (inspect.getdoc(cls) or "").partition("Attributes:\n")
    entries = re.split(r"\n    (?=\w[\w, ]*: )", "\n" + text)
    texts = {}
    for entry in entries:
        names, _, description = entry.strip().partition(": ")
        for name in names.split(", "):
            texts[name] = " ".join(description.split())
    return texts
