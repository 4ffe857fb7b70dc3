"""What a baseline is: a model of a library, with its defaults, from rows of a table to what the task scores."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.tasks import Task

Kind = Literal["classes", "number"]
Answer = Callable[[np.ndarray], np.ndarray]
LEAST = 1e-12  # of a probability whose logarithm is taken


class Baseline(ABC):
    """A model that is fitted to rows of a table in one call, and scores other rows; NaN is what nobody measured.

    Attributes
    ----------
    name : str
        By which tables call it.
    tasks : tuple of str
        The names of the tasks that it serves.

    Examples
    --------
    >>> from mmlego.baselines import baseline_class
    >>> from mmlego.tasks import Regression
    >>> x = np.arange(20.0)[:, None]
    >>> ridge = baseline_class("ridge")().fit(x, torch.from_numpy(x), Regression(mean=9.5, scale=5.0), seed=0)
    >>> ridge.scores(np.array([[14.5]])).round(1)
    array([[1.]])
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[str, ...]]

    def fit(self, x: np.ndarray, target: Tensor, task: Task, *, seed: int) -> Self:
        """Fit to patients, in one thread.

        Parameters
        ----------
        x : (n, p)
            Their rows.
        target : (n, ...)
            Their targets, as the task takes them.
        task
            What is to be predicted.
        seed
            Of inner folds and of whatever is random.

        Raises
        ------
        InputError
            If it does not serve the task.
        """
        from threadpoolctl import threadpool_limits

        if task.name not in self.tasks:
            raise InputError(f"baseline {self.name!r}", expected=f"one of {', '.join(self.tasks)}", got=task.name)
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # libraries tell of what does not converge: it is scored as it is
            self._answer = self._fit(np.asarray(x, dtype=np.float64), target, task, seed)
        return self

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Return the task's logits ``(n, k)`` of rows ``(n, p)``; of survival a risk ``(n, 1)``, higher = earlier."""
        from threadpoolctl import threadpool_limits

        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return self._answer(np.asarray(x, dtype=np.float64))

    @abstractmethod
    def _fit(self, x: np.ndarray, target: Tensor, task: Task, seed: int) -> Answer:
        """Return what answers rows."""


class Tabular(Baseline):
    """A baseline that wraps estimators with the interface of scikit-learn; a subclass says which."""

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel", "regression")

    def estimator(self, kind: Kind, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Return an unfitted estimator for classes 0, 1, … or for a number."""
        raise NotImplementedError

    def prepared(self, x: np.ndarray) -> Answer:
        """Return what is done to rows beforehand, learnt from those that are fitted to; nothing for trees."""
        return lambda rows: rows

    def _fit(self, x: np.ndarray, target: Tensor, task: Task, seed: int) -> Answer:
        prepare = self.prepared(x)
        rows, y = prepare(x), target.detach().cpu().numpy()
        if task.name == "classification":
            answers = [self._classes(rows, y.astype(np.int64), task.outputs, seed)]
        elif task.name == "multilabel":
            answers = [self._label(rows, label, seed) for label in y.T]
        else:
            values = _standardised(y, task)
            answers = [self._number(rows, value, seed) for value in values.T]

        def answer(asked: np.ndarray) -> np.ndarray:
            given = prepare(asked)
            return np.concatenate([part(given) for part in answers], axis=1)

        return answer

    def _classes(self, x: np.ndarray, y: np.ndarray, count: int, seed: int) -> Answer:
        """Return what answers log-probabilities ``(n, count)``."""
        seen, coded = np.unique(y, return_inverse=True)
        fitted = None if len(seen) < 2 else self.estimator("classes", x, coded, seed).fit(x, coded)

        def answer(asked: np.ndarray) -> np.ndarray:
            chance = np.full((len(asked), count), LEAST)
            chance[:, seen] = 1.0 if fitted is None else fitted.predict_proba(asked)
            chance = np.clip(chance, LEAST, 1.0)
            logs: np.ndarray = np.log(chance / chance.sum(axis=1, keepdims=True))
            return logs

        return answer

    def _label(self, x: np.ndarray, y: np.ndarray, seed: int) -> Answer:
        known = np.isfinite(y)
        both = self._classes(x[known], y[known].astype(np.int64), 2, seed) if known.any() else None
        if both is None:
            return lambda asked: np.zeros((len(asked), 1))
        return lambda asked: np.diff(both(asked), axis=1)

    def _number(self, x: np.ndarray, y: np.ndarray, seed: int) -> Answer:
        fitted = self.estimator("number", x, y, seed).fit(x, y)
        return lambda asked: np.asarray(fitted.predict(asked), dtype=np.float64).reshape(-1, 1)


def _standardised(y: np.ndarray, task: Any) -> np.ndarray:
    values: np.ndarray = (y.reshape(len(y), -1) - np.array(task.mean)) / np.array(task.scale)
    return values


class Filled:
    """Rows without gaps, standardised: means where something is missing, and a column that says so.

    Parameters
    ----------
    x : (n, p)
        The rows that means and deviations are learnt from.

    Examples
    --------
    >>> Filled(np.array([[1.0], [3.0], [np.nan]]))(np.array([[3.0], [np.nan]])).round(2)
    array([[ 1.22, -0.71],
           [ 0.  ,  1.41]])
    """

    def __init__(self, x: np.ndarray) -> None:
        gaps = np.isnan(x)
        known = (~gaps).sum(axis=0)
        self._mean = np.where(gaps, 0.0, x).sum(axis=0) / np.maximum(known, 1)
        # Columns that are missing together, as those of a modality, need one column to say so.
        patterns, first = np.unique(gaps, axis=1, return_index=True)
        self._gaps = np.sort(first[patterns.any(axis=0)])
        wide = self._wide(x)
        deviation = wide.std(axis=0)
        self._kept = np.flatnonzero(deviation > LEAST)
        self._centre, self._scale = wide[:, self._kept].mean(axis=0), deviation[self._kept]

    def _wide(self, x: np.ndarray) -> np.ndarray:
        gaps = np.isnan(x)
        return np.hstack([np.where(gaps, self._mean, x), gaps[:, self._gaps].astype(np.float64)])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the rows ``(n, q)``."""
        standard: np.ndarray = (self._wide(x)[:, self._kept] - self._centre) / self._scale
        return standard if standard.shape[1] else np.zeros((len(x), 1))


class Components:
    """The first principal components of :class:`Filled` rows.

    Parameters
    ----------
    x : (n, p)
        The rows that they are learnt from.
    most
        How many at most.
    """

    def __init__(self, x: np.ndarray, most: int) -> None:
        from sklearn.decomposition import PCA

        self._filled = Filled(x)
        rows = self._filled(x)
        self._found = PCA(min(most, *rows.shape), svd_solver="randomized", random_state=0).fit(rows)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the components ``(n, q)``."""
        return np.asarray(self._found.transform(self._filled(x)))


def risk_of(x: np.ndarray) -> np.ndarray:
    """Return the same risk for everybody, where there is no event to learn from."""
    return np.zeros((len(x), 1))


def events_in(target: Tensor) -> int:
    """Return how many patients of a survival target have an event."""
    return int(torch.count_nonzero(target[:, 0]))
