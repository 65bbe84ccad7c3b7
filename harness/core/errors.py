"""Defines errors that a user can fix. Each class sets its exit code; any other error is a bug of ours (exit 1)."""

from dataclasses import dataclass


class HarnessError(Exception):
    """Base of all errors that are shown as one line, without a traceback."""

    exit_code = 1


class UsageError(HarnessError):
    """The command line or the spec is wrong."""

    exit_code = 2


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a spec file.

    Attributes:
        line: line in the file, from 1.
        column: column in the line, from 1.
        path: where in the tree, e.g. ``methods[1].uplink.levels``.
        text: what is wrong, what is allowed, what to do.
    """

    line: int
    column: int
    path: str
    text: str


class SpecError(UsageError):
    """A spec file with one or more problems; the text has a line for each, as ``file:line:col path: text``."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        """Keep the problems in the order of the file."""
        self.problems = sorted(problems, key=lambda problem: (problem.line, problem.column))
        lines = [
            f"{file}:{problem.line}:{problem.column} {problem.path + ': ' if problem.path else ''}{problem.text}"
            for problem in self.problems
        ]
        super().__init__("\n".join(lines))


class CellsFailedError(HarnessError):
    """Some cells failed; the others were finished and reported."""

    exit_code = 3


class CheckMissedError(HarnessError):
    """A requested check failed: a ``--check``, or a paper that states something else."""

    exit_code = 4


class EnvironmentLacksError(HarnessError):
    """The machine lacks what the spec demands: data, disk space, write permission, a package."""

    exit_code = 5


class LedgerError(HarnessError):
    """A ledger is damaged, is not what its digests state, or lies in the folder of another cell."""

    exit_code = 5


class PayloadError(HarnessError):
    """Bytes that are no payload of this codec for this layout."""


class UpdateError(HarnessError):
    """An update that cannot be sent, because training produced NaN or infinity."""


class MeterError(HarnessError):
    """A meter gave no reading. Energy is never replaced by zero."""
