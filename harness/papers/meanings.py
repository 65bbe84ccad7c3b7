"""Results as a text may mean them: which quantities its words name, and each result in the unit of what was typed."""

import re
from dataclasses import dataclass

from reports.latex.result import Result

QUANTITY = re.compile(
    r"accurac|energy|joule|carbon|\bco2?\b|emi(?:t|ssion)|footprint|\bbits?\b|bytes?\b|traffic|uplink|downlink|\btime\b"
    r"|battery|pass-through",
    re.I,
)
"""Words that name a quantity."""

_WORDS = {
    "%": r"accurac|energy|carbon|\bco2?\b|emi(?:t|ssion)|footprint|\bbits?\b|bytes?\b|traffic|uplink|downlink",
    "points": r"accurac",
    "s": r"\btime\b|round|battery",
}
_PARTS = {
    "radio": r"radio|communication|transmi\w+",
    "device": r"devices?|clients?",
    "deployment": r"deployment",
    "uplink": r"uplink|upload",
    "downlink": r"downlink|download",
    "local_training": r"(?:local[ _])?training",
    "codec": r"codec|encoding|decoding|coding",
}
_TIMES = {"round": r"\bround\b", "longest round": r"longest|\bround\b", "run": r"\brun\b", "target": r"target"}


@dataclass(frozen=True)
class Known:
    """A result of the tables and the macro that prints it."""

    result: Result
    macro: str

    @property
    def method(self) -> str:
        """Method that it is of."""
        return self.result.path[1]

    @property
    def quantity(self) -> str:
        """Quantity, in words."""
        return self.result.path[2].replace("_", " ")

    @property
    def scenario(self) -> tuple[str, ...]:
        """Radio and grid, where it depends on them."""
        return self.result.path[3:]

    @property
    def is_relative(self) -> bool:
        """Whether it is a change or a difference to the reference."""
        return self.quantity.endswith(("change", "difference"))

    @property
    def where(self) -> str:
        """Quantity, method and scenario, in words."""
        return f"{self.quantity} of {self.method}" + (f" ({', '.join(self.scenario)})" if self.scenario else "")

    @property
    def measures(self) -> str:
        """Dimension of what a paper would type for it."""
        if self.result.raw_unit == "(ratio)":
            return "%"
        if self.result.raw_unit == "(share)":
            return "points" if self.is_relative else "%"
        return self.result.raw_unit

    def amount(self, raw: float, factor: float) -> float:
        """One of its raw numbers, in a unit of `factor` base units."""
        if self.result.raw_unit == "(ratio)":
            return 100 * (raw - 1)
        return 100 * raw if self.result.raw_unit == "(share)" else raw / factor


def names_quantity(text: str, measures: str) -> bool:
    """Whether words, or the unit alone, say what is counted."""
    return measures in ("J", "g", "bit") or bool(re.search(_WORDS.get(measures, r"pass-through"), text, re.I))


def is_meant(known: Known, text: str) -> bool:
    """Whether a text, in lower case, may mean the quantity of a result that has the typed unit."""
    quantity, is_share = known.quantity, known.measures in ("%", "points")
    if "accuracy" in quantity:
        return "accurac" in text and _is_score(quantity, text)
    if "energy" in quantity:
        return (not is_share or "energy" in text or "joule" in text) and _is_part(quantity, text)
    if "bits" in quantity:
        return (not is_share or bool(_TRAFFIC.search(text))) and _is_traffic(quantity, text)
    if "carbon" in quantity:
        return not is_share or bool(re.search(r"carbon|\bco2?\b|emi(?:t|ssion)|footprint", text))
    if quantity.endswith("time"):
        return bool(re.search(_TIMES[quantity.removesuffix(" time")], text)) and (
            "longest" not in text or "longest" in quantity
        )
    return {"battery life": "battery", "pass-through": "pass-through"}.get(quantity, "\0") in text


_TRAFFIC = re.compile(r"\bbits?\b|bytes?\b|traffic|uplink|downlink")


def _is_score(quantity: str, text: str) -> bool:
    """Of whose model a test accuracy is no text says; one that is not said to be of the test may be of validation."""
    kinds = [kind for kind in ("initial", "validation", "deployed") if kind in text]
    if "test" in text or not kinds:
        kinds += ["test", "sent test", "deployed"] + ([] if "test" in text or kinds else ["validation"])
    return quantity.startswith(tuple(kinds))


def _is_part(quantity: str, text: str) -> bool:
    joined = [part for part, words in _PARTS.items() if re.search(rf"\b(?:{words})[ -]energy", text)]
    loose = [part for part, words in _PARTS.items() if re.search(rf"\b(?:{words})\b", text)]
    parts = joined or loose or ["device", "deployment"]
    return quantity.startswith(tuple(part.replace("_", " ") for part in parts))


def _is_traffic(quantity: str, text: str) -> bool:
    if ("multicast" in quantity and "multicast" not in text) or " as " in quantity:
        return False
    if quantity.startswith(("frame", "reference", "provisioning")):
        return quantity.partition(" ")[0] in text
    ways = [way for way in ("uplink", "downlink") if way in text]
    if re.search(
        r"\btotal\b(?! (?:uplink|downlink))|\boverall\b|traffic(?<!uplink traffic)(?<!downlink traffic)", text
    ):
        ways.append("total")
    is_this = quantity.removeprefix("multicast ").startswith(tuple(ways or ("uplink", "downlink", "total")))
    return is_this and ("multicast" not in text or "multicast" in quantity or "uplink" in quantity)
