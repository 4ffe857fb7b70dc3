"""How long it takes: on a terminal a bar with done, total, failed and the time left; in a log a line a minute."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from mmlego.commands.show import console
from mmlego.printable import escaped

if TYPE_CHECKING:
    from mmlego.cells import Ended

MINUTE = 60
EVERY = 60.0  # seconds between two lines of a log
SHORT = 2.0  # seconds that nobody wants to read of


class Along(Protocol):
    """Told how something comes along; also what runs of many cells tell (``mmlego.cells.Watch``)."""

    def __call__(self, stage: str) -> None:
        """Be told that one more is done, and which."""

    def begins(self, total: int, done: int, how: str) -> None:
        """Be told how many cells there are, how many were done before, and how the others are run."""

    def stage(self, text: str) -> None:
        """Be told what has been done of the one that is being done."""

    def ends(self, ended: Ended) -> None:
        """Be told that a cell has ended."""


@contextmanager
def along(total: int, title: str, *, shown: bool = True) -> Iterator[Along]:
    """Show how many of a number are done, and yield who is told.

    Parameters
    ----------
    total
        How many there are; cells that begin say it themselves.
    title
        What it is of.
    shown
        Whether to show anything.
    """
    show = console()
    if not shown:
        yield _Count(title, total)
    elif show.is_terminal:
        with _bar(title, total) as bar:
            yield bar
    else:
        log = _Log(title, total, show)
        try:
            yield log
        finally:
            log.stop()


@contextmanager
def phase(text: str, *, shown: bool = True) -> Iterator[None]:
    """Say what takes time before there is anything to count, as reading files: on a terminal meanwhile, in a log then.

    Parameters
    ----------
    text
        What is done.
    shown
        Whether to show anything.
    """
    show = console()
    if shown and show.is_terminal:
        from rich.text import Text

        with show.status(Text(escaped(text))):
            yield
        return
    if not shown:
        yield
        return
    log = _Log(text, 0, show)
    try:
        yield
    finally:
        log.stop(least=SHORT)


@contextmanager
def training(total: int, title: str, *, shown: bool = True, apart: bool = False) -> Iterator[tuple[bool, Along]]:
    """Yield whether fits show bars of their own, as on a terminal, and who is told of each that is done.

    Parameters
    ----------
    total, title, shown
        As :func:`along` takes them.
    apart
        Whether fits are in other processes, which show nothing.
    """
    bars = shown and not apart and console().is_terminal
    with along(total, title, shown=shown and not bars) as watch:
        yield bars, watch


class _Count:
    """Counts; those who show something say more."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total, self.done, self.failed, self.before = title, total, 0, 0, 0
        self.text, self.began = "", time.monotonic()

    def __call__(self, stage: str) -> None:
        self.done, self.text = self.done + 1, stage
        self.changed()

    def begins(self, total: int, done: int, how: str) -> None:
        """Be told how many cells there are, or are more now; what else was to be counted is counted, too."""
        self.total = max(self.total, self.done + self.failed + total)
        self.done, self.before = self.done + done, self.done + self.failed + done
        self.text, self.began = how if total > done else "done before", time.monotonic()
        self.changed()

    def stage(self, text: str) -> None:
        """Be told what has been done of a cell."""
        self.text = text
        self.changed()

    def ends(self, ended: Ended) -> None:
        """Be told that a cell has ended."""
        self.failed += ended.error is not None
        self.done += ended.error is None
        self.text = f"{ended.cell.label}: {'done' if ended.error is None else 'failed'}"
        self.changed()

    def changed(self) -> None:
        """Show what is new."""

    def left(self) -> float | None:
        """Return how many seconds it may take, None if nobody knows."""
        ended = self.done + self.failed - self.before
        rest = self.total - self.done - self.failed
        return (time.monotonic() - self.began) / ended * rest if ended > 0 else None

    def line(self, *, ended: bool = False) -> str:
        """Return what is done in one line; what has ended takes no more time."""
        parts = []
        if self.total:
            parts.append(f"{self.done} of {self.total} done")
        if self.failed:
            parts.append(f"{self.failed} failed")
        left = None if ended else self.left()
        if left is not None and self.total > self.done + self.failed:
            parts.append(f"{duration(left)} left")
        said = ", ".join(parts)
        return f"{said}; {self.text}" if said and self.text else said or self.text


class _Log(_Count):
    """Prints a line where something begins and ends, and one a minute between."""

    def __init__(self, title: str, total: int, show: Any) -> None:
        super().__init__(title, total)
        self._show, self._since = show, time.monotonic()
        self._ending = threading.Event()
        if total:
            self._say(f"{total} to do")
        self._thread = threading.Thread(target=self._heartbeat, daemon=True)
        self._thread.start()

    def __call__(self, stage: str) -> None:
        super().__call__(stage)
        self._say(self.line())

    def begins(self, total: int, done: int, how: str) -> None:
        """Say how many cells there are, and how they are run."""
        super().begins(total, done, how)
        if total > done:
            self._say(f"{total} runs{f', {done} done before' if done else ''}, {how}")
        else:
            self._say("all done before")

    def stop(self, least: float = 0.0) -> None:
        """Say how it ended, if it took so many seconds."""
        self._ending.set()
        self._thread.join()
        self.text = ""
        said, took = self.line(ended=True), time.monotonic() - self._since
        if took >= least:
            self._say(f"{said or 'ended'} after {duration(took)}")

    def _heartbeat(self) -> None:
        while not self._ending.wait(EVERY):
            self._say((self.line() or "goes on") + f", after {duration(time.monotonic() - self._since)}")

    def _say(self, text: str) -> None:
        self._show.print(escaped(f"{self.title}: {text}"), soft_wrap=True)


class _Bar(_Count):
    """Shows a bar of rich."""

    def __init__(self, title: str, total: int, bar: Any) -> None:
        super().__init__(title, total)
        self._bar = bar
        self._task = bar.add_task(escaped(title), total=total, stage="", failed="", left="")

    def changed(self) -> None:
        """Show what is new."""
        left = self.left()
        self._bar.update(
            self._task,
            completed=self.done + self.failed,
            total=self.total,
            stage=escaped(self.text),
            failed=f"{self.failed} failed" if self.failed else "",
            left="" if left is None or self.total <= self.done + self.failed else f"{duration(left)} left",
        )


@contextmanager
def _bar(title: str, total: int) -> Iterator[_Bar]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[failed]}", markup=False, style="bold red"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}", markup=False),
        TextColumn("{task.fields[stage]}", markup=False),
    )
    with Progress(*columns, console=console()) as bar:
        yield _Bar(title, total, bar)


def duration(seconds: float) -> str:
    """Return a duration in words.

    Examples
    --------
    >>> duration(8.4), duration(150), duration(8000)
    ('8 s', '2 min 30 s', '2 h 13 min')
    """
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < MINUTE * MINUTE:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
