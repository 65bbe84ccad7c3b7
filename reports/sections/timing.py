"""Shows time and batteries: rounds, the run, the way to a target accuracy, late clients, how long batteries last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.tables import lookup, priced
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, NBSP, TABLE_HEADROOM, absent, percent, scale, significant, with_unit

_SECONDS = ("round_s", "longest_round_s", "duration_s")
_COSTS = ("time_s", "energy_j", "carbon_g")


@dataclass(frozen=True)
class Reached:
    """How a method came to its target in one scenario.

    Attributes:
        n_seeds: seeds that have a target.
        n_never: seeds at which it was never reached.
        means: mean over seeds of rounds, seconds, joules and grams until then; None unless all seeds reached it.
    """

    n_seeds: int
    n_never: int
    means: Mapping[str, float] | None


def timing(tables: Tables) -> Section | None:
    """Times and battery lives; None if no radio was priced."""
    times = time_table(tables)
    if times is None:
        return None
    pause = priced.settings(tables).get("pause_s")
    waits = f"{phrases.plain(pause)}{NBSP}s" if isinstance(pause, int | float) else "pauses that are not recorded"
    text = (
        f"How long training takes on each radio, {phrases.PROJECTED}: clients receive, compute and send; a round ends "
        f"with its slowest client, and {waits} lie between rounds. None of it is time of this host."
    )
    blocks: list[Block] = [Paragraph(text), times]
    batteries = battery_table(tables)
    if batteries:
        blocks.append(batteries)
    return Section("time", "Time and batteries (projected)", tuple(blocks))


def time_table(tables: Tables) -> Table | None:
    """Seconds of rounds and runs, and what it takes to reach the target; a run of rows per radio."""
    if tables.schedule.empty:
        return None
    means = lookup.means(tables.schedule, ("method", "radio"), (*_SECONDS, "late_uplinks", "late_energy_j"))
    has_late = bool((tables.schedule["late_uplinks"] > 0).any())
    late_factor, late_unit = scale([row[4] for row in means.values()], "J")
    seconds = phrases.PROJECTED
    columns = (
        Column("method", "Method", is_number=False),
        Column("round_s", "Round", f"mean, {seconds}", "lower"),
        Column("longest_round_s", "Longest round", seconds, "lower"),
        Column("duration_s", "Whole run", f"with pauses, {seconds}", "lower"),
        Column("target_time", "To target", seconds, "lower"),
        Column("target_energy", "Joules to target", phrases.PROJECTED, "lower"),
        Column("target_carbon", "Grams to target", phrases.PROJECTED, "lower"),
        *([Column("late", "Late uplinks", "of the run", "lower")] if has_late else []),
        *([Column("late_energy", "Wasted on them", f"{late_unit}, {phrases.PROJECTED}", "lower")] if has_late else []),
    )
    rows, groups = [], []
    found = targets(tables)
    for radio in priced.radios(tables):
        for name in (name for name in lookup.methods(tables) if (name, radio) in means):
            *lengths, late, wasted = means[name, radio]
            reached = found.get((name, radio, priced.first_grid(tables, radio)))
            cells = [*(phrases.lasting(value) for value in lengths), *_to_target(reached)]
            if has_late:
                cells.append(Cell(significant(late, 3), value=late))
                cells.append(Cell(significant(wasted / late_factor, ESTIMATE_DIGITS), value=wasted / late_factor))
            rows.append((Cell(name), *cells))
            groups.append(f"{priced.radio_title(tables, radio)}{_grams_on(tables, radio)}")
    title = "Round, run and way to the target"
    return Table("time", title, columns, tuple(rows), _time_notes(tables, has_late=has_late), tuple(groups))


def battery_table(tables: Tables) -> Table | None:
    """How long batteries last at the pace of the run; None where no device has one."""
    rows = tables.endurance
    if rows.empty:
        return None
    keys = ("method", "radio", "group", "battery")
    means = lookup.means(rows, keys, ("battery_j", "client_j", "rounds", "days"))
    factor, unit = scale([row[1] for row in means.values()], "J", TABLE_HEADROOM)
    b_factor, b_unit = scale([row[0] for row in means.values()], "J")
    columns = (
        Column("method", "Method", is_number=False),
        Column("group", "Clients", is_number=False),
        Column("battery", "Battery", is_number=False),
        Column("battery_j", "Usable", f"{b_unit}, {phrases.PROJECTED}", "higher"),
        Column("client_j", "A client takes", f"{unit} a run, {phrases.PROJECTED}", "lower"),
        Column("rounds", "Lasts, rounds", phrases.PROJECTED, "higher"),
        Column("days", "Lasts", phrases.PROJECTED, "higher"),
    )
    printed, groups = [], []
    for radio in priced.radios(tables):
        chosen = [(key, values) for key, values in means.items() if key[1] == radio]
        for name in lookup.methods(tables):
            for key, (battery_j, client_j, rounds, days) in (entry for entry in chosen if entry[0][0] == name):
                group = key[2] if priced.is_fleet(tables, radio) else "all"
                cells = [Cell(name), Cell(group), Cell(key[3].replace("_", " "))]
                cells.append(Cell(significant(battery_j / b_factor, ESTIMATE_DIGITS), value=battery_j / b_factor))
                cells.append(Cell(significant(client_j / factor, ESTIMATE_DIGITS), value=client_j / factor))
                cells += [Cell(significant(rounds, ESTIMATE_DIGITS), value=rounds), phrases.lasting(86_400.0 * days)]
                printed.append(tuple(cells))
                groups.append(priced.radio_title(tables, radio))
    notes = (
        "Usable joules of the battery over what a mean client takes in the run: its turns, and the standby of device "
        "and radio between them, whether totals have standby or not. The pace is that of the run, round after round. "
        "Self-discharge and ageing are left out unless the usable share of the battery has them.",
    )
    return Table("batteries", "How long a battery lasts", columns, tuple(printed), notes, tuple(groups))


def targets(tables: Tables) -> dict[tuple[str, str, str], Reached]:
    """How each method came to its target, by method, radio and grid."""
    found: dict[tuple[str, str, str], Reached] = {}
    for key, rows in tables.targets.groupby(["method", "radio", "grid"], sort=False):
        n_never = int(rows["round"].isna().sum())
        means = None if n_never else {name: float(rows[name].mean()) for name in ("round", *_COSTS)}
        method, radio, grid = map(str, key)
        found[method, radio, grid] = Reached(len(rows), n_never, means)
    return found


def target_words(tables: Tables) -> str:
    """The target in words, as the rows have it; empty if there is none."""
    accuracies: Sequence[Any] = tables.targets["target_accuracy"].dropna().unique().tolist()
    if not accuracies:
        return ""
    spec = tables.context.get("spec")
    scenarios = spec.get("scenarios") if isinstance(spec, Mapping) else None
    if isinstance(scenarios, Mapping) and scenarios.get("target_accuracy") is not None:
        return f"a validation accuracy of {percent(accuracies[0])}"
    ends = dict.fromkeys(percent(end) for end in (min(accuracies), max(accuracies)))
    return (
        f"at each seed, one point of validation accuracy less than the last of {lookup.reference(tables)} "
        f"({' to '.join(ends)})"
    )


def _to_target(reached: Reached | None) -> list[Cell]:
    if reached is None:
        return [absent("no target")] * 3
    if reached.means is None:
        never = absent(f"never reached at {reached.n_never} of {reached.n_seeds} seeds")
        return [never, absent("–"), absent("–")]
    first = phrases.lasting(reached.means["time_s"])
    joules, grams = reached.means["energy_j"], reached.means["carbon_g"]
    return [
        Cell(first.text, f"round {reached.means['round']:.3g}", first.value),
        Cell(with_unit(joules, "J", ESTIMATE_DIGITS), value=joules),
        Cell(with_unit(grams, "g", ESTIMATE_DIGITS), value=grams),
    ]


def _grams_on(tables: Tables, radio: str) -> str:
    grid = priced.first_grid(tables, radio)
    return f"; grams on {priced.grid_title(grid)}" if grid else ""


def _time_notes(tables: Tables, *, has_late: bool) -> tuple[str, ...]:
    words = target_words(tables)
    notes = ["Mean over seeds. The mean round is without the pause."]
    if words:
        notes.append(
            f"Target: {words}. The first scored round that has it counts, so time is no finer than the scores are far "
            "apart; joules and grams are all that is in the totals by then. Where a seed never reached it no mean is "
            "given: one over the others would flatter."
        )
    if has_late:
        notes.append(
            "Late uplinks missed the deadline and were thrown away; what they and the computing before them took is in "
            "every total."
        )
    return tuple(notes)
