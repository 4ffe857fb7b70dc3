"""Scores that several tasks share: pure functions on tensors, computed with torchmetrics.

The yes-or-no ones serve classification and multi-label tasks, which put their questions in this form. What
torchmetrics does in another way than scikit-learn is settled here and by the callers: averages go over the
classes that are present, and a confidence of exactly 1 falls in the last calibration bin, not in one of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def ranking_scores(score: Tensor, truth: Tensor) -> tuple[float, float]:
    """Compute the areas under the ROC and the precision-recall curve.

    The first is the probability that a random positive scores higher than a random negative, ties counting ½.
    The second is the average precision Σ (Rᵢ − Rᵢ₋₁) Pᵢ over the thresholds, without interpolation.

    Parameters
    ----------
    score : (n,)
        What rises with the probability of yes, best its log-odds: of probabilities, those within 1e-16 of 1 are tied,
        those near 0 are not.
    truth : (n,)
        1 for yes, 0 for no.

    Returns
    -------
    auroc, auprc : float
        Both between 0 and 1; both NaN if all answers are the same.

    Examples
    --------
    >>> ranking_scores(torch.tensor([0.1, 0.4, 0.8]), torch.tensor([0, 0, 1]))
    (1.0, 1.0)
    """
    truth = truth.long()
    if not 0 < int(truth.sum()) < len(truth):
        return math.nan, math.nan
    from torchmetrics.functional.classification import binary_auroc, binary_average_precision

    place = ranks(score) / len(score)  # within [0, 1], or torchmetrics would take them for logits and round them
    return float(binary_auroc(place, truth)), float(binary_average_precision(place, truth))


def ranks(values: Tensor) -> Tensor:
    """Replace values by their rank among the different values, 0 for the lowest.

    Parameters
    ----------
    values : (n,)
        Numbers.

    Returns
    -------
    Tensor : (n,) float64
        Whole numbers in the same order, equal where the values are.

    Examples
    --------
    >>> ranks(torch.tensor([0.3, 0.1, 0.3]))
    tensor([1., 0., 1.], dtype=torch.float64)
    """
    place: Tensor = torch.unique(values, return_inverse=True)[1]
    return place.double()


def calibration_error(confidence: Tensor, truth: Tensor, bins: int = 15) -> float:
    """Compute the expected calibration error Σ (n_B / n) |share of yes in B − mean confidence in B|.

    The bins B divide [0, 1] evenly (Guo et al. 2017).

    Parameters
    ----------
    confidence : (n,)
        Probabilities of yes.
    truth : (n,)
        1 for yes, 0 for no.
    bins
        The number of bins.

    Returns
    -------
    float
        Between 0 and 1; 0 is calibrated.

    Examples
    --------
    >>> round(calibration_error(torch.tensor([0.9, 0.9]), torch.tensor([1, 0])), 3)
    0.4
    """
    from torchmetrics.functional.classification import binary_calibration_error

    # torchmetrics puts a confidence of exactly 1 in a bin past the last
    below_one = confidence.clamp(max=1 - torch.finfo(confidence.dtype).eps)
    return float(binary_calibration_error(below_one, truth.long(), n_bins=bins))


def mean_of_defined(values: Sequence[float]) -> float:
    """Take the mean of those values that are not NaN.

    Parameters
    ----------
    values
        Scores, NaN where undefined.

    Returns
    -------
    float
        The mean; NaN if there is none.

    Examples
    --------
    >>> mean_of_defined([1.0, float("nan"), 3.0])
    2.0
    """
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan
