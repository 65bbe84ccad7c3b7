"""What a codec says of itself, read from its settings, for cards of reports and for prices."""

from dataclasses import dataclass
from typing import Any, ClassVar, cast

import pytest

from baselines.ef21 import Ef21
from baselines.error_feedback import ErrorFeedback
from baselines.exact_vectors import ExactVectors
from baselines.uncompressed import Float32
from harness.core.codec_facts import CodecFacts, facts_of, layers, residual_keeper
from harness.core.errors import UsageError
from harness.core.protocols import Codec
from harness.parts import registry
from harness.parts.facts_version import version_of
from harness.parts.recorded_codec import recorded_codec, recorded_facts, recorded_title
from quantfl.codec import QuantFL
from tests.contracts.codec_examples import EXAMPLES

codecs = pytest.mark.parametrize("codec", EXAMPLES.values(), ids=EXAMPLES.keys())


@codecs
def test_every_codec_of_ours_says_what_it_is(codec: Codec) -> None:
    settings = registry.describe(codec)
    facts = recorded_facts(settings)
    assert recorded_title(settings) and "`" not in recorded_title(settings)
    assert 10 < len(facts.bias) < 400 and "`" not in facts.bias
    assert None not in (facts.work, facts.keeps_residual, facts.is_entropy_coded)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"rounding": "nearest", "reconstruction": "centre"}, "centre: deterministic; at most (high - low) / (2 L)"),
        ({"rounding": "nearest", "reconstruction": "mean"}, "mean: deterministic; below (high - low) / L"),
        ({"rounding": "nearest", "reconstruction": "matched"}, "matched: deterministic; below step; the inner product"),
        ({"rounding": "stochastic"}, "stochastic: unbiased"),
        ({"rounding": "dither"}, "dither: unbiased"),
        ({"rounding": "trellis"}, "trellis: deterministic; below 2 dead_zone + 1 steps"),
        ({}, "matched: deterministic"),
    ],
)
def test_where_bias_depends_on_settings_only_what_decides_speaks(settings: dict[str, Any], expected: str) -> None:
    given = {"kind": "quantfl", **({"step": 1.0} if settings else {}), **settings}
    bias = recorded_facts(given).bias
    assert bias.startswith(expected)
    assert bias.count(": deterministic") + bias.count(": unbiased") == 1


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        ({"kind": "float32"}, "memory"),
        ({"kind": "signsgd"}, "memory"),
        ({"kind": "topk", "ratio": 0.1, "coding": "packed"}, "memory"),
        ({"kind": "topk", "ratio": 0.1, "coding": "ans"}, "serial"),
        ({"kind": "qsgd"}, "memory"),
        ({"kind": "qsgd", "coding": "elias"}, "serial"),
        ({"kind": "stc", "ratio": 0.1, "coding": "golomb"}, "serial"),
        ({"kind": "quantfl"}, "serial"),
        ({"kind": "quantfl", "levels": 64, "coding": "packed"}, "memory"),
        ({"kind": "quantfl", "step": 1.0, "rounding": "trellis"}, "serial"),
        ({"kind": "powersgd"}, "dense"),
        ({"kind": "drive"}, "dense"),
        ({"kind": "eden", "coding": "packed"}, "dense"),
        ({"kind": "eden", "coding": "ans"}, "dense"),
        ({"kind": "error_feedback", "inner": {"kind": "powersgd"}}, "dense"),
        (
            {"kind": "ef21", "inner": {"kind": "exact_vectors", "inner": {"kind": "stc", "ratio": 0.1}}},
            "serial",
        ),
        ({"kind": "exact_vectors", "inner": {"kind": "linear8", "coding": "packed"}}, "memory"),
    ],
)
def test_kinds_of_work_are_seen_through_wrappers(codec: dict[str, Any], expected: str) -> None:
    assert recorded_facts(codec).work == expected
    assert recorded_facts(registry.describe(registry.build("codec", codec))).work == expected


@pytest.mark.parametrize("settings", [{}, {"kind": "theirs"}, {"kind": "topk"}])
def test_of_a_codec_that_cannot_be_built_nothing_is_known(settings: dict[str, Any]) -> None:
    assert recorded_codec(settings) is None
    assert recorded_facts(settings) == CodecFacts()
    assert recorded_title(settings) == ""


def test_what_could_not_be_built_is_looked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    assert recorded_codec({"kind": "late"}) is None
    table = {**registry.TABLES["codec"], "late": "baselines.drive:Drive"}
    monkeypatch.setattr(registry, "TABLES", {**registry.TABLES, "codec": table})
    assert recorded_facts({"kind": "late"}).work == "dense"


@dataclass(frozen=True)
class Silent:
    """Nothing beyond its kind."""

    kind: ClassVar[str] = "silent"


@dataclass(frozen=True)
class Around:
    """A wrapper that says nothing of itself."""

    inner: Any
    kind: ClassVar[str] = "around"


@dataclass(frozen=True)
class Mistaken:
    """A kind of work that there is not."""

    kind: ClassVar[str] = "mistaken"
    work: ClassVar[str] = "gpu"


def test_what_a_codec_does_not_say_is_unknown_also_around_one_that_does() -> None:
    assert facts_of(cast(Codec, Silent())) == CodecFacts()
    assert facts_of(cast(Codec, Around(Float32()))) == CodecFacts()
    assert facts_of(ErrorFeedback(inner=cast(Codec, Silent()))).work is None
    assert facts_of(ExactVectors(inner=cast(Codec, Silent()))).keeps_residual is None


def test_a_class_says_what_holds_whatever_the_settings() -> None:
    assert facts_of(Ef21).needs_server == "ef21"
    assert facts_of(QuantFL) == CodecFacts(caveat=QuantFL.caveat, keeps_residual=False)


def test_a_kind_of_work_that_there_is_not_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match=r"^codec mistaken: work must be dense or memory or serial \(got gpu\)$"):
        facts_of(cast(Codec, Mistaken()))


def test_layers_go_inwards_and_the_innermost_keeper_is_the_one_that_keeps() -> None:
    codec = ExactVectors(inner=ErrorFeedback(inner=Float32()))
    assert [layer.kind for layer in layers(codec)] == ["exact_vectors", "error_feedback", "float32"]
    keeper = residual_keeper(codec)
    assert keeper is not None and keeper.kind == "error_feedback"
    assert residual_keeper(ExactVectors(inner=Float32())) is None


def test_only_what_is_exact_is_taken_to_be() -> None:
    assert facts_of(Float32()).is_exact
    assert not facts_of(ExactVectors(inner=Float32())).is_exact, "cells score what it sends, and go on doing so"
    assert not facts_of(ErrorFeedback(inner=Float32())).is_exact, "a zero may lose its sign"
    assert not facts_of(Ef21(inner=Float32())).is_exact, "what is decoded is an increment"


@pytest.mark.parametrize("table", ["codec", "server", "task"])
def test_parts_of_ours_that_make_facts_have_a_version_each_of_its_own(table: str) -> None:
    for kind in registry.TABLES[table]:
        part = registry.load(table, kind)
        assert vars(part)["version"] == version_of(part) == 1


def test_a_part_without_a_version_has_the_first() -> None:
    assert version_of(Silent) == 1


def test_settings_that_were_taken_once_and_are_refused_now_still_say_what_they_were() -> None:
    """The first published cells name buckets beside a step."""
    earlier = {"kind": "quantfl", "levels": None, "step": 4.0, "buckets": "width", "coding": "ans"}
    with pytest.raises(UsageError, match="buckets: is for levels only"):
        registry.build("codec", earlier)
    ours = {"kind": "quantfl", "step": 4.0}
    wrapped = [{"kind": "error_feedback", "inner": codec} for codec in (earlier, ours)]
    for recorded, now in ((earlier, ours), wrapped):
        assert recorded_facts(recorded).work == recorded_facts(now).work == "serial"
        assert recorded_facts(recorded).keeps_residual is recorded_facts(now).keeps_residual
        assert recorded_title(recorded) == recorded_title(now) != ""
    assert recorded_facts({"kind": "topk", "buckets": "width"}) == CodecFacts(), "its ratio is not recorded"
