"""Modalities of patients by name, in a form that scikit-learn can index by patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mmlego.errors import InputError, ShapeError, UnknownNameError
from mmlego.wording import listed

if TYPE_CHECKING:
    from collections.abc import ItemsView, KeysView, ValuesView


class Modalities:
    """Modalities of ``n`` patients by name: the X of estimators where one table does not hold it.

    A plain dict will not do: scikit-learn takes its length for the number of patients. This has the length ``n`` and
    the shape ``(n, m)``, and is indexed by rows, as ``cross_val_score``, ``GridSearchCV`` and ``train_test_split`` do;
    by a name it gives a modality.

    Parameters
    ----------
    modalities
        For each modality a row a patient, the same patient in each: a DataFrame, an array ``(n, f)``, or a list of
        ``n`` arrays (``(f,)``, a bag ``(n_i, f)``), DataFrames or texts. A row of NaN alone, or None in a list, is a
        patient who does not have it.

    Raises
    ------
    InputError
        If there is none.
    ShapeError
        If they differ in length.

    Examples
    --------
    >>> X = Modalities({"rna": np.eye(3), "wsi": [np.ones((5, 2)), None, np.ones((2, 2))]})
    >>> len(X), X.shape, X[[2, 0]]["wsi"][0].shape
    (3, (3, 2), (2, 2))
    """

    __iter__ = None  # of what, names or patients, nobody could tell

    def __init__(self, modalities: Mapping[str, Any]) -> None:
        if not isinstance(modalities, Mapping) or not modalities:
            raise InputError("no modalities", expected="tables by name", got=repr(type(modalities).__name__))
        self._values = {str(name): _column(str(name), value) for name, value in modalities.items()}
        lengths = {name: len(value) for name, value in self._values.items()}
        if len(set(lengths.values())) > 1:
            told = listed(f"{name} {rows}" for name, rows in lengths.items())
            raise ShapeError("modalities differ in their number of rows", expected="a row a patient in each", got=told)

    def __len__(self) -> int:
        return len(next(iter(self._values.values())))

    @property
    def shape(self) -> tuple[int, int]:
        """How many patients and modalities there are."""
        return len(self), len(self._values)

    def __getitem__(self, key: Any) -> Any:
        """Return a modality by its name, or some patients by row numbers, a slice or a boolean mask."""
        if isinstance(key, str):
            if key not in self._values:
                raise UnknownNameError(f"no modality {key!r}", expected=f"one of {listed(self._values)}", got=repr(key))
            return self._values[key]
        if isinstance(key, tuple):  # as arrays are indexed: X[rows, ...]
            key, rest = key[0], key[1:]
            if any(one is not Ellipsis and one != slice(None) for one in rest):
                raise InputError("modalities are indexed by rows", expected="X[rows], or X[name]", got=repr(rest))
        chosen: Any = [key] if isinstance(key, int | np.integer) else key
        rows = np.arange(len(self))[chosen]
        taken = {name: _taken(value, rows) for name, value in self._values.items()}
        return type(self)(taken)

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __repr__(self) -> str:
        return f"Modalities({len(self)} patients; {listed(self._values, 8)})"

    def keys(self) -> KeysView[str]:
        """Return the names."""
        return self._values.keys()

    def values(self) -> ValuesView[Any]:
        """Return the modalities."""
        return self._values.values()

    def items(self) -> ItemsView[str, Any]:
        """Return names and modalities."""
        return self._values.items()


def _column(name: str, value: Any) -> Any:
    import pandas as pd

    if isinstance(value, pd.DataFrame | pd.Series):
        return value
    ragged = isinstance(value, Sequence) and not isinstance(value, str)
    if not ragged and getattr(value, "ndim", 0) == 2:
        array = np.asarray(value)
        return pd.DataFrame(array, columns=[f"{name}_{i}" for i in range(array.shape[1])])
    if not ragged and getattr(value, "ndim", 0) < 1:
        raise InputError(
            f"modality {name!r}", expected="a DataFrame, an array (n, f), or a list of n cells", got=repr(type(value))
        )
    cells = np.empty(len(value), dtype=object)
    for row, cell in enumerate(value):
        cells[row] = cell
    return cells


def _taken(value: Any, rows: Any) -> Any:
    return value.iloc[rows] if hasattr(value, "iloc") else cast(Any, value)[rows]
