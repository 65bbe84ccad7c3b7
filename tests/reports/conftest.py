"""Figures are drawn once in a session, however many tests look at them: drawing is most of what a report costs."""

from collections.abc import Iterator
from functools import cache

import pytest

from reports.figures import draw


@pytest.fixture(scope="session", autouse=True)
def _figures_are_drawn_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(draw, "_saved", cache(draw._saved.__wrapped__))
        yield
