"""Learners: classical models that are fitted in one call, answer raw scores, and are saved as plain tensors."""

from mmlego.learners.base import Learner
from mmlego.learners.boosting import Boosting
from mmlego.learners.coxnet import Coxnet
from mmlego.learners.foreign import Foreign, wrap
from mmlego.learners.forests import Forest
from mmlego.learners.libraries import CatBoost, LightGBM, XGBoost
from mmlego.learners.linear import Linear, Logistic, Ridge
from mmlego.learners.per_cause import PerCause
from mmlego.learners.registry import (
    build_learner,
    learner_class,
    learner_names,
    learner_options,
    learners_for,
    register_learner,
)
from mmlego.learners.selected import Selected
from mmlego.learners.survival_trees import SurvivalBoosting, SurvivalForest
from mmlego.learners.trees import Trees

__all__ = [
    "Boosting",
    "CatBoost",
    "Coxnet",
    "Foreign",
    "Forest",
    "Learner",
    "LightGBM",
    "Linear",
    "Logistic",
    "PerCause",
    "Ridge",
    "Selected",
    "SurvivalBoosting",
    "SurvivalForest",
    "Trees",
    "XGBoost",
    "build_learner",
    "learner_class",
    "learner_names",
    "learner_options",
    "learners_for",
    "register_learner",
    "wrap",
]
