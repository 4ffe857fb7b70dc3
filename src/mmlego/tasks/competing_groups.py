"""Where the risk of a cause stands among those of held-out patients, and what became of patients with such risks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmlego.anonymity import MIN_PATIENTS
from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.tasks.checks import as_floats
from mmlego.tasks.competing_prediction import CompetingPrediction
from mmlego.tasks.risk_groups import ERROR, as_curves, by_rank, observed_survival, quantiles_of, risk_standing
from mmlego.tasks.survival_prediction import time_labels
from mmlego.tasks.usual_times import usual_times


def causes_summary(risks: Tensor, target: Tensor, cuts: Sequence[float], causes: Sequence[str]) -> dict[str, Any]:
    """Return by cause quantiles of its risk, and by group of that risk its incidence at each cut.

    Groups are those of :func:`~mmlego.tasks.risk_groups.by_rank`, one alone makes none.

    Parameters
    ----------
    risks : (n, m)
        Of patients whom the model was not trained on.
    target : (n, 2)
        Their numbers of causes and times.
    cuts
        The times between the bins.
    causes
        The ``m`` names.

    Returns
    -------
    dict
        Under ``causes``, by name: ``risk``, 21 quantiles; ``groups``, from the lowest risks on, with ``patients``,
        ``events`` of the cause and the Aalen–Johansen estimate at each cut, ``incidence``, with its interval of 95 %,
        ``low`` and ``high`` (None where nobody was observed for so long).

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([[1.0, 1.0], [2.0, 1.0]] * 20)
    >>> risks = torch.tensor([[2.0, 1.0], [1.0, 2.0]] * 20)
    >>> found = causes_summary(risks, target, [1.0], ["relapse", "death"])["causes"]["relapse"]
    >>> [group["incidence"] for group in found["groups"]]
    [[0.0], [1.0]]
    """
    found: dict[str, Any] = {}
    came, time = target[:, 0].detach().cpu().long().numpy(), target[:, 1].detach().cpu().double().numpy()
    for place, cause in enumerate(causes):
        risk = risks[:, place].detach().cpu().double()
        member = by_rank(risk).numpy()
        groups = []
        for number in range(int(member.max()) + 1 if member.max() else 0):
            here = member == number
            incidence, low, high = (
                one[place] for one in aalen_johansen(came[here], time[here], len(causes)).at(list(cuts))
            )
            at_risk = (time[here][:, None] >= np.asarray(cuts)).sum(0)
            # where nobody had it the estimate knows no error: the bound is that of so many who all were free of it
            high = np.where(incidence == 0, 1 - ERROR ** (1 / at_risk.clip(min=1)), high)
            events = int((came[here] == place + 1).sum())
            curves = as_curves("incidence", incidence, low, high)
            groups.append({"patients": int(here.sum()), "events": events, **curves})
        found[cause] = {"risk": quantiles_of(risk), "groups": groups}
    return {"causes": found, "least": MIN_PATIENTS}


def compared_causes(
    prediction: CompetingPrediction, summary: Mapping[str, Any], times: Sequence[float] | None
) -> dict[str, NDArray[Any]]:
    """Return by name of a column where each risk stands, and between what bounds such patients had the event.

    Parameters
    ----------
    prediction
        Of new patients.
    summary
        As :func:`causes_summary` gives it for the cuts of the prediction; empty: there is nothing to compare.
    times
        When; None: :func:`usual_times`.

    Returns
    -------
    dict of str to array (b,)
        ``risk_of_<cause>_percentile`` and ``risk_of_<cause>_group``; ``<cause>_by_<time>_low_95`` and ``…_high_95``,
        the interval of the Aalen–Johansen estimate of that group.
    """
    asked = usual_times(prediction.horizon, prediction.unit) if times is None else as_floats(times, "times")
    at = list(dict.fromkeys(asked))  # a column each, however often a time is asked for
    found: dict[str, NDArray[Any]] = {}
    for place, cause in enumerate(prediction.causes):
        known = summary.get("causes", {}).get(cause)
        if known is None:
            continue
        risk = prediction.risks[:, place]
        standing = risk_standing(risk, known)
        found |= {f"risk_of_{cause}_{name.removeprefix('risk_')}": values for name, values in standing.items()}
        low, high = observed_survival(risk, known, prediction.cuts, at, start=0.0)
        for j, label in enumerate(time_labels(at, prediction.unit)):
            found |= {f"{cause}_by_{label}_low_95": low[:, j], f"{cause}_by_{label}_high_95": high[:, j]}
    return found
