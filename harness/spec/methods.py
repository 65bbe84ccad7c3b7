"""Defines methods and their federation in a spec: what is trained, sent and combined, and for how long."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AllowInfNan,
    Field,
    SerializerFunctionWrapHandler,
    Strict,
    ValidationError,
    field_validator,
    model_serializer,
    model_validator,
)

from harness.core.codec_facts import facts_of, layers, residual_keeper
from harness.core.protocols import Codec, ServerRule
from harness.parsing.fields import Name, positive, whole
from harness.parsing.problems import Clash, did_you_mean, problems_in, ranged, rejection
from harness.parsing.strict_model import Part, entry_at, is_count, listed, repeated
from harness.parts import registry
from harness.parts.recoding import recoded
from harness.parts.registry import nested, part
from harness.run.tasks.settings import Init, Partition, Trained


class Budget(Part):
    """Bits that a run may send. A round that would go beyond, judged by the largest so far, is not begun.

    Attributes:
        direction: ``uplink``, or ``total`` for both directions. What a client has before the first round is left out.
        mbit: megabits (1e6 bit) of all clients together, above 0. The first round is always run.
    """

    direction: Literal["uplink", "total"]
    mbit: Annotated[float, *positive(10**12)]


class Deadline(Part):
    """When the server stops waiting for the clients of a round; what comes later was sent, and is not used.

    How long clients take is said in plain numbers, because training must not depend on radios and devices: it is
    ``link * downlink bits / downlink_mbps + compute * steps * step_s + link * uplink bits / uplink_mbps``, where link
    and compute are a client's own and the same in every round and for every method at a seed.

    Attributes:
        round_s: seconds from the start of a round until the server goes on, above 0.
        uplink_mbps: rate of the median client to the server, Mbit/s (1e6 bit/s), above 0.
        downlink_mbps: rate of the server to the median client, Mbit/s, above 0.
        step_s: seconds of one optimiser step on the median client, at least 0.
        spread: how many times as long as the median client one at the 97.5 % quantile takes, 1 to 1000; log-normal,
            drawn once for each client, for its link and for its computing. The default, 1, makes all alike.
    """

    round_s: Annotated[float, *positive(10**9)]
    uplink_mbps: Annotated[float, *positive(10**6)]
    downlink_mbps: Annotated[float, *positive(10**6)]
    step_s: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 10**6))]
    spread: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(1, 1000))] = 1.0


class Federation(Part):
    """How training is spread over rounds and clients.

    Attributes:
        rounds: communication rounds, 1 to 100,000.
        cohort: clients per round, at most the task's clients.
        local_epochs: passes of a client over its examples in one round.
        local_steps: optimiser steps of a client in one round, in place of passes; none by default.
        batch_size: examples per optimiser step.
        lr: learning rate of local training, above 0.
        momentum: heavy-ball momentum of local training, 0 to below 1; it starts from 0 in every round.
        weight_decay: factor on the parameters that is added to their gradient, 0 to 1.
        proximal: mu of FedProx, 0 to 1000: how strongly local training is held to the model it started from.
        norm_momentum: share of a batch in the running statistics of batch norms, above 0 and at most 1; the default is
            the model's own. Statistics that lag behind the weights score worse than the weights are.
        augment: ``none``, ``flip`` or ``flip_and_crop``: what is drawn for each image in each step.
        lr_schedule: ``constant``, or ``cosine`` from `lr` to 0 over the rounds or the budget, whichever ends first.
        budget: bits after which the run ends, also before its last round; none by default.
        score_every: rounds between two scores on validation; the default is 5, or `rounds` if that is less.
        test_rounds: rounds after which the test split is scored too; it always is after the last one.
        deadline: when a round ends for clients that are late; none by default, and the server waits for all.
    """

    rounds: Annotated[int, *whole(1, 100_000)]
    cohort: Annotated[int, *whole(1, 1_000_000)]
    lr: Annotated[float, *positive(1000)]
    local_epochs: Annotated[int, *whole(1, 10_000)] = 1
    local_steps: Annotated[int, *whole(1, 1_000_000)] | None = None
    momentum: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 0.9999))] = 0.0
    weight_decay: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 1))] = 0.0
    proximal: Annotated[float, Strict(), AllowInfNan(False), AfterValidator(ranged(0, 1000))] = 0.0
    norm_momentum: Annotated[float, *positive(1)] | None = None
    augment: Literal["none", "flip", "flip_and_crop"] = "none"
    batch_size: Annotated[int, *whole(1, 1_000_000)] = 16
    lr_schedule: Literal["constant", "cosine"] = "constant"
    budget: Budget | None = None
    score_every: Annotated[int, *whole(1, 100_000)] = Field(
        default_factory=lambda given: min(5, given.get("rounds", 5))
    )
    test_rounds: tuple[Annotated[int, *whole(1, 100_000)], ...] = ()
    deadline: Deadline | None = None

    @model_serializer(mode="wrap")
    def _without_what_is_not_there(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Cells without a deadline look as they did before there were any."""
        values: dict[str, Any] = plain(self)
        if self.deadline is None:
            values.pop("deadline", None)
        return values

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
    """What the server sends.

    Attributes:
        codec: how it is coded.
        mode: ``model``: the global model itself, in each round; ``delta``: what has changed since the round before, so
            that a client which sat out is sent what it missed, or the whole model where that is smaller;
            ``since_start``: what has changed since the initial model, which clients are given before round 1 and keep.
    """

    codec: Annotated[Codec, *part("codec")] = Field(default_factory=lambda: registry.build("codec", "float32"))
    mode: Literal["model", "delta", "since_start"] = "model"

    @model_validator(mode="after")
    def _makes_sense(self) -> "Downlink":
        """Codecs that make no sense of a model, and residuals, which would count a loss twice."""
        for layer in layers(self.codec):
            why = facts_of(layer).uplink_only
            if why:
                raise rejection("Downlink", [(("codec",), f"{layer.kind} is for the uplink only: {why}")])
        keeper = residual_keeper(self.codec)
        if keeper is not None:
            text = {
                "delta": "delta sends what was lost with the next difference already",
                "model": "a model replaces the one before, so that nothing makes up for a loss",
                "since_start": "a change replaces the one before, so that nothing makes up for a loss",
            }[self.mode]
            other = f"the codec inside {keeper.kind}" if hasattr(keeper, "inner") else "a codec that keeps no residual"
            raise rejection("Downlink", [(("codec",), f"{text}; use {other}")])
        return self


class Method(Part):
    """One way to train and communicate.

    Attributes:
        name: how reports call it.
        uplink: codec of the updates.
        downlink: codec of the model.
        server: how the server combines updates.
        init: where training starts; None only before a spec has filled in the task's own.
        train: what of the model is trained, and so travels; as `init`.
        partition: how the training examples are spread over the clients; None leaves it to the task.
        seeds: run with the first so many of the benchmark's seeds, 1 to 1000; by default with all.
        federation: settings of the federation that this method has otherwise, e.g. more local epochs in fewer rounds.
            Rounds between scores stay as they are, unless there are fewer rounds than that.
        also_code: other codings of the same indices whose length is logged beside, e.g. ``[ans]``; nothing is trained
            twice.
    """

    name: Name
    uplink: Annotated[Codec, *part("codec")] = Field(default_factory=lambda: registry.build("codec", "float32"))
    downlink: Downlink = Field(default_factory=Downlink)
    server: Annotated[ServerRule, *part("server")] = Field(default_factory=lambda: registry.build("server", "mean"))
    init: Init | None = None
    train: Annotated[Trained, *nested(Trained)] | None = None
    partition: Annotated[Partition, *nested(Partition)] | None = None
    seeds: Annotated[int, *whole(1, 1000)] | None = None
    federation: Mapping[str, Any] = Field(default_factory=dict)
    also_code: tuple[Literal["ans"], ...] = ()

    @field_validator("federation", mode="after")
    @classmethod
    def _known_settings(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        unknown = [key for key in settings if key not in Federation.model_fields]
        if unknown:
            allowed = list(Federation.model_fields)
            text = f"unknown key; allowed: {', '.join(allowed)}.{did_you_mean(str(unknown[0]), allowed)}"
            raise rejection("Federation", [((unknown[0],), text)])
        return settings

    @model_validator(mode="after")
    def _fits_together(self) -> "Method":
        """Codecs and server rules that only work together, and codings that a codec does not have."""
        codec, rule = self.uplink.kind, self.server.kind
        needed_rule, needed_codec = (
            facts_of(self.uplink).needs_server or rule,
            getattr(self.server, "needs_codec", codec),
        )
        if rule != needed_rule:
            raise rejection(
                "Method", [(("server",), f"{rule} does not go with uplink {codec}, which needs server {needed_rule}")]
            )
        if codec != needed_codec:
            raise rejection(
                "Method", [(("uplink",), f"{codec} does not go with server {rule}, which needs uplink {needed_codec}")]
            )
        for place, coding in enumerate(self.also_code):
            if all(recoded(codec, coding) is None for codec in (self.uplink, self.downlink.codec)):
                text = f"neither uplink nor downlink has a coding that could be {coding}; leave also_code out"
                raise rejection("Method", [(("also_code", place), text)])
        return self


def federation_with(federation: Mapping[str, Any], settings: Mapping[str, Any]) -> Federation:
    """The federation with `settings` in place of its own; where it has fewer rounds, scores go with them.

    Raises:
        ValidationError: the two do not go together.
    """
    merged = {**federation, **settings}
    rounds = merged.get("rounds")
    if is_count(rounds):
        if "score_every" not in settings and is_count(merged.get("score_every")):
            merged["score_every"] = min(merged["score_every"], rounds)
        if "test_rounds" not in settings:
            merged["test_rounds"] = [at for at in listed(merged.get("test_rounds")) if not is_count(at) or at <= rounds]
    return Federation.model_validate(merged)


def override_clashes(federation: Any, methods: list[Any], clients: Any) -> Iterator[Clash]:
    """What is wrong with the settings of the federation that methods have otherwise, and methods with a deadline."""
    yield from _deadline_clashes(federation, methods)
    for place, entry in enumerate(methods):
        settings = entry.get("federation")
        if not isinstance(settings, Mapping) or not settings or not isinstance(federation, Mapping):
            continue
        path = ("methods", place, "federation")
        try:
            cohort = federation_with(federation, settings).cohort
        except ValidationError as error:
            problems = problems_in(error, list(Federation.model_fields))
            yield from (
                ((*path, *location), text) for location, text in problems if location and location[0] in settings
            )
        else:
            if is_count(clients) and cohort > clients:
                yield (*path, "cohort"), f"{cohort} is above the {clients} clients of the task"


def _deadline_clashes(federation: Any, methods: list[Any]) -> Iterator[Clash]:
    """Methods under a deadline whose server must see all that is sent.

    Decoding keeps no state, so that what both ends build up over rounds is kept by a server rule that the codec asks
    for. After a late payload the client would have it and the server would not.
    """
    for place, entry in enumerate(methods):
        settings = {**_mapping(federation), **_mapping(entry.get("federation"))}
        kind = entry_at(entry, "uplink", "kind")
        if settings.get("deadline") is None or kind not in registry.names("codec"):
            continue
        if facts_of(registry.load("codec", kind)).needs_server is not None:
            text = f"{kind} does not go with a deadline: client and server would no longer keep the same after a late"
            yield ("methods", place, "uplink"), f"{text} update. Leave deadline out, or set it to null for this method"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
