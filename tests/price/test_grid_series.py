"""Intensity over time: means by hand, the same as a sum over seconds, and files that are refused with their line."""

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from harness.core.errors import UsageError
from harness.core.types import Float64
from harness.price.assumptions.grid_series import Series, load_series

HOURS = """utc,g_per_kwh
2025-03-01T00:00:00Z,100
2025-03-01T01:00:00+00:00,400
2025-03-01T02:00:00Z,250
"""
START = "2025-03-01T00:00:00Z"


def written(folder: Path, text: str) -> Path:
    path = folder / "de.csv"
    path.write_text(text, encoding="utf-8")
    return path


def array(*numbers: float) -> Float64:
    return np.array(numbers, dtype=np.float64)


@pytest.fixture
def hours(tmp_path: Path) -> Series:
    return load_series(written(tmp_path, HOURS), START)


def test_means_by_hand(hours: Series) -> None:
    """A whole hour; 15 min at 100 and 45 at 400; half an hour, an hour and half an hour; the last hour, which holds."""
    means = hours.mean(array(0, 2700, 1800, 7200), array(3600, 6300, 9000, 10800))
    assert means.tolist() == pytest.approx([100, (15 * 100 + 45 * 400) / 60, (50 + 400 + 125) / 2, 250])


def test_the_mean_over_a_whole_is_the_weighted_mean_of_its_parts() -> None:
    rng = np.random.default_rng(7)
    edges_s = np.concatenate(([0.0], np.cumsum(rng.integers(1, 90, 40)))).astype(np.float64)
    series = made(edges_s, rng.uniform(10, 900, 40))
    cuts_s = np.sort(rng.uniform(0, edges_s[-1], 25))
    parts = series.mean(cuts_s[:-1], cuts_s[1:])
    whole = series.mean(cuts_s[:1], cuts_s[-1:])
    assert (parts * np.diff(cuts_s)).sum() == pytest.approx(whole[0] * (cuts_s[-1] - cuts_s[0]))


def test_means_equal_a_sum_over_seconds() -> None:
    rng = np.random.default_rng(11)
    edges_s = np.concatenate(([0.0], np.cumsum(rng.integers(1, 60, 30)))).astype(np.float64)
    values = rng.uniform(0, 900, 30)
    by_second = np.repeat(values, np.diff(edges_s).astype(int))
    starts = rng.integers(0, len(by_second) - 1, 200)
    ends = starts + 1 + rng.integers(0, len(by_second) - starts)
    ends = ends.clip(max=len(by_second))
    expected = [by_second[start:end].mean() for start, end in zip(starts, ends, strict=True)]
    got = made(edges_s, values).mean(starts.astype(np.float64), ends.astype(np.float64))
    assert got == pytest.approx(np.array(expected))


def test_an_interval_without_length_takes_the_value_of_its_moment(hours: Series) -> None:
    moments = array(0, 3599, 3600, 10800)
    assert hours.mean(moments, moments).tolist() == [100, 100, 400, 250]


def test_microseconds_across_an_edge_far_into_a_year_keep_their_digits() -> None:
    edges_s = np.arange(8761) * 3600.0
    values = np.where(np.arange(8760) % 2, 900.0, 100.0)
    edge_s = 8001 * 3600.0
    mean = made(edges_s, values).mean(array(edge_s - 2**-10), array(edge_s + 2**-10))
    assert mean[0] == pytest.approx(500.0)


def test_no_interval_has_no_mean(hours: Series) -> None:
    assert hours.mean(array(), array()).shape == (0,)


def test_the_mean_of_the_file_weighs_each_value_by_how_long_it_holds(tmp_path: Path) -> None:
    """1 h at 100, 1 h at 400, 4 h at 250, and the last for the median step of 1 h, not the mean of 2 h, at 700."""
    text = HOURS + "2025-03-01T06:00:00Z,700\n"
    assert load_series(written(tmp_path, text), START).mean_g_per_kwh == pytest.approx((100 + 400 + 1000 + 700) / 7)


def test_time_counts_from_the_start(tmp_path: Path) -> None:
    series = load_series(written(tmp_path, HOURS), "2025-03-01T01:30:00Z")
    assert series.mean(array(0, 0), array(1800, 3600)).tolist() == pytest.approx([400, 325])


def test_a_mark_of_a_spreadsheet_and_blank_lines_are_no_matter(tmp_path: Path) -> None:
    path = tmp_path / "de.csv"
    path.write_bytes(b"\xef\xbb\xbf" + HOURS.replace("\n", "\r\n").encode() + b"\r\n")
    assert load_series(path, START).g_per_kwh.tolist() == [100, 400, 250]


def test_a_misspelt_column_is_unknown_and_missing(tmp_path: Path) -> None:
    path = written(tmp_path, HOURS.replace("utc", "utcs"))
    with pytest.raises(UsageError) as caught:
        load_series(path, START)
    assert str(caught.value).splitlines() == [
        f'{path}:1:1 unknown column "utcs"; allowed: utc, g_per_kwh. Did you mean utc?',
        f"{path}:1:1 missing column utc",
    ]


@pytest.mark.parametrize("separator", [";", "\t", ",  "])
def test_a_series_is_read_as_every_table_of_a_user(tmp_path: Path, separator: str) -> None:
    """Separators of spreadsheets in any language, columns in any order, names in upper or lower case, and quotes."""
    rows = [reversed(line.split(",")) for line in HOURS.splitlines()]
    text = "\n".join(separator.join(f'"{cell}"' for cell in row) for row in rows)
    path = written(tmp_path, text.replace("utc", "UTC"))
    assert load_series(path, START).g_per_kwh.tolist() == [100, 400, 250]


def test_a_run_longer_than_the_file_names_what_is_covered(hours: Series) -> None:
    with pytest.raises(UsageError) as caught:
        hours.mean(array(0), array(10801))
    assert str(caught.value) == (
        "de.csv: the run needs 2025-03-01T00:00:00Z to 2025-03-01T03:00:01Z, but the file covers "
        "2025-03-01T00:00:00Z to 2025-03-01T03:00:00Z; choose another start or a longer file"
    )
    with pytest.raises(UsageError, match="1e\\+14 s after 2025-03-01T00:00:00Z"):
        hours.mean(array(0), array(1e14))


@pytest.mark.parametrize(("start_s", "end_s"), [(5.0, 4.0), (float("nan"), 4.0), (0.0, float("inf"))])
def test_an_interval_that_is_none_is_refused(hours: Series, start_s: float, end_s: float) -> None:
    with pytest.raises(ValueError, match="interval"):
        hours.mean(array(start_s), array(end_s))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("utc,g_per_kwh,note\n", 'de.csv:1:15 unknown column "note"; allowed: utc, g_per_kwh.'),
        ("g_per_kwh\n", "de.csv:1:1 missing column utc"),
        ("", "de.csv: is empty; the first line names the columns: utc, g_per_kwh"),
        (
            HOURS + "2025-03-01T02:00:00Z,3\n",
            "de.csv:5:1 utc: 2025-03-01T02:00:00Z is not after 2025-03-01T02:00:00Z, that of the row before",
        ),
        (HOURS + "2025-03-01T01:30:00Z,3\n", "de.csv:5:1 utc: 2025-03-01T01:30:00Z is not after"),
        (
            HOURS.replace("02:00:00Z", "02:00:00"),
            'de.csv:4:1 utc: "2025-03-01T02:00:00" is no ISO 8601 moment in UTC such as 2025-03-01T00:00:00Z',
        ),
        (HOURS.replace("02:00:00Z", "03:00:00+01:00"), 'de.csv:4:1 utc: "2025-03-01T03:00:00+01:00" is no'),
        (HOURS.replace("250", "a lot"), 'de.csv:4:22 g_per_kwh: "a lot" is no number from 0 to 10000'),
        (HOURS.replace("250", "nan"), 'de.csv:4:22 g_per_kwh: "nan" is no number'),
        (HOURS.replace("250", "-1"), 'de.csv:4:22 g_per_kwh: "-1" is no number'),
        (HOURS.replace("250", "10001"), 'de.csv:4:22 g_per_kwh: "10001" is no number'),
        (HOURS.replace(",250", ""), "de.csv:4:1 1 cells, the first line names 2 columns"),
        (HOURS.replace("Z,", "Z,1,"), "de.csv:2:1 3 cells, the first line names 2 columns"),
        ('utc,g_per_kwh\n"2025', "de.csv:2: is no CSV"),
        ("utc,g_per_kwh\n2025-03-01T00:00:00Z,1\n", "at least two rows are needed, got 1"),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=re.escape(message)) as caught:
        load_series(written(tmp_path, text), START)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        ("2025-03-01", "start must be an ISO 8601 moment in UTC"),
        ("yesterday", "got 'yesterday'"),
        ("2025-02-28T23:59:59Z", "outside .* covers 2025-03-01T00:00:00Z to 2025-03-01T03:00:00Z"),
        ("2025-03-01T03:00:00Z", "outside"),
    ],
)
def test_a_start_that_the_file_does_not_know_is_refused(tmp_path: Path, start: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load_series(written(tmp_path, HOURS), start)


def made(edges_s: Float64, values: Float64) -> Series:
    """A series without a file."""
    return Series("made.csv", datetime(2025, 3, 1, tzinfo=UTC), edges_s, values)
