"""A fresh copy of somebody's estimator, fitted to some patients: what cross-fitting needs."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.learners.base import Learner
from mmlego.learners.foreign import wrap
from mmlego.tasks import Classification, Task


def fit_copy(estimator: Any, x: np.ndarray, target: Tensor, task: Task) -> Learner:
    """Return a fresh copy of an estimator, fitted to patients, as a learner; the estimator itself stays as it is.

    Parameters
    ----------
    estimator
        Of scikit-learn's kind: with ``fit(x, y)``. ``y`` are the names of the classes, labels of 0 and 1, numbers in
        the units of the target, or the structured array of ``event`` and ``time`` that scikit-survival takes.
    x
        Rows ``(n, p)``.
    target
        As the task takes it.
    task
        What it shall answer.

    Raises
    ------
    InputError
        If it cannot be fitted.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> x, y = np.array([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([0, 0, 1, 1])
    >>> fit_copy(LogisticRegression(), x, y, Classification(["no", "yes"])).raw
    2
    """
    if not callable(getattr(estimator, "fit", None)):
        raise InputError(
            f"{type(estimator).__name__} cannot be fitted",
            expected="an object with fit(x, y)",
            got="none",
            remedy="If it is fitted already, give held_out= in place of data=.",
        )
    fresh = _fresh(estimator)
    try:
        fresh.fit(x, outcome_for(target, task))
    except Exception as error:  # what estimators of others do can be anything
        raise InputError(
            f"{type(estimator).__name__} cannot be fitted to these patients ({type(error).__name__}: {error})",
            expected=f"an estimator of {task.name}",
        ) from error
    return wrap(fresh, task, x.shape[1])


def outcome_for(target: Tensor, task: Task) -> np.ndarray:
    """Return a target in the form in which estimators of scikit-learn's kind take it.

    Examples
    --------
    >>> outcome_for(torch.tensor([1, 0]), Classification(["no", "yes"])).tolist()
    ['yes', 'no']
    """
    values = task.check_target(target).cpu()
    if task.name == "survival":
        made = np.empty(len(values), dtype=[("event", bool), ("time", float)])
        made["event"], made["time"] = values[:, 0].numpy() == 1, values[:, 1].double().numpy()
        return made
    if isinstance(task, Classification):
        return np.asarray(np.array(task.classes)[values.numpy()])
    if task.name == "multilabel" and bool(torch.isnan(values).any()):
        raise InputError(
            "labels that are not known, which estimators of others do not take",
            expected="every label of every patient",
            got=f"{int(values.isnan().sum())} unknown",
            remedy="Take one of mmlego's learners by its name, as 'logistic'.",
        )
    rows = values.double().numpy()
    if task.name == "multilabel":
        rows = rows.astype(int)
    made = rows[:, 0] if rows.ndim == 2 and rows.shape[1] == 1 else rows
    return np.asarray(made)


def _fresh(estimator: Any) -> Any:
    if not callable(getattr(estimator, "get_params", None)):
        return copy.deepcopy(estimator)
    from sklearn.base import clone

    return clone(estimator)
