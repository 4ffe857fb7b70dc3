"""Gradient boosting for classes, labels and numbers."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from mmlego.learners.base import raw_width
from mmlego.learners.linear import constant_log_odds
from mmlego.learners.options import Count, Penalty, Several, Share, Step
from mmlego.learners.registry import register_learner
from mmlego.learners.sklearn_trees import of_hist_boosting
from mmlego.learners.trees import Trees
from mmlego.tasks import Regression, Task


@register_learner("boosting")
class Boosting(Trees):
    """Gradient boosting of histogram trees (Friedman 2001; Ke et al. 2017), by scikit-learn and kept as arrays.

    The raw score of two classes, and of each label, is a log-odds; of several classes, softmax gives probabilities.
    Missing values go the way that lowers the loss; a column without any value says nothing.

    Options: ``rounds``; ``learning_rate``; ``leaves`` of a tree; ``min_leaf``, the least number of patients in one;
    ``columns``, the share that is tried for a split; ``l2``, the penalty on values of leaves.

    Examples
    --------
    >>> import torch
    >>> x = np.random.default_rng(0).normal(size=(200, 2))
    >>> boosting = Boosting.fit(x, torch.from_numpy(x[:, 0]), Regression(), seed=0, rounds=100, learning_rate=0.1)
    >>> boosting(torch.tensor([[1.0, 0.0], [-1.0, 0.0]])).round()
    tensor([[ 1.],
            [-1.]], dtype=torch.float64)
    """

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel", "regression")

    @classmethod
    def _fit(
        cls,
        x: np.ndarray,
        target: Tensor,
        task: Task,
        seed: int,
        weight: np.ndarray,
        *,
        rounds: Count = 200,
        learning_rate: Step = 0.05,
        leaves: Several = 6,
        min_leaf: Count = 20,
        columns: Share = 0.3,
        l2: Penalty = 1.0,
    ) -> Self:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

        options: dict[str, Any] = {
            "max_iter": rounds,
            "learning_rate": learning_rate,
            "max_leaf_nodes": leaves,
            "min_samples_leaf": min_leaf,
            "max_features": columns,
            "l2_regularization": l2,
            "early_stopping": False,
            "random_state": seed,
        }
        p, m = x.shape[1], raw_width(task)
        x = with_values(x)
        if task.name == "classification":
            y = target.numpy()
            seen = np.unique(y)
            trees, at, first = of_hist_boosting(HistGradientBoostingClassifier(**options).fit(x, y, weight))
            # Of two classes there is one log-odds, that of the second. A class nobody has is as rare as half a patient.
            base = np.full(m, np.log(0.5 / (len(y) + 1)) if len(seen) < m else 0.0)
            to = seen[1:] if len(seen) == 2 else seen
            base[seen] = 0.0
            base[to] = first
            return cls.grown(p, m, trees, [int(to[k]) for k in at], base=base, single=False)
        trees, at, base = [], [], np.zeros(m)
        if isinstance(task, Regression):
            columns_of_y = (target.double().numpy() - np.array(task.mean)) / np.array(task.scale)
        else:
            columns_of_y = target.double().numpy()
        for k, y in enumerate(columns_of_y.T):
            known = ~np.isnan(y)
            w = weight[known]
            if task.name == "multilabel" and len(np.unique(y[known])) < 2:
                base[k] = constant_log_odds(y[known, None], w)[0]
                continue
            kind = HistGradientBoostingRegressor if isinstance(task, Regression) else HistGradientBoostingClassifier
            parts, _, first = of_hist_boosting(kind(**options).fit(with_values(x[known]), y[known], w / w.mean()))
            trees, at = trees + parts, at + [k] * len(parts)
            base[k] = first[0]
        return cls.grown(p, m, trees, at, base=base, single=False)


def with_values(x: np.ndarray) -> np.ndarray:
    """Return rows ``(n, p)`` in which a column without any value is 0, for scikit-learn finds no bins in it.

    Examples
    --------
    >>> with_values(np.array([[np.nan, 1.0], [np.nan, np.nan]])).tolist()
    [[0.0, 1.0], [0.0, nan]]
    """
    return np.where(np.isnan(x).all(axis=0), 0.0, x)
