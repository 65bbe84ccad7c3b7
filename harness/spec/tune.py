"""What is searched for each method before it is compared (`tune`), and what was chosen so (`tuned`).

A setting is named by its path: one of local training by its own name (``lr``), one of a method by the way to it
(``server.lr``, ``uplink.inner.ratio``). What must be equal in a comparison (rounds, cohort, budget, ...) is no such
setting, and neither is one that is left empty, unless it is asked for by the name of the method.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from harness.parsing.fields import not_empty, whole
from harness.parsing.problems import Clash, choice, did_you_mean, problem, problems_in, rejection, shown
from harness.parsing.strict_model import Part, listed, repeated
from harness.spec.methods import Federation, Method, federation_with

LOCAL_TRAINING = (
    "lr",
    "local_epochs",
    "local_steps",
    "batch_size",
    "momentum",
    "weight_decay",
    "proximal",
    "norm_momentum",
    "augment",
    "lr_schedule",
)
"""Settings of the federation that may differ between methods which are compared."""

_PARTS = ("uplink", "downlink", "server", "train")
_NAMES_OF_PARTS = ("kind", "file", "class", "digest")
_BORDER = 0.05
"""Share of a span, on its own scale, that counts as its border."""


def _ends(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Two finite numbers, the lower first."""
    wrong = [
        end for end in value if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end)
    ]
    if wrong:
        raise problem(f"{shown(wrong[0])} is no finite number; a list [low, high] of two is needed")
    if len(value) != 2 or not value[0] < value[1]:
        raise problem("a list [low, high] is needed, the lower number first")
    return value


def _scalars(value: tuple[Any, ...]) -> tuple[Any, ...]:
    """Several plain values, none of them twice."""
    for entry in value:
        if not (entry is None or isinstance(entry, str | bool | int | float)):
            raise problem(f"{shown(entry)} cannot be chosen; plain values are needed, e.g. [16, 64]")
    for place, entry in enumerate(value):
        if entry in value[:place]:
            raise problem(f"{shown(entry)} stands twice")
    return not_empty(value)


class Span(Part):
    """The values that a setting may take: one of the three.

    Attributes:
        log: low and high end, searched in equal ratios; both above 0.
        linear: low and high end, searched in equal steps. Where both are whole numbers and so is the setting, only
            whole ones are tried.
        choice: plain values.
    """

    log: Annotated[tuple[Any, ...], AfterValidator(_ends)] | None = None
    linear: Annotated[tuple[Any, ...], AfterValidator(_ends)] | None = None
    choice: Annotated[tuple[Any, ...], AfterValidator(_scalars)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> "Span":
        n_given = sum(values is not None for values in (self.log, self.linear, self.choice))
        if n_given != 1:
            raise problem(f"{'two' if n_given else 'none'} of log, linear and choice; one is needed")
        if self.log is not None and self.log[0] <= 0:
            raise problem(f"{shown(self.log[0])} has no logarithm; log needs numbers above 0")
        return self

    @model_serializer(mode="wrap")
    def _the_one(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {key: value for key, value in plain(self).items() if value is not None}

    @property
    def kind(self) -> str:
        """``log``, ``linear`` or ``choice``."""
        return "choice" if self.choice is not None else "linear" if self.linear is not None else "log"

    @property
    def members(self) -> tuple[Any, ...]:
        """Both ends, or all choices."""
        return self.choice or self.linear or self.log or ()

    def is_whole(self, present: object) -> bool:
        """Whether only whole numbers are tried for a setting that has a value now."""
        return all(type(end) is int for end in self.members) and not isinstance(present, float)

    def is_at_border(self, value: Any) -> bool:
        """Whether a better value may lie beyond: in the outer 5 % of a span, or at an end of three or more numbers."""
        if self.choice is not None:
            numbers = [entry for entry in self.choice if isinstance(entry, int | float) and not isinstance(entry, bool)]
            return len(numbers) == len(self.choice) > 2 and value in (min(numbers), max(numbers))
        scale = math.log if self.log is not None else float
        low, high, at = (scale(number) for number in (*self.members, value))
        return min(at - low, high - at) <= _BORDER * (high - low)


class Tune(Part):
    """A search for the settings of each method, by validation accuracy alone.

    Attributes:
        trials: for each method, the reference among them, 1 to 10,000.
        seeds: what trials are run with; none of them is an evaluation seed.
        space: spans by path, for every method that has the setting.
        methods: further spans by path, or others, for one method.
    """

    trials: Annotated[int, *whole(1, 10_000)]
    seeds: Annotated[tuple[Annotated[int, *whole(0, 2**32 - 1)], ...], AfterValidator(not_empty)]
    space: Mapping[str, Span] = Field(default_factory=dict)
    methods: Mapping[str, Mapping[str, Span]] = Field(default_factory=dict)

    @classmethod
    def clashes(cls, values: Mapping[str, Any]) -> Iterator[Clash]:
        """Seeds that stand twice, and a space that is empty."""
        seeds = listed(values.get("seeds"))
        yield from repeated(seeds, ("seeds",), seeds)
        if not values.get("space") and not values.get("methods"):
            yield ("space",), "missing; a search needs settings, e.g. {lr: {log: [0.01, 1]}}"

    def space_of(self, federation: Federation, method: Method) -> dict[str, Span]:
        """What is searched for a method, by path."""
        there = settings_of(federation, method)
        common = {path: span for path, span in self.space.items() if is_tunable(path, there)}
        return {**common, **self.methods.get(method.name, {})}


class TunedMethod(Part):
    """How the settings of a method were chosen.

    Attributes:
        trials: that were run for it.
        space: what was searched, by path.
        chosen: what was chosen, by path.
        at_border: paths of what was chosen at the border of its span.
    """

    trials: Annotated[int, *whole(1, 10_000)]
    space: Mapping[str, Span]
    chosen: Mapping[str, Any]
    at_border: tuple[str, ...] = ()


class Tuned(Part):
    """Where settings come from; written by ``harness tune``.

    Attributes:
        seeds: that trials were run with.
        results: name of the results folder of the trials.
        digest: the first digits of the SHA-256 of the facts of all trials.
        methods: by name; one that is missing was not tuned.
    """

    seeds: Annotated[tuple[Annotated[int, *whole(0, 2**32 - 1)], ...], AfterValidator(not_empty)]
    results: str
    digest: str
    methods: Mapping[str, TunedMethod]


def settings_of(federation: Federation, method: Method) -> dict[str, Any]:
    """Every setting of a method that may be tuned, by path, with the value that it has; None where it is left empty."""
    shared = federation_with(federation.model_dump(mode="json"), method.federation).model_dump(mode="json")
    plain = method.model_dump(mode="json")
    found = {key: shared[key] for key in LOCAL_TRAINING}
    for part in _PARTS:
        found |= _leaves(part, plain[part])
    return found


def _leaves(path: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        return {} if isinstance(value, list) or "." not in path else {path: value}
    within = ((f"{path}.{key}", entry) for key, entry in value.items() if key not in _NAMES_OF_PARTS)
    return {each: leaf for inner, entry in within for each, leaf in _leaves(inner, entry).items()}


def is_tunable(path: str, settings: Mapping[str, Any]) -> bool:
    """Whether a span for all methods applies to one with these settings; empty ones of parts have another in use."""
    return path in settings and (path in LOCAL_TRAINING or settings[path] is not None)


def with_settings(federation: Federation, method: Method, settings: Mapping[str, Any]) -> Method:
    """A method with other settings, by path; those of local training become its own.

    Raises:
        ValidationError: they do not go together.
    """
    plain = method.model_dump(mode="json")
    for path, value in settings.items():
        if path in LOCAL_TRAINING:
            plain["federation"][path] = value
            continue
        *way, last = path.split(".")
        place = plain
        for step in way:
            place = place[step]
        place[last] = value
    federation_with(federation.model_dump(mode="json"), plain["federation"])
    return Method.model_validate(plain)


# --- What is wrong with them in a definition ---


def tune_clashes(
    tune: Tune, federation: Federation, methods: Sequence[Method], seeds: Collection[int]
) -> Iterator[Clash]:
    """Evaluation seeds among those of trials, settings that there are not, and values that they cannot have."""
    yield from _seed_clashes(tune.seeds, seeds)
    there = {method.name: settings_of(federation, method) for method in methods}
    everywhere = {path for settings in there.values() for path in settings if is_tunable(path, settings)}
    for path in tune.space:
        if path not in everywhere:
            yield ("space", path), _unknown(path, "no method has", everywhere)
    for name, own in tune.methods.items():
        if name not in there:
            yield ("methods", name), choice(name, list(there))
        for path in own:
            if name in there and path not in there[name]:
                yield ("methods", name, path), _unknown(path, f"{name} does not have", there[name])
    for method in methods:
        own = tune.methods.get(method.name, {})
        for path, span in tune.space_of(federation, method).items():
            if path in there[method.name]:
                place = ("methods", method.name, path) if path in own else ("space", path)
                yield from (((*place, *inside), text) for inside, text in _misfits(federation, method, path, span))


def tuned_clashes(
    tuned: Tuned, federation: Federation, methods: Sequence[Method], seeds: Collection[int]
) -> Iterator[Clash]:
    """What is said to have been chosen and is not what the methods have."""
    yield from _seed_clashes(tuned.seeds, seeds)
    there = {method.name: settings_of(federation, method) for method in methods}
    for name, told in tuned.methods.items():
        if name not in there:
            yield ("methods", name), choice(name, list(there))
            continue
        for path, value in told.chosen.items():
            if there[name].get(path) != value:
                has = shown(there[name].get(path))
                text = f"{shown(value)} was chosen, but {name} has {has}; take {name} out of tuned, or set it back"
                yield ("methods", name, "chosen", path), text


def _seed_clashes(tuning: Sequence[int], evaluation: Collection[int]) -> Iterator[Clash]:
    for place, seed in enumerate(tuning):
        if seed in evaluation:
            text = f"{seed} is an evaluation seed; tune on others, so that no method is chosen by what it is judged on"
            yield ("seeds", place), text


def _unknown(path: str, who: str, allowed: Collection[str]) -> str:
    if path.partition(".")[0] in Federation.model_fields and path not in LOCAL_TRAINING:
        return f"unknown key; {path} is the same for every method and cannot be tuned"
    return f"unknown key; {who} such a setting; there are: {', '.join(sorted(allowed))}.{did_you_mean(path, allowed)}"


def _misfits(federation: Federation, method: Method, path: str, span: Span) -> Iterator[Clash]:
    """Ends or choices that a method refuses, each tried alone."""
    for place, value in enumerate(span.members):
        try:
            with_settings(federation, method, {path: value})
        except ValidationError as error:
            texts = dict.fromkeys(text for _, text in problems_in(error, ()))
            yield (span.kind, place), f"{method.name}: {', or '.join(texts)}"


def checked(section: str, clashes: Iterator[Clash]) -> None:
    """Refuse a definition for what is wrong with one of its sections.

    Raises:
        ValidationError: there is something.
    """
    found = {(section, *location): text for location, text in clashes}
    if found:
        raise rejection("BenchmarkSpec", list(found.items()))
