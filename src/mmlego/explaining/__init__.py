"""Why a model says what it says: what each modality moved, and what of it."""

from mmlego.explaining.explain import Explanation, explain
from mmlego.explaining.features import FeatureValues, feature_values
from mmlego.explaining.modalities import ModalityValues, modality_values, score_values
from mmlego.explaining.shapley import shapley_values

__all__ = [
    "Explanation",
    "FeatureValues",
    "ModalityValues",
    "explain",
    "feature_values",
    "modality_values",
    "score_values",
    "shapley_values",
]
