"""Kaplan–Meier curves with pointwise bands, and who is still at risk."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """A step function of time, right-continuous, 1 before the first time.

    Parameters
    ----------
    times : (t,)
        All different times of events and censorings, increasing.
    survival, low, high : (t,)
        Its value from each time on, and its 95 % band; the band is NaN where nothing is known of it.
    at_risk : (t,)
        Who is still there just before each time.
    """

    times: Floats
    survival: Floats
    low: Floats
    high: Floats
    at_risk: NDArray[np.int64]

    def at(self, when: Floats | list[float] | float) -> tuple[Floats, Floats, Floats]:
        """Return value, low and high end at some times; NaN after the last time, of which nothing is known.

        Where all have had the event nothing more can come: the curve stays at 0.

        Parameters
        ----------
        when : (w,)
            Times ≥ 0.
        """
        ended = len(self.times) > 0 and self.survival[-1] == 0
        value, low, high = stepped(self.times, when, (self.survival, self.low, self.high), before=1.0, ended=ended)
        return value, low, high

    def median(self) -> tuple[float, float, float]:
        """Return the first time with half or fewer free of the event, and where the band says so; NaN if none.

        The interval inverts the band (Brookmeyer and Crowley 1982).
        """
        return self._first(self.survival), self._first(self.low), self._first(self.high)

    def _first(self, values: Floats) -> float:
        below = np.flatnonzero(values <= 0.5)
        return float(self.times[below[0]]) if len(below) else float("nan")


def stepped(
    times: Floats, when: Floats | list[float] | float, curves: Iterable[Floats], *, before: float, ended: bool
) -> list[Floats]:
    """Return what right-continuous step functions are at some times, ``(…, w)``; NaN after the last unless all is over.

    Parameters
    ----------
    times : (t,)
        Where they step, increasing.
    when : (w,)
        Times ≥ 0.
    curves : (…, t)
        Their values from each time on.
    before
        Their value before the first.
    ended
        Whether nothing more can come: they stay as they are.
    """
    asked = np.atleast_1d(np.asarray(when, dtype=float))
    place = np.searchsorted(times, asked, side="right")
    beyond = (asked > (times[-1] if len(times) else 0.0)) & (not ended)
    found = []
    for values in curves:
        known = np.concatenate([np.full((*values.shape[:-1], 1), before), values], axis=-1)[..., place]
        known[..., beyond] = np.nan
        found.append(known)
    return found


def kaplan_meier(event: NDArray[np.bool_], time: Floats) -> Curve:
    """Estimate the survival function, with Greenwood's variance on the scale of log(−log S).

    Kaplan and Meier 1958; the band is that of Borgan and Liestøl 1990, at each time by itself. Estimate and band are
    scipy's; before the first event, where nothing varies yet, the band is the value 1, and at 0 it is what it was.

    Parameters
    ----------
    event : (n,) bool
        Whether the event was observed.
    time : (n,)
        Time of the event or of censoring.

    Returns
    -------
    Curve
        Over all different times.

    Examples
    --------
    >>> curve = kaplan_meier(np.array([True, False, True]), np.array([1.0, 2.0, 3.0]))
    >>> curve.survival.round(3).tolist(), curve.at_risk.tolist()
    ([0.667, 0.667, 0.0], [3, 2, 1])
    """
    from scipy.stats import CensoredData, ecdf

    event, time = np.asarray(event, dtype=bool), np.asarray(time, dtype=float)
    if not len(time):
        empty = np.empty(0)
        return Curve(empty, empty, empty, empty, np.empty(0, dtype=np.int64))
    found = ecdf(CensoredData(uncensored=time[event], right=time[~event])).sf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of a curve at 1 or 0 no band is defined
        with np.errstate(all="ignore"):
            band = found.confidence_interval(confidence_level=0.95, method="log-log")
    times, survival = found.quantiles, found.probabilities
    low, high = band.low.probabilities.copy(), band.high.probabilities.copy()
    whole = survival == 1
    low[whole], high[whole] = 1.0, 1.0
    ended = np.flatnonzero(survival == 0)
    if len(ended):
        before = ended[0] - 1
        low[ended], high[ended] = 0.0, high[before] if before >= 0 else 1.0
    at_risk = len(time) - np.searchsorted(np.sort(time), times, side="left")
    return Curve(times, survival, low, high, at_risk)


def number_at_risk(time: Floats, when: Floats | list[float]) -> list[int]:
    """Return how many are still there, and free of the event, just before some times.

    Parameters
    ----------
    time : (n,)
        Time of the event or of censoring.
    when : (w,)
        The times.

    Examples
    --------
    >>> number_at_risk(np.array([1.0, 2.0, 3.0]), [0.0, 2.0, 9.0])
    [3, 2, 0]
    """
    return [int((np.asarray(time) >= one).sum()) for one in np.atleast_1d(np.asarray(when, dtype=float))]
