"""Whether cumulative incidences of several groups differ, where other causes compete: the test of Gray."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmlego.reporting.statistics.log_rank import Difference
from mmlego.reporting.statistics.resampling import Floats


def gray_test(came: NDArray[np.int64], time: Floats, group: NDArray[np.int64], cause: int = 1) -> Difference:
    """Compare observed events of a cause in each group with those expected if all had one cumulative incidence.

    As the log-rank test, with R = Y (1 − F(t−)) / S(t−) in place of the Y patients at risk: who had the event of
    another cause still counts among those who might have had this one, as far as censoring would have left them there
    (Gray 1988, with ρ = 0). The variance is his, as integrals over the events of the cause and of the others; of d
    events at one time each counts as the hypergeometric distribution has it. That variance supposes that the groups
    are alike: where one is all but gone while others are there it is large, and the test, as cmprsk has it, too, says
    less than it might.

    Parameters
    ----------
    came : (n,)
        0 where the patient was censored, else the number of the cause that came, from 1.
    time : (n,)
        Of that event, or of censoring.
    group : (n,)
        The group of each patient; any numbers.
    cause
        Which.

    Returns
    -------
    Difference
        NaN where there is one group only, nobody has an event of the cause, or the groups are never at risk together.

    Examples
    --------
    >>> came, time = np.array([1, 1, 2, 1, 2, 2]), np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> found = gray_test(came, time, np.array([0, 0, 0, 1, 1, 1]))
    >>> round(found.statistic, 3), found.freedom
    (2.438, 1)
    """
    from scipy.stats import chi2

    came, time = np.asarray(came), np.asarray(time, dtype=float)
    names, member = np.unique(group, return_inverse=True)
    k, nothing = len(names), Difference(float("nan"), float("nan"), max(len(names) - 1, 0))
    if k < 2 or not (came == cause).any():
        return nothing
    at = np.unique(time[came > 0])
    rows = [member == one for one in range(k)]
    y = np.stack([len(time[one]) - np.searchsorted(np.sort(time[one]), at, side="left") for one in rows]).astype(float)
    mine, others = (
        np.stack([_counted(time[one & kind], at) for one in rows])
        for kind in (came == cause, (came > 0) & (came != cause))
    )  # (k, t)
    there = y > 0
    least = np.where(there, y, 1.0)
    free = np.cumprod(1 - (mine + others) / least, axis=1)  # S
    before = _before(free, 1.0)
    incidence = np.cumsum(before * mine / least, axis=1)  # F
    h = np.where(there, y / np.where(there, before, 1.0), 0.0)  # who were there if nobody had had an event
    risk = h * (1 - _before(incidence, 0.0))  # R
    d, all_h = mine.sum(axis=0), h.sum(axis=0)
    excess = (mine - d * risk / risk.sum(axis=0)).sum(axis=1)
    pooled = np.cumsum(d / all_h)  # F if all had one
    left = 1 - _before(pooled[None], 0.0)[0]
    a = h[:, None] * (np.eye(k)[:, :, None] - h / all_h)  # (k, k, t)
    if np.abs(a[:, :, (d > 0) & (left <= 1e-12)]).max(initial=0.0) > 1e-12:
        return nothing
    c = np.cumsum(a * d / all_h / np.where(left > 0, left, 1.0), axis=2)
    later = c[:, :, -1:] - c
    share = np.divide(1 - pooled, free, out=np.zeros_like(free), where=free > 0)
    of_mine = a + (1 - share) * later
    of_others = -share * later
    spread = np.where(there, before * d / (all_h * least) * _tied(d, all_h * before), 0.0)
    spread_others = np.where(free > 0, before**2 * others / least**2 * _tied(others, y), 0.0)
    variance = np.einsum("ikt,jkt,kt->ij", of_mine, of_mine, spread)
    variance += np.einsum("ikt,jkt,kt->ij", of_others, of_others, spread_others)
    excess, variance = excess[:-1], variance[:-1, :-1]
    if not np.linalg.matrix_rank(variance):
        return nothing
    statistic = float(excess @ np.linalg.pinv(variance) @ excess)
    return Difference(statistic, float(chi2.sf(statistic, k - 1)), k - 1)


def _counted(time: Floats, at: Floats) -> Floats:
    return np.bincount(np.searchsorted(at, time), minlength=len(at)).astype(float)


def _before(curves: NDArray[np.floating], start: float) -> Floats:
    """Return left limits of step functions ``(k, t)``."""
    return np.concatenate([np.full((len(curves), 1), start), curves[:, :-1]], axis=1)


def _tied(events: Floats, there: Floats) -> Floats:
    return np.where(events > 1, 1 - (events - 1) / np.where(there > 1, there - 1, 1.0), 1.0)
