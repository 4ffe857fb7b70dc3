"""Net benefit: whether acting on a prediction does more good than treating everybody, or nobody."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mmlego.reporting.statistics.resampling import Floats, divided

Curve = Callable[[Floats], Floats]  # weights (b, n) → net benefit at each threshold (b, t)


def net_benefit(risk: Floats, truth: NDArray[np.bool_], thresholds: Floats) -> Curve:
    """Return the net benefit of treating those whose risk reaches a threshold, as a function of weighted patients.

    ``TP / n − FP / n · p / (1 − p)``: true positives, less false ones at the price that the threshold p says one is
    worth (Vickers and Elkin 2006).

    Parameters
    ----------
    risk : (n,)
        Predicted probabilities; all 1: everybody is treated.
    truth : (n,) bool
        Who had the outcome.
    thresholds : (t,)
        Between 0 and 1.

    Examples
    --------
    >>> curve = net_benefit(np.array([0.9, 0.6, 0.2]), np.array([True, False, False]), np.array([0.5]))
    >>> curve(np.ones((1, 3))).round(3).tolist()
    [[0.0]]
    """
    truth = np.asarray(truth, dtype=bool)
    treated = (np.asarray(risk)[:, None] >= thresholds).astype(float)  # (n, t)
    price = thresholds / (1 - thresholds)

    def curve(weights: Floats) -> Floats:
        both = (weights * truth) @ treated - ((weights * ~truth) @ treated) * price
        found: Floats = both / weights.sum(axis=1, keepdims=True)
        return found

    return curve


def net_benefit_by(
    risk: Floats, came: NDArray[np.int64], time: Floats, horizon: float, thresholds: Floats, cause: int = 1
) -> Curve:
    """Return the net benefit where the outcome is an event by a horizon, and some are censored before it.

    Among those treated the share with the event by the horizon is that of their Kaplan–Meier curve (Vickers, Cronin,
    Elkin and Gonen 2008), and where other causes compete, the incidence of Aalen and Johansen.

    Parameters
    ----------
    risk : (n,)
        Predicted probabilities of the event by the horizon; all 1: everybody is treated.
    came, time : (n,)
        0 censored, else the number of the cause that came, and when.
    horizon
        A time.
    thresholds : (t,)
        Between 0 and 1.
    cause
        The number of the cause.

    Returns
    -------
    function of weights (b, n) to array (b, t)
        NaN where the curve of those treated ends before the horizon.

    Examples
    --------
    >>> curve = net_benefit_by(np.array([0.9, 0.1]), np.array([1, 0]), np.array([1.0, 9.0]), 5.0, np.array([0.5]))
    >>> curve(np.ones((1, 2))).tolist()
    [[0.5]]
    """
    order = np.argsort(time, kind="stable")
    risk, came, time = np.asarray(risk)[order], np.asarray(came)[order], np.asarray(time, dtype=float)[order]
    price = thresholds / (1 - thresholds)

    def curve(weights: Floats) -> Floats:
        ordered = weights[:, order]
        every = ordered.sum(axis=1)
        found = np.zeros((len(weights), len(thresholds)))
        known: dict[bytes, tuple[Floats, Floats]] = {}
        for place, threshold in enumerate(thresholds):
            treated = risk >= threshold
            mark = treated.tobytes()
            if mark not in known:
                mine = ordered[:, treated]
                had = _had(mine, came[treated], time[treated], horizon, cause)
                known[mark] = divided(mine.sum(axis=1), every), had
            share, had = known[mark]
            found[:, place] = np.where(share > 0, share * (had - (1 - had) * price[place]), 0.0)
        return found

    return curve


def _had(weights: Floats, came: NDArray[np.int64], time: Floats, horizon: float, cause: int) -> Floats:
    """Return the incidence ``(b,)`` of a cause by a horizon of weighted patients in the order of their times."""
    until = int(np.searchsorted(time, horizon, side="right"))
    every = weights.sum(axis=1)
    if not until:
        return np.where(every > 0, 0.0, np.nan)
    first = np.flatnonzero(np.diff(time[:until], prepend=-np.inf))  # of each time
    any_event, mine = (
        np.add.reduceat(weights[:, :until] * kind[:until], first, axis=1) for kind in (came > 0, came == cause)
    )
    gone = np.cumsum(np.add.reduceat(weights[:, :until], first, axis=1), axis=1)
    there = every[:, None] - np.concatenate([np.zeros((len(weights), 1)), gone[:, :-1]], axis=1)
    free = np.cumprod(1 - np.nan_to_num(divided(any_event, there)), axis=1)
    before = np.concatenate([np.ones((len(weights), 1)), free[:, :-1]], axis=1)
    found: Floats = (before * np.nan_to_num(divided(mine, there))).sum(axis=1)
    followed = weights[:, np.searchsorted(time, horizon, side="left") :].sum(axis=1) > 0
    return np.where(followed | (free[:, -1] < 1e-12), found, np.nan)
