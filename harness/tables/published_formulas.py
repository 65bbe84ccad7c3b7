"""Builds ``formulas.csv``: what the formulas of other papers give for the bits of a run."""

from typing import Any

import pandas as pd

from radio_models.published import formulas

COLUMNS = ["method", "formula", "title", "energy_j", "carbon_g", "source"]


def formula_rows(cells: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per method and formula, of the mean bits over seeds.

    Args:
        cells: as in ``cells.csv``.
    """
    rows = []
    for method, group in cells.groupby("method", sort=False):
        up, down = (float(group[f"{way}_bits"].mean()) for way in ("uplink", "downlink"))
        rows += [
            {
                "method": method,
                "formula": formula.kind,
                "title": formula.title,
                "energy_j": formula.joules(up, down),
                "carbon_g": formula.grams(up, down),
                "source": formula.source,
            }
            for formula in formulas()
        ]
    return rows
