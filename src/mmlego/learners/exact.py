"""Fitted models of other libraries as learners of our own, where that is exact: linear models and trees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mmlego.learners.answers import Answer
from mmlego.learners.base import Learner
from mmlego.learners.linear import Linear
from mmlego.learners.sklearn_trees import class_shares, of_decision_tree, of_hist_boosting
from mmlego.learners.trees import Tree, Trees

_PROBES = 64
_EXACT = 1e-9
# What else a candidate may trip over: estimators of the same names have other attributes in other versions.
_MISFITS = (AttributeError, KeyError, IndexError, TypeError, ValueError)


def exact(estimator: Any, answer: Answer, in_features: int) -> Learner | None:
    """Return a learner of arrays that answers as an estimator does, to 1e-9 on rows made up; None if there is none.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from mmlego.learners.answers import answer_of
    >>> from mmlego.tasks import Regression
    >>> fitted = LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0])
    >>> exact(fitted, answer_of(fitted, Regression()), 1)(torch.tensor([[2.0]])).round(decimals=6)
    tensor([[5.]], dtype=torch.float64)
    """
    if type(estimator).__module__.split(".")[0] not in ("sklearn", "sksurv"):
        return None
    for candidate in (_linear, _forest, _hist_boosting, _gradient_boosting, _survival_forest):
        try:
            learner = candidate(estimator, answer, in_features)
        except _MISFITS:
            continue
        if learner is not None and _same(learner, estimator, answer):
            return learner
    return None


def probes(in_features: int, learner: Learner | None = None) -> np.ndarray:
    """Return rows made up, whose values lie about the thresholds of trees, where there are some.

    Examples
    --------
    >>> probes(3).shape
    (64, 3)
    """
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_PROBES, in_features))
    if isinstance(learner, Trees):
        feature, threshold = learner.feature.numpy(), learner.threshold.numpy()
        for column in np.unique(feature[feature >= 0]):
            own = threshold[feature == column]
            spread = max(float(np.ptp(own)), 1e-3 * float(np.abs(own).max()), 1e-12)
            x[:, column] = rng.choice(own, _PROBES) + 0.05 * spread * x[:, column]
    return x


def _same(learner: Learner, estimator: Any, answer: Answer) -> bool:
    """Return whether a learner answers as the estimator does."""
    x = probes(learner.in_features, learner)
    ours, theirs = learner(torch.from_numpy(x)).numpy(), answer.raw(estimator, x)
    if answer.method == "predict_proba":  # probabilities are compared: their logarithms are bounded
        ours, theirs = (_shares(part, answer) for part in (ours, theirs))
    return bool(np.abs(ours - theirs).max() <= _EXACT * max(1.0, float(np.abs(theirs).max())))


def _shares(raw: np.ndarray, answer: Answer) -> np.ndarray:
    if answer.link == "log_odds":
        return np.asarray(0.5 * (1 + np.tanh(raw / 2)))
    return np.asarray(np.exp(raw - np.logaddexp.reduce(raw, axis=1, keepdims=True)))


def _linear(estimator: Any, answer: Answer, p: int) -> Learner | None:
    """Return a linear model, with scalers before it, by its coefficients."""
    *before, last = [step for _, step in estimator.steps] if hasattr(estimator, "steps") else [estimator]
    mean, scale = np.zeros(p), np.ones(p)
    for step in before:
        if step in (None, "passthrough"):
            continue
        if type(step).__name__ != "StandardScaler":
            return None
        here, wide = getattr(step, "mean_", None), getattr(step, "scale_", None)
        mean = mean + scale * (0.0 if here is None else here)
        scale = scale * (1.0 if wide is None else wide)
    coefficients = np.atleast_2d(np.asarray(last.coef_, dtype=np.float64))
    if type(last).__module__.startswith("sksurv") and last.coef_.ndim == 2:
        coefficients = np.asarray(last.coef_)[:, -1][None]  # the end of a path
    if coefficients.shape[1] != p:
        return None
    weight = (coefficients / scale).T  # (p, k)
    start = getattr(last, "intercept_", None)
    offset = np.broadcast_to(0.0 if start is None else np.asarray(start, dtype=np.float64), weight.shape[1:])
    offset = offset - mean @ weight
    if type(last).__module__.startswith("sksurv"):  # some centre, and some turn times into risks
        rows = np.vstack([np.zeros(p), np.sign(weight[:, 0])])
        zero, one = answer.raw(estimator, rows)[:, 0]
        return Linear.of(np.sign(one - zero) * weight, np.array([zero]))
    if answer.two_columns or (answer.link == "log" and len(answer.order) == 2):  # one log-odds for two classes
        turned = answer.scale[0] < 0 if answer.two_columns else answer.order == [1, 0]
        sign = -1.0 if turned else 1.0
        return Linear.of(np.hstack([0 * weight, sign * weight]), np.concatenate([[0.0], sign * offset]))
    scaled = np.array(answer.scale)
    return Linear.of(weight[:, answer.order] / scaled, (offset[answer.order] - np.array(answer.shift)) / scaled)


def _grown(
    p: int, m: int, trees: list[Tree], columns: list[int], answer: Answer, base: Any, *, single: bool
) -> Learner:
    return Trees.grown(p, m, trees, columns, base=base, link=answer.link, single=single)


def _forest(estimator: Any, answer: Answer, p: int) -> Learner | None:
    """Return a tree or a forest of scikit-learn, whose trees answer shares or means."""
    if type(estimator).__module__.startswith("sksurv"):
        return None
    members = list(getattr(estimator, "estimators_", [estimator]))
    if not all(hasattr(tree, "tree_") for tree in members):
        return None
    m, count = len(answer.order), len(members)
    shift, scale = np.array(answer.shift), np.array(answer.scale)
    trees = []
    for tree in members:
        if answer.method == "predict":
            value = (tree.tree_.value[:, :, 0][:, answer.order] / scale) / count
        elif answer.link == "log_odds" and tree.tree_.value.shape[1] == m and m > 1:
            value = tree.tree_.value[:, :, 1] / tree.tree_.value.sum(axis=2) / count
        else:
            value = class_shares(tree)[:, answer.order] / count
        trees.append(of_decision_tree(tree, value))
    base = -shift / scale if answer.method == "predict" else np.zeros(m)
    return _grown(p, m, trees, [0] * count, answer, base, single=True)


def _boosted(
    trees: list[Tree], columns: list[int], estimator: Any, answer: Answer, p: int, base: np.ndarray, *, single: bool
) -> Learner:
    """Return boosted trees, whose sum is a log-odds, scores of classes, numbers or a risk."""
    m = 2 if answer.two_columns else len(answer.order)
    if answer.method == "predict":
        shift, scale = np.array(answer.shift), np.array(answer.scale)
        trees = [replace(tree, value=tree.value / scale[column]) for tree, column in zip(trees, columns, strict=True)]
        return Trees.grown(p, m, trees, columns, base=(base - shift) / scale, single=single)
    if len(base) == 1 and m == 2:  # the log-odds of the estimator's second class
        second = answer.order.index(1) if not answer.two_columns else 1
        sign = answer.scale[0] if answer.two_columns else 1.0
        trees = [replace(tree, value=sign * tree.value) for tree in trees]
        whole = np.zeros(2)
        whole[second] = sign * base[0]
        return Trees.grown(p, m, trees, [second] * len(trees), base=whole, single=single)
    to = np.argsort(answer.order)
    return Trees.grown(p, m, trees, [int(to[k]) for k in columns], base=base[answer.order], single=single)


def _hist_boosting(estimator: Any, answer: Answer, p: int) -> Learner | None:
    trees, columns, base = of_hist_boosting(estimator)
    return _boosted(trees, columns, estimator, answer, p, base, single=False)


def _gradient_boosting(estimator: Any, answer: Answer, p: int) -> Learner | None:
    """Return gradient boosting of scikit-learn or scikit-survival; what it starts from is found at one row."""
    stages = np.asarray(estimator.estimators_, dtype=object)
    if stages.ndim != 2:
        return None
    trees, columns = [], []
    for stage in stages:
        for column, tree in enumerate(stage):
            trees.append(of_decision_tree(tree, estimator.learning_rate * tree.tree_.value[:, 0, :1]))
            columns.append(column)
    k, at = stages.shape[1], np.zeros((1, p))
    alone = Trees.grown(p, k, trees, columns, base=np.zeros(k))(torch.from_numpy(at)).numpy()[0]
    asked: Callable[..., Any] = getattr(estimator, "decision_function", estimator.predict)
    base = np.ravel(asked(at)).astype(np.float64) - alone
    return _boosted(trees, columns, estimator, answer, p, base, single=True)


def _survival_forest(estimator: Any, answer: Answer, p: int) -> Learner | None:
    """Return a forest of scikit-survival: its risk is the sum of the cumulative hazard over the times of events."""
    if answer.link != "log" or answer.method != "predict":
        return None
    members = list(getattr(estimator, "estimators_", [estimator]))
    return _grown(p, 1, list(_mortalities(members)), [0] * len(members), answer, [0.0], single=True)


def _mortalities(members: list[Any]) -> Iterator[Tree]:
    for tree in members:
        value = tree.tree_.value
        hazards = value[:, :, 0] if value.shape[1] == 1 else value[:, np.asarray(tree.is_event_time_), 0]
        yield of_decision_tree(tree, hazards.sum(axis=1, keepdims=True) / len(members))
