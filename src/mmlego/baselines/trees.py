"""Trees for classes and numbers: LightGBM, CatBoost, and the forest of scikit-learn; a gap is a gap to all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmlego.baselines.base import Kind, Tabular
from mmlego.baselines.registry import EXTRA, register_baseline
from mmlego.extras import import_extra


@register_baseline("LightGBM", "lightgbm")
class LightGBM(Tabular):
    """Gradient boosting by LightGBM: 400 rounds of small trees, each of which sees a third of the columns."""

    def estimator(self, kind: Kind, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Return it."""
        lightgbm = import_extra("lightgbm", "the rival 'LightGBM'", EXTRA)
        made = lightgbm.LGBMClassifier if kind == "classes" else lightgbm.LGBMRegressor
        return made(
            n_estimators=400,
            learning_rate=0.03,
            num_leaves=15,
            min_child_samples=20,
            subsample=0.8,
            subsample_freq=1,
            colsample_bytree=0.3,
            reg_lambda=1.0,
            random_state=seed,
            n_jobs=1,
            verbosity=-1,
        )


@register_baseline("CatBoost", "catboost")
class CatBoost(Tabular):
    """Gradient boosting by CatBoost: 600 rounds of trees of depth 5."""

    def estimator(self, kind: Kind, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Return it."""
        catboost = import_extra("catboost", "the rival 'CatBoost'", EXTRA)
        made = catboost.CatBoostClassifier if kind == "classes" else catboost.CatBoostRegressor
        return made(
            iterations=600,
            learning_rate=0.03,
            depth=5,
            rsm=0.3,
            random_seed=seed,
            thread_count=1,
            verbose=False,
            allow_writing_files=False,
        )


@register_baseline("forest")
class Forest(Tabular):
    """The random forest of scikit-learn: 300 trees."""

    def estimator(self, kind: Kind, x: np.ndarray, y: np.ndarray, seed: int) -> Any:
        """Return it."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        made = RandomForestClassifier if kind == "classes" else RandomForestRegressor
        return made(300, min_samples_leaf=2, max_features="sqrt", random_state=seed, n_jobs=1)
