"""Estimators for scikit-learn and scikit-survival: a block a modality, merged and fused, as one model.

``X`` is any of these, a row a patient: an array or a table of one modality; a table with columns ``(modality,
feature)``; a table whose cells are arrays, bags or None; :class:`Modalities`; a :class:`mmlego.data.Cohort`, a MuData;
ids of patients of a cohort that the estimator holds.
"""

from mmlego.estimators.classifier import LegoClassifier
from mmlego.estimators.competing import LegoCompetingRisks
from mmlego.estimators.folds import SurvivalStratifiedKFold
from mmlego.estimators.modalities import Modalities
from mmlego.estimators.multilabel import LegoMultiLabelClassifier
from mmlego.estimators.regressor import LegoRegressor
from mmlego.estimators.steps import StepFunction
from mmlego.estimators.survival import LegoSurvival

__all__ = [
    "LegoClassifier",
    "LegoCompetingRisks",
    "LegoMultiLabelClassifier",
    "LegoRegressor",
    "LegoSurvival",
    "Modalities",
    "StepFunction",
    "SurvivalStratifiedKFold",
]
