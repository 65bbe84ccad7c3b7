"""Rates of hosts, pooled by machine: the median of what its workers measured."""

from dataclasses import replace

from harness.core.facts import CodecTiming
from harness.ledger.ledger import Ledger
from harness.price.accounting.pooled_compute import pool
from tests.ledgers import make_ledger

TIMINGS = tuple(
    CodecTiming(direction, operation, 10, 0.5)
    for direction in ("downlink", "uplink")
    for operation in ("encode", "decode")
)
METHOD = {"uplink": {"kind": "float32"}, "downlink": {"codec": {"kind": "float32"}, "mode": "model"}}


def cell(number: int, gemm_gflops: float, copy_gb_per_s: float | None, machine: str = "a") -> Ledger:
    ledger = make_ledger(gemm_gflops=gemm_gflops)
    return replace(
        ledger,
        cell_id=f"{number:016d}",
        cell={"task": {}, "federation": {"batch_size": 16}, "method": METHOD, "seed": number},
        codec_timings=TIMINGS,
        host=replace(ledger.host, copy_gb_per_s=copy_gb_per_s, machine=machine),
    )


def test_rates_of_a_machine_are_medians_over_its_cells() -> None:
    cells = [cell(1, 10.0, 4.0), cell(2, 30.0, 6.0), cell(3, 20.0, 50.0)]
    costs = pool(cells)
    for ledger in cells:
        host = costs.pooled(ledger).host
        assert (host.gemm_gflops, host.copy_gb_per_s) == (20.0, 6.0)


def test_a_cell_without_a_rate_of_copying_gets_that_of_its_machine() -> None:
    old, new = cell(1, 10.0, None), cell(2, 10.0, 5.0)
    assert pool([old, new]).pooled(old).host.copy_gb_per_s == 5.0


def test_a_rate_that_no_cell_of_a_machine_measured_stays_unknown() -> None:
    old, elsewhere = cell(1, 10.0, None), cell(2, 10.0, 5.0, machine="b")
    assert pool([old, elsewhere]).pooled(old).host.copy_gb_per_s is None


def test_pooled_windows_keep_their_steps() -> None:
    """Device seconds of training are steps times operations: pooling of CPU time must not touch them."""
    ledger = cell(1, 10.0, 5.0)
    assert pool([ledger]).pooled(ledger).windows["n_steps"].equals(ledger.windows["n_steps"])


def test_a_step_costs_the_same_at_every_learning_rate() -> None:
    """The rate changes no work: cells that differ in it alone, or in rounds, are pooled into one cost."""
    cells = [cell(1, 10.0, 5.0), cell(2, 10.0, 5.0)]
    changes = {"lr": 0.5, "lr_schedule": "cosine", "rounds": 7}
    other = replace(cells[1], cell={**cells[1].cell, "federation": {**cells[1].cell["federation"], **changes}})
    costs = pool([cells[0], other])
    assert costs.step(cells[0]) == costs.step(other) and costs.step(other).n_cells == 2


def test_a_step_of_another_batch_size_has_a_cost_of_its_own() -> None:
    cells = [cell(1, 10.0, 5.0), cell(2, 10.0, 5.0)]
    other = replace(cells[1], cell={**cells[1].cell, "federation": {"batch_size": 32}})
    costs = pool([cells[0], other])
    assert (costs.step(cells[0]).n_cells, costs.step(other).n_cells) == (1, 1)
