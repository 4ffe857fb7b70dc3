"""Whether predicted survival is what was observed: against Kaplan–Meier, and along a smooth calibration curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from mmlego.tasks.kaplan_meier import kaplan_meier
from mmlego.tasks.smooth_calibration import away_from, smooth_survival


@dataclass(frozen=True)
class CalibrationAt:
    """Predicted and observed survival at one time.

    Parameters
    ----------
    time
        In the unit of the task.
    predicted
        Mean of the predicted survival; NaN beyond the horizon of the model.
    km, low, high
        Kaplan–Meier estimate in the same patients and its 95 % interval (log-log); NaN where nobody is at risk.
    at_risk
        Patients who are still there at the time.
    ici, e50, e90
        Mean, median and 90th percentile of |predicted − smooth observed survival| over the patients.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([[1.0, 1.0], [1.0, 2.0], [0.0, 3.0], [0.0, 4.0]])
    >>> found = calibration_at(torch.tensor([0.4, 0.5, 0.5, 0.6]), target, 2.5)
    >>> found.km, found.at_risk, round(found.predicted, 3)
    (0.5, 2, 0.5)
    """

    time: float
    predicted: float
    km: float
    low: float
    high: float
    at_risk: int
    ici: float
    e50: float
    e90: float


def calibration_at(survival: Tensor, target: Tensor, time: float) -> CalibrationAt:
    """Compare predicted survival at a time with what was observed.

    The smooth curve is that of Austin, Harrell and van Klaveren (2020, "Graphical calibration curves and the
    integrated calibration index (ICI) for survival models"): a Cox model of the patients who are evaluated, with one
    variable, log(−log S), as a restricted cubic spline with three knots (at the quantiles 0.1, 0.5 and 0.9) and the
    baseline of Breslow; the observed survival of a patient is what this model says at the time. ICI, E50 and E90 are
    the mean, median and 90th percentile of the absolute differences. With few patients they are above zero for any
    model.

    Parameters
    ----------
    survival : (n,)
        Predicted probability to be free of the event at the time; NaN where there is no answer.
    target : (n, 2)
        Events and times.
    time
        When.

    Returns
    -------
    CalibrationAt
        NaN where something is undefined.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([[1.0, 1.0], [0.0, 3.0]])
    >>> calibration_at(torch.tensor([0.5, 0.5]), target, 2.0).ici
    0.0
    """
    survival, event, times = survival.double(), target[:, 0] == 1, target[:, 1].double()
    km, low, high = kaplan_meier_at(event, times, time)
    smooth = None if math.isnan(km) else smooth_survival(survival, event, times, time, alike=km)
    at_risk = int((times >= time).sum())
    return CalibrationAt(time, float(survival.mean()), km, low, high, at_risk, *away_from(survival, smooth))


def kaplan_meier_at(event: Tensor, times: Tensor, time: float) -> tuple[float, float, float]:
    """Estimate the survival at a time, with a 95 % interval.

    Greenwood's variance, on the scale of log(−log S), so that the interval stays between 0 and 1 (Kalbfleisch and
    Prentice 2002, section 1.4).

    Parameters
    ----------
    event : (n,) bool
        Whether the event was observed.
    times : (n,)
        Time of the event or of censoring.
    time
        When.

    Returns
    -------
    estimate, low, high : float
        NaN after the last time, where nobody is at risk; without any event until then, 1 and no interval.

    Examples
    --------
    >>> import torch
    >>> event, times = torch.tensor([True, True, False, False]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> [round(value, 3) for value in kaplan_meier_at(event, times, 2.5)]
    [0.5, 0.058, 0.845]
    """
    if time > float(times.max()):
        return math.nan, math.nan, math.nan
    found = kaplan_meier(event.numpy(), times.numpy()).at(time)
    estimate, low, high = (float(value[0]) for value in found)
    return (estimate, low, high) if 0 < estimate < 1 else (estimate, math.nan, math.nan)
