"""Which examples and updates a law of the battery is checked on."""

import dataclasses

import numpy as np
import pytest

from tests.contracts.codec_examples import EXAMPLES, PATHS
from tests.contracts.promises import promise_of
from tests.factories import AGREED, HOSTILE_UPDATES


def select(is_wanted, among=PATHS):
    """Parametrise over the examples that `is_wanted` holds for, one for each way through the code."""
    return pytest.mark.parametrize(
        "codec", [pytest.param(codec, id=name) for name, codec in among.items() if is_wanted(codec)]
    )


def promised(name, among=PATHS):
    """Parametrise over the examples that promise `name`."""
    return select(lambda codec: getattr(promise_of(codec), name) not in (None, False), among)


paths = select(lambda codec: True)
settings = select(lambda codec: True, among=EXAMPLES)


def on_hostile_updates(law):
    """The law of a codec and an update as a test of a codec, on all hostile updates; what fails says on which."""

    def test(codec):
        for name, make in HOSTILE_UPDATES.items():
            try:
                law(codec, make())
            except BaseException as error:
                error.add_note(f"on the hostile update {name}")
                raise

    return test


def draw(codec, update, number):
    """What is decoded at the `number`-th draw of everything that is random."""
    agreed = dataclasses.replace(AGREED, round=number)
    rng = np.random.default_rng([number, 1])
    body, _ = codec.encode(update, codec.init(update.layout), rng, agreed)
    return codec.decode(body, update.layout, agreed).values.astype(np.float64)
