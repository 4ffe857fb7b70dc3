"""Scores of survival predictions: pure functions on tensors, computed with torchsurv.

What torchsurv leaves to its caller, or what libraries do in different ways, is settled here:

- Weights where events and censorings share times, as in follow-up by visits, cycles or years. A patient's event at T
  is seen if C ≥ T, and events leave before censorings, so that its weight is 1 / G(T−), the left limit; a patient who
  is still there at t has weight 1 / G(t) (Gerds & Schumacher 2006, as pycox does it). scikit-survival takes 1 / G(T)
  for both, which counts events at such times too often: on yearly data a constant ½ scores a Brier score of 0.29 in
  place of 0.25, and the true curve loses to a pessimistic one. Without such ties the two are equal.
- Risks go in as ranks. torchsurv compares risks in float32 with a tolerance of 1e-8, and would call two
  float64 risks tied that are not.
- The censoring distribution is known only before the last time τ of the reference. scikit-survival refuses
  later times and zero probabilities; torchsurv carries the last value on and gives weight 0. Here everything
  is truncated at τ: events at or after τ do not count as events. It is ``tau=τ`` of scikit-survival's
  ``concordance_index_ipcw``, and administrative censoring at τ for its AUC and Brier score.
- All censored, no comparable pair, a single patient: torchsurv raises; here the score is NaN with a reason.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from types import SimpleNamespace

import torch
from torch import Tensor

from mmlego.tasks.scores import ranks

SurvivalAt = Callable[[Tensor], Tensor]


def survival_scores(
    risk: Tensor,
    survival_at: SurvivalAt,
    target: Tensor,
    reference: Tensor | None,
    known_until: float = math.inf,
) -> tuple[dict[str, float], list[str]]:
    """Compute all scores of survival predictions.

    ========================  =============================================================================
    ``c_index``               Harrell's concordance: the share of comparable pairs in which the earlier event
                              has the higher risk; tied risks count ½, events at the same time do not
                              compare, an event compares with a censoring at the same time (Harrell 1996)
    ``c_index_ipcw``          the same with pairs weighted by 1 / G(Tᵢ−)², G the Kaplan–Meier estimate of the
                              censoring distribution of the reference, for events before τ (Uno 2011)
    ``auc``                   cumulative/dynamic AUC(t) with weights 1 / G(Tᵢ−) (Uno 2007), averaged over the
                              evaluation times by the fall of the Kaplan–Meier curve (Lambert, Chevret 2014)
    ``ibs``                   integrated Brier score with weights 1 / G(Tᵢ−) of events until t and 1 / G(t) of who
                              is still there, trapezoidal rule over the evaluation times up to the last
                              cut, divided by their range; lower is better (Graf 1999; Gerds, Schumacher 2006)
    ========================  =============================================================================

    Parameters
    ----------
    risk : (n,)
        Higher risk = earlier event.
    survival_at
        Gives the survival (n, t) at times (t,).
    target : (n, 2)
        Events and times of the same patients.
    reference : (n_train, 2), optional
        Events and times of the training part. Without it only ``c_index`` is computed.
    known_until
        The last time at which ``survival_at`` has an answer: ``ibs`` is taken up to there.

    Returns
    -------
    scores : dict of str to float
        NaN where undefined.
    reasons : list of str
        Why something is NaN.

    Examples
    --------
    >>> target = torch.tensor([[1.0, 1.0], [1.0, 2.0], [0.0, 3.0]])
    >>> survival_scores(torch.tensor([3.0, 2.0, 1.0]), lambda t: torch.ones(3, len(t)), target, None)
    ({'c_index': 1.0}, [])
    """
    event, time = target[:, 0] == 1, target[:, 1].double()  # (n,), (n,)
    scores, reasons = {"c_index": concordance(risk, event, time)}, []
    if math.isnan(scores["c_index"]):
        cause = "no two patients can be compared" if bool(event.any()) else "all patients are censored"
        reasons.append(f"c_index is undefined: {cause}.")
    if reference is None:
        return scores, reasons

    scores |= dict.fromkeys(("c_index_ipcw", "auc", "ibs"), math.nan)
    horizon = float(reference[:, 1].max())  # τ
    if not bool((reference[:, 0] == 1).any()):
        reasons.append("c_index_ipcw, auc and ibs are undefined: all patients of the reference are censored.")
        return scores, reasons
    weight = censoring_weights(reference, time, before=True)  # (n,)
    scores["c_index_ipcw"] = concordance(risk, event, time, weight, horizon)
    at = evaluation_times(event, time, horizon)  # (t,)
    if len(at):
        scores["auc"] = mean_auc(risk, event, time, weight, at, censoring_weights(reference, at))
    known = evaluation_times(event, time, horizon, known_until=known_until)  # (t,)
    if len(known):
        weight_at = censoring_weights(reference, known)
        scores["ibs"] = integrated_brier(survival_at(known), event, time, weight, known, weight_at)
    elif len(at):
        reasons.append(f"ibs is undefined: no event up to the last cut, {known_until:g}.")
    named = ("c_index_ipcw", "auc") if len(at) else ("c_index_ipcw", "auc", "ibs")
    undefined = [key for key in named if math.isnan(scores[key])]
    if undefined:
        reasons.append(
            f"{', '.join(undefined)} undefined: no comparable event before the last time of the reference, {horizon:g}."
        )
    return scores, reasons


def concordance(
    risk: Tensor, event: Tensor, time: Tensor, weight: Tensor | None = None, horizon: float = math.inf
) -> float:
    """Compute the concordance index of risks and event times.

    Parameters
    ----------
    risk : (n,)
        Higher risk = earlier event.
    event : (n,) bool
        Whether the event was observed.
    time : (n,) float64
        Time of the event or of censoring.
    weight : (n,), optional
        1 / G just before the times; its square weighs the pairs.
    horizon
        Events at or after it do not count.

    Returns
    -------
    float
        Between 0 and 1; NaN if no two patients can be compared.

    Examples
    --------
    >>> event = torch.tensor([True, True, False])
    >>> concordance(torch.tensor([3.0, 1.0, 2.0]), event, torch.tensor([1.0, 2.0, 3.0]).double())
    0.6666666666666666
    """
    # with <= the answer would be the same: torchsurv drops events at the horizon itself, and says NaN of no others
    counted = event & (time < horizon)  # (n,)
    if not bool(counted.any()):
        return math.nan
    first = time[counted].min()
    # a patient is comparable with the earliest event if it is later, or censored at the same time
    if not bool(((time > first) | ((time == first) & ~event)).any()):
        return math.nan
    tmax = None if math.isinf(horizon) else torch.tensor(horizon, dtype=time.dtype)
    weight = None if weight is None else weight.to(time)
    return float(_torchsurv().ConcordanceIndex()(ranks(risk), event, time, weight, tmax, instate=False))


def censoring_weights(reference: Tensor, time: Tensor, *, before: bool = False) -> Tensor:
    """Compute 1 / G(t), the inverse probability of not being censored by time t.

    G is the Kaplan–Meier estimate, with events before censorings of the same time.

    Parameters
    ----------
    reference : (n_train, 2)
        Events and times from which the censoring distribution is estimated; not all censored.
    time : (n,)
        When to evaluate it.
    before
        Whether to take 1 / G(t−) in its place, the inverse probability of not being censored *before* t: the weight
        of an event at t.

    Returns
    -------
    Tensor : (n,) float64
        The weights; meaningful before the last time of the reference, 0 where nobody is left.

    Examples
    --------
    >>> reference = torch.tensor([[0.0, 1.0], [1.0, 2.0]])
    >>> censoring_weights(reference, torch.tensor([0.5, 1.0]))
    tensor([1., 2.], dtype=torch.float64)
    >>> censoring_weights(reference, torch.tensor([0.5, 1.0]), before=True)
    tensor([1., 1.], dtype=torch.float64)
    """
    event, seen = reference[:, 0] == 1, reference[:, 1].double()
    times, place = torch.unique(seen, return_inverse=True)
    events, both = (torch.bincount(place[rows], minlength=len(times)).double() for rows in (event, slice(None)))
    # who can be censored at a time: all who are still there but for those whose event is then
    at_risk = both.flip(0).cumsum(0).flip(0) - events
    curve = torch.cumprod(1 - (both - events) / at_risk.clamp(min=1), 0)
    known = torch.cat([curve.new_ones(1), curve])[torch.searchsorted(times, time.double(), right=not before)]
    return torch.where(known > 0, 1 / known, 0.0)


def evaluation_times(
    event: Tensor, time: Tensor, horizon: float, at_most: int = 100, known_until: float = math.inf
) -> Tensor:
    """Choose the times at which curves are evaluated: the different event times before all end.

    Parameters
    ----------
    event : (n,) bool
        Whether the event was observed.
    time : (n,)
        Time of the event or of censoring.
    horizon
        The last time of the reference. Only event times before it and before the last time count, so that
        there are controls and the censoring distribution is known.
    at_most
        More times than this are thinned evenly by rank; the first and the last stay. It bounds the memory.
    known_until
        The last time at which there is an answer.

    Returns
    -------
    Tensor : (t,)
        Increasing times; perhaps none.

    Examples
    --------
    >>> event = torch.tensor([True, True, True, False])
    >>> evaluation_times(event, torch.tensor([2.0, 1.0, 2.0, 5.0]), horizon=4.0)
    tensor([1., 2.])
    """
    chosen = event & (time < min(horizon, float(time.max()))) & (time <= known_until)
    times: Tensor = torch.unique(time[chosen])  # sorted
    if len(times) <= at_most:
        return times
    keep = torch.linspace(0, len(times) - 1, at_most, dtype=torch.float64).round().long()
    return times[keep]


def mean_auc(risk: Tensor, event: Tensor, time: Tensor, weight: Tensor, at: Tensor, weight_at: Tensor) -> float:
    """Average the cumulative/dynamic AUC over times, by the fall of the Kaplan–Meier curve between them.

    Parameters
    ----------
    risk, event, time, weight : (n,)
        Risks, events, times and weights 1 / G(T−) of the patients.
    at, weight_at : (t,)
        Evaluation times, from :func:`evaluation_times`, and the weights there.

    Returns
    -------
    float
        Between 0 and 1.

    Examples
    --------
    >>> event, time = torch.tensor([True, False]), torch.tensor([1.0, 2.0])
    >>> mean_auc(torch.tensor([2.0, 1.0]), event, time, torch.ones(2), torch.ones(1), torch.ones(1))
    1.0
    """
    auc = _torchsurv().Auc()
    auc(ranks(risk), event, time, weight=weight, new_time=at, weight_new_time=weight_at)
    return float(auc.integral())


def integrated_brier(
    survival: Tensor, event: Tensor, time: Tensor, weight: Tensor, at: Tensor, weight_at: Tensor
) -> float:
    """Integrate the Brier score of survival probabilities over times.

    Parameters
    ----------
    survival : (n, t)
        Survival probabilities at the evaluation times.
    event, time, weight : (n,)
        Events, times and weights 1 / G(T−) of the patients.
    at, weight_at : (t,)
        Evaluation times and the weights there. With one time it is the Brier score at that time.

    Returns
    -------
    float
        Not negative; lower is better. 0.25 is what a constant ½ gives without censoring.

    Examples
    --------
    >>> event, time = torch.tensor([True, False]), torch.tensor([1.0, 2.0])
    >>> survival, one = torch.full((2, 1), 0.5), torch.ones(1)
    >>> integrated_brier(survival, event, time, torch.ones(2), one, one)
    0.25
    """
    score = _torchsurv().BrierScore()
    score(survival, event, time, new_time=at, weight=weight, weight_new_time=weight_at)
    return float(score.integral())


def _torchsurv() -> SimpleNamespace:
    """Import torchsurv where it is used, without its warning: its package still calls torch.jit.script."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.script", category=DeprecationWarning)
        from torchsurv.metrics.auc import Auc
        from torchsurv.metrics.brier_score import BrierScore
        from torchsurv.metrics.cindex import ConcordanceIndex
    return SimpleNamespace(Auc=Auc, BrierScore=BrierScore, ConcordanceIndex=ConcordanceIndex)
