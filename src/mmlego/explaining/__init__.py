"""Why a model says what it says: what each modality moved, and what of it."""

from mmlego.explaining.modalities import ModalityValues, modality_values, score_values
from mmlego.explaining.shapley import shapley_values

__all__ = ["ModalityValues", "modality_values", "score_values", "shapley_values"]
