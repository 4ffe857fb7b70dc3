"""What is done with a cell, wherever that is: run it, and leave a file of what it found or of what went wrong."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from mmlego.cells.cell import Cell, versions
from mmlego.cells.folder import CellFolder
from mmlego.errors import LegoError, MismatchError

Run = Callable[[Cell], Mapping[str, Any]]


@dataclass(frozen=True)
class Ended:
    """How a cell has ended.

    Parameters
    ----------
    cell
        Which.
    seconds
        How long it took.
    error
        What went wrong, in a line; None: nothing.
    fault
        Whether that is a fault of the code rather than of what it was given, or of the machine.
    warned
        What was warned of, where that was in another process.
    """

    cell: Cell
    seconds: float
    error: str | None = None
    fault: bool = False
    warned: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """What is done with a cell.

    Parameters
    ----------
    run
        Returns the result of a cell, JSON-able; a function of a module, so that other processes find it.
    folder
        Where files go.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> cell = Cell("square", "none", "", {}, {}, {}, {"of": 3}, 0, versions())
    >>> with TemporaryDirectory() as place:
    ...     folder = CellFolder(Path(place))
    ...     ended = Work(lambda cell: {"square": cell.scenario["of"] ** 2}, folder.place)(cell)
    ...     ended.error, folder.read(cell)
    (None, {'square': 9})
    """

    run: Run
    folder: Path

    def __call__(self, cell: Cell) -> Ended:
        """Run a cell and leave its file; what goes wrong is kept, and stops nothing but an interruption does."""
        folder = CellFolder(self.folder)
        started = time.perf_counter()
        kept = _Kept(folder, cell)
        with kept:
            _check_versions(cell)
            result = self.run(cell)
            folder.write(cell, result, seconds=time.perf_counter() - started)
        return Ended(cell, time.perf_counter() - started, kept.error, kept.fault)


class _Kept:
    """Keeps what goes wrong in a cell as a file, in place of raising it; an interruption goes on upwards."""

    def __init__(self, folder: CellFolder, cell: Cell) -> None:
        self._folder, self._cell = folder, cell
        self.error: str | None = None
        self.fault = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        # Who calls sys.exit in a cell ends the cell, not all others.
        if kind is None or not isinstance(error, Exception | SystemExit):
            return False
        told = str(error) if str(error) else "nothing more is known"
        self.fault = not isinstance(error, LegoError | OSError | MemoryError)
        self.error = told if isinstance(error, LegoError) else f"{kind.__name__}: {told}"
        self._folder.write_failure(
            self._cell, kind.__name__, told, "".join(traceback.format_exception(kind, error, trace))
        )
        return True


def _check_versions(cell: Cell) -> None:
    """Refuse a cell of other versions: a worker elsewhere may have another installation."""
    here = versions()
    odd = [f"{name} {here[name]}" for name, wanted in cell.versions.items() if here.get(name, wanted) != wanted]
    if odd:
        raise MismatchError(
            "the worker has other versions",
            expected=", ".join(f"{name} {cell.versions[name]}" for name in here if name in cell.versions),
            got=", ".join(odd),
            remedy="Install the same on all machines.",
        )
