"""Cumulative incidences of competing causes as they were observed, with pointwise bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmlego.tasks.kaplan_meier import Floats, stepped

NORMAL = 1.959963984540054  # the 97.5 % quantile


@dataclass(frozen=True)
class Incidence:
    """Step functions of time, one a cause, right-continuous, 0 before the first time.

    Parameters
    ----------
    times : (t,)
        All different times of events and censorings, increasing.
    incidence, low, high : (m, t)
        The probability that the event of a cause has come by each time, and its 95 % band.
    at_risk : (t,)
        Who is still there just before each time.
    """

    times: Floats
    incidence: Floats
    low: Floats
    high: Floats
    at_risk: NDArray[np.int64]

    def at(self, when: Floats | list[float] | float) -> tuple[Floats, Floats, Floats]:
        """Return values, low and high ends ``(m, w)`` at some times; NaN after the last, of which nothing is known.

        Where all have had an event nothing more can come: the curves stay where they are.

        Parameters
        ----------
        when : (w,)
            Times ≥ 0.
        """
        ended = len(self.times) > 0 and self.incidence[:, -1].sum() > 1 - 1e-12
        value, low, high = stepped(self.times, when, (self.incidence, self.low, self.high), before=0.0, ended=ended)
        return value, low, high


def aalen_johansen(event: NDArray[np.int64], time: Floats, causes: int) -> Incidence:
    """Estimate the cumulative incidence of each cause (Aalen and Johansen 1978).

    F(t) = Σ S(s−) d_c(s) / n(s) over the times s ≤ t at which events came, with S the Kaplan–Meier estimate of being
    free of all causes, d_c the events of the cause and n the patients at risk. The variance is that of Aalen (1978) as
    Pintilie gives it (2006, "Competing Risks: A Practical Perspective", equation 4.5), the band taken on the scale of
    log(−log F). 1 − Kaplan–Meier with the other causes as censored would be too high.

    Parameters
    ----------
    event : (n,)
        0 where the patient was censored, else the number of the cause that came, from 1.
    time : (n,)
        Of that event, or of censoring.
    causes
        ``m``, how many there are.

    Returns
    -------
    Incidence
        Over all different times.

    Examples
    --------
    >>> found = aalen_johansen(np.array([1, 2, 0, 1]), np.array([1.0, 2.0, 3.0, 4.0]), 2)
    >>> found.at(2.5)[0].tolist()
    [[0.25], [0.25]]
    """
    event, time = np.asarray(event).astype(np.int64), np.asarray(time, dtype=float)
    times, place = np.unique(time, return_inverse=True)
    came = np.stack([np.bincount(place[event == c], minlength=len(times)) for c in range(1, causes + 1)]).astype(float)
    at_risk = len(time) - np.searchsorted(np.sort(time), times, side="left")
    n, d = at_risk.astype(float), came.sum(axis=0)
    before = np.concatenate([[1.0], np.cumprod(1 - d / n)])[:-1] if len(times) else n
    found = np.cumsum(before * came / n, axis=1)
    # Σ over the times up to t, of squares of F(t) − F(s): multiplied out, so that no table of pairs of times is made
    a = _shares(d, (n - 1) * (n - d))
    b = (n - came) * came * _shares(before**2, (n - 1) * n**2)
    c = (n - came) * came * _shares(before, n * (n - d) * (n - 1))
    square = found**2 * np.cumsum(a) - 2 * found * np.cumsum(a * found, axis=1) + np.cumsum(a * found**2, axis=1)
    mixed = found * np.cumsum(c, axis=1) - np.cumsum(c * found, axis=1)
    variance = np.maximum(square + np.cumsum(b, axis=1) - 2 * mixed, 0.0)
    with np.errstate(all="ignore"):
        log = np.log(found)
        reach = NORMAL * np.sqrt(variance) / (found * -log)
        inside = (found > 0) & (found < 1)
        low, high = (np.where(inside, np.exp(log * np.exp(side * reach)), found) for side in (1, -1))
    return Incidence(times, found, low, high, at_risk)


def _shares(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros(np.broadcast(above, below).shape), where=below > 0)
