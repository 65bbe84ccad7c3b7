"""From where a method pays, against numbers worked out by hand."""

import math

import numpy as np
import pytest

from harness.core.prices import Coefficient
from harness.price.accounting.break_even import (
    BitPrice,
    SizeThreshold,
    bit_price,
    break_even_row,
    component_j,
    pass_through,
    passes_from,
    pays_from,
    radio_j,
    size_threshold,
)
from harness.price.accounting.terms import Component, Factor, Term


def term(component: Component, quantity: str, amount: float, price: float) -> Term:
    number = Coefficient(quantity, price, price, price, "", "key", "", 2020, "primary", "source", True)
    return Term(component, 0, quantity, np.array([0.0, amount / 2, amount / 2]), (Factor(number),))


def terms_of(codec_j: float, mbit: float) -> list[Term]:
    """10 J of tail, 0.5 J/Mbit up, 0.3 J/Mbit in the network, 50 J of training."""
    return [
        term("local_training", "local_training_s", 10.0, 5.0),
        term("codec", "encode_s", codec_j, 1.0),
        term("uplink", "tail_s", 10.0, 1.0),
        term("uplink", "uplink_mbit", mbit, 0.5),
        term("standby", "device_asleep_s", 100.0, 0.01),
        term("access", "mbit", mbit, 0.3),
    ]


def test_components_and_radios_are_summed_by_hand() -> None:
    terms = [*terms_of(2.0, 8.0), term("standby", "rest_s", 100.0, 0.02)]
    assert component_j(terms, ("codec", "local_training")) == pytest.approx(52.0)
    assert radio_j(terms) == pytest.approx(10.0 + 4.0 + 2.0)  # neither the sleeping device nor the network


def test_a_dearer_codec_pays_from_its_joules_per_bit_saved() -> None:
    """2 J more for 6 Mbit less: 1/3 uJ/bit; the radio takes 0.5 uJ/bit, so 3 J are saved for 2."""
    found = bit_price(terms_of(3.0, 2.0), 2e6, terms_of(1.0, 8.0), 8e6)
    assert found.verdict == "from"
    assert found.j_per_bit == pytest.approx(1 / 3 * 1e-6)
    assert found.radio_j_per_bit == pytest.approx(0.5e-6)
    assert found.pays


def test_a_codec_that_takes_more_than_the_radio_saves_does_not_pay() -> None:
    found = bit_price(terms_of(5.0, 2.0), 2e6, terms_of(1.0, 8.0), 8e6)
    assert found.j_per_bit == pytest.approx(4 / 6 * 1e-6)
    assert not found.pays


@pytest.mark.parametrize("codec_j", [0.5, 1.0])
def test_a_codec_that_is_not_dearer_always_pays(codec_j: float) -> None:
    found = bit_price(terms_of(codec_j, 2.0), 2e6, terms_of(1.0, 8.0), 8e6)
    assert (found.verdict, found.j_per_bit, found.pays) == ("always", None, True)
    assert found.radio_j_per_bit == pytest.approx(0.5e-6)


def test_a_method_that_saves_no_bits_never_pays_unless_it_saves_computing() -> None:
    reference = terms_of(1.0, 8.0)
    assert bit_price(terms_of(2.0, 9.0), 9e6, reference, 8e6).verdict == "never"
    assert bit_price(terms_of(2.0, 8.0), 8e6, reference, 8e6) == BitPrice("never", None, None)
    assert bit_price(terms_of(0.5, 8.0), 8e6, reference, 8e6).pays
    cheaper = bit_price(terms_of(0.1, 9.0), 9e6, reference, 8e6)  # 0.9 J less for 1 Mbit more
    assert (cheaper.verdict, cheaper.pays) == ("up_to", True)
    assert cheaper.j_per_bit == pytest.approx(0.9e-6)


@pytest.mark.parametrize("codec_j", [0.2, 1.5, 2.5, 4.1, 6.0])
@pytest.mark.parametrize("mbit", [1.0, 6.0, 7.9, 9.0])
def test_the_verdict_agrees_with_the_difference_of_the_totals(codec_j: float, mbit: float) -> None:
    found = bit_price(terms_of(codec_j, mbit), mbit * 1e6, terms_of(1.0, 8.0), 8e6)
    assert found.pays == (codec_j + 0.5 * mbit < 1.0 + 0.5 * 8.0)


def test_pass_through_is_the_share_of_joules_over_the_share_of_bits() -> None:
    assert pass_through(13.0, 14.0, 2.0, 8.0) == pytest.approx(1 / 14 / 0.75)
    assert pass_through(15.0, 14.0, 2.0, 8.0) < 0  # type: ignore[operator]  # it rises although bits fall
    assert pass_through(13.0, 14.0, 8.0, 8.0) is None
    assert pass_through(0.0, 0.0, 2.0, 8.0) is None


@pytest.mark.parametrize("threshold", [3e-4, 0.02, 1.0, 7.7, 9e3])
def test_the_size_from_which_a_method_pays_is_found_to_a_percent(threshold: float) -> None:
    """A codec of c J in any case and 4 J for each 10 J of the reference pays from s = c / 6."""
    found = pays_from(lambda scale: (10 * scale, 4 * scale + 6 * threshold), 2000.0)
    assert (found.verdict, found.is_only) == ("from", True)
    assert found.n_bytes == pytest.approx(2000 * threshold, rel=0.01)


def test_a_method_may_pay_for_small_updates_only() -> None:
    found = pays_from(lambda scale: (1 + scale, 2 * scale), 1000.0)
    assert found.verdict == "up_to"
    assert found.n_bytes == pytest.approx(1000, rel=0.01)
    assert str(found) == "up to 1 kB"


def test_a_method_that_pays_at_all_sizes_or_none_has_no_threshold() -> None:
    assert pays_from(lambda scale: (scale, 0.9 * scale), 1000.0) == SizeThreshold("always")
    assert pays_from(lambda scale: (scale, scale), 1000.0) == SizeThreshold("never")


def test_half_of_the_saving_arrives_once_the_data_weigh_as_much_as_the_tail() -> None:
    """A tail of T J and d J of data, of which 80 % is saved: 0.8 d / (T + d) / 0.8 = 1/2 at d = T."""
    found = passes_from(lambda scale: (12.0 + 3 * scale, 12.0 + 0.6 * scale), 20.0, 100.0, 1e6)
    assert found.n_bytes == pytest.approx(4e6, rel=0.01)
    quarter = passes_from(lambda scale: (12.0 + 3 * scale, 12.0 + 0.6 * scale), 20.0, 100.0, 1e6, share=0.25)
    assert quarter.n_bytes == pytest.approx(4e6 / 3, rel=0.01)
    assert passes_from(lambda scale: (scale, scale), 100.0, 100.0, 1e6) == SizeThreshold("never")


def test_of_several_turns_the_first_is_told_and_said_not_to_be_the_only_one() -> None:
    found = size_threshold(lambda scale: math.sin(math.log10(scale) * 2) > 0, 1000.0)
    assert not found.is_only
    assert str(found).endswith(", not only")


def test_price_is_asked_a_limited_number_of_times() -> None:
    asked = []

    def price(scale: float) -> tuple[float, float]:
        asked.append(scale)
        return scale, 0.5 * scale + 1

    pays_from(price, 1000.0)
    assert len(asked) <= 26
    assert min(asked) == pytest.approx(1e-4)
    assert max(asked) == pytest.approx(1e4)


@pytest.mark.parametrize("n_bytes", [0.0, -1.0, math.nan])
def test_an_update_of_no_bytes_has_no_threshold(n_bytes: float) -> None:
    with pytest.raises(ValueError, match="reference_bytes must be above 0"):
        size_threshold(lambda scale: True, n_bytes)


@pytest.mark.parametrize(
    ("n_bytes", "text"), [(6.04, "from 6 B"), (999.0, "from 1 kB"), (12_340.0, "from 12 kB"), (3.44e9, "from 3.4 GB")]
)
def test_sizes_are_told_with_the_digits_that_are_known(n_bytes: float, text: str) -> None:
    assert str(SizeThreshold("from", n_bytes)) == text


def test_a_row_holds_the_verdicts_with_their_numbers() -> None:
    found = break_even_row(
        "topk", "lte", BitPrice("from", 1e-7, 5e-7), 0.1, SizeThreshold("always"), SizeThreshold("from", 2e6)
    )
    assert found["pays"] is True
    assert (found["pays_at"], found["pays_at_bytes"]) == ("always", None)
    assert (found["half_passes_at"], found["half_passes_at_bytes"]) == ("from", 2e6)
