"""Writes statements that venues request about computing: for the NeurIPS checklist, and a climate performance card.

Both are filled in from what was recorded; what the harness cannot know is left for the author, and says so.

References:
    NeurIPS Paper Checklist, item on compute resources.
    Hershcovich, Webersinke, Kraus, Bingler, Leippold, "Towards Climate Awareness in NLP Research", EMNLP 2022
    (the climate performance model card).
"""

from collections.abc import Mapping
from typing import Any

from reports.document import Block, Card, Cards, Paragraph, Report, Section
from reports.tables import lookup
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, duration, significant, with_unit

TO_FILL_IN = "[author to fill in]"
_J_PER_KWH = 3.6e6
_CLASSES = {"counter": "read from a hardware counter", "estimated": "estimated by a meter, not counted by hardware"}


def compute_checklist(tables: Tables) -> Report:
    """An answer to the checklist item on compute resources, as a document of one section."""
    spent = _testbed(tables)
    blocks: list[Block] = [
        Paragraph(f"Item: experiments, compute resources. Answer: {'Yes' if _is_ours(tables) else TO_FILL_IN}."),
        Paragraph("Justification: " + " ".join([_workers(tables), *_times(tables), _total(spent), _beyond(spent)])),
        Paragraph(
            "Not recorded by the harness, and for the author to add: installed memory and storage of the machine "
            f"{TO_FILL_IN}, and runs of the project that are not in this benchmark {TO_FILL_IN}.",
            role="note",
        ),
    ]
    return Report(
        f"{tables.context['name']}: compute resources",
        "An answer for the NeurIPS paper checklist",
        (Section("compute", "Compute resources", tuple(blocks)),),
    )


def model_card(tables: Tables) -> Report:
    """The climate performance model card: the minimum card's questions first, then those of the extended one."""
    spent = _testbed(tables)
    answers = [
        ("Is the resulting model publicly available?", TO_FILL_IN),
        ("How long did training the final model take?", _longest_training(tables)),
        ("How long did all experiments take?", " ".join([*_times(tables)[-1:], _beyond(spent)])),
        ("What energy did GPU and CPU take?", f"{_energy(spent)} {_gpu(tables)} {_workers(tables)}"),
        ("Where was it computed?", f"{TO_FILL_IN}; the harness does not record where a machine stands."),
        ("What was the energy mix there?", f"{TO_FILL_IN}; the harness knows grids by country (harness list grids)."),
        ("How much CO2e did training the final model emit?", f"{TO_FILL_IN}: joules of its cell times the grid."),
        ("How much CO2e did all experiments emit?", _grams(tables, spent)),
        ("How much CO2e does the inference of one sample emit?", "Not measured: the harness prices training alone."),
        ("What positive effect can be expected?", TO_FILL_IN),
        ("Comments", _comment(tables)),
    ]
    about = "After Hershcovich et al., Towards Climate Awareness in NLP Research, EMNLP 2022; questions in our words."
    card = Card(
        "Climate performance model card", about, "", tuple((question, answer.strip()) for question, answer in answers)
    )
    elsewhere = "The grams of a deployment on clients' devices stand in report.html under “Carbon (projected)”."
    blocks = (Cards("climate_card", (card,)), Paragraph(elsewhere, role="note"))
    return Report(
        f"{tables.context['name']}: climate performance model card",
        "What training cost on the machine that ran it",
        (Section("card", "Climate performance", blocks),),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _testbed(tables: Tables) -> Mapping[str, Any]:
    return _mapping(tables.context.get("testbed"))


def _is_ours(tables: Tables) -> bool:
    """Whether the harness ran the training itself: of other runs it knows no machine."""
    return str(tables.context.get("origin", "benchmark")) == "benchmark"


def _workers(tables: Tables) -> str:
    if not _is_ours(tables):
        return f"Workers: {TO_FILL_IN}; the runs were not made by the harness, which knows no machine of theirs."
    facts = _mapping(_mapping(tables.context.get("provenance")).get("hardware"))
    threads, machines = facts.get("n_threads"), facts.get("n_machines")
    many = f"{machines} machines, the first with " if isinstance(machines, int) and machines > 1 else ""
    virtual = ", virtual" if facts.get("is_virtual") is True else ""
    named = phrases.plain(facts.get("cpu_model"))
    used = _accelerators(tables)
    kind = "CPU only" if not used else f"{phrases.listing(used)} beside a CPU"
    return f"Workers: {kind}, {many}{named}{virtual}, {phrases.plain(threads)} threads; a cell trains on one thread."


def _times(tables: Tables) -> list[str]:
    """Time of one run, by method at the least and most, and of all that finished."""
    cells = tables.cells
    if cells.empty or not cells["wall_s"].notna().all():
        return ["The time of runs was not recorded."]
    means = cells.groupby("method", sort=False)["wall_s"].mean()
    least, most = (duration(float(end)) for end in (means.min(), means.max()))
    one = f"One run takes {least}" + (f" to {most}, by method" if least != most else "")
    total = duration(float(cells.drop_duplicates("cell_id")["wall_s"].sum()))
    n_runs = int(cells["cell_id"].nunique())
    return [f"{one} (wall time, mean over seeds).", f"The {n_runs} finished runs took {total} of wall time together."]


def _longest_training(tables: Tables) -> str:
    return f"{_times(tables)[0]} Which of the methods is the final model, the author knows: {TO_FILL_IN}."


def _gpu(tables: Tables) -> str:
    if not _is_ours(tables):
        return f"GPU: {TO_FILL_IN}."
    used = _accelerators(tables)
    return f"GPU: {phrases.listing(used)}." if used else "GPU: none was used."


def _accelerators(tables: Tables) -> list[str]:
    """What models were trained on besides the CPU."""
    found = _mapping(_mapping(tables.context.get("provenance")).get("hardware")).get("accelerators")
    return [str(name) for name in found] if isinstance(found, list) else []


def _total(spent: Mapping[str, Any]) -> str:
    cpu_s = spent.get("cells_cpu_s")
    cpu = f"They used {duration(float(cpu_s))} of CPU time. " if isinstance(cpu_s, int | float) else ""
    return f"{cpu}{_energy(spent)}"


def _energy(spent: Mapping[str, Any]) -> str:
    joules = spent.get("cells_j")
    if not isinstance(joules, int | float) or not is_known(joules):
        return "Their energy was not measured."
    how = _CLASSES.get(str(spent.get("method")), "method not recorded")
    scope = phrases.plain(spent.get("scope"))
    return f"Their energy: {with_unit(float(joules), 'J', ESTIMATE_DIGITS)} ({how}; scope: {scope})."


def _beyond(spent: Mapping[str, Any]) -> str:
    """What was computed and is in no result."""
    n, cpu_s = spent.get("n_attempts"), spent.get("attempts_cpu_s")
    known = isinstance(n, int) and isinstance(cpu_s, int | float) and n > 0
    lost = f"Failed or killed attempts beyond that: {n}, {duration(float(cpu_s or 0))} of CPU time." if known else (
        "No failed or killed attempts are on record beyond that."
    )  # fmt: skip
    runs = lookup.mappings(spent.get("pretraining"))
    times = [float(run["cpu_s"]) for run in runs if isinstance(run.get("cpu_s"), int | float)]
    return f"{lost} Pre-training took {duration(sum(times))} of CPU time, once." if times else lost


def _grams(tables: Tables, spent: Mapping[str, Any]) -> str:
    """Grams of all experiments, as they would be on each grid of the definition."""
    parts = [spent.get("cells_j"), spent.get("attempts_j")]
    parts += [run.get("energy_j") for run in lookup.mappings(spent.get("pretraining"))]
    known = [float(part) for part in parts if isinstance(part, int | float) and is_known(part)]
    if len(known) < len(parts):
        return "Not known: the energy was not measured throughout."
    kwh = sum(known) / _J_PER_KWH
    places = [
        f"{with_unit(kwh * entry['g_per_kwh'], 'g', ESTIMATE_DIGITS)} in {entry['name']} "
        f"({significant(entry['g_per_kwh'], 3)} g/kWh)"
        for entry in lookup.mappings(tables.context.get("grids"))
        if isinstance(entry.get("g_per_kwh"), int | float)
    ]
    where = f"Where it was computed is for the author to say; it would be {phrases.listing(places)}." if places else ""
    return f"{with_unit(sum(known), 'J', ESTIMATE_DIGITS)} were used. {where}"


def _comment(tables: Tables) -> str:
    method = phrases.plain(_mapping(tables.context.get("meter")).get("kind"))
    how = ", around each run in a process of its own" if _is_ours(tables) else ""
    return (
        f"Meter: {method}{how}. Idle machine, cooling and manufacture are not in "
        "these joules. What clients would take in a deployment is projected apart and is no part of this card."
    )
