"""Defines a finished and priced cell under the name of its method."""

from dataclasses import dataclass
from typing import Any

from harness.ledger.ledger import Ledger
from harness.price.accounting.account import CellResult


@dataclass(frozen=True)
class PricedCell:
    """A finished cell under the name its method has in the spec.

    Attributes:
        method: display name of the method.
        result: the priced cell.
        facts: its ledger as it was written, where not all of it can be priced; None where `result` has it all.
    """

    method: str
    result: CellResult
    facts: Ledger | None = None

    @property
    def ledger(self) -> Ledger:
        """All that is known of the cell, priced or not."""
        return self.facts or self.result.ledger

    @property
    def key(self) -> dict[str, Any]:
        """Columns that name the cell in every table."""
        return {"cell_id": self.result.cell_id, "method": self.method, "seed": self.seed}

    @property
    def seed(self) -> int:
        """Evaluation seed of the cell."""
        return int(self.result.ledger.cell["seed"])
