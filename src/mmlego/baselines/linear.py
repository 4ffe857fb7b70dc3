"""Linear baselines: logistic regression, ridge, and the same on principal components."""

from __future__ import annotations

import importlib.util
from typing import Any, ClassVar

import numpy as np

from mmlego.baselines.base import Answer, Components, Filled, Kind, Tabular
from mmlego.baselines.registry import register_baseline
from mmlego.extras import import_extra

COMPONENTS = 32
FOLDS = 5


@register_baseline("LR")
class LogisticRegression(Tabular):
    """Logistic regression with a ridge of scikit-learn; its strength is that of the best of five inner folds."""

    tasks: ClassVar[tuple[str, ...]] = ("classification", "multilabel")

    def prepared(self, x: np.ndarray) -> Answer:
        """Return rows without gaps, standardised."""
        return Filled(x)

    def estimator(self, kind: Kind, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Return it; with fewer than two patients of a class there are no folds, and its default strength is taken."""
        from sklearn import linear_model
        from sklearn.model_selection import StratifiedKFold

        fewest = int(np.bincount(y).min())
        if fewest < 2:
            return linear_model.LogisticRegression(max_iter=1000)
        folds = StratifiedKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
        scoring = "roc_auc" if len(np.unique(y)) == 2 else "neg_log_loss"
        return linear_model.LogisticRegressionCV(
            Cs=np.logspace(-4, 0, 9), cv=folds, scoring=scoring, solver="lbfgs", max_iter=1000
        )


@register_baseline("ridge")
class RidgeRegression(Tabular):
    """Ridge regression of scikit-learn; its strength is that of the best leave-one-out error."""

    tasks: ClassVar[tuple[str, ...]] = ("regression",)

    def prepared(self, x: np.ndarray) -> Answer:
        """Return rows without gaps, standardised."""
        return Filled(x)

    def estimator(self, kind: Kind, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Return it."""
        from sklearn.linear_model import RidgeCV

        return RidgeCV(np.logspace(-2, 5, 22))


@register_baseline("PCA, LR")
class ComponentsLogistic(LogisticRegression):
    """Logistic regression on the first 32 principal components."""

    def prepared(self, x: np.ndarray) -> Answer:
        """Return components."""
        return Components(x, COMPONENTS)


@register_baseline("PCA, ridge")
class ComponentsRidge(RidgeRegression):
    """Ridge regression on the first 32 principal components."""

    def prepared(self, x: np.ndarray) -> Answer:
        """Return components."""
        return Components(x, COMPONENTS)


@register_baseline("PCA, TabICL")
class ComponentsTabICL(Tabular):
    """TabICL (Qu et al. 2025) on the first 32 principal components, in the manner of CoMET; where it is installed."""

    tasks: ClassVar[tuple[str, ...]] = ("classification",)

    @staticmethod
    def there() -> bool:
        """Return whether tabicl is installed."""
        return importlib.util.find_spec("tabicl") is not None

    def prepared(self, x: np.ndarray) -> Answer:
        """Return components."""
        return Components(x, COMPONENTS)

    def estimator(self, kind: Kind, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Return it."""
        return import_extra("tabicl", "the rival 'PCA, TabICL'", "tabicl").TabICLClassifier(random_state=seed)
