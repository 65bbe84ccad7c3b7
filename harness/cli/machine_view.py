"""Prints checks and calibration of a machine on the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.commands.doctor import Check
from harness.tables.noise_floor import WITHIN


def print_checks(checks: Sequence[Check]) -> bool:
    """What the doctor found. Returns whether any of it is a problem."""
    console = Console(highlight=False)
    styles = {"ok": "green", "note": "yellow", "problem": "red"}
    table = Table.grid(padding=(0, 2))
    for check in checks:
        table.add_row(Text(check.state, style=styles[check.state]), check.name, Text(check.found))
        if check.remedy:
            table.add_row("", "", Text(f"-> {check.remedy}", style="dim"))
    console.print(table)
    return any(check.state == "problem" for check in checks)


def print_calibration(found: Mapping[str, Any]) -> None:
    """What a calibration measured, and what follows for comparisons."""
    console = Console(highlight=False)
    runs = found["runs"]
    mean_s = sum(run["cpu_seconds"] for run in runs) / len(runs)
    console.print(f"{len(runs)} repeats of the same work, {mean_s:.2f} CPU seconds each, meter: {found['meter']}")
    names = {
        "cpu_s_spread": "CPU seconds",
        "wall_s_spread": "wall seconds",
        "joules_spread": "joules",
        "j_per_cpu_s_spread": "joules per CPU second",
    }
    for key, name in names.items():
        spread = found[key]
        text = "not measured: this meter gives no joules" if spread is None else f"{100 * spread:.1f} %"
        console.print(f"  spread of {name}: {text}")
    idle = (
        "not measured" if found["idle_w"] is None else f"{found['idle_w']:.2f} W ({found['method']}, {found['scope']})"
    )
    console.print(f"  a worker that sleeps: {idle}")
    floor = WITHIN * found["cpu_s_spread"]
    console.print(
        f"Methods whose CPU seconds differ by less than {100 * floor:.1f} % are not told apart on this machine."
    )
