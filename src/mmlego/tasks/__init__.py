"""What logits mean: survival, classes, labels, numbers."""

from __future__ import annotations

from mmlego.tasks.base import Task
from mmlego.tasks.classification import Classification, ClassificationPrediction
from mmlego.tasks.competing import CompetingRisks
from mmlego.tasks.competing_calibration import IncidenceAt
from mmlego.tasks.competing_prediction import CompetingPrediction
from mmlego.tasks.multilabel import MultiLabel, MultiLabelPrediction
from mmlego.tasks.prediction import Prediction
from mmlego.tasks.registry import register_task, task_class, task_from_config, task_names
from mmlego.tasks.regression import Regression, RegressionPrediction
from mmlego.tasks.survival import Survival
from mmlego.tasks.survival_calibration import CalibrationAt
from mmlego.tasks.survival_prediction import SurvivalPrediction

__all__ = [
    "CalibrationAt",
    "Classification",
    "ClassificationPrediction",
    "CompetingPrediction",
    "CompetingRisks",
    "IncidenceAt",
    "MultiLabel",
    "MultiLabelPrediction",
    "Prediction",
    "Regression",
    "RegressionPrediction",
    "Survival",
    "SurvivalPrediction",
    "Task",
    "register_task",
    "task_class",
    "task_from_config",
    "task_names",
]
