"""Random forests for classes, labels and numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from mmlego.learners.base import raw_width
from mmlego.learners.options import Count, Tried
from mmlego.learners.registry import register_learner
from mmlego.learners.sklearn_trees import class_shares, of_decision_tree
from mmlego.learners.trees import Tree, Trees
from mmlego.tasks import Regression, Task


@register_learner("forest")
class Forest(Trees):
    """A random forest (Breiman 2001), grown by scikit-learn and kept as arrays.

    Classes and labels: each leaf answers the shares of the classes among its patients, drawn towards those of all
    patients by the weight of one, so that no probability is 0; the raw score is the logarithm of the mean of the
    trees, of a label its log-odds. Missing values go the way that divides patients best.

    Options: ``trees``; ``min_leaf``, the least number of patients in a leaf; ``columns``, how many are tried for a
    split: ``sqrt``, ``log2``, a share of all, or None for a square root, of regression a third; ``extra``, for
    extremely randomised trees, whose thresholds are drawn (Geurts et al. 2006) on all patients.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Classification
    >>> x = np.random.default_rng(0).normal(size=(60, 2))
    >>> target = torch.from_numpy(x[:, 0] > 0).long()
    >>> forest = Forest.fit(x, target, Classification(2), seed=0, trees=20)
    >>> forest(torch.tensor([[1.0, 0.0]])).exp().sum().round(decimals=6)
    tensor(1., dtype=torch.float64)
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
        trees: Count = 500,
        min_leaf: Count = 2,
        columns: Tried = None,
        extra: bool = False,
    ) -> Self:
        usual: Any = 1 / 3 if task.name == "regression" else "sqrt"
        options = {
            "n_estimators": trees,
            "min_samples_leaf": min_leaf,
            "max_features": usual if columns is None else columns,
            "n_jobs": 1,
            "random_state": seed,
        }
        p, m = x.shape[1], raw_width(task)
        if isinstance(task, Regression):
            y = (target.double().numpy() - np.array(task.mean)) / np.array(task.scale)
            grown = _regressor(extra, options).fit(x, y if m > 1 else y[:, 0], weight).estimators_
            parts = [_scaled(of_decision_tree(tree, tree.tree_.value[:, :, 0]), trees) for tree in grown]
            return cls.grown(p, m, parts, [0] * trees, base=np.zeros(m))
        if task.name == "classification":
            parts = _class_trees(x, target.numpy(), weight, m, extra, options)
            return cls.grown(p, m, parts, [0] * trees, base=np.zeros(m), link="log")
        parts, at, base = [], [], np.zeros(m)
        for k, label in enumerate(target.numpy().T):
            known = ~np.isnan(label)
            y, w = label[known].astype(int), weight[known]
            if len(np.unique(y)) < 2:
                base[k] = (w @ y + 0.5) / (w.sum() + 1)
                continue
            both = _class_trees(x[known], y, w / w.mean(), 2, extra, options)
            parts += [replace(tree, value=tree.value[:, 1:]) for tree in both]
            at += [k] * trees
        return cls.grown(p, m, parts, at, base=base, link="log_odds")


def _class_trees(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, k: int, extra: bool, options: dict[str, Any]
) -> list[Tree]:
    """Return trees whose leaves answer smoothed shares of k classes, divided by the number of trees."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    forest = (ExtraTreesClassifier if extra else RandomForestClassifier)(**options).fit(x, y, weight)
    seen = forest.classes_.astype(int)
    prior = np.bincount(y, weight, minlength=k) + 0.5
    prior /= prior.sum()
    trees = []
    for tree in forest.estimators_:
        count = tree.tree_.weighted_n_node_samples[:, None]
        value = np.tile(prior, (len(count), 1))
        value[:, seen] += count * class_shares(tree)
        trees.append(_scaled(of_decision_tree(tree, value / (count + 1)), len(forest.estimators_)))
    return trees


def _scaled(tree: Tree, trees: int) -> Tree:
    return replace(tree, value=tree.value / trees)


def _regressor(extra: bool, options: dict[str, Any]) -> Any:
    from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

    return (ExtraTreesRegressor if extra else RandomForestRegressor)(**options)
