"""The answer in the README, read off the tables of published studies and off the verdicts on claims.

``python -m tests.readme_results`` prints it; a test holds the README to it.
"""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from reports.numbers import fixed, percent, signed, significant

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
BEGIN = "<!-- read off results/ by `python -m tests.readme_results` -->"
END = "<!-- to here -->"

Row = Mapping[str, str]

MNIST, CIFAR = "paper-mnist", "paper-cifar100"
POINT = {MNIST: (MNIST, "QuantFL 6-bit"), CIFAR: ("cifar100", "QuantFL 6-bit")}
"""Where the abstract's point was run; on CIFAR-100 by an earlier study of the same task."""
BOTH, OURS = "QuantFL 6-bit both ways", "QuantFL both ways"
OUR_RUNS = {study: (study, OURS) for study in (MNIST, CIFAR)}
RADIOS = (("nbiot", "NB-IoT"), ("ltem", "LTE-M"), ("wifi", "Wi-Fi of 2012"), ("lte_2021", "LTE of 2021"))


def table(study: str, name: str) -> list[Row]:
    """Rows of a table of a published study."""
    return read(RESULTS / study / "tables" / f"{name}.csv")


def read(path: Path) -> list[Row]:
    """Rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pair(study: str, method: str, quantity: str, radio: str = "") -> Row:
    """A method beside its reference."""
    key = (method, quantity, radio)
    (row,) = [row for row in table(study, "pairs") if (row["method"], row["quantity"], row["radio"]) == key]
    return row


def saved(study: str, method: str, quantity: str, radio: str = "", digits: int = 1) -> str:
    """Share of bits or joules that a method saved."""
    return percent(1 - float(pair(study, method, quantity, radio)["estimate"]), digits)


def points(study: str, method: str, quantity: str) -> str:
    """Points of accuracy against the reference, with their interval and number of seeds."""
    row = pair(study, method, quantity)
    low, high = (signed(100 * float(row[end]), 2) for end in ("low", "high"))
    return f"{signed(100 * float(row['estimate']), 2)} ({low} to {high}; {row['n_pairs']} seeds)"


def mean(study: str, method: str, quantity: str) -> float:
    """Mean of a quantity over the seeds of a method."""
    (row,) = [row for row in table(study, "methods") if (row["method"], row["quantity"]) == (method, quantity)]
    return float(row["mean"])


def contrast(study: str, name: str) -> str:
    """A contrast in points, with its interval."""
    (row,) = [row for row in table(study, "contrasts") if row["name"] == name]
    low, high = (signed(float(row[end]), 2) for end in ("low", "high"))
    return f"{signed(float(row['estimate']), 2)} ({low} to {high})"


def start(study: str, quantity: str) -> str:
    """A statistic of updates from pre-trained weights over that from random ones, with its interval if it has one."""
    (row,) = [row for row in table(study, "initialisations") if row["quantity"] == quantity]
    interval = f" ({fixed(float(row['low']), 2)} to {fixed(float(row['high']), 2)})" if row["low"] else ""
    return fixed(float(row["estimate"]), 2) + interval


def verdict(claim: str, study: str, method: str = "") -> str:
    """What was judged of a claim."""
    rows = read(RESULTS / "claims.csv")
    (row,) = [row for row in rows if (row["claim"], row["study"], row["method"]) == (claim, study, method)]
    return row["verdict"]


def answer() -> Iterable[str]:
    """The table."""

    def row(*cells: str) -> str:
        return "| " + " | ".join(cells) + " |"

    def bits(runs: Mapping[str, tuple[str, str]]) -> list[str]:
        return [", ".join(saved(*runs[each], quantity) for quantity in ("uplink_bits", "total_bits")) for each in runs]

    def judged(claim: str, runs: Mapping[str, tuple[str, str]], quantity: str) -> list[str]:
        return [f"{points(*run, quantity)}: {verdict(claim, *run)}" for run in runs.values()]

    yield row("", "MNIST", "CIFAR-100", "the abstract")
    yield row("---", "---", "---", "---")
    yield row("test accuracy of fp32", *(percent(mean(study, "fp32", "test_accuracy")) for study in (MNIST, CIFAR)), "")
    yield row("**6 bits up, fp32 down**: bits saved on the uplink, in total", *bits(POINT), "80 %, about 40 %")
    claim = "accuracy of uncompressed training"
    yield row("points of accuracy to fp32, 95 % CI", *judged(claim, POINT, "test_accuracy"), "“match or exceed”")
    here = (MNIST, BOTH)
    yield row("**6 bits both ways**: bits saved in total", saved(*here, "total_bits"), "not run", "80 %")
    yield row("points, as clients decode the model", *judged(claim, {MNIST: here}, "sent_test_accuracy"), "not run", "")
    yield row("**our preset, both ways**: uplink, in total", *bits(OUR_RUNS), "")
    yield row("points, as clients decode the model", *judged("ours, accuracy", OUR_RUNS, "sent_test_accuracy"), "")
    joules = [", ".join(saved(*run, "device_energy_j", radio, 0) for radio, _ in RADIOS) for run in OUR_RUNS.values()]
    yield row(f"joules of clients saved: {', '.join(label for _, label in RADIOS)}", *joules, "")
    methods = ("fp32", "QuantFL 6-bit", BOTH, OURS)
    scores = [percent(mean("budget", f"{method} / 2 rounds", "sent_test_accuracy")) for method in methods]
    label = "**for the bits of two fp32 rounds**: fp32, 6 bits up, 6 bits both ways, ours"
    yield row(label, ", ".join(scores), "not run", "89.00 %, 66.89 %")


def findings() -> Iterable[str]:
    """What stands under the table."""
    gains = [contrast("ablation-ef", f"what EF gains at {levels} levels, pre-trained") for levels in (64, 8, 2)]
    yield f"- What error feedback gains, in points: {gains[0]} at 64 levels, {gains[1]} at 8, {gains[2]} at 2."
    both = contrast("ablation-ef", "pre-trained x EF, all settings")
    yield f"- What it gains more from pre-trained than from random weights: {both} points."
    measures = (("sigma", "deviation"), ("absmax_sigmas", "largest entry in deviations"), ("kurtosis", "kurtosis"))
    for study, name in (("ablation-init", "MNIST"), ("cifar100-init", "CIFAR-100, one seed")):
        told = ", ".join(f"{words} {start(study, quantity)}" for quantity, words in measures)
        yield f"- Updates from pre-trained over those from random weights, {name}: {told}."
    for method in ("QSGD both ways", "EF-QuantFL both ways"):
        total, score = saved(MNIST, method, "total_bits"), points(MNIST, method, "sent_test_accuracy")
        yield f"- {method}, MNIST: {total} of all bits saved, {score} points."
    given = (mean(CIFAR, OURS, "provisioning_bits") - mean(CIFAR, "fp32", "provisioning_bits")) / 1e9
    sent, plain = (mean(CIFAR, method, "total_bits") / 1e9 for method in (OURS, "fp32"))
    fetched = percent(1 - (given + sent) / plain, 0)
    yield (
        f"- Our preset gives clients the initial model before round 1, {significant(given, 2)} Gbit on CIFAR-100 "
        f"beside {significant(sent, 2)} in rounds: fetched over the air, it saves {fetched} in all."
    )
    without = (MNIST, f"{OURS}, model")
    total, score = saved(*without, "total_bits"), points(*without, "sent_test_accuracy")
    yield f"- Without such a model, sent whole in each round instead, MNIST: {total} saved, {score} points."
    radios = (("nbiot", "NB-IoT"), ("ltem", "LTE-M"), ("lte", "LTE of 2012"), ("nr_lowband", "5G of 2021"))
    passed = ", ".join(
        f"{label} {significant(float(pair(*POINT[MNIST], 'pass_through', radio)['estimate']), 2)}"
        for radio, label in radios
    )
    yield f"- Pass-through of 6 bits up, MNIST: {passed}."


def lines() -> list[str]:
    """All of it, line by line."""
    return [*answer(), "", *findings()]


if __name__ == "__main__":
    print("\n".join(lines()))
