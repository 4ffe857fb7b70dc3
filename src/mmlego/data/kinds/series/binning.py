"""Irregular measurements → equal bins of time: pure functions on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Rule: TypeAlias = Literal["mean", "first", "last", "min", "max", "sum", "count"]
RULES: tuple[Rule, ...] = get_args(Rule)

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


class Cells(NamedTuple):
    """Which measurements share a cell, that is, a variable and a bin.

    Parameters
    ----------
    order
        The measurements, cell by cell, ``(v,)``; those of one cell in order of time.
    start
        Where in ``order`` each cell begins, ``(g,)``.
    variable, row
        Of each cell, ``(g,)``; cells are sorted by variable, then by row.
    """

    order: Integers
    start: Integers
    variable: Integers
    row: Integers


def bins_of(time: Floats, width: float, horizon: float | None = None) -> Integers:
    """Return the bin ``⌊time / width⌋`` of each measurement; one made just at the horizon belongs to the last.

    Parameters
    ----------
    time
        Hours since the start, ≥ 0, ``(v,)``.
    width
        Hours a bin.
    horizon
        The end of the last bin; what was measured later gets −1. None: no end.

    Examples
    --------
    >>> bins_of(np.array([0.0, 1.9, 2.0, 4.0, 4.1]), width=2.0, horizon=4.0).tolist()
    [0, 0, 1, 1, -1]
    """
    place = np.floor(time / width).astype(np.int64)
    if horizon is None:
        return place
    return np.where(time <= horizon, np.minimum(place, count_bins(horizon, width) - 1), -1)


def count_bins(horizon: float, width: float) -> int:
    """Return how many bins reach up to a horizon.

    Parameters
    ----------
    horizon, width
        Hours, both positive.

    Examples
    --------
    >>> count_bins(48.0, 1.0), count_bins(5.0, 2.0)
    (48, 3)
    """
    return int(np.ceil(horizon / width - 1e-9))


def group_cells(variable: Integers, row: Integers) -> Cells:
    """Group measurements, which come in order of time, by variable and row.

    Parameters
    ----------
    variable, row
        Of each measurement, ``(v,)``, ≥ 0.

    Examples
    --------
    >>> cells = group_cells(np.array([1, 0, 1]), np.array([5, 7, 5]))
    >>> cells.variable.tolist(), cells.row.tolist(), cells.start.tolist(), cells.order.tolist()
    ([0, 1], [7, 5], [0, 1], [1, 0, 2])
    """
    rows = int(row.max(initial=0)) + 1
    key = variable.astype(np.int64) * rows + row
    order = np.argsort(key, kind="stable")
    key = key[order]
    start = np.flatnonzero(np.diff(key, prepend=-1))
    return Cells(order, start, key[start] // rows, key[start] % rows)


def aggregate(value: Floats, cells: Cells, rule: Rule) -> Floats:
    """Return one value a cell.

    Parameters
    ----------
    value
        Of each measurement, ``(v,)``.
    cells
        From :func:`group_cells`.
    rule
        ``mean``, ``first``, ``last``, ``min``, ``max``, ``sum`` or ``count``.

    Examples
    --------
    >>> cells = group_cells(np.array([0, 0, 0]), np.array([3, 3, 4]))
    >>> {rule: aggregate(np.array([1.0, 3.0, 5.0]), cells, rule).tolist() for rule in ("mean", "last", "count")}
    {'mean': [2.0, 5.0], 'last': [3.0, 5.0], 'count': [2.0, 1.0]}
    """
    if len(cells.start) == 0:
        return np.zeros(0)
    sizes = np.diff(cells.start, append=len(cells.order))
    value = value[cells.order]
    of: dict[Rule, Callable[[], Floats]] = {
        "mean": lambda: np.add.reduceat(value, cells.start) / sizes,
        "first": lambda: value[cells.start],
        "last": lambda: value[cells.start + sizes - 1],
        "min": lambda: np.minimum.reduceat(value, cells.start),
        "max": lambda: np.maximum.reduceat(value, cells.start),
        "sum": lambda: np.add.reduceat(value, cells.start),
        "count": lambda: sizes.astype(np.float64),
    }
    return of[rule]()
