"""Preprocessing of one table: fitted on training rows alone, saved as JSON, the same at prediction."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import BaseModel
from torch import Tensor

from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.kinds.tabular.state import TableState
from mmlego.errors import InputError, LegoWarning
from mmlego.wording import counted, label, listed, meant

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
MOST_CATEGORIES = 64


@dataclass(frozen=True)
class TablePreprocessor(Preprocessing):
    """Columns of a table → float32 features; made by :meth:`fit` or :meth:`from_config`.

    Numbers and booleans: missing values become the training median, then x ↦ (x − mean) / sd with the mean and
    the (population) standard deviation of the imputed training rows. Anything else is a category and becomes
    one 0/1 feature per value seen in training; missing and unknown values become zeros.

    Parameters
    ----------
    numeric
        The numeric columns kept, in order.
    fill, centre, scale
        Median, mean and standard deviation of each numeric column.
    categories
        For each categorical column, in order, its values.
    dropped
        The columns left out at fitting, each with the reason.

    Examples
    --------
    >>> import pandas as pd
    >>> train = pd.DataFrame({"age": [40.0, 60.0, None, 50.0], "sex": ["f", "m", "f", None], "site": 1})
    >>> table = TablePreprocessor.fit(train)
    >>> table.features, table.dropped
    (('age', 'sex=f', 'sex=m'), {'site': 'constant'})
    >>> table.transform(pd.DataFrame({"age": [50.0, None], "sex": ["m", None]})).tolist()
    [[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    """

    name: ClassVar[str] = "table"
    saved_as: ClassVar[type[BaseModel]] = TableState
    called: ClassVar[str] = "a table"

    numeric: tuple[str, ...]
    fill: tuple[float, ...]
    centre: tuple[float, ...]
    scale: tuple[float, ...]
    categories: Mapping[str, tuple[str, ...]]
    dropped: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def fit(cls, frame: pd.DataFrame, *, keep: int | None = None) -> Self:
        """Learn medians, means, deviations and categories from training rows.

        Rows that are entirely missing do not count. Constant columns are dropped; so are, with a warning,
        columns without any value.

        Parameters
        ----------
        frame
            The training rows, one column a variable.
        keep
            At most so many numeric columns, those of the largest variance before scaling; None for all.

        Returns
        -------
        TablePreprocessor
            The fitted preprocessing.

        Raises
        ------
        InputError
            If a column holds infinite values, dates or too many categories, or nothing is left.

        Warns
        -----
        LegoWarning
            If a column has no value at all.

        Examples
        --------
        >>> import pandas as pd
        >>> table = TablePreprocessor.fit(pd.DataFrame({"a": [0.0, 9.0], "b": [0.0, 1.0]}), keep=1)
        >>> table.columns, table.fill, table.scale
        (('a',), (4.5,), (4.5,))
        """
        frame = _named(frame)
        if keep is not None and keep < 1:
            raise InputError("keep is not positive", expected="how many numeric columns to keep, or None", got=keep)
        missing = frame.isna()
        dropped = dict.fromkeys(frame.columns[missing.all()], "no value")
        if dropped and len(dropped) < frame.shape[1]:
            text = (
                f"{counted(len(dropped), 'column')} without any value in the training rows dropped: {listed(dropped)}."
            )
            warnings.warn(text, LegoWarning, stacklevel=2)
        frame = frame.loc[~missing.all(axis=1), [name for name in frame.columns if name not in dropped]]
        if frame.empty:
            raise InputError("no training row has a value", expected="at least one", got=f"{len(missing)} rows")
        numeric = [name for name in frame.columns if _is_numeric(frame[name])]
        values = _numbers(frame, numeric)
        fill, centre, scale, variance = _moments(values, numeric)
        kept = [i for i, constant in enumerate(_constant(values)) if not constant and variance[i] > 0]
        if keep is not None:
            kept = sorted(sorted(kept, key=lambda i: -variance[i])[:keep])
        categories = {name: _categories(frame[name]) for name in frame.columns.difference(numeric, sort=False)}
        for name in [name for name, known in categories.items() if len(known) == 1 and not frame[name].isna().any()]:
            del categories[name]
            dropped[name] = "constant"
        for i in sorted(set(range(len(numeric))) - set(kept)):
            dropped[numeric[i]] = "small variance" if variance[i] > 0 else "constant"
        if not kept and not categories:
            raise InputError("no column tells training rows apart", got=listed(f"{k}: {v}" for k, v in dropped.items()))
        return cls(
            numeric=tuple(numeric[i] for i in kept),
            fill=tuple(fill[kept].tolist()),
            centre=tuple(centre[kept].tolist()),
            scale=tuple(scale[kept].tolist()),
            categories=categories,
            dropped=dropped,
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that a table must have at prediction."""
        return (*self.numeric, *self.categories)

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features, ``column`` or ``column=category``."""
        return (*self.numeric, *(f"{name}={value}" for name, known in self.categories.items() for value in known))

    @property
    def out_features(self) -> int:
        """How many features there are."""
        return len(self.features)

    def transform(self, frame: pd.DataFrame) -> Tensor:
        """Return the features of a table.

        Parameters
        ----------
        frame
            Rows with at least the columns of :attr:`columns`, in any order.

        Returns
        -------
        Tensor
            Features ``(n, f)``, float32, finite.

        Raises
        ------
        InputError
            If a column is missing, or holds infinite values or text in place of numbers.

        Warns
        -----
        LegoWarning
            If a category was not seen in training.

        Examples
        --------
        >>> import pandas as pd
        >>> table = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
        >>> table.transform(pd.DataFrame({"age": [70.0, None]}))
        tensor([[2.],
                [0.]])
        """
        frame = self._needed(frame)
        values = _numbers(frame, self.numeric)
        values = np.where(np.isnan(values), np.asarray(self.fill), values)
        with np.errstate(over="ignore"):
            scaled = ((values - np.asarray(self.centre)) / np.asarray(self.scale)).astype(np.float32)
        _refuse_infinite(scaled, self.numeric, "too far from the training values")
        parts = [scaled]
        for name, known in self.categories.items():
            given = np.array([None if value is None else label(value) for value in _plain(frame[name])], dtype=object)
            unknown = sorted({value for value in given if value is not None} - set(known))
            if unknown:
                text = f"Column {name!r} has values not seen in training, taken as missing: {listed(unknown)}."
                warnings.warn(text, LegoWarning, stacklevel=2)
            parts.append((given[:, None] == np.array(known, dtype=object)).astype(np.float32))
        return torch.from_numpy(np.concatenate(parts, axis=1))

    def observed(self, frame: pd.DataFrame) -> Tensor:
        """Return which rows have at least one value; the others count as patients without the modality.

        Parameters
        ----------
        frame
            Rows with at least the columns of :attr:`columns`.

        Returns
        -------
        Tensor
            Booleans ``(n,)``.

        Raises
        ------
        InputError
            If a column is missing.

        Examples
        --------
        >>> import pandas as pd
        >>> table = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
        >>> table.observed(pd.DataFrame({"age": [None, 50.0]})).tolist()
        [False, True]
        """
        return torch.from_numpy(self._needed(frame).notna().any(axis=1).to_numpy(dtype=bool, copy=True))

    def blank(self) -> Tensor:
        """Return the features of nobody, ``(0, f)``."""
        return torch.zeros(0, self.out_features)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the name of the encoder that suits a table, and the arguments that follow from the data."""
        return "snn", {"in_features": self.out_features}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold.

        Examples
        --------
        >>> import pandas as pd
        >>> table = TablePreprocessor.fit(pd.DataFrame({"age": [40.0, 60.0]}))
        >>> TablePreprocessor.from_config(table.config()) == table
        True
        """
        return {
            "name": self.name,
            "version": 1,
            "numeric": list(self.numeric),
            "fill": list(self.fill),
            "centre": list(self.centre),
            "scale": list(self.scale),
            "categories": [[name, list(known)] for name, known in self.categories.items()],
            "dropped": dict(self.dropped),
        }

    @classmethod
    def _restored(cls, state: TableState) -> Self:
        return cls(
            numeric=tuple(state.numeric),
            fill=tuple(state.fill),
            centre=tuple(state.centre),
            scale=tuple(state.scale),
            categories={name: tuple(known) for name, known in state.categories},
            dropped=state.dropped,
        )

    def _needed(self, frame: pd.DataFrame) -> pd.DataFrame:
        frame = _named(frame)
        absent = [name for name in self.columns if name not in frame.columns]
        if absent:
            raise InputError(
                f"{counted(len(absent), 'column')} missing in the table: {listed(absent)}",
                expected=f"the {len(self.columns)} columns seen in training",
                remedy=meant(absent[0], [str(name) for name in frame.columns]),
            )
        return frame[list(self.columns)]


def _named(frame: pd.DataFrame) -> pd.DataFrame:
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    again = frame.columns[frame.columns.duplicated()]
    if len(again):
        raise InputError(f"columns of the same name ({listed(dict.fromkeys(again))})", remedy="Rename or drop them.")
    return frame


def _is_numeric(column: pd.Series) -> bool:
    from pandas.api import types

    if types.is_numeric_dtype(column.dtype) and not types.is_complex_dtype(column.dtype):
        return True
    found = types.infer_dtype(column, skipna=True)
    if found in ("string", "categorical", "mixed", "mixed-integer", "empty"):
        return False
    if found in ("boolean", "integer", "floating", "mixed-integer-float", "decimal"):
        return True
    raise InputError(
        f"column {column.name!r} is of a type that a table cannot have",
        expected="numbers, booleans or text",
        got=found,
        remedy="Turn dates into numbers, say days since admission.",
    )


def _numbers(frame: pd.DataFrame, columns: Sequence[str]) -> Floats:
    """Return columns as float64 ``(n, f)``, NaN where missing; refuse text and infinite values."""
    chosen = frame[list(columns)]
    odd = [name for name, dtype in chosen.dtypes.items() if dtype.kind in "mMc"]  # pandas would count nanoseconds
    if odd:
        raise InputError(f"dates or complex numbers in {listed(odd)}", expected="numbers, as in training")
    try:
        values = chosen.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError) as error:
        raise _not_a_number(frame, columns) from error
    _refuse_infinite(values, columns, "infinite")
    return values


def _not_a_number(frame: pd.DataFrame, columns: Sequence[str]) -> InputError:
    import pandas as pd

    for name in columns:
        bad = frame[name].notna() & pd.to_numeric(frame[name], errors="coerce").isna()
        if bad.any():
            words = listed(dict.fromkeys(map(repr, frame.loc[bad, name])))
            return InputError(
                f"column {name!r} holds something else than numbers", expected="numbers, as in training", got=words
            )
    return InputError("columns that are not numbers", expected="numbers", got=listed(columns))


def _refuse_infinite(values: NDArray[np.floating], columns: Sequence[str], what: str) -> None:
    bad = np.isinf(values).any(axis=0)
    if bad.any():
        names = listed(name for name, wrong in zip(columns, bad, strict=True) if wrong)
        raise InputError(f"values are {what} in {names}", expected="finite values, or missing ones")


def _constant(values: Floats) -> list[bool]:
    return [bool(np.nanmin(column) == np.nanmax(column)) for column in values.T]


def _moments(values: Floats, columns: Sequence[str]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return median, mean, standard deviation and variance of the imputed columns."""
    fill = np.nanmedian(values, axis=0) if values.shape[1] else np.zeros(0)
    imputed = np.where(np.isnan(values), fill, values)
    with np.errstate(over="ignore", invalid="ignore"):
        centre, variance = imputed.mean(axis=0), imputed.var(axis=0)
    huge = [name for name, spread in zip(columns, variance, strict=True) if not np.isfinite(spread)]
    if huge:
        raise InputError(f"values are too large to scale in {listed(huge)}", remedy="Use another unit, or logarithms.")
    return fill, centre, np.sqrt(variance), variance


def _categories(column: pd.Series) -> tuple[str, ...]:
    known = sorted({label(value) for value in _plain(column) if value is not None})
    if len(known) > MOST_CATEGORIES:
        raise InputError(
            f"column {column.name!r} has {len(known)} different texts",
            expected=f"at most {MOST_CATEGORIES} categories",
            got=listed(known, 3),
            remedy="Leave it out if it is an identifier, or group its values.",
        )
    return tuple(known)


def _plain(column: pd.Series) -> list[object]:
    return column.astype(object).where(column.notna(), None).tolist()
