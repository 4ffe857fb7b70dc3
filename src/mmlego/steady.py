"""A folder that another process may be replacing is read again, until it stayed the same while it was read."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from mmlego.errors import CheckpointError

T = TypeVar("T")
_TRIES, _PAUSE = 40, 0.025  # seconds between


def steady(path: Path, names: Sequence[str], read: Callable[[], T]) -> T:
    """Return what is read of a folder, of which no file changed meanwhile.

    Whoever replaces a folder moves the old one aside and the new one into its place: who reads at that moment finds no
    folder, or a file of each.

    Parameters
    ----------
    path
        The folder.
    names
        The files in it that are read.
    read
        Reads them.

    Raises
    ------
    CheckpointError
        What ``read`` raises if nothing changed meanwhile; or if the folder changes each time.
    """
    for _ in range(_TRIES):
        before = _marks(path, names)
        try:
            found = read()
        except CheckpointError:
            if _marks(path, names) == before and not _between(path):
                raise
        else:
            if _marks(path, names) == before:
                return found
        time.sleep(_PAUSE)
    raise CheckpointError(
        f"{path} changes each time it is read", expected="a checkpoint that stays as it is", remedy="Try again later."
    )


def _marks(path: Path, names: Sequence[str]) -> list[tuple[int, int, int] | None]:
    """Return what tells another file from the same one, None where there is none."""
    found: list[tuple[int, int, int] | None] = []
    for name in names:
        try:
            told = (path / name).stat()
            found.append((told.st_ino, told.st_size, told.st_mtime_ns))
        except (OSError, ValueError):
            found.append(None)
    return found


def _between(path: Path) -> bool:
    """Return whether a folder is away because another one is about to stand in its place."""
    try:
        return not path.exists() and any(path.parent.glob(f".{_plain(path.name)}.new-*"))
    except (OSError, ValueError):
        return False


def _plain(name: str) -> str:
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in name)
