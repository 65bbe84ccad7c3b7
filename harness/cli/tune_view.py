"""What the terminal shows of a search: for each method what was chosen, and what lies at a border."""

from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from harness.cli.summary import _columns, _table
from harness.commands.tune import Choice
from reports.texts import numbers


def print_choices(choices: Mapping[str, Choice]) -> None:
    """The chosen settings, and where the space should have been wider."""
    console = Console(highlight=False)
    table = _table("Settings chosen on validation, mean over the tuning seeds")
    factor, unit = numbers.scale([choice.best.bits or 0.0 for choice in choices.values() if choice.best], "bit")
    _columns(table, "method", ["trials", "finished", "validation\n%", f"total\n{unit}"])
    table.add_column("chosen", overflow="fold")
    for method, choice in choices.items():
        n_finished = sum(trial.accuracy is not None for trial in choice.trials)
        best = choice.best
        table.add_row(
            Text(method),
            str(len(choice.trials)),
            str(n_finished),
            numbers.fixed(100 * best.accuracy, 1) if best and best.accuracy is not None else "",
            numbers.significant(best.bits / factor, numbers.FACT_DIGITS) if best and best.bits is not None else "",
            Text(", ".join(f"{path} {value}" for path, value in best.settings.items()) if best else ""),
        )
    console.print(table)
    for method, choice in choices.items():
        for path in choice.at_border:
            ends = choice.space[path].members
            told = f"{path} of {method} was chosen at the border of its space ({ends[0]} to {ends[-1]})"
            console.print(Text(f"{told}; a wider one may hold a better value", style="yellow"))
