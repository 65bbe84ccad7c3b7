"""Devices: the projection by hand, and every number with a source."""

import re
from pathlib import Path

import pytest

import harness.data
from harness.accounting import compute_j
from harness.core.errors import UsageError
from harness.devices import EVIDENCE, device, names


def test_seconds_scale_with_the_matrix_rates() -> None:
    """A host thread of 23.778 Gflop/s does in 1 s what 11.889 Gflop/s take 2 s for."""
    assert device("raspberry_pi_4").seconds(1.0, 23.778) == pytest.approx(2.0)
    assert device("raspberry_pi_5").seconds(1.0, 35.169) == pytest.approx(1.0)


def test_joules_by_hand() -> None:
    """10 s at 7.2 W; low 0.3 x 10 s at 5.1 W; high 3 x 10 s at 7.2 W."""
    joules = compute_j(10.0, device("raspberry_pi_4"))
    assert (joules.low, joules.typical, joules.high) == pytest.approx((15.3, 72.0, 216.0))
    assert EVIDENCE == "P"


def test_published_efficiency_of_the_measurement() -> None:
    """The source prints Gflop/s per watt beside both numbers: 1.65 and 2.77."""
    for name, published in (("raspberry_pi_4", 1.65), ("raspberry_pi_5", 2.77)):
        board = device(name)
        assert board.gflops.typical / board.active_w.typical == pytest.approx(published, abs=0.005)


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_an_unknown_host_rate_is_no_zero(rate: float) -> None:
    with pytest.raises(ValueError, match="cannot be projected"):
        device("raspberry_pi_4").seconds(1.0, rate)


def test_unknown_device() -> None:
    with pytest.raises(UsageError, match=r"known: raspberry_pi_4, raspberry_pi_5\)\. Did you mean raspberry_pi_4\?"):
        device("raspbery_pi4")


@pytest.mark.parametrize("name", names())
def test_every_number_has_a_source_in_the_bibliography(name: str) -> None:
    folder = Path(harness.data.__file__).parent
    keys = re.findall(r"^@\w+\{(\w+),", (folder / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    for row in device(name).inputs():
        assert row.source in {*keys, "judgement"}
        assert row.locator
        assert row.range_basis
