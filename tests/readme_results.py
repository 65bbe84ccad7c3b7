"""The answer in the README, read off the tables of published studies and off the verdicts on claims.

``python -m tests.readme_results`` prints it; a test holds the README to it.
"""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from statistics import geometric_mean

from reports.texts.numbers import fixed, percent, signed, significant

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
BEGIN = "<!-- read off results/ by `python -m tests.readme_results` -->"
END = "<!-- to here -->"

Row = Mapping[str, str]

MNIST, CIFAR = "paper-mnist", "paper-cifar100"
BOTH, OURS, MODEL = "QuantFL 6-bit both ways", "QuantFL both ways", "QuantFL both ways, model"
FINER = (CIFAR, "QuantFL both ways, finer downlink")
POINT, POINT_BOTH, OUR_RUNS = (
    [(study, method) for study in (MNIST, CIFAR)] for method in ("QuantFL 6-bit", BOTH, OURS)
)
DATA = {MNIST: "MNIST", CIFAR: "CIFAR-100"}
LEVELS = (2, 3, 4, 8, 16, 64)
OPERATORS = ("access", "core", "server")
RADIOS = (("nbiot", "NB-IoT"), ("ltem", "LTE-M"), ("wifi", "Wi-Fi of 2012"), ("lte_2021", "LTE of 2021"))


def table(study: str, name: str) -> list[Row]:
    """Rows of a table of a published study."""
    return read(RESULTS / study / "tables" / f"{name}.csv")


@cache
def read(path: Path) -> list[Row]:
    """Rows of a CSV file, read once."""
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


def fetched(study: str, method: str, radio: str) -> str:
    """Share of clients' joules that a method saved if what they are given before round 1 comes over the air as well."""
    (reference,) = {row["reference"] for row in table(study, "pairs") if row["method"] == method}
    joules: dict[tuple[str, str], float] = defaultdict(float)
    spent = [row for row in table(study, "breakdown") if row["radio"] == radio]
    given = [row for row in table(study, "provisioning") if row["radio"] == radio]
    # Joules are the same on every grid.
    for row in (*(row for row in spent if row["grid"] == spent[0]["grid"]), *given):
        if row.get("component") not in OPERATORS:
            joules[row["method"], row["seed"]] += float(row["energy_j"])
    seeds = [seed for name, seed in joules if name == method and (reference, seed) in joules]
    return percent(1 - geometric_mean(joules[method, seed] / joules[reference, seed] for seed in seeds), 0)


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


def all_in(study: str, method: str) -> str:
    """Share of bits that a method saved with what clients are given before round 1."""
    (row,) = [
        row
        for row in read(RESULTS / "claims.csv")
        if (row["quantity"], row["study"], row["method"]) == ("all_bits", study, method)
    ]
    return percent(float(row["estimate"]) / 100, 1)


def answer() -> Iterable[str]:
    """The table."""

    def row(*cells: str) -> str:
        return "| " + " | ".join(cells) + " |"

    def bits(runs: Iterable[tuple[str, str]]) -> list[str]:
        return [", ".join(saved(*run, quantity) for quantity in ("uplink_bits", "total_bits")) for run in runs]

    def judged(claim: str, runs: Iterable[tuple[str, str]]) -> list[str]:
        return [f"{points(*run, 'sent_test_accuracy')}: {verdict(claim, *run)}" for run in runs]

    def joules(share: Callable[[str, str, str], str]) -> list[str]:
        return [", ".join(share(*run, radio) for radio, _ in RADIOS) for run in OUR_RUNS]

    yield row("", "MNIST", "CIFAR-100", "the abstract")
    yield row("---", "---", "---", "---")
    yield row("test accuracy of fp32", *(percent(mean(study, "fp32", "test_accuracy")) for study in (MNIST, CIFAR)), "")
    yield row("**6 bits up, fp32 down**: bits saved on the uplink, in total", *bits(POINT), "80 %, about 40 %")
    claim = "accuracy of uncompressed training"
    yield row("points of accuracy to fp32, 95 % CI", *judged(claim, POINT), "“match or exceed”")
    totals = [saved(*run, "total_bits") for run in POINT_BOTH]
    yield row("**6 bits both ways**: bits saved in total", *totals, "80 %")
    yield row("points", *judged(claim, POINT_BOTH), "")
    yield row("**our preset, both ways**: uplink, in total", *bits(OUR_RUNS), "")
    yield row("points", *judged("ours, accuracy", OUR_RUNS), "")
    yield row("with the pre-trained model sent to clients as well", *(all_in(*run) for run in OUR_RUNS), "")
    yield row("**ours, finer downlink**: uplink, in total", "not run", *bits([FINER]), "")
    yield row("points", "not run", *judged("ours, accuracy", [FINER]), "")
    label = f"joules of clients that our preset saves: {', '.join(name for _, name in RADIOS)}"
    yield row(label, *joules(lambda *run: saved(*run[:2], "device_energy_j", run[2], 0)), "")
    yield row("with the pre-trained model over the air as well", *joules(fetched), "")
    methods = ("fp32", "QuantFL 6-bit", BOTH, OURS, MODEL, "EF-QuantFL both ways")
    scores = [percent(mean("budget", f"{method} / 2 rounds", "sent_test_accuracy")) for method in methods]
    label = "**for the bits of two fp32 rounds**: fp32; 6 bits up; both ways; ours; ours, model each round; with EF"
    yield row(label, ", ".join(scores), "not run", "89.00 %, 66.89 %")


def feedback() -> Iterable[str]:
    """What error feedback gains, by levels."""
    gains = "what EF gains at {levels} levels, pre-trained, {who}"
    rows = {
        "all 20 clients a round": gains.replace("{who}", "all clients"),
        "2 of 20 clients a round": gains.replace("{who}", "2 of 20 clients"),
        "more than from random weights, mean of both": "pre-trained x EF, {levels} levels",
    }
    yield f"| points that error feedback gains, MNIST, pre-trained; levels: | {' | '.join(map(str, LEVELS))} |"
    yield "| --- |" + " --- |" * len(LEVELS)
    for words, name in rows.items():
        cells = [contrast("ablation-ef", name.format(levels=levels)) for levels in LEVELS]
        yield f"| {words} | {' | '.join(cells)} |"


def findings() -> Iterable[str]:
    """What stands under the table."""
    spared = (("4 levels", "4 levels"), ("QuantFL 6-bit", "6 bits"), ("QuantFL", "our preset"))
    told = ", ".join(
        f"{words} {contrast('ablation-init', f'what {name} loses less when pre-trained')}" for name, words in spared
    )
    yield f"- What codecs without error feedback lose less from pre-trained weights, MNIST, six seeds, points: {told}."
    measures = (("sigma", "deviation"), ("absmax_sigmas", "largest entry in deviations"), ("kurtosis", "kurtosis"))
    told = ", ".join(f"{words} {start('ablation-init', quantity)}" for quantity, words in measures)
    yield f"- Updates from pre-trained over those from random weights, MNIST: {told}."
    for study, method in product((MNIST, CIFAR), ("QSGD both ways", "EF-QuantFL both ways")):
        total, score = saved(study, method, "total_bits"), points(study, method, "sent_test_accuracy")
        yield f"- {method}, {DATA[study]}: {total} of all bits saved, {score} points."
    without = (MNIST, MODEL)
    total, score = saved(*without, "total_bits"), points(*without, "sent_test_accuracy")
    yield f"- Ours with the model whole in each round, and nothing before them, MNIST: {total} saved, {score} points."
    radios = (
        ("nbiot", "NB-IoT"),
        ("ltem", "LTE-M"),
        ("wifi", "Wi-Fi"),
        ("lte", "LTE of 2012"),
        ("nr_lowband", "5G of 2021"),
    )
    passed = ", ".join(
        f"{label} {significant(float(pair(*POINT[0], 'pass_through', radio)['estimate']), 2)}"
        for radio, label in radios
    )
    yield f"- Pass-through of 6 bits up, MNIST: {passed}."


def radios() -> Iterable[str]:
    """On how many radios our preset saves joules."""
    runs = {
        "CNN on MNIST": (MNIST, OURS),
        "MLP on MNIST": ("heterogeneity", f"{OURS} / 2 clients"),
        "CIFAR-100": (CIFAR, OURS),
    }
    modes = {
        "clients alone": ("excluded", ""),
        "with what these bits add in the network": ("marginal", "unicast"),
        "with their average share of the network": ("average", "unicast"),
    }
    yield f"| radios on which our preset saves 47 % of the joules | {' | '.join(runs)} |"
    yield "| --- |" + " --- |" * len(runs)
    for words, mode in modes.items():
        yield f"| {words} | {' | '.join(holding(*run, *mode) for run in runs.values())} |"
    cells = [holding(*run, "excluded", "", is_fetched=True) for run in runs.values()]
    yield f"| clients alone, and the pre-trained model over the air | {' | '.join(cells)} |"


def holding(study: str, method: str, network: str, cast: str, *, is_fetched: bool = False) -> str:
    """On how many of the radios that can carry its updates a method saves what the claim on joules both ways needs."""
    wanted = {"claim": "joules, both ways", "study": study, "method": method, "network": network, "cast": cast,
              "supply": "mains", "scale": "1.0", "needed": "47.0"}  # fmt: skip
    rows = [row for row in read(RESULTS / "where.csv") if all(row[key] == value for key, value in wanted.items())]
    saves = [float(row["saves_fetched" if is_fetched else "saves"]) for row in rows if row["status"] != "infeasible"]
    assert saves, wanted
    return f"{sum(each >= 47 for each in saves)} of {len(saves)}"


def lines() -> list[str]:
    """All of it, line by line."""
    return [*answer(), "", *feedback(), "", *radios(), "", *findings()]


if __name__ == "__main__":
    print("\n".join(lines()))
