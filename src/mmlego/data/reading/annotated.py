"""AnnData and MuData, in memory or in files: matrices whose rows and columns have names.

A file is read part by part, each when it is wanted: names and one column of ``obs``, and the matrix in pieces. What
else lies in it, of whatever type, is not looked at. Rows and presence masks are matched by name, never by position:
mudata 0.3.10 puts observations in another order when it reads a file, and makes the masks anew.
"""

from __future__ import annotations

from typing import Any, Literal, Protocol, TypeAlias

from mmlego.data.reading.settled import closed
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import listed

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
