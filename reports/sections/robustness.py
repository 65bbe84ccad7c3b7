"""Shows how far results survive their assumptions: intervals, the order of methods, what to measure first."""

from reports.document import Block, Cell, Column, Paragraph, Section, Table
from reports.sections.break_even import break_even_table
from reports.tables import lookup, priced
from reports.tables.lookup import Range, is_known
from reports.tables.read import Tables
from reports.texts import phrases
from reports.texts.numbers import TABLE_HEADROOM, absent, percent_estimate, scale

_MOST_COEFFICIENTS = 5
_INTERACTIONS = "interactions"
_WHOSE = {"shared": "all methods alike", "method": "each method its own", "client": "each client its own"}
_ENDS = ("low", "median", "high")


def robustness(tables: Tables) -> Section | None:
    """Break-even, drawn intervals with the order of methods, and the split of their variance; None without any."""
    found = (break_even_table(tables), drawn_table(tables), _variance(tables))
    shown: list[Block] = [table for table in found if table]
    if not shown:
        return None
    text = (
        "From where a method pays, and what of the results survives the assumptions. Ranges elsewhere in this report "
        "take every coefficient at its low or at its high end; here they are drawn at random, and 95 % of the draws "
        "lie between the ends that are printed. They say how far the assumptions may be wrong, not how far "
        "seeds differ: joules and grams are those of the mean over seeds."
    )
    return Section("robustness", "Break-even and robustness (projected)", (Paragraph(text), *shown))


def drawn_table(tables: Tables) -> Table | None:
    """Drawn joules and grams next to drawn changes to the reference, and how often a method is best."""
    if tables.uncertainty.empty:
        return None
    amounts, ratios = (_drawn(tables, name) for name in ("uncertainty", "ratios"))
    columns = (
        Column("method", "Method", is_number=False),
        Column("energy", "Joules", phrases.PROJECTED, "lower"),
        Column("energy_change", "Joules, change", f"to reference, {phrases.PROJECTED}", "lower"),
        Column("carbon", "Grams", phrases.PROJECTED, "lower"),
        Column("carbon_change", "Grams, change", f"to reference, {phrases.PROJECTED}", "lower"),
        Column("best", "Least grams", "share of draws", "higher"),
        Column("next", "Before the next", "share of draws", "higher"),
    )
    rows, groups = [], []
    for radio in priced.radios(tables):
        grid = priced.first_grid(tables, radio)
        names = lookup.methods(tables)
        keys = [("energy_j", ""), ("carbon_g", grid)]
        (j_factor, j_unit), (g_factor, g_unit) = (
            scale([a.typical for name in names if (a := amounts.get((name, radio, place, quantity)))], base, room)
            for (quantity, place), base, room in zip(keys, ("J", "g"), (TABLE_HEADROOM, 1.0), strict=True)
        )
        for name in names:
            cells = []
            for (quantity, place), factor in zip(keys, (j_factor, g_factor), strict=True):
                key = (name, radio, place, quantity)
                cells += [phrases.drawn(amounts.get(key), factor), _change(tables, name, ratios.get(key))]
            rows.append((Cell(name), *cells, *_order(tables, name, radio, grid)))
            where = f", grams in {g_unit} on {priced.grid_title(grid)}" if grid else ""
            groups.append(f"{priced.radio_title(tables, radio)}: joules in {j_unit}{where}")
    notes = (
        "Median of the draws, and below it the ends that 95 % of them lie between. Methods share their draws, so a "
        "change to the reference may be sure although both of its sides are not: read differences there, not from "
        "overlapping intervals. All that is in the totals, manufacture left out; network and server where the "
        "definition puts them in.",
        "Least grams: the share of draws in which a method takes fewer than any other; ties are split. Before the "
        "next: fewer than the one that follows it by typical values. Radios that are infeasible are not ranked, and "
        "accuracy has no say here.",
    )
    title = "How wide the assumptions leave joules and grams, and differences between methods"
    return Table("drawn", title, columns, tuple(rows), notes, tuple(groups))


def _drawn(tables: Tables, name: str) -> dict[tuple[str, str, str, str], Range]:
    """Low, median and high by method, radio, grid and quantity."""
    frame = tables.uncertainty if name == "uncertainty" else tables.ratios
    return {
        (str(row["method"]), str(row["radio"]), str(row["grid"]), str(row["quantity"])): Range(
            *(float(row[end]) for end in _ENDS)
        )
        for row in lookup.records(frame)
    }


def _change(tables: Tables, name: str, ratio: Range | None) -> Cell:
    return absent("reference") if name in lookup.references(tables) else phrases.drawn_change(ratio)


def _order(tables: Tables, name: str, radio: str, grid: str) -> list[Cell]:
    rows = tables.ranks
    mine = rows[(rows["method"] == name) & (rows["radio"] == radio) & (rows["grid"] == grid)]
    if mine.empty:
        return [absent("not ranked")] * 2
    best, following = float(mine["share_best"].iloc[0]), float(mine["share_before_next"].iloc[0])
    return [_share(best), _share(following) if is_known(following) else absent("last")]


def _share(share: float) -> Cell:
    """A share of draws; what never or always happened among some thousand draws is not called impossible or certain."""
    return Cell(percent_estimate(share), value=share)


def _variance(tables: Tables) -> Table | None:
    """The coefficients that cause most of the variance of grams, mean over methods."""
    if tables.variance.empty:
        return None
    frame = (
        tables.variance.groupby(["method", "radio", "coefficient", "scope"], sort=False)["share"].sum().reset_index()
    )
    columns = (
        Column("coefficient", "Coefficient", is_number=False),
        Column("scope", "Drawn for", is_number=False),
        Column("share", "Share of the variance", "mean over methods"),
        Column("ends", "Lowest to highest", "over methods"),
    )
    rows, groups = [], []
    for radio in priced.radios(tables):
        mine = frame[frame["radio"] == radio]
        n_methods = mine["method"].nunique()
        causes = mine[mine["coefficient"] != _INTERACTIONS].groupby(["coefficient", "scope"], sort=False)["share"]
        found = [(key, list(map(float, shares))) for key, shares in causes]
        found.sort(key=lambda entry: -sum(entry[1]))
        for (coefficient, scope), shares in found[:_MOST_COEFFICIENTS]:
            least = min(shares) if len(shares) == n_methods else 0.0
            ends = " to ".join(dict.fromkeys(map(percent_estimate, (least, max(shares)))))
            mean = sum(shares) / n_methods
            cells = [Cell(str(coefficient)), Cell(_WHOSE.get(str(scope), str(scope)))]
            rows.append((*cells, Cell(percent_estimate(mean), value=mean), Cell(ends)))
            groups.append(_group(tables, radio, mine.loc[mine["coefficient"] == _INTERACTIONS, "share"].tolist()))
    notes = (
        f"Of grams, on the first grid of each radio; the {_MOST_COEFFICIENTS} coefficients that cause most. What "
        "stands on top is worth measuring first. Absolute grams: of a difference between methods much of it cancels. "
        "All coefficients are in variance.csv.",
    )
    return Table("variance", "What to measure first", columns, tuple(rows), notes, tuple(groups))


def _group(tables: Tables, radio: str, interactions: list[float]) -> str:
    title = priced.radio_title(tables, radio)
    if not interactions:
        return title
    mean = sum(interactions) / len(interactions)
    return f"{title}; {percent_estimate(mean)} by no coefficient on its own"
