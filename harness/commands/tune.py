"""``harness tune``: as many trials for every method, the reference among them, and the definition with what they chose.

Each method has a search of its own (Optuna's TPE, seeded by the first tuning seed and the method's name), which sees
the mean validation accuracy over the tuning seeds and nothing else: no test score, no other method. The first third of
the trials, at least `BATCH`, is drawn at random. Trials are asked for `BATCH` at a time, those of a batch guarding
against each other by the constant liar; the size of a batch depends on no number of jobs, so that the choice does not
either. A trial is an ordinary method of an ordinary results folder. Nothing of a search is stored: the same command
asks the same questions again and finds the answers among the finished cells. A trial that diverges, fails at one seed
or has settings that do not go together counts as `WORST`. Of equal trials the first is chosen.

References:
    Bergstra, Bardenet, Bengio, Kégl, "Algorithms for Hyper-Parameter Optimization", NeurIPS 2011 (TPE).
    Akiba, Sano, Yanase, Ohta, Koyama, "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019.
"""

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from pydantic import ValidationError

from harness.core.errors import CellsFailedError, EnvironmentLacksError, UsageError
from harness.core.files import write_text
from harness.core.seeds import torch_seed
from harness.core.units import bits_from_bytes
from harness.ledger.store import Store
from harness.results.definition_copy import own_definition
from harness.run.engines.worker import Failure
from harness.spec.methods import Federation, Method
from harness.spec.plan import plan_cells
from harness.spec.spec import BenchmarkSpec, Record
from harness.spec.tune import Span, Tune, Tuned, TunedMethod, settings_of, with_settings
from harness.tables.cells import validation_accuracy

BATCH = 4
"""Trials of a method that are asked for before any of them is scored."""
WORST = 0.0
"""What a trial that did not finish is worth: no accuracy is lower."""
TRIALS_FILE = "trials.csv"
_DIGITS = 4
_LONGEST_NAME = 58  # of a definition, so that "-tuned" fits behind it

RunBatch = Callable[[BenchmarkSpec], Mapping[str, Failure]]
"""Runs the cells of a definition that are missing; gives the failures by cell id."""


@dataclass(frozen=True)
class Trial:
    """Settings that were tried for a method.

    Attributes:
        method: name of the method.
        number: from 1.
        settings: by path.
        accuracy: mean validation accuracy over the tuning seeds, 0 to 1; None before it ran and if it did not finish.
        bits: mean bits of both directions; None as `accuracy`.
    """

    method: str
    number: int
    settings: Mapping[str, Any]
    accuracy: float | None = None
    bits: float | None = None

    def name(self, n_trials: int) -> str:
        """Its name among the methods of the trials."""
        return f"{self.method} #{self.number:0{max(2, len(str(n_trials)))}d}"


@dataclass(frozen=True)
class Choice:
    """What was chosen for a method.

    Attributes:
        best: the trial; None if none finished.
        trials: all of them.
        space: what was searched, by path.
    """

    best: Trial | None
    trials: Sequence[Trial]
    space: Mapping[str, Span]

    @property
    def at_border(self) -> tuple[str, ...]:
        """Paths of settings that were chosen at the border of their span."""
        chosen = self.best.settings if self.best else {}
        return tuple(path for path, value in chosen.items() if self.space[path].is_at_border(value))


@dataclass
class _Search:
    """The search for the settings of one method."""

    federation: Federation
    method: Method
    space: Mapping[str, Span]
    n_trials: int
    study: optuna.Study
    distributions: dict[str, BaseDistribution]
    trials: list[Trial] = field(default_factory=list)
    _open: list[optuna.Trial] = field(default_factory=list)

    def ask(self, n_trials: int) -> None:
        """Settle what the next trials are."""
        for _ in range(n_trials):
            asked = self.study.ask(self.distributions)
            settings = {path: _rounded(asked.params[path], span) for path, span in self.space.items()}
            self.trials.append(Trial(self.method.name, len(self.trials) + 1, settings))
            self._open.append(asked)

    def tell(self, result: Callable[[str], tuple[float, float] | None]) -> None:
        """Learn how the trials went that were asked for last, by their names."""
        first = len(self.trials) - len(self._open)
        for place, asked in enumerate(self._open, first):
            trial = self.trials[place]
            found = result(trial.name(self.n_trials))
            if found is not None:
                self.trials[place] = replace(trial, accuracy=found[0], bits=found[1])
            self.study.tell(asked, WORST if found is None else found[0])
        self._open.clear()

    def methods(self) -> Iterator[Method]:
        """The trials as methods; those whose settings do not go together are left out."""
        for trial in self.trials:
            try:
                method = with_settings(self.federation, self.method, trial.settings)
            except ValidationError:
                continue
            yield method.model_copy(update={"name": trial.name(self.n_trials), "seeds": None, "also_code": ()})

    def choice(self) -> Choice:
        """The best trial, the first of equal ones."""
        finished = [trial for trial in self.trials if trial.accuracy is not None]
        best = max(finished, key=lambda trial: trial.accuracy or WORST, default=None)
        return Choice(best, tuple(self.trials), self.space)


def wanted(spec: BenchmarkSpec) -> Tune:
    """What a definition asks to be searched.

    Raises:
        UsageError: nothing.
    """
    if spec.tune is None:
        raise UsageError(
            f"{spec.name}: its definition has no tune, so there is nothing to search; "
            "e.g. tune: {trials: 12, seeds: [1000], space: {lr: {log: [0.01, 1]}}}"
        )
    return spec.tune


def tune(spec: BenchmarkSpec, folder: Path, run_batch: RunBatch) -> dict[str, Choice]:
    """Search settings for every method, and leave all trials in a results folder, with `TRIALS_FILE`.

    Args:
        spec: the definition.
        folder: results folder of the trials.
        run_batch: runs what is missing there.

    Returns:
        What was chosen, by method.

    Raises:
        UsageError: the definition has no `tune`.
        EnvironmentLacksError: the machine failed a trial, which says nothing of its settings.
        CellsFailedError: no trial of a method finished.
    """
    asked = wanted(spec)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    searches = [_search(spec, asked, method) for method in spec.methods]
    for begun in range(0, asked.trials, BATCH):
        for search in searches:
            search.ask(min(BATCH, asked.trials - begun))
        result = _run(_trial_spec(spec, asked, searches), folder, run_batch)
        for search in searches:
            search.tell(result)
    choices = {search.method.name: search.choice() for search in searches}
    write_text(folder / TRIALS_FILE, _table(choices, asked).to_csv(index=False))
    lost = [name for name, choice in choices.items() if choice.best is None]
    if lost:
        raise CellsFailedError(f"no trial of {', '.join(lost)} finished; the space in tune may be too wide")
    return choices


def tuned(spec: BenchmarkSpec, folder: Path, choices: Mapping[str, Choice]) -> BenchmarkSpec:
    """The definition with the settings that were chosen, and with how they were.

    Args:
        spec: the definition.
        folder: results folder of the trials.
        choices: what was chosen for every method.
    """
    asked = wanted(spec)
    best = {name: choice.best.settings for name, choice in choices.items() if choice.best is not None}
    told = {
        name: TunedMethod(trials=len(choice.trials), space=choice.space, chosen=best[name], at_border=choice.at_border)
        for name, choice in choices.items()
    }
    return spec.model_copy(
        update={
            "name": f"{spec.name[:_LONGEST_NAME]}-tuned",
            "methods": tuple(with_settings(spec.federation, method, best[method.name]) for method in spec.methods),
            "tune": None,
            "tuned": Tuned(seeds=asked.seeds, results=folder.name, digest=_digest(Store(folder)), methods=told),
        }
    )


def write(spec: BenchmarkSpec, path: Path) -> None:
    """Write a definition, with copies of the files that it names beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"# {spec.name}: settings of every method as harness tune chose them; see tuned below.\n\n"
    write_text(path, head + own_definition(spec, path.parent))


# --- The searches ---


def _search(spec: BenchmarkSpec, asked: Tune, method: Method) -> _Search:
    space = asked.space_of(spec.federation, method)
    present = settings_of(spec.federation, method)
    sampler = optuna.samplers.TPESampler(
        seed=torch_seed(asked.seeds[0], f"tune {method.name}") % 2**32,
        n_startup_trials=max(BATCH, asked.trials // 3),
        constant_liar=True,
    )
    study = optuna.create_study(direction="maximize", sampler=sampler)
    distributions = {path: _distribution(span, present[path]) for path, span in space.items()}
    return _Search(spec.federation, method, space, asked.trials, study, distributions)


def _distribution(span: Span, present: Any) -> BaseDistribution:
    if span.choice is not None:
        return CategoricalDistribution(span.choice)
    low, high = span.members
    of_numbers = IntDistribution if span.is_whole(present) else FloatDistribution
    return of_numbers(low, high, log=span.kind == "log")


def _rounded(value: Any, span: Span) -> Any:
    """A value as it is run: with as many digits as anybody would write, within its span."""
    if span.choice is not None or not isinstance(value, float):
        return value
    low, high = span.members
    return float(min(max(float(f"{value:.{_DIGITS}g}"), low), high))


# --- The trials ---


def _trial_spec(spec: BenchmarkSpec, asked: Tune, searches: Sequence[_Search]) -> BenchmarkSpec:
    """All trials so far as a benchmark; nothing in it but the methods says what they are for."""
    methods = tuple(method for search in searches for method in search.methods())
    of_reference = [method.name for method in methods if method.name.startswith(f"{spec.reference} #")]
    changes = {
        "name": f"{spec.name[:_LONGEST_NAME]}-tune",
        "federation": spec.federation.model_copy(update={"test_rounds": ()}),
        "methods": methods,
        "reference": next(iter(of_reference), methods[0].name if methods else ""),
        "seeds": asked.seeds,
        "record": Record(),
        "contrasts": (),
        "sections": (),
        "tune": None,
        "tuned": None,
    }
    return spec.model_copy(update=changes)


def _run(trials: BenchmarkSpec, folder: Path, run_batch: RunBatch) -> Callable[[str], tuple[float, float] | None]:
    """Run what is missing of some trials; gives what tells accuracy and bits of a trial by its name."""
    failures = run_batch(trials) if trials.methods else {}
    for failure in failures.values():
        if failure.is_environment:
            raise EnvironmentLacksError(f"{failure.error}. What is finished is kept; the same command goes on")
    store, cells = Store(folder), dict[str, list[str]]()
    for planned in plan_cells(trials) if trials.methods else ():
        cells.setdefault(planned.method, []).append(planned.cell_id)

    def result(name: str) -> tuple[float, float] | None:
        found = [_scored(store, cell_id) for cell_id in cells.get(name, ()) if store.is_finished(cell_id)]
        if not found or len(found) < len(cells[name]):
            return None
        accuracy, bits = (sum(column) / len(found) for column in zip(*found, strict=True))
        return None if math.isnan(accuracy) else (accuracy, bits)

    return result


def _scored(store: Store, cell_id: str) -> tuple[float, float]:
    """Validation accuracy and bits of a finished cell."""
    ledger = store.ledger(cell_id)
    sent = ledger.transfers.loc[ledger.transfers["round"] > 0, "payload_bytes"]
    return validation_accuracy(ledger.scores), float(bits_from_bytes(int(sent.sum())))


def _digest(store: Store) -> str:
    """16 hexadecimal digits of the facts of all trials."""
    lines = [
        f"{entry.method} {entry.seed} "
        + (store.ledger(entry.cell_id).facts_digest if store.is_finished(entry.cell_id) else "not finished")
        for entry in store.index()
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _table(choices: Mapping[str, Choice], asked: Tune) -> pd.DataFrame:
    """A row for each trial; what did not finish has no accuracy, and what a method does not have is empty."""
    paths = list(dict.fromkeys(path for choice in choices.values() for path in choice.space))
    rows = [
        {
            "method": trial.method,
            "trial": trial.number,
            **{path: trial.settings.get(path) for path in paths},
            "seeds": " ".join(map(str, asked.seeds)),
            "validation_accuracy": trial.accuracy,
            "total_bits": trial.bits,
            "is_chosen": trial is choice.best,
        }
        for choice in choices.values()
        for trial in choice.trials
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(paths, object))
