"""AnnData and MuData files (``.h5ad``, ``.h5mu``), looked through before they are read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmlego.data.reading.containers import anndata_to_frame, mudata_to_frame
from mmlego.data.reading.files import FREE_BYTES, RATIO, too_large
from mmlego.data.reading.matrices import DAMAGE, first_line
from mmlego.errors import InputError
from mmlego.extras import import_extra

if TYPE_CHECKING:
    import pandas as pd

_INSTALL = "'mmlego[omics]'"


def read_h5ad(path: Path, layer: str | None = None, key: str | None = None) -> pd.DataFrame:
    """Read an AnnData from its file, indexed by patient.

    Parameters
    ----------
    path
        The ``.h5ad`` file.
    layer
        The layer to take in place of ``X``.
    key
        The column of ``obs`` that holds patient ids; None, or one that is not there: the names of the observations.

    Raises
    ------
    InputError
        If the file cannot be read, leads to another file, or would grow too large.
    MissingExtraError
        If anndata is not installed.
    """
    anndata = import_extra("anndata", f"reading {path.name!r}", _INSTALL)
    with _reading(path):
        data = anndata.read_h5ad(path)
    return anndata_to_frame(data, layer=layer, key=key)


def read_h5mu(path: Path, modality: str, layer: str | None = None, key: str | None = None) -> pd.DataFrame:
    """Read one modality of a MuData from its file, indexed by patient; its presence mask says who has it.

    Parameters
    ----------
    path
        The ``.h5mu`` file.
    modality
        One of its modalities.
    layer
        The layer to take in place of ``X``.
    key
        The column of ``obs`` that holds patient ids; None, or one that is not there: the names of the observations.

    Raises
    ------
    InputError
        If the file cannot be read, leads to another file, or would grow too large.
    UnknownNameError
        If there is no such modality.
    MissingExtraError
        If mudata is not installed.
    """
    mudata = import_extra("mudata", f"reading {path.name!r}", _INSTALL)
    h5py = import_extra("h5py", f"reading {path.name!r}", _INSTALL)
    with _reading(path):
        data = mudata.read_h5mu(path)
        with h5py.File(path, "r", locking="best-effort") as file:  # the package makes the masks anew when it reads
            stored = file.get(f"obsm/{modality}")
            mask = stored[...] if isinstance(stored, h5py.Dataset) else None
    return mudata_to_frame(data, modality, layer=layer, key=key, mask=mask)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Look through an HDF5 file first, and name it in what goes wrong."""
    h5py = import_extra("h5py", f"reading {path.name!r}", _INSTALL)
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            total = _total(h5py, file, path)
        allowed = max(FREE_BYTES, RATIO * path.stat().st_size)
        if total > allowed:
            raise too_large(path, allowed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about the package's own future, or names that are not unique
            yield
    except InputError:
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
