"""From the score of a classical model to the logits of a task, fitted on patients whom the model has not seen."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import ShapeError
from mmlego.learners.base import raw_width
from mmlego.tasks import CompetingRisks, Task

# What is thought of a slope, a standard deviation of the score, before it is measured: chosen on splits of seeds 0
# and 1 of the cohorts of benchmarks/merging, where scores hardly change for 0.3 to 0.7 and 0.3 to 1.
USELESS, TYPICAL = 0.6, 0.5


@dataclass(frozen=True)
class Scale:
    """Where the scores of a model lie on the patients it was fitted on: each fit has a scale of its own.

    Parameters
    ----------
    centre
        ``(m,)``.
    spread
        ``(m,)``, > 0: one number for all classes, which are read against each other.
    """

    centre: Tensor
    spread: Tensor

    @classmethod
    def of(cls, task: Task, raw: Tensor) -> Scale:
        """Return the scale of raw scores ``(n, m)``."""
        raw = raw.double()
        check_width(task, raw)
        if task.name == "classification":
            against = raw - raw.mean(1, keepdim=True)
            # Of two classes the log-odds are the difference of two scores, each half of it away from their mean.
            spread = (against.var(0, correction=0).mean()).sqrt().expand(raw.shape[1]) * 2
        else:
            spread = raw.std(0, correction=0)
        return cls(raw.mean(0), torch.where(spread > 1e-12, spread, 1.0))

    def apply(self, raw: Tensor) -> Tensor:
        """Return scores of mean 0 and spread 1."""
        return (raw.double() - self.centre) / self.spread


def calibrated_map(task: Task, scores: Tensor, target: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
    r"""Return ``A (k, m)`` and ``a (k,)`` by which scores of spread 1 become logits, ``z = a + A u``.

    - *Survival*: hazards of a proportional-odds model in discrete time (Cox 1972, section 7; Singer and Willett
      1993), ``logit h_j(u) = a_j + β u``.
    - *Competing risks*: the log-odds of each cause against none, ``z_jc(u) = a_jc + β_c u_c`` with a score of each
      cause (Tutz and Schmid 2016, section 8.2).
    - *Classification*, *regression*: one slope for all outputs and an intercept each (Platt 1999; Guo et al. 2017).
    - *Several labels*: a slope and an intercept for each.

    The slope is what is to be believed of its estimate ``b`` with standard error ``s``: the mean of the posterior under
    a spike and slab (Mitchell and Beauchamp 1988): that the score is worth nothing, ``β = 0``, with probability 0.6,
    and else half-normal of scale ½. A useless score gets a slope near zero: its evidence is nearly nothing, and those
    merged with it do not mind. Intercepts are fitted to that slope.

    Parameters
    ----------
    task
        Gives the loss.
    scores
        ``(n, m)``, of patients whom the model was not fitted on, in its :class:`Scale`.
    target
        Theirs.
    prior
        ``(k,)``, the logits of who knows nothing.
    """
    k = task.outputs
    scores, prior = scores.double(), prior.double()
    check_width(task, scores)
    known = target.double() if target.is_floating_point() else target
    slopes = k if task.name == "multilabel" else 1
    if isinstance(task, CompetingRisks):  # a bin has a logit of each cause, in their order
        slopes = len(task.causes)
        scores = scores.repeat(1, k // slopes)
    wide = k // slopes if isinstance(task, CompetingRisks) else 1

    def cost(free: Tensor, slope: Tensor) -> Tensor:
        loss: Tensor = task.loss(prior + free + slope.repeat(wide) * scores, known)
        return loss * len(scores) + 0.005 * free.square().sum() + 0.005 * slope.square().sum()

    both = _minimum(lambda v: cost(v[slopes:], v[:slopes]), slopes + k)
    curved = torch.autograd.functional.hessian(lambda v: cost(v[slopes:], v[:slopes]), both)
    errors = torch.linalg.pinv(curved).diagonal()[:slopes].clamp_min(1e-12).sqrt()
    believed = [believed_slope(float(b), float(s)) for b, s in zip(both[:slopes], errors, strict=True)]
    slope = torch.tensor(believed, dtype=torch.float64)
    free = _minimum(lambda v: cost(v, slope), k, start=both[slopes:])
    if isinstance(task, CompetingRisks):
        return torch.diag(slope).repeat(wide, 1), prior + free
    if scores.shape[1] == 1 and k > 1:
        return slope.expand(k)[:, None].contiguous(), prior + free
    return torch.diag(slope.expand(k)).contiguous(), prior + free


def believed_slope(estimate: float, error: float, useless: float = USELESS, typical: float = TYPICAL) -> float:
    """Return what is to be believed of a slope that was measured with an error.

    Parameters
    ----------
    estimate, error
        ``b`` and its standard error ``s``.
    useless
        The probability of ``β = 0`` before it is measured.
    typical
        The scale of the half-normal that it follows else.

    Returns
    -------
    float
        The mean of the posterior, ≥ 0.

    Examples
    --------
    >>> [round(believed_slope(b, 0.1), 2) for b in (-0.2, 0.0, 0.2, 0.5, 1.0)]
    [0.0, 0.01, 0.13, 0.48, 0.96]
    """
    from scipy.stats import norm

    narrow = 1 / math.sqrt(1 / error**2 + 1 / typical**2)
    middle = narrow**2 * estimate / error**2
    at = middle / narrow
    log_slab = math.log(2) + norm.logpdf(estimate, scale=math.hypot(error, typical)) + norm.logcdf(at)
    log_spike = norm.logpdf(estimate, scale=error)
    if not useless < 1:
        return 0.0
    odds = log_spike - log_slab + math.log(useless) - math.log1p(-useless) if useless > 0 else -math.inf
    share = 1 / (1 + math.exp(min(odds, 700.0)))
    mean = middle + narrow * math.exp(norm.logpdf(at) - norm.logcdf(at))
    return max(share * mean, 0.0)


def _minimum(cost: object, size: int, start: Tensor | None = None) -> Tensor:
    from scipy.optimize import minimize

    def both(values: np.ndarray) -> tuple[float, np.ndarray]:
        free = torch.tensor(values, dtype=torch.float64, requires_grad=True)
        loss: Tensor = cost(free)  # type: ignore[operator]
        (gradient,) = torch.autograd.grad(loss, free)
        return float(loss.detach()), gradient.numpy()

    first = np.zeros(size) if start is None else start.numpy()
    with torch.enable_grad():
        return torch.from_numpy(minimize(both, first, jac=True, method="L-BFGS-B").x)


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
    """Raise a ShapeError unless there is a log-risk a patient (survival), one a cause, or a score an output."""
    wanted = raw_width(task)
    if raw.ndim != 2 or raw.shape[1] != wanted:
        raise ShapeError("scores of a model", expected=f"(n, {wanted})", got=tuple(raw.shape))
