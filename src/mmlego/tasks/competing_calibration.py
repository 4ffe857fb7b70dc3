"""Whether predicted incidences of competing causes are what was observed: against Aalen–Johansen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.tasks.risk_groups import by_rank
from mmlego.tasks.smooth_calibration import away_from, smooth_survival


@dataclass(frozen=True)
class Group:
    """Patients with like predictions, and what was observed of them.

    Parameters
    ----------
    patients
        How many.
    predicted
        Mean of the predicted incidence.
    aj, low, high
        Aalen–Johansen estimate and its 95 % interval; NaN where nobody is at risk.
    """

    patients: int
    predicted: float
    aj: float
    low: float
    high: float


@dataclass(frozen=True)
class IncidenceAt:
    """Predicted and observed cumulative incidence of a cause at one time.

    Parameters
    ----------
    cause
        Its name.
    time
        In the unit of the task.
    predicted
        Mean of the predicted incidence; NaN beyond the horizon of the model.
    aj, low, high
        Aalen–Johansen estimate in the same patients and its 95 % interval; NaN where nobody is at risk.
    at_risk
        Patients who are still there at the time, without any event.
    ici, e50, e90
        Mean, median and 90th percentile of |predicted − smooth observed incidence| over the patients.
    groups
        The same of thirds of the patients by what is predicted, the lowest first; of halves where thirds have fewer
        than 20 patients, and none of fewer than 40.
    """

    cause: str
    time: float
    predicted: float
    aj: float
    low: float
    high: float
    at_risk: int
    ici: float
    e50: float
    e90: float
    groups: tuple[Group, ...] = ()


def incidence_calibration_at(
    incidence: Tensor, target: Tensor, time: float, cause: int, causes: Sequence[str]
) -> IncidenceAt:
    """Compare the predicted incidence of a cause at a time with what was observed.

    The smooth curve is that of Austin, Putter, Giardiello and van Klaveren (2022, "Graphical calibration curves and the
    integrated calibration index (ICI) for competing risk models"), see :func:`smooth_survival`.

    Parameters
    ----------
    incidence : (n,)
        Predicted probability that the event of the cause has come by then; NaN where there is no answer.
    target : (n, 2)
        Numbers of causes, 0 censored, and times.
    time
        When.
    cause
        The number of the cause, from 1.
    causes
        The names of all.

    Returns
    -------
    IncidenceAt
        NaN where something is undefined.

    Examples
    --------
    >>> import torch
    >>> target = torch.tensor([[1.0, 1.0], [2.0, 2.0], [0.0, 3.0], [0.0, 4.0]])
    >>> found = incidence_calibration_at(torch.full((4,), 0.3), target, 2.5, 1, ["relapse", "death"])
    >>> found.cause, found.aj, found.at_risk, round(found.ici, 3)
    ('relapse', 0.25, 2, 0.05)
    """
    incidence, event, times = incidence.double(), target[:, 0].long(), target[:, 1].double()
    aj, low, high = _observed(event, times, time, cause, len(causes))
    smooth = None
    if aj == aj:
        others = (event > 0) & (event != cause)
        smooth = 1 - smooth_survival(1 - incidence, event == cause, times, time, alike=1 - aj, other=others)
    away = away_from(incidence, smooth)
    groups = []
    if not bool(incidence.isnan().any()):
        member = by_rank(incidence)
        for place in range(int(member.max()) + 1 if bool(member.any()) else 0):
            mine = member == place
            seen = _observed(event[mine], times[mine], time, cause, len(causes))
            groups.append(Group(int(mine.sum()), float(incidence[mine].mean()), *seen))
    at_risk = int((times >= time).sum())
    named = causes[cause - 1]
    return IncidenceAt(named, time, float(incidence.mean()), aj, low, high, at_risk, *away, tuple(groups))


def _observed(event: Tensor, times: Tensor, time: float, cause: int, causes: int) -> tuple[float, float, float]:
    """Return estimate, low and high; NaN after the last time, and no interval before the first event of the cause."""
    if time > float(times.max()):
        return (float("nan"),) * 3
    found = aalen_johansen(event.numpy(), times.numpy(), causes).at(time)
    estimate, low, high = (float(one[cause - 1, 0]) for one in found)
    return (estimate, low, high) if 0 < estimate < 1 else (estimate, float("nan"), float("nan"))
