"""Trees of scikit-learn as arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmlego.errors import InputError
from mmlego.learners.trees import Tree


def of_decision_tree(estimator: Any, value: np.ndarray) -> Tree:
    """Return a fitted DecisionTree or ExtraTree with values ``(nodes, w)`` for its nodes.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> grown = DecisionTreeRegressor().fit([[0.0], [1.0]], [5.0, 7.0])
    >>> of_decision_tree(grown, grown.tree_.value[:, :, 0]).value[:, 0]
    array([6., 5., 7.])
    """
    nodes = estimator.tree_.__getstate__()["nodes"]
    known = "missing_go_to_left" in nodes.dtype.names
    missing = nodes["missing_go_to_left"] if known else np.zeros(len(nodes))
    children = nodes["left_child"], nodes["right_child"]
    return Tree.of(nodes["feature"], nodes["threshold"], missing, children, value)


def class_shares(estimator: Any) -> np.ndarray:
    """Return the shares of the classes ``(nodes, k)`` in the nodes of a fitted tree of classes.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> class_shares(DecisionTreeClassifier().fit([[0.0], [1.0]], [0, 1])).tolist()
    [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]]
    """
    value = estimator.tree_.value[:, 0, :]  # counts or shares, by the version of scikit-learn
    return np.asarray(value / value.sum(axis=1, keepdims=True))


def of_hist_boosting(estimator: Any) -> tuple[list[Tree], list[int], np.ndarray]:
    """Return the trees of a fitted HistGradientBoosting, the output that each is for, and the baseline (k,).

    Raises
    ------
    InputError
        If a tree splits by sets of categories.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> grown = HistGradientBoostingRegressor(max_iter=2).fit(np.arange(50.0)[:, None], np.arange(50.0))
    >>> trees, columns, base = of_hist_boosting(grown)
    >>> columns, base.round(1).tolist()
    ([0, 0], [24.5])
    """
    trees, columns = [], []
    for outputs in estimator._predictors:
        for column, predictor in enumerate(outputs):
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                raise InputError("trees that split by categories", expected="splits by thresholds", got="sets")
            leaf = nodes["is_leaf"] > 0
            children = np.where(leaf, -1, nodes["left"].astype(int)), np.where(leaf, -1, nodes["right"].astype(int))
            missing, value = nodes["missing_go_to_left"], nodes["value"][:, None].astype(np.float64)
            trees.append(Tree.of(nodes["feature_idx"].astype(int), nodes["num_threshold"], missing, children, value))
            columns.append(column)
    return trees, columns, np.ravel(estimator._baseline_prediction).astype(np.float64)
