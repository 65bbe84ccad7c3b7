"""The timeline: when things happen in a deployment, by hand."""

import time
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from harness.core.types import ComputeWindow, Transfer
from harness.devices import device
from harness.ledger import Ledger
from harness.timeline import device_seconds, provisioning, timeline
from radio_models.lte import LteHandset2012
from tests.ledgers import make_ledger, provisioned, recorded_transfers, server_windows

PI = device("raspberry_pi_4")
RADIO = LteHandset2012(rate_up_mbps=4, rate_down_mbps=8)


def recorded(ledger: Ledger) -> list[ComputeWindow]:
    """The windows of a ledger, as records."""
    rows: Any = ledger.windows.to_dict("records")
    return [ComputeWindow(**row) for row in rows]


def test_one_round_by_hand() -> None:
    """8 Mbit down at 8 Mbit/s = 1 s; client 0 computes 2 x 1.3 s, client 1 twice that; 4 Mbit up at 4 Mbit/s = 1 s."""
    transfers = timeline(make_ledger(rounds=1), PI, RADIO)
    seen = [(move.client, move.direction, move.start_s, move.seconds, move.bits) for move in transfers]
    assert seen == [
        (0, "downlink", 0.0, 1.0, 8_000_000),
        (1, "downlink", 0.0, 1.0, 8_000_000),
        (0, "uplink", pytest.approx(3.6), 1.0, 4_000_000),
        (1, "uplink", pytest.approx(6.2), 1.0, 4_000_000),
    ]


def test_a_round_waits_for_the_slowest_and_the_pause() -> None:
    """The slowest client of a round is done after 1 + 5.2 + 1 = 7.2 s."""
    transfers = timeline(make_ledger(rounds=3), PI, RADIO, pause_s=10.0)
    starts = {move.round: move.start_s for move in transfers if move.direction == "downlink"}
    assert starts == {1: 0.0, 2: pytest.approx(17.2), 3: pytest.approx(34.4)}


def test_device_seconds_are_no_host_seconds() -> None:
    """CPU seconds times the ratio of the rates (2 here), never wall seconds; work of the server does not count."""
    ledger = make_ledger(rounds=1, clients=1)
    with_server = make_ledger(
        rounds=1,
        clients=1,
        windows=[*recorded(ledger), *server_windows(1000.0)],
    )
    for cell in (ledger, with_server):
        frame = device_seconds(cell, PI)
        assert frame.to_dict("records") == [
            {"decode": pytest.approx(0.2), "local_training": pytest.approx(2.0), "encode": pytest.approx(0.4)}
        ]
        assert timeline(cell, PI, RADIO)[-1].start_s == pytest.approx(3.6)


def test_a_faster_host_changes_nothing_about_the_deployment() -> None:
    """Half the CPU seconds at twice the rate is the same work."""
    slow = make_ledger(cpu_s=(0.1, 1.0, 0.2), gemm_gflops=10.0)
    fast = make_ledger(cpu_s=(0.05, 0.5, 0.1), gemm_gflops=20.0)
    assert [move.start_s for move in timeline(slow, PI, RADIO)] == pytest.approx(
        [move.start_s for move in timeline(fast, PI, RADIO)]
    )


def test_several_payloads_of_a_direction_are_one_transfer() -> None:
    parts = [Transfer(1, 0, "uplink", size, 12, "0" * 16, 4_000_000) for size in (1000, 500)]
    (move,) = timeline(make_ledger(rounds=1, clients=1, transfers=parts), PI, RADIO)
    assert (move.direction, move.bits) == ("uplink", 12_000)


def test_what_a_client_missed_comes_in_one_transfer_before_it_trains() -> None:
    """Three differences of 1 Mbit at 8 Mbit/s: training starts 0.375 s of downlink and 0.2 s of decoding later."""
    missed = [Transfer(1, 0, "downlink", 125_000, 12, digest * 16, 4_000_000) for digest in "abc"]
    sent = [Transfer(1, 0, "uplink", 500_000, 12, "0" * 16, 4_000_000)]
    down, up = timeline(make_ledger(rounds=1, clients=1, transfers=[*missed, *sent]), PI, RADIO)
    assert (down.bits, down.seconds) == (3_000_000, pytest.approx(0.375))
    assert up.start_s == pytest.approx(0.375 + 2 * 1.3)


def test_round_0_is_apart_from_the_timeline() -> None:
    ledger = make_ledger(clients=2)
    windows = [*recorded(ledger), ComputeWindow(0, "decode", 0, 1.0, 1.0)]
    given = make_ledger(clients=2, transfers=[*provisioned(), *recorded_transfers(ledger)], windows=windows)
    assert timeline(given, PI, RADIO) == timeline(ledger, PI, RADIO)
    assert device_seconds(given, PI).equals(device_seconds(ledger, PI))
    moves = [(move.client, move.round, move.start_s, move.seconds, move.bits) for move in provisioning(given, RADIO)]
    assert moves == [(0, 0, 0.0, 1.0, 8_000_000), (1, 0, 0.0, 1.0, 8_000_000)]
    assert provisioning(ledger, RADIO) == []


@pytest.mark.parametrize("phase", ["decode", "local_training", "encode"])
def test_missing_computing_is_unknown_not_zero(phase: str) -> None:
    kept = [window for window in recorded(make_ledger()) if (window.phase, window.client) != (phase, 1)]
    lacking = make_ledger(windows=kept)
    with pytest.raises(ValueError, match=f"client 1 has a .* in round 1 but no {phase} window"):
        timeline(lacking, PI, RADIO)


def test_unknown_seconds_and_receivers_are_refused() -> None:
    with pytest.raises(ValueError, match="no CPU seconds"):
        timeline(make_ledger(cpu_s=(0.1, float("nan"), 0.2)), PI, RADIO)
    broadcast = [Transfer(1, -1, "downlink", 1000, 12, "0" * 16, 4000)]
    with pytest.raises(ValueError, match="names no client"):
        timeline(make_ledger(transfers=broadcast), PI, RADIO)
    with pytest.raises(ValueError, match="cannot be projected"):
        timeline(make_ledger(gemm_gflops=0.0), PI, RADIO)


def test_a_large_cell_costs_little_time() -> None:
    """1000 rounds of 100 clients; CPU time, so that a busy machine does not matter."""
    pairs = pd.MultiIndex.from_product([range(1, 1001), range(100)], names=["round", "client"]).to_frame(index=False)
    ledger = replace(
        make_ledger(),
        transfers=pd.concat(
            [pairs.assign(direction=way, payload_bytes=38_440 + pairs["client"]) for way in ("downlink", "uplink")]
        ),
        windows=pd.concat(
            [pairs.assign(phase=phase, cpu_seconds=0.1) for phase in ("decode", "local_training", "encode")]
        ),
    )
    before = time.process_time()
    usage = RADIO.usage(timeline(ledger, PI, RADIO))
    spent_s = time.process_time() - before
    assert len(usage) == 2000
    assert spent_s < 5.0  # about 1 s; the margin is for slow machines, a quadratic loop takes minutes
