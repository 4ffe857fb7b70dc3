"""Matrices as their section says that they are read: some numbers are missing, columns of one name are one.

This is done piece by piece, as a matrix is read, so that a large sparse one is never made dense.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.missing import told_missing, without_codes
from mmlego.data.reading.remarks import Dropped
from mmlego.errors import InputError
from mmlego.wording import counted

SameName: TypeAlias = Literal["error", "first", "mean", "sum", "max"]


class Settled:
    """A matrix whose pieces are as a section says.

    Parameters
    ----------
    matrix
        Numbers ``(n, f)``, dense or sparse, in memory or in a file.
    names
        The names of its columns.
    missing
        Numbers that mean that nothing is known.
    same_name
        What becomes of columns of one name: ``first``, ``mean``, ``sum`` or ``max``, of those that are known.

    Examples
    --------
    >>> settled = Settled(np.array([[1.0, 2.0, -9.0], [3.0, 5.0, 4.0]]), ["TP53", "MYC", "TP53"], [-9.0], "mean")
    >>> settled.names, settled[0:2].tolist()
    (['TP53', 'MYC'], [[1.0, 2.0], [3.5, 5.0]])
    >>> [str(note) for note in settled.notes("rna")]
    ["rna: read as missing: '-9' 1×", 'rna: 1 gene with several columns: mean of them']
    """

    def __init__(
        self, matrix: Any, names: Sequence[str], missing: Collection[float] = (), same_name: SameName = "error"
    ) -> None:
        self.format = getattr(matrix, "format", None)
        if self.format not in (None, "csr", "csc"):
            matrix, self.format = matrix.tocsr(), "csr"
        self._matrix, self._missing, self._rule = matrix, missing, same_name
        self.chunks = getattr(matrix, "chunks", None)
        groups: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            groups.setdefault(name, []).append(place)
        self.names, self._groups = list(groups), list(groups.values())
        self._again = sum(len(group) > 1 for group in self._groups)
        self.shape = (matrix.shape[0], len(self.names))
        self.gone: Counter[str] = Counter()

    def __getitem__(self, place: Any) -> Any:
        """Return some rows, and of them some columns."""
        rows, columns = place if isinstance(place, tuple) else (place, slice(None))
        if not self._again:
            return self._known(sound(self._matrix[place]))
        groups = [self._groups[number] for number in np.arange(len(self._groups))[columns].tolist()]
        wanted = sorted(number for group in groups for number in group)
        if self.format == "csc":
            block = sound(self._matrix[:, np.array(wanted)])[rows]
        else:
            block = sound(self._matrix[rows])[:, wanted]
        where = {number: at for at, number in enumerate(wanted)}
        return _combined(self._known(block), [[where[number] for number in group] for group in groups], self._rule)

    def _known(self, block: Any) -> Any:
        if not self._missing:
            return block
        if hasattr(block, "toarray") and 0 not in self._missing:
            block = block.copy()
            block.data, gone = without_codes(block.data, self._missing)
        else:
            block, gone = without_codes(plain(block), self._missing)
        self.gone += gone
        return block

    def notes(self, where: str) -> list[Dropped]:
        """Return what was read as missing, and what became of columns of one name.

        Parameters
        ----------
        where
            The modality.
        """
        notes = told_missing(self.gone, where)
        if self._again:
            text = f"{counted(self._again, 'gene')} with several columns: {self._rule} of them"
            notes = [*notes, Dropped(where, text)]
        return notes


def plain(values: Any) -> NDArray[Any]:
    """Return numbers as a dense array of numpy; what is masked becomes NaN, not what lies under the mask.

    Parameters
    ----------
    values
        An array, maybe with a mask; or a sparse matrix.

    Examples
    --------
    >>> plain(np.ma.masked_equal([3, -1], -1))
    array([ 3., nan])
    """
    if not isinstance(values, np.ma.MaskedArray):
        return np.asarray(stored(values))
    if not np.ma.is_masked(values):
        return np.asarray(values.data)
    return np.ma.filled(values.astype(np.result_type(values.dtype, np.float32)), np.nan)


def stored(block: Any) -> Any:
    """Return a block that is neither lazy nor sparse.

    Parameters
    ----------
    block
        An array, one of dask, or a sparse matrix.

    Raises
    ------
    InputError
        If places of a sparse matrix lie outside of it.
    """
    block = sound(block.compute() if hasattr(block, "compute") else block)
    return block.toarray() if hasattr(block, "toarray") else block


def sound(block: Any) -> Any:
    """Return a block as it is; scipy does not look where a sparse one points, and would read and write there.

    Parameters
    ----------
    block
        An array or a sparse matrix.

    Raises
    ------
    InputError
        If places of a sparse matrix lie outside of it, or its rows begin before those above them.
    """
    if hasattr(block, "check_format"):
        try:
            block.check_format(full_check=True)
            if (starts := getattr(block, "indptr", None)) is not None and (np.diff(starts) < 0).any():
                raise ValueError("rows that begin before others above them")  # not looked at where the last is 0
        except (ValueError, TypeError) as error:
            expected = "indices within its shape, row by row"
            raise InputError(f"a sparse matrix is damaged ({error})", expected=expected) from error
    return block


def closed(stored: Any) -> Any:
    """Return a sparse matrix in a file as it is; its rows hold all of its values, which scipy asks of none.

    Parameters
    ----------
    stored
        A group of HDF5 or zarr with ``indptr``, ``indices`` and ``data``.

    Raises
    ------
    InputError
        If values stand before the first row or behind the last one, where they would be lost.
    """
    if "indptr" in stored and "data" in stored and (count := (starts := stored["indptr"]).shape[0]):
        ends, held = (int(starts[0]), int(starts[count - 1])), stored["data"].shape[0]  # zarr arrays have no len()
        if ends != (0, held):
            what = f"a sparse matrix is damaged (its rows hold values {ends[0]} to {ends[1]} of {held})"
            raise InputError(what, expected="rows that hold all of its values", remedy="Write the file anew.")
    return stored


def one_of_several(values: NDArray[Any], rule: SameName) -> NDArray[Any]:
    """Return one of several columns of one name; what is missing in one of them is taken from the others.

    Parameters
    ----------
    values
        The columns ``(n, k)``.
    rule
        ``first``, ``mean``, ``sum`` or ``max``.

    Examples
    --------
    >>> one_of_several(np.array([[1.0, 2.0], [np.nan, 4.0], [np.nan, np.nan]]), "sum")
    array([ 3.,  4., nan])
    """
    if rule == "first":
        return values[:, 0]
    numbers = values.astype(np.float64)
    lost = np.isnan(numbers).all(axis=1)
    reduce: Any = {"mean": np.nanmean, "sum": np.nansum, "max": np.nanmax}[rule]
    made = np.full(len(numbers), np.nan)
    made[~lost] = reduce(numbers[~lost], axis=1)
    return made


def _combined(block: Any, groups: Sequence[Sequence[int]], rule: SameName) -> Any:
    from scipy import sparse

    several = [number for number, group in enumerate(groups) if len(group) > 1]
    first = [group[0] for group in groups]
    made = [one_of_several(plain(block[:, groups[number]]), rule) for number in several]
    if not sparse.issparse(block):
        values = plain(block)[:, first]
        values = values.astype(np.result_type(values.dtype, *made)) if made and rule != "first" else values.copy()
        for number, column in zip(several, made, strict=True):
            values[:, number] = column
        return values
    if not several:
        return block[:, first]
    alone = [number for number in range(len(groups)) if len(groups[number]) == 1]
    columns = sparse.csr_matrix(np.stack(made, axis=1))
    joined = sparse.hstack([block[:, [first[number] for number in alone]], columns], format=block.format)
    return joined[:, np.argsort([*alone, *several])]
