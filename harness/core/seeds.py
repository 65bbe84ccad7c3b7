"""Provides named random streams: one generator per purpose, so that no draw depends on the order of the others.

At one seed every method gets the same partition, cohorts and batch order (common random numbers); only the codec's
own stream carries the direction and client it rounds for.
"""

import hashlib

import numpy as np


def stream(seed: int, purpose: str, *keys: int) -> np.random.Generator:
    """A Philox generator for one purpose.

    Args:
        seed: the evaluation seed of the cell.
        purpose: what the numbers are for, e.g. "cohort", "batches".
        keys: numbers that distinguish draws of one purpose, e.g. round and client.

    Returns:
        A generator that depends on all arguments and nothing else, on every platform.

    >>> bool(stream(0, "cohort", 1).integers(1000) == stream(0, "cohort", 1).integers(1000))
    True
    """
    return np.random.Generator(np.random.Philox(key=_digest(seed, purpose, keys)))


def torch_seed(seed: int, purpose: str, *keys: int) -> int:
    """A 63-bit seed for libraries that bring their own generator, from the same naming scheme."""
    return _digest(seed, purpose, keys) & (2**63 - 1)


def _digest(seed: int, purpose: str, keys: tuple[int, ...]) -> int:
    text = ":".join([purpose, str(seed), *map(str, keys)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
