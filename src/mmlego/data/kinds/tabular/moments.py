"""Numbers of a table as a matrix, and what is learnt of its columns: a few columns at a time, for tables are large."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.column_remedies import Advice, advice, remedy
from mmlego.data.reading.joins import pick
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.words import INFINITE
from mmlego.errors import InputError
from mmlego.wording import label, listed

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
AT_ONCE = 2**21  # values


class Moments(NamedTuple):
    """What is learnt of columns of numbers, ``(f,)`` each.

    Parameters
    ----------
    fill
        The median of the known values.
    centre, variance
        Mean and (population) variance, missing values being the median.
    constant
        Whether all known values are one.
    """

    fill: Floats
    centre: Floats
    variance: Floats
    constant: NDArray[np.bool_]


def matrix_of(frame: pd.DataFrame, columns: Sequence[str]) -> Floats:
    """Return columns as float64 ``(n, f)``, NaN where missing, not copied if they lie in one piece.

    Parameters
    ----------
    frame
        The table.
    columns
        Columns of numbers, truth values, or numbers as text.

    Raises
    ------
    InputError
        If a column holds text, dates or infinite values.

    Examples
    --------
    >>> import pandas as pd
    >>> matrix_of(pd.DataFrame({"x": ["1", None], "y": [True, False]}), ["x", "y"]).tolist()
    [[1.0, 1.0], [nan, 0.0]]
    """
    chosen = pick(frame, columns)
    kinds = set(chosen.dtypes)
    odd = [name for name, kind in chosen.dtypes.items() if kind.kind in "mMc"]  # pandas would count nanoseconds
    if odd:
        raise InputError(f"dates or complex numbers in {listed(odd)}", expected="numbers, as in training")
    if kinds == {np.dtype(np.float64)}:
        values: Floats = chosen.to_numpy()
    else:
        try:
            values = chosen.to_numpy(dtype=np.float64, na_value=np.nan)
        except (TypeError, ValueError):
            values = _of_words(chosen)
    refuse_infinite(values, columns, "infinite")
    return values


def _of_words(frame: pd.DataFrame) -> Floats:
    """Return columns of numbers and text as numbers; words that say that nothing is known are missing."""
    import pandas as pd

    made: list[Floats] = []
    odd: dict[str, pd.Series] = {}
    told: dict[str, Advice] = {}
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if column.dtype.kind not in "iufb":
            cells = column.astype(object)
            column = cells.where(~cells.map(lambda cell: isinstance(cell, str) and is_missing(cell)).astype(bool), None)
        values = pd.to_numeric(column, errors="coerce")
        wrong = column.notna() & values.isna()
        if wrong.any() or values.dtype.kind not in "iufb":
            odd[name] = column[wrong] if wrong.any() else column
            often, wrongs = (Counter(map(label, cells.dropna())) for cells in (column, odd[name]))
            told[name] = replace(advice(often, wrongs, "."), categories=False)
        made.append(values.to_numpy(dtype=np.float64, na_value=np.nan) if name not in odd else np.empty(0))
    if odd:
        words = [listed(dict.fromkeys(map(repr, cells))) for cells in odd.values()]
        columns = f"column {next(iter(odd))!r} holds" if len(odd) == 1 else f"{len(odd)} columns hold"
        raise InputError(
            f"{columns} something else than numbers",
            expected="numbers, as in training",
            got=words[0] if len(odd) == 1 else "; ".join(map(": ".join, zip(odd, words, strict=True))),
            remedy=remedy(told),
        )
    return np.stack(made, axis=1)


def refuse_infinite(values: NDArray[np.floating], columns: Sequence[str], what: str) -> None:
    """Refuse infinite values.

    Parameters
    ----------
    values
        A matrix ``(n, f)``.
    columns
        The names of its columns.
    what
        What they are, for the message.

    Raises
    ------
    InputError
        If there are any.
    """
    bad = [name for part in blocks(values) for name in np.array(columns[part])[np.isinf(values[:, part]).any(axis=0)]]
    if bad:
        raise InputError(
            f"values are {what} in {listed(bad)}",
            expected="finite values, or missing ones",
            remedy=INFINITE if what == "infinite" else None,
        )


def blocks(values: NDArray[np.floating]) -> Iterator[slice]:
    """Yield which columns of a matrix are looked at together.

    Parameters
    ----------
    values
        The matrix ``(n, f)``.

    Examples
    --------
    >>> list(blocks(np.zeros((2**20, 3))))
    [slice(0, 2, None), slice(2, 4, None)]
    """
    step = max(1, AT_ONCE // max(1, len(values)))
    return (slice(start, start + step) for start in range(0, values.shape[1], step))


def moments(values: Floats, columns: Sequence[str]) -> Moments:
    """Return median, mean, variance and constancy of columns, each of which has a value.

    Parameters
    ----------
    values
        A matrix ``(n, f)``, NaN where missing.
    columns
        The names of its columns.

    Raises
    ------
    InputError
        If a variance is too large for a number.

    Examples
    --------
    >>> moments(np.array([[1.0, 5.0], [np.nan, 5.0], [3.0, 5.0]]), ["x", "y"]).fill.tolist()
    [2.0, 5.0]
    """
    found = Moments(*(np.zeros(values.shape[1], kind) for kind in (float, float, float, bool)))
    for part in blocks(values):
        # (k, n), a column side by side; a copy, for it is filled, and what pandas 3 gives may not be written to
        block = np.array(values[:, part].T, order="C")
        ordered = np.sort(block, axis=1)  # NaN at the end
        known = (~np.isnan(block)).sum(axis=1)
        rows = np.arange(len(block))
        low, high = ordered[rows, (known - 1) // 2], ordered[rows, known // 2]
        with np.errstate(over="ignore", invalid="ignore"):
            fill = np.where(low == high, low, (low + high) / 2)
            found.fill[part] = fill
            found.constant[part] = ordered[:, 0] == ordered[rows, known - 1]
            np.copyto(block, fill[:, None], where=np.isnan(block))
            found.centre[part] = block.mean(axis=1)
            found.variance[part] = block.var(axis=1)
    huge = [name for name, spread in zip(columns, found.variance, strict=True) if not np.isfinite(spread)]
    if huge:
        raise InputError(f"values are too large to scale in {listed(huge)}", remedy="Use another unit, or logarithms.")
    return found
