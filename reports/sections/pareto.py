"""Shows which methods no other beats in both accuracy and cost."""

from reports.document import Cell, Column, Paragraph, Section, Table
from reports.tables import lookup, priced
from reports.tables.lookup import is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import ESTIMATE_DIGITS, FACT_DIGITS, absent, percent, scale, shorten, significant

MARK = "on the front"
"""What stands below a cost that nobody beats at the accuracy of its method."""

_BASES = {"uplink_bits": "bit", "total_bits": "bit", "device_energy_j": "J", "carbon_g": "g"}
_LABELS = {"uplink_bits": "Uplink", "total_bits": "Total", "device_energy_j": "Device", "carbon_g": "Carbon"}
_MOST_COLUMNS = 8


def pareto(tables: Tables) -> Section | None:
    """A sentence about each cost that matters, and the table; None with fewer than two methods that finished."""
    table = pareto_table(tables)
    if table is None:
        return None
    text = (
        "A method is on the front of a cost if no other costs no more and is no less accurate, and is better in one of "
        f"the two. {_sentence(tables, 'total_bits', '', 'total bits')}"
    )
    return Section("pareto", "Accuracy against cost", (Paragraph(text), table))


def pareto_table(tables: Tables) -> Table | None:
    """Accuracy and costs, with a mark at those on the front; None with fewer than two methods that finished."""
    rows = lookup.records(tables.pareto)
    if len({row["method"] for row in rows if is_known(row["accuracy"])}) < 2:
        return None
    costs = _costs(tables)
    factors = {cost: _factor(rows, cost) for cost in costs}
    score = "Test accuracy" if rows[0]["score"] == "deployed_accuracy" else "Validation accuracy"
    columns = [Column("method", "Method", is_number=False), Column("accuracy", score, "mean over seeds", "higher")]
    columns += [_column(tables, cost, factors[cost][1]) for cost in costs]
    found = {(row["method"], row["quantity"], row["radio"], row["grid"]): row for row in rows}
    printed = []
    for name in lookup.methods(tables):
        own = [found.get((name, *cost)) for cost in costs]
        first = next((row for row in own if row), None)
        accuracy = float(first["accuracy"]) if first and is_known(first["accuracy"]) else None
        cells = [
            Cell(name),
            absent(phrases.NOT_FINISHED) if accuracy is None else Cell(percent(accuracy), value=accuracy),
        ]
        cells += [_cell(row, factors[cost][0], cost[0]) for row, cost in zip(own, costs, strict=True)]
        printed.append(tuple(cells))
    notes = (
        "Means over seeds are compared as they are; whether a method is really more accurate than the next one is what "
        "the paired intervals say. Below a cost that is not on the front stands the first method that beats it.",
    )
    return Table("pareto", "Methods that nobody beats in both accuracy and cost", tuple(columns), tuple(printed), notes)


def on_front(tables: Tables, quantity: str = "total_bits", radio: str = "") -> list[str]:
    """Names of the methods on the front of a cost, in the order of the definition."""
    rows = tables.pareto
    chosen = rows[(rows["quantity"] == quantity) & (rows["radio"] == radio) & (rows["is_on_front"] == 1)]
    return [name for name in lookup.methods(tables) if name in set(chosen["method"])]


def _costs(tables: Tables) -> list[tuple[str, str, str]]:
    """Quantity, radio and grid of the costs with a column: bits, then joules and first grid of radios that work."""
    known = tables.pareto[["quantity", "radio", "grid"]].drop_duplicates().itertuples(index=False, name=None)
    keys = [(str(quantity), str(radio), str(grid)) for quantity, radio, grid in known]
    radios = [radio for radio in priced.shown_radios(tables) if radio in priced.feasible_radios(tables)]
    wanted = [("uplink_bits", "", ""), ("total_bits", "", "")]
    for radio in radios:
        wanted += [("device_energy_j", radio, ""), ("carbon_g", radio, priced.first_grid(tables, radio))]
    return [key for key in wanted if key in keys][:_MOST_COLUMNS]


def _column(tables: Tables, cost: tuple[str, str, str], unit: str) -> Column:
    quantity, radio, grid = cost
    where = ", ".join(filter(None, [priced.bare_title(tables, radio) if radio else "", grid]))
    label = f"{_LABELS[quantity]}, {where}" if where else _LABELS[quantity]
    detail = phrases.PROJECTED if radio else "unicast"
    return Column("_".join(filter(None, cost)), label, f"{unit}, {detail}", "lower")


def _factor(rows: list[dict[str, object]], cost: tuple[str, str, str]) -> tuple[float, str]:
    values = [row["cost"] for row in rows if (row["quantity"], row["radio"], row["grid"]) == cost]
    return scale([float(value) for value in values if isinstance(value, float) and is_known(value)], _BASES[cost[0]])


def _cell(row: dict[str, object] | None, factor: float, quantity: str) -> Cell:
    if row is None or not isinstance(row["cost"], float) or not is_known(row["cost"]):
        return absent("not known" if row else phrases.NOT_FINISHED)
    digits = FACT_DIGITS if quantity.endswith("_bits") else ESTIMATE_DIGITS
    rival = shorten(str(row["dominated_by"]))
    mark = MARK if row["is_on_front"] == 1 else f"beaten by {rival}" if rival else ""
    value = row["cost"] / factor
    return Cell(significant(value, digits), mark, value)


def _sentence(tables: Tables, quantity: str, radio: str, words: str) -> str:
    names = on_front(tables, quantity, radio)
    verb = "is" if len(names) == 1 else "are"
    return f"Of {words} against accuracy, {phrases.some(names)} {verb} {MARK}." if names else ""
