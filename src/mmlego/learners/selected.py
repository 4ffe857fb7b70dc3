"""Columns that tell something which no other tells: what a learner is fitted to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from torch import Tensor

from mmlego.learners.base import Learner
from mmlego.learners.cox import events_and_times
from mmlego.learners.registry import build_learner, register_learner
from mmlego.learners.survival_trees import null_hazards
from mmlego.tasks import Task

SAME = 1e-9  # by how much of its spread a column may differ from one that it repeats


@register_learner("selected", by_settings=False)
class Selected(Learner):
    """A learner that looks at some of the columns.

    Parameters
    ----------
    in_features
        ``p``, the number of columns.
    raw
        ``m``, the number of raw scores.
    kept
        The columns that it looks at.
    name, config
        Of the learner, as ``build_learner`` takes them.

    Examples
    --------
    >>> import torch
    >>> from mmlego.learners import Ridge
    >>> from mmlego.tasks import Regression
    >>> x = np.array([[0.0, 7.0, 0.0], [1.0, 7.0, -2.0], [2.0, 7.0, -4.0], [3.0, 7.0, -6.0]])
    >>> of = Selected.fitted(Ridge, x, torch.tensor([0.0, 1.0, 2.0, 3.0]), Regression(), seed=0, options={})
    >>> of.config["kept"]  # one is constant, another is the first one turned around
    [0]
    """

    tasks: ClassVar[tuple[str, ...]] = ()

    def __init__(self, in_features: int, raw: int, kept: Sequence[int], name: str, config: Mapping[str, Any]) -> None:
        sizes = {"kept": [int(column) for column in kept], "name": name, "config": dict(config)}
        super().__init__(in_features, raw, sizes)
        self.learner = build_learner(name, config)
        self.accepts_missing = self.learner.accepts_missing

    @classmethod
    def fitted(
        cls,
        of: type[Learner],
        x: np.ndarray,
        target: Tensor,
        task: Task,
        *,
        seed: int,
        options: Mapping[str, Any],
        most: int | None = None,
    ) -> Learner:
        """Return a learner fitted to the columns that differ; as it is where all do.

        Parameters
        ----------
        of
            The class of the learner.
        x, target, task, seed, options
            As its ``fit`` takes them.
        most
            How many columns it may look at: those that go most with the target, by themselves. None: all.
        """
        kept = distinct_columns(x)
        if most is not None and len(kept) > most:
            kept = kept[telling_columns(x[:, kept], target, task, most)]
        learner = of.fit(x[:, kept], target, task, seed=seed, **options)
        return learner if len(kept) == x.shape[1] else cls.around(learner, kept, x.shape[1])

    @classmethod
    def around(cls, learner: Learner, kept: np.ndarray, in_features: int) -> Self:
        """Return a learner of all columns that looks at those kept."""
        made = cls(in_features, learner.raw, kept.tolist(), learner.registered_name, learner.config)
        made.learner = learner
        return made

    def raw_scores(self, x: Tensor) -> Tensor:
        """Return raw scores ``(b, m)`` of rows ``(b, p)`` in float64."""
        return self.learner.raw_scores(x[:, self.config["kept"]])


def distinct_columns(x: np.ndarray) -> np.ndarray:
    """Return which columns are not constant and no affine image of one before them; the first one if none is.

    Statistics of what was measured once repeat each other: mean, least and largest value are one number. Copies make
    trees slow and share a penalty unevenly.

    Parameters
    ----------
    x : (n, p)
        Rows; NaN in the same places in columns that are to count as the same.

    Examples
    --------
    >>> distinct_columns(np.array([[1.0, 3.0, 5.0, 0.0], [2.0, 3.0, 3.0, 1.0], [4.0, 3.0, -1.0, 1.0]])).tolist()
    [0, 3]
    """
    x = np.asarray(x, dtype=np.float64)
    usable = x.ndim == 2 and len(x) > 0 and not np.isinf(x).any()
    if not usable:  # a learner says so itself
        return np.arange(x.shape[1] if x.ndim == 2 else 0)
    missing = np.isnan(x)
    count = np.maximum((~missing).sum(0), 1)
    filled = np.where(missing, 0.0, x)
    centred = np.where(missing, 0.0, filled - filled.sum(0) / count)
    spread = np.sqrt(np.square(centred).sum(0) / count)
    size = np.abs(filled).max(0)
    moves = (spread > SAME * size) | (missing.any(0) & ~missing.all(0))
    columns = np.flatnonzero(moves)
    if not len(columns):
        return np.zeros(1, dtype=np.int64)
    values = centred[:, columns] / np.where(spread > SAME * size, spread, 1.0)[columns]
    first = np.abs(values).argmax(0)
    values *= np.where(values[first, np.arange(len(columns))] < 0, -1.0, 1.0)
    values[missing[:, columns]] = 4 * np.sqrt(len(x))  # no standardised value is as large
    kept: np.ndarray = columns[_first_of_each(values)]
    return kept


def telling_columns(x: np.ndarray, target: Tensor, task: Task, most: int) -> np.ndarray:
    """Return the ``most`` columns that correlate best with the target, in their order.

    With each output of the task, of which the best counts: the martingale residual δ − Λ(t) of the model in which all
    patients are alike for survival, a class or a label against the rest, or the number itself. Gaps count as the mean.

    Parameters
    ----------
    x : (n, p)
        Rows.
    target
        As the task takes it.
    task
        What is to be predicted.
    most
        How many.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Regression
    >>> x = np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 2.0], [1.0, 2.0]])
    >>> telling_columns(x, torch.tensor([1.0, 1.0, 3.0, 3.0]), Regression(), 1).tolist()
    [1]
    """
    best = np.abs(_standardised(_outputs(target, task)).T @ _standardised(x)).max(0)
    return np.asarray(np.sort(np.argsort(-best, kind="stable")[:most]))


def _standardised(x: np.ndarray) -> np.ndarray:
    """Return columns of mean 0 and length 1; zeros for what is missing, and for what never moves."""
    missing = np.isnan(x)
    count = np.maximum((~missing).sum(0), 1)
    centred = np.where(missing, 0.0, np.where(missing, 0.0, x) - np.where(missing, 0.0, x).sum(0) / count)
    made: np.ndarray = centred / np.maximum(np.linalg.norm(centred, axis=0), 1e-300)
    return made


def _outputs(target: Tensor, task: Task) -> np.ndarray:
    """Return numbers ``(n, k)`` that a column may go with."""
    if task.name == "survival":
        event, time = events_and_times(target)
        return np.asarray(event - null_hazards(event, time, np.ones(len(event))))[:, None]
    values = target.double().numpy()
    if task.name == "classification":
        return np.asarray(values[:, None] == np.arange(task.outputs), dtype=np.float64)
    return values.reshape(len(values), -1)


def _first_of_each(values: np.ndarray) -> np.ndarray:
    """Return which columns equal none before them: those near each other by one number are compared in full."""
    mark: np.ndarray = np.random.default_rng(0).normal(size=len(values)) @ values / np.sqrt(len(values))
    order = np.argsort(mark, kind="stable")
    near = SAME * 100 * (1 + np.abs(mark))
    repeats = np.zeros(len(mark), dtype=bool)
    for place, column in enumerate(order):
        for other in order[place + 1 :]:
            # One that repeats another has nothing to add: whoever equals it equals that one.
            if repeats[column] or mark[other] - mark[column] > near[column]:
                break
            late, early = max(column, other), min(column, other)
            if not repeats[late] and np.abs(values[:, late] - values[:, early]).max() <= SAME * 100:
                repeats[late] = True
    return np.asarray(np.flatnonzero(~repeats))
