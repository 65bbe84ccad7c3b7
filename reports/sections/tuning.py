"""How the settings of the methods were chosen: one sentence, and one for each thing that is unequal about it."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.document import Sentence
from reports.tables import lookup
from reports.tables.read import Tables
from reports.texts import phrases


def tuning(tables: Tables) -> Iterator[Sentence]:
    """What the definition says of tuning; nothing where it says nothing."""
    spec = tables.context.get("spec")
    spec = spec if isinstance(spec, Mapping) else {}
    tuned, wanted = spec.get("tuned"), spec.get("tune")
    if isinstance(tuned, Mapping):
        yield from _chosen(tables, tuned)
    elif isinstance(wanted, Mapping):
        yield Sentence(
            f"Settings were not tuned: the search of {_trials(wanted.get('trials'))} for each method that the "
            "definition names has not chosen them."
        )


def _chosen(tables: Tables, tuned: Mapping[str, Any]) -> Iterator[Sentence]:
    names, told = lookup.methods(tables), tuned.get("methods")
    told = {name: told[name] for name in names if name in told} if isinstance(told, Mapping) else {}
    by_trials: dict[int, list[str]] = {}
    for name, entry in told.items():
        by_trials.setdefault(int(entry["trials"]), []).append(name)
    seeds = [str(seed) for seed in tuned.get("seeds", ())]
    on = f"seed{'s' if len(seeds) > 1 else ''} {phrases.listing(seeds)}, on validation"
    if len(by_trials) == 1:
        (n_trials,) = by_trials
        yield Sentence(f"Settings were chosen by {_trials(n_trials)} each, {on}.")
    elif by_trials:
        parts = [f"{phrases.listing(of)} by {_trials(n_trials)}" for n_trials, of in by_trials.items()]
        yield Sentence(f"Settings were chosen unequally: {'; '.join(parts)}, {on}.")
    missing = [name for name in names if name not in told]
    if missing:
        yield Sentence(f"Not tuned: {phrases.listing(missing)}.")
    nothing = [name for name, entry in told.items() if not entry.get("chosen")]
    if nothing:
        yield Sentence(f"The search had no setting of {phrases.listing(nothing)}.")
    yield from _borders(told)


def _borders(told: Mapping[str, Mapping[str, Any]]) -> Iterator[Sentence]:
    """What was chosen at the border of its space, setting by setting."""
    by_path: dict[str, list[str]] = {}
    for name, entry in told.items():
        for path in entry.get("at_border", ()):
            by_path.setdefault(str(path), []).append(name)
    for path, names in by_path.items():
        yield Sentence(f"{path} of {phrases.listing(names)} was chosen at the border of its space.")


def _trials(n_trials: object) -> str:
    return f"{n_trials} trial{'' if n_trials == 1 else 's'}"
