"""Matrices in files of HDF5 and of torch, read on demand; no other file is followed.

A file of torch is a pickle, which torch's restricted unpickler (``weights_only=True``) reads: it makes tensors and
plain containers, and refuses a file that names any other class or function, without calling it.
"""

from __future__ import annotations

import pickle
import struct
import tokenize
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from mmlego.data.reading.files import FREE_BYTES, RATIO, too_large
from mmlego.data.reading.zarrs import open_zarr
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import label, listed

LONGEST = 100  # letters of an attribute
H5, PT, ZARR, NPY = (".h5", ".hdf5"), (".pt", ".pth"), ".zarr", ".npy"

# What reading a damaged or hostile file may raise.
DAMAGE = (
    OSError,
    EOFError,
    RuntimeError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ImportError,
    AssertionError,
    OverflowError,
    SyntaxError,
    tokenize.TokenError,
    struct.error,
    pickle.UnpicklingError,
    zipfile.BadZipFile,
)


class Matrix(Protocol):
    """Numbers that are read when they are asked for: an array in a file, mapped into memory, or a dataset in chunks."""

    @property
    def shape(self) -> Any:
        """How many there are, along each axis."""

    def __getitem__(self, rows: Any, /) -> Any: ...


@contextmanager
def open_parts(path: Path) -> Iterator[Mapping[str, Matrix]]:
    """Open a file, and yield its matrices by name; a tensor alone has the name ``""``.

    Parameters
    ----------
    path
        ``.h5`` or ``.hdf5``, whose datasets in groups are called ``group/name``; ``.pt`` or ``.pth`` with a tensor, or
        a dict of tensors; ``.npy`` with one array; or a folder of ``.zarr``, whose matrices are its arrays, and ``X``
        of each of its tables by the name of the table.

    Raises
    ------
    InputError
        If the file is of another kind, damaged, holds anything but tensors, leads to another file, or would grow
        too large.
    MissingExtraError
        If HDF5 is asked for and h5py is not installed, or zarr is.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder) / "slide.pt"
    ...     torch.save({"features": torch.ones(5, 3)}, path)
    ...     with open_parts(path) as parts:
    ...         parts["features"].shape
    torch.Size([5, 3])
    """
    suffix = path.suffix.lower()
    if suffix in H5:
        h5py = import_extra("h5py", f"reading {path.name!r}", "'mmlego[bags]'")
        try:
            with h5py.File(path, "r", locking="best-effort") as file:
                yield _Datasets(h5py, file, path)
        except InputError:
            raise
        except DAMAGE as error:
            raise InputError(f"cannot read {path.name!r} ({error})", expected="a whole HDF5 file") from error
    elif suffix in PT:
        yield _tensors(path)
    elif suffix == NPY:
        yield {"": _array(path)}
    elif suffix == ZARR:
        with open_zarr(path) as group:
            yield _arrays(group, path)
    else:
        expected = listed((*H5, *PT, NPY, ZARR), 9)
        raise InputError(
            f"file {path.name!r} is of a kind that is not read", expected=expected, got=suffix or "a folder"
        )


class _Datasets(Mapping[str, Matrix]):
    """The datasets of an HDF5 file, those in groups as ``group/name``; links to other files are not seen."""

    def __init__(self, h5py: Any, file: Any, path: Path) -> None:
        self._h5py, self._file, self._path = h5py, file, path
        hard = (name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink))
        self._names = [name for name in hard if isinstance(file[name], h5py.Dataset)]

        def visit(name: str, found: Any) -> None:
            if "/" in name and isinstance(found, h5py.Dataset):
                self._names.append(name)

        file.visititems(visit)  # each but once, and along hard links alone

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, name: str) -> Matrix:
        if name not in self._names:
            raise KeyError(name)
        dataset, path = self._file[name], self._path
        if dataset.external or dataset.is_virtual:
            raise InputError(f"{name!r} in {path.name!r} lies in another file", remedy="Put the features in one file.")
        if dataset.shape is None or dataset.dtype.kind not in "fiub":
            expected, got = "an array of numbers", str(dataset.dtype)
            raise InputError(f"{name!r} in {path.name!r} is no matrix", expected=expected, got=got)
        size, offset = path.stat().st_size, dataset.id.get_offset()
        # What is mapped has to be stored as numpy has it: h5py says float32 of a bfloat16 of two bytes.
        plain = dataset.id.get_type() == self._h5py.h5t.py_create(dataset.dtype)
        if plain and dataset.chunks is None and offset is not None and self._file.userblock_size == 0:
            if offset + dataset.nbytes > size:
                raise InputError(f"{path.name!r} is truncated", expected=f"{offset + dataset.nbytes} bytes", got=size)
            return np.memmap(path, dataset.dtype, mode="r", offset=offset, shape=dataset.shape)
        allowed = max(FREE_BYTES, RATIO * size)
        if dataset.nbytes > allowed:
            raise too_large(path, allowed)
        matrix: Matrix = dataset
        return matrix

    def attributes(self, names: Sequence[str]) -> dict[str, str]:
        """Return the attributes of the file and of some datasets, those that are one short word or number."""
        found: dict[str, str] = {}
        for part in (self._file, *(self._file[name] for name in reversed(names))):
            for name in part.attrs:
                try:
                    value = part.attrs[name]
                except DAMAGE:  # of a type that h5py does not know
                    continue
                value = value.item() if isinstance(value, np.ndarray | np.generic) and value.size == 1 else value
                value = value.decode(errors="replace") if isinstance(value, bytes) else value
                if isinstance(value, str | int | float) and len(str(value)) <= LONGEST:
                    found[str(name)] = label(value)
        return found


def attributes_of(parts: Mapping[str, Matrix], names: Sequence[str]) -> dict[str, str]:
    """Return what HDF5 says of a whole file and of some of its matrices, short words and numbers alone; else nothing.

    Parameters
    ----------
    parts
        As :func:`open_parts` yields them.
    names
        The matrices; what is said of the first counts before what is said of others, and of the file.
    """
    return parts.attributes(names) if isinstance(parts, _Datasets) else {}


def _arrays(group: Any, path: Path) -> dict[str, Matrix]:
    """Return the arrays of a zarr folder, and the values of the tables that SpatialData and LazySlide keep in it."""
    found: dict[str, Matrix] = dict(group.arrays())
    tables = dict(group["tables"].groups()) if "tables" in group else {}
    for name, table in tables.items():
        values = table.get("X")
        if hasattr(values, "shape"):  # of a sparse table X is a group
            found[name] = values
    kinds = {name: np.dtype(array.dtype) for name, array in found.items()}  # type: ignore[attr-defined]
    odd = {name: str(kind) for name, kind in kinds.items() if kind.kind not in "fiu"}
    if odd:
        got = listed(f"{name} of {kind}" for name, kind in odd.items())
        raise InputError(f"{path.name!r} holds arrays that are no numbers", expected="arrays of numbers", got=got)
    return found


def _array(path: Path) -> Matrix:
    """Return the array in a file of numpy, mapped into memory; one of objects, which would be unpickled, is refused."""
    try:
        found: Matrix = np.load(path, mmap_mode="r", allow_pickle=False)
    except DAMAGE as error:
        pickled = "object" in str(error)  # numpy recommends to load it all the same
        why = "it holds objects, and nothing of it was executed" if pickled else first_line(error)
        raise InputError(f"cannot read {path.name!r} ({why})", expected="an array of numbers") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
        got = getattr(found, "dtype", type(found).__name__)
        raise InputError(
            f"{path.name!r} is no array of numbers", expected="features as numpy.save writes them", got=got
        )
    return found


def _tensors(path: Path) -> dict[str, Matrix]:
    """Return the tensors in a file, mapped into memory."""
    try:
        packed = zipfile.is_zipfile(path)
        if packed:
            with zipfile.ZipFile(path) as archive:
                if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
                    raise InputError(f"{path.name!r} is compressed", expected="a file as torch.save writes it")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what it says of old formats is nothing that the user can mend
            # Files of before torch 1.6 cannot be mapped; they too are read by the restricted unpickler.
            found = torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
    except InputError:
        raise
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path.name!r} holds something else than tensors, and nothing of it was executed",
            expected="a tensor, or a dict of tensors",
            remedy="Save the features alone, as torch.save(features, path).",
        ) from error
    except DAMAGE as error:
        raise InputError(f"cannot read {path.name!r} ({first_line(error)})", expected="a whole file") from error
    parts = found if isinstance(found, dict) else {"": found}
    return {str(name): _checked(value, path) for name, value in parts.items()}


def _checked(value: object, path: Path) -> Matrix:
    if not isinstance(value, Tensor):
        raise InputError(
            f"{path.name!r} holds something else than tensors",
            expected="a tensor, or a dict of tensors",
            got=type(value).__name__,
        )
    tensor = value.detach()
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.is_complex() or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        # A view that repeats its numbers would be a small file that fills the memory.
        raise InputError(f"{path.name!r} holds a tensor that is no plain array", expected="numbers, each stored")
    return tensor


def first_line(error: BaseException) -> str:
    r"""Return the first line of what an error says, or its name.

    Parameters
    ----------
    error
        The error.

    Examples
    --------
    >>> first_line(ValueError("no HDF5 file\nat line 3"))
    'no HDF5 file'
    """
    return next(iter(str(error).splitlines()), type(error).__name__)
