"""The Kaplan–Meier estimator, with intervals."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

NORMAL = 1.959963984540054  # the 97.5 % quantile


class Curve(NamedTuple):
    """A survival curve with pointwise intervals of 95 %.

    Attributes
    ----------
    times : (m,)
        The different times of events, increasing.
    survival : (m,)
        S(t) = P(T > t) from each time on; 1 before the first.
    low, high : (m,)
        Of the interval.
    at_risk : (m,)
        How many are observed just before each time.
    last : float
        The longest time that anybody was observed; beyond it the curve says nothing.
    """

    times: Tensor
    survival: Tensor
    low: Tensor
    high: Tensor
    at_risk: Tensor
    last: float

    def at(self, times: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return survival, low and high ``(t,)`` at times; NaN beyond the longest observation.

        Parameters
        ----------
        times : (t,)
            Times ≥ 0.
        """
        given = times.double()
        place = torch.searchsorted(self.times, given, right=True)
        found = []
        for values in (self.survival, self.low, self.high):
            steps = torch.cat([values.new_ones(1), values])
            # as long as anybody is observed nothing is missing, and where all have died nothing more can come
            beyond = (given > self.last) & (steps[-1] > 0)
            found.append(torch.where(beyond, torch.nan, steps[place]))
        return found[0], found[1], found[2]


def kaplan_meier(event: Tensor, time: Tensor) -> Curve:
    r"""Return the Kaplan–Meier curve of patients.

    S(t) = Π (1 − dᵢ/nᵢ) over the times tᵢ ≤ t of events, with dᵢ events among nᵢ at risk; the interval is that of
    log(−log S) with Greenwood's variance Σ dᵢ / (nᵢ (nᵢ − dᵢ)) (Kalbfleisch and Prentice 2002, section 1.4).

    Parameters
    ----------
    event : (n,)
        1 where the event was observed, 0 where the patient was censored.
    time : (n,)
        Time of the event or of censoring; who is censored at the time of an event is at risk of it.

    Returns
    -------
    Curve
        In float64.

    Examples
    --------
    >>> curve = kaplan_meier(torch.tensor([1, 0, 1, 1]), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    >>> curve.survival
    tensor([0.7500, 0.3750, 0.0000], dtype=torch.float64)
    """
    times = time.detach().cpu().double()
    died = event.detach().cpu() == 1
    at = times[died].unique()  # sorted, (m,)
    ordered = times.sort().values
    at_risk = (len(times) - torch.searchsorted(ordered, at)).double()
    deaths = torch.bincount(torch.searchsorted(at, times[died]), minlength=len(at)).double()
    survival = (1 - deaths / at_risk).cumprod(0)
    variance = (deaths / (at_risk * (at_risk - deaths))).cumsum(0)  # infinite where all have died
    log = survival.log()
    width = NORMAL * variance.sqrt() / log.abs()
    within = (survival > 0) & (survival < 1)
    low = torch.where(within, survival ** width.exp(), survival)
    high = torch.where(within, survival ** (-width).exp(), survival)
    last = float(times.max()) if len(times) else 0.0
    return Curve(at, survival, low, high, at_risk, last)
