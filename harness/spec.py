"""What a benchmark is: task, federation, methods, seeds and scenarios, checked and with all defaults filled in.

Parts (codecs, server rules, tasks, radios) are built by the registry while the spec is validated, so that a mistake in
their settings has a place in the file like any other. Free of torch, pandas, scipy and matplotlib.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AllowInfNan,
    Field,
    PlainSerializer,
    PlainValidator,
    Strict,
    StringConstraints,
    ValidationInfo,
    field_validator,
)

from harness import registry
from harness.carbon import grid
from harness.core.protocols import Codec, RadioModel, ServerRule, Task
from harness.devices import device
from harness.part import Part, entry_at, is_count, listed, repeated
from harness.problems import Clash, choice, in_settings, problem, ranged, shown

Init = Literal["random", "pretrained"]


def _part(table: str) -> tuple[PlainValidator, PlainSerializer]:
    return (
        PlainValidator(lambda value: registry.validated(table, value)),
        PlainSerializer(registry.describe, return_type=dict[str, Any]),
    )


def _whole(low: int, high: int) -> tuple[Strict, AfterValidator]:
    return Strict(), AfterValidator(ranged(low, high))


def _not_empty(entries: tuple[Any, ...]) -> tuple[Any, ...]:
    return entries or _raise("an empty list; at least one entry is needed")


def _one_line(value: str) -> str:
    if not value.isprintable() or value != value.strip() or not slug(value):
        raise problem(f"{shown(value)} is no name: one line, no space at the ends, at least one letter or digit")
    return value


def _spec_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", value):
        near = re.sub(r"[^a-z0-9._-]+", "-", value.lower()).strip("-._")[:64]
        hint = f" Did you mean {near}?" if near else ""
        allowed = "allowed: a-z, 0-9, dot, dash and underscore, the first a letter or digit, at most 64 characters"
        raise problem(f"{shown(value)} cannot name a folder; {allowed}.{hint}")
    return value


def _meter(value: str) -> str:
    if value not in registry.names("meter"):
        raise problem(choice(value, registry.names("meter")))
    return value


def _device(value: str) -> str:
    in_settings(lambda: device(value))
    return value


def slug(name: str) -> str:
    """A method's name as file names have it: letters and digits in lower case, dashes between.

    >>> slug("QuantFL 6-bit")
    'quantfl-6-bit'
    """
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")


class Federation(Part):
    """How training is spread over rounds and clients.

    Attributes:
        rounds: communication rounds, 1 to 100,000.
        cohort: clients per round, at most the task's clients.
        local_epochs: passes of a client over its examples in one round.
        batch_size: examples per optimiser step.
        lr: learning rate of local training, above 0.
        score_every: rounds between two scores on validation; the default is 5, or `rounds` if that is less.
        test_rounds: rounds after which the test split is scored too; it always is after the last one.
    """

    rounds: Annotated[int, *_whole(1, 100_000)]
    cohort: Annotated[int, *_whole(1, 1_000_000)]
    lr: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 1000, is_low_allowed=False))]
    local_epochs: Annotated[int, *_whole(1, 10_000)] = 1
    batch_size: Annotated[int, *_whole(1, 1_000_000)] = 16
    score_every: Annotated[int, *_whole(1, 100_000)] = Field(
        default_factory=lambda given: min(5, given.get("rounds", 5))
    )
    test_rounds: tuple[Annotated[int, *_whole(1, 100_000)], ...] = ()

    @field_validator("test_rounds", mode="after")
    @classmethod
    def _in_order(cls, rounds: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(rounds))

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Scores after the last round, and rounds listed twice."""
        rounds = values.get("rounds")
        if is_count(rounds) and is_count(values.get("score_every")) and values["score_every"] > rounds:
            yield ("score_every",), f"{values['score_every']} is above the {rounds} rounds"
        test_rounds = listed(values.get("test_rounds"))
        for place, test_round in enumerate(test_rounds):
            if is_count(rounds) and is_count(test_round) and test_round > rounds:
                yield ("test_rounds", place), f"{test_round} is above the {rounds} rounds"
        yield from repeated(test_rounds, ("test_rounds",), test_rounds)


class Downlink(Part):
    """What the server sends: the codec, and what it codes (``model``: the global model itself, each round)."""

    codec: Annotated[Codec, *_part("codec")] = Field(default_factory=lambda: registry.build("codec", "float32"))
    mode: Literal["model"] = "model"


class Method(Part):
    """One way to train and communicate.

    Attributes:
        name: how reports call it.
        uplink: codec of the updates.
        downlink: codec of the model.
        server: how the server combines updates.
        init: where training starts; None only before a spec has filled in the task's own.
    """

    name: Annotated[str, StringConstraints(max_length=64), AfterValidator(_one_line)]
    uplink: Annotated[Codec, *_part("codec")] = Field(default_factory=lambda: registry.build("codec", "float32"))
    downlink: Downlink = Field(default_factory=Downlink)
    server: Annotated[ServerRule, *_part("server")] = Field(default_factory=lambda: registry.build("server", "mean"))
    init: Init | None = None


class CustomGrid(Part):
    """A grid intensity of the user's own, with where it comes from."""

    name: Annotated[str, StringConstraints(max_length=64), AfterValidator(_one_line)]
    g_per_kwh: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 10_000))]
    source: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    year: Annotated[int, *_whole(1900, 2200)] | None = None
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
    """

    radios: Annotated[tuple[Annotated[RadioModel, *_part("radio")], ...], AfterValidator(_not_empty)]
    grids: Annotated[tuple[_GridEntry, ...], AfterValidator(_not_empty)]
    device: Annotated[str, AfterValidator(_device)] = "raspberry_pi_4"
    pause_s: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 31_536_000))] = 60.0

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Scenarios that a report could not tell apart."""
        for key, label in (("radios", "kind"), ("grids", "name")):
            entries = listed(values.get(key))
            labels = [entry.get(label) if isinstance(entry, Mapping) else entry for entry in entries]
            yield from repeated([text.casefold() if isinstance(text, str) else None for text in labels], (key,), labels)


class BenchmarkSpec(Part):
    """A whole benchmark. Equal specs plan equal cells.

    Attributes:
        name: name of the results folder.
        task: data set and model.
        federation: rounds and clients.
        methods: what is compared.
        reference: name of the method that others are compared with; by default the first.
        seeds: evaluation seeds; a number n in the file stands for 0 to n - 1.
        meter: how energy is measured on this machine.
        scenarios: what facts are priced under.
    """

    name: Annotated[str, AfterValidator(_spec_name)]
    task: Annotated[Task, *_part("task")]
    federation: Federation
    methods: Annotated[tuple[Method, ...], AfterValidator(_not_empty)]
    reference: str = Field(default_factory=lambda given: given["methods"][0].name if given.get("methods") else "")
    seeds: tuple[Annotated[int, *_whole(0, 2**32 - 1)], ...]
    meter: Annotated[str, AfterValidator(_meter)] = "codecarbon"
    scenarios: Scenarios

    def resolved(self) -> dict[str, Any]:
        """The spec as plain JSON-able values with every default filled in; validates to an equal spec."""
        return self.model_dump(mode="json")

    def references(self) -> dict[str, str]:
        """For each method what it is compared with: the reference, or the first method of its own initialisation.

        Only methods that start from the same weights are paired: anything else compares starts, not codecs. A method
        that others are compared with is left out.
        """
        first = {method.init: method.name for method in reversed(self.methods)}
        first |= {method.init: method.name for method in self.methods if method.name == self.reference}
        return {method.name: first[method.init] for method in self.methods if method.name != first[method.init]}

    @field_validator("methods", mode="after")
    @classmethod
    def _start_as_the_task(cls, methods: tuple[Method, ...], info: ValidationInfo) -> tuple[Method, ...]:
        init = getattr(info.data.get("task"), "init", None)
        return tuple(method if method.init else method.model_copy(update={"init": init}) for method in methods)

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_from_zero(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return _not_empty(tuple(value))
        if not isinstance(value, int) or isinstance(value, bool):
            raise problem(f"{shown(value)} is no seeds; a number of seeds or a list is needed, e.g. 3 or [0, 1, 2]")
        return list(range(ranged(1, 1000)(value)))

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Names that stand twice, a reference that is no method, more clients a round than there are."""
        methods = [entry if isinstance(entry, Mapping) else {} for entry in listed(values.get("methods"))]
        method_names = [entry.get("name") if isinstance(entry.get("name"), str) else None for entry in methods]
        slugs = [slug(name) if name else None for name in method_names]
        yield from repeated(slugs, ("methods",), method_names, "name")
        known = [name for name in method_names if name]
        reference, are_known = values.get("reference"), bool(known) and None not in method_names
        if isinstance(reference, str) and are_known and reference not in known:
            yield ("reference",), choice(reference, known)
        seeds = listed(values.get("seeds"))
        yield from repeated(seeds, ("seeds",), seeds)
        cohort, clients = entry_at(values, "federation", "cohort"), entry_at(values, "task", "clients")
        if is_count(cohort) and is_count(clients) and cohort > clients:
            yield ("federation", "cohort"), f"{cohort} is above the {clients} clients of the task"


def _raise(text: str) -> Any:
    raise problem(text)
