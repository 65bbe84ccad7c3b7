"""What codecs draw: from the encoder's own stream, or from one that both ends share; and what it does to the mean."""

import dataclasses
import math

import numpy as np
import pytest

from harness.core.types import Agreed
from harness.parts import registry
from tests.contracts.codec_examples import EXAMPLES
from tests.contracts.selection import draw, paths, promised
from tests.factories import AGREED, digits_layout, encode, make_layout, make_update

N_DRAWS = 300
Z_BOUND = 5.0
"""Standard errors that a mean over `N_DRAWS` may be off; a Gaussian one is, once in two million."""


@promised("ignores_rng")
def test_a_codec_that_draws_nothing_gives_equal_bytes(codec):
    update = make_update(digits_layout())
    assert encode(codec, update, seed=99)[0] == encode(codec, update)[0]


@promised("draws_from_rng")
def test_another_stream_gives_other_bytes(codec):
    update = make_update(digits_layout())
    assert len({encode(codec, update, seed=seed)[0] for seed in range(4)}) == 4


@promised("ignores_agreed")
def test_what_is_agreed_does_not_change_a_codec_without_shared_randomness(codec):
    update = make_update(digits_layout())
    other = Agreed(seed=5, round=9, client=3, direction="downlink")
    body, _ = codec.encode(update, codec.init(update.layout), np.random.default_rng(0), other)
    assert body == encode(codec, update)[0]
    np.testing.assert_array_equal(
        codec.decode(body, update.layout, other).values, codec.decode(body, update.layout, AGREED).values
    )


@promised("draws_from_agreed")
def test_shared_randomness_differs_between_rounds_clients_directions_and_seeds(codec):
    update = make_update(digits_layout())
    others = [{}, {"seed": 1}, {"round": 2}, {"client": 1}, {"client": -1}, {"direction": "downlink"}]
    results = set()
    for changes in others:
        agreed = dataclasses.replace(AGREED, **changes)
        body, _ = codec.encode(update, codec.init(update.layout), np.random.default_rng(0), agreed)
        results.add(codec.decode(body, update.layout, agreed).values.tobytes())
    assert len(results) == len(others)


@paths
def test_a_second_instance_decodes_whatever_the_encoder_drew(codec):
    update = make_update(digits_layout())
    twin = registry.build("codec", registry.describe(codec))
    for seed, agreed in enumerate((AGREED, Agreed(seed=5, round=9, client=-1, direction="downlink"))):
        body, _ = codec.encode(update, codec.init(update.layout), np.random.default_rng(seed), agreed)
        decoded = twin.decode(body, update.layout, agreed).values
        np.testing.assert_array_equal(decoded, codec.decode(body, update.layout, agreed).values)
        # What is decoded points the way of the update: the receiver did not draw something else.
        assert decoded.astype(np.float64) @ update.values > 0


def draws_of_errors(codec):
    """Errors of `N_DRAWS` draws, float64 of shape (N_DRAWS, d), and the update, whose entries are of unit scale."""
    update = make_update(make_layout((24, 20), (33,)), scale=1.0)
    exact = update.values.astype(np.float64)
    return np.stack([draw(codec, update, number) - exact for number in range(N_DRAWS)]), exact


@promised("is_unbiased")
def test_the_mean_of_many_draws_is_the_update(codec):
    errors, update = draws_of_errors(codec)
    # Along the update (a shrinking codec), along the sum (a shifting one), and in all directions together.
    for direction in (update / np.linalg.norm(update), np.full(update.size, update.size**-0.5)):
        along = errors @ direction
        allowed = Z_BOUND * along.std(ddof=1) / math.sqrt(N_DRAWS) + 2.0**-23 * np.abs(update).sum()
        assert abs(along.mean()) <= allowed
    energy = np.mean(np.sum(errors**2, axis=1))
    # Unbiased estimate of the squared bias; without bias, its standard error is at most sqrt(2) / n of the energy.
    squares = np.sum(errors.sum(axis=0) ** 2) - np.sum(errors**2)
    assert squares / (N_DRAWS * (N_DRAWS - 1)) <= Z_BOUND * math.sqrt(2) / N_DRAWS * energy + 1e-12
    # Entry by entry; an entry that hardly ever moved is judged by the mean variance of all.
    deviations = np.maximum(errors.std(axis=0, ddof=1), errors.std(ddof=1))
    assert (np.abs(errors.mean(axis=0)) <= Z_BOUND * deviations / math.sqrt(N_DRAWS) + 1e-6).all()


def test_the_test_of_bias_finds_a_biased_codec():
    biased = next(codec for codec in EXAMPLES.values() if codec.kind == "signsgd")
    with pytest.raises(AssertionError):
        test_the_mean_of_many_draws_is_the_update(biased)
