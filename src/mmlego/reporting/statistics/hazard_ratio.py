"""How much faster the event comes in one group than in another: Cox's hazard ratio of two groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class HazardRatio:
    """A hazard ratio with its 95 % interval (Wald).

    Parameters
    ----------
    value, low, high
        NaN where it cannot be told: a group without an event has none that is finite.
    """

    value: float
    low: float
    high: float


def hazard_ratio(event: NDArray[np.bool_], time: NDArray[np.float64], higher: NDArray[np.bool_]) -> HazardRatio:
    """Fit Cox's model of one yes-or-no covariate by Newton's method, tied events as Efron (1977) has them.

    Parameters
    ----------
    event : (n,) bool
        Whether the event was observed.
    time : (n,)
        Time of the event or of censoring.
    higher : (n,) bool
        Who is in the group whose hazard stands above the line.

    Returns
    -------
    HazardRatio
        Of ``higher`` over the others.

    Examples
    --------
    >>> event, time = np.ones(4, dtype=bool), np.array([1.0, 3.0, 2.0, 4.0])
    >>> round(hazard_ratio(event, time, np.array([True, True, False, False])).value, 3)
    2.562
    """
    event, time, higher = np.asarray(event, dtype=bool), np.asarray(time, dtype=float), np.asarray(higher, dtype=bool)
    nothing = HazardRatio(math.nan, math.nan, math.nan)
    steps = _steps(event, time, higher)
    if not steps or not event[higher].any() or not event[~higher].any():
        return nothing
    beta = 0.0
    for _ in range(50):
        score, information = _derivatives(steps, beta)
        if information <= 1e-12:
            return nothing
        step = max(-2.0, min(2.0, score / information))
        beta += step
        if abs(step) < 1e-10:
            break
    if abs(beta) > 15:
        return nothing  # the groups do not overlap in time: the likelihood has no maximum
    reach = 1.959963984540054 / math.sqrt(_derivatives(steps, beta)[1])
    return HazardRatio(math.exp(beta), math.exp(beta - reach), math.exp(beta + reach))


@dataclass(frozen=True)
class _Step:
    """An event time: who is there and who has the event, of both groups."""

    here: tuple[int, int]
    events: tuple[int, int]


def _steps(event: NDArray[np.bool_], time: NDArray[np.float64], higher: NDArray[np.bool_]) -> list[_Step]:
    at = np.unique(time[event])
    there, died = [], []
    for group in (~higher, higher):
        mine = np.sort(time[group])
        there.append(len(mine) - np.searchsorted(mine, at, side="left"))
        died.append(np.bincount(np.searchsorted(at, time[group & event]), minlength=len(at)))
    rows = zip(there[0].tolist(), there[1].tolist(), died[0].tolist(), died[1].tolist(), strict=True)
    return [_Step((a, b), (c, d)) for a, b, c, d in rows]


def _derivatives(steps: list[_Step], beta: float) -> tuple[float, float]:
    """Return the first derivative of the log partial likelihood, and the negative second."""
    ratio, score, information = math.exp(beta), 0.0, 0.0
    for one in steps:
        d = sum(one.events)
        score += one.events[1]
        for tied in range(d):
            left = 1 - tied / d  # Efron: of those tied, the share that is thought to be still there
            low = one.here[0] - one.events[0] * (1 - left)
            high = (one.here[1] - one.events[1] * (1 - left)) * ratio
            share = high / (low + high)
            score -= share
            information += share * (1 - share)
    return score, information
