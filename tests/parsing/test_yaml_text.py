import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.core.errors import SpecError
from harness.parsing.yaml_text import MAX_BYTES, MAX_DEPTH, dump_yaml, path_text, read_value, read_yaml, scalar


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("NO", "no", "yes", "on", "Off", "y", "10:30", "1_000", "inf", "nan", "2025-01-01")],
        *[("true", True), ("True", True), ("FALSE", False)],
        *[("null", None), ("~", None), ("", None), ("NULL", None)],
        *[("12", 12), ("-3", -3), ("+4", 4), ("0", 0), ("0x1F", 31), ("0o17", 15)],
        *[("012", "012"), ("-01", "-01"), ("00", "00"), ("01.5", "01.5"), ("0b11", "0b11")],
        *[("1e-3", 1e-3), ("1E5", 1e5), (".5", 0.5), ("1.", 1.0), ("-2.50", -2.5)],
        *[(".inf", math.inf), ("-.INF", -math.inf), ("+.Inf", math.inf)],
    ],
)
def test_plain_scalars_follow_yaml_1_2(text, value):
    found = scalar(text)
    assert found == value and type(found) is type(value)


def test_not_a_number_is_read():
    assert math.isnan(scalar(".nan"))


def test_quoted_scalars_are_text():
    assert read_yaml("- '12'\n- \"true\"\n- |-\n  1\n", "f").value == [
        "12",
        "true",
        "1",
    ]


def test_positions_of_keys_and_values():
    document = read_yaml("a: 1\nb:\n  - {c: x, d: [1, 2]}\n", "f")
    assert document.values_at == {
        (): (1, 1),
        ("a",): (1, 4),
        ("b",): (3, 3),
        ("b", 0): (3, 5),
        ("b", 0, "c"): (3, 9),
        ("b", 0, "d"): (3, 15),
        ("b", 0, "d", 0): (3, 16),
        ("b", 0, "d", 1): (3, 19),
    }
    assert document.keys_at[("b", 0, "d")] == (3, 12)


STOPS = {
    "empty": ("", "f:1:1 the file is empty; a spec is a mapping with name, task, ..."),
    "comment only": ("# nothing\n", "f:1:1 the file is empty; a spec is a mapping with name, task, ..."),
    "two documents": ("a: 1\n---\nb: 2\n", "f:2:1 a second document begins; a file holds one spec"),
    "tab": ("a:\n\tb: 1\n", "f:2:1 not valid YAML: a tab; indent with spaces"),
    "two colons": (
        "a: b: c",
        "f:1:5 not valid YAML: a colon in an unexpected place; check the indentation, or quote the text",
    ),
    "open quote": ("a: 'x", "f:1:6 not valid YAML: the file ends inside a quoted text"),
    "open bracket": ("a: [1, 2", "f:1:9 not valid YAML: the file ends before a bracket or brace is closed"),
    "key is a list": ("? [a]\n: b", "f:1:3 a key must be text, not a list, mapping or alias"),
    "key is an alias": ("a: &x b\n*x : c", "f:2:1 a key must be text, not a list, mapping or alias"),
    "control character": ("a: 1\nb: x\x01", "f:2:5 the character U+0001 is not allowed in YAML"),
    "half a pair": ("a: \ud800", "f:1:4 the character U+D800 is not allowed in YAML"),
    "escape above Unicode": ('a: "\\U00110000"', "f:1:7 not valid YAML: an escape or directive with a wrong number"),
    "huge directive": (
        "%YAML " + "9" * 5000 + ".1\n---\na: 1",
        "f:1:7 not valid YAML: an escape or directive with a wrong number",
    ),
    "deep flow": ("[" * 5000, f"f:1:{MAX_DEPTH + 2} nested deeper than {MAX_DEPTH} levels"),
    "deep block": ("\n".join(" " * i + "a:" for i in range(500)), f"f:{MAX_DEPTH + 1}:{MAX_DEPTH + 3}"),
}


@pytest.mark.parametrize("case", STOPS)
def test_what_cannot_be_read_is_one_located_line(case):
    text, expected = STOPS[case]
    with pytest.raises(SpecError) as caught:
        read_yaml(text, "f")
    assert "\n" not in str(caught.value)
    if case == "deep block":
        assert str(caught.value).endswith(f"nested deeper than {MAX_DEPTH} levels")
    else:
        assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[NO, DE]", ["NO", "DE"]),
        ("on", "on"),
        ("1_000", "1_000"),
        ("0o17", 15),
        ("12:30", "12:30"),
        ("{at: 12:30, quoted: '1'}", {"at": "12:30", "quoted": "1"}),
        (" ", None),
    ],
)
def test_a_value_without_a_file_is_read_as_one_in_a_file(text, value):
    found = read_value(text)
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[1, 2", "not valid YAML: the text ends before a bracket or brace is closed"),
        ("{a: 1, a: 2}", "the key stands twice, first at line 1, column 2"),
        ("*all", r"aliases (*all) are not supported; write the value out"),
    ],
)
def test_what_is_wrong_with_a_value_without_a_file_is_told_in_words(text, words):
    with pytest.raises(ValueError) as caught:
        read_value(text)
    assert str(caught.value) == words


def test_a_long_text_is_refused_before_parsing(monkeypatch):
    monkeypatch.setattr(yaml, "SafeLoader", None)
    with pytest.raises(SpecError, match="262,145 characters"):
        read_yaml("#" * (MAX_BYTES + 1), "f")


COMPLAINTS = {
    "duplicate": ("a: 1\nb:\n  c: 1\n  c: {d: [2]}\n", "f:4:3 b.c: the key stands twice, first at line 3, column 3"),
    "alias": ("a: *x", "f:1:4 a: aliases (*x) are not supported; write the value out"),
    "anchor": ("a: &x 1", "f:1:4 a: anchors (&x) are not supported; leave it out"),
    "python tag": (
        "a: !!python/object/apply:os.system [ls]",
        "f:1:4 a: tags (!!python/object/apply:os.system) are not supported; leave it out, or quote the value to make it text",  # noqa: E501
    ),
    "own tag": ("a: !x 1", "f:1:4 a: tags (!x) are not supported; leave it out, or quote the value to make it text"),
    "digits": ("a: " + "9" * 5000, "f:1:4 a: a number of 5000 characters; at most 64 are allowed"),
    "escaped control": ('a: "\\e[31m"', "f:1:4 a: the text holds control characters or half a surrogate pair"),
    "escaped half pair": ('a: "\\ud800"', "f:1:4 a: the text holds control characters or half a surrogate pair"),
}


@pytest.mark.parametrize("case", COMPLAINTS)
def test_what_is_refused_does_not_stop_the_reading(case):
    text, expected = COMPLAINTS[case]
    document = read_yaml(text + "\nz: 1\n", "f")
    assert [str(SpecError("f", [found])) for found in document.problems] == [expected]
    assert document.value["z"] == 1


def test_a_key_that_stands_twice_keeps_its_first_value():
    assert read_yaml("a: 1\na: {b: [1, {c: 2}]}\nd: 3\n", "f").value == {"a": 1, "d": 3}


def test_an_alias_bomb_is_refused_at_once():
    bomb = "a: &a [x, x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True))
    assert len([p for p in read_yaml(bomb, "f").problems if "aliases" in p.text]) == 16


@pytest.mark.parametrize(
    ("location", "text"), [((), ""), (("a", 0, 1, "b-c"), "a[0][1].b-c"), (("a b", "\x1b"), "'a b'.'\\x1b'")]
)
def test_paths(location, text):
    assert path_text(location) == text


PLAIN_TEXT = st.text(st.characters(categories=("L", "N", "P", "S", "Zs")), max_size=12) | st.sampled_from(
    [
        "NO",
        "1e-3",
        "0o7",
        ".5",
        "1.e5",
        "-1E5",
        "0x1F",
        "012",
        "+.5",
        "true",
        "~",
        "",
        "10:30",
        "=",
        "<<",
        "- a",
        "#",
        "1_0",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(PLAIN_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(VALUES)
def test_what_is_dumped_is_read_back(value):
    text = dump_yaml(value)
    assert read_yaml(text, "f").value == value
    assert yaml.safe_load(text) == value


@given(st.text(st.sampled_from("a:-[]{},&*!|>'\"%@`#?\\ \n\t019.e~\x85\ufeffé"), max_size=30))
def test_any_text_is_read_or_refused_with_a_position(text):
    try:
        read_yaml(text, "f")
    except SpecError as error:
        lines = text.splitlines() or [""]
        assert all(1 <= found.line <= len(lines) + 1 and found.column >= 1 for found in error.problems)
