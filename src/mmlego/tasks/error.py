"""How far a score can be trusted: the standard error of a primary metric, from what it was measured on."""

from __future__ import annotations

import math

from torch import Tensor

from mmlego.tasks.base import Task
from mmlego.tasks.competing import CompetingRisks


def standard_error(task: Task, score: float, target: Tensor) -> float:
    """Return the standard error of a task's primary metric.

    For areas under the ROC curve that of Hanley and McNeil (1982); for Harrell's c-index the same with events against
    patients without, or against as many, if events are the majority; for ``r²`` that of Olkin and Finn (1995) with one
    predictor. Of several classes, labels or targets the mean of the variances: they are measured on the same patients,
    so that little of the error averages out.

    Parameters
    ----------
    task
        Whose metric it is.
    score
        Its value.
    target
        The target that it was measured on.

    Returns
    -------
    float
        NaN where the metric is undefined.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> import torch
    >>> round(standard_error(Classification(2), 0.8, torch.tensor([0, 1] * 50)), 3)
    0.045
    """
    target = task.check_target(target).detach().cpu()
    if task.name == "regression":
        return _of_r2(score, len(target))
    counts = _yes_and_no(task, target)
    variances = [_of_area(score, yes, no) for yes, no in counts if yes and no]
    return math.sqrt(sum(variances) / len(variances)) if variances else math.nan


def _yes_and_no(task: Task, target: Tensor) -> list[tuple[int, int]]:
    """Return for each yes-or-no question of a task how many samples have which answer."""
    if task.name == "survival":
        events = int((target[:, 0] > 0).sum())
        return [(events, max(events, len(target) - events))]  # events are compared with each other, too
    if isinstance(task, CompetingRisks):
        causes = [int((target[:, 0] == number).sum()) for number in range(1, len(task.causes) + 1)]
        return [(events, max(events, len(target) - events)) for events in causes]
    if task.name == "multilabel":
        return [(int((label == 1).sum()), int((label == 0).sum())) for label in target.unbind(1)]
    return [(count, len(target) - count) for count in target.bincount(minlength=task.outputs).tolist()]


def _of_area(area: float, yes: int, no: int) -> float:
    """Return the variance of an area under the ROC curve (Hanley and McNeil 1982)."""
    # At 0 and 1 the formula knows no error; with few samples there is some.
    a = min(max(area, 0.05), 0.95)
    both_yes, both_no = a / (2 - a), 2 * a * a / (1 + a)
    return (a * (1 - a) + (yes - 1) * (both_yes - a * a) + (no - 1) * (both_no - a * a)) / (yes * no)


def _of_r2(score: float, n: int) -> float:
    r2 = min(max(score, 0.05), 0.95)
    return math.sqrt(4 * r2 * (1 - r2) ** 2 * (n - 2) ** 2 / ((n * n - 1) * (n + 3))) if n > 2 else math.nan
