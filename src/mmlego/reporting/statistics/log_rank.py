"""Whether the curves of several groups differ: the log-rank test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Difference:
    """What a test of several groups found.

    Parameters
    ----------
    statistic
        χ² with ``groups − 1`` degrees of freedom.
    p
        The probability of one as large if all groups had one curve; NaN where nothing can be compared.
    freedom
        Degrees of freedom.
    """

    statistic: float
    p: float
    freedom: int


def log_rank(event: NDArray[np.bool_], time: NDArray[np.float64], group: NDArray[np.int64]) -> Difference:
    """Compare observed events of each group with those expected if all had one hazard.

    At each event time a group expects d · nᵍ / n events, with the variance of the hypergeometric distribution
    (Mantel 1966; Peto and Peto 1972).

    Parameters
    ----------
    event : (n,) bool
        Whether the event was observed.
    time : (n,)
        Time of the event or of censoring.
    group : (n,)
        The group of each patient; any numbers.

    Returns
    -------
    Difference
        NaN where there is one group only, or nobody has an event.

    Examples
    --------
    >>> event, time = np.ones(4, dtype=bool), np.array([1.0, 2.0, 3.0, 4.0])
    >>> found = log_rank(event, time, np.array([0, 0, 1, 1]))
    >>> round(found.statistic, 3), round(found.p, 3)
    (2.882, 0.09)
    """
    from scipy.stats import chi2

    event, time = np.asarray(event, dtype=bool), np.asarray(time, dtype=float)
    names, member = np.unique(group, return_inverse=True)
    k = len(names)
    at = np.unique(time[event])
    if k < 2 or not len(at):
        return Difference(float("nan"), float("nan"), max(k - 1, 0))
    here = np.stack([_still_there(time[member == g], at) for g in range(k)])  # (k, t)
    died = np.stack([_events(time[(member == g) & event], at) for g in range(k)])  # (k, t)
    n, d = here.sum(axis=0), died.sum(axis=0)
    share = here / n
    excess = (died - d * share).sum(axis=1)[:-1]
    spread = d * (n - d) / np.maximum(n - 1, 1)  # (t,)
    inner = np.einsum("gt,ht,t->gh", share, share, spread)
    variance = (np.diag((share * spread).sum(axis=1)) - inner)[:-1, :-1]
    if not np.linalg.matrix_rank(variance):
        return Difference(float("nan"), float("nan"), k - 1)
    statistic = float(excess @ np.linalg.pinv(variance) @ excess)
    return Difference(statistic, float(chi2.sf(statistic, k - 1)), k - 1)


def _still_there(time: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    return (len(time) - np.searchsorted(np.sort(time), at, side="left")).astype(float)


def _events(time: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.bincount(np.searchsorted(at, time), minlength=len(at)).astype(float)
