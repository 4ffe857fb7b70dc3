"""Cells that cost nothing, functions that run them, and who is told; workers import this module."""

from __future__ import annotations

import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import torch

from mmlego.cells import Cell, Ended, versions
from mmlego.errors import InputError, LegoWarning


def cell(number: int, place: Path | None = None, **more: Any) -> Cell:
    """Return a cell that knows a number, and a folder where it may leave marks."""
    scenario = {"number": number, "place": None if place is None else str(place), **more}
    return Cell("test", "", "", {}, {}, {}, scenario, number, versions(), label=f"number {number}")


def of(cell: Cell) -> int:
    return int(cell.scenario["number"])


def mark(cell: Cell) -> None:
    """Leave a file for each time that a cell is run."""
    if cell.scenario["place"] is not None:
        (Path(cell.scenario["place"]) / f"{of(cell)}-{time.monotonic_ns()}").touch()


def square(cell: Cell) -> dict[str, Any]:
    mark(cell)
    return {"square": of(cell) ** 2, "third": of(cell) / 3}


def square_with_troubles(cell: Cell) -> dict[str, Any]:
    """Square, but 1 is refused, 2 ends its process politely, 3 is a fault, and 4 is warned of."""
    mark(cell)
    if of(cell) == 1:
        raise InputError("1 is too small", remedy="Take more.")
    if of(cell) == 2:
        sys.exit(0)
    if of(cell) == 3:
        raise KeyError("three")
    if of(cell) == 4:
        warnings.warn("4 is near the bound", LegoWarning, stacklevel=1)
    return {"square": of(cell) ** 2}


def square_or_die(cell: Cell) -> dict[str, Any]:
    """Square, but 2 is killed with its process, as for want of memory."""
    mark(cell)
    if of(cell) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": of(cell) ** 2}


def threads(cell: Cell) -> dict[str, Any]:
    return {"torch": torch.get_num_threads(), "variable": os.environ.get("OMP_NUM_THREADS"), "pid": os.getpid()}


def wait_for_go(cell: Cell) -> dict[str, Any]:
    """Square once there is a file ``go`` in the folder; 0 at once."""
    mark(cell)
    until = time.monotonic() + 60
    while of(cell) and not (Path(cell.scenario["place"]) / "go").exists():
        if time.monotonic() > until:
            raise InputError("nobody said go")
        time.sleep(0.05)
    return {"square": of(cell) ** 2}


def meet(cell: Cell) -> dict[str, Any]:
    """Return where this ran, once another cell runs somewhere else at the same time."""
    place = Path(cell.scenario["place"])
    (place / f"here-{of(cell)}").touch()
    until = time.monotonic() + 60
    while len(list(place.glob("here-*"))) < 2:
        if time.monotonic() > until:
            raise InputError("nobody else came")
        time.sleep(0.05)
    import ray

    return {"node": ray.get_runtime_context().get_node_id()}


class Told:
    """What is told of the cells as they come along."""

    def __init__(self) -> None:
        self.begun: list[tuple[int, int, str]] = []
        self.stages: list[str] = []
        self.ended: list[str] = []

    def begins(self, total: int, done: int, how: str) -> None:
        self.begun.append((total, done, how))

    def stage(self, text: str) -> None:
        self.stages.append(text)

    def ends(self, ended: Ended) -> None:
        self.ended.append(f"{ended.cell.label}: {ended.error}")
