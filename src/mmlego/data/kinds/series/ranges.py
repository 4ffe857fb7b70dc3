"""The ranges to which values of series are clipped: quantiles, at which enough patients lie or beyond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mmlego.data.kinds.series.binning import Floats, Integers
from mmlego.data.kinds.series.choices import declared

SPREAD = 3.0  # standard deviations on either side, where patients are too few for order statistics


def ranges(
    patient: Integers,
    variable: Integers,
    value: Floats,
    names: Sequence[str],
    clip: Mapping[str, tuple[float, float]],
    quantiles: tuple[float, float],
    least: int = 1,
) -> tuple[Floats, Floats, Integers]:
    """Return for each variable the range of its values, and in how many patients it was measured.

    Parameters
    ----------
    patient, variable, value
        Of each measurement ``(v,)``: the numbers of its patient and its variable.
    names
        The variables.
    clip
        By name or glob the range of plausible values.
    quantiles
        Ranges are never wider than these.
    least
        How many patients have a value at either end or beyond it, at least.

    Returns
    -------
    tuple
        Lower ends and upper ends, NaN of a variable that too few have; and patients.

    Examples
    --------
    >>> who, hr = np.array([0, 0, 1, 2, 3]), np.zeros(5, dtype=int)
    >>> beats = np.array([60.0, 61.0, 70.0, 80.0, 250.0])
    >>> [part.tolist() for part in ranges(who, hr, beats, ["HR"], {}, (0, 1), least=2)]
    [[70.0], [80.0], [4]]
    """
    low, high = np.full(len(names), np.nan), np.full(len(names), np.nan)
    patients = np.zeros(len(names), dtype=np.int64)
    order = np.argsort(variable, kind="stable")
    ends = np.searchsorted(variable[order], np.arange(len(names) + 1))
    for i, name in enumerate(names):
        mine = order[ends[i] : ends[i + 1]]
        owners, whose = np.unique(patient[mine], return_inverse=True)
        patients[i] = len(owners)
        if len(owners) < least or not len(mine):
            continue
        lowest, highest = declared(name, clip, (-np.inf, np.inf))
        values = value[mine].clip(lowest, highest)
        low[i], high[i] = np.quantile(values, quantiles)
        if least > 1:
            smallest, largest = np.full(len(owners), np.inf), np.full(len(owners), -np.inf)
            np.minimum.at(smallest, whose, values)
            np.maximum.at(largest, whose, values)
            low[i] = max(low[i], np.sort(smallest)[least - 1])
            high[i] = min(high[i], np.sort(largest)[-least])
        if low[i] > high[i]:
            centre, spread = float(values.mean()), float(values.std())
            floor = max(lowest, 0.0 if values.min() >= 0 else -np.inf)
            low[i] = max(floor, centre - SPREAD * spread)
            high[i] = min(highest, centre + SPREAD * spread)
    return low, high, patients
