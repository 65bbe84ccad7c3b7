"""Checks of results: what holds, what is missed, and every way to misspell one."""

from pathlib import Path

import pandas as pd
import pytest

from harness.cli import app
from harness.commands import render as rendering
from harness.commands.checks import OPERANDS, missed, parse_checks
from harness.core.errors import UsageError
from harness.run.engines import local
from harness.spec.spec import BenchmarkSpec
from tests.runs import BOTH_WAYS, FP32, SIGN, PoolHere, tiny, write_spec

SPEC = BenchmarkSpec.model_validate(
    tiny([FP32, BOTH_WAYS, SIGN], scenarios={"radios": ["lte", "wifi"], "grids": ["NOR", "DEU"]})
)
PAIRS = [
    {"method": "six", "quantity": "uplink_bits", "radio": "", "grid": "", "estimate": 0.2, "note": ""},
    {"method": "sign", "quantity": "uplink_bits", "radio": "", "grid": "", "estimate": 0.1, "note": ""},
    {"method": "six", "quantity": "deployed_accuracy", "radio": "", "grid": "", "estimate": -0.003, "note": ""},
    {"method": "sign", "quantity": "deployed_accuracy", "radio": "", "grid": "", "estimate": None}
    | {"note": "not recorded"},
    {"method": "six", "quantity": "pass_through", "radio": "lte", "grid": "", "estimate": 0.02, "note": ""},
    {"method": "six", "quantity": "pass_through", "radio": "wifi", "grid": "", "estimate": 0.5, "note": ""},
    {"method": "six", "quantity": "carbon_g", "radio": "wifi", "grid": "NOR", "estimate": 0.5, "note": ""},
    {"method": "six", "quantity": "carbon_g", "radio": "wifi", "grid": "DEU", "estimate": 0.25, "note": ""},
]
FRAMES = {
    "pairs": pd.DataFrame(PAIRS),
    "methods": pd.DataFrame(
        [{"method": "fp32", "quantity": "deployed_accuracy", "radio": "", "grid": "", "mean": 0.9, "note": ""}]
    ),
}


def found(text: str) -> list[str]:
    return missed(parse_checks([text], SPEC), FRAMES)


@pytest.mark.parametrize(
    "text",
    [
        "uplink_ratio >= 5",
        "uplink_ratio>=5",
        "six: uplink_ratio <= 5",
        "sign :uplink_ratio > 9.99",
        "six: test_difference >= -0.5",
        "six: test_difference < -.2",
        "six: pass_through < 0.1",
        "six: pass_through@wifi > 0.4",
        "six: carbon_ratio @ wifi / DEU >= 4",
        "six: carbon_ratio@wifi/NOR <= 2",
        "fp32: test_accuracy >= 90 %",
    ],
)
def test_what_holds_is_silent(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("uplink_ratio > 5", ["uplink_ratio > 5: it is 5 for six"]),
        ("uplink_ratio > 10", ["uplink_ratio > 10: it is 5 for six", "uplink_ratio > 10: it is 10 for sign"]),
        ("test_difference >= -0.1", [
            "test_difference >= -0.1: it is -0.3 for six",
            "test_difference >= -0.1: not known for sign (not recorded)",
        ]),
        ("six: total_ratio > 1", ["six: total_ratio > 1: not known for six (no seed, radio or grid to compare at)"]),
        ("six: carbon_ratio@lte > 1", [
            "six: carbon_ratio@lte > 1: not known for six (no seed, radio or grid to compare at)",
        ]),
    ],
)  # fmt: skip
def test_what_is_missed_is_told_method_by_method(text: str, lines: list[str]) -> None:
    assert found(text) == lines


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("uplink_ration >= 5", "no operand uplink_ration; there are: uplink_ratio, downlink_ratio"),
        ("uplink_ration >= 5", "Did you mean uplink_ratio?"),
        ("sixx: uplink_ratio >= 5", "no method sixx; there are: six, sign. Did you mean six?"),
        ("fp32: uplink_ratio >= 5", "no method fp32; there are: six, sign."),
        ("six: pass_through@3g > 1", "no radio 3g; there are: lte, wifi."),
        ("six: carbon_ratio@lte/DE > 1", "no grid DE; there are: NOR, DEU. Did you mean DEU?"),
        ("uplink_ratio@wifi >= 5", "this is the same on every radio; leave @wifi out"),
        ("uplink_ratio", "not of the form"),
        ("uplink_ratio == 5", "not of the form"),
        ("uplink_ratio >= five", "not of the form"),
        ("", "not of the form"),
        ("__import__('os') > 1", "not of the form"),
    ],
)
def test_a_typo_is_one_line_with_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_checks([text], SPEC)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_one_method_has_nothing_to_compare_but_its_accuracy() -> None:
    single = BenchmarkSpec.model_validate(tiny([FP32]))
    with pytest.raises(UsageError, match="nothing is compared"):
        parse_checks(["uplink_ratio >= 5"], single)
    assert missed(parse_checks(["test_accuracy > 50"], single), FRAMES) == []


def test_the_command_ends_with_four_when_one_is_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(local, "_workers", PoolHere().workers)
    path = str(write_spec(tiny([FP32, BOTH_WAYS]), tmp_path))
    out = ["--out", str(tmp_path / "out")]
    assert app.run(["compare", path, *out, "--check", "uplink_ratoi >= 5"]) == 2
    assert not (tmp_path / "out").exists()
    with monkeypatch.context() as patch:
        patch.setattr(rendering, "render", lambda tables, results: [])
        assert app.run(["compare", path, *out, "--check", "uplink_ratio >= 3", "--check", "total_ratio > 1"]) == 0
    capsys.readouterr()
    assert app.run(["compare", path, *out, "--check", "uplink_ratio >= 3", "--check", "total_ratio > 1000"]) == 4
    err = capsys.readouterr().err
    assert "total_ratio > 1000: it is " in err
    assert "uplink_ratio" not in err
    assert (tmp_path / "out" / "report.html").is_file()


def test_the_error_names_every_operand() -> None:
    with pytest.raises(UsageError, match=", ".join(OPERANDS)):
        parse_checks(["?"], SPEC)
