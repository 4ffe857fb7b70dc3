"""Linear models with an L2 penalty: ridge for numbers, logistic for classes and labels; the Cox net stands beside."""

from __future__ import annotations

from typing import ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.learners.base import Learner
from mmlego.learners.coordinates import Columns, Coordinates
from mmlego.learners.logistic import chosen_logistic
from mmlego.learners.options import Count, Several
from mmlego.learners.registry import register_learner
from mmlego.tasks import Regression, Task


@register_learner("linear", by_settings=False)
class Linear(Learner):
    """Raw scores ``x W + a``: what all linear learners are once they are fitted.

    Parameters
    ----------
    in_features
        ``p``, the number of columns.
    raw
        ``m``, the number of raw scores.

    Examples
    --------
    >>> Ridge.of(np.array([[2.0], [1.0]]), np.array([3.0]))(torch.tensor([[1.0, 1.0]]))
    tensor([[6.]], dtype=torch.float64)
    """

    tasks: ClassVar[tuple[str, ...]] = ()

    weight: Tensor
    offset: Tensor

    def __init__(self, in_features: int, raw: int) -> None:
        super().__init__(in_features, raw)
        self.register_buffer("weight", torch.zeros(in_features, raw, dtype=torch.float64))
        self.register_buffer("offset", torch.zeros(raw, dtype=torch.float64))

    @classmethod
    def of(cls, weight: np.ndarray, offset: np.ndarray) -> Self:
        """Return the learner with weights ``(p, m)`` and offsets ``(m,)`` of columns as they come."""
        learner = cls(*weight.shape)
        learner.weight.copy_(torch.from_numpy(weight))
        learner.offset.copy_(torch.from_numpy(offset))
        return learner

    def raw_scores(self, x: Tensor) -> Tensor:
        """Return ``x W + a``, ``(b, m)``."""
        return x @ self.weight + self.offset


@register_learner("ridge")
class Ridge(Linear):
    """Linear regression with an L2 penalty, each target's own, by leave-one-out on the patients it is fitted to.

    Columns are standardised; the leave-one-out errors come in closed form from one decomposition (Hastie et al. 2009,
    *The Elements of Statistical Learning*, eq. 7.64). Options: ``penalties``, how many are tried.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(50, 3))
    >>> y = torch.from_numpy(x @ [1.0, -1.0, 0.0])
    >>> Ridge.fit(x, y, Regression(), seed=0).weight.T.round(decimals=2) + 0
    tensor([[ 1., -1.,  0.]], dtype=torch.float64)
    """

    tasks: ClassVar[tuple[str, ...]] = ("regression",)

    @classmethod
    def _fit(
        cls, x: np.ndarray, target: Tensor, task: Task, seed: int, weight: np.ndarray, *, penalties: Count = 30
    ) -> Self:
        if not isinstance(task, Regression):
            raise InputError("the task of a ridge regression", expected="Regression", got=type(task).__name__)
        y = (target.double().numpy() - np.array(task.mean)) / np.array(task.scale)  # (n, k)
        mean = weight @ y / len(y)
        columns = Columns.of(x, weight)
        root = np.sqrt(weight)[:, None]
        left, size, right = np.linalg.svd(root * columns.standard, full_matrices=False)
        good = size > 1e-10 * size.max(initial=0.0)
        left, size, right = left[:, good], size[good], right[good]
        aim = left.T @ (root * (y - mean))  # (r, k)
        # The mean is a column of its own, which no penalty shrinks.
        own = np.square(root[:, 0]) / weight.sum()
        least = np.full(y.shape[1], np.inf)
        chosen = np.zeros((len(size), y.shape[1]))
        top = np.square(size).max(initial=0.0)
        for penalty in 10 * max(top, 1e-12) * np.logspace(0, -9, penalties):
            shrunk = np.square(size) / (np.square(size) + penalty)  # (r,)
            leverage = np.square(left) @ shrunk + own  # (n,)
            residual = root * (y - mean) - left @ (shrunk[:, None] * aim)
            error = np.square(residual / np.maximum(1 - leverage, 1e-8)[:, None]).sum(axis=0)
            better = error < least
            least = np.where(better, error, least)
            solution = (size / (np.square(size) + penalty))[:, None] * aim
            chosen = np.where(better, solution, chosen)
        return cls.of(*columns.raw_weights(right.T @ chosen, mean))


@register_learner("logistic")
class Logistic(Linear):
    """Logistic regression with an L2 penalty; several classes by softmax, several labels each by itself.

    Columns are standardised. The penalty is the one of the least log-loss in inner cross-validation, stratified by
    class. Options: ``penalties``, how many are tried; ``folds``.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> learner = Logistic.fit(x, torch.from_numpy(x[:, 0] > 0).long(), Classification(2), seed=0)
    >>> bool((learner(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).argmax(1) == torch.tensor([1, 0])).all())
    True
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel")

    @classmethod
    def _fit(
        cls,
        x: np.ndarray,
        target: Tensor,
        task: Task,
        seed: int,
        weight: np.ndarray,
        *,
        penalties: Count = 12,
        folds: Several = 5,
    ) -> Self:
        if task.name == "multilabel":
            parts = [_of_label(x, label, weight, penalties, folds, seed) for label in target.double().numpy().T]
            return cls.of(np.hstack([w for w, _ in parts]), np.concatenate([a for _, a in parts]))
        y = np.eye(task.outputs)[target.numpy()]  # (n, k)
        columns = Columns.of(x, weight)
        if task.outputs > 2:
            u, a = chosen_logistic(Coordinates.of(columns.standard), y, weight, penalties, folds, seed)
            return cls.of(*columns.raw_weights(u, a))
        u, a = chosen_logistic(Coordinates.of(columns.standard), y[:, 1:], weight, penalties, folds, seed)
        return cls.of(*columns.raw_weights(np.hstack([-u / 2, u / 2]), np.concatenate([-a / 2, a / 2])))


def _of_label(
    x: np.ndarray, label: np.ndarray, weight: np.ndarray, penalties: int, folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights (p, 1) and offset (1,) of a label, from those patients in whom it is known."""
    known = ~np.isnan(label)
    x, y, weight = x[known], label[known, None], weight[known]
    if len(np.unique(y)) < 2:
        return np.zeros((x.shape[1], 1)), constant_log_odds(y, weight)
    weight = weight / weight.mean()
    columns = Columns.of(x, weight)
    u, a = chosen_logistic(Coordinates.of(columns.standard), y, weight, penalties, folds, seed)
    return columns.raw_weights(u, a)


def constant_log_odds(y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the log-odds ``(k,)`` of labels ``(n, k)`` by themselves, with half a patient more on either side.

    Examples
    --------
    >>> constant_log_odds(np.ones((3, 1)), np.ones(3)).round(3).tolist()
    [1.946]
    """
    yes, no = weight @ y + 0.5, weight @ (1 - y) + 0.5
    return np.asarray(np.log(yes / no))
