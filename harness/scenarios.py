"""Scenarios of a spec: the assumptions that facts are priced under."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AllowInfNan, PlainSerializer, PlainValidator, Strict, StringConstraints

from harness.carbon import grid
from harness.core.protocols import RadioModel
from harness.devices import device
from harness.part import Part, listed, repeated
from harness.problems import Clash, in_settings, ranged
from harness.values import Name, not_empty, part, whole


def _device(value: str) -> str:
    in_settings(lambda: device(value))
    return value


class CustomGrid(Part):
    """A grid intensity of the user's own, with where it comes from."""

    name: Name
    g_per_kwh: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 10_000))]
    source: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    year: Annotated[int, *whole(1900, 2200)] | None = None
    basis: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None


def _grid(value: object) -> str | CustomGrid:
    if isinstance(value, str):
        return in_settings(lambda: grid(value)).iso3 or value
    custom = CustomGrid.model_validate(value)
    in_settings(lambda: grid(_plain_grid(custom)))
    return custom


def _plain_grid(entry: str | CustomGrid) -> Any:
    return entry if isinstance(entry, str) else entry.model_dump(exclude_none=True)


_GridEntry = Annotated[str | CustomGrid, PlainValidator(_grid), PlainSerializer(_plain_grid)]


class Scenarios(Part):
    """The assumptions that facts are priced under; changing them trains nothing again.

    Attributes:
        radios: radio technologies, each at most once.
        grids: country codes (stored as ISO 3166-1 alpha-3) or custom grids.
        device: the client hardware that compute is projected to.
        pause_s: seconds between the end of a round and the start of the next, 0 to a year. Longer than a radio's tail,
            each round is a radio session of its own; at 0 rounds of a small model share one.
        provisioning: how clients come by what they have before the first round: from the ``factory``, at no cost, or
            ``over_the_air``, at that of one download each. Reports print both.
    """

    radios: Annotated[tuple[Annotated[RadioModel, *part("radio")], ...], AfterValidator(not_empty)]
    grids: Annotated[tuple[_GridEntry, ...], AfterValidator(not_empty)]
    device: Annotated[str, AfterValidator(_device)] = "raspberry_pi_4"
    pause_s: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 31_536_000))] = 60.0
    provisioning: Literal["factory", "over_the_air"] = "factory"

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Scenarios that a report could not tell apart."""
        for key, label in (("radios", "kind"), ("grids", "name")):
            entries = listed(values.get(key))
            labels = [entry.get(label) if isinstance(entry, Mapping) else entry for entry in entries]
            yield from repeated([text.casefold() if isinstance(text, str) else None for text in labels], (key,), labels)
