"""Scores of predicted numbers: pure functions on tensors, computed with torchmetrics where it is exact."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mmlego.tasks.scores import mean_of_defined


def regression_scores(values: Tensor, target: Tensor, names: Sequence[str]) -> dict[str, float]:
    """Compute all scores of predicted numbers.

    =============  ==========================================================================================
    ``r2``         1 − Σ (y − ŷ)² / Σ (y − ȳ)²; 0 is what the mean of the target gives
    ``rmse``       root of the mean squared error, in units; lower is better
    ``mae``        mean absolute error, in units; lower is better
    ``pearson``    correlation of prediction and target
    ``spearman``   correlation of their ranks, tied values sharing the mean of their ranks
    ``r2/<name>``  r2 of one target, where there are several
    =============  ==========================================================================================

    Over several targets each score is the mean of those that are defined.

    Parameters
    ----------
    values, target : (n, k) float64
        Predictions and truth, in units.
    names
        The k names.

    Returns
    -------
    dict of str to float
        NaN where undefined.

    Examples
    --------
    >>> values = torch.tensor([[1.0], [2.0], [4.0]]).double()
    >>> scores = regression_scores(values, torch.tensor([[1.0], [2.0], [3.0]]).double(), ["y"])
    >>> scores["r2"], scores["spearman"]
    (0.5, 1.0)
    """
    from torchmetrics.functional.regression import mean_absolute_error, mean_squared_error

    columns: dict[str, list[float]] = {key: [] for key in ("r2", "rmse", "mae", "pearson", "spearman")}
    for value, truth in zip(values.T, target.T, strict=True):
        columns["r2"].append(_r2(value, truth))
        columns["rmse"].append(float(mean_squared_error(value, truth, squared=False)))
        columns["mae"].append(float(mean_absolute_error(value, truth)))
        columns["pearson"].append(_correlation(value, truth))
        columns["spearman"].append(_correlation(_mean_ranks(value), _mean_ranks(truth)))
    scores = {key: mean_of_defined(each) for key, each in columns.items()}
    if len(names) > 1:
        scores |= {f"r2/{name}": r2 for name, r2 in zip(names, columns["r2"], strict=True)}
    return scores


def is_constant(values: Tensor) -> bool:
    """Say whether all values are the same.

    Parameters
    ----------
    values : (n,)
        At least one number.

    Returns
    -------
    bool
        True if they are.

    Examples
    --------
    >>> is_constant(torch.tensor([2.0, 2.0]))
    True
    """
    return bool((values == values[0]).all())


def _r2(value: Tensor, truth: Tensor) -> float:
    """Compute r2 in two passes; torchmetrics takes sums of squares below 1e-4 for 0, whatever the unit."""
    if is_constant(truth):
        return math.nan
    return 1.0 - float((truth - value).square().sum() / (truth - truth.mean()).square().sum())


def _correlation(value: Tensor, truth: Tensor) -> float:
    from torchmetrics.functional.regression import pearson_corrcoef

    if is_constant(value) or is_constant(truth):
        return math.nan
    return float(pearson_corrcoef(value, truth))


def _mean_ranks(values: Tensor) -> Tensor:
    """Rank from 1, ties sharing the mean of their ranks; torchmetrics does it in int32 and float32."""
    _, place, counts = torch.unique(values, return_inverse=True, return_counts=True)
    count: Tensor = counts.double()
    mean: Tensor = count.cumsum(dim=0) - (count - 1) / 2  # one for each different value
    return mean[place]
