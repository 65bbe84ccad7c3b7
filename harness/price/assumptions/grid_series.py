"""Reads grams per kilowatt-hour over time: a CSV of UTC stamps, taken as steps and averaged exactly over intervals.

The file has the columns ``utc`` (ISO 8601 with ``Z`` or ``+00:00``) and ``g_per_kwh``, in any order. Each value holds
until the next stamp; a gap is bridged by the value before it. The last value holds as long as the median step.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from harness.core.errors import SpecError, UsageError
from harness.core.types import Float64
from harness.parsing.csv_text import CsvCell, read_rows
from harness.parsing.problems import shown

HIGHEST_G_PER_KWH = 10_000.0
"""Above this a value is taken to be a slip of the unit."""

_COLUMNS = ("utc", "g_per_kwh")
_A_MOMENT = "ISO 8601 moment in UTC such as 2025-03-01T00:00:00Z"


@dataclass(frozen=True, eq=False)
class Series:
    """Carbon intensity of a place over time.

    Attributes:
        name: name of the file that it was read from.
        start: where time is counted from, UTC.
        edges_s: float64 of shape (n + 1,), strictly increasing: seconds after `start` at which a value begins, and at
            which the last one ends; negative before `start`.
        g_per_kwh: float64 of shape (n,): gCO2e per kWh from each edge to the next.
    """

    name: str
    start: datetime
    edges_s: Float64
    g_per_kwh: Float64

    @property
    def mean_g_per_kwh(self) -> float:
        """Mean over the whole file, each value weighted by how long it holds, gCO2e per kWh."""
        steps_s = np.diff(self.edges_s)
        return float(steps_s @ self.g_per_kwh / steps_s.sum())

    def mean(self, start_s: Float64, end_s: Float64) -> Float64:
        """Mean intensity over each of some intervals, gCO2e per kWh.

        Args:
            start_s: float64 of shape (n,): beginnings, seconds after `start`.
            end_s: float64 of shape (n,): ends, none before its beginning. An interval without length takes the value
                of its moment.

        Raises:
            UsageError: an interval reaches outside the file.
            ValueError: an interval ends before it begins, or is not finite.

        >>> edges_s = np.array([0.0, 3600.0, 7200.0])
        >>> hours = Series("x.csv", datetime(2025, 3, 1, tzinfo=UTC), edges_s, np.array([100.0, 400.0]))
        >>> hours.mean(np.array([0.0, 2700.0, 3600.0]), np.array([3600.0, 4500.0, 3600.0])).tolist()
        [100.0, 250.0, 400.0]
        """
        if not (np.isfinite(start_s).all() and np.isfinite(end_s).all() and (start_s <= end_s).all()):
            raise ValueError("an interval must be finite and must not end before it begins")
        if not start_s.size:
            return np.zeros(0)
        self._check_covers(float(start_s.min()), float(end_s.max()))
        last = len(self.g_per_kwh) - 1
        first = (np.searchsorted(self.edges_s, start_s, side="right") - 1).clip(0, last)
        final = (np.searchsorted(self.edges_s, end_s, side="left") - 1).clip(0, last)
        ends = np.minimum(first + 1, last)
        # The parts at both ends are measured from their own edges, so that a short interval keeps its digits.
        total = np.concatenate(([0.0], np.cumsum(np.diff(self.edges_s) * self.g_per_kwh)))
        area = (
            self.g_per_kwh[first] * (self.edges_s[ends] - start_s)
            + (total[final] - total[ends])
            + self.g_per_kwh[final] * (end_s - self.edges_s[final])
        )
        is_within_step = final <= first
        length_s = np.where(is_within_step, 1.0, end_s - start_s)
        means: Float64 = np.where(is_within_step, self.g_per_kwh[first], area / length_s)
        return means

    def _check_covers(self, from_s: float, to_s: float) -> None:
        if self.edges_s[0] <= from_s and to_s <= self.edges_s[-1]:
            return
        span = f"{self._stamp(self.edges_s[0])} to {self._stamp(self.edges_s[-1])}"
        raise UsageError(
            f"{self.name}: the run needs {self._stamp(from_s)} to {self._stamp(to_s)}, but the file covers {span}; "
            "choose another start or a longer file"
        )

    def _stamp(self, seconds: float) -> str:
        try:
            moment = self.start + timedelta(seconds=float(seconds))
        except OverflowError:
            return f"{seconds:g} s after {stamp(self.start)}"
        return stamp(moment)


def load_series(path: Path, start: str) -> Series:
    """The series of a file, with time counted from `start`.

    Args:
        path: CSV with columns as above, at least two rows, stamps strictly increasing, values 0 to 10,000 g/kWh.
        start: ISO 8601 moment in UTC within the file.

    Raises:
        UsageError: the file cannot be read, or a line of it is wrong, or `start` is outside it.
    """
    origin = moment(start, "start")
    rows = list(_rows(path))
    if len(rows) < 2:
        raise UsageError(f"{path}: at least two rows are needed, got {len(rows)}")
    seconds = np.array([(when - origin).total_seconds() for when, _ in rows])
    edges_s = np.append(seconds, seconds[-1] + np.median(np.diff(seconds)))
    series = Series(path.name, origin, edges_s, np.array([value for _, value in rows]))
    if not edges_s[0] <= 0 < edges_s[-1]:
        raise UsageError(
            f"start {stamp(origin)} is outside {path}, which covers {series._stamp(edges_s[0])} "
            f"to {series._stamp(edges_s[-1])}"
        )
    return series


def moment(text: object, what: str) -> datetime:
    """A moment in UTC.

    Args:
        text: ISO 8601 with ``Z`` or ``+00:00``.
        what: what it is, for the error.

    Raises:
        UsageError: it is none, or has another offset, or none.

    >>> moment("2025-03-01T00:30:00Z", "start").isoformat()
    '2025-03-01T00:30:00+00:00'
    """
    found = _moment(text) if isinstance(text, str) else None
    if found is None:
        raise UsageError(f"{what} must be an {_A_MOMENT}, got {text!r}")
    return found


def stamp(when: datetime) -> str:
    """A moment as messages print it, in whole seconds.

    >>> stamp(datetime(2025, 3, 1, 12, tzinfo=UTC))
    '2025-03-01T12:00:00Z'
    """
    return when.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _rows(path: Path) -> Iterator[tuple[datetime, float]]:
    """Stamp and value of each row; the first wrong one ends it, as the rows of a series tend to be wrong alike."""
    read = read_rows(path, _COLUMNS)
    if read.problems:
        raise SpecError(str(path), read.problems[:1])
    before: datetime | None = None
    for cells in read.cells:
        utc, value = (cells[name] for name in _COLUMNS)
        when = _moment(utc.text)
        if when is None:
            raise _wrong(path, utc, "utc", f"{shown(utc.text)} is no {_A_MOMENT}")
        if before is not None and when <= before:
            raise _wrong(path, utc, "utc", f"{stamp(when)} is not after {stamp(before)}, that of the row before")
        g_per_kwh = _intensity(value.text)
        if g_per_kwh is None:
            text = f"{shown(value.text)} is no number from 0 to {HIGHEST_G_PER_KWH:g}"
            raise _wrong(path, value, "g_per_kwh", text)
        yield when, g_per_kwh
        before = when


def _wrong(path: Path, cell: CsvCell, column: str, text: str) -> SpecError:
    return SpecError(str(path), [cell.problem(column, text)])


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.utcoffset() == timedelta(0) else None


def _intensity(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= HIGHEST_G_PER_KWH else None
