"""Ctrl-C waits where it would leave a lock taken that what is tidied up afterwards needs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C take effect at the end of the block.

    TensorBoard's writer hands lines to a thread through a queue. An interrupt within the queue's own lines may leave
    its lock taken; closing the writer then waits for ever (tensorboard 2.20 on CPython 3.11).

    Examples
    --------
    >>> import signal
    >>> said = []
    >>> try:
    ...     with held_back():
    ...         signal.raise_signal(signal.SIGINT)
    ...         said.append("written")
    ... except KeyboardInterrupt:
    ...     said.append("interrupted")
    >>> said
    ['written', 'interrupted']
    """
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    signal.signal(signal.SIGINT, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(*came[0])
