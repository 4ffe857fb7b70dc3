"""A progress bar for what takes a while to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")

_FEWEST = 200  # fewer are read before a bar is seen


def shown(items: Iterable[T], what: str) -> Iterator[T]:
    """Yield items while a bar on the terminal says how many are done; it goes when all are. Elsewhere it is silent.

    Parameters
    ----------
    items
        What is gone through.
    what
        What is done with them.

    Examples
    --------
    >>> list(shown(["a", "b"], "reading"))
    ['a', 'b']
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    total = len(items) if isinstance(items, Sized) else None
    if not console.is_terminal or (total is not None and total < _FEWEST):
        yield from items
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        yield from bar.track(items, total=total, description=what)
