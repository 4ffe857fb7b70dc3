"""Tables in Parquet files: numbers in one matrix, text as it is written, dates as dates."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mmlego.data.reading.delimited import Columns
from mmlego.data.reading.dialect import UNNAMED
from mmlego.errors import InputError
from mmlego.wording import label

if TYPE_CHECKING:
    import pyarrow as pa


# what pyarrow says of damaged files, and of types that they claim to hold
_UNREADABLE = (OSError, ValueError, NotImplementedError, LookupError)


class ParquetTable:
    """A Parquet file, opened; the row names of pandas that have no name of their own are an unnamed column.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it is damaged, or two columns have one name.
    """

    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    decimal = "."
    dotted: tuple[str, ...] = ()

    def __init__(self, path: Path) -> None:
        from pyarrow import parquet

        self.path = path
        try:
            with parquet.ParquetFile(path) as file:
                stored = file.schema_arrow.names
        except _UNREADABLE as error:
            raise InputError(str(error).removesuffix("."), expected="a whole Parquet file") from error
        if len(set(stored)) < len(stored):
            raise InputError("columns of the same name", remedy="Rename or drop them.")
        self._stored = {_renamed(name): name for name in stored}
        self.names = tuple(self._stored)

    def read(self, wanted: Sequence[str], text: Collection[str]) -> Columns:
        """Return some columns.

        Parameters
        ----------
        wanted
            The columns.
        text
            Those of them that are text.
        """
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(self.path) as file:
                table = file.read([self._stored[name] for name in wanted])
        except _UNREADABLE as error:
            raise InputError(str(error).removesuffix("."), expected="a whole Parquet file") from error
        kinds = {name: table.column(self._stored[name]).type for name in wanted}
        numbers = [name for name, kind in kinds.items() if name not in text and _is_number(kind)]
        matrix = np.empty((len(numbers), table.num_rows))
        for row, name in enumerate(numbers):
            matrix[row] = _float(table.column(self._stored[name]))
        known = set(numbers)
        others = {name: table.column(self._stored[name]) for name in wanted if name not in known}
        return Columns(numbers, matrix, {name: _cells(column, name in text) for name, column in others.items()})


def _renamed(name: str) -> str:
    return f"{UNNAMED}{name.rsplit('_', 3)[1]}" if name.startswith("__index_level_") else name or f"{UNNAMED}0"


def _is_number(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return any(
        test(kind) for test in (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
    )


def _float(column: pa.ChunkedArray) -> Any:
    import pyarrow as pa

    return column.cast(pa.float64(), safe=False).to_numpy()


def _cells(column: pa.ChunkedArray, text: bool) -> Any:
    """Return what is no number: texts and truth values as objects, dates as dates; as text all of it."""
    import pyarrow as pa

    if pa.types.is_temporal(column.type) and not text:
        return (
            column.to_pandas().to_numpy() if not pa.types.is_time(column.type) else _objects(column.cast(pa.string()))
        )
    if text and pa.types.is_integer(column.type):
        column = column.cast(pa.string())  # beside a null they would become floats, which tell few of them apart
    values = column.to_pylist()
    if text or pa.types.is_dictionary(column.type):
        values = [None if value is None else label(value) or None for value in values]
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found


def _objects(column: pa.ChunkedArray) -> Any:
    return np.array(column.to_pylist(), dtype=object)
