"""In which unit numbers are, and whether those of a cohort can be in that of a model."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmlego.tasks.regression import Regression

FAR, IMPOSSIBLE = 6.0, 20.0  # standard deviations, or how often more or less spread; as of times
AWAY = 2.0  # standard deviations, nearer than which a narrow cohort is just narrow
FEWEST = 20  # patients by whose numbers a scale is judged


def units_of(given: str | Sequence[str] | Mapping[str, str] | None, targets: Sequence[str]) -> tuple[str, ...] | None:
    """Return a unit for each target; None if none is known.

    Parameters
    ----------
    given
        One for all, one each, or by target.
    targets
        Their names.

    Raises
    ------
    InputError
        If a target has none, or what is given is no unit of them.

    Examples
    --------
    >>> units_of("kg", ["before", "after"]), units_of({"height": "m"}, ["height"]), units_of(None, ["height"])
    (('kg', 'kg'), ('m',), None)
    """
    if given is None:
        return None
    if isinstance(given, str):
        found = [given] * len(targets)
    elif isinstance(given, dict):
        found = [given[name] for name in targets if name in given] if set(given) == set(targets) else []
    else:
        found = list(given)
    if len(found) != len(targets) or not all(isinstance(unit, str) and unit.strip() == unit != "" for unit in found):
        expected = f"one unit, or one for each of {listed(targets)}"
        raise InputError("units of numbers", expected=expected, got=repr(given))
    return tuple(found)


def check_numbers(task: Regression, values: np.ndarray, units: Sequence[str] | None) -> None:
    """Refuse numbers of a cohort that cannot be those of a task.

    Parameters
    ----------
    task
        Of the model or the baseplate.
    values : (n, k)
        Of the cohort's patients, by target of the task.
    units
        Theirs, as the manifest declares them.

    Raises
    ------
    MismatchError
        If the task has units and the numbers have none, or others: they are not converted; or if those of twenty or
        more patients lie so far from those that the task was made for that they cannot be in the same unit.

    Warns
    -----
    LegoWarning
        If the units are the same and the numbers lie far away all the same.

    Examples
    --------
    >>> from mmlego.tasks import Regression
    >>> mg = Regression(["cholesterol"], mean=200.0, scale=40.0)
    >>> check_numbers(mg, np.linspace(4.0, 7.0, 50)[:, None], None)
    Traceback (most recent call last):
    ...
    mmlego.errors.MismatchError: the numbers of 'cholesterol' are of another scale than those of the model: expected ...
    """
    if task.units is not None and units != task.units:
        told = dict(zip(task.targets, task.units, strict=True))
        raise MismatchError(
            "the units of the outcome are not those of the model",
            expected=f"unit: in the outcome section, {listed(f'{name} in {unit}' for name, unit in told.items())}",
            got="none" if units is None else listed(units),
            remedy="Add there the unit that the numbers have." if units is None else "Convert the numbers to it.",
        )
    for name, column, mean, scale in zip(task.targets, values.T, task.mean, task.scale, strict=True):
        known = column[np.isfinite(column)]
        if len(known) >= FEWEST and (mean, scale) != (0.0, 1.0):  # what a plate has that was made without patients
            _check_scale(name, known, mean, scale, declared=task.units is not None)


def _check_scale(name: str, values: np.ndarray, mean: float, scale: float, *, declared: bool) -> None:
    middle, spread = float(np.median(values)), float(values.std())
    away = abs(middle - mean) / scale
    wider = spread / scale
    narrower = scale / max(spread, 1e-30) if away > AWAY else 0.0
    far = max(away, wider, narrower)
    if far <= FAR:
        return
    usual, here = f"{mean:.4g} ± {scale:.4g} in its training", f"{middle:.4g} ± {spread:.4g}"
    got = f"{here} in {counted(len(values), 'patient')}"
    if declared and far <= IMPOSSIBLE:
        text = f"The numbers of {name!r} in this cohort, {here}, are far from those of the model, {usual}"
        warnings.warn(f"{text}: is unit: of the outcome section right?", LegoWarning, stacklevel=4)
        return
    raise MismatchError(
        f"the numbers of {name!r} are of another scale than those of the model",
        expected=f"numbers in its unit, {usual}",
        got=got,
        remedy="Mend unit: of the outcome section, or the numbers."
        if declared
        else "Give the numbers in the unit that the model was trained in.",
    )
