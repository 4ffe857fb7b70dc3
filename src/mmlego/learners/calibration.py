"""From the score of a classical model to the logits of a task, fitted on patients whom it has not seen."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import ShapeError
from mmlego.tasks import Task

SPREAD = 0.5  # of ln s around what would be right if the scores were log-odds; see calibrated_map


def calibrated_map(task: Task, raw: Tensor, target: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return ``A (k, m)`` and ``a (k,)`` by which raw scores become logits, ``z = a + A r``.

    - *Survival*: hazards of a proportional-odds model in discrete time (Cox 1972, section 7; Singer and Willett
      1993), ``logit h_j(r) = a_j + β r``, ``β ≥ 0``.
    - *Classification*, *regression*: one factor for all outputs and an intercept each (Platt 1999; Guo et al. 2017),
      ``z = a + s r``.
    - *Several labels*: a factor and an intercept for each.

    Minimised is the task's own loss, summed over patients, plus ``(s − 1)² / 2τ²`` where the scores are log-odds
    already and plus ``0.005 β²`` in units of the risk's standard deviation for survival, which only keeps it finite,
    plus a pull of the intercepts towards those of the prior that counts as much as a hundredth of a patient. A score
    that is worth nothing gets a factor of zero: evidence then is zero, and merging does not mind it.

    Parameters
    ----------
    task
        Gives the loss.
    raw
        ``(n, m)``, of patients whom the model was not fitted on.
    target
        Theirs.
    prior
        ``(k,)``, the logits of who knows nothing.
    """
    from scipy.optimize import minimize

    k = task.outputs
    raw, prior = raw.double(), prior.double()
    check_width(task, raw)
    known = target.double() if target.is_floating_point() else target
    centre = raw.mean(0)  # (m,)
    scale = float(raw.std(correction=0)) if task.name == "survival" else 1.0
    scale = scale if scale > 0 else 1.0
    shared = task.name != "multilabel"
    wanted = 0.0 if task.name == "survival" else 1.0
    strength = 0.01 if task.name == "survival" else 1 / SPREAD**2
    factors = 1 if shared else k

    def cost(values: np.ndarray) -> tuple[float, np.ndarray]:
        free = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        s, moved = free[:factors], free[factors:]
        z = prior + moved + s * ((raw - centre) / scale)
        loss = task.loss(z, known) * len(raw)
        loss = loss + 0.5 * strength * (s - wanted).square().sum() + 0.005 * moved.square().sum()
        loss.backward()
        assert free.grad is not None
        return float(loss.detach()), free.grad.numpy()

    start = np.concatenate([np.full(factors, wanted), np.zeros(k)])
    bounds = [(0.0, None)] * factors + [(None, None)] * k
    found = torch.from_numpy(minimize(cost, start, jac=True, bounds=bounds, method="L-BFGS-B").x)
    slope = found[:factors] / scale  # (1,) or (k,)
    matrix = slope.expand(k)[:, None] if raw.shape[1] == 1 and k > 1 else torch.diag(slope.expand(k))
    return matrix.contiguous(), prior + found[factors:] - matrix @ centre


def identity_map(task: Task, raw: int) -> tuple[Tensor, Tensor]:
    """Return ``A`` and ``a`` that leave scores which are logits already as they are.

    Raises
    ------
    ShapeError
        If they are not as many as the task has outputs, as a risk is one number and hazards are several.
    """
    check_width(task, torch.zeros(1, raw))
    if raw != task.outputs:
        raise ShapeError("scores that are no logits", expected=task.outputs, got=raw)
    return torch.eye(raw, dtype=torch.float64), torch.zeros(raw, dtype=torch.float64)


def check_width(task: Task, raw: Tensor) -> None:
    """Raise a ShapeError unless there is a log-risk a patient (survival), or a score an output."""
    wanted = 1 if task.name == "survival" else task.outputs
    if raw.ndim != 2 or raw.shape[1] != wanted:
        raise ShapeError("scores of a model", expected=f"(n, {wanted})", got=tuple(raw.shape))
