"""Defines what the meaning of a column consists of, and the columns that many tables share."""

from dataclasses import dataclass

from reports.document import Better


@dataclass(frozen=True)
class Meaning:
    """What a column holds.

    Attributes:
        label: for headings.
        unit: as stored; empty for text, counts and shares.
        better: which direction is better, or empty.
        digits: significant digits to print; 0 for text.
    """

    label: str
    unit: str = ""
    better: Better = ""
    digits: int = 0

    @property
    def is_text(self) -> bool:
        """Whether the column is read as text."""
        return self.digits == 0


def text(label: str) -> Meaning:
    """A column of text."""
    return Meaning(label)


METHOD = {"method": text("Method")}
KEY = {"cell_id": text("Cell"), **METHOD, "seed": Meaning("Seed", digits=12)}
RADIO = {"radio": text("Radio")}
SCENARIO = {**RADIO, "grid": text("Grid")}
ENERGY = {
    "energy_j": Meaning("Energy", "J", "lower", 2),
    "energy_low_j": Meaning("Energy, low", "J", "lower", 2),
    "energy_high_j": Meaning("Energy, high", "J", "lower", 2),
}
CARBON = {
    "carbon_g": Meaning("Carbon", "g", "lower", 2),
    "carbon_low_g": Meaning("Carbon, low", "g", "lower", 2),
    "carbon_high_g": Meaning("Carbon, high", "g", "lower", 2),
}
