"""Writes the methods paragraphs: sentences that a paper can use unchanged, each with its sources."""

from collections.abc import Iterator, Mapping
from typing import Any

from reports.document import Paragraph, Sentence, prose
from reports.sections.carbon import kind_words
from reports.sections.compute import WHY_POOLED, scatter
from reports.sections.optional_parts import PARTS
from reports.sections.provisioning import is_charged
from reports.sections.tuning import tuning
from reports.tables import lookup, priced
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.bibliography import citing, citing_role
from reports.texts.numbers import ESTIMATE_DIGITS, NBSP, fixed, significant, with_unit


def methods_text(tables: Tables) -> list[Paragraph]:
    """Training, methods, counting and statistics, deployment, and what was measured on this host."""
    return [
        prose(*_training(tables)),
        prose(*_methods(tables)),
        prose(*_counting()),
        prose(*_deployment(tables)),
        prose(*_host(tables)),
    ]


_SOURCES = {
    "public": "a public split",
    "digits": "scikit-learn's digits, scaled",
    "letters": "drawn letters",
    "imagenet": "ImageNet, elsewhere",
    "checkpoint": "what its checkpoint says, elsewhere",
}
_MADE_ELSEWHERE = ("imagenet", "checkpoint")


def _training(tables: Tables) -> Iterator[Sentence]:
    task, federation = _facts(tables, "task"), _facts(tables, "federation")
    kind, partition = phrases.plain(task.get("kind")), _within(task, "partition")
    size = task.get("n_parameters")
    model = f"{task.get('model', 'model')}" + (f" of {size:,} parameters" if isinstance(size, int) else "")
    found = dict.fromkeys(lookup.initialisation(tables, name) for name in lookup.methods(tables))
    inits = phrases.listing(list(found))
    cited = citing(tables, f"task:{kind}", f"model:{task.get('model')}")
    yield Sentence(f"Task {kind}: {model}, initialisation {inits}.", cited)
    yield from _pretraining(tables, _within(task, "pretraining"))
    yield from _trained(tables)
    yield Sentence(
        f"Clients: {phrases.plain(task.get('clients'))}; partition: {phrases.part(partition or 'not recorded')}.",
        citing(tables, f"partition:{partition.get('kind')}"),
    )
    yield from _other_partitions(tables, partition)
    servers = [f"server:{_within(entry, 'server').get('kind')}" for entry in _entries(tables)]
    names = sorted({phrases.part(entry["server"]) for entry in _entries(tables) if entry.get("server")})
    rule = f"; server rule: {phrases.listing(names)}" if names else ""
    yield Sentence(f"Federation: {_rounds(federation)}{rule}.", citing(tables, *servers))
    yield from _otherwise(tables)
    seeds = sorted({int(seed) for seed in tables.cells["seed"].dropna()})
    yield Sentence(f"Seeds finished: {', '.join(map(str, seeds))}." if seeds else "No seed finished.")
    yield from tuning(tables)
    yield Sentence(
        "At one seed all methods share the partition, methods of equal batch size and local epochs the batch order, "
        "methods of equal cohort the clients of each round, and methods of equal initialisation the initial weights; "
        "those of equal initialisation, cohort, partition and budget are compared in pairs with "
        f"{lookup.compared_with(tables)}."
    )


def _otherwise(tables: Tables) -> Iterator[Sentence]:
    """What methods have otherwise in their federation; those that have the same are grouped."""
    found: dict[str, list[str]] = {}
    for name in lookup.methods(tables):
        settings = lookup.overrides(tables, name)
        if settings:
            found.setdefault(_words(settings), []).append(name)
    for words, names in found.items():
        differ = "differs in its" if len(names) == 1 else "differ in their"
        yield Sentence(f"{phrases.listing(names)} {differ} federation: {words}.")


def _other_partitions(tables: Tables, shared: Mapping[str, Any]) -> Iterator[Sentence]:
    """Methods whose examples are spread in another way than the task's."""
    found: dict[str, list[str]] = {}
    for entry in _entries(tables):
        if (own := _within(entry, "partition")) and own != shared:
            found.setdefault(phrases.part(own), []).append(str(entry.get("name", "")))
    for words, names in found.items():
        yield Sentence(f"Partition of {phrases.listing(names)}: {words}.")


def _trained(tables: Tables) -> Iterator[Sentence]:
    """What methods train of the model, where that is not all of it; the rest is given to clients once."""
    found: dict[str, list[str]] = {}
    for entry in _entries(tables):
        found.setdefault(phrases.trained(_within(entry, "train")), []).append(str(entry.get("name", "")))
    if set(found) <= {"", phrases.trained({"kind": "all"})}:
        return
    cited = citing(tables, *(f"train:{_within(entry, 'train').get('kind')}" for entry in _entries(tables)))
    texts = [f"{phrases.listing(names)}: {words}" for words, names in found.items()]
    yield Sentence(f"Trained, and sent in every round: {'; '.join(texts)}. Clients are given the rest once.", cited)


def _pretraining(tables: Tables, settings: Mapping[str, Any]) -> Iterator[Sentence]:
    if settings and any(lookup.initialisation(tables, name) == "pretrained" for name in lookup.methods(tables)):
        runs = lookup.mappings(_facts(tables, "testbed").get("pretraining"))
        named = [*(run.get("source") for run in runs), settings.get("source")]
        on = list(dict.fromkeys(str(source) for source in named if source))
        words = f"{_words({key: value for key, value in settings.items() if key != 'source'})}"
        if on:
            words += f", on {phrases.listing([_SOURCES.get(source, source) for source in on])}"
        cited = citing(tables, *(f"source:{source}" for source in on))
        if on and all(source in _MADE_ELSEWHERE for source in on):
            sources = phrases.listing([_SOURCES[source] for source in on])
            yield Sentence(f"Pre-trained on {sources}; what that took is unknown, and not charged.", cited)
            return
        yield Sentence(f"Pre-training, before any client takes part: {words}.", cited)


def _methods(tables: Tables) -> Iterator[Sentence]:
    for entry in _entries(tables):
        kinds = [*lookup.kinds(entry.get("uplink")), *lookup.kinds(entry.get("downlink"))]
        ways = (phrases.part(entry.get(way)) for way in ("uplink", "downlink"))
        text = "{}: uplink {}; downlink {}.".format(entry.get("name", ""), *ways)
        yield Sentence(text, citing(tables, *(f"codec:{kind}" for kind in kinds)))
    for caveat in lookup.mappings(tables.context.get("caveats")):
        yield Sentence(str(caveat["text"]), citing(tables, f"codec:{caveat['codec']}"))


def _counting() -> Iterator[Sentence]:
    yield Sentence(
        "Bits are 8 × the bytes of the payloads that the receiver decoded, both directions, frames included. "
        "Totals are unicast, a downlink payload once per receiving client, unless they say multicast, where a payload "
        "that several clients of a round receive alike counts once."
    )
    yield Sentence(
        "Costs are compared as geometric means of per-seed ratios with 95 % t intervals on their logarithms, "
        "accuracies as mean paired differences with 95 % t intervals; where nothing varies between seeds no "
        "interval is given. Validation accuracy is the mean of the last scores on validation, at most five; test "
        "accuracy is that of the final round. Accuracy is said to hold if the lower end of its interval is above −0.5 "
        "points."
    )


_PROVISIONING = {
    "factory": "What clients have before round 1 comes from the factory and costs nothing.",
    "over_the_air": "What clients have before round 1 comes over the air, one download each, and is in the joules.",
}


def _deployment(tables: Tables) -> Iterator[Sentence]:
    scenarios, device = _facts(tables, "scenarios"), _facts(tables, "device")
    yield Sentence(
        f"Deployment joules are {phrases.PROJECTED}, not measured: they are of the clients' devices and their radios."
    )
    title = phrases.plain(device.get("title") or device.get("kind"))
    yield Sentence(f"Computing is projected to the device {title}.", _device_sources(tables, device))
    for radio in priced.radios(tables):
        cited = citing(tables, *(f"radio:{kind}" for kind in priced.kinds(tables, radio)))
        yield Sentence(f"Radio model: {priced.radio_title(tables, radio)}.", cited)
    pause = scenarios.get("pause_s")
    waits = f"{phrases.plain(pause)}{NBSP}s of pause" if pause is not None else "a pause that is not recorded"
    yield Sentence(
        f"Between the end of a round and the start of the next lie {waits}; downlink payloads are sent "
        f"{phrases.plain(scenarios.get('cast') or 'unicast')}, and a radio pays for what its own device receives."
    )
    extra = phrases.listing([PARTS.get(part, part) for part in priced.included(tables)])
    yield Sentence(
        f"Beyond the clients, totals have {extra or 'nothing'}; what else the boundary could hold stands beside them.",
        citing_role(tables, "deployment"),
    )
    if not tables.provisioning.empty:
        yield Sentence(_PROVISIONING["over_the_air" if is_charged(tables) else "factory"])
    yield Sentence(
        "Joules are usage (sessions, seconds in the tail, seconds on the air, bits) times coefficients. "
        f"{_marks(tables)} Ranges take every coefficient at its low and every one at its high end; they are bounds, "
        "not intervals of some probability."
    )
    if not tables.uncertainty.empty:
        yield Sentence(
            "Drawn intervals hold 95 % of Monte-Carlo draws of the coefficients, each range read as the central 95 % "
            "of a distribution around its typical value; methods share their draws."
        )
    if not tables.formulas.empty or citing_role(tables, "formula"):
        yield Sentence(
            "Beside them stand the same bits by the formulas of other papers, which are in no total.",
            citing_role(tables, "formula"),
        )
    if citing_role(tables, "verdict"):
        yield Sentence(
            "Technologies that no longer run, cannot carry a model or are no client's are kept out of rankings.",
            citing_role(tables, "verdict"),
        )
    yield from _grids(tables)


def _device_sources(tables: Tables, device: Mapping[str, Any]) -> tuple[str, ...]:
    """Of one device or, where fleets have several, of each."""
    kinds = str(device.get("kind") or "").split(", ")
    return citing(tables, *(f"device:{kind}" for kind in kinds))


def _marks(tables: Tables) -> str:
    entries = lookup.mappings(tables.context.get("coefficients"))
    if not entries:
        return "No coefficient is recorded."
    read = sum(entry.get("is_verified") is True for entry in entries)
    judged = sum("judgement" in str(entry.get("range_basis", "")) for entry in entries)
    return (
        f"Of {len(entries)} coefficients {read} were read in the named source (verified) and {len(entries) - read} "
        f"were not (unverified: quoted by others, or our judgement); the ranges of {judged} are our judgement, "
        "where the source states none."
    )


def _grids(tables: Tables) -> Iterator[Sentence]:
    for entry in lookup.mappings(tables.context.get("grids")):
        name = str(entry.get("title") or entry.get("name") or "")
        year = f" ({entry['year']})" if entry.get("year") else ""
        own = entry.get("iso3") is None
        source = f", source: {phrases.plain(entry.get('source')).rstrip('.')}" if own else ""
        value = f"{phrases.plain(entry.get('g_per_kwh'))}{NBSP}gCO2e/kWh"
        low, high = entry.get("low_g_per_kwh"), entry.get("high_g_per_kwh")
        if low is not None and high is not None and low != high:
            value += f" ({significant(float(low), 2)} to {significant(float(high), 2)}, our judgement)"
        yield Sentence(f"Grid {name}{year}: {value}{source}.", () if own else citing(tables, "grid:table"))
    yield Sentence(kind_words(tables))


def _host(tables: Tables) -> Iterator[Sentence]:
    facts = _facts(tables, "testbed")
    word = phrases.class_words(str(facts.get("evidence") or "none"))
    meter, packages = _facts(tables, "meter"), _within(_facts(tables, "provenance"), "packages")
    kind = phrases.plain(meter.get("kind"))
    version = f" {packages[kind]}" if kind in packages else ""
    cites = citing(tables, f"meter:{kind.split()[0]}")
    if word == "not measured":
        yield Sentence(f"Joules of the benchmark itself were not measured (meter: {kind}{version}).", cites)
    else:
        watts = meter.get("watts_per_cpu")
        power = f"; {watts:g}{NBSP}W per busy hardware thread" if isinstance(watts, int | float) else ""
        scope = phrases.plain(facts.get("scope"))
        yield Sentence(
            f"Joules of the benchmark itself are {word} (meter: {kind}{version}; scope: {scope}{power}) and enter no "
            "deployment figure.",
            cites,
        )
    cpu_s, joules = facts.get("cells_cpu_s"), facts.get("cells_j")
    spent = f" and {with_unit(float(joules), 'J', ESTIMATE_DIGITS)}, {word}" if isinstance(joules, int | float) else ""
    if isinstance(cpu_s, int | float) and is_known(cpu_s):
        yield Sentence(f"All finished cells together took {significant(cpu_s, 3)}{NBSP}s of CPU time{spent}.")
    yield Sentence(WHY_POOLED)
    share = scatter(tables)
    if share is not None:
        yield Sentence(f"The CPU time of an optimiser step scattered by {fixed(100 * share, 0)}{NBSP}% between cells.")


def _rounds(federation: Mapping[str, Any]) -> str:
    """Settings of the federation as words, unformatted where some are missing."""
    try:
        return (
            "{rounds} rounds with {cohort} clients each, {local}, batch size {batch_size}, "
            "learning rate {lr:g}{optimiser}, validation every {score_every} rounds".format(
                local=_local_work(federation), optimiser=_optimiser(federation), **federation
            )
            + _schedule(federation)
        )
    except (KeyError, ValueError):
        return _words(federation)


def _local_work(federation: Mapping[str, Any]) -> str:
    steps = federation.get("local_steps")
    return f"local epochs {federation['local_epochs']}" if steps is None else f"{steps} local steps"


def _optimiser(federation: Mapping[str, Any]) -> str:
    """What local training does besides plain steps."""
    named = {
        "momentum": "momentum",
        "weight_decay": "weight decay",
        "proximal": "FedProx with mu",
        "norm_momentum": "momentum of norms",
    }
    words = [f", {word} {federation[key]:g}" for key, word in named.items() if federation.get(key)]
    drawn = {"flip": ", images flipped at random", "flip_and_crop": ", images flipped and shifted at random"}
    return "".join(words) + drawn.get(str(federation.get("augment")), "")


def _schedule(federation: Mapping[str, Any]) -> str:
    """What makes a run other than equal rounds to the end: a falling learning rate, a budget of bits."""
    schedule, budget = federation.get("lr_schedule"), _within(federation, "budget")
    words = f", learning rate on a {schedule} schedule" if schedule not in (None, "constant") else ""
    if budget:
        words += ", a budget of {mbit:g}{space}Mbit ({direction})".format(**budget, space=NBSP)
    return words


def _words(facts: Mapping[str, Any]) -> str:
    """Settings as words; those that are unset are left out."""
    known = {key: value for key, value in facts.items() if value not in (None, [], "")}
    return ", ".join(f"{name} {text}" for name, text in phrases.flatten(known) if name) or "not recorded"


def _entries(tables: Tables) -> list[Mapping[str, Any]]:
    return lookup.mappings(tables.context.get("methods"))


def _facts(tables: Tables, key: str) -> Mapping[str, Any]:
    return _within(tables.context, key)


def _within(facts: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = facts.get(key)
    return value if isinstance(value, Mapping) else {}
