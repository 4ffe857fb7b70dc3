"""How a fitted object of another library answers, turned into raw scores of a task."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mmlego.errors import InputError
from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Task
from mmlego.wording import label, listed

_BOUND = 1e-7
_FORESTS_OF_RISKS = ("RandomSurvivalForest", "ExtraSurvivalTrees", "SurvivalTree")


@dataclass(frozen=True)
class Answer:
    """Which method of an object is asked, and what is made of its answer; plain values, ready for JSON.

    Attributes
    ----------
    method : str
        ``predict_proba``, ``decision_function``, ``predict`` or ``predict_risk``.
    link : str
        ``log`` of probabilities of classes, ``log_odds`` of those of labels, ``log`` of positive risks, ``identity``.
    order : list of int
        For each raw score the column of the answer.
    shift, scale : list of float
        Raw score = (answer − shift) / scale.
    two_columns
        Whether one log-odds makes the two raw scores 0 and itself.
    """

    method: str
    link: str
    order: list[int]
    shift: list[float]
    scale: list[float]
    two_columns: bool = False

    def config(self) -> dict[str, Any]:
        """Return it as plain values."""
        return asdict(self)

    def raw(self, estimator: Any, x: np.ndarray) -> np.ndarray:
        """Return raw scores ``(b, m)`` of rows ``(b, p)``.

        Raises
        ------
        InputError
            If the object answers otherwise than it did.
        """
        answer = _asked(estimator, self.method, x)
        if isinstance(answer, list):  # of several labels, the probabilities of not and of yes for each
            answer = np.stack([np.asarray(part, dtype=np.float64)[:, -1] for part in answer], axis=1)
        values = np.asarray(answer, dtype=np.float64)
        values = values[:, None] if values.ndim == 1 else values
        if values.ndim != 2 or len(values) != len(x) or values.shape[1] <= max(self.order):
            raise InputError(
                f"{type(estimator).__name__}.{self.method} answers in another shape",
                expected=f"({len(x)}, {max(self.order) + 1})",
                got=np.shape(answer),
            )
        values = (values[:, self.order] - np.array(self.shift)) / np.array(self.scale)
        if self.link == "log":
            values = np.log(np.maximum(values, _BOUND))
        elif self.link == "log_odds":
            shares = np.clip(values, _BOUND, 1 - _BOUND)
            values = np.log(shares) - np.log1p(-shares)
        if not np.isfinite(values).all():
            raise InputError(
                f"{type(estimator).__name__}.{self.method} gives no raw scores",
                expected="finite numbers",
                got=f"{int((~np.isfinite(values)).sum())} of {values.size} NaN or infinite",
            )
        return np.hstack([np.zeros_like(values), values]) if self.two_columns else values


def answer_of(estimator: Any, task: Task, classes: Sequence[str] | None = None) -> Answer:
    """Return how an object answers a task, checked against the task's classes.

    Parameters
    ----------
    estimator
        A fitted object.
    task
        What it shall answer.
    classes
        The task's names of its classes, in the order of its columns; needed where it does not say.

    Raises
    ------
    InputError
        If it does not answer such a task, or its classes are not those of the task.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> fitted = LogisticRegression().fit([[0.0], [1.0]], ["sick", "well"])
    >>> answer_of(fitted, Classification(["well", "sick"])).order
    [1, 0]
    """
    if isinstance(task, Classification):
        return _of_classes(estimator, task, classes)
    if isinstance(task, MultiLabel):
        return _of_labels(estimator, task)
    if isinstance(task, Regression):
        if getattr(estimator, "_estimator_type", None) == "classifier" or hasattr(estimator, "classes_"):
            raise _cannot(estimator, task, "predict(x) → numbers", "a classifier")
        _needs(estimator, task, "predict")
        return Answer("predict", "identity", list(range(task.outputs)), list(task.mean), list(task.scale))
    return _of_survival(estimator, task)


def _of_classes(estimator: Any, task: Classification, classes: Sequence[str] | None) -> Answer:
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "decision_function"
    _needs(estimator, task, method)
    order = _order(estimator, task, classes)
    k = task.outputs
    if method == "predict_proba":
        return Answer(method, "log", order, [0.0] * k, [1.0] * k)
    if k == 2:  # one log-odds, that of the estimator's second class
        return Answer(method, "identity", [0], [0.0], [1.0 if order == [0, 1] else -1.0], two_columns=True)
    return Answer(method, "identity", order, [0.0] * k, [1.0] * k)


def _order(estimator: Any, task: Classification, classes: Sequence[str] | None) -> list[int]:
    """Return for each class of the task the column of the estimator."""
    own = classes if classes is not None else getattr(estimator, "classes_", None)
    if own is None:
        raise InputError(
            f"{type(estimator).__name__} does not say which classes its columns are",
            expected="classes_",
            got="none",
            remedy=f"Give classes=, some order of {list(task.classes)}.",
        )
    names = [label(name) for name in np.asarray(own, dtype=object).tolist()]
    numbers = [str(i) for i in range(task.outputs)]
    if sorted(names) == sorted(task.classes):
        if classes is None and names == numbers != list(task.classes):
            raise InputError(
                f"the classes of {type(estimator).__name__} may be names or numbers of the task's classes",
                expected=f"which of {list(task.classes)} are its {names}",
                got="both can be meant",
                remedy="Give classes=, the task's names in the order of its columns.",
            )
        return [names.index(name) for name in task.classes]
    if classes is None and names == numbers:  # fitted to the numbers that the task's targets are made of
        return list(range(task.outputs))
    raise InputError(
        f"the classes of {type(estimator).__name__} are not those of the task",
        expected=f"{list(task.classes)}",
        got=listed(names, 12),
        remedy="Fit it to the task's classes, all of them, or give classes=, their names in the order of its columns.",
    )


def _of_labels(estimator: Any, task: MultiLabel) -> Answer:
    k = task.outputs
    method = "predict_proba" if hasattr(estimator, "predict_proba") else "decision_function"
    _needs(estimator, task, method)
    own = getattr(estimator, "classes_", None)
    several = own if isinstance(own, list) else [own] if k == 1 and own is not None else []
    for name, found in zip(task.labels, several, strict=False):
        if [label(value) for value in np.asarray(found, dtype=object).tolist()] not in (["0", "1"], ["False", "True"]):
            raise _cannot(estimator, task, "classes 0 and 1 of each label", f"{list(found)} of {name!r}")
    if several and len(several) != k:
        raise _cannot(estimator, task, f"{k} labels", str(len(several)))
    one = k == 1 and method == "predict_proba" and not isinstance(own, list)
    order = [1] if one else list(range(k))
    return Answer(method, "log_odds" if method == "predict_proba" else "identity", order, [0.0] * k, [1.0] * k)


def _of_survival(estimator: Any, task: Task) -> Answer:
    if isinstance(task, CompetingRisks):
        raise InputError(
            f"{type(estimator).__name__} is of one cause",
            expected=f"a model of each of {listed(task.causes)}",
            got="one",
            remedy="Give it unfitted to LegoBlock.of with data=, which fits a copy for each cause.",
        )
    if hasattr(estimator, "predict_risk"):
        return Answer("predict_risk", "identity", [0], [0.0], [1.0])
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if hasattr(last, "best_estimator_"):
        last = last.best_estimator_
    if type(last).__module__.split(".")[0] != "sksurv" or not hasattr(last, "predict"):
        raise InputError(
            f"{type(last).__name__} does not say what its answer means for survival",
            expected="an estimator of scikit-survival, or a method predict_risk(x) → (n,), higher = earlier event",
            got="neither",
            remedy="Wrap it in a class with predict_risk.",
        )
    higher_is_earlier = getattr(last, "_predict_risk_score", True)  # others predict times
    link = "log" if type(last).__name__ in _FORESTS_OF_RISKS else "identity"  # numbers of events, which are positive
    return Answer("predict", link, [0], [0.0], [1.0 if higher_is_earlier else -1.0])


def _asked(estimator: Any, method: str, x: np.ndarray) -> Any:
    names = getattr(estimator, "feature_names_in_", None)
    rows: Any = x
    if names is not None:
        import pandas as pd

        rows = pd.DataFrame(x, columns=list(names))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(estimator, method)(rows)


def _needs(estimator: Any, task: Task, method: str) -> None:
    if not callable(getattr(estimator, method, None)):
        raise _cannot(estimator, task, f"a method {method}", "none")


def _cannot(estimator: Any, task: Task, expected: str, got: str) -> InputError:
    return InputError(f"{type(estimator).__name__} does not answer a task of {task.name}", expected=expected, got=got)
