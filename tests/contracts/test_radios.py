"""What every registered radio must satisfy, whatever its technology."""

from dataclasses import fields, is_dataclass
from typing import Any

import pytest

from harness.core.protocols import RadioModel
from harness.core.types import Direction, RadioTransfer
from harness.registry import load, names
from radio_models.coefficients import PRICES

DIRECTIONS: tuple[Direction, Direction] = ("uplink", "downlink")
UNITS = {"session_j": "J", "tail_w": "W", "active_w": "W", "j_per_mbit": "J/Mbit"}


@pytest.fixture(params=names("radio"))
def radio(request: pytest.FixtureRequest) -> Any:
    """Each radio with its default settings."""
    return load("radio", request.param)()


def round_trips(radio: RadioModel, rounds: int = 3, clients: int = 2, bits: int = 100_000) -> list[RadioTransfer]:
    """Every client down then up, a minute apart."""
    return [
        RadioTransfer(client, number, way, 3600.0 * number + 60.0 * place, radio.transfer_s(bits, way), bits)
        for number in range(1, rounds + 1)
        for client in range(clients)
        for place, way in enumerate(reversed(DIRECTIONS))
    ]


def test_is_a_frozen_dataclass_with_a_name(radio: Any) -> None:
    assert is_dataclass(radio)
    assert isinstance(radio, RadioModel)
    assert type(radio).__dataclass_params__.frozen
    assert radio.kind in names("radio")
    assert load("radio", radio.kind) is type(radio)
    assert radio.title


def test_prices_are_complete_sourced_and_ordered(radio: Any) -> None:
    prices = radio.coefficients()
    assert set(prices) == set(PRICES)
    for key, price in prices.items():
        assert 0 <= price.low <= price.typical <= price.high, key
        assert price.source
        assert price.range_basis
        assert price.unit == next(unit for ending, unit in UNITS.items() if key.endswith(ending)), key
    for way in DIRECTIONS:
        assert prices[f"{way}_active_w"].typical + prices[f"{way}_j_per_mbit"].typical > 0


def test_prices_rest_on_named_rows(radio: Any) -> None:
    rows = {row.name for row in radio.inputs()}
    assert rows
    for price in radio.coefficients().values():
        if price.basis == "derived":
            assert set(price.locator.removeprefix("computed from ").split(", ")) <= rows
        elif price.range_basis != "zero by construction":
            assert price.name in rows


def test_time_on_the_air_is_linear_in_bits(radio: Any) -> None:
    for way in DIRECTIONS:
        assert radio.transfer_s(0, way) == 0
        assert radio.transfer_s(2_000_000, way) == pytest.approx(2 * radio.transfer_s(1_000_000, way))


def test_usage_keeps_megabits_and_seconds(radio: Any) -> None:
    transfers = round_trips(radio)
    usage = radio.usage(transfers)
    assert [(use.round, use.direction) for use in usage] == [
        (number, way) for number in (1, 2, 3) for way in ("downlink", "uplink")
    ]
    assert sum(use.mbit for use in usage) == pytest.approx(1.2)
    assert sum(use.active_s for use in usage) == pytest.approx(sum(transfer.seconds for transfer in transfers))
    # All transfers are further apart than any tail: each opens a session and pays a full tail.
    assert sum(use.sessions for use in usage) == len(transfers)
    assert sum(use.tail_s for use in usage) == pytest.approx(len(transfers) * radio.tail_s)


def test_a_shorter_tail_never_costs_more_seconds(radio: Any) -> None:
    transfers = round_trips(radio)
    shorter = type(radio)(**{field.name: getattr(radio, field.name) for field in fields(radio)} | {"tail_s": 0.1})
    assert sum(use.tail_s for use in shorter.usage(transfers)) < sum(use.tail_s for use in radio.usage(transfers))


def test_notes_are_sentences_and_no_transfer_is_fine(radio: Any) -> None:
    assert radio.usage([]) == []
    assert all(isinstance(note, str) and note for note in radio.notes([]))
    assert not any(note.startswith("infeasible") for note in radio.notes(round_trips(radio, bits=1000)))
