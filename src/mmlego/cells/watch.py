"""Who is told how many runs come along: totals, what is done, what failed, and the stage within a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mmlego.cells.work import Ended

_LISTENER: list[Callable[[str], None]] = []


class Watch(Protocol):
    """Told how cells come along."""

    def begins(self, total: int, done: int, how: str) -> None:
        """Be told how many cells there are, how many of them were done before, and how the others are run."""

    def stage(self, text: str) -> None:
        """Be told what a cell in this process has done; those of other processes tell none."""

    def ends(self, ended: Ended) -> None:
        """Be told that a cell is done, or has failed."""


class Silent:
    """Keeps to itself how cells come along."""

    def begins(self, total: int, done: int, how: str) -> None:
        """Be told how many cells there are."""

    def stage(self, text: str) -> None:
        """Be told what a cell has done."""

    def ends(self, ended: Ended) -> None:
        """Be told that a cell has ended."""


@contextmanager
def listening(hear: Callable[[str], None]) -> Iterator[None]:
    """Hear what :func:`tell` says meanwhile in this process.

    Parameters
    ----------
    hear
        Told each stage.

    Examples
    --------
    >>> told = []
    >>> with listening(told.append):
    ...     tell("block rna")
    >>> tell("nobody hears")
    >>> told
    ['block rna']
    """
    _LISTENER.append(hear)
    try:
        yield
    finally:
        _LISTENER.remove(hear)


def tell(stage: str) -> None:
    """Say what a cell has done, to whoever listens in this process.

    Parameters
    ----------
    stage
        A few words.
    """
    for hear in _LISTENER[-1:]:
        hear(stage)
