"""AnnData and MuData, in memory or in files: matrices whose rows and columns have names.

A file is read part by part, each when it is wanted: names and one column of ``obs``, and the matrix in pieces. What
else lies in it, of whatever type, is not looked at. Rows and presence masks are matched by name, never by position:
mudata 0.3.10 puts observations in another order when it reads a file, and makes the masks anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.settled import closed, sound
from mmlego.errors import InputError, UnknownNameError
from mmlego.extras import import_extra
from mmlego.wording import label, listed, meant

Axis: TypeAlias = Literal["obs", "var"]
INSTALL = "'mmlego[omics]'"
TYPES = "feature_types"  # the column of var in which 10x says what has been measured
READ = (
    "array",
    "string-array",
    "categorical",
    "nullable-integer",
    "nullable-boolean",
    "nullable-string-array",
    "dataframe",
)
SPARSE = ("csr_matrix", "csc_matrix")


class Annotated(Protocol):
    """An AnnData, or the whole of a MuData, wherever it lies."""

    def names(self, axis: Axis) -> list[str]:
        """Return the names of the observations, or of the variables."""

    def columns(self, axis: Axis) -> list[str]:
        """Return which columns describe them."""

    def column(self, axis: Axis, name: str) -> list[object]:
        """Return one of those columns, None where it is missing."""

    def layers(self) -> list[str]:
        """Return the names of the matrices beside ``X``; ``raw`` is one of them, where there is one."""

    def layer(self, name: str | None) -> tuple[Any, Annotated]:
        """Return a matrix (None: ``X``), and whose variables it has."""

    def mask(self, modality: str) -> Any:
        """Return what ``obsm`` holds under the name of a modality, or None."""

    def parts(self) -> list[str]:
        """Return the modalities of a MuData, or the tables of SpatialData."""

    def part(self, name: str) -> Annotated:
        """Return a modality of a MuData."""


class InMemory:
    """An AnnData or MuData as its package holds it.

    Parameters
    ----------
    data
        The object.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import pandas as pd
    >>> obs = pd.DataFrame({"id": ["p1", None]}, index=["c1", "c2"])
    >>> data = InMemory(SimpleNamespace(obs=obs, obs_names=obs.index))
    >>> data.names("obs"), data.column("obs", "id")
    (['c1', 'c2'], ['p1', None])
    """

    def __init__(self, data: Any) -> None:
        self._data = data

    def names(self, axis: Axis) -> list[str]:
        """Return the names of the observations, or of the variables."""
        return [str(name) for name in (self._data.obs_names if axis == "obs" else self._data.var_names)]

    def columns(self, axis: Axis) -> list[str]:
        """Return which columns describe them."""
        return [str(name) for name in getattr(self._data, axis).columns]

    def column(self, axis: Axis, name: str) -> list[object]:
        """Return one of those columns, None where it is missing."""
        return _cells(getattr(self._data, axis)[name])

    def layers(self) -> list[str]:
        """Return the names of the matrices beside ``X``."""
        raw = ["raw"] if getattr(self._data, "raw", None) is not None else []
        return [*map(str, self._data.layers), *raw]

    def layer(self, name: str | None) -> tuple[Any, InMemory]:
        """Return a matrix, and whose variables it has."""
        if name == "raw" and name not in self._data.layers:
            return self._data.raw.X, InMemory(self._data.raw)
        return self._data.X if name is None else self._data.layers[name], self

    def mask(self, modality: str) -> Any:
        """Return what ``obsm`` holds under the name of a modality, or None."""
        return self._data.obsm[modality] if modality in self._data.obsm else None

    def parts(self) -> list[str]:
        """Return the modalities of a MuData, or the tables of SpatialData."""
        return [str(name) for name in self._data.mod]

    def part(self, name: str) -> InMemory:
        """Return a modality of a MuData."""
        return InMemory(self._data.mod[name])


class Stored:
    """An AnnData or MuData in a group of an HDF5 file or a zarr store that is open.

    Parameters
    ----------
    group
        The group.
    """

    def __init__(self, group: Any) -> None:
        self._group = group

    def names(self, axis: Axis) -> list[str]:
        """Return the names of the observations, or of the variables."""
        table = self._table(axis)
        return [
            str(name) for name in (_read(table[table.attrs["_index"]]) if _by_column(table) else _read(table).index)
        ]

    def columns(self, axis: Axis) -> list[str]:
        """Return which columns describe them; none, of SpatialData as a whole."""
        if axis not in self._group and "tables" in self._group:
            return []
        table = self._table(axis)
        return [str(name) for name in (table.attrs["column-order"] if _by_column(table) else _read(table).columns)]

    def column(self, axis: Axis, name: str) -> list[object]:
        """Return one of those columns, None where it is missing."""
        table = self._table(axis)
        return _cells(_read(table[name]) if _by_column(table) else _read(table)[name])

    def layers(self) -> list[str]:
        """Return the names of the matrices beside ``X``."""
        names = list(self._group["layers"]) if "layers" in self._group else []
        return [*names, *(["raw"] if "raw" in self._group and "raw" not in names else [])]

    def layer(self, name: str | None) -> tuple[Any, Stored]:
        """Return a matrix that is read in pieces, and whose variables it has."""
        if name == "raw" and ("layers" not in self._group or name not in self._group["layers"]):
            raw = Stored(self._group["raw"])
            return raw._matrix("X"), raw
        return self._matrix("X" if name is None else f"layers/{name}"), self

    def mask(self, modality: str) -> Any:
        """Return what ``obsm`` holds under the name of a modality, or None."""
        stored = self._group.get(f"obsm/{modality}")
        return stored[...] if hasattr(stored, "dtype") else None

    def parts(self) -> list[str]:
        """Return the modalities of a MuData, or the tables of SpatialData."""
        place = self._place()
        return [str(name) for name in self._group[place]] if place in self._group else []

    def part(self, name: str) -> Stored:
        """Return a modality of a MuData."""
        return Stored(self._group[self._place()][name])

    def _place(self) -> str:
        """Return where modalities lie: SpatialData has tables, which are AnnData too."""
        return "mod" if "mod" in self._group else "tables"

    def _table(self, axis: Axis) -> Any:
        if axis not in self._group:
            raise InputError(f"there is no {axis!r}", expected="an AnnData", got=listed(self._group) or "nothing")
        return self._group[axis]

    def _matrix(self, name: str) -> Any:
        if name not in self._group:
            return None
        stored = self._group[name]
        form = stored.attrs.get("encoding-type", stored.attrs.get("h5sparse_format"))
        if hasattr(stored, "dtype") and form in (None, "array"):
            return stored
        if form in ("csr", "csc", *SPARSE):
            return import_extra("anndata.io", "reading a sparse matrix", INSTALL).sparse_dataset(closed(stored))
        raise InputError(f"{name} is of a type that is not read", expected="an array or a sparse matrix", got=form)


@dataclass(frozen=True)
class Part:
    """A matrix with the patients of its rows and the names of its columns.

    Parameters
    ----------
    matrix
        Numbers ``(n, f)``, dense or sparse, in memory or in a file.
    rows
        The numbers of the rows that count, ``(m,)``.
    patients
        Whose each of them is, ``(m,)``; None if nobody's.
    genes
        The names of the columns; None if it has none.
    types
        What has been measured in each column, where ``var`` says so.
    """

    matrix: Any
    rows: NDArray[np.int64]
    patients: list[object]
    genes: list[str | None]
    types: list[object] | None = None


def part_of(
    data: Annotated, *, layer: str | None = None, key: str | None = None, gene_column: str | None = None
) -> Part:
    """Return the matrix of an AnnData with its names.

    Parameters
    ----------
    data
        The AnnData.
    layer
        The layer to take in place of ``X``; ``raw`` is what AnnData keeps under that name.
    key
        The column of ``obs`` that holds patient ids; None, or one that is not there: the names of the observations.
    gene_column
        The column of ``var`` that holds the names of genes; None: the names of the variables.

    Raises
    ------
    UnknownNameError
        If there is no such layer or column.
    InputError
        If it holds no numbers.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> import pandas as pd
    >>> obs, names = pd.DataFrame(index=["a", "b"]), pd.Index(["TP53"])
    >>> data = SimpleNamespace(X=np.array([[1.0], [2.0]]), layers={}, obs=obs, obs_names=obs.index, var_names=names)
    >>> data.var = pd.DataFrame(index=names)
    >>> part = part_of(InMemory(data))
    >>> part.patients, part.genes
    (['a', 'b'], ['TP53'])
    """
    if layer is not None and layer not in data.layers():
        raise UnknownNameError(
            f"no layer {layer!r}", expected=f"one of {listed(data.layers()) or 'none'}", got=repr(layer)
        )
    matrix, named = data.layer(layer)
    if matrix is None:
        there = listed(data.layers())
        remedy = f"Say which layer holds them, as layer: one of {there}." if there else "Write the values to X."
        raise InputError("an AnnData without values in X", remedy=remedy)
    matrix = sound(matrix)
    kind = getattr(getattr(matrix, "dtype", None), "kind", "O")
    if len(getattr(matrix, "shape", ())) != 2 or kind not in "biuf":
        got = f"{getattr(matrix, 'shape', '')} of {getattr(matrix, 'dtype', type(matrix).__name__)}"
        raise InputError("an AnnData without a matrix of numbers", expected="numbers (n, f)", got=got)
    if gene_column is not None and gene_column not in named.columns("var"):
        raise UnknownNameError(f"no column {gene_column!r} in var", remedy=meant(gene_column, named.columns("var")))
    names: list[str | None] = list(named.names("var"))
    if gene_column is not None:
        names = [None if name is None else label(name) for name in named.column("var", gene_column)]
    ids: list[object] = list(data.names("obs"))
    if key is not None and key in data.columns("obs"):
        ids = data.column("obs", key)
    if matrix.shape != (len(ids), len(names)):
        raise InputError("an AnnData whose parts do not fit", expected=(len(ids), len(names)), got=matrix.shape)
    types = named.column("var", TYPES) if TYPES in named.columns("var") else None
    return Part(matrix, np.arange(len(ids)), ids, names, types)


def part_of_whole(
    whole: Annotated, modality: str, *, layer: str | None = None, key: str | None = None, gene_column: str | None = None
) -> Part:
    """Return one modality of a MuData with its names, and the rows of the observations who have it.

    Who has it stands in ``obsm[modality]``, booleans over all observations, where it is given; an observation that the
    mask leaves out does not count, whatever its row holds.

    Parameters
    ----------
    whole
        The MuData.
    modality
        One of its modalities.
    layer, gene_column
        As :func:`part_of` takes them.
    key
        The column of ``obs`` (the modality's, or the whole's) that holds patient ids; None, or one that is not there:
        the names of the observations.

    Raises
    ------
    UnknownNameError
        If there is no such modality, layer or column.
    InputError
        If names that stand twice leave open who has the modality.
    """
    if modality not in whole.parts():
        known = listed(whole.parts()) or "none: this is no MuData"
        raise UnknownNameError(f"no modality {modality!r}", expected=f"one of {known}", got=repr(modality))
    data = whole.part(modality)
    part = part_of(data, layer=layer, key=key, gene_column=gene_column)
    names = data.names("obs")
    patients, rows = part.patients, part.rows
    if key is not None and key not in data.columns("obs") and (ids := _ids_of_whole(whole, key)) is not None:
        patients = [ids.get(name) for name in names]
    flags = np.asarray(whole.mask(modality))
    if flags.dtype == np.bool_ and flags.size == len(everyone := whole.names("obs")):
        has = _by_name(everyone, flags.reshape(-1).tolist(), f"the mask of {modality!r}")
        rows = np.flatnonzero([bool(has.get(name)) for name in names])
        patients = [patients[row] for row in rows.tolist()]
    return Part(part.matrix, rows, patients, part.genes)


def patients_of_whole(whole: Annotated, key: str) -> list[object]:
    """Return whose each observation of a MuData is, where a column of the whole or of its modalities says so.

    Parameters
    ----------
    whole
        The MuData.
    key
        The column.

    Raises
    ------
    UnknownNameError
        If no ``obs`` has the column.
    InputError
        If an observation is one patient's in one modality and another's in another.
    """
    ids = _ids_of_whole(whole, key)
    if ids is None:
        raise UnknownNameError(f"no column {key!r} in obs", remedy=meant(key, whole.columns("obs")))
    return [ids.get(name) for name in whole.names("obs")]


def _ids_of_whole(whole: Annotated, key: str) -> dict[str, object] | None:
    """Return patients by the name of the observation, from the whole, else from the modalities that have the column."""
    if key in whole.columns("obs"):
        return _by_name(whole.names("obs"), whole.column("obs", key), f"{key!r} of the whole")
    parts = [part for part in map(whole.part, whole.parts()) if key in part.columns("obs")]
    names = [name for part in parts for name in part.names("obs")]
    ids = [patient for part in parts for patient in part.column("obs", key)]
    return _by_name(names, ids, f"{key!r} of the modalities") if parts else None


def _by_name(names: Sequence[str], values: Sequence[object], what: str) -> dict[str, object]:
    """Return values by name; a name may stand twice where both say the same."""
    found: dict[str, object] = {}
    for name, value in zip(names, values, strict=True):
        if found.setdefault(name, value) != value:
            raise InputError(
                f"observations named {name!r} differ in {what}",
                expected="names that say who it is",
                got=f"{found[name]} and {value}",
                remedy="Call .obs_names_make_unique() before it is put together.",
            )
    return found


def _by_column(table: Any) -> bool:
    """Whether a table is stored column by column, as since anndata 0.7; older ones are read whole."""
    return table.attrs.get("encoding-type") == "dataframe" and "_index" in table.attrs


def _read(stored: Any) -> Any:
    form = stored.attrs.get("encoding-type")
    strange, expected = f"{stored.name!r} is of a type that is not read", "numbers, text or categories"
    if form not in (None, *READ):
        raise InputError(strange, expected=expected, got=repr(form))
    try:
        return import_extra("anndata.io", "reading an AnnData", INSTALL).read_elem(stored)
    except MemoryError as error:
        what = f"{stored.name!r} says that it is larger than what is read"
        raise InputError(what, expected="what fits into the memory", got=error) from error
    except Exception as error:
        if type(error).__name__ != "IORegistryError":  # of anndata, which has no public name for it
            raise
        raise InputError(strange, expected=expected, got=repr(form or type(stored).__name__)) from error


def _cells(values: Any) -> list[object]:
    import pandas as pd

    column = pd.Series(values)
    cells: list[object] = column.astype(object).where(column.notna(), None).tolist()
    return cells
