"""Observed survival as a smooth function of predicted survival, with or without competing causes."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from mmlego.tasks.lbfgs import Lbfgs
from mmlego.tasks.survival_scores import censoring_weights

_KNOTS = (0.1, 0.5, 0.9)  # quantiles, as Harrell (2015) places three
_RIDGE = 1e-4  # in patients: keeps slopes finite where few events are ordered perfectly
_NOBODY = -1e4  # the logarithm of no hazard at all


def away_from(predicted: Tensor, smooth: Tensor | None) -> tuple[float, float, float]:
    """Return ICI, E50 and E90: mean, median and 90th percentile of |predicted − smooth observed|.

    Parameters
    ----------
    predicted : (n,)
        Predicted probabilities.
    smooth : (n,), optional
        From :func:`smooth_survival`; None: nothing was observed.

    Returns
    -------
    ici, e50, e90 : float
        NaN where something is missing.

    Examples
    --------
    >>> away_from(torch.tensor([0.5, 0.5]).double(), torch.tensor([0.25, 0.5]).double())
    (0.125, 0.125, 0.225)
    """
    if smooth is None or bool(predicted.isnan().any()):
        return math.nan, math.nan, math.nan
    away = (predicted - smooth).abs().numpy()
    e50, e90 = np.quantile(away, [0.5, 0.9])
    return float(away.mean()), float(e50), float(e90)


def smooth_survival(
    survival: Tensor, event: Tensor, times: Tensor, time: float, *, alike: float, other: Tensor | None = None
) -> Tensor:
    """Return what was observed at a time as a smooth function of what was predicted.

    A Cox model of the patients with one variable, log(−log S), as a restricted cubic spline with three knots (at the
    quantiles 0.1, 0.5 and 0.9) and the baseline of Breslow (Austin, Harrell and van Klaveren 2020). With competing
    causes it is the model of Fine and Gray (1999) of the cause, S being 1 − F (Austin, Putter, Giardiello and van
    Klaveren 2022): whoever had another event stays at risk with the weight G(t−) / G(T−), G the Kaplan–Meier estimate
    of not being censored.

    Parameters
    ----------
    survival : (n,)
        Predicted probability to be free of the event at the time.
    event : (n,) bool
        Who had it.
    times : (n,)
        Of any event or of censoring.
    time
        When.
    alike
        What was observed of all, for predictions that do not differ.
    other : (n,) bool, optional
        Who had the event of another cause.

    Returns
    -------
    Tensor : (n,) float64
        Of each patient.

    Examples
    --------
    >>> event, times = torch.tensor([True, True, False, False]), torch.tensor([1.0, 2.0, 3.0, 4.0]).double()
    >>> smooth_survival(torch.full((4,), 0.9).double(), event, times, 2.0, alike=0.5)
    tensor([0.5000, 0.5000, 0.5000, 0.5000], dtype=torch.float64)
    """
    survival, times = survival.double(), times.double()
    if bool(survival.isnan().any()):
        return torch.full_like(survival, math.nan)
    x = _spline(torch.log(-torch.log(survival.clamp(1e-6, 1 - 1e-6))))  # (n, p)
    if not x.shape[1]:
        return torch.full_like(survival, alike)
    order = times.argsort(descending=True)
    at_risk = _AtRisk.of(times, event, other, order)
    event, x = event[order], x[order]
    slope = torch.zeros(x.shape[1], dtype=torch.float64, requires_grad=True)
    search = Lbfgs(slope)

    def loss() -> Tensor:
        search.zero_grad()
        risk = x @ slope
        value = (at_risk.log_sum(risk) - risk)[event].sum() + _RIDGE / 2 * slope.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        search.step(loss)
    risk = x @ slope.detach()
    hazard = (event & (times[order] <= time)) / at_risk.log_sum(risk).exp()  # Breslow's steps
    return torch.exp(-hazard.sum() * risk.exp())[order.argsort()]


class _AtRisk:
    """Who is at risk at the time of each patient, the times descending."""

    def __init__(self, last: Tensor, stay: Tensor | None, still: Tensor | None) -> None:
        self.last, self.stay, self.still = last, stay, still

    @classmethod
    def of(cls, times: Tensor, event: Tensor, other: Tensor | None, order: Tensor) -> _AtRisk:
        down = times[order]
        # of patients with one time the last in order sees all who are at risk
        last = torch.searchsorted(-down, -down, right=True) - 1
        if other is None or not bool(other.any()):
            return cls(last, None, None)
        follow = torch.stack([(event | other).double(), times], 1)
        weight = censoring_weights(follow, down, before=True)  # (n,), 1 / G(T−)
        stay = torch.where(other[order], weight.clamp_min(1e-300).log(), _NOBODY)
        return cls(last, stay, -weight.clamp_min(1e-300).log())

    def log_sum(self, risk: Tensor) -> Tensor:
        """Return the logarithm of the summed hazards ``(n,)`` of who is at risk at each time."""
        there = torch.logcumsumexp(risk, 0)[self.last]
        if self.stay is None or self.still is None:
            return there
        from_here = torch.logcumsumexp((risk + self.stay).flip(0), 0).flip(0)  # of those whose time is as late, or less
        earlier = torch.cat([from_here, from_here.new_full((1,), _NOBODY)])[self.last + 1]
        return torch.logaddexp(there, self.still + earlier)


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
