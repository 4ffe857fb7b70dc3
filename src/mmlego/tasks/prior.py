"""What a task's outcomes say by themselves, before any patient is looked at."""

from __future__ import annotations

import torch
from torch import Tensor

from mmlego.tasks.base import Task
from mmlego.tasks.lbfgs import Lbfgs

_RIDGE = 1e-4  # in samples: keeps the logits finite where an outcome never or always happens


def prior_logits(task: Task, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
    """Return the constant logits that fit a target best: what a model without information should answer.

    They minimise the task's own loss, ``argmin_a Σ w_i ℓ(a, y_i)``, by L-BFGS in double precision; for classes they are
    the log-frequencies, for hazards the log-odds of an event in each bin among those at risk.

    Parameters
    ----------
    task
        Gives the loss.
    target
        The target of ``n`` samples.
    sample_weight
        Weights ``(n,)``, as in training.

    Returns
    -------
    Tensor
        Shape ``(k,)``, float32.

    Examples
    --------
    >>> from mmlego.tasks import Classification
    >>> prior_logits(Classification(2), torch.tensor([0, 0, 0, 1])).softmax(0)
    tensor([0.7500, 0.2500])
    """
    target = task.check_target(target).detach().cpu()
    weight = None if sample_weight is None else sample_weight.detach().cpu().double()
    target = target.double() if target.is_floating_point() else target
    constant = torch.zeros(task.outputs, dtype=torch.float64, requires_grad=True)
    search = Lbfgs(constant, tolerance_change=1e-14)

    def loss() -> Tensor:
        search.zero_grad()
        value = task.loss(constant.expand(len(target), -1), target, weight)
        value = value + _RIDGE / len(target) * constant.square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        search.step(loss)
    return constant.detach().float()
