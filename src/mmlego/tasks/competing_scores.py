"""How well predictions of competing risks order and foresee what came: pure functions on tensors."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.tasks.survival_scores import censoring_weights, concordance, evaluation_times


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


def incidence_scores(
    incidence_at: Callable[[Tensor], Tensor], target: Tensor, reference: Tensor | None, known_until: float
) -> tuple[list[float], list[str]]:
    """Compute the integrated Brier score of the predicted incidences of each cause.

    The Brier score of a cause at a time t is the mean square of what the predicted incidence is away from whether its
    event has come by t, 0 also for whoever had another; patients count by 1 / G(T−) if they had any event until t and
    by 1 / G(t) if they are still there, with G the Kaplan–Meier estimate of not being censored (Gerds and Schumacher
    2006; for causes Schoop et al. 2011). It is integrated by the trapezoidal rule over the times of events of any
    cause, up to the last cut and before the last time of the reference, and divided by their range, as the ``ibs`` of
    survival is.

    Parameters
    ----------
    incidence_at
        Gives the incidences (n, t, m) at times (t,).
    target : (n, 2)
        Numbers of causes and times of the same patients.
    reference : (n_train, 2), optional
        The same of the training part.
    known_until
        The last time at which there is an answer.

    Returns
    -------
    scores : list of m floats
        Lower is better; empty without a reference, NaN where undefined.
    reasons : list of str
        Why something is NaN.
    """
    if reference is None:
        return [], []
    event, time = target[:, 0], target[:, 1].double()
    follow = torch.stack([(reference[:, 0] > 0).to(reference), reference[:, 1]], 1)
    at = evaluation_times(event > 0, time, float(reference[:, 1].max()), known_until=known_until)  # (t,)
    if not len(at):
        causes = incidence_at(at).shape[2]
        return [math.nan] * causes, [f"ibs is undefined: no event up to the last cut, {known_until:g}."]
    had = (event > 0)[:, None] & (time[:, None] <= at)  # (n, t)
    weight = torch.where(had, censoring_weights(follow, time, before=True)[:, None], 0.0)
    weight = torch.where(time[:, None] > at, censoring_weights(follow, at), weight)
    predicted = incidence_at(at).double()  # (n, t, m)
    found = []
    for cause in range(predicted.shape[2]):
        truth = (had & (event == cause + 1)[:, None]).double()
        score = (weight * (truth - predicted[:, :, cause]).square()).mean(dim=0)  # (t,)
        whole = score[0] if len(at) == 1 else torch.trapezoid(score, at) / (at[-1] - at[0])
        found.append(float(whole))
    return found, []


def cause_aucs(risks: Tensor, target: Tensor, reference: Tensor | None) -> list[float]:
    """Compute the cumulative/dynamic AUC of each cause, averaged over time.

    At a time t cases are those whose event of the cause has come, controls all others of whom it is known, be it that
    another event came first or that they are still there (Blanche, Dartigues and Jacqmin-Gadda 2013, the second of
    their definitions). Patients count by 1 / G(T−) if they had any event until t and by 1 / G(t) if they are still
    there, as for :func:`incidence_scores`. It is averaged over the times of events of the cause by the rise of the
    Aalen–Johansen incidence between them; where there is one cause it is the ``auc`` of survival.

    Parameters
    ----------
    risks : (n, m)
        Of each cause; higher = earlier.
    target : (n, 2)
        Numbers of causes and times of the same patients.
    reference : (n_train, 2), optional
        The same of the training part.

    Returns
    -------
    list of m floats
        0.5 is chance; empty without a reference, NaN where there is nothing to compare.

    Examples
    --------
    >>> target = torch.tensor([[1.0, 1.0], [2.0, 2.0], [1.0, 3.0], [0.0, 4.0]])
    >>> found = cause_aucs(torch.tensor([[2.0, 1.0], [3.0, 2.0], [1.0, 3.0], [0.0, 0.0]]), target, target)
    >>> [round(one, 4) for one in found]  # the first: 2/3 at 1, 1/2 at 3
    [0.5833, 0.6667]
    """
    if reference is None:
        return []
    event, time = target[:, 0], target[:, 1].double()
    follow = torch.stack([(reference[:, 0] > 0).to(reference), reference[:, 1]], 1)
    before = censoring_weights(follow, time, before=True)[:, None]  # (n, 1)
    found = []
    for cause in range(1, risks.shape[1] + 1):
        at = evaluation_times(event == cause, time, float(reference[:, 1].max()))  # (t,)
        came = (event > 0)[:, None] & (time[:, None] <= at)  # (n, t)
        cases = torch.where(came & (event == cause)[:, None], before, 0.0)
        controls = torch.where(came & (event != cause)[:, None], before, 0.0)
        controls = torch.where(time[:, None] > at, censoring_weights(follow, at), controls)
        values, tied = torch.unique(risks[:, cause - 1], return_inverse=True)
        up, down = (one.new_zeros(len(values), len(at)).index_add(0, tied, one) for one in (cases, controls))
        area = (up * (down.cumsum(0) - down / 2)).sum(0) / (up.sum(0) * down.sum(0))  # (t,)
        curves = aalen_johansen(event.long().cpu().numpy(), time.cpu().numpy(), risks.shape[1])
        rise = torch.tensor(curves.at(at.tolist())[0][cause - 1]).to(area).diff(prepend=area.new_zeros(1))
        known = area.isfinite()
        found.append(float((area * rise)[known].sum() / rise[known].sum()) if bool(known.any()) else math.nan)
    return found
