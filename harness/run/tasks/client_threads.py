"""Trains the clients of a round on several threads. Results come in client order for any number of threads."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Iterable[Item], n_threads: int) -> Iterator[Result]:
    """`function` of each of `items`, in their order.

    Items are drawn in the caller's thread. At most `n_threads` results are worked on or wait to be drawn, so that
    memory does not grow with the number of items. On one thread, no other is started.

    Args:
        function: may run in another thread; its errors are raised where its result would be drawn.
        items: what it is called with.
        n_threads: at least 1.

    >>> list(in_order(abs, [-2, 1, -3], n_threads=2))
    [2, 1, 3]
    """
    if n_threads == 1:
        yield from map(function, items)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) == n_threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
