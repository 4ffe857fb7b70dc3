"""One process at a time in a folder: the second is told so in a line, and nothing of the first is lost."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mmlego.errors import InputError
from mmlego.files import make_folder

_RANKS = ("RANK", "LOCAL_RANK", "SLURM_PROCID")  # set in processes that train one model together

LOCK = "lock"  # while somebody is at work; the system lets go of it however the process ends


@contextlib.contextmanager
def alone_in(folder: Path, whose: Path | None = None) -> Iterator[None]:
    """Keep other processes out of a folder for the time of a block.

    Of processes that train one model together the first keeps it for all. Where the file system knows no locks, nobody
    is kept out.

    Parameters
    ----------
    folder
        Which; it is made, and taken away where nothing came into it.
    whose
        What it belongs to, for the message; None: the folder itself.

    Raises
    ------
    InputError
        If another process is at work in it.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as place, alone_in(Path(place), Path("runs/mine")):
    ...     with alone_in(Path(place), Path("runs/mine")):
    ...         pass
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: another process is at work in runs/mine: expected one at a time. Wait until it has ...
    """
    if any(os.environ.get(name, "0") != "0" for name in _RANKS) or os.name != "posix":
        yield
        return
    made = [place for place in (folder, *folder.parents) if not place.exists()]
    make_folder(folder)
    file = folder / LOCK
    handle = _taken(file, folder if whose is None else whose)
    try:
        yield
    finally:
        if handle is not None:
            file.unlink(missing_ok=True)
            os.close(handle)
        for place in made:  # what was refused leaves nothing behind
            try:
                place.rmdir()
            except OSError:
                break


def _taken(file: Path, whose: Path) -> int | None:
    """Return a locked handle on the file that stands there now; None where there are no locks."""
    import fcntl

    while True:
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            raise InputError(
                f"another process is at work in {whose}",
                expected="one at a time",
                remedy="Wait until it has ended, or choose another folder.",
            ) from None
        except OSError:
            os.close(handle)
            return None
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), file.stat()):
                return handle
        os.close(handle)  # whoever had it has taken the file away since
