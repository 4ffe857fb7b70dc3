"""Trees for survival: boosting of the partial likelihood, and a forest of relative risks."""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from mmlego.learners.cox import PartialLikelihood, events_and_times
from mmlego.learners.options import Count, Share, Step, Tried
from mmlego.learners.registry import register_learner
from mmlego.learners.sklearn_trees import of_decision_tree
from mmlego.learners.trees import Trees
from mmlego.tasks import Task


@register_learner("survival_boosting")
class SurvivalBoosting(Trees):
    """Gradient boosting of Cox's partial likelihood (Ridgeway 1999; Friedman 2002); the raw score is the log-risk.

    Each round fits a regression tree of scikit-learn to the gradient at the risks so far, on a part of the patients.

    Options: ``rounds``; ``learning_rate``; ``depth`` of a tree; ``min_leaf``, the least number of patients in a leaf;
    ``subsample``, the share of patients that a round sees; ``columns``, how many are tried for a split: ``sqrt``,
    ``log2``, a share, or None for all.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Survival
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(80, 3))
    >>> task = Survival([1.0])
    >>> target = task.target(np.ones(80), rng.exponential(np.exp(-2 * x[:, 0])))
    >>> risk = SurvivalBoosting.fit(x, target, task, seed=0, rounds=50)(torch.eye(3))
    >>> int(risk.argmax())
    0
    """

    tasks: ClassVar[tuple[str, ...]] = ("survival",)

    @classmethod
    def _fit(
        cls,
        x: np.ndarray,
        target: Tensor,
        task: Task,
        seed: int,
        weight: np.ndarray,
        *,
        rounds: Count = 150,
        learning_rate: Step = 0.03,
        depth: Count = 3,
        min_leaf: Count = 10,
        subsample: Share = 0.5,
        columns: Tried = "sqrt",
    ) -> Self:
        from sklearn.tree import DecisionTreeRegressor

        likelihood = PartialLikelihood(*events_and_times(target), weight)
        rng = np.random.RandomState(seed)
        single = x.astype(np.float32)
        n, risk, trees = len(x), np.zeros(len(x)), []
        size = max(1, int(subsample * n))
        for _ in range(rounds):
            rows = rng.permutation(n)[:size]
            tree = DecisionTreeRegressor(
                max_depth=depth, min_samples_leaf=min_leaf, max_features=columns, random_state=rng.randint(2**31 - 1)
            )
            pull = likelihood(risk)[1] / weight
            tree.fit(single[rows], pull[rows], weight[rows])
            risk += learning_rate * tree.predict(single)
            trees.append(of_decision_tree(tree, learning_rate * tree.tree_.value[:, :, 0]))
        return cls.grown(x.shape[1], 1, trees, [0] * rounds, base=[0.0])


def null_hazards(event: np.ndarray, time: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return how many events each patient should have had by its time, were all alike: Nelson and Aalen's Λ(tᵢ).

    Examples
    --------
    >>> null_hazards(np.array([1.0, 1.0, 0.0]), np.array([1.0, 2.0, 3.0]), np.ones(3)).round(3).tolist()
    [0.333, 0.833, 0.833]
    """
    return np.asarray(PartialLikelihood(event, time, weight)(np.zeros(len(event)))[2] / weight)


@register_learner("survival_forest")
class SurvivalForest(Trees):
    """A random forest of relative risks; the raw score is the logarithm of the mean over its trees.

    Trees are grown by scikit-learn on the martingale residuals δᵢ − Λ(tᵢ) of the model in which all patients are alike
    (Therneau et al. 1990), log-rank scores but for their sign. A leaf answers its events over those expected,
    (Σ δ + 1) / (Σ Λ + 1) (LeBlanc and Crowley 1992), over the patients that its tree drew.

    Options: ``trees``; ``min_leaf``, the least number of patients in a leaf; ``columns``, how many are tried for a
    split: ``sqrt``, ``log2``, a share, or None for all.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Survival
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(80, 3))
    >>> task = Survival([1.0])
    >>> target = task.target(np.ones(80), rng.exponential(np.exp(-2 * x[:, 0])))
    >>> risk = SurvivalForest.fit(x, target, task, seed=0, trees=50)(torch.eye(3))
    >>> int(risk.argmax())
    0
    """

    tasks: ClassVar[tuple[str, ...]] = ("survival",)

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
        min_leaf: Count = 5,
        columns: Tried = "sqrt",
    ) -> Self:
        from sklearn.ensemble import RandomForestRegressor

        event, time = events_and_times(target)
        expected = null_hazards(event, time, weight)
        options: dict[str, Any] = {"n_estimators": trees, "min_samples_leaf": min_leaf, "max_features": columns}
        single = x.astype(np.float32)
        forest = RandomForestRegressor(**options, n_jobs=1, random_state=seed)
        forest.fit(single, event - expected, weight)
        grown = []
        for tree, drawn in zip(forest.estimators_, forest.estimators_samples_, strict=True):
            leaf = tree.apply(single)[drawn]
            nodes = tree.tree_.node_count
            happened = np.bincount(leaf, (weight * event)[drawn], nodes)
            value = (happened + 1) / (np.bincount(leaf, (weight * expected)[drawn], nodes) + 1)
            grown.append(of_decision_tree(tree, value[:, None] / trees))
        return cls.grown(x.shape[1], 1, grown, [0] * trees, base=[0.0], link="log")
