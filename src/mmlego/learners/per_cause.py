"""Learners of survival for competing risks: one for each cause, the other causes taken as censored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from mmlego.errors import TooFewError
from mmlego.learners.base import Learner
from mmlego.learners.registry import build_learner, register_learner
from mmlego.tasks import CompetingRisks, Survival


@register_learner("per_cause", by_settings=False)
class PerCause(Learner):
    """Learners of survival, of each of ``m`` causes one; the raw scores are their log-risks.

    The hazard of a cause among those still free of all of them is what a model of survival estimates that takes events
    of the others as censored (Prentice et al. 1978; Putter, Fiocco and Geskus 2007). Such a model alone tells no
    incidence: together the log-risks are calibrated as cause-specific hazards in discrete time.

    Parameters
    ----------
    in_features
        ``p``, the number of columns.
    raw
        ``m``.
    parts
        Of each cause ``name`` and ``config`` of its learner, as ``build_learner`` takes them.

    Examples
    --------
    >>> import numpy as np
    >>> from mmlego.learners import Coxnet
    >>> task = CompetingRisks([1.0], ["relapse", "death"])
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(120, 2))
    >>> each = rng.exponential(np.exp(-2 * x))
    >>> target = torch.tensor(np.stack([each.argmin(1) + 1, each.min(1)], 1))
    >>> found = PerCause.fitted(lambda y, alone: Coxnet.fit(x, y, alone, seed=0), target, task)
    >>> found(torch.eye(2, dtype=torch.float64)).argmax(0).tolist()  # who has most of a column is most at its risk
    [0, 1]
    """

    tasks: ClassVar[tuple[str, ...]] = ()

    def __init__(self, in_features: int, raw: int, parts: Sequence[Mapping[str, Any]]) -> None:
        sizes = {"parts": [{"name": part["name"], "config": dict(part["config"])} for part in parts]}
        super().__init__(in_features, raw, sizes)
        self.learners = torch.nn.ModuleList([build_learner(part["name"], part["config"]) for part in parts])
        self.accepts_missing = all(bool(learner.accepts_missing) for learner in self.learners)

    @classmethod
    def fitted(cls, fit: Callable[[Tensor, Survival], Learner], target: Tensor, task: CompetingRisks) -> Self:
        """Return learners fitted to each cause.

        Parameters
        ----------
        fit
            Gives a learner of survival that is fitted to a target ``(n, 2)``.
        target : (n, 2)
            Numbers of causes and times.
        task
            Of them.

        Raises
        ------
        TooFewError
            If nobody had the event of a cause.
        """
        alone = Survival(task.cuts, task.unit, task.typical_time)
        event, time = target.unbind(1)
        for number, cause in enumerate(task.causes, start=1):
            if not bool((event == number).any()):
                raise TooFewError(
                    f"learners of cause {cause!r} have nothing to learn from",
                    expected="at least one patient who had it among those they are fitted to",
                    got=f"{len(target)} patients, none of whom had it",
                    remedy="Give them more patients, or fewer folds, so that each part has some, leave the cause out, "
                    "or train a neural block (encoder.name: neural).",
                )
        made = [fit(torch.stack([(event == c).to(time), time], 1), alone) for c in range(1, len(task.causes) + 1)]
        parts = [{"name": learner.registered_name, "config": learner.config} for learner in made]
        found = cls(made[0].in_features, len(made), parts)
        found.learners = torch.nn.ModuleList(made)
        return found

    def raw_scores(self, x: Tensor) -> Tensor:
        """Return raw scores ``(b, m)`` of rows ``(b, p)`` in float64."""
        parts: list[Any] = list(self.learners)
        return torch.cat([learner.raw_scores(x) for learner in parts], dim=1)
