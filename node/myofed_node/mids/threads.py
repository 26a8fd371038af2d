"""Work for a few threads: reading, digests and compressing leave Python to others while they run."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, threads: int) -> Iterator[Result]:
    """The result of each item, in the order of the items.

    An item is taken, in the caller's thread, when there is room for it: no more than `threads` are in hand at a time, which
    bounds memory. One thread is the caller's own. What the work on one raises is raised here, when those in hand are done; no other item is taken then.
    """
    if threads == 1:
        yield from map(work, items)
        return
    with ThreadPoolExecutor(max_workers=threads) as pool:
        in_hand: deque[Future[Result]] = deque()
        for item in items:
            in_hand.append(pool.submit(work, item))
            if len(in_hand) == threads:
                yield in_hand.popleft().result()
        while in_hand:
            yield in_hand.popleft().result()
