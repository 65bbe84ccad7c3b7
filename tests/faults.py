"""Faults at will: an exception in the n-th call of any function."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


class Killed(BaseException):
    """Ends everything at once, as SIGKILL would: no handler of ours catches it."""


@contextmanager
def fault(owner: Any, name: str, error: BaseException, nth: int = 1, after: bool = False) -> Iterator[None]:
    """Raise `error` in the n-th call of ``owner.name``, before it does anything or after it has done all.

    A fault that nobody ran into is an error of the test.
    """
    original = getattr(owner, name)
    n_calls = 0

    def faulty(*args: Any, **settings: Any) -> Any:
        nonlocal n_calls
        n_calls += 1
        is_due = n_calls == nth
        if is_due and not after:
            raise error
        result = original(*args, **settings)
        if is_due:
            raise error
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, faulty)
        yield
    assert n_calls >= nth, f"{name} was called {n_calls} times: the fault at call {nth} was never reached"
