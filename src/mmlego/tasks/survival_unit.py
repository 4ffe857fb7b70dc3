"""In which unit times are, and whether those of a cohort can be in that of a model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.wording import counted

if TYPE_CHECKING:
    from mmlego.tasks.competing import CompetingRisks
    from mmlego.tasks.survival import Survival

# Days a unit: months and years are those of the mean calendar.
DAYS = {"days": 1.0, "weeks": 7.0, "months": 365.25 / 12, "years": 365.25}
FAR, IMPOSSIBLE = 6.0, 20.0  # how often longer or shorter; a year is 12 months, a month 30 days
NEAR = 2.0  # how far the median times of two cohorts of one unit are apart, mostly
FEWEST = 20  # patients by whose times a scale is judged


def check_unit(unit: object) -> str | None:
    """Return a unit of time, or None.

    Raises
    ------
    InputError
        If it is none of ``days``, ``weeks``, ``months`` and ``years``.

    Examples
    --------
    >>> check_unit("weeks")
    'weeks'
    """
    if unit is None or (isinstance(unit, str) and unit in DAYS):
        return unit
    raise InputError("unit of time", expected=f"one of {', '.join(DAYS)}, or None", got=repr(unit))


def times_for(
    task: Survival | CompetingRisks, times: np.ndarray, unit: str | None, *, sure: bool = False
) -> np.ndarray:
    """Return times of a cohort in the unit of a task.

    Parameters
    ----------
    task
        Of the model or the baseplate.
    times : (n,)
        Of the cohort's patients.
    unit
        Theirs, as the manifest declares it.
    sure
        Whether somebody has looked that they are in this unit.

    Returns
    -------
    array (n,)
        Converted if both units are known and differ, else as they are.

    Raises
    ------
    MismatchError
        If the task has a unit and the times have none; or if half of twenty or more patients have times so long, or so
        short, that they cannot be in the unit of those that the task was made for; or that they would be as those in
        another unit, and nobody is sure.

    Warns
    -----
    LegoWarning
        If both units are known and the times are far longer or shorter all the same, and in no unit as those are.

    Examples
    --------
    >>> from mmlego.tasks import Survival
    >>> times_for(Survival([1, 2], unit="years"), np.array([6.0, 18.0]), "months")
    array([0.5, 1.5])
    """
    if task.unit is not None and unit is None:
        raise MismatchError(
            f"the times of the cohort have no unit, those of the model are {task.unit}",
            expected=f"unit: in the outcome section, one of {', '.join(DAYS)}",
            got="none",
            remedy=f"Add there the unit that its times have; others than {task.unit} are converted.",
        )
    if task.unit is not None and unit is not None and unit != task.unit:
        times = np.asarray(times * (DAYS[unit] / DAYS[task.unit]))
    _check_scale(task, times, None if task.unit is None else unit, sure=sure)
    return times


def _check_scale(task: Survival | CompetingRisks, times: np.ndarray, declared: str | None, *, sure: bool) -> None:
    """Refuse times of another order than those of the task, or warn where units were declared and it may be so."""
    if len(times) < FEWEST:
        return
    low, high = (task.cuts[0], task.cuts[-1]) if task.typical_time is None else (task.typical_time,) * 2
    middle = float(np.median(times))
    unit = "" if task.unit is None else f" {task.unit}"
    usual = f"cuts at {low:g} to {high:g}{unit}" if low < high else f"a median of {low:g}{unit} in its training"
    typical = float(np.sqrt(low * high))
    where = "longer" if middle > typical else "shorter"
    meant = None if declared is None or sure else _meant(middle, low, high, declared)
    if meant is not None and not min(low, typical / FAR) <= middle <= max(high, typical * FAR):
        raise MismatchError(
            f"the times of the cohort are of another scale than those of the model, far {where}",
            expected=f"times in {declared}, as unit: of the outcome section says; the model has {usual}",
            got=f"a median of {middle:g}{unit} of {counted(len(times), 'patient')}, as if they were in {meant}",
            remedy=f"Say unit: {meant} there; if they are in {declared} indeed, add unit_checked: true.",
        )
    off = max(middle / high, low / max(middle, 1e-30))
    if off <= FAR:
        return
    if sure or (declared and off <= IMPOSSIBLE):
        text = f"The times of this cohort are far {where} than those of the model, which has {usual}"
        warnings.warn(f"{text}: is unit: of the outcome section right?", LegoWarning, stacklevel=3)
        return
    raise MismatchError(
        f"the times of the cohort are of another scale than those of the model, far {where}",
        expected=f"times in the unit of the model, which has {usual}",
        got=f"a median of {middle:g}{unit} of {counted(len(times), 'patient')}",
        remedy="Mend unit: of the outcome section, or the times."
        if declared
        else "Give the times in the unit that the model was trained in.",
    )


def _meant(middle: float, low: float, high: float, declared: str) -> str | None:
    """Return the unit in which a median time would be as those of the model: near its own, or between its cuts."""
    typical = float(np.sqrt(low * high))
    low, high = (low / NEAR, high * NEAR) if low == high else (low, high)
    apart = {
        one: abs(np.log(max(middle, 1e-30) * DAYS[one] / DAYS[declared] / typical))
        for one in DAYS
        if one != declared and low <= middle * DAYS[one] / DAYS[declared] <= high
    }
    return min(apart, key=lambda one: float(apart[one]), default=None)
