"""One at a time: the random streams of Python, numpy and torch belong to all threads of a process."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class _Turn:
    """A lock that a forked process gets anew: who holds it may not be among the threads of the child."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._renew)

    def _renew(self) -> None:
        self.lock = threading.RLock()


_TURN = _Turn()


@contextmanager
def in_turn() -> Iterator[None]:
    """Wait until no other thread draws from the random streams for a result that shall come out the same again.

    Examples
    --------
    >>> with in_turn(), in_turn():  # one's own turn lasts
    ...     pass
    """
    with _TURN.lock:
        yield
