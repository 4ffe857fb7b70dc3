"""Batches read ahead are those of a plain loop, in order; errors arrive, and nothing goes on behind one's back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from mmlego.data import Batch
from mmlego.data.memory.ahead import DEPTH, Ahead


class Epochs:
    def __init__(self, count: int, epoch: int = 0) -> None:
        self.count, self.epoch = count, epoch

    def __iter__(self) -> Iterator[list[int]]:
        return iter([[i, i + 1] for i in range(self.count)])

    def __len__(self) -> int:
        return self.count


def named(rows: Sequence[int], epoch: int) -> Batch:
    return Batch({}, {}, None, [f"{epoch}:{row}" for row in rows])


def test_the_batches_of_a_loop_in_its_order() -> None:
    loader = Ahead(Epochs(5, epoch=2), named)
    assert [batch.patients for batch in loader] == [[f"2:{i}", f"2:{i + 1}"] for i in range(5)]
    assert len(loader) == 5
    assert len(list(loader)) == 5  # again


def test_each_epoch_is_its_own() -> None:
    epochs = Epochs(1)
    loader = Ahead(epochs, named)
    found = [next(iter(loader)).patients[0]]
    epochs.epoch = 1
    found.append(next(iter(loader)).patients[0])
    assert found == ["0:0", "1:0"]


def test_reading_goes_on_while_a_step_is_taken_but_not_far() -> None:
    made: list[int] = []

    def slow(rows: Sequence[int], epoch: int) -> Batch:
        made.append(rows[0])
        assert threading.current_thread() is not threading.main_thread()
        return named(rows, epoch)

    batches = iter(Ahead(Epochs(9), slow))
    next(batches)
    for _ in range(200):
        if len(made) == DEPTH + 1:
            break
        time.sleep(0.01)
    assert made == list(range(DEPTH + 1))
    batches.close()  # type: ignore[attr-defined]
    time.sleep(0.05)
    assert made == list(range(DEPTH + 1))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("mmlego-ahead")]


def test_an_error_of_the_reader_arrives_where_its_batch_would() -> None:
    def broken(rows: Sequence[int], epoch: int) -> Batch:
        if rows[0] == 3:
            raise OSError("the disk is gone")
        return named(rows, epoch)

    batches = iter(Ahead(Epochs(6), broken))
    assert [next(batches).patients[0] for _ in range(3)] == ["0:0", "0:1", "0:2"]
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)


def test_what_finishes_a_batch_is_done_in_the_thread() -> None:
    where: list[str] = []

    def finish(batch: Batch) -> Batch:
        where.append(threading.current_thread().name)
        return batch

    assert len(list(Ahead(Epochs(2), named, finish))) == 2
    assert all(name.startswith("mmlego-ahead") for name in where)
    assert len(where) == 2
