"""Opens the results folders that claims are judged on: their runs, and the names that claims may use."""

from collections.abc import Iterator, Mapping, Sequence

from harness.claims.claims_file import ClaimsFile
from harness.core.errors import Problem, SpecError
from harness.parsing.problems import did_you_mean
from harness.results.runs import Runs, holds_runs, open_source

NO_RESULTS = "no results yet"


def read_studies(file: ClaimsFile, *, trusts_ledgers: bool = False) -> dict[str, Runs | None]:
    """The studies of all claims by name; None for one that has no results folder yet.

    Raises:
        SpecError: a claim names a method, contrast or initialisation that its study does not have.
        UsageError: a folder is damaged.
        LedgerError: a ledger is.
    """
    names = dict.fromkeys(entry.study for claim in file.claims for entry in claim.on)
    folders = {name: file.path.parent / name for name in names}
    studies = {
        name: open_source(folder, trusts_ledgers=trusts_ledgers) if holds_runs(folder) else None
        for name, folder in folders.items()
    }
    problems = list(_misspelt(file, studies))
    if problems:
        raise SpecError(str(file.path), problems)
    return studies


def _misspelt(file: ClaimsFile, studies: Mapping[str, Runs | None]) -> Iterator[Problem]:
    for number, claim in enumerate(file.claims):
        for place, entry in enumerate(claim.on):
            runs = studies[entry.study]
            if runs is None:
                continue
            at = ("claims", number, "on", place, "method")
            if entry.method is not None and entry.method not in runs.study.methods:
                yield file.problem(at, _unknown("method", entry.method, entry.study, runs.study.methods))
            elif entry.method is not None and entry.method not in runs.study.references:
                text = f"{entry.method} is paired with no other method of {entry.study}: nothing to compare it with"
                yield file.problem(at, text)
            named = [contrast.name for contrast in runs.study.contrasts]
            if claim.needs.contrast is not None and claim.needs.contrast not in named:
                text = _unknown("contrast", claim.needs.contrast, entry.study, named)
                yield file.problem(("claims", number, "needs", "contrast"), text)
            for key, init in (("of", claim.needs.of), ("over", claim.needs.over)):
                if init is not None and init not in runs.inits:
                    text = _unknown("initialisation", init, entry.study, runs.inits)
                    yield file.problem(("claims", number, "needs", key), text)


def _unknown(what: str, name: str, study: str, known: Sequence[str]) -> str:
    there = f"there are: {', '.join(known)}" if known else "it has none"
    return f"{name} is no {what} of {study}; {there}.{did_you_mean(name, known)}"
