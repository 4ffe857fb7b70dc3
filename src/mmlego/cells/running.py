"""Cells that have no result yet are run, one after another or on Ray; what failed is told at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from mmlego.cells.cell import Cell
from mmlego.cells.folder import CellFolder
from mmlego.cells.on_ray import OnRay
from mmlego.cells.serial import Serial
from mmlego.cells.watch import Silent, Watch, listening
from mmlego.cells.work import Ended, Run, Work
from mmlego.errors import InputError, LegoError
from mmlego.wording import counted

FEW = 2  # cells for which Ray, which takes some ten seconds to start, is not worth it unless somebody asks for it
_TOLD = 3  # failures that a message names


class CellsFailed(LegoError):
    """Some cells went wrong; the others are done."""


class CellFault(RuntimeError):
    """Some cells went wrong by a fault of the code; the others are done."""


class Executor(Protocol):
    """What carries out cells; ``how`` says it in a few words."""

    how: str

    def run(self, work: Work, cells: Sequence[Cell]) -> Iterator[Ended]:
        """Yield how each cell ended, as they end."""
        ...


@dataclass(frozen=True)
class Workers:
    """How many cells at a time, and where.

    Parameters
    ----------
    count
        How many; more than one on Ray (extra ``ray``). None: with Ray and more than two cells left as many as there are
        cores, else one; at an address as many as there is room for.
    address
        Of a Ray cluster that is there; None: this machine.
    threads
        Of each cell elsewhere than in this process; None: what ``OMP_NUM_THREADS`` says, else 1.

    Raises
    ------
    InputError
        If a number is not positive.

    Examples
    --------
    >>> executor_for(Workers(1), 15).how
    'one after another'
    >>> executor_for(Workers(4), 3).how  # Ray starts when cells are run, not before
    'on 3 workers'
    """

    count: int | None = 1
    address: str | None = None
    threads: int | None = None

    def __post_init__(self) -> None:
        for name, value in (("workers", self.count), ("threads", self.threads)):
            if value is not None and (isinstance(value, bool) or value < 1):
                raise InputError(f"the number of {name}", expected="at least 1", got=value)
        if self.address in ("", "auto", "local"):
            raise InputError(
                "the address of a cluster",
                expected="HOST:PORT, or ray://HOST:PORT",
                got=repr(self.address),
                remedy="Leave the address out to use this machine.",
            )


def run_cells(
    cells: Sequence[Cell], run: Run, place: Path, *, workers: Workers | None = None, watch: Watch | None = None
) -> CellFolder:
    """Run the cells that have no result yet; with nothing left to do nothing starts.

    Parameters
    ----------
    cells
        All of them.
    run
        Returns the result of a cell.
    place
        The folder of their files.
    workers
        How many at a time, and where; None: one, here.
    watch
        Told how they come along.

    Returns
    -------
    CellFolder
        From which each result is read.

    Raises
    ------
    CellsFailed, CellFault
        If some went wrong, after all others are done.
    MissingExtraError
        If Ray is asked for and not there.
    """
    folder = CellFolder(place.absolute())
    seen = watch or Silent()
    left = folder.missing(list({cell.key: cell for cell in cells}.values()))
    executor = executor_for(workers or Workers(), len(left))
    seen.begins(len(cells), len(cells) - len(left), executor.how)
    failed: list[Ended] = []
    with listening(seen.stage):
        for ended in executor.run(Work(run, folder.place), left) if left else ():
            failed += [ended] if ended.error is not None else []
            seen.ends(ended)
    if failed:
        raise _failure(failed, len(cells), folder)
    return folder


def executor_for(workers: Workers, left: int) -> Executor:
    """Return what carries out so many cells.

    Parameters
    ----------
    workers
        What is asked for.
    left
        How many cells have no result yet.
    """
    if workers.address is not None:
        return OnRay(workers.count, workers.address, threads=workers.threads)
    count = workers.count
    if count is None:
        count = _cores() if left > FEW and find_spec("ray") is not None else 1
    count = min(count, left)
    return Serial() if count <= 1 else OnRay(count, threads=workers.threads)


def _cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _failure(failed: Sequence[Ended], total: int, folder: CellFolder) -> CellsFailed | CellFault:
    """Return the error that names what went wrong: each message once, with the cells that it is of."""
    whom: dict[str, list[str]] = {}
    for ended in failed:
        whom.setdefault(str(ended.error), []).append(ended.cell.label or ended.cell.key)
    lines = [
        f"{names[0]}{f' (and {len(names) - 1} more)' if len(names) > 1 else ''}: {message.removesuffix('.')}"
        for message, names in whom.items()
    ]
    more = f"; and {len(lines) - _TOLD} other messages" if len(lines) > _TOLD else ""
    what = f"{len(failed)} of {counted(total, 'cell')} failed: {'; '.join(lines[:_TOLD])}{more}"
    where = f"{folder.place}{os.sep}*.failed.json"
    rest = "all others are done, and tracebacks" if len(failed) < total else "tracebacks"
    if any(ended.fault for ended in failed):
        return CellFault(f"{what}; {rest} are in {where}")
    remedy = f"{rest.capitalize()} are in {where}. Run it again to try these again."
    return CellsFailed(what, remedy=remedy)
