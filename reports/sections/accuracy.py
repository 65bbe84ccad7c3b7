"""Writes the section on accuracy: its values, its paired differences, and whether it holds."""

from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.sections.budgets import budget_table, cost_budget_table
from reports.tables import lookup
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import absent


def accuracy(tables: Tables) -> Section:
    """Initial, validation and test accuracy with paired differences."""
    is_coded = lookup.has_coded_downlink(tables)
    scores = ("validation_accuracy", "test_accuracy", *(["sent_test_accuracy"] if is_coded else []))
    columns = (
        Column("method", "Method", is_number=False),
        Column("seeds", "Seeds", "finished"),
        Column("initial_accuracy", "At round 0", "validation", "higher"),
        Column("validation_accuracy", "Validation", "mean of the last scores, at most five", "higher"),
        Column("validation_difference", "Difference", f"points, {phrases.CONFIDENCE}", "higher"),
        Column("test_accuracy", "Test", "final round", "higher"),
        Column("test_difference", "Difference", f"points, {phrases.CONFIDENCE}", "higher"),
        *(
            [
                Column("sent_test_accuracy", "Test, as decoded", "by a client", "higher"),
                Column("sent_test_difference", "Difference", f"points, {phrases.CONFIDENCE}", "higher"),
            ]
            if is_coded
            else []
        ),
    )
    rows = []
    for name in lookup.methods(tables):
        n = lookup.seeds_finished(tables, name)
        row = [Cell(name), Cell(str(n), value=float(n))]
        row.append(phrases.accuracy(lookup.mean(tables, name, "initial_accuracy")))
        for key in scores:
            row.append(phrases.accuracy(lookup.mean(tables, name, key)))
            difference = phrases.points(lookup.pair(tables, name, key))
            row.append(absent("reference") if name in lookup.references(tables) else difference)
        rows.append(tuple(row))
    notes = (
        "Intervals are 95 % t intervals over seeds; differences are paired by seed with the reference. They cover what "
        "varies between seeds (partition, cohorts, batches, and initial weights where they are random), not the finite "
        "size of the test set.",
        "Scored is the server’s model, in float32."
        + (
            " “As decoded”: that model as a client would decode it after the last round, which verdicts are on."
            if is_coded
            else ""
        ),
        *phrases.unscored_notes(tables),
        "Methods are paired only with one of their own initialisation, cohort, partition and budget.",
    )
    table = Table("accuracy", "Accuracy", columns, tuple(rows), notes)
    blocks: list[Block] = [*(Paragraph(text) for text in _verdicts(tables)), table]
    blocks += [table for table in (budget_table(tables), cost_budget_table(tables)) if table]
    return Section("accuracy", "Accuracy", tuple(blocks))


def _verdicts(tables: Tables) -> list[str]:
    seeds = max((lookup.seeds_finished(tables, name) for name in lookup.methods(tables)), default=0)
    if seeds == 0:
        return ["No cell finished, so no accuracy is known."]
    if seeds == 1:
        return ["Not enough seeds for an interval: one seed cannot tell a method from luck, so nothing is resolved."]
    found: dict[str, list[str]] = {"holds": [], "not resolved": [], "not compared": []}
    for name in lookup.challengers(tables):
        if name in lookup.references(tables):
            continue
        found[lookup.verdict(lookup.score_difference(tables, name))].append(name)
    words = {"holds": "Test accuracy holds for", "not resolved": "Not resolved for", "not compared": "Not compared for"}
    sentences = [f"{words[key]} {phrases.some(names)}." for key, names in found.items() if names]
    rule = "Accuracy “holds” if the lower end of the paired 95 % interval is above −0.5 points; otherwise the "
    below = [name for name in lookup.challengers(tables) if _is_below(lookup.score_difference(tables, name))]
    if below:
        sentences.append(f"For {phrases.some(below)} the whole interval lies below −0.5 points: accuracy was lost.")
    return [" ".join([*sentences, f"{rule}comparison is “not resolved”, which is not the same as “worse”."])]


def _is_below(difference: lookup.Estimate | None) -> bool:
    return difference is not None and difference.high is not None and difference.high < lookup.HOLDS_ABOVE
