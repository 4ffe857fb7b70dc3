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
        The median of the known values, where as many patients have it as it has to stand for; else the mean of those in
        the middle.
    centre, variance
        Mean and (population) variance, missing values being the fill.
    constant
        Whether all known values are one.
    patients
        How many patients have a value.
    """

    fill: Floats
    centre: Floats
    variance: Floats
    constant: NDArray[np.bool_]
    patients: NDArray[np.int64]


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
            told[name] = advice(often, wrongs, ".")
            if told[name].numeric:  # in training they were no hundredths
                told[name] = replace(told[name], numeric=False, mend=told[name].example[0])
            told[name] = replace(told[name], categories=False)
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


def moments(
    values: Floats, columns: Sequence[str], *, least: int = 1, owners: NDArray[np.int64] | None = None
) -> Moments:
    """Return what is learnt of columns, each of which has a value.

    Parameters
    ----------
    values
        A matrix ``(n, f)``, NaN where missing.
    columns
        The names of its columns.
    least
        How many patients a fill has to stand for. The mean of the values in the middle is of so many of them, one more
        where that leaves as many on either side; of all of a column that fewer have.
    owners
        Whose each row is, ``(n,)``; None: each is a patient.

    Raises
    ------
    InputError
        If a variance is too large for a number.

    Examples
    --------
    >>> matrix = np.array([[1.0, 5.0], [np.nan, 5.0], [3.0, 5.0]])
    >>> moments(matrix, ["x", "y"]).fill.tolist()
    [2.0, 5.0]
    >>> moments(np.array([[1.0], [2.0], [6.0], [7.0]]), ["x"], least=3).fill.tolist()  # (1 + 2 + 6 + 7) / 4
    [4.0]
    """
    whose = np.arange(len(values)) if owners is None else owners
    wide = values.shape[1]
    found = Moments(*(np.zeros(wide, kind) for kind in (float, float, float, bool, np.int64)))
    for part in blocks(values):
        # (k, n), a column side by side; a copy, for it is filled, and what pandas 3 gives may not be written to
        block = np.array(values[:, part].T, order="C")
        ordered = np.sort(block, axis=1)  # NaN at the end
        known = (~np.isnan(block)).sum(axis=1)
        rows = np.arange(len(block))
        low, high = ordered[rows, (known - 1) // 2], ordered[rows, known // 2]
        with np.errstate(over="ignore", invalid="ignore"):
            fill = np.where(low == high, low, (low + high) / 2)
            if owners is None:
                found.patients[part] = known
                alone = (block == fill[:, None]).sum(axis=1) < np.minimum(least, known)
                fill[alone] = _middle(ordered[alone], known[alone], least)
            else:
                for row in rows:
                    found.patients[part.start + row] = len(np.unique(whose[~np.isnan(block[row])]))
                    if len(np.unique(whose[block[row] == fill[row]])) < least:
                        fill[row] = _middle_of(block[row], whose, least)
            found.fill[part] = fill
            found.constant[part] = ordered[:, 0] == ordered[rows, known - 1]
            np.copyto(block, fill[:, None], where=np.isnan(block))
            found.centre[part] = block.mean(axis=1)
            found.variance[part] = block.var(axis=1)
    huge = [name for name, spread in zip(columns, found.variance, strict=True) if not np.isfinite(spread)]
    if huge:
        raise InputError(f"values are too large to scale in {listed(huge)}", remedy="Use another unit, or logarithms.")
    return found


def _middle(ordered: Floats, known: NDArray[np.int64], least: int) -> Floats:
    """Return the mean of so many values in the middle of each row, of one more where an odd number is left."""
    width = np.minimum(least + (known - least) % 2, known)
    start = (known - width) // 2
    step = np.arange(least + 1)
    cells = np.take_along_axis(ordered, np.minimum(start[:, None] + step, known[:, None] - 1), axis=1)
    means: Floats = (np.where(step < width[:, None], cells, 0.0) / width[:, None]).sum(axis=1)
    return means


def _middle_of(values: Floats, owners: NDArray[np.int64], least: int) -> float:
    """Return the mean of the values in the middle, of as many as it takes to be of so many patients."""
    order = np.argsort(values, kind="stable")[: int((~np.isnan(values)).sum())]
    last = len(order)
    for width in range(1 + (last - 1) % 2, last + 1, 2):
        middle = order[(last - width) // 2 : (last + width) // 2]
        if len(np.unique(owners[middle])) >= least:
            return float((values[middle] / width).sum())
    return float((values[order] / last).sum())
