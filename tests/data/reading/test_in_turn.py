from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from mmlego.data.reading.in_turn import in_turn


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_what_is_done_comes_in_the_order_of_the_items(workers: int) -> None:
    assert list(in_turn(lambda item: item * item, range(50), workers)) == [(item, item * item) for item in range(50)]
    assert list(in_turn(str, [], workers)) == []


def test_several_items_are_worked_on_at_once() -> None:
    both = threading.Barrier(2, timeout=20)  # passed only where two threads wait at the same time
    assert len(list(in_turn(lambda _: both.wait(), range(4), 2))) == 4


def test_no_more_items_are_held_than_said() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for item in range(20):
            taken.append(item)
            yield item

    for item, _ in in_turn(str, items(), 2):
        assert len(taken) <= item + 3


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_raised_in_its_turn(workers: int) -> None:
    def items() -> Iterator[int]:
        yield from range(4)
        raise OSError("the file ended")

    seen: list[int] = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(item for item, _ in in_turn(lambda item: 1 / (item - 2), items(), workers))
    assert seen == [0, 1]
    seen = []
    with pytest.raises(OSError, match="the file ended"):
        seen.extend(item for item, _ in in_turn(str, items(), workers))
    assert seen == [0, 1, 2, 3]
