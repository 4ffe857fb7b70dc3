"""Where a risk stands among those of held-out patients, and what became of patients with such risks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmlego.anonymity import MIN_PATIENTS, inner_quantiles
from mmlego.tasks.checks import as_floats
from mmlego.tasks.conformal import rounded
from mmlego.tasks.kaplan_meier import kaplan_meier
from mmlego.tasks.survival_prediction import SurvivalPrediction
from mmlego.tasks.usual_times import usual_times

STEPS = 21  # quantiles of the risk: from the least to the largest, 5 % of the patients apart
FEWEST = 20  # patients a group has at least
ERROR = 0.025  # on each side of an interval of 95 %
NAMES = {2: ("low", "high"), 3: ("low", "intermediate", "high")}


def risk_summary(risk: Tensor, target: Tensor, cuts: Sequence[float]) -> dict[str, Any]:
    """Return quantiles of risks, and by group of risk how many survived each cut.

    Groups are thirds of the patients, or halves where thirds have fewer than 20; fewer than 40 patients make none.

    Parameters
    ----------
    risk : (n,)
        Of patients whom the model was not trained on; higher = earlier event.
    target : (n, 2)
        Their events and times.
    cuts
        The times between the bins.

    Returns
    -------
    dict
        ``risk``, 21 quantiles, as :func:`quantiles_of` finds them; ``groups``, from the lowest risks on, with
        ``patients``, ``events`` and the Kaplan–Meier estimate at each cut, ``survival``, with its interval of 95 %,
        ``low`` and ``high`` (None where nobody was observed for so long); ``least``, how many lie at or beyond the ends
        of ``risk``.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([[1.0, 3.0], [1.0, 1.0]] * 20)
    >>> found = risk_summary(torch.tensor([-2.0, -1.0] * 20), target, [2.0])
    >>> [group["survival"] for group in found["groups"]]
    [[1.0], [0.0]]
    """
    values = risk.detach().cpu().double()
    group, groups = by_rank(values), []
    number = int(group.max()) + 1
    if number > 1:
        for index in range(number):
            mine = target[group == index].detach().cpu().double().numpy()
            event, time = mine[:, 0] == 1, mine[:, 1]
            survival, low, high = kaplan_meier(event, time).at(list(cuts))
            at_risk = (time[:, None] >= np.asarray(cuts)).sum(0)
            # where nobody has died the estimate knows no error: the bound is that of so many who all survived
            low = np.where(survival == 1, ERROR ** (1 / at_risk.clip(min=1)), low)
            curves = as_curves("survival", survival, low, high)
            groups.append({"patients": len(time), "events": int(event.sum()), **curves})
    return {"risk": quantiles_of(values), "groups": groups, "least": MIN_PATIENTS}


def quantiles_of(values: Tensor) -> list[float]:
    """Return 21 quantiles of numbers ``(n,)``, from the least to the largest, none beyond the fifth from either end.

    A quantile so far out would be what a single patient has. Of fewer than ten patients there are none.
    """
    found = inner_quantiles(values.detach().cpu().double().numpy(), np.linspace(0, 1, STEPS).tolist(), MIN_PATIENTS)
    return [rounded(value) for value in found.tolist()]


def as_curves(name: str, value: NDArray[Any], low: NDArray[Any], high: NDArray[Any]) -> dict[str, list[float | None]]:
    """Return curves as a card keeps them: rounded, None where nothing is known."""
    found = {name: value, "low": low, "high": high}
    return {key: [_or_none(one) for one in curve.tolist()] for key, curve in found.items()}


def by_rank(values: Tensor) -> Tensor:
    """Return the group of each patient, ``(n,)``: thirds by rising value, halves where thirds have fewer than 20.

    Fewer than 40 patients are one group; ties are dealt in the order of the file.

    Parameters
    ----------
    values : (n,)
        As risks, or probabilities; at least one.

    Examples
    --------
    >>> import torch
    >>> by_rank(torch.arange(60.0)).bincount().tolist(), by_rank(torch.arange(39.0)).unique().tolist()
    ([20, 20, 20], [0])
    """
    number = next((n for n in (3, 2) if len(values) >= n * FEWEST), 1)
    place = values.argsort(stable=True).argsort(stable=True)
    return place * number // len(values)


def compared_survival(
    prediction: SurvivalPrediction, summary: Mapping[str, Any], times: Sequence[float] | None
) -> dict[str, NDArray[Any]]:
    """Return :func:`risk_standing`, and the bounds of :func:`observed_survival` at each time, by name of a column.

    Parameters
    ----------
    prediction
        Of new patients.
    summary
        As :func:`risk_summary` gives it for the cuts of the prediction; without ``risk`` there is nothing to compare.
    times
        When; None: :func:`usual_times`.
    """
    if "risk" not in summary:
        return {}
    asked = usual_times(prediction.horizon, prediction.unit) if times is None else as_floats(times, "times")
    at = list(dict.fromkeys(asked))  # a column each, however often a time is asked for
    found = risk_standing(prediction.risk, summary)
    low, high = observed_survival(prediction.risk, summary, prediction.cuts, at)
    for j, name in enumerate(list(prediction.columns(at))[1:]):
        found |= {f"{name}_low_95": low[:, j], f"{name}_high_95": high[:, j]}
    return found


def risk_standing(risk: Tensor, summary: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Return the percentile of each risk among those of held-out patients, and its group with the group's bounds.

    Parameters
    ----------
    risk : (b,)
        Of new patients.
    summary
        As :func:`risk_summary` gives it.

    Returns
    -------
    dict of str to array (b,)
        ``risk_percentile``, 0 to 100, at the ends of what is known the middle of the tail, NaN of too few patients;
        and, if there are groups, ``risk_group``: its name, and between which percentiles it lies.

    Examples
    --------
    >>> summary = {"risk": list(range(21)), "groups": [{}, {}]}
    >>> import torch
    >>> found = risk_standing(torch.tensor([5.0, 30.0]), summary)
    >>> found["risk_percentile"].tolist(), found["risk_group"].tolist()
    ([25.0, 100.0], ['low (≤ P50)', 'high (> P50)'])
    """
    percentile = _percentiles(risk, summary)
    found: dict[str, NDArray[Any]] = {"risk_percentile": percentile}
    number = len(summary.get("groups", ()))
    if number in NAMES:
        bounds = [f"P{100 * step / number:.0f}" for step in range(number + 1)]
        told = [f"{name} ({_between(bounds, index, number)})" for index, name in enumerate(NAMES[number])]
        found["risk_group"] = np.array([told[index] for index in _groups(percentile, number)], dtype=object)
    return found


def observed_survival(
    risk: Tensor, summary: Mapping[str, Any], cuts: Sequence[float], times: Sequence[float], start: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return between what bounds the survival lies of held-out patients in the same group of risk, ``(b, t)`` each.

    They are the interval of 95 % of the Kaplan–Meier estimate of the group at the cuts, and between cuts on a straight
    line; NaN beyond the last cut, and where there are no groups.

    Parameters
    ----------
    risk : (b,)
        Of new patients.
    summary
        As :func:`risk_summary` gives it for these cuts.
    cuts, times
        The times between the bins, and the ``t`` times asked for.
    start
        The value at 0: 1 of survival, 0 of an incidence.

    Examples
    --------
    >>> group = {"low": [0.6], "high": [0.8]}
    >>> import torch
    >>> low, high = observed_survival(torch.tensor([0.0]), {"risk": [0.0] * 21, "groups": [group, group]}, [2.0], [1.0])
    >>> low.tolist(), high.tolist()
    ([[0.8]], [[0.9]])
    """
    groups = summary.get("groups", [])
    if not groups:
        nothing = np.full((len(risk), len(times)), np.nan)
        return nothing, nothing
    mine = _groups(_percentiles(risk, summary), len(groups))
    bounds = []
    for side in ("low", "high"):
        each = np.array([group[side] for group in groups], dtype=float)  # None becomes NaN
        curves = [np.interp(times, [0.0, *cuts], [start, *row], right=np.nan) for row in each]
        bounds.append(np.stack(curves)[mine])
    return bounds[0], bounds[1]


def _percentiles(risk: Tensor, summary: Mapping[str, Any]) -> NDArray[np.float64]:
    known = np.asarray(summary["risk"], dtype=float)
    if len(known) == 0:  # of too few patients
        return np.full(len(risk), np.nan)
    values, steps = risk.detach().cpu().double().numpy(), np.linspace(0, 100, len(known))
    found: NDArray[np.float64] = np.interp(values, known, steps)
    # at an end, which several steps may share, and beyond it: the middle of those who are there
    found[values >= known[-1]] = (steps[known == known[-1]][0] + 100) / 2
    found[values <= known[0]] = steps[known == known[0]][-1] / 2 if known[0] < known[-1] else 50.0
    return found


def _groups(percentile: NDArray[np.float64], number: int) -> NDArray[np.int64]:
    found: NDArray[np.int64] = np.clip(np.ceil(percentile * number / 100 - 1e-9).astype(np.int64) - 1, 0, number - 1)
    return found


def _between(bounds: Sequence[str], index: int, number: int) -> str:
    if index == 0:
        return f"≤ {bounds[1]}"
    return f"> {bounds[index]}" if index == number - 1 else f"{bounds[index]}–{bounds[index + 1]}"


def _or_none(value: float) -> float | None:
    return None if value != value else rounded(value)
