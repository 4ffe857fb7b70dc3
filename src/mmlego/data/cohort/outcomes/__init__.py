"""What is predicted: the outcome columns of a cohort, and the task that they make; a file a task."""

from mmlego.data.cohort.outcomes.base import Outcome
from mmlego.data.cohort.outcomes.classes import ClassificationOutcome, MultiLabelOutcome
from mmlego.data.cohort.outcomes.regression import RegressionOutcome
from mmlego.data.cohort.outcomes.survival import SurvivalOutcome

__all__ = [
    "OUTCOMES",
    "ClassificationOutcome",
    "MultiLabelOutcome",
    "Outcome",
    "RegressionOutcome",
    "SurvivalOutcome",
]

OUTCOMES: dict[str, type[Outcome]] = {
    "survival": SurvivalOutcome,
    "classification": ClassificationOutcome,
    "multilabel": MultiLabelOutcome,
    "regression": RegressionOutcome,
}
