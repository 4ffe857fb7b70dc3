"""Which measurements are skewed so much that their logarithm says more."""

from __future__ import annotations

import numpy as np

from mmlego.data.kinds.series.binning import Floats

SKEWED = 1.0  # an exponential distribution has 2, a normal one 0
LESS = 0.9  # a flag that is almost always 0 stays as skewed as it was, but for rounding


def calls_for_log(values: Floats) -> bool:
    """Return whether values without a negative one are skewed to the right, and less so as ``log(1 + x)``.

    Parameters
    ----------
    values
        Of the training patients, ``(v,)``.

    Examples
    --------
    >>> calls_for_log(np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])), calls_for_log(np.array([36.5, 37.0, 37.5]))
    (True, False)
    """
    if len(values) == 0 or values.min() < 0:
        return False
    before = skewness(values)
    return before > SKEWED and abs(skewness(np.log1p(values))) < LESS * before


def skewness(values: Floats) -> float:
    """Return the third standardised moment, ``mean((x − mean)³) / sd³``; 0 where all values are the same.

    Parameters
    ----------
    values
        At least one, ``(v,)``.

    Examples
    --------
    >>> round(skewness(np.array([0.0, 0.0, 3.0])), 3), skewness(np.array([5.0, 5.0]))
    (0.707, 0.0)
    """
    apart = values - values.mean()
    scale = float(np.sqrt(np.mean(apart**2)))
    if not scale > 1e-6 * max(1.0, float(np.abs(values).max())):
        return 0.0
    return float(np.mean((apart / scale) ** 3))
