"""Means and paired differences over repeated splits, with intervals that account for overlapping folds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Comparison:
    """A paired difference with its interval.

    Parameters
    ----------
    difference
        Mean of first less second.
    low, high
        95 % interval.
    """

    difference: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """``"better"`` or ``"worse"`` if the interval excludes zero, else ``"level"``."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "level"


def mean_or_nan(values: np.ndarray) -> np.ndarray:
    """Return the means over the first axis of what is known, NaN where nothing is.

    Examples
    --------
    >>> mean_or_nan(np.array([[1.0, np.nan, np.nan], [3.0, 4.0, np.nan]]))
    array([ 2.,  4., nan])
    """
    known = np.isfinite(values)
    count = known.sum(axis=0)
    total = np.where(known, values, 0.0).sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def compare(
    first: Sequence[float], second: Sequence[float], *, test_share: float, confidence: float = 0.95
) -> Comparison:
    """Compare two methods on the same splits by the corrected resampled t interval.

    The variance of the mean is ``(1/J + n_test/n_train) s²``, because training parts overlap between splits.
    Nadeau and Bengio 2003.

    Parameters
    ----------
    first, second
        Scores on the same ``J`` splits, in order; splits where one is NaN are left out.
    test_share
        ``n_test / (n_test + n_train)`` of each split.
    confidence
        Level of the interval.

    Returns
    -------
    Comparison
        NaN where fewer than two splits are left.

    Examples
    --------
    >>> compare([0.7, 0.8, 0.75], [0.6, 0.7, 0.65], test_share=0.2).verdict
    'better'
    """
    from scipy.stats import t

    differences = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    differences = differences[np.isfinite(differences)]
    count = len(differences)
    if count < 2:
        mean = float(differences.mean()) if count else math.nan
        return Comparison(mean, math.nan, math.nan)
    ratio = test_share / (1 - test_share)
    error = math.sqrt((1 / count + ratio) * float(differences.var(ddof=1)))
    reach = float(t.ppf(0.5 + confidence / 2, count - 1)) * error
    mean = float(differences.mean())
    return Comparison(mean, mean - reach, mean + reach)
