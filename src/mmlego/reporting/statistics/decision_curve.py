"""Net benefit: whether acting on a prediction does more good than treating everybody, or nobody."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmlego.tasks.kaplan_meier import kaplan_meier

Floats = NDArray[np.float64]


def net_benefit(risk: Floats, truth: NDArray[np.bool_], thresholds: Floats) -> Floats:
    """Return the net benefit of treating those whose risk reaches a threshold.

    ``TP / n − FP / n · p / (1 − p)``: true positives, less false ones at the price that the threshold p says one is
    worth (Vickers and Elkin 2006).

    Parameters
    ----------
    risk : (n,)
        Predicted probabilities.
    truth : (n,) bool
        Who had the outcome.
    thresholds : (t,)
        Between 0 and 1.

    Returns
    -------
    array : (t,)
        Net benefit at each threshold.

    Examples
    --------
    >>> net_benefit(np.array([0.9, 0.6, 0.2]), np.array([True, False, False]), np.array([0.5])).round(3).tolist()
    [0.0]
    """
    truth = np.asarray(truth, dtype=bool)
    treated = np.asarray(risk)[:, None] >= thresholds  # (n, t)
    right = (treated & truth[:, None]).mean(axis=0)
    wrong = (treated & ~truth[:, None]).mean(axis=0)
    benefit: Floats = right - wrong * thresholds / (1 - thresholds)
    return benefit


def net_benefit_by(risk: Floats, event: NDArray[np.bool_], time: Floats, horizon: float, thresholds: Floats) -> Floats:
    """Return the net benefit where the outcome is an event by a horizon, and some are censored before it.

    Among those treated the share with the event by the horizon is that of their Kaplan–Meier curve (Vickers, Cronin,
    Elkin and Gonen 2008).

    Parameters
    ----------
    risk : (n,)
        Predicted probabilities of the event by the horizon.
    event, time : (n,)
        What was observed.
    horizon
        A time.
    thresholds : (t,)
        Between 0 and 1.

    Returns
    -------
    array : (t,)
        Net benefit; NaN where the curve of those treated ends before the horizon.

    Examples
    --------
    >>> risk, event, time = np.array([0.9, 0.1]), np.array([True, False]), np.array([1.0, 9.0])
    >>> net_benefit_by(risk, event, time, 5.0, np.array([0.5])).tolist()
    [0.5]
    """
    risk, found = np.asarray(risk), np.full(len(thresholds), np.nan)
    known: dict[bytes, float] = {}
    for place, threshold in enumerate(thresholds):
        treated = risk >= threshold
        mark = treated.tobytes()
        if mark not in known:
            known[mark] = _had(event[treated], time[treated], horizon) if treated.any() else 0.0
        share = float(treated.mean())
        found[place] = share * (known[mark] - (1 - known[mark]) * threshold / (1 - threshold))
    return found


def treat_all(share: float, thresholds: Floats) -> Floats:
    """Return the net benefit of treating everybody, of whom a share has the outcome.

    Examples
    --------
    >>> treat_all(0.5, np.array([0.5])).tolist()
    [0.0]
    """
    benefit: Floats = share - (1 - share) * thresholds / (1 - thresholds)
    return benefit


def _had(event: NDArray[np.bool_], time: Floats, horizon: float) -> float:
    curve = kaplan_meier(event, time)
    if len(curve.times) and curve.survival[-1] == 0 and horizon > curve.times[-1]:
        return 1.0  # everybody had it before
    return 1 - float(curve.at(horizon)[0][0])
