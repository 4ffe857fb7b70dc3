"""Ctrl-C and SIGTERM wait where it would leave a lock taken that what is tidied up afterwards needs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def held_back() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM take effect at the end of the block.

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
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[tuple[int, FrameType | None]] = []
    heard = {number: handler for number, handler in handlers.items() if callable(handler)}
    for number in heard:
        signal.signal(number, lambda number, frame: came.append((number, frame)))
    try:
        yield
    finally:
        for number, handler in heard.items():
            signal.signal(number, handler)
        if came:
            heard[signal.Signals(came[0][0])](*came[0])
