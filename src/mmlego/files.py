"""Writing so that nothing is lost: a file or folder appears whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from mmlego.errors import InputError


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file beside its place and move it there in one step.

    Parameters
    ----------
    path
        Where the file shall stand; missing folders are made.
    content
        Text (written as UTF-8) or bytes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


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
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}.new-"))
    try:
        yield fresh
        for file in (place for place in fresh.rglob("*") if place.is_file()):
            _flush(file)
        fresh.chmod(0o755)
        _swap(fresh, path)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _flush(file: Path) -> None:
    """Wait until a file is on the disk: what is renamed after it must not outlive it in a power cut."""
    with file.open("rb+") as handle:
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
