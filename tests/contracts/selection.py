"""Which examples and updates a test of the battery runs on."""

import dataclasses

import numpy as np
import pytest

from tests.contracts.codec_examples import EXAMPLES
from tests.contracts.promises import promise_of
from tests.factories import AGREED, HOSTILE_UPDATES


def select(is_wanted):
    """Parametrise over the examples that `is_wanted` holds for."""
    return pytest.mark.parametrize(
        "codec", [pytest.param(codec, id=name) for name, codec in EXAMPLES.items() if is_wanted(codec)]
    )


def promised(name):
    """Parametrise over the examples that promise `name`."""
    return select(lambda codec: getattr(promise_of(codec), name) not in (None, False))


codecs = select(lambda codec: True)
updates = pytest.mark.parametrize("update", [pytest.param(make, id=name) for name, make in HOSTILE_UPDATES.items()])


def draw(codec, update, number):
    """What is decoded at the `number`-th draw of everything that is random."""
    agreed = dataclasses.replace(AGREED, round=number)
    rng = np.random.default_rng([number, 1])
    body, _ = codec.encode(update, codec.init(update.layout), rng, agreed)
    return codec.decode(body, update.layout, agreed).values.astype(np.float64)
