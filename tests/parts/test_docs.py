"""What a codec says of itself, for the cards of a report."""

import pytest

from harness.parts import registry
from harness.parts.docs import codec_text


@pytest.mark.parametrize("kind", registry.names("codec"))
def test_every_codec_says_what_it_is_and_whether_it_is_biased(kind: str) -> None:
    text = codec_text({"kind": kind, "rounding": "stochastic"})
    assert text["title"]
    assert 10 < len(text["bias"]) < 400
    assert "``" not in "".join(text.values())


def test_where_bias_depends_on_a_setting_only_that_setting_speaks() -> None:
    def said(rounding: str, reconstruction: str) -> str:
        return codec_text({"kind": "quantfl", "rounding": rounding, "reconstruction": reconstruction})["bias"]

    assert "deterministic" in said("nearest", "centre") and "(2 L)" in said("nearest", "centre")
    assert "unbiased" not in said("nearest", "mean") and "(2 L)" not in said("nearest", "mean")
    assert "inner product" in said("nearest", "matched")
    assert "unbiased" in said("dither", "centre")
    assert "dead_zone" in said("trellis", "mean")


def test_an_unknown_codec_says_nothing() -> None:
    assert codec_text({"kind": "theirs"}) == {"title": "", "bias": ""}
