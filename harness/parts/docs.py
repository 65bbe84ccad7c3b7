"""What a codec is and whether it is biased, in the words of the module that holds it."""

import inspect
import re
import sys
from collections.abc import Mapping
from typing import Any

from harness.core.errors import HarnessError
from harness.parts import registry

_LABEL = re.compile(r"^[A-Z][a-z]+(?: and [a-z]+)?:|^No |^$")
"""What begins the next paragraph in the head of a module."""

_ITEM = re.compile(r"^([a-z]+)[,:]")
"""What begins an entry where bias depends on a setting: values of that setting."""


def codec_text(settings: Mapping[str, Any]) -> dict[str, str]:
    """Title and bias of a codec, a sentence each; empty where its module says nothing, or there is no such codec here.

    Args:
        settings: the codec as `harness.parts.registry.describe` gives it.

    >>> codec_text({"kind": "float32"})["bias"]
    'none; the decoded update equals the update bit for bit.'
    """
    try:
        part = registry.load("codec", str(settings.get("kind")))
    except (HarnessError, KeyError):
        return {"title": "", "bias": ""}
    title = (inspect.getdoc(part) or "").partition("\n")[0]
    head = inspect.getdoc(sys.modules[part.__module__]) or ""
    return {"title": title.replace("`", ""), "bias": _bias(head.splitlines(), settings)}


def _bias(lines: list[str], settings: Mapping[str, Any]) -> str:
    first = next((at for at, line in enumerate(lines) if line.startswith("Bias")), None)
    if first is None:
        return ""
    rest = lines[first + 1 :]
    end = next((at for at, line in enumerate(rest) if _LABEL.match(line)), len(rest))
    told = [lines[first].partition(":")[2], *rest[:end]]
    if not told[0].strip():
        told = _chosen(rest[:end], {str(value) for value in settings.values()})
    first_sentence, stop, _ = " ".join(" ".join(told).replace("`", "").split()).partition(". ")
    return first_sentence + stop.strip()


def _chosen(lines: list[str], values: set[str]) -> list[str]:
    """The entry that speaks of one of the settings of a codec."""
    found: list[str] = []
    is_chosen = False
    for line in lines:
        item = _ITEM.match(line)
        is_chosen = item.group(1) in values if item else is_chosen
        found += [line] if is_chosen else []
    return found


def attribute_texts(cls: type[Any]) -> dict[str, str]:
    """What the ``Attributes`` part of a docstring says of each setting, on one line."""
    _, _, text = (inspect.getdoc(cls) or "").partition("Attributes:\n")
    entries = re.split(r"\n    (?=\w[\w, ]*: )", "\n" + text)
    texts = {}
    for entry in entries:
        names, _, said = entry.strip().partition(": ")
        for name in names.split(", "):
            texts[name] = " ".join(said.split())
    return texts
