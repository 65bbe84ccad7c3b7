"""Monte-Carlo over coefficients, against closed forms of log-normal numbers and against plain computations."""

import argparse
import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose

from harness.core.prices import Coefficient
from harness.price.accounting.draws import Z95, Draws, Key, at, key_of, link_factors, link_inputs, moments, with_link
from harness.price.accounting.terms import Component, Factor, Scope, Term
from harness.price.accounting.uncertainty import (
    INTERACTIONS,
    Quantiles,
    amounts_drawn,
    grams,
    keys_of,
    mean_terms,
    quantiles,
    rank_rows,
    ratio,
    ratio_rows,
    variance_rows,
    variance_split,
)
from tests.benchmarks import pricing_speed

DRAWS = Draws(10_000, seed=7)
MANY = Draws(200_000, seed=7)


def number(name: str, low: float, typical: float, high: float, drawn_with: str = "") -> Coefficient:
    return Coefficient(name, low, typical, high, "W", "key", "", 2020, "primary", "source", True, drawn_with)


def log_normal(name: str, sigma: float, typical: float = 1.0, drawn_with: str = "") -> Coefficient:
    """A coefficient whose logarithm has the standard deviation `sigma`."""
    return number(name, typical * math.exp(-Z95 * sigma), typical, typical * math.exp(Z95 * sigma), drawn_with)


def term(
    amount: float,
    *numbers: Coefficient,
    scope: Scope = "shared",
    component: Component = "uplink",
    quantity: str = "uplink_s",
    group: int = 0,
    n_clients: int = 1,
) -> Term:
    factors = tuple(Factor(one, scope) for one in numbers)
    return Term(component, group, quantity, np.array([0.0, 0.75 * amount, 0.25 * amount]), factors, n_clients)


def test_the_ends_of_a_range_are_its_95_percent_quantiles() -> None:
    drawn = MANY.values(Factor(number("p", 1.0, 2.0, 10.0)))
    assert np.quantile(drawn, [0.025, 0.5, 0.975]) == pytest.approx([1.0, 2.0, 10.0], rel=0.02)


def test_a_range_from_zero_is_drawn_without_going_below_it() -> None:
    drawn = MANY.values(Factor(number("p", 0.0, 2.0, 10.0)))
    assert drawn.min() == 0.0
    assert np.quantile(drawn, [0.5, 0.975]) == pytest.approx([2.0, 10.0], rel=0.02)
    assert np.mean(drawn == 0.0) == pytest.approx(0.025, abs=0.002)
    only_up = MANY.values(Factor(number("p", 0.0, 0.0, 3.0)))
    assert np.quantile(only_up, [0.4, 0.975]) == pytest.approx([0.0, 3.0], rel=0.02)


def test_a_point_stays_a_point() -> None:
    assert (DRAWS.values(Factor(number("p", 2.0, 2.0, 2.0))) == 2.0).all()
    assert_allclose(amounts_drawn([term(10.0, number("p", 2.0, 2.0, 2.0))], "m", DRAWS), 20.0, rtol=1e-14)


@pytest.mark.parametrize(
    ("low", "typical", "high"), [(2.0, 1.0, 3.0), (1.0, 3.0, 2.0), (-1.0, 1.0, 2.0), (1, 2, math.inf)]
)
def test_a_range_out_of_order_is_refused(low: float, typical: float, high: float) -> None:
    with pytest.raises(ValueError, match="0 <= low <= typical <= high"):
        DRAWS.values(Factor(number("p", low, typical, high)))


@pytest.mark.parametrize(
    ("settings", "message"), [({"n": 99}, "n must be at least 100"), ({"seed": -1}, "seed must be")]
)
def test_impossible_settings_of_draws_are_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Draws(**settings)


def test_draws_of_a_coefficient_do_not_depend_on_what_else_is_drawn() -> None:
    first, second = number("a", 1.0, 2.0, 3.0), number("b", 1.0, 2.0, 3.0)
    alone = amounts_drawn([term(1.0, first)], "m", DRAWS)
    beside = amounts_drawn([term(1.0, second), term(1.0, first)], "m", DRAWS)
    assert_allclose(beside - amounts_drawn([term(1.0, second)], "m", DRAWS), alone, rtol=1e-9)
    both = [term(3.0, first), term(5.0, second), term(7.0, first, second)]
    assert_allclose(amounts_drawn(both, "m", DRAWS), amounts_drawn(both[::-1], "m", DRAWS), rtol=1e-12)
    assert not np.array_equal(DRAWS.values(Factor(first)), DRAWS.values(Factor(second)))


def test_draws_are_those_of_their_seed_and_more_of_them_only_follow() -> None:
    key = Key("lte.tail_w")
    assert Draws(1000, 1).normals(key)[:100].tolist() == Draws(100, 1).normals(key).tolist()
    assert not np.array_equal(Draws(100, 1).normals(key), Draws(100, 2).normals(key))


def test_drawn_numbers_cannot_be_changed_by_who_reads_them() -> None:
    with pytest.raises(ValueError, match="read-only"):
        DRAWS.values(Factor(number("p", 1.0, 2.0, 3.0)))[0] = 1.0


def test_scopes_say_who_shares_a_draw() -> None:
    price = number("p", 1.0, 2.0, 3.0)
    shared, own, client = (Factor(price, scope) for scope in ("shared", "method", "client"))
    assert key_of(shared, "a", 0) == key_of(shared, "b", 1)
    assert key_of(own, "a", 0) == key_of(own, "a", 1) != key_of(own, "b", 0)
    assert key_of(client, "a", 0) == key_of(client, "b", 0) != key_of(client, "a", 1)
    assert len({key_of(shared, "a"), key_of(own, "a"), key_of(client, "a")}) == 3


def test_a_number_drawn_with_another_rises_and_falls_with_it() -> None:
    watt, joule = log_normal("p", 0.3), log_normal("e", 0.6, typical=5.0, drawn_with="p")
    squared = 5.0 * DRAWS.values(Factor(watt)) ** 2
    assert_allclose(DRAWS.values(Factor(joule)), squared, rtol=1e-9)


def test_a_product_of_log_normals_has_the_quantiles_of_its_closed_form() -> None:
    """ln X has variance 0.3^2 + 0.4^2 = 0.5^2."""
    terms = [term(10.0, log_normal("a", 0.3, 2.0), log_normal("b", 0.4, 3.0))]
    found = quantiles(amounts_drawn(terms, "m", MANY))
    assert found.median == pytest.approx(60.0, rel=0.01)
    assert found.low == pytest.approx(60.0 * math.exp(-Z95 * 0.5), rel=0.015)
    assert found.high == pytest.approx(60.0 * math.exp(Z95 * 0.5), rel=0.015)


def test_the_mean_over_clients_has_their_variance_over_their_number() -> None:
    price = number("p", 0.5, 1.0, 4.0)
    mean, variance = moments(0.5, 1.0, 4.0)
    one_by_one = at(0.5, 1.0, 4.0, np.random.default_rng(0).standard_normal((20_000, 25)))
    assert one_by_one.mean() == pytest.approx(mean, rel=0.01)
    assert one_by_one.var() == pytest.approx(variance, rel=0.03)
    fleet = MANY.values(Factor(price, "client"), n_clients=25)
    assert fleet.mean() == pytest.approx(mean, rel=0.005)
    assert fleet.var() == pytest.approx(variance / 25, rel=0.03)
    plain = np.quantile(one_by_one.mean(axis=1), [0.025, 0.5, 0.975])
    assert np.quantile(fleet, [0.025, 0.5, 0.975]) == pytest.approx(plain, rel=0.03)


def test_the_moments_of_a_range_are_those_of_its_closed_form() -> None:
    """E = e^(a^2/2) P(-a) + e^(b^2/2) P(b) below and above, with P the normal distribution."""
    below, above = math.log(2) / Z95, math.log(5) / Z95

    def p(x: float) -> float:
        return 0.5 * math.erfc(-x / math.sqrt(2))

    mean = math.exp(below**2 / 2) * p(-below) + math.exp(above**2 / 2) * p(above)
    square = math.exp(2 * below**2) * p(-2 * below) + math.exp(2 * above**2) * p(2 * above)
    assert moments(0.5, 1.0, 5.0) == pytest.approx((mean, square - mean**2), rel=1e-6)


def test_a_method_that_takes_a_fifth_less_does_so_in_every_draw() -> None:
    price = number("p", 0.1, 1.0, 20.0)
    ours, theirs = [term(8.0, price)], [term(10.0, price)]
    found = ratio(ours, "m", theirs, "reference", DRAWS)
    assert found is not None
    assert (found.low, found.median, found.high) == pytest.approx((0.8, 0.8, 0.8), rel=1e-12)
    absolute = quantiles(amounts_drawn(ours, "m", DRAWS))
    assert absolute.high / absolute.low > 100


def test_a_number_of_a_method_of_its_own_widens_the_ratio() -> None:
    price = log_normal("p", 0.3)
    own = [term(8.0, price, scope="method")]
    found = ratio(own, "m", [term(10.0, price, scope="method")], "reference", MANY)
    assert found is not None
    wide = math.exp(Z95 * 0.3 * math.sqrt(2))
    assert (found.low, found.high) == pytest.approx((0.8 / wide, 0.8 * wide), rel=0.02)


def test_clients_are_the_same_for_all_methods() -> None:
    price = log_normal("p", 0.5)
    ours, theirs = ([term(amount, price, scope="client", n_clients=10)] for amount in (3.0, 6.0))
    found = ratio(ours, "a", theirs, "b", DRAWS)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.5, 0.5), rel=1e-12)


def test_a_ratio_to_nothing_is_undefined() -> None:
    price = number("p", 1.0, 2.0, 3.0)
    terms = {"none": [term(0.0, price)], "m": [term(1.0, price)]}
    assert ratio(terms["m"], "m", terms["none"], "none", DRAWS) is None
    assert ratio_rows(terms, "none", "lte", "", "energy_j", DRAWS) == []
    assert [row["method"] for row in ratio_rows(terms, "m", "lte", "", "energy_j", DRAWS)] == ["none"]


def test_draws_are_linear_in_a_coefficient_and_monotone_in_amounts() -> None:
    price, other = number("p", 1.0, 2.0, 5.0), number("q", 1.0, 3.0, 4.0)
    double = number("p", 2.0, 4.0, 10.0)
    one = amounts_drawn([term(1.0, price), term(4.0, other)], "m", DRAWS)
    two = amounts_drawn([term(1.0, double), term(4.0, other)], "m", DRAWS)
    assert_allclose(two - one, amounts_drawn([term(1.0, price)], "m", DRAWS), rtol=1e-9)
    more = amounts_drawn([term(1.1, price), term(4.0, other)], "m", DRAWS)
    assert (more > one).all()


def test_components_and_seeds_are_added_up() -> None:
    price = number("p", 1.0, 2.0, 3.0)
    terms = [term(1.0, price), term(2.0, price, component="codec"), term(4.0, price, component="core")]
    unit = DRAWS.values(Factor(price))
    assert_allclose(amounts_drawn(terms, "m", DRAWS, ("uplink", "codec")), 3 * unit, rtol=1e-12)
    mean = mean_terms([[term(1.0, price)], [term(2.0, price), term(6.0, price)]])
    assert_allclose(amounts_drawn(mean, "m", DRAWS), 4.5 * unit, rtol=1e-12)
    with pytest.raises(ValueError, match="no cells"):
        mean_terms([])


def test_quantiles_agree_with_those_of_numpy() -> None:
    for n in (1, 2, 101, 10_000):
        values = np.random.default_rng(n).lognormal(size=n)
        found = quantiles(values)
        assert (found.low, found.median, found.high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.5, 0.975])))


def test_grams_on_many_grids_are_those_of_a_plain_computation() -> None:
    joules = amounts_drawn([term(3.6e6, number("p", 0.5, 1.0, 3.0))], "m", DRAWS)
    table = {"a": (85, 100, 115), "b": (340, 400, 460), "c": (10, 20, 80), "point": (41, 41, 41), "zero": (0, 0, 0)}
    grids = {name: number(name, *ends) for name, ends in table.items()}
    found = grams(joules, grids, DRAWS)
    for name, ends in table.items():
        intensity = at(*map(float, ends), DRAWS.normals(Key("grid")))
        plain = np.quantile(joules / 3.6e6 * intensity, [0.025, 0.5, 0.975])
        assert (found[name].low, found[name].median, found[name].high) == pytest.approx(tuple(plain), rel=1e-7)
    assert found["b"].high == pytest.approx(4 * found["a"].high, rel=1e-9)


def test_the_variance_of_a_product_is_split_as_its_factors_are() -> None:
    """ln X = sum of three: variances 0.09, 0.16 and 0.0025 of 0.2525."""
    terms = [term(5.0, log_normal("a", 0.3), log_normal("b", 0.4), log_normal("c", 0.05), number("d", 2.0, 2.0, 2.0))]
    keys = keys_of(terms, "m")
    assert keys == [Key("a"), Key("b"), Key("c")]
    split = variance_split(amounts_drawn(terms, "m", MANY), keys, MANY)
    assert list(split) == [Key("b"), Key("a"), Key("c"), INTERACTIONS]
    expected = [0.16 / 0.2525, 0.09 / 0.2525, 0.0025 / 0.2525, 0.0]
    assert list(split.values()) == pytest.approx(expected, abs=0.006)
    assert sum(split.values()) == pytest.approx(1.0)


def test_a_lopsided_range_explains_its_variance_in_full() -> None:
    """a = ln 1.2 below and b = ln 9 above, in units of 1.96: ((a + b) / 2)^2 + ((b - a) / 2)^2 (1 - 2 / pi)."""
    a, b = math.log(1.2) / Z95, math.log(9.0) / Z95
    lopsided = ((a + b) / 2) ** 2 + ((b - a) / 2) ** 2 * (1 - 2 / math.pi)
    terms = [term(1.0, number("x", 1 / 1.2, 1.0, 9.0), log_normal("y", 0.5))]
    split = variance_split(amounts_drawn(terms, "m", MANY), keys_of(terms, "m"), MANY)
    assert split[Key("x")] == pytest.approx(lopsided / (lopsided + 0.25), abs=0.006)
    assert split[INTERACTIONS] < 0.01


def test_what_no_coefficient_explains_on_its_own_is_called_interactions() -> None:
    """ln X is the product of two normal numbers: without the other, neither moves it either way."""
    first, second = DRAWS.normals(Key("a")), DRAWS.normals(Key("b"))
    split = variance_split(np.exp(0.1 * first * second), [Key("a"), Key("b")], DRAWS)
    assert split[INTERACTIONS] > 0.95


def test_what_does_not_vary_has_no_variance_to_split() -> None:
    terms = [term(1.0, number("p", 2.0, 2.0, 2.0))]
    assert variance_rows("m", "lte", terms, DRAWS) == []


def test_variance_rows_name_whose_number_it_is() -> None:
    link = with_link([term(1.0, log_normal("a", 0.1), scope="method", group=2)])
    rows = variance_rows("m", "lte", link, DRAWS)
    assert [(row["coefficient"], row["scope"], row["group"]) for row in rows] == [
        ("link", "client", "2"),
        ("a", "method", ""),
        (INTERACTIONS, "", ""),
    ]


def test_rank_shares_are_those_of_the_closed_form() -> None:
    """A takes less than B in P(sigma Z < ln(12 / 10)) of the draws, sigma = 0.2 sqrt 2."""
    price = log_normal("p", 0.2)
    terms = {"b": [term(12.0, price, scope="method")], "a": [term(10.0, price, scope="method")]}
    first, second = rank_rows(terms, "lte", "", MANY)
    share = 0.5 * math.erfc(-math.log(1.2) / (0.2 * math.sqrt(2)) / math.sqrt(2))
    assert (first["method"], first["rank"], second["method"], second["rank"]) == ("a", 1, "b", 2)
    assert first["share_best"] == pytest.approx(share, abs=0.004)
    assert second["share_best"] == pytest.approx(1 - share, abs=0.004)
    assert first["share_before_next"] == pytest.approx(share, abs=0.004)
    assert second["share_before_next"] is None


def test_an_order_that_rests_on_shared_numbers_holds_in_every_draw() -> None:
    price = number("p", 0.1, 1.0, 20.0)
    rows = rank_rows({"a": [term(1.0, price)], "b": [term(1.01, price)]}, "lte", "NOR", DRAWS)
    assert [row["share_best"] for row in rows] == [1.0, 0.0]
    assert rows[0]["share_before_next"] == 1.0


def test_equal_methods_share_the_first_place() -> None:
    price = number("p", 0.1, 1.0, 20.0)
    rows = rank_rows({name: [term(1.0, price)] for name in "abcd"}, "lte", "", DRAWS)
    assert [row["share_best"] for row in rows] == [0.25] * 4
    assert [row["share_before_next"] for row in rows] == [0.5, 0.5, 0.5, None]
    assert rank_rows({}, "lte", "", DRAWS) == []


def test_links_vary_by_client_and_keep_the_mean() -> None:
    price = number("p", 2.0, 2.0, 2.0)
    for quantity in ("uplink_s", "frames"):
        for n_clients in (1, 40):
            terms = with_link([term(10.0, price, quantity=quantity, n_clients=n_clients)])
            assert amounts_drawn(terms, "m", MANY).mean() == pytest.approx(20.0, rel=0.01)
    one, forty = (quantiles(amounts_drawn(with_link([term(1.0, price, n_clients=n)]), "m", DRAWS)) for n in (1, 40))
    assert one.high / one.low == pytest.approx(9.0, rel=0.1)  # a third to three times the seconds
    assert forty.low < 2.0 < forty.high
    assert forty.high / forty.low < 1.6


def test_poor_coverage_takes_longer_and_repeats_more() -> None:
    time, bits = (DRAWS.values(factor) for factor in link_factors().values())
    order = np.argsort(time)
    assert (np.diff(bits[order]) >= 0).all()
    assert {row.source for row in link_inputs()} == {"judgement"}


def test_links_touch_radios_on_the_air_and_nothing_else() -> None:
    price = number("p", 1.0, 2.0, 3.0)
    untouched = [
        term(1.0, price, quantity="tail_s"),
        term(1.0, price, quantity="sessions"),
        term(1.0, price, component="standby", quantity="rest_s"),
        term(1.0, price, component="access", quantity="uplink_mbit"),
        term(1.0, price, component="codec", quantity="encode_s"),
    ]
    assert with_link(untouched) == tuple(untouched)
    (touched,) = with_link([term(1.0, price, component="provisioning", quantity="downlink_mbit")])
    assert touched.factors == (Factor(price), link_factors()["link.bits"])


def test_quantiles_scale_with_a_constant() -> None:
    assert Quantiles(1.0, 2.0, 4.0) * 2.5 == Quantiles(2.5, 5.0, 10.0)


def test_cost_grows_with_prices_and_not_with_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    price = number("p", 1.0, 2.0, 3.0)
    asked = []
    original = Draws.values

    def counted(self: Draws, *args: object, **kwargs: object) -> object:
        asked.append(args)
        return original(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(Draws, "values", counted)
    terms = [replace(term(1.0, price), group=group) for group in range(500)]
    amounts_drawn(terms, "m", DRAWS)
    assert len(asked) == 1


def test_a_generated_ledger_is_priced_on_all_radios_and_grids_as_it_is_plainly() -> None:
    steps = pricing_speed.measured(argparse.Namespace(rounds=4, clients=3, draws=100, repeats=1))  # exits if not
    assert len(steps) == 2
