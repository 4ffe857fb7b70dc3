"""Batches read ahead: while a step is taken, the next batches come from their files."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from mmlego.data.memory.batch import Batch

DEPTH = 2  # batches in wait: one would leave the step waiting for whatever file is slow


class Epochs(Protocol):
    """Which rows come together, epoch by epoch."""

    epoch: int

    def __iter__(self) -> Iterator[list[int]]:
        """Yield the rows of each batch of the epoch."""

    def __len__(self) -> int:
        """Return how many batches an epoch has."""


class Ahead:
    """A loader whose batches are made in a thread of their own, in order: the same batches, sooner.

    A thread will do: reading, unpacking and copying hold no lock of Python's, and nothing is sent between processes.
    What chance decides of a batch hangs on names, not on when it is made.

    Parameters
    ----------
    batches
        Which rows come together.
    make
        Makes a batch of rows, in an epoch.
    finish
        Done to each batch in that thread, as pinning its memory.

    Examples
    --------
    >>> class Rows(list):
    ...     epoch = 3
    >>> def make(rows, epoch):
    ...     return Batch({}, {}, None, [f"p{row} in epoch {epoch}" for row in rows])
    >>> [batch.patients for batch in Ahead(Rows([[0], [1]]), make)]
    [['p0 in epoch 3'], ['p1 in epoch 3']]
    """

    def __init__(
        self,
        batches: Epochs,
        make: Callable[[Sequence[int], int], Batch],
        finish: Callable[[Batch], Batch] | None = None,
    ) -> None:
        self.batches, self.make, self.finish = batches, make, finish

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        waiting: deque[Future[Batch]] = deque()
        pool = ThreadPoolExecutor(1, thread_name_prefix="mmlego-ahead")
        try:
            for rows in self.batches:
                waiting.append(pool.submit(self._made, rows, self.batches.epoch))
                if len(waiting) > DEPTH:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:  # also where training stops in the middle: nobody waits for what is no longer wanted
            pool.shutdown(wait=True, cancel_futures=True)

    def _made(self, rows: Sequence[int], epoch: int) -> Batch:
        batch = self.make(rows, epoch)
        return batch if self.finish is None else self.finish(batch)
