"""Real federations of Flower on loopback: a SuperLink, four SuperNodes, MNIST, and every byte on their sockets."""

import hashlib
import os
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.core.types import Direction
from harness.ledger.external_runs import read_open
from harness.ledger.ledger import Ledger
from harness.ledger.store import Store
from radio_models.coefficients import row
from tests.federations import Federation, chunks, federation, framing, wait_until
from tests.runs import REPOSITORY, planned, run_here
from tests.sockets import Wire

pytest.importorskip("flwr")
pytestmark = pytest.mark.network

_MNIST = REPOSITORY.parent / "shared" / "data" / "mnist"
_METHOD = {"name": "QuantFL both ways", "uplink": "quantfl", "downlink": {"codec": "quantfl"}}


def mnist(rounds: int) -> dict[str, Any]:
    """The benchmark that the app in `tests/flower_app` is."""
    return {
        "name": "flower",
        "task": {"kind": "mnist", "model": "mlp", "clients": 4},
        "federation": {
            "rounds": rounds,
            "cohort": 4,
            "batch_size": 64,
            "lr": 0.05,
            "score_every": rounds,
            "test_rounds": list(range(1, rounds + 1)),
        },
        "methods": [_METHOD],
        "seeds": [0],
        "meter": "cpu_time",
        "scenarios": {"radios": ["lte"], "grids": ["NOR"]},
    }


@pytest.fixture(autouse=True)
def _data(monkeypatch: pytest.MonkeyPatch) -> None:
    if "HARNESS_DATA" not in os.environ:
        if not _MNIST.is_dir():
            pytest.skip("no folder with MNIST")
        monkeypatch.setenv("HARNESS_DATA", str(_MNIST.parent))


def on_the_wire(wire: Wire) -> Counter[tuple[str, int, str]]:
    """Payloads that crossed: direction, length, digest as ledgers have it."""
    ways = (("uplink", wire.up), ("downlink", wire.down))
    return Counter(
        (way, len(payload), hashlib.sha256(payload).hexdigest()[:16])
        for way, stream in ways
        for payload in chunks(stream)
    )


def in_the_ledger(ledger: Ledger, client: int) -> Counter[tuple[str, int, str]]:
    found = ledger.transfers[ledger.transfers["client"] == client]
    return Counter(found[["direction", "payload_bytes", "payload_digest"]].itertuples(index=False, name=None))


def ended(running: Federation, process: subprocess.Popen[str]) -> tuple[Ledger, str]:
    """The ledger and the log of an app that has come to its end."""
    out, _ = process.communicate(timeout=400)
    assert process.returncode == 0, out
    ((_, ledger),) = read_open(running.folder / "ledger")
    return ledger, out


def test_a_federation_over_sockets_is_the_simulated_one(tmp_path: Path) -> None:
    """Two rounds, QuantFL both ways: payloads byte for byte, scores to float tolerance, every byte accounted for."""
    (cell,) = planned(mnist(2))
    assert run_here(cell, tmp_path / "simulation") is None
    simulated = Store(tmp_path / "simulation").ledger(cell.cell_id)
    with federation(tmp_path / "flower") as running:
        ledger, _ = ended(running, running.start(rounds=2, ledger=str(tmp_path / "flower" / "ledger")))
        wires = running.wires
    key = ["round", "client", "direction"]
    columns = [*key, "payload_bytes", "payload_digest"]
    rows = [sorted(each.transfers[columns].itertuples(index=False, name=None)) for each in (ledger, simulated)]
    assert rows[0] == rows[1] and len(rows[0]) == 16
    scores = [
        {
            (s.round, s.metric): s.value
            for s in each.scores.itertuples()
            if s.split == "test" and s.round > 0 and not s.metric.startswith("sent_")
        }
        for each in (ledger, simulated)
    ]
    assert scores[0] == pytest.approx(scores[1], rel=1e-5) and len(scores[0]) == 4
    for client, wire in enumerate(wires):
        assert on_the_wire(wire) == in_the_ledger(ledger, client)
    around = framing(wires)
    print(around)
    streams = [(up, down) for wire in wires for up, down in wire.streams]
    n_payload = int(ledger.transfers["payload_bytes"].sum())
    n_around = sum(up + down for _, up, down in around.totals.values())
    n_cut_off = sum(len(up) + len(down) for up, down in streams) - n_payload - n_around
    # A poll under way when the nodes were ended has no answer.
    assert 0 <= n_cut_off < 1000 * len(wires)
    for direction in ("uplink", "downlink"):
        _check_overhead_model(direction, around.per_message(direction))


def _check_overhead_model(direction: Direction, found: tuple[float, float, float]) -> None:
    """Radios price ``transport: flower`` by what the installed Flower really does."""
    for name, value in zip(("exchanges", "bytes", "reverse_bytes"), found, strict=True):
        coefficient = row("overhead", f"flower_{direction}_{name}")
        assert 0.98 * coefficient.low <= value <= 1.02 * coefficient.high, (coefficient.name, value)


def test_what_is_lost_and_what_is_damaged_ends_the_round_as_flower_is_set(tmp_path: Path) -> None:
    """In round 2 of 2 one node is killed, one client never answers, and one payload is damaged by a bit.

    The round ends at its timeout with the one that is left. The ledger is what crossed each socket.
    """
    planned(mnist(2))
    with federation(tmp_path) as running:
        process = running.start(
            rounds=2, timeout=45.0, ledger=str(tmp_path / "ledger"), **{"corrupt-client": 2, "silent-client": 3}
        )
        wait_until(lambda: len(chunks(running.wires[1].down)) == 2, process)
        running.kill_node(1)
        ledger, log = ended(running, process)
        wires = running.wires
    assert re.search(r"round 2: payload of client 2 \(node \d+\) refused: checksum mismatch", log)
    rounds = log.split("[ROUND 2/2]")
    assert "Received 4 results and 0 failures" in rounds[0]
    assert "Received 1 results and" in rounds[1]
    came = ledger.transfers.groupby(["round", "direction"])["client"].apply(sorted)
    assert came[2, "downlink"] == [0, 1, 2, 3] and came[2, "uplink"] == [0, 2]
    for client, wire in enumerate(wires):
        assert on_the_wire(wire) == in_the_ledger(ledger, client)
    accuracy = ledger.scores.query("metric == 'accuracy'").set_index("round")["value"]
    assert accuracy[2] > 0.85
