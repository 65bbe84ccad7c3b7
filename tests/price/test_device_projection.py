"""Host to device: three kinds of work with three ratios, worked out by hand, and what is said of them."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.facts import ComputeWindow, TrainingWork
from harness.core.types import SERVER
from harness.ledger.ledger import Ledger
from harness.parts import registry
from harness.price.accounting.device_projection import (
    CLIENT_PHASES,
    can_hold,
    device_seconds,
    factors,
    memory_verdict,
    notes,
)
from harness.price.accounting.terms import times
from harness.price.assumptions.devices import device
from tests.ledgers import make_ledger, server_windows
from tests.parts.test_entry_points import CODEC

PI = device("raspberry_pi_4")
PACKED = {"kind": "qsgd", "coding": "packed"}
CODED = {"kind": "quantfl", "levels": 64, "coding": "ans"}
WORK = TrainingWork(5.9445e9, 1_300_000)


def cell(
    uplink: Mapping[str, Any] = PACKED,
    downlink: Mapping[str, Any] = PACKED,
    copy_gb_per_s: float | None = 20.64,
    work: TrainingWork | None = WORK,
    **settings: Any,
) -> Ledger:
    """Two rounds of two clients: client c takes c + 1 times 0.1, 1.0 and 0.2 CPU seconds, and five steps.

    The host copies at four times the rate of a Raspberry Pi 4, and a step is half a second of its arithmetic.
    """
    ledger = make_ledger(**settings)
    method = {"uplink": dict(uplink), "downlink": {"codec": dict(downlink), "mode": "model"}}
    host = replace(ledger.host, copy_gb_per_s=copy_gb_per_s)
    return replace(ledger, cell={**ledger.cell, "method": method}, host=host, work=work)


def seconds(ledger: Ledger, phase: str, client: int = 0) -> float:
    return float(device_seconds(ledger, PI).loc[(1, client), phase])


def test_training_is_operations_over_the_rate_of_the_device() -> None:
    """5 steps x 5.9445 Gflop / 11.889 Gflop/s = 2.5 s; the host needs 1.25 s for them and client 0 took less."""
    assert seconds(cell(), "local_training", 0) == pytest.approx(2.5)


def test_what_a_framework_takes_beyond_the_operations_is_integer_work() -> None:
    """Client 1 took 2 s where the operations take 1.25: 0.75 s at 25,000 CoreMark are 1.909 s at 9,820."""
    assert seconds(cell(), "local_training", 1) == pytest.approx(2.5 + 0.75 * 25_000 / 9_820)
    assert seconds(cell(gemm_gflops=0.0), "local_training", 1) == pytest.approx(2.5)


def test_a_microcontroller_runs_no_framework() -> None:
    controller = device("cortex_m7")
    found = device_seconds(cell(), controller)["local_training"]
    assert found.tolist() == pytest.approx([5 * 5.9445 / controller.gflops.typical] * 4)


def test_training_without_counted_operations_is_scaled_by_matrix_rates() -> None:
    """1 CPU second at 23.778 Gflop/s is 2 s at 11.889."""
    assert seconds(cell(work=None), "local_training", 0) == pytest.approx(2.0)
    assert seconds(cell(work=None), "local_training", 1) == pytest.approx(4.0)


def test_steps_that_were_not_counted_are_not_taken_for_none() -> None:
    windows = [ComputeWindow(1, "local_training", 0, 1.0, 1.0)]
    assert seconds(cell(windows=windows), "local_training") == pytest.approx(2.0)


def test_codecs_that_wait_for_memory_are_scaled_by_copying() -> None:
    """20.64 over 5.16 GB/s: 0.2 CPU seconds of encoding are 0.8 s, 0.1 of decoding 0.4 s."""
    assert seconds(cell(), "encode") == pytest.approx(0.8)
    assert seconds(cell(), "decode") == pytest.approx(0.4)


def test_coding_of_symbols_is_scaled_by_integer_speed() -> None:
    """25,000 over 9,820 CoreMark: 0.2 CPU seconds are 0.5092 s; the downlink is packed and goes by memory."""
    ledger = cell(uplink=CODED)
    assert seconds(ledger, "encode") == pytest.approx(0.2 * 25_000 / 9_820)
    assert seconds(ledger, "decode") == pytest.approx(0.4)


def test_rotations_are_scaled_by_matrix_rates() -> None:
    assert seconds(cell(uplink={"kind": "drive"}), "encode") == pytest.approx(0.4)


def test_only_clients_in_rounds_are_projected() -> None:
    plain = cell(work=None)
    windows = [
        *(ComputeWindow(**row) for row in plain.windows.to_dict("records")),
        *server_windows(50.0),
        ComputeWindow(0, "decode", 0, 50.0, 50.0),
        ComputeWindow(1, "codec_timing", SERVER, 50.0, 50.0),
    ]
    assert device_seconds(cell(work=None, windows=windows), PI).equals(device_seconds(plain, PI))


def test_windows_that_are_not_there_are_unknown_and_no_zero() -> None:
    frame = device_seconds(cell(windows=[ComputeWindow(1, "encode", 0, 1.0, 1.0)]), PI)
    assert list(frame.columns) == list(CLIENT_PHASES) and list(frame.index.names) == ["round", "client"]
    assert np.isnan(frame.loc[(1, 0), "local_training"]) and frame.loc[(1, 0), "encode"] == pytest.approx(4.0)


def test_a_ledger_without_computing_has_no_rows() -> None:
    frame = device_seconds(cell(windows=[], gemm_gflops=float("nan"), copy_gb_per_s=None, work=None), PI)
    assert frame.empty and list(frame.columns) == list(CLIENT_PHASES)
    assert frame.index.get_level_values("round").dtype == np.int64


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan")])
def test_an_unknown_host_rate_is_no_zero(rate: float) -> None:
    with pytest.raises(ValueError, match=r"the matrix rate of the host is .*: its seconds cannot be projected"):
        device_seconds(cell(work=None, gemm_gflops=rate), PI)


def test_a_window_without_cpu_seconds_is_refused() -> None:
    windows = [ComputeWindow(1, "encode", 0, 1.0, float("nan"))]
    with pytest.raises(ValueError, match="cell 0123456789abcdef: a compute window has no CPU seconds"):
        device_seconds(cell(windows=windows), PI)


def test_a_ledger_from_before_copying_was_measured_goes_by_matrix_rates_and_says_so() -> None:
    old = cell(copy_gb_per_s=None)
    assert seconds(old, "encode") == pytest.approx(0.4)
    assert any("rate of copying was not measured" in note.text for note in notes(old, PI))
    assert not any("rate of copying" in note.text for note in notes(cell(), PI))


def test_joules_of_training_by_hand() -> None:
    """10 s at 7.2 W; low 0.3 x 10 s at 5.1 W; high 3 x 10 s at 7.2 W: a rate that is a point adds no factor."""
    joules = times(10.0, factors(cell(), PI)["local_training"])
    assert (joules.low, joules.typical, joules.high) == pytest.approx((15.3, 72.0, 216.0))


def test_joules_of_a_packed_codec_by_hand() -> None:
    """Low 0.4 x 10 s x 5.16 / 5.56 x 5.1 W; high 2.5 x 10 s x 5.16 / 4.48 x 7.2 W: a faster memory takes less time."""
    joules = times(10.0, factors(cell(), PI)["encode"])
    assert joules.low == pytest.approx(0.4 * 10 * 5.16 / 5.56 * 5.1)
    assert joules.typical == pytest.approx(72.0)
    assert joules.high == pytest.approx(2.5 * 10 * 5.16 / 4.48 * 7.2)


def test_joules_of_coding_by_hand() -> None:
    """A faster host means more work behind its CPU seconds: high with 45,000 CoreMark there and 8,200 on the device."""
    joules = times(10.0, factors(cell(uplink=CODED), PI)["encode"])
    assert joules.low == pytest.approx(0.4 * 10 * (9820 / 11300) * (12000 / 25000) * 5.1)
    assert joules.typical == pytest.approx(72.0)
    assert joules.high == pytest.approx(2.5 * 10 * (9820 / 8200) * (45000 / 25000) * 7.2)


def test_training_is_off_alike_for_all_methods_and_a_codec_on_its_own() -> None:
    given = factors(cell(uplink=CODED), PI)
    assert set(given) == set(CLIENT_PHASES)
    scopes = {phase: [(factor.coefficient.name, factor.scope) for factor in given[phase]] for phase in given}
    assert scopes["local_training"] == [("work.dense_scale", "shared"), ("raspberry_pi_4.active_w", "shared")]
    assert scopes["encode"] == [
        ("work.serial_scale", "method"),
        ("raspberry_pi_4.coremark (relative)", "shared"),
        ("host.coremark (relative)", "shared"),
        ("raspberry_pi_4.active_w", "shared"),
    ]
    assert scopes["decode"][0] == ("work.memory_scale", "method")


@pytest.mark.parametrize("phase", CLIENT_PHASES)
def test_typical_factors_are_the_power_of_the_device(phase: str) -> None:
    for codec in (PACKED, CODED, {"kind": "drive"}):
        for name in ("phone", "esp32_s3", "jetson_nano"):
            kind = device(name)
            joules = times(1.0, factors(cell(uplink=codec, downlink=codec), kind)[phase])
            assert joules.typical == pytest.approx(kind.active_w.typical)
            assert joules.low < joules.typical < joules.high


def test_memory_is_judged_against_the_device() -> None:
    work = TrainingWork(1e6, 1_300_000)
    assert memory_verdict(cell(work=work), device("esp32_s3")) == (
        "fits: 1.3 of 8.91 MB, but not into the 0.524 MB of the smallest such"
    )
    assert memory_verdict(cell(work=work), PI) == "fits: 1.3 MB of 4 GB"
    assert memory_verdict(cell(work=TrainingWork(1e6, 9_000_000)), device("esp32_s3")) == ("does not fit: 9 of 8.91 MB")
    assert memory_verdict(cell(work=None), PI) == "not recorded"


@pytest.mark.parametrize(
    ("n_bytes", "device_kind"), [(8_900_000, "esp32_s3"), (9_000_000, "esp32_s3"), (10**9, "phone")]
)
def test_what_a_device_can_hold_is_what_the_verdict_says(n_bytes: int, device_kind: str) -> None:
    ledger, here = cell(work=TrainingWork(1e6, n_bytes)), device(device_kind)
    assert can_hold(ledger, here) is memory_verdict(ledger, here).startswith("fits")
    assert can_hold(cell(work=None), here), "nothing is known against it"


@pytest.mark.parametrize(
    "uplink",
    [
        {"kind": "error_feedback", "inner": PACKED},
        {"kind": "ef21", "inner": PACKED},
        {"kind": "exact_vectors", "inner": {"kind": "error_feedback", "inner": PACKED}},
        {"kind": "ef21", "inner": {"kind": "exact_vectors", "inner": PACKED}},
    ],
    ids=str,
)
def test_a_residual_counts_as_memory(uplink: Mapping[str, Any]) -> None:
    """The ledger's model takes 4 MB as float32, and error feedback keeps as much, and so does EF21."""
    work = TrainingWork(1e6, 6_000_000)
    assert memory_verdict(cell(uplink=uplink, work=work), device("esp32_s3")) == "does not fit: 10 of 8.91 MB"


@pytest.mark.parametrize(
    "uplink", [{"kind": "float32"}, PACKED, CODED, {"kind": "powersgd"}, {"kind": "exact_vectors", "inner": PACKED}]
)
def test_a_codec_that_keeps_no_residual_is_charged_for_none(uplink: Mapping[str, Any]) -> None:
    verdict = memory_verdict(cell(uplink=uplink, work=TrainingWork(1e6, 6_000_000)), device("esp32_s3"))
    assert verdict == "fits: 6 of 8.91 MB, but not into the 0.524 MB of the smallest such"


def from_a_file(folder: Path, *said: str) -> Mapping[str, Any]:
    """A codec from a file that says something of itself, as a cell describes it."""
    lines = "".join(f"    {line}\n" for line in said)
    source = CODEC.format(kind="mine").replace("    wire_id:", f"{lines}    wire_id:")
    (folder / "mine.py").write_text(source, encoding="utf-8")
    return registry.describe(registry.build("codec", {"file": str(folder / "mine.py"), "class": "Mean"}))


@pytest.mark.parametrize("is_wrapped", [False, True])
def test_a_codec_from_a_file_is_charged_for_the_residual_that_it_declares(tmp_path: Path, is_wrapped: bool) -> None:
    mine = from_a_file(tmp_path, "keeps_residual = True", 'work = "serial"')
    uplink = {"kind": "exact_vectors", "inner": mine} if is_wrapped else mine
    ledger = cell(uplink=uplink, work=TrainingWork(1e6, 6_000_000))
    assert memory_verdict(ledger, device("esp32_s3")) == "does not fit: 10 of 8.91 MB"
    assert seconds(cell(uplink=uplink), "encode") == pytest.approx(0.2 * 25_000 / 9_820)
    assert not any("not known" in note.text for note in notes(ledger, PI))


def test_a_codec_that_says_nothing_is_charged_for_no_residual_and_for_memory_and_both_are_told(tmp_path: Path) -> None:
    ledger = cell(uplink=from_a_file(tmp_path), work=TrainingWork(1e6, 6_000_000))
    assert memory_verdict(ledger, device("esp32_s3")) == (
        "fits: 6 of 8.91 MB, without what mine keeps, which is not known, "
        "but not into the 0.524 MB of the smallest such"
    )
    assert seconds(ledger, "encode") == seconds(cell(), "encode")
    (note,) = [note.text for note in notes(ledger, PI) if "not known" in note.text]
    assert note == "what mine waits for when it encodes is not known; it is projected as a codec that waits for memory"


@pytest.mark.parametrize("kind", ["theirs", "mine"])
def test_a_codec_that_is_not_installed_is_unknown(kind: str) -> None:
    ledger = cell(uplink={"kind": kind, "coding": "ans"}, downlink={"kind": "drive"})
    assert memory_verdict(ledger, PI) == f"fits: 1.3 MB of 4 GB, without what {kind} keeps, which is not known"
    assert sum("not known" in note.text for note in notes(ledger, PI)) == 1


def test_where_no_codec_was_recorded_nothing_is_said_of_it() -> None:
    ledger = cell(uplink={}, downlink={})
    assert memory_verdict(ledger, PI) == "fits: 1.3 MB of 4 GB"
    assert not any("not known" in note.text for note in notes(ledger, PI))


def test_a_host_that_is_slow_beyond_the_range_is_told() -> None:
    """20 steps in all, 118.89 Gflop, take 5 s at 23.778 Gflop/s; CPU seconds were 6, then 60."""
    assert not any("times as long" in note.text for note in notes(cell(), PI))
    (note,) = [note for note in notes(cell(cpu_s=(0.1, 10.0, 0.2)), PI) if "times as long" in note.text]
    assert "12 times as long" in note.text


def test_uncounted_operations_and_assumed_speeds_are_told() -> None:
    assert any("operations of training were not counted" in note.text for note in notes(cell(work=None), PI))
    assert any(
        "25000 for a thread of the host, which is assumed" in note.text for note in notes(cell(uplink=CODED), PI)
    )
    assert notes(cell(), PI) == ()


def test_more_work_never_takes_less_time() -> None:
    small, large = cell(cpu_s=(0.1, 1.0, 0.2)), cell(cpu_s=(0.2, 2.0, 0.4))
    assert (device_seconds(large, PI) >= device_seconds(small, PI)).all(axis=None)
    assert isinstance(device_seconds(small, PI), pd.DataFrame)


FIXED = TrainingWork(5.9445e9, 1_300_000, fixed_flops_per_step=17.8335e9)
"""A fixed part that takes three times what a step of the trained part takes."""


def test_the_fixed_part_is_run_in_every_step_on_a_device() -> None:
    """5 steps x (5.9445 + 17.8335) Gflop / 11.889 Gflop/s = 10 s, though the host had its activations at hand."""
    assert seconds(cell(work=FIXED), "local_training", 0) == pytest.approx(10.0)


def test_the_fixed_part_is_no_overhead_of_the_host() -> None:
    """Client 1 took 0.75 s more than the operations that the host did itself: those of the trained part."""
    assert seconds(cell(work=FIXED), "local_training", 1) == pytest.approx(10.0 + 0.75 * 25_000 / 9_820)


def test_the_share_of_the_fixed_part_is_told() -> None:
    (note,) = notes(cell(work=FIXED), PI)
    assert note.text.startswith("75% of the operations of training are those of the fixed part of the model")
    assert not any("fixed part" in note.text for note in notes(cell(), PI))


def on_an_accelerator(**settings: Any) -> Ledger:
    ledger = cell(**settings)
    return replace(ledger, host=replace(ledger.host, accelerator="invented card"))


def test_an_accelerator_says_nothing_of_the_framework_of_a_device() -> None:
    """Its CPU seconds were spent waiting for the card: only the operations are projected, whatever they were."""
    for cpu_s in (1.0, 50.0):
        ledger = on_an_accelerator(cpu_s=(0.1, cpu_s, 0.2))
        assert device_seconds(ledger, PI)["local_training"].tolist() == pytest.approx([2.5] * 4)
    assert seconds(on_an_accelerator(work=FIXED), "local_training", 1) == pytest.approx(10.0)


def test_codecs_run_on_the_cpu_beside_an_accelerator() -> None:
    assert seconds(on_an_accelerator(), "encode") == seconds(cell(), "encode") == pytest.approx(0.8)


def test_an_accelerator_is_told_and_its_speed_is_not_judged() -> None:
    (note,) = notes(on_an_accelerator(cpu_s=(0.1, 50.0, 0.2)), PI)
    assert note.text.startswith("trained on invented card: a device's training is projected by its operations alone")
