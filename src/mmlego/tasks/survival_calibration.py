"""Whether predicted survival is what was observed: against Kaplan–Meier, and along a smooth calibration curve."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmlego.tasks.kaplan_meier import kaplan_meier

_KNOTS = (0.1, 0.5, 0.9)  # quantiles, as Harrell (2015) places three
_RIDGE = 1e-4  # in patients: keeps slopes finite where few events are ordered perfectly


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
    >>> target = torch.tensor([[1.0, 1.0], [0.0, 3.0]])
    >>> calibration_at(torch.tensor([0.5, 0.5]), target, 2.0).ici
    0.0
    """
    survival, event, times = survival.double(), target[:, 0] == 1, target[:, 1].double()
    km, low, high = kaplan_meier_at(event, times, time)
    away = torch.full_like(survival, math.nan)
    if not math.isnan(km) and not bool(survival.isnan().any()):
        away = (survival - smooth_survival(survival, event, times, time)).abs()
    e50, e90 = np.quantile(away.numpy(), [0.5, 0.9])
    at_risk = int((times >= time).sum())
    return CalibrationAt(
        time, float(survival.mean()), km, low, high, at_risk, float(away.mean()), float(e50), float(e90)
    )


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
    >>> event, times = torch.tensor([True, True, False, False]), torch.tensor([1.0, 2.0, 3.0, 4.0])
    >>> [round(value, 3) for value in kaplan_meier_at(event, times, 2.5)]
    [0.5, 0.058, 0.845]
    """
    if time > float(times.max()):
        return math.nan, math.nan, math.nan
    found = kaplan_meier(event.numpy(), times.numpy()).at(time)
    estimate, low, high = (float(value[0]) for value in found)
    return (estimate, low, high) if 0 < estimate < 1 else (estimate, math.nan, math.nan)


def smooth_survival(survival: Tensor, event: Tensor, times: Tensor, time: float) -> Tensor:
    """Return the observed survival at a time as a smooth function of the predicted one, see :func:`calibration_at`.

    Parameters
    ----------
    survival : (n,) float64
        Predicted survival at the time.
    event, times : (n,)
        What was observed.
    time
        When.

    Returns
    -------
    Tensor : (n,) float64
        Of each patient.

    Examples
    --------
    >>> event, times = torch.tensor([True, True, False, False]), torch.tensor([1.0, 2.0, 3.0, 4.0]).double()
    >>> smooth_survival(torch.full((4,), 0.9).double(), event, times, 2.0)  # all alike: Kaplan–Meier
    tensor([0.5000, 0.5000, 0.5000, 0.5000], dtype=torch.float64)
    """
    x = _spline(torch.log(-torch.log(survival.clamp(1e-6, 1 - 1e-6))))  # (n, p)
    if not x.shape[1]:
        return torch.full_like(survival, kaplan_meier_at(event, times, time)[0])
    order = times.argsort(descending=True)
    times_down, event_down, x = times[order], event[order], x[order]
    # of patients with one time the last in order sees all who are at risk
    last = torch.searchsorted(-times_down, -times_down, right=True) - 1
    slope = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([slope], max_iter=200, tolerance_grad=1e-9, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        search.zero_grad()
        risk = x @ slope
        value = (torch.logcumsumexp(risk, 0)[last] - risk)[event_down].sum() + _RIDGE / 2 * slope.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        search.step(loss)
    risk = x @ slope.detach()
    hazard = (event_down & (times_down <= time)) / torch.logcumsumexp(risk, 0)[last].exp()  # Breslow's steps
    found = torch.exp(-hazard.sum() * risk.exp())
    return found[order.argsort()]


def _spline(values: Tensor) -> Tensor:
    """Return the restricted cubic spline of three knots, ``(n, 2)`` (Stone and Koo 1985), less if all are alike."""
    if float(values.max() - values.min()) < 1e-9:
        return values.new_zeros(len(values), 0)
    x = (values - values.mean()) / values.std(correction=0)
    a, b, c = (float(knot) for knot in torch.quantile(x, torch.tensor(_KNOTS, dtype=x.dtype)))
    if not a < b < c:
        return x[:, None]
    cube = [(x - knot).clamp(min=0) ** 3 for knot in (a, b, c)]
    bend = cube[0] - cube[1] * (c - a) / (c - b) + cube[2] * (b - a) / (c - b)
    return torch.stack([x, bend / (c - a) ** 2], 1)
