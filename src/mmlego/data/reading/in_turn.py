"""Work done by threads a few items ahead of whoever takes it, in the order of the items."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")
MOST_THREADS = 4


def threads() -> int:
    """Return how many threads may read: as many as pyarrow takes (``OMP_NUM_THREADS`` says it), four at most.

    Examples
    --------
    >>> 1 <= threads() <= 4
    True
    """
    import pyarrow as pa

    return max(1, min(MOST_THREADS, int(pa.cpu_count())))


def in_turn(work: Callable[[Item], Made], items: Iterable[Item], workers: int) -> Iterator[tuple[Item, Made]]:
    """Yield each item and what became of it, in order; threads do the next ones meanwhile.

    No more than ``workers + 1`` items are held at once. An error, of the work or of the items, is raised where its turn
    comes, after all that came before it was yielded; a single item, or one worker, needs no thread.

    Parameters
    ----------
    work
        What is to be done; with several workers, at the same time on several items.
    items
        What to do it on; taken one by one, by the thread that asks.
    workers
        How many threads work.

    Examples
    --------
    >>> list(in_turn(len, ["a", "bc", ""], workers=2))
    [('a', 1), ('bc', 2), ('', 0)]
    """
    source = iter(items)
    first = list(islice(source, 2)) if workers > 1 else []
    if len(first) < 2:
        for item in chain(first, source):
            yield item, work(item)
        return
    waiting: deque[tuple[Item, Future[Made]]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            rest = chain(first, source)
            del first
            while True:
                try:
                    item = next(rest)
                except StopIteration:
                    break
                except Exception:  # raised when its turn comes
                    while waiting:
                        yield _next(waiting)
                    raise
                waiting.append((item, pool.submit(work, item)))
                del item
                if len(waiting) > workers:
                    yield _next(waiting)
            while waiting:
                yield _next(waiting)
        finally:
            for _, later in waiting:
                later.cancel()


def _next(waiting: deque[tuple[Item, Future[Made]]]) -> tuple[Item, Made]:
    item, made = waiting.popleft()
    return item, made.result()
