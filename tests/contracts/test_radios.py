"""What every registered radio must satisfy, whatever its technology."""

import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import radio_models
from harness.core.errors import UsageError
from harness.core.notes import Note, notes_from
from harness.core.prices import PRICES, Carriage, Coefficient
from harness.core.protocols import RadioModel, SharesMedium
from harness.core.types import Direction
from harness.parts.registry import build, describe, load, names
from harness.price.accounting.sessions import session_s
from radio_models.coefficients import table
from radio_models.overhead import TRANSPORTS
from radio_models.validation import measured

DIRECTIONS: tuple[Direction, Direction] = ("uplink", "downlink")
CARRIED = [field.name for field in fields(Carriage)]
SIZES = np.array([0, 1, 50, 200, 1_000, 1_448, 1_449, 20_000, 1_000_000], dtype=np.int64)
UNITS = {"_j": "J", "_w": "W", "_j_per_mbit": "J/Mbit"}
FOLDER = Path(radio_models.__file__).parent
SHARED_ROWS = {"overhead", "formula", "verdict"}
"""Rows of the table that belong to no radio that can be chosen."""


def with_setting(setting: str) -> list[str]:
    """Radios that have a setting."""
    return [kind for kind in names("radio") if setting in {field.name for field in fields(load("radio", kind))}]


@pytest.fixture(params=names("radio"))
def radio(request: pytest.FixtureRequest) -> Any:
    """Each radio with its default settings."""
    return load("radio", request.param)()


def bearable(radio: RadioModel, direction: Direction) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The sizes that the radio can carry."""
    return np.array([size for size in SIZES if not radio.obstacle(int(size), direction)], dtype=np.int64)


def joules(radio: RadioModel, carriage: Carriage) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Typical joules of each payload, without session and tail."""
    prices = radio.coefficients()
    return np.sum(
        [
            getattr(carriage, name) * prices[PRICES[name]].typical
            for name in CARRIED
            if name in PRICES and hasattr(carriage, name)
        ],
        axis=0,
    )


def test_is_a_frozen_dataclass_with_a_name(radio: Any) -> None:
    assert is_dataclass(radio)
    assert isinstance(radio, RadioModel)
    assert type(radio).__dataclass_params__.frozen
    assert radio.kind in names("radio")
    assert load("radio", radio.kind) is type(radio)
    assert radio.title and radio.title != radio.kind
    assert radio.access in ("mobile", "fixed")
    assert radio.tail_s >= 0
    assert session_s(radio) >= 0


def test_coefficients_are_exactly_those_of_the_quantities(radio: Any) -> None:
    prices = radio.coefficients()
    assert set(prices) == set(PRICES.values())
    for key, price in prices.items():
        assert 0 <= price.low <= price.typical <= price.high < np.inf, key
        assert price.source and price.locator and price.range_basis, key
        ending = max((ending for ending in UNITS if key.endswith(ending)), key=len)
        assert price.unit == UNITS[ending], key


def test_coefficients_rest_on_the_rows_named(radio: Any) -> None:
    """A coefficient is a row, computed from rows, or zero because the model has no such term."""
    rows = {row.name for row in radio.inputs()}
    assert rows
    for price in radio.coefficients().values():
        if price.basis == "derived":
            assert set(price.locator.removeprefix("computed from ").split(", ")) <= rows, price.name
        elif price.range_basis != "zero by construction":
            assert price.name in rows


def test_what_is_drawn_with_another_names_a_row(radio: Any) -> None:
    rows = {row.name for row in radio.inputs()}
    for price in radio.coefficients().values():
        assert price.drawn_with == "" or price.drawn_with in rows, price.name


def test_a_name_stands_for_one_number(radio: Any) -> None:
    """Draws are made by name: two coefficients of one name must be the same."""
    prices = [*radio.coefficients().values(), *radio.inputs()]
    by_name: dict[str, Coefficient] = {}
    for price in prices:
        assert by_name.setdefault(price.name, price) == price


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_carrying_many_is_carrying_each(radio: Any, direction: Direction) -> None:
    sizes = bearable(radio, direction)
    together = radio.carry(sizes, direction)
    for name in CARRIED:
        column = getattr(together, name)
        assert column.dtype == np.float64 and column.shape == sizes.shape, name
        alone = [getattr(radio.carry(sizes[place : place + 1], direction), name)[0] for place in range(len(sizes))]
        np.testing.assert_allclose(column, alone, rtol=1e-12, err_msg=name)
    for name in CARRIED:
        assert getattr(radio.carry(sizes[:0], direction), name).shape == (0,)


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_carrying_is_finite_and_grows_with_bytes(radio: Any, direction: Direction) -> None:
    sizes = bearable(radio, direction)
    assert sizes[0] == 0, "a payload of no bytes can always be carried"
    carriage = radio.carry(sizes, direction)
    for name in CARRIED:
        column = getattr(carriage, name)
        assert np.isfinite(column).all() and (column >= 0).all(), name
    taken = joules(radio, carriage)
    for name, column in (("seconds", carriage.seconds), ("joules", taken)):
        assert (np.diff(column) >= -1e-12 * column[1:]).all(), name
        assert column[-1] > column[0], name


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_transfer_lasts_at_least_as_long_as_the_radio_is_on_the_air(radio: Any, direction: Direction) -> None:
    carriage = radio.carry(bearable(radio, direction), direction)
    longest = np.maximum(carriage.uplink_s, carriage.downlink_s)
    assert (carriage.seconds >= longest * (1 - 1e-12)).all()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_an_obstacle_is_a_sentence_or_nothing(radio: Any, direction: Direction) -> None:
    for size in SIZES:
        assert isinstance(radio.obstacle(int(size), direction), str)


def test_carrying_is_pure(radio: Any) -> None:
    sizes = bearable(radio, "uplink")
    before = sizes.copy()
    first, second = radio.carry(sizes, "uplink"), radio.carry(sizes, "uplink")
    assert (sizes == before).all()
    for name in CARRIED:
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))


@pytest.mark.parametrize("kind", with_setting("retransmission_share"))
def test_more_retransmissions_never_save(kind: str) -> None:
    radio = build("radio", kind)
    again = build("radio", describe(radio) | {"retransmission_share": 0.5})
    sizes = bearable(radio, "uplink")
    once, twice = radio.carry(sizes, "uplink"), again.carry(sizes, "uplink")
    assert (twice.seconds >= once.seconds).all()
    assert joules(again, twice)[-1] > 1.2 * joules(radio, once)[-1]


def test_settings_survive_describing_and_building(radio: Any) -> None:
    assert build("radio", describe(radio)) == radio
    assert build("radio", radio.kind) == radio


def out_of_range() -> Iterator[tuple[str, str, object]]:
    """Radio, setting, a value that makes no sense: a negative number or a word of none."""
    for kind in names("radio"):
        for field in fields(load("radio", kind)):
            value = getattr(load("radio", kind)(), field.name)
            if isinstance(value, bool):
                continue
            if isinstance(value, int | float) or value is None:
                yield kind, field.name, type(value)(-1) if value is not None else -1.0
            elif isinstance(value, str):
                yield kind, field.name, "no such thing"


@pytest.mark.parametrize(("kind", "setting", "value"), list(out_of_range()))
def test_a_setting_out_of_range_is_refused_by_its_name(kind: str, setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{setting}\b.* must be "):
        load("radio", kind)(**{setting: value})
    with pytest.raises(UsageError, match=setting):
        build("radio", {"kind": kind, setting: value})


@pytest.mark.parametrize("kind", with_setting("transport"))
def test_every_transport_works_where_one_can_be_set(kind: str) -> None:
    radio = build("radio", kind)
    sizes = np.array([0, 500, 30_000], dtype=np.int64)
    bare = build("radio", describe(radio) | {"transport": "none"}).carry(sizes, "uplink")
    for transport in TRANSPORTS:
        wrapped = build("radio", describe(radio) | {"transport": transport})
        assert (wrapped.carry(sizes, "uplink").seconds >= bare.seconds).all()
        assert {row.name for row in wrapped.inputs()} >= {row.name for row in radio.inputs()} - {
            name for name in table() if name.startswith("overhead.")
        }


def test_notes_are_sentences_and_say_whether_the_model_was_validated(radio: Any) -> None:
    notes = radio.notes()
    assert all(isinstance(note, Note) and note.text.strip() == note.text and note.text for note in notes)
    assert notes_from(str(note) for note in notes) == tuple(notes), "a text begins as one of another kind does"
    assert any(note.kind in ("validated", "unvalidated") for note in notes)


@pytest.mark.parametrize("rows", [table(), measured()], ids=["coefficients", "measured"])
def test_every_row_belongs_to_something_and_has_a_source(rows: dict[str, Coefficient]) -> None:
    keys = re.findall(r"^@\w+\{(\w+),", (FOLDER / "references.bib").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(keys) == len(set(keys))
    for name, row in rows.items():
        assert name.split(".")[0] in {*names("radio"), *SHARED_ROWS}, name
        assert row.source in {"judgement", *keys}, name
        assert row.locator, name
        assert (row.source == "judgement") == (row.basis == "judgement"), name
        assert row.basis == "primary" or not row.is_verified, f"{name}: verified means read in the named source"


def test_every_radio_has_rows() -> None:
    assert {name.split(".")[0] for name in table()} == {*names("radio"), *SHARED_ROWS}


@pytest.mark.parametrize("kind", [kind for kind in names("radio") if isinstance(load("radio", kind)(), SharesMedium)])
def test_clients_that_share_a_medium_take_at_least_as_long_as_one_alone(kind: str) -> None:
    radio = load("radio", kind)()
    sizes = np.array([0, 50, 1_000, 20_000], dtype=np.int64)
    alone_s = sum(float(radio.carry(sizes, way).seconds.max()) for way in DIRECTIONS)  # type: ignore[attr-defined]
    found = [radio.shared_round(sizes[:n], sizes[:n]) for n in range(1, len(sizes) + 1)]
    seconds = [shared.seconds for shared in found]
    assert seconds == sorted(seconds) and seconds[-1] >= alone_s * (1 - 1e-12)
    assert radio.shared_round(sizes[::-1], sizes[::-1]).seconds == pytest.approx(seconds[-1])
    assert all(shared.medium for shared in found)
