"""AnnData and MuData files (``.h5ad``, ``.h5mu``, ``.zarr``), looked through before they are read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mmlego.data.reading.annotated import INSTALL, Annotated, Stored
from mmlego.data.reading.files import FREE_BYTES, RATIO, too_large
from mmlego.data.reading.matrices import DAMAGE, first_line
from mmlego.data.reading.zarrs import open_zarr
from mmlego.errors import InputError, LegoError
from mmlego.extras import import_extra

CONTAINERS = (".h5ad", ".h5mu", ".zarr")


@contextmanager
def open_annotated(path: Path) -> Iterator[Annotated]:
    """Open an AnnData, a MuData, or all that SpatialData holds, and name the file in what goes wrong.

    Parameters
    ----------
    path
        ``.h5ad``, ``.h5mu``, or a folder ``.zarr`` of either or of SpatialData.

    Raises
    ------
    InputError
        If the file cannot be read, leads to another file, would grow too large, or holds what is not known.
    MissingExtraError
        If a package is not installed.
    """
    import_extra("anndata", f"reading {path.name!r}", INSTALL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the package's own future, or names that are not unique
            if path.name.lower().endswith(".zarr"):
                with open_zarr(path) as group:
                    yield Stored(group)
            else:
                h5py = import_extra("h5py", f"reading {path.name!r}", INSTALL)
                with h5py.File(path, "r", locking="best-effort") as file:
                    total, allowed = _total(h5py, file, path), max(FREE_BYTES, RATIO * path.stat().st_size)
                    if total > allowed:
                        raise too_large(path, allowed)
                    yield Stored(file)
    except LegoError:
        raise
    except DAMAGE as error:
        raise InputError(f"cannot read {path.name!r} ({first_line(error)})", expected="a whole file") from error


def _total(h5py: Any, group: Any, path: Path) -> int:
    """Return how many bytes all that is in a group would take, unpacked; refuse what lies in another file."""
    total = 0
    for name in group:
        link = group.get(name, getlink=True)
        if isinstance(link, h5py.ExternalLink):
            raise InputError(f"{name!r} in {path.name!r} lies in another file", remedy="Put all in one file.")
        if isinstance(link, h5py.SoftLink):
            continue  # what it leads to is met where it is
        part = group[name]
        if isinstance(part, h5py.Group):
            total += _total(h5py, part, path)
        elif isinstance(part, h5py.Dataset):
            if part.external or part.is_virtual:
                raise InputError(f"{name!r} in {path.name!r} lies in another file", remedy="Put all in one file.")
            total += int(part.nbytes or 0)
    return total
