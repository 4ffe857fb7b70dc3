"""Patients of whom most columns are a small part of what they were in training: another scale, or nothing measured.

A logarithm among counts, or a row of zeros, is far from training in no single column where values are skewed; in most
columns at once nobody is: of values that are never below 0, whose deviation is at most their mean, no more than 55 %
lie below a tenth of that (Cantelli: P(x ≤ m − t) ≤ s² / (s² + t²), here with s = m and t = 0.9 m).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SMALL = 0.1  # of the mean of training
MOST = 0.75  # of the columns that a patient has
FEWEST = 50  # columns


class FaintRows:
    """Counts, part by part of the columns, how many of a patient's values are below a tenth of the mean of training.

    Columns that vary by more than their mean do not count, nor such of noughts and ones, of which all may be 0.

    Parameters
    ----------
    patients
        How many rows there are, ``n``.

    Examples
    --------
    >>> rows = FaintRows(3)
    >>> told = np.array([[500.0] * 60, [9.0] * 60, [0.0] * 60])
    >>> rows.add(told, np.full(60, 450.0), np.full(60, 80.0))
    >>> rows.told()[1]
    '60 of 60 columns below a tenth of their mean in training: another scale, or nothing measured?'
    >>> rows.told()[2]
    '0 in all of 60 columns: nothing measured?'
    """

    def __init__(self, patients: int) -> None:
        self._known, self._small = np.zeros(patients, dtype=np.int64), np.zeros(patients, dtype=np.int64)
        self._all, self._zeros = np.zeros(patients, dtype=np.int64), np.zeros(patients, dtype=np.int64)

    def add(self, values: NDArray[np.float64], mean: NDArray[np.float64], spread: NDArray[np.float64]) -> None:
        """Count a part of the columns.

        Parameters
        ----------
        values
            ``(n, f)``, none below 0, NaN where missing.
        mean, spread
            Mean and standard deviation of training, ``(f,)``.
        """
        binary = np.isclose(spread**2, mean * (1 - mean))
        steady = (spread <= mean) & ~binary
        some, more = values[:, steady], values[:, ~binary]
        self._known += (~np.isnan(some)).sum(axis=1)
        self._small += (some < SMALL * mean[steady]).sum(axis=1)
        self._all += (~np.isnan(more)).sum(axis=1)
        self._zeros += (more == 0).sum(axis=1)

    def told(self) -> dict[int, str]:
        """Return by row what is doubtful of it."""
        faint = (self._known >= FEWEST) & (self._small > MOST * self._known)
        why = "below a tenth of their mean in training: another scale, or nothing measured?"
        found = {
            row: f"{self._small[row]:,} of {self._known[row]:,} columns {why}" for row in np.flatnonzero(faint).tolist()
        }
        empty = np.flatnonzero((self._all >= FEWEST) & (self._zeros == self._all))
        return found | {row: f"0 in all of {self._all[row]:,} columns: nothing measured?" for row in empty.tolist()}
