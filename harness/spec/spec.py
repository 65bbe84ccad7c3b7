"""Defines a benchmark: task, federation, methods, seeds and scenarios, checked and with all defaults filled in.

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
    PlainValidator,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from harness.core.errors import EnvironmentLacksError, UsageError
from harness.core.protocols import Task
from harness.parsing.fields import Name, not_empty, positive, slug, whole
from harness.parsing.problems import Clash, choice, problem, problems_in, ranged, rejection, shown
from harness.parsing.strict_model import Part, entry_at, is_count, listed, repeated
from harness.parts import from_file, registry
from harness.parts.registry import part
from harness.price.assumptions.scenarios import Scenarios
from harness.spec.methods import Federation, Method, federation_with, override_clashes
from harness.spec.tune import Tune, Tuned, checked, tune_clashes, tuned_clashes


def _spec_name(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", value):
        near = re.sub(r"[^a-z0-9._-]+", "-", value.lower()).strip("-._")[:64]
        hint = f" Did you mean {near}?" if near else ""
        allowed = "allowed: a-z, 0-9, dot, dash and underscore, the first a letter or digit, at most 64 characters"
        raise problem(f"{shown(value)} cannot name a folder; {allowed}.{hint}")
    return value


def _meter(value: object) -> str:
    """A meter in one word: its name, or its place in a file."""
    named = from_file.as_mapping(value)
    if not isinstance(named, str) and not from_file.is_file_part(named):
        raise problem(f"{shown(value)} is no meter; a name or a file is needed, e.g. {{file: mine.py, class: Mine}}")
    origin = from_file.origin_of(registry.validated("meter", named))
    return from_file.short_form(origin) if origin else str(value)


class FileSection(Part):
    """A section of reports from a file: a function from the tables to a section, as in `reports.build`.

    Attributes:
        file: Python file, relative to the definition.
        function: name of the function.
        digest: the first digits of the SHA-256 of the file; written by us.
    """

    file: str
    function: str
    digest: str | None = None

    @model_validator(mode="after")
    def _is_there(self) -> "FileSection":
        try:
            _, origin = from_file.function_in(self.file, self.function, self.digest)
        except (UsageError, EnvironmentLacksError) as error:
            raise rejection("FileSection", [(("file",), str(error))]) from error
        return self.model_copy(update={"file": origin.file, "digest": origin.digest})


class Record(Part):
    """What is kept of the updates themselves, for ``harness audit`` and for statistics; nothing by default.

    Attributes:
        updates_at: rounds whose raw updates are kept, as safetensors of 4 bytes a parameter each.
        statistics_every: rounds between two looks at the distribution of the updates; the first and the last round
            are always looked at. None looks at none.
        clients: clients of each such round that are recorded, 1 to 1000: the first of the cohort.
        step: the fixed step of the entropies, in units of a parameter, above 0.
    """

    updates_at: tuple[Annotated[int, *whole(1, 100_000)], ...] = ()
    statistics_every: Annotated[int, *whole(1, 100_000)] | None = None
    clients: Annotated[int, *whole(1, 1000)] = 2
    step: Annotated[float, *positive(1000)] = 1e-3

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Rounds listed twice."""
        rounds = listed(values.get("updates_at"))
        yield from repeated(rounds, ("updates_at",), rounds)


class Resources(Part):
    """What one cell asks of a cluster. No part of a cell: where it runs changes no fact.

    Attributes:
        cpus: CPUs, above 0; a cell computes on one thread.
        gpus: GPUs, at least 0.
    """

    cpus: Annotated[float, *positive(1024)] = 1.0
    gpus: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 1024))] = 0.0


class Contrast(Part):
    """A comparison that is named before it is run: ``(sum over plus - sum over minus) / per``, seed by seed.

    With one method on either side it is a difference; with two it can be an interaction, e.g. what error feedback
    gains from random weights less what it gains from pre-trained ones.

    Attributes:
        name: how reports call it.
        plus: names of methods.
        minus: names of as many other methods.
        quantity: what is compared; differences of accuracies, and of the natural logarithms of bits.
        per: what the difference of the sums is divided by, 1 to 10,000.
        primary: whether it is tested; p values of all that are, are corrected for their number.
    """

    name: Name
    plus: Annotated[tuple[str, ...], AfterValidator(not_empty)]
    minus: Annotated[tuple[str, ...], AfterValidator(not_empty)]
    quantity: Literal["validation_accuracy", "test_accuracy", "sent_test_accuracy", "uplink_bits", "total_bits"] = (
        "validation_accuracy"
    )
    per: Annotated[int, *whole(1, 10_000)] = 1
    primary: bool = True

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Sides of different length."""
        plus, minus = listed(values.get("plus")), listed(values.get("minus"))
        if plus and minus and len(plus) != len(minus):
            yield ("minus",), f"{len(minus)} methods, but plus has {len(plus)}; both sides need as many"
        yield from repeated(plus, ("plus",), plus)
        yield from repeated(minus, ("minus",), minus)
        for place, name in enumerate(minus):
            if name in plus:
                yield ("minus", place), f"{shown(name)} stands in plus as well, which takes it out of the comparison"


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
        resources: what one cell asks of a cluster.
        record: what is kept of the updates themselves.
        contrasts: comparisons that are named before they are run.
        sections: further sections of the report, from files.
        scenarios: what facts are priced under.
        tune: what ``harness tune`` searches; it runs nothing by itself.
        tuned: how settings were chosen; written by ``harness tune``.
    """

    name: Annotated[str, AfterValidator(_spec_name)]
    task: Annotated[Task, *part("task")]
    federation: Federation
    methods: Annotated[tuple[Method, ...], AfterValidator(not_empty)]
    reference: str = Field(default_factory=lambda given: given["methods"][0].name if given.get("methods") else "")
    seeds: tuple[Annotated[int, *whole(0, 2**32 - 1)], ...]
    meter: Annotated[str, PlainValidator(_meter)] = "codecarbon"
    resources: Resources = Field(default_factory=Resources)
    record: Record = Field(default_factory=Record)
    contrasts: tuple[Contrast, ...] = ()
    sections: tuple[FileSection, ...] = ()
    scenarios: Scenarios
    tune: Tune | None = None
    tuned: Tuned | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Definitions that tune nothing look as they did before there was tuning."""
        values: dict[str, Any] = plain(self)
        return {key: value for key, value in values.items() if key not in ("tune", "tuned") or value is not None}

    @model_validator(mode="after")
    def _tuning_fits(self) -> "BenchmarkSpec":
        """Sections on tuning that go with the methods and seeds."""
        if self.tune is not None:
            checked("tune", tune_clashes(self.tune, self.federation, self.methods, self.seeds))
        if self.tuned is not None:
            checked("tuned", tuned_clashes(self.tuned, self.federation, self.methods, self.seeds))
        return self

    def resolved(self) -> dict[str, Any]:
        """The spec as plain JSON-able values with every default filled in; validates to an equal spec."""
        return self.model_dump(mode="json")

    def federation_of(self, method: Method) -> Federation:
        """The federation with the settings that `method` has otherwise."""
        return federation_with(self.federation.model_dump(mode="json"), method.federation)

    def references(self) -> dict[str, str]:
        """For each method what it is compared with: the reference, or the first method like it.

        Only methods that start from the same weights, ask as many clients a round, find the same data there and may
        send as many bits are paired: anything else compares starts, cohorts, partitions or budgets, not codecs. Methods
        that others are compared with are left out.
        """
        task_partition, kinds = getattr(self.task, "partition", None), {}
        for method in self.methods:
            federation = self.federation_of(method)
            found = (method.init, federation.cohort, method.partition or task_partition, federation.budget)
            kinds[method.name] = repr(found)
        first = {kinds[method.name]: method.name for method in reversed(self.methods)}
        first |= {kinds[method.name]: method.name for method in self.methods if method.name == self.reference}
        return {name: first[kind] for name, kind in kinds.items() if name != first[kind]}

    def seeds_of(self, method: Method) -> tuple[int, ...]:
        """The seeds that `method` is run with."""
        return self.seeds[: method.seeds]

    @field_validator("methods", mode="after")
    @classmethod
    def _start_as_the_task(cls, methods: tuple[Method, ...], info: ValidationInfo) -> tuple[Method, ...]:
        task = info.data.get("task")
        start = {key: getattr(task, key, None) for key in ("init", "train")}
        return tuple(
            method.model_copy(update={key: value for key, value in start.items() if getattr(method, key) is None})
            for method in methods
        )

    @field_validator("seeds", mode="before")
    @classmethod
    def _count_from_zero(cls, value: object) -> object:
        if isinstance(value, list | tuple):
            return not_empty(tuple(value))
        if not isinstance(value, int) or isinstance(value, bool):
            raise problem(f"{shown(value)} is no seeds; a number of seeds or a list is needed, e.g. 3 or [0, 1, 2]")
        return list(range(ranged(1, 1000)(value)))

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Report duplicate names, a reference that is no method, more clients a round than there are."""
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
        yield from override_clashes(values.get("federation"), methods, clients)
        yield from _seed_clashes(len(seeds), methods)
        yield from _partition_clashes(values.get("task"), methods)
        yield from _record_clashes(values, methods)
        yield from _contrast_clashes(listed(values.get("contrasts")), known if are_known else None)


def _seed_clashes(n_seeds: int, methods: list[Any]) -> Iterator[Clash]:
    """Report methods that need more seeds than there are."""
    for place, entry in enumerate(methods):
        if n_seeds and is_count(entry.get("seeds")) and entry["seeds"] > n_seeds:
            yield ("methods", place, "seeds"), f"{entry['seeds']} is above the {n_seeds} seeds of the benchmark"


def _partition_clashes(task: Any, methods: list[Any]) -> Iterator[Clash]:
    """Partitions of methods that the task does not have."""
    for place, entry in enumerate(methods):
        own = entry.get("partition")
        if not isinstance(own, Mapping) or not isinstance(task, Mapping) or "kind" not in task:
            continue
        try:
            found = registry.validated("task", {**task, "partition": own})
        except ValidationError as error:
            texts = [text for location, text in problems_in(error, []) if "partition" in location or not location]
            yield from ((("methods", place, "partition"), text) for text in texts)
        else:
            if not hasattr(found, "partition"):
                yield ("methods", place, "partition"), f"task {task['kind']} has no partition; leave it out"


def _record_clashes(values: Mapping[str, Any], methods: list[Any]) -> Iterator[Clash]:
    """Rounds to record that no method has."""
    rounds = [entry_at(values, "federation", "rounds"), *(entry_at(entry, "federation", "rounds") for entry in methods)]
    last = max(filter(is_count, rounds), default=None)
    for place, at in enumerate(listed(entry_at(values, "record", "updates_at"))):
        if last is not None and is_count(at) and at > last:
            yield ("record", "updates_at", place), f"{at} is above the {last} rounds"


def _contrast_clashes(contrasts: list[Any], methods: list[str] | None) -> Iterator[Clash]:
    """Contrasts between methods that there are not."""
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in contrasts]
    yield from repeated(names, ("contrasts",), names, "name")
    for place, entry in enumerate(contrasts):
        for side in ("plus", "minus"):
            for number, name in enumerate(listed(entry.get(side)) if isinstance(entry, Mapping) else []):
                if methods is not None and isinstance(name, str) and name not in methods:
                    yield ("contrasts", place, side, number), choice(name, methods)
