"""Writing so that nothing is lost: a file or folder appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mmlego.errors import InputError

PRIVATE = "private"  # a folder of this name is made for its owner alone


def make_folder(path: Path) -> None:
    """Make a folder and those above it, unless they are there; what is called ``private`` opens to its owner alone.

    Parameters
    ----------
    path
        The folder.

    Examples
    --------
    >>> place = Path(tempfile.mkdtemp())
    >>> make_folder(place / "run" / "private" / "fits")
    >>> oct((place / "run" / "private").stat().st_mode & 0o777)
    '0o700'
    """
    if path.is_dir():
        return
    if path.parent != path:
        make_folder(path.parent)
    path.mkdir(mode=0o700 if path.name == PRIVATE else 0o777, exist_ok=True)


def write_atomically(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a file beside its place and move it there in one step; who may read it says the umask.

    Parameters
    ----------
    path
        Where the file shall stand; missing folders are made, as :func:`make_folder` makes them.
    content
        Text (written as UTF-8) or bytes.
    mode
        Who may read and write it at most: ``0o600``, its owner alone.

    Raises
    ------
    OSError
        If the system refuses, as where the disk is full; it names the path.
    """
    make_folder(path.parent)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        with naming(path), os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        if path.is_dir():
            raise InputError(f"{path} is a folder", expected="a file, or nothing yet", remedy="Move it away.")
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name a path in errors of the system that say none, as that of a full disk, and in those of safetensors.

    Parameters
    ----------
    path
        What is written.

    Raises
    ------
    OSError
        The error, with the path.

    Examples
    --------
    >>> with naming(Path("model.safetensors")):
    ...     raise OSError(28, "No space left on device")
    Traceback (most recent call last):
    ...
    OSError: [Errno 28] No space left on device: 'model.safetensors'
    """
    from safetensors import SafetensorError

    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error


def check_writable(tensors: Mapping[str, object]) -> None:
    """Refuse what a file of safetensors cannot hold.

    Parameters
    ----------
    tensors
        The state of a model.

    Raises
    ------
    InputError
        If something is no tensor, or of a type that safetensors (0.8) does not know, as ``complex128``.

    Examples
    --------
    >>> import torch
    >>> check_writable({"filter": torch.ones(2, dtype=torch.complex128)})
    Traceback (most recent call last):
    ...
    mmlego.errors.InputError: filter cannot be saved: expected a type of safetensors, got torch.complex128. Make it ...
    """
    import torch
    from safetensors.torch import save

    kinds: dict[torch.dtype, str] = {}
    for name, value in tensors.items():
        if not isinstance(value, torch.Tensor):
            raise InputError(f"{name} cannot be saved", expected="a tensor", got=type(value).__name__)
        kinds.setdefault(value.dtype, name)
    for kind, name in kinds.items():
        try:
            save({"x": torch.empty(0, dtype=kind)})
        except (KeyError, ValueError, TypeError, RuntimeError) as error:
            raise InputError(
                f"{name} cannot be saved",
                expected="a type of safetensors",
                got=kind,
                remedy="Make it complex64, or keep its real and imaginary part as two tensors."
                if kind.is_complex
                else "Keep it as another type.",
            ) from error


@contextlib.contextmanager
def folder_atomically(path: Path, *, overwrite: bool, ours: Callable[[Path], bool], what: str) -> Iterator[Path]:
    """Yield an empty folder that takes the place of ``path`` when the block ends without an error.

    Who may read it and all that is in it says the umask, whatever a library gave its files.

    Parameters
    ----------
    path
        Where the folder shall stand; an empty folder there is taken.
    overwrite
        Whether a folder of ours that stands there may be replaced.
    ours
        Whether a folder holds what may be replaced and nothing else, so that nothing else is ever removed.
    what
        What such a folder is called, for the message.

    Raises
    ------
    InputError
        If something stands there that may not be replaced.
    """
    path = path.resolve()  # a link stays, and a name such as "." gets a place among others
    replaceable = path.is_dir() and (not any(path.iterdir()) or (overwrite and ours(path)))
    if path.exists() and not replaceable:
        raise InputError(
            f"{path} exists",
            expected="a new or empty folder" + (f", or {what} and nothing else, to replace" if overwrite else ""),
            got="a folder with files" if path.is_dir() else "a file",
            remedy="Choose another place" + ("." if overwrite else ", or pass overwrite=True."),
        )
    make_folder(path.parent)
    fresh = path.with_name(f".{path.name}.new-{secrets.token_hex(6)}")
    fresh.mkdir()
    mode = fresh.stat().st_mode & 0o777
    try:
        yield fresh
        for place in fresh.rglob("*"):
            place.chmod(mode & 0o666 if place.is_file() else mode)
            if place.is_file():
                _flush(place)
        _swap(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _flush(file: Path) -> None:
    """Wait until a file is on the disk: what is renamed after it must not outlive it in a power cut."""
    with naming(file), file.open("rb+") as handle:
        os.fsync(handle.fileno())


def _swap(fresh: Path, path: Path) -> None:
    if not path.exists():
        fresh.rename(path)
        return
    aside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.old-"))
    path.rename(aside / "folder")
    try:
        fresh.rename(path)
    except OSError:
        (aside / "folder").rename(path)  # the old one comes back
        raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)
