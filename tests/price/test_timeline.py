"""The timeline: when things happen in a deployment, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harness.core.facts import ComputeWindow, Transfer
from harness.ledger.ledger import Ledger
from harness.price.accounting.account import DeploymentResult, account
from harness.price.accounting.device_projection import device_seconds
from harness.price.accounting.timeline import NO_PAYLOAD, turns_of
from tests.deployments import PI, amount, assuming
from tests.ledgers import make_ledger, provisioned, recorded_transfers, server_windows


def recorded(ledger: Ledger) -> list[ComputeWindow]:
    """The windows of a ledger, as records."""
    rows: Any = ledger.windows.to_dict("records")
    return [ComputeWindow(**row) for row in rows]


def deployed(ledger: Ledger, **assumed: Any) -> DeploymentResult:
    """A ledger on the radio of 4 Mbit/s up and 8 down."""
    return account(ledger, assuming(**assumed)).deployments[0]


def test_one_round_by_hand() -> None:
    """8 Mbit down at 8 Mbit/s = 1 s; client 0 computes 2 x 1.3 s, client 1 twice that; 4 Mbit up at 4 Mbit/s = 1 s.

    Before the downlink, the radio takes 0.2601 s to connect; it still is when the uplink comes.
    """
    (party,) = deployed(make_ledger(rounds=1)).parties
    assert party.carriages["downlink"].seconds.tolist() == [1.0, 1.0]
    assert party.compute_s.tolist() == pytest.approx([2.6, 5.2])
    assert party.link_s.tolist() == [2.0, 2.0]
    assert party.busy_s.tolist() == pytest.approx([4.8601, 7.4601])


def test_a_round_waits_for_the_slowest_and_the_pause() -> None:
    """The slowest client of a round is done after 1 + 5.2 + 1 = 7.2 s, and connects in 0.2601 s before round 1.

    10 s later it is still connected. Client 0 is not, 12.6 s after it was done, and has time to connect.
    """
    schedule = deployed(make_ledger(rounds=3), pause_s=10.0).schedule
    assert schedule.start_s.tolist() == pytest.approx([0.0, 0.0, 17.4601, 34.6601])
    assert schedule.end_s.tolist() == pytest.approx([0.0, 7.4601, 24.6601, 41.8601])
    assert schedule.period_s.tolist() == pytest.approx([0.0, 17.4601, 17.2, 17.2])
    assert schedule.duration_s == pytest.approx(41.8601)


def test_device_seconds_are_no_host_seconds() -> None:
    """CPU seconds times the ratio of the rates (2 here), never wall seconds; work of the server does not count.

    0.2601 s to connect, 1 s down, 2.6 s of computing, 1 s up.
    """
    ledger = make_ledger(rounds=1, clients=1)
    with_server = make_ledger(rounds=1, clients=1, windows=[*recorded(ledger), *server_windows(1000.0)])
    for cell in (ledger, with_server):
        frame = device_seconds(cell, PI)
        assert frame.to_dict("records") == [
            {"decode": pytest.approx(0.2), "local_training": pytest.approx(2.0), "encode": pytest.approx(0.4)}
        ]
        assert deployed(cell).schedule.duration_s == pytest.approx(4.8601)


def test_a_faster_host_changes_nothing_about_the_deployment() -> None:
    """Half the CPU seconds at twice the rate is the same work."""
    slow, fast = (
        deployed(make_ledger(cpu_s=cpu_s, gemm_gflops=rate)).schedule.end_s.tolist()
        for cpu_s, rate in (((0.1, 1.0, 0.2), 10.0), ((0.05, 0.5, 0.1), 20.0))
    )
    assert slow == pytest.approx(fast)


def test_several_payloads_of_a_direction_are_one_transfer() -> None:
    parts = [Transfer(1, 0, "uplink", size, 12, "0" * 16, 4_000_000) for size in (1000, 500)]
    turns = turns_of(make_ledger(rounds=1, clients=1, transfers=parts))
    assert (turns.downlink_bytes.tolist(), turns.uplink_bytes.tolist()) == ([NO_PAYLOAD], [1500])
    result = deployed(make_ledger(rounds=1, clients=1, transfers=parts))
    assert amount(result, "uplink", "sessions") == 1.0
    assert amount(result, "uplink", "uplink_mbit") == pytest.approx(0.012)
    assert amount(result, "downlink", "downlink_s") == 0.0


def test_what_a_client_missed_comes_in_one_transfer_before_it_trains() -> None:
    """Three differences of 1 Mbit at 8 Mbit/s: 0.375 s of downlink, then 2.6 s of computing, then 1 s up.

    All of it after 0.2601 s to connect.
    """
    missed = [Transfer(1, 0, "downlink", 125_000, 12, digest * 16, 4_000_000) for digest in "abc"]
    sent = [Transfer(1, 0, "uplink", 500_000, 12, "0" * 16, 4_000_000)]
    result = deployed(make_ledger(rounds=1, clients=1, transfers=[*missed, *sent]))
    assert amount(result, "downlink", "downlink_s") == pytest.approx(0.375)
    assert result.schedule.duration_s == pytest.approx(0.2601 + 0.375 + 2 * 1.3 + 1.0)


def test_round_0_is_apart_from_the_timeline() -> None:
    ledger = make_ledger(clients=2)
    windows = [*recorded(ledger), ComputeWindow(0, "decode", 0, 1.0, 1.0)]
    given = make_ledger(clients=2, transfers=[*provisioned(), *recorded_transfers(ledger)], windows=windows)
    assert deployed(given).schedule.end_s.tolist() == deployed(ledger).schedule.end_s.tolist()
    assert device_seconds(given, PI).equals(device_seconds(ledger, PI))
    extras = {term.quantity: term.amounts.tolist() for term in deployed(given).extras["provisioning"]}
    assert extras["downlink_s"] == [2.0, 0.0, 0.0]
    assert extras["sessions"] == [2.0, 0.0, 0.0]


def test_the_order_of_rows_does_not_matter() -> None:
    ledger = make_ledger(rounds=3, clients=4)
    shuffled = replace(ledger, transfers=ledger.transfers.sample(frac=1.0, random_state=0))
    assert deployed(shuffled).joules() == deployed(ledger).joules()


@pytest.mark.parametrize("phase", ["decode", "local_training", "encode"])
def test_missing_computing_is_unknown_not_zero(phase: str) -> None:
    kept = [window for window in recorded(make_ledger()) if (window.phase, window.client) != (phase, 1)]
    with pytest.raises(ValueError, match=f"client 1 has a .* in round 1 but no {phase} window"):
        deployed(make_ledger(windows=kept))


def test_unknown_seconds_and_receivers_are_refused() -> None:
    with pytest.raises(ValueError, match="no CPU seconds"):
        deployed(make_ledger(cpu_s=(0.1, float("nan"), 0.2)))
    broadcast = [Transfer(1, -1, "downlink", 1000, 12, "0" * 16, 4000)]
    with pytest.raises(ValueError, match="names no client"):
        deployed(make_ledger(transfers=broadcast))
    with pytest.raises(ValueError, match="cannot be projected"):
        deployed(make_ledger(gemm_gflops=0.0))


def test_a_large_cell_is_priced_whole() -> None:
    """1000 rounds of 100 clients, which a quadratic loop would take minutes for; `pricing_speed` has its time."""
    pairs = pd.MultiIndex.from_product([range(1, 1001), range(100)], names=["round", "client"]).to_frame(index=False)
    ledger = replace(
        make_ledger(),
        transfers=pd.concat(
            [
                pairs.assign(direction=way, payload_bytes=38_440 + pairs["client"], payload_digest="0", is_late=False)
                for way in ("downlink", "uplink")
            ]
        ),
        windows=pd.concat(
            [pairs.assign(phase=phase, cpu_seconds=0.1, n_steps=1) for phase in ("decode", "local_training", "encode")]
        ),
    )
    result = deployed(ledger)
    assert result.schedule.n_rounds == 1000
    assert np.isfinite(result.joules().typical)
