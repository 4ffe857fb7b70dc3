"""Which number of a prediction is explained, and on which scale: log-odds, or the units of a number."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mmlego.errors import UnknownNameError
from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Survival, Task

RISK = "risk"


@dataclass(frozen=True)
class Explained:
    """Which outputs of a task are explained, one a patient.

    Parameters
    ----------
    names
        All outputs that can be explained, in the order of :func:`scalars`.
    which
        The number of the one that is explained for each patient, ``(n,)``.
    scale
        In which unit, as words.

    Examples
    --------
    >>> Explained(("dead",), torch.tensor([0, 0]), "log-odds").labels
    ['dead', 'dead']
    """

    names: tuple[str, ...]
    which: Tensor
    scale: str

    @property
    def labels(self) -> list[str]:
        """The name of the output of each patient."""
        return [self.names[i] for i in self.which.tolist()]

    def pick(self, values: Tensor) -> Tensor:
        """Return of ``(n, ..., q)`` the explained one of each patient, ``(n, ...)``."""
        index = self.which.to(values.device).reshape(-1, *[1] * (values.ndim - 1)).expand(*values.shape[:-1], 1)
        return values.gather(-1, index).squeeze(-1)


def _one_event(task: Task) -> bool:
    """Return whether logits are hazards of one kind of event; of a kind of one's own each is explained by itself."""
    return isinstance(task, Survival) and task.outputs == len(task.cuts) + 1


def output_names(task: Task) -> tuple[str, ...]:
    """Return the names of what can be explained: classes, labels, targets, causes; of survival the risk.

    Examples
    --------
    >>> output_names(Classification(["alive", "dead"])), output_names(Survival([1.0]))
    (('alive', 'dead'), ('risk',))
    """
    if _one_event(task):
        return (RISK,)
    if isinstance(task, CompetingRisks):
        return tuple(task.causes)
    if isinstance(task, Classification):
        return tuple(task.classes)
    if isinstance(task, MultiLabel):
        return tuple(task.labels)
    if isinstance(task, Regression):
        return tuple(task.targets)
    return tuple(f"logit_{i}" for i in range(task.outputs))


def scale_of(task: Task) -> str:
    """Return in words the scale of :func:`scalars`."""
    if _one_event(task):
        return "log-odds of time lost to time survived"
    if isinstance(task, CompetingRisks):
        return "log-odds of time lost to the cause"
    if isinstance(task, Classification):
        return "log-odds of the class"
    if isinstance(task, MultiLabel):
        return "log-odds of the label"
    return "units of the target" if isinstance(task, Regression) else "logit"


def scalars(task: Task, logits: Tensor) -> Tensor:
    """Return what is explained, one number an output, float64 ``(..., q)``; differentiable.

    Classes: ``z_c − log Σ_{j ≠ c} exp z_j``, the log-odds of each against all others. Labels: the logit. Numbers: in
    their units. Survival: the log-odds of the bins lost to those survived, ``log Σ_j (1 − S_j) − log Σ_j S_j``, which
    has the order of the risk and no bounds; of competing causes likewise with the bins since the event of the cause,
    ``log Σ_j F_j − log Σ_j (1 − F_j)``.

    Parameters
    ----------
    task
        What the logits mean.
    logits
        ``(..., k)``.

    Examples
    --------
    >>> scalars(Classification(2), torch.tensor([[0.0, 2.0]])).tolist()
    [[-2.0, 2.0]]
    >>> scalars(Survival([1.0]), torch.zeros(1, 2)).exp()  # S = ½, ¼: 1¼ bins lost, ¾ survived
    tensor([[1.6667]], dtype=torch.float64)
    """
    logits = logits.double()
    if _one_event(task):
        alive = F.logsigmoid(-logits).cumsum(-1)  # log S
        lost = (-torch.expm1(alive)).sum(-1).log()
        return (lost - alive.logsumexp(-1))[..., None]
    if isinstance(task, CompetingRisks):
        return _of_causes(logits.unflatten(-1, (-1, len(task.causes))))
    if isinstance(task, Classification):
        alone = torch.eye(task.outputs, dtype=torch.bool, device=logits.device)
        others = logits[..., None, :].expand(*logits.shape, task.outputs).masked_fill(alone, -torch.inf)
        return logits - others.logsumexp(-1)
    if isinstance(task, Regression):
        mean, scale = (logits.new_tensor(values) for values in (task.mean, task.scale))
        return mean + scale * logits
    return logits


def _of_causes(odds: Tensor) -> Tensor:
    """Return the log-odds ``(…, m)`` of bins lost to each cause, of the log-odds ``(…, k, m)`` of each against none."""
    log = torch.log_softmax(torch.cat([torch.zeros_like(odds[..., :1]), odds], dim=-1), dim=-1)
    alive = log[..., :1].cumsum(-2)  # log S, (…, k, 1)
    before = torch.cat([torch.zeros_like(alive[..., :1, :]), alive[..., :-1, :]], dim=-2)
    come = (before + log[..., 1:]).logcumsumexp(-2)  # log F, (…, k, m)
    shares = torch.cat([alive, come], dim=-1).logsumexp(-2)  # of all bins: free of all, lost to each; (…, 1 + m)
    m = odds.shape[-1]
    own = torch.eye(1 + m, dtype=torch.bool, device=odds.device)[1:]  # (m, 1 + m)
    left = shares[..., None, :].expand(*shares.shape[:-1], m, 1 + m).masked_fill(own, -torch.inf).logsumexp(-1)
    return shares[..., 1:] - left


def explained(task: Task, logits: Tensor, base: Tensor, output: str | None) -> Explained:
    """Return which output is explained for each patient.

    Parameters
    ----------
    task
        What the logits mean.
    logits
        Those of the patients, ``(n, k)``.
    base
        Those of who knows nothing, ``(k,)``.
    output
        Its name; None: the risk; of two classes the second, of more, and of causes, the most probable one; of several
        labels or numbers the one that is furthest from who knows nothing, by logits.

    Raises
    ------
    UnknownNameError
        If no output is called so.

    Examples
    --------
    >>> explained(Classification(3), torch.tensor([[0.0, 2.0, 1.0]]), torch.zeros(3), None).labels
    ['1']
    """
    names = output_names(task)
    if output is not None:
        if output not in names:
            raise UnknownNameError("unknown output", expected=f"one of {', '.join(names)}", got=repr(output))
        which = torch.full((len(logits),), names.index(output))
    elif len(names) == 1:
        which = torch.zeros(len(logits), dtype=torch.int64)
    elif isinstance(task, Classification):
        which = torch.ones(len(logits), dtype=torch.int64) if len(names) == 2 else logits.argmax(1)
    elif isinstance(task, CompetingRisks):
        which = scalars(task, logits).argmax(1)
    else:
        which = (logits - base).abs().argmax(1)
    return Explained(names, which.cpu(), scale_of(task))
