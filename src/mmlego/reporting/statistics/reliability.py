"""Whether of those given 30 % about 30 in 100 have the outcome: calibration of probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_Z = 1.959963984540054


@dataclass(frozen=True)
class Bin:
    """Some patients with like predictions.

    Parameters
    ----------
    patients
        How many.
    predicted
        The mean of their predicted probabilities.
    observed, low, high
        The share with the outcome, with its 95 % interval; NaN where it is not known.
    """

    patients: int
    predicted: float
    observed: float
    low: float
    high: float


@dataclass(frozen=True)
class Recalibration:
    """The logistic line that would mend probabilities: ``logit p' = a + b · logit p``; 0 and 1 need no mending.

    Parameters
    ----------
    intercept, slope
        ``a`` where ``b`` is held at 1 (calibration in the large), and ``b``; each with its 95 % interval (Wald).
    """

    intercept: tuple[float, float, float]
    slope: tuple[float, float, float]


def reliability(risk: Floats, truth: NDArray[np.bool_], bins: int) -> list[Bin]:
    """Compare predicted with observed shares in groups of like prediction, of about equal size.

    Parameters
    ----------
    risk : (n,)
        Predicted probabilities.
    truth : (n,) bool
        Who had the outcome.
    bins
        How many groups at most; equal predictions stay together.

    Returns
    -------
    list of Bin
        By rising prediction; intervals are Wilson's (1927).

    Examples
    --------
    >>> found = reliability(np.array([0.2, 0.2, 0.8, 0.8]), np.array([False, False, True, False]), 2)
    >>> [(one.patients, one.predicted, one.observed) for one in found]
    [(2, 0.2, 0.0), (2, 0.8, 0.5)]
    """
    found = []
    for rows in groups_of(risk, bins):
        share = float(truth[rows].mean())
        low, high = wilson(share, len(rows))
        found.append(Bin(len(rows), float(risk[rows].mean()), share, low, high))
    return found


def reliability_by(
    risk: Floats, bins: int, seen: Callable[[NDArray[np.int64]], tuple[float, float, float]]
) -> list[Bin]:
    """Compare predicted probabilities with shares that are estimated, as where patients are lost, in the same groups.

    Parameters
    ----------
    risk : (n,)
        Predicted probabilities.
    bins
        How many groups at most.
    seen
        Gives the share with the outcome and its 95 % interval among the patients of some rows.

    Returns
    -------
    list of Bin
        By rising prediction.

    Examples
    --------
    >>> reliability_by(np.array([0.4, 0.4]), 1, lambda rows: (0.5, 0.1, 0.9))
    [Bin(patients=2, predicted=0.4, observed=0.5, low=0.1, high=0.9)]
    """
    return [Bin(len(rows), float(risk[rows].mean()), *seen(rows)) for rows in groups_of(risk, bins)]


def groups_of(values: Floats, bins: int) -> list[NDArray[np.int64]]:
    """Return the rows of up to ``bins`` groups of about equal size by rising value; equal values stay together.

    Examples
    --------
    >>> [rows.tolist() for rows in groups_of(np.array([3.0, 1.0, 1.0, 2.0]), 2)]
    [[1, 2], [0, 3]]
    """
    values = np.asarray(values, dtype=float)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, values, side="left")
    return [np.flatnonzero(place == one) for one in range(len(edges) + 1) if (place == one).any()]


def wilson(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share of ``count`` patients (Wilson 1927).

    Examples
    --------
    >>> [round(end, 3) for end in wilson(0.0, 10)]
    [0.0, 0.278]
    """
    z2 = _Z * _Z
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    reach = _Z * math.sqrt(share * (1 - share) / count + z2 / (4 * count * count)) / (1 + z2 / count)
    return max(0.0, middle - reach), min(1.0, middle + reach)


def recalibration(log_odds: Floats, truth: NDArray[np.bool_]) -> Recalibration | None:
    """Fit intercept and slope of the outcome on the log-odds predicted (Cox 1958), by Newton's method.

    Parameters
    ----------
    log_odds : (n,)
        Of the predicted probabilities.
    truth : (n,) bool
        Who had the outcome.

    Returns
    -------
    Recalibration
        None where the fit does not exist: one outcome only, one prediction only, or predictions that tell all apart.

    Examples
    --------
    >>> odds = np.repeat([-1.0, 1.0], 4)
    >>> found = recalibration(odds, np.array([0, 0, 0, 1, 1, 1, 1, 0], dtype=bool))
    >>> round(found.slope[0], 3), round(found.intercept[0], 3)
    (1.099, 0.0)
    """
    x, y = np.asarray(log_odds, dtype=float), np.asarray(truth, dtype=float)
    if not 0 < y.sum() < len(y) or np.ptp(x) < 1e-9:
        return None
    ones = np.ones_like(x)
    alone = _newton(ones[:, None], x, y)
    both = _newton(np.stack([ones, x], axis=1), np.zeros_like(x), y)
    if alone is None or both is None:
        return None
    return Recalibration(alone[0], both[1])


def _newton(design: Floats, offset: Floats, y: Floats) -> list[tuple[float, float, float]] | None:
    beta = np.zeros(design.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ beta + offset, -700, 700)))
        information = (design * (p * (1 - p))[:, None]).T @ design
        if np.linalg.cond(information) > 1e12:
            return None
        step = np.linalg.solve(information, design.T @ (y - p))
        beta = beta + np.clip(step, -5, 5)
        if float(np.abs(step).max()) < 1e-9:
            errors = np.sqrt(np.diag(np.linalg.inv(information)))
            return [(float(b), float(b - _Z * e), float(b + _Z * e)) for b, e in zip(beta, errors, strict=True)]
    return None
