"""Files of patch features: HDF5 as CLAM, TRIDENT and STAMP write it, tensors as torch saves them, zarr of LazySlide.

Only the header is read to begin with. Features that lie in one piece are mapped into memory, so that the patches that a
batch wants are all that is read; those in chunks are read chunk by chunk.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmlego.data.kinds.bag.tiles import tile_places
from mmlego.data.reading.fingerprints import file_fingerprint, folder_fingerprint
from mmlego.data.reading.matrices import PT, ZARR, Matrix, attributes_of, open_parts
from mmlego.errors import InputError
from mmlego.wording import listed

Numbers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float32]

FEATURES = ("features", "feats", "patch_embeddings")  # as CLAM and TRIDENT, as STAMP and as older tools call them
# What tells features of one kind from those of another, as STAMP and TRIDENT write it beside them.
MADE_WITH = (
    "extractor", "encoder", "patch_encoder", "model", "model_name", "feat_type", "tile_size_um", "tile_size",
    "tile_size_px", "patch_size", "target_magnification", "target_mpp",
)  # fmt: skip
COORDINATES = ("coords", "coordinates")
ROWS = 8192  # read at once from a dataset in chunks
TOLD = 64  # rows that tell one tensor from another


@dataclass(frozen=True)
class BagFile:
    """A file of patch features, its header read; the embedding of a whole slide is a bag of one.

    Parameters
    ----------
    path
        The file.
    dataset
        The name of the features in it, or ``""`` where the file is one tensor.
    tokens
        How many patches it holds; 1 where it holds one vector for the slide.
    width
        How many features each has.
    places
        How many places of patches stand beside them; None if none do.
    made
        How they were made, as the file says it: ``("extractor", "uni")``.
    names
        Of all matrices of the file; None if it is not known.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     torch.save(torch.ones(5, 3), Path(folder) / "slide.pt")
    ...     bag = BagFile.open(Path(folder) / "slide.pt")
    ...     bag.tokens, bag.width, bag.features(np.array([4, 2])).shape
    (5, 3, (2, 3))
    """

    path: Path
    dataset: str
    tokens: int
    width: int
    places: int | None = None
    made: tuple[tuple[str, str], ...] = ()
    names: frozenset[str] | None = None

    @classmethod
    def open(cls, path: Path, dataset: str | None = None) -> BagFile:
        """Read the header of a file.

        Parameters
        ----------
        path
            ``.h5`` or ``.hdf5``; ``.pt`` or ``.pth`` with nothing but tensors; ``.npy``; or a folder of ``.zarr``.
        dataset
            The name of the features; ``features``, ``feats`` or ``patch_embeddings`` if not given.

        Raises
        ------
        InputError
            If the file cannot be read, holds anything but tensors, or no features ``(n, f)`` of patches or ``(f,)`` of
            a slide, or features under two of these names.
        MissingExtraError
            If HDF5 is asked for and h5py is not installed.
        """
        with open_parts(path) as parts:
            name = _name(parts, dataset, path)
            shape = _shape(parts[name], path, name)
            beside = _beside(parts, name)
            places: list[int] = [] if beside is None else list(parts[beside].shape)
            said = attributes_of(parts, [name, *([] if beside is None else [beside])])
            names = frozenset(parts)
        made = tuple((one, said[one]) for one in MADE_WITH if one in said)
        return cls(path, name, *shape, places[-2] if len(places) > 1 else None, made, names)

    def features(self, rows: Numbers | None = None) -> Floats:
        """Return features ``(n, f)``, float32, of some patches or of all.

        Parameters
        ----------
        rows
            The numbers of the patches.

        Raises
        ------
        InputError
            If the file can no longer be read, or holds NaN or infinite values.
        """
        out = np.empty((self.tokens if rows is None else len(rows), self.width), dtype=np.float32)
        self.read_into(out, rows)
        return out

    def read_into(self, out: Floats, rows: Numbers | None = None) -> None:
        """Write features into an array ``(n, f)``, without a second copy in memory."""
        with self._parts() as parts:
            _fill(out, parts[self.dataset], rows)
        self._refuse_odd(out)

    def look_through(self) -> int:
        """Read all features, a few thousand patches at a time; return how many patches are blank.

        Raises
        ------
        InputError
            If the file cannot be read to its end, or holds NaN or infinite values.
        """
        blank = 0
        for block in self.blocks():
            self._refuse_odd(block)
            blank += int(blank_rows(block).sum())
        return blank

    def blocks(self) -> Iterator[Floats]:
        """Yield all features as they are, a few thousand patches ``(n, f)`` at a time, each time in the same memory."""
        block = np.empty((min(ROWS, self.tokens), self.width), dtype=np.float32)
        with self._parts() as parts:
            for start in range(0, self.tokens, ROWS):
                rows = np.arange(start, min(start + ROWS, self.tokens))
                _fill(block[: len(rows)], parts[self.dataset], rows)
                yield block[: len(rows)]

    def ends_blank(self) -> bool:
        """Return whether the last of several patches is blank, as where a bag was filled up to a length."""
        if self.tokens == 1:
            return False
        last = np.empty((1, self.width), dtype=np.float32)
        with self._parts() as parts:
            _fill(last, parts[self.dataset], np.array([self.tokens - 1]))
        return bool(blank_rows(last)[0])

    def beside(self, names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """Return what stands beside the features under some names, each as one row of numbers.

        Parameters
        ----------
        names
            As they are called in the group of the features.
        """
        group = "".join(self.dataset.rpartition("/")[:2])
        there = {name.removeprefix(group): f"{group}{name.removeprefix(group)}" for name in names}
        if self.names is not None and self.names.isdisjoint(there.values()):
            return {}  # most files have none, and to open each again takes long
        with self._parts() as parts:
            found = {name: parts[place] for name, place in there.items() if place in parts}
            return {name: np.asarray(part[:]).ravel() for name, part in found.items() if len(part.shape) < 4}

    def _refuse_odd(self, values: Floats) -> None:
        # One read of the data; the sum is finite unless a value is not, or it overflows: then look closer.
        with np.errstate(over="ignore", invalid="ignore"):
            suspect = not math.isfinite(float(values.sum()))
        if suspect and not np.isfinite(values).all():
            raise InputError(f"{self.path.name!r} holds NaN or infinite features", expected="finite numbers")

    def coords(self) -> NDArray[np.float64] | None:
        """Return where each patch lies, ``(n, 2)``, as the file says it; None if it does not.

        Of ``.zarr`` of LazySlide and SpatialData that is where the tiles of the table begin, by their ids.
        Beside the embedding of a whole slide stand the places of the patches that it was made of: they are of no use.

        Raises
        ------
        InputError
            If the file can no longer be read, or names another number of places.
        """
        with self._parts() as parts:
            name = _beside(parts, self.dataset)
            places = None if name is None else np.asarray(parts[name][:], dtype=np.float64)
        if places is None and self.path.suffix.lower() == ZARR:
            places = tile_places(self.path, self.dataset)
        if places is None:
            return None
        if places.ndim == 3 and len(places) == 1:
            places = places[0]
        if self.tokens == 1 and places.ndim == 2 and len(places) != 1:
            return None
        if places.ndim != 2 or len(places) != self.tokens:
            expected = f"({self.tokens}, 2)"
            raise InputError(f"the coordinates in {self.path.name!r} do not fit", expected=expected, got=places.shape)
        return places

    def fingerprint(self) -> bytes:
        """Return what tells the content of the file from another's."""
        if self.path.suffix.lower() in PT:
            # torch.save writes the name of the file into it: a copy that was saved again has other bytes.
            with self._parts() as parts:
                return _tensor_fingerprint(parts[self.dataset], self.tokens)
        if not self.path.is_dir():
            return file_fingerprint(self.path)
        table = self.path / "tables" / self.dataset / "X"
        return folder_fingerprint(table if table.is_dir() else self.path / self.dataset)

    @contextmanager
    def _parts(self) -> Iterator[Mapping[str, Matrix]]:
        with open_parts(self.path) as parts:
            if self.dataset not in parts or _shape(parts[self.dataset], self.path, "") != (self.tokens, self.width):
                raise InputError(f"file {self.path.name!r} has changed since the cohort was read")
            yield parts


def blank_rows(features: Floats) -> NDArray[np.bool_]:
    """Return which patches are of one value throughout, as zeros, or NaN throughout, ``(n,)``; of one feature none.

    Parameters
    ----------
    features
        ``(n, f)``.

    Examples
    --------
    >>> blank_rows(np.array([[0, 0], [1, 2], [3, 3], [np.nan, np.nan]], dtype=np.float32)).tolist()
    [True, False, True, True]
    """
    if features.shape[1] == 1:
        return np.zeros(len(features), dtype=bool)
    blank: NDArray[np.bool_] = (features == features[:, :1]).all(axis=1) | np.isnan(features).all(axis=1)
    return blank


def _tensor_fingerprint(matrix: Matrix, tokens: int) -> bytes:
    """Return a hash of the shape of a tensor and of rows spread evenly over it."""
    rows = torch.as_tensor(matrix).reshape(tokens, -1)
    some = rows[torch.linspace(0, tokens - 1, min(tokens, TOLD)).long()].contiguous()
    digest = hashlib.sha256(f"{tuple(rows.shape)} {rows.dtype}".encode())
    digest.update(some.view(torch.uint8).numpy().tobytes())
    return digest.digest()


def _name(parts: Mapping[str, Matrix], dataset: str | None, path: Path) -> str:
    """Return the name of the features among the parts of a file."""
    wanted = FEATURES if dataset is None else (dataset,)
    found = [name for name in wanted if name in parts]
    if not found and dataset is None:
        found = (
            [""] if "" in parts else [name for name in parts if path.suffix.lower() == ZARR and name not in COORDINATES]
        )
    if len(found) == 1:
        return found[0]
    remedy = "Name those that count, as features: NAME."
    if found:
        raise InputError(
            f"{path.name!r} holds features twice", expected="one of them", got=listed(found), remedy=remedy
        )
    got = listed(parts) or "nothing"
    raise InputError(f"{path.name!r} holds no features", expected=listed(wanted), got=got, remedy=remedy)


def _beside(parts: Mapping[str, Matrix], dataset: str) -> str | None:
    """Return the name of the places of patches beside features; None if there are none."""
    group = dataset.rpartition("/")
    return next((name for name in ("".join((*group[:2], name)) for name in COORDINATES) if name in parts), None)


def _shape(matrix: Matrix, path: Path, name: str) -> tuple[int, int]:
    shape = tuple(matrix.shape)
    if len(shape) == 3 and shape[0] == 1:  # some tools keep a batch of one
        shape = shape[1:]
    if len(shape) == 1 and shape[0] > 0:  # one vector for the whole slide
        shape = (1, *shape)
    if len(shape) != 2 or min(shape) == 0:
        what = f"{name!r} in {path.name!r}" if name else f"{path.name!r}"
        raise InputError(
            f"{what} {'is an empty bag' if len(shape) in (1, 2) and shape[0] == 0 else 'is no bag'}",
            expected="features (n, f) of at least one patch, or (f,) of a slide",
            got=f"shape {tuple(matrix.shape)}",
        )
    return int(shape[0]), int(shape[1])


def _fill(out: Floats, matrix: Matrix, rows: Numbers | None) -> None:
    """Write some rows of a matrix, or all, into an array."""
    if isinstance(matrix, Tensor):
        whole = matrix.reshape(matrix.shape[-2:]) if matrix.ndim > 1 else matrix[None]
        torch.from_numpy(out).copy_(whole if rows is None else whole[torch.from_numpy(rows)])
    elif isinstance(matrix, np.ndarray):
        array = matrix.reshape(matrix.shape[-2:]) if matrix.ndim > 1 else matrix[None]
        np.copyto(out, array if rows is None else array[rows], casting="unsafe")
    elif len(matrix.shape) == 1:
        out[:] = matrix[:]
    else:
        order = np.arange(len(out)) if rows is None else np.argsort(rows, kind="stable")
        wanted = order if rows is None else rows[order]
        for start in range(0, matrix.shape[-2], ROWS):
            low, high = np.searchsorted(wanted, (start, start + ROWS))
            if low < high:
                part = slice(start, start + ROWS)
                block = matrix[part] if len(matrix.shape) == 2 else matrix[0, part]
                out[order[low:high]] = block[wanted[low:high] - start]
