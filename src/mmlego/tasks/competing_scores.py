"""What was observed of competing risks, and how well risks order it: pure functions on tensors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmlego.tasks.survival_scores import concordance


def cause_concordance(risk: Tensor, event: Tensor, time: Tensor, cause: int) -> float:
    """Compute the concordance of the risks of one cause (Wolbers et al. 2009).

    Whoever had the event of another cause will never have this one: such patients count as free of it for ever, and so
    compare with everybody who had it. For the rest it is Harrell's index.

    Parameters
    ----------
    risk : (n,)
        Of the cause; higher = earlier.
    event : (n,)
        0 censored, else the number of the cause that came, from 1.
    time : (n,) float64
        Of that event, or of censoring.
    cause
        The number of the cause.

    Returns
    -------
    float
        Between 0 and 1; NaN if no two patients can be compared.

    Examples
    --------
    >>> event, time = torch.tensor([1, 2, 0]), torch.tensor([2.0, 1.0, 3.0]).double()
    >>> cause_concordance(torch.tensor([2.0, 1.0, 3.0]), event, time, 1)  # right with the second, wrong with the third
    0.5
    """
    other = (event != cause) & (event != 0)
    never = torch.where(other, time.max() + 1, time)
    return concordance(risk, event == cause, never)


def aalen_johansen_at(event: Tensor, time: Tensor, at: float, causes: int) -> list[float]:
    """Estimate the cumulative incidence of each cause at a time (Aalen and Johansen 1978).

    F(t) = Σ S(s−) d_c(s) / n(s) over the times s ≤ t at which events came, with S the Kaplan–Meier estimate of being
    free of all causes, d_c the events of the cause and n the patients at risk.

    Parameters
    ----------
    event : (n,)
        0 censored, else the number of the cause that came, from 1.
    time : (n,)
        Of that event, or of censoring.
    at
        When.
    causes
        ``m``, how many there are.

    Returns
    -------
    list of float
        ``m`` incidences; NaN after the last time, where nobody is at risk.

    Examples
    --------
    >>> aalen_johansen_at(torch.tensor([1, 2, 0, 1]), torch.tensor([1.0, 2.0, 3.0, 4.0]), 2.5, 2)
    [0.25, 0.25]
    """
    if at > float(time.max()):
        return [math.nan] * causes
    early = torch.unique(time[(event != 0) & (time <= at)])  # (s,)
    came = (event[:, None] == torch.arange(1, causes + 1, device=event.device)).double()  # (n, m)
    now = (time == early[:, None]).double() @ came  # (s, m)
    there = (time >= early[:, None]).sum(1).double()  # (s,)
    alive = torch.cumprod(1 - now.sum(1) / there, 0)
    before = torch.cat([alive.new_ones(1), alive])[: len(early)]
    found: list[float] = ((before / there)[:, None] * now).sum(0).tolist()
    return found
