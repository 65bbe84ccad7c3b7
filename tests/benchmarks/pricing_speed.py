"""Speed of pricing: a ledger of 1,000,000 transfers on every radio, in every country, with 10,000 draws.

``python -m tests.benchmarks.pricing_speed [--rounds N] [--clients N] [--draws N]`` prints one table. Every payload has
a size of its own, so that nothing is gained by sizes that come twice. Beside each step stands the plain way to do it,
whose results are compared: pandas for reducing transfers to usage; for pricing, a loop over radios and countries that
multiplies draws and asks numpy for quantiles in each. Loading is left out. Seconds are wall time of one process, the
best of several runs; memory is the largest resident memory of it, and by how much that is above what there was before.
"""

import argparse
import ctypes
import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from harness.core.prices import PRICES, Carriage, Coefficient
from harness.core.protocols import RadioModel
from harness.core.types import Direction, Float64
from harness.ledger.ledger import Ledger
from harness.parts import registry
from harness.price.accounting.draws import Draws, at, is_point, key_of, with_link
from harness.price.accounting.radio_usage import CARRIED, Usage, reduce
from harness.price.accounting.terms import Factor, Term
from harness.price.accounting.timeline import Turns, schedule_of, transfers_in_time, turns_of
from harness.price.accounting.uncertainty import Quantiles, amounts_drawn, grams, quantiles
from harness.price.assumptions.grids import table as grid_table
from tests.ledgers import make_ledger

Result = TypeVar("Result")

WAYS: tuple[Direction, Direction] = ("downlink", "uplink")
COMPUTE_S = 1.0
PAUSE_S = 7.3
"""Between rounds; no tail is just as long, so that rounding does not decide about sessions."""
METHOD = "a method"


@dataclass(frozen=True)
class Step:
    """A step with what it took: ours, and the plain way."""

    name: str
    seconds: float
    peak_mb: float
    extra_mb: float
    plain_s: float


def generated_ledger(n_rounds: int, n_clients: int) -> Ledger:
    """Every client in every round, down and up; every payload of another size, around 400 kB up and 1.6 MB down."""
    n = n_rounds * n_clients
    number, client = np.repeat(np.arange(1, n_rounds + 1), n_clients), np.tile(np.arange(n_clients), n_rounds)
    sizes = np.random.default_rng(0).permutation(np.arange(2 * n)) // 2
    frame = pd.DataFrame(
        {
            "round": np.tile(number, 2),
            "client": np.tile(client, 2),
            "direction": np.repeat(WAYS, n),
            "payload_bytes": np.concatenate([1_600_000 + sizes[:n], 400_000 + sizes[n:]]),
            "is_late": False,
        }
    )
    return replace(make_ledger(1, 1, windows=[]), transfers=frame)


def radios() -> dict[str, RadioModel]:
    """All radios as they are without settings."""
    return {kind: registry.build("radio", {"kind": kind}) for kind in registry.names("radio")}


def countries() -> dict[str, Coefficient]:
    """All countries of the table that have a value."""
    return {
        key: Coefficient(
            f"grid.{key}", place.low_g_per_kwh, place.g_per_kwh, place.high_g_per_kwh, "gCO2e/kWh",
            "judgement", "", place.year or 0, "judgement", place.range_basis, False, "grid",
        )
        for key, place in grid_table().items()
        if place.g_per_kwh > 0
    }  # fmt: skip


def usage_on(turns: Turns, radio: RadioModel) -> Usage:
    """From payloads to what the radios did."""
    carriages = {way: radio.carry(turns.bytes_of(way), way) for way in WAYS}
    compute_s = np.full(len(turns.client), COMPUTE_S)
    busy_s = carriages["downlink"].seconds + compute_s + carriages["uplink"].seconds
    schedule = schedule_of(turns, busy_s, PAUSE_S)
    everyone = np.ones(len(turns.client), dtype=np.bool_)
    at_once = dict.fromkeys(WAYS, np.zeros(len(turns.client)))
    sent = transfers_in_time(turns, everyone, carriages, compute_s, at_once, schedule)
    return reduce(sent, radio.tail_s, schedule.n_rounds)


def terms_of(usage: Usage, radio: RadioModel, n_clients: int) -> tuple[Term, ...]:
    """Usage with its prices, one term per direction and quantity."""
    prices = radio.coefficients()
    return with_link(
        Term(way, 0, name, amounts, (Factor(prices[PRICES[name]]),), n_clients)
        for way in WAYS
        for name, amounts in usage[way].items()
    )


def plain_usage(ledger: Ledger, radio: RadioModel) -> pd.DataFrame:
    """The same by pandas: sums by round and direction, columns as in `usage_on`."""
    sent = ledger.transfers[["round", "client", "direction", "payload_bytes"]].copy()
    for way in WAYS:
        here = sent["direction"] == way
        carriage: Carriage = radio.carry(sent.loc[here, "payload_bytes"].to_numpy(), way)
        for name in ("seconds", *CARRIED):
            sent.loc[here, name] = getattr(carriage, name)
    sent = sent.sort_values(["client", "round", "direction"])
    lead = sent.groupby(["client", "round"])["seconds"].cumsum() - sent["seconds"]
    lead += np.where(sent["direction"] == "uplink", COMPUTE_S, 0.0)
    length = (lead + sent["seconds"]).groupby(sent["round"]).max()
    start = (length + PAUSE_S).cumsum().shift(fill_value=0.0)
    sent["start"] = sent["round"].map(start) + lead
    gap = sent.groupby("client")["start"].shift(-1) - sent["start"] - sent["seconds"]
    gap = gap.fillna(np.inf).clip(lower=0.0)
    sent["tail_s"] = gap.clip(upper=radio.tail_s)
    sent["sessions"] = (gap.groupby(sent["client"]).shift(fill_value=np.inf) >= radio.tail_s).astype(float)
    return sent.groupby(["direction", "round"])[["sessions", "tail_s", *CARRIED]].sum()


def priced(
    terms: Mapping[str, tuple[Term, ...]], grids: Mapping[str, Coefficient], draws: Draws
) -> dict[str, Quantiles]:
    """Joules on every radio and grams in every country, with their quantiles."""
    found = {}
    for radio, own in terms.items():
        joules = amounts_drawn(own, METHOD, draws)
        found[radio] = quantiles(joules)
        found |= {f"{radio}/{place}": value for place, value in grams(joules, grids, draws).items()}
    return found


def plainly_priced(
    terms: Mapping[str, tuple[Term, ...]], grids: Mapping[str, Coefficient], draws: Draws
) -> dict[str, Quantiles]:
    """The same as a loop over scenarios, each with its own sum over terms and its own quantiles."""
    numbers = {}
    for term in (term for own in terms.values() for term in own):
        for factor in term.factors:
            if is_point(factor):
                numbers[factor, term.n_clients] = np.full(draws.n, factor.coefficient.typical)
            else:
                numbers[factor, term.n_clients] = draws.values(factor, METHOD, term.group, term.n_clients)
    found = {}
    for radio, own in terms.items():
        for place, intensity in {"": None, **grids}.items():
            total = np.zeros(draws.n)
            for term in own:
                product: Float64 = np.full(draws.n, term.amounts.sum())
                for factor in term.factors:
                    product = product * numbers[factor, term.n_clients]
                total += product
            if intensity is not None:
                ends = intensity.low, intensity.typical, intensity.high
                total *= at(*ends, draws.normals(key_of(Factor(intensity)))) / 3.6e6
            low, median, high = np.quantile(total, [0.025, 0.5, 0.975])
            found[f"{radio}/{place}" if place else radio] = Quantiles(low, median, high)
    return found


def timed(operation: Callable[[], Result], repeats: int) -> tuple[float, Result]:
    """The shortest of several runs, and the result of the last."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = operation()
        times.append(time.perf_counter() - start)
    return min(times), result


def peak_mb(operation: Callable[[], object]) -> tuple[float, float]:
    """Largest resident memory during a call, in MB, and by how much it is above that before; NaN if not told."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = _status_mb("VmRSS")
        operation()
        return _status_mb("VmHWM"), _status_mb("VmHWM") - before
    except (OSError, AttributeError):
        return float("nan"), float("nan")


def _status_mb(field: str) -> float:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024e-6 * int(next(line for line in status.splitlines() if line.startswith(field)).split()[1])


def _forget_draws() -> None:
    """Make the next pricing draw all numbers anew."""
    from harness.price.accounting import draws

    draws._normals.cache_clear()
    draws._values.cache_clear()


def _same_usage(ours: Mapping[str, Usage], plain: Mapping[str, pd.DataFrame]) -> bool:
    return all(
        np.allclose(ours[kind][way][name][1:], plain[kind].loc[way][name].to_numpy(), rtol=1e-9, atol=1e-6)
        for kind in ours
        for way in WAYS
        for name in ours[kind][way]
    )


def _same_quantiles(ours: Mapping[str, Quantiles], plain: Mapping[str, Quantiles]) -> bool:
    return ours.keys() == plain.keys() and all(
        np.allclose([value.low, value.median, value.high], [plain[key].low, plain[key].median, plain[key].high], 1e-7)
        for key, value in ours.items()
    )


def measured(options: argparse.Namespace) -> list[Step]:
    """Both steps, each checked against the plain way.

    Raises:
        SystemExit: the two ways do not agree.
    """
    ledger, parts, grids = generated_ledger(options.rounds, options.clients), radios(), countries()
    draws = Draws(options.draws)

    def all_usage() -> dict[str, Usage]:
        turns = turns_of(ledger)
        return {kind: usage_on(turns, radio) for kind, radio in parts.items()}

    def all_priced() -> dict[str, Quantiles]:
        _forget_draws()
        return priced(terms, grids, draws)

    print(f"{len(ledger.transfers):,} transfers on {len(parts)} radios", file=sys.stderr)
    usage_s, usage = timed(all_usage, options.repeats)
    plain_usage_s, plainly = timed(lambda: {kind: plain_usage(ledger, part) for kind, part in parts.items()}, 1)
    if not _same_usage(usage, plainly):
        sys.exit("usage differs from that of the plain way")
    print(f"{len(parts)} radios x {len(grids)} countries x {draws.n:,} draws", file=sys.stderr)
    terms = {kind: terms_of(usage[kind], part, options.clients) for kind, part in parts.items()}
    pricing_s, ours = timed(all_priced, options.repeats)
    plain_pricing_s, plain = timed(lambda: plainly_priced(terms, grids, draws), 1)
    if not _same_quantiles(ours, plain):
        sys.exit("quantiles differ from those of the plain way")
    return [
        Step("transfers to usage, all radios", usage_s, *peak_mb(all_usage), plain_usage_s),
        Step("pricing, all radios and countries", pricing_s, *peak_mb(all_priced), plain_pricing_s),
    ]


def printed(steps: list[Step]) -> Table:
    """The steps as a table with their sum."""
    table = Table()
    for heading in ("", "seconds", "peak memory MB", "of which new MB", "plain way, seconds", "times as fast"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=not heading)
    total = Step(
        "both",
        sum(step.seconds for step in steps),
        max(step.peak_mb for step in steps),
        max(step.extra_mb for step in steps),
        sum(step.plain_s for step in steps),
    )
    for step in [*steps, total]:
        table.add_row(
            step.name,
            f"{step.seconds:.3f}",
            f"{step.peak_mb:,.0f}",
            f"{step.extra_mb:,.0f}",
            f"{step.plain_s:.2f}",
            f"{step.plain_s / step.seconds:,.1f}",
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1000, help="rounds of the generated ledger (default 1000)")
    parser.add_argument("--clients", type=int, default=500, help="clients in each (default 500)")
    parser.add_argument("--draws", type=int, default=10_000, help="Monte-Carlo draws (default 10,000)")
    parser.add_argument("--repeats", type=int, default=3, help="runs, of which the shortest counts (default 3)")
    steps = measured(parser.parse_args())
    console = Console(width=None if sys.stdout.isatty() else 120)
    console.print(printed(steps))
    console.print(f"load of the machine in the last 5 minutes: {os.getloadavg()[1]:.1f} of {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
