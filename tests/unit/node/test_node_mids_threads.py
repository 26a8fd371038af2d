"""Work on several items at a time: order, bound, and what an item raises."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from myofed_node.mids.threads import in_order


@pytest.mark.parametrize("threads", [1, 2, 3, 9])
def test_results_come_in_the_order_of_the_items(threads: int) -> None:
    """However many are worked on at the same time."""
    assert list(in_order(lambda item: item * item, range(7), threads=threads)) == [n * n for n in range(7)]
    assert list(in_order(str, [], threads=threads)) == []


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_an_item_is_taken_when_there_is_room_for_it(threads: int) -> None:
    """In the caller's thread; never more than so many are in hand."""
    in_hand: list[int] = []
    most: list[int] = []
    takers: set[int] = set()

    def items() -> Iterator[int]:
        for number in range(6):
            takers.add(threading.get_ident())
            in_hand.append(number)
            most.append(len(in_hand))
            yield number

    for number in in_order(lambda item: item, items(), threads=threads):
        in_hand.remove(number)
    assert max(most) == threads
    assert takers == {threading.get_ident()}


@pytest.mark.parametrize("threads", [1, 3])
def test_what_an_item_raises_stops_the_others(threads: int) -> None:
    """No other item is taken."""
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            taken.append(number)
            yield number

    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda item: 1 // (item - 2), items(), threads=threads))
    assert len(taken) <= 2 + threads
