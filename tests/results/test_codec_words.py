"""What reports are told of the codecs of methods."""

from typing import Any

from harness.results.codec_words import caveats, described_uplinks
from quantfl.codec import QuantFL

FLOAT32: dict[str, Any] = {"kind": "float32"}
QUANTFL: dict[str, Any] = {"kind": "quantfl", "levels": 16}


def method(name: str, uplink: Any, downlink: Any = FLOAT32) -> dict[str, Any]:
    return {"name": name, "uplink": uplink, "downlink": {"codec": downlink, "mode": "model"}}


def test_of_each_method_its_uplink_is_described() -> None:
    methods = [method("fp32", FLOAT32), method("ef", {"kind": "error_feedback", "inner": QUANTFL})]
    methods += [
        method("ef21", {"kind": "ef21", "inner": QUANTFL}),
        method("theirs", {"kind": "theirs"}),
        {"name": "open"},
    ]
    found = {entry["method"]: entry for entry in described_uplinks(methods)}
    assert found["fp32"] == {
        "method": "fp32",
        "title": "Raw float32: the reference that every ratio divides by.",
        "bias": "none; the decoded update equals the update bit for bit.",
        "keeps_residual": False,
    }
    assert found["ef"]["keeps_residual"] is True and found["ef21"]["keeps_residual"] is True
    assert found["theirs"] == {"method": "theirs", "title": "", "bias": "", "keeps_residual": None}
    assert "open" not in found


def test_a_caveat_is_told_once_wherever_its_codec_is_used() -> None:
    told = [{"codec": "quantfl", "text": QuantFL.caveat}]
    assert caveats([method("a", QUANTFL), method("b", {"kind": "quantfl"})]) == told
    assert caveats([method("a", FLOAT32, QUANTFL)]) == told
    assert caveats([method("a", {"kind": "error_feedback", "inner": QUANTFL})]) == told
    assert caveats([method("a", FLOAT32), method("b", {"kind": "theirs"}), {"name": "open"}]) == []
