"""Lists the sources that a benchmark rests on, and which of its parts cites each.

Entries are in the ``references.bib`` next to what cites them, one entry per source. A coefficient names its entry; for
everything else the entry's ``keywords`` say what cites it, as ``role:kind``. They are ours and are not passed on.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from harness.parts import entry_points
from harness.price.accounting.assumptions import Assumptions
from harness.price.assumptions.grids import Grid
from harness.spec.spec import BenchmarkSpec
from radio_models.published import formulas
from radio_models.verdicts import verdicts

_PACKAGES = (
    "radio_models",
    "baselines",
    "quantfl",
    "harness.run.tasks",
    "harness.run.federation",
    "harness.run.meters",
    "harness.price.assumptions.data",
)
_ENTRY = re.compile(r"^@\w+\{([^,\s]+),\n.*?^\}$", re.MULTILINE | re.DOTALL)
_KEYWORDS = re.compile(r"^\s*keywords\s*=\s*\{([^}]*)\},?\n", re.MULTILINE)


@dataclass(frozen=True)
class Entry:
    """A source.

    Attributes:
        key: BibTeX key.
        text: the entry as BibTeX, without our keywords.
        cited_by: what cites it wherever it is used, as ``role:kind``.
    """

    key: str
    text: str
    cited_by: frozenset[str]


@cache
def entries() -> Mapping[str, Entry]:
    """All entries of all bibliographies, by key.

    Raises:
        ValueError: a key is in two of them, with different entries.
    """
    found: dict[str, Entry] = {}
    for package in _PACKAGES:
        text = (resources.files(package) / "references.bib").read_text(encoding="utf-8")
        for match in _ENTRY.finditer(text):
            key, entry = match.group(1), match.group()
            named = _KEYWORDS.search(entry)
            cited_by = frozenset(word.strip() for word in named.group(1).split(",")) if named else frozenset[str]()
            text_of = _KEYWORDS.sub("", entry)
            if key in found and found[key].text != text_of:
                raise ValueError(f"{package}/references.bib: {key} stands otherwise in another bibliography")
            found[key] = Entry(key, text_of, cited_by | (found[key].cited_by if key in found else frozenset()))
    return found


def references(spec: BenchmarkSpec | None, assumptions: Assumptions) -> list[dict[str, Any]]:
    """The sources of a benchmark and of what it is priced with, by key: ``key``, ``entry`` and ``cited_by``.

    Args:
        spec: the benchmark; None for runs that have no definition, whose sources are those of their prices.
        assumptions: what it is priced with.
    """
    uses: dict[str, set[str]] = {}
    parts = set(_parts(spec)) if spec is not None else set[str]()
    if any(grid is not None and grid.iso3 for grid in _grids(assumptions)):
        parts.add("grid:table")
    for entry in entries().values():
        if entry.cited_by & parts:
            uses[entry.key] = set(entry.cited_by & parts)
    groups = [group for deployment in assumptions.deployments for group in deployment.groups]
    radios, devices = {group.radio.kind for group in groups}, {group.device.kind for group in groups}
    for coefficient in assumptions.coefficients():
        if coefficient.source in entries():
            kind = coefficient.name.split(".")[0]
            role = "radio" if kind in radios else "device" if kind in devices else "deployment"
            uses.setdefault(coefficient.source, set()).add(f"{role}:{kind}")
    for formula in formulas():
        uses.setdefault(formula.source, set()).add(f"formula:{formula.kind}")
    for verdict in verdicts():
        uses.setdefault(verdict.source, set()).add(f"verdict:{verdict.kind}")
    return [
        {"key": key, "entry": entries()[key].text, "cited_by": sorted(uses[key])}
        for key in sorted(uses)
        if key in entries()
    ]


def _grids(assumptions: Assumptions) -> Iterator[Grid | None]:
    """Every grid that something may be priced with."""
    yield from assumptions.grids
    yield assumptions.operator_grid
    yield from (group.grid for deployment in assumptions.deployments for group in deployment.groups)


def _parts(spec: BenchmarkSpec) -> Iterator[str]:
    """Everything of a definition that an entry may name, as ``role:kind``."""
    resolved = spec.resolved()
    for method in resolved["methods"]:
        yield from (f"codec:{kind}" for way in ("uplink", "downlink") for kind in entry_points.kinds(method[way]))
        yield f"server:{method['server']['kind']}"
    task = resolved["task"]
    yield f"task:{task['kind']}"
    yield f"partition:{task.get('partition', {}).get('kind', '')}"
    if any(method["init"] == "pretrained" for method in resolved["methods"]):
        source = task.get("pretraining", {}).get("source") or getattr(spec.task, "default_source", "")
        yield f"source:{source}"
    yield f"model:{task.get('model', '')}"
    yield from (f"train:{method['train']['kind']}" for method in resolved["methods"] if method.get("train"))
    if resolved["federation"]["proximal"] > 0:
        yield "local:fedprox"
    yield f"meter:{resolved['meter']}"
