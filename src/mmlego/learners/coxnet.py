"""The Cox net: a penalised Cox model whose penalty is chosen by inner cross-validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.learners.coordinates import Columns, Coordinates
from mmlego.learners.cox import PartialLikelihood, events_and_times
from mmlego.learners.cox_paths import net_path, net_penalties, ridge_path, ridge_penalties, ridge_steps
from mmlego.learners.folds import stratified_folds
from mmlego.learners.linear import Linear
from mmlego.learners.options import Count, Ratios, Several
from mmlego.learners.registry import register_learner
from mmlego.tasks import Task
from mmlego.tasks.survival_scores import concordance

FALLEN = 8  # penalties since the best one, after which the path of a ridge is left


@register_learner("coxnet")
class Coxnet(Linear):
    """Cox regression with an elastic net, for as many columns as there are; the raw score is the log-risk.

    Columns are standardised. The penalty and the share of its L1 part are those of the best inner cross-validation,
    stratified by event: by the cross-validated partial likelihood of Verweij and van Houwelingen 1993, or by the mean
    c-index of the folds.

    Options: ``l1_ratios``, shares that are tried, 0 being a ridge and 1 a lasso: few and small ones, for with few
    patients it is chance which columns a lasso keeps; ``penalties``, how many for each; ``folds``; ``criterion``,
    ``likelihood`` or ``c_index``; ``columns``, to keep only so many, those of the largest variance, for columns that
    come in one unit and are not standardised.

    Examples
    --------
    >>> from mmlego.tasks import Survival
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(80, 3))
    >>> time = rng.exponential(np.exp(-x[:, 0]))
    >>> task = Survival([1.0])
    >>> net = Coxnet.fit(x, task.target(np.ones(80), time), task, seed=0)
    >>> net.weight[:, 0].argmax()
    tensor(0)
    """

    tasks: ClassVar[tuple[str, ...]] = ("survival",)

    @classmethod
    def _fit(
        cls,
        x: np.ndarray,
        target: Tensor,
        task: Task,
        seed: int,
        weight: np.ndarray,
        *,
        l1_ratios: Ratios = (0.0, 0.1),
        penalties: Count = 25,
        folds: Several = 5,
        criterion: Literal["likelihood", "c_index"] = "likelihood",
        columns: Count | None = None,
    ) -> Self:
        ratios = _checked_ratios(l1_ratios)
        keep = np.arange(x.shape[1]) if columns is None else widest(x, columns)
        standardised = Columns.of(x[:, keep], weight)
        patients = _Patients.of(standardised.standard, target, weight)
        fold = stratified_folds(patients.event, folds, seed)
        chosen, best = np.zeros((len(standardised.kept), 1)), -np.inf
        for ratio in ratios:
            grid = patients.penalties(ratio, penalties)
            ridge = ratio == 0 and criterion == "likelihood"
            score = _ridge_scores(patients, grid, fold) if ridge else _scores(patients, ratio, grid, fold, criterion)
            at = int(score.argmax())
            if score[at] > best:
                last = patients.path(ratio, grid[: at + 1])[:, -1:]
                if np.isfinite(last).all():
                    best, chosen = score[at], patients.weights(ratio, last)
        weights, offset = standardised.raw_weights(chosen, np.zeros(1))
        whole = np.zeros((x.shape[1], 1))
        whole[keep] = weights
        return cls.of(whole, offset)


@dataclass(frozen=True)
class _Patients:
    """Patients as both kinds of paths take them."""

    standard: np.ndarray
    coordinates: Coordinates
    event: np.ndarray
    time: np.ndarray
    weight: np.ndarray
    likelihood: PartialLikelihood

    @classmethod
    def of(cls, standard: np.ndarray, target: Tensor, weight: np.ndarray) -> _Patients:
        event, time = events_and_times(target)
        turned = Coordinates.of(standard)
        return cls(standard, turned, event, time, weight, PartialLikelihood(event, time, weight))

    def some(self, rows: np.ndarray) -> _Patients:
        """Return some of them, in the coordinates of all: the outcome has no part in these."""
        turned = Coordinates(self.coordinates.values[rows], self.coordinates.axes, self.coordinates.variance)
        event, time, weight = self.event[rows], self.time[rows], self.weight[rows]
        likelihood = PartialLikelihood(event, time, weight)
        return _Patients(self.standard[rows], turned, event, time, weight, likelihood)

    def penalties(self, ratio: float, number: int) -> np.ndarray:
        if ratio == 0:
            return ridge_penalties(self.likelihood, self.coordinates, number)
        return net_penalties(self.likelihood, self.standard, ratio, number)

    def path(self, ratio: float, grid: np.ndarray) -> np.ndarray:
        """Return what :meth:`weights` and :meth:`risks` take, a column for each penalty."""
        if ratio == 0:
            return ridge_path(self.likelihood, self.coordinates, grid)
        return net_path(self.likelihood, self.standard, ratio, grid)

    def weights(self, ratio: float, path: np.ndarray) -> np.ndarray:
        """Return weights (q, λ) of the standardised columns."""
        return self.coordinates.back(path) if ratio == 0 else path

    def risks(self, ratio: float, path: np.ndarray) -> np.ndarray:
        """Return the log-risks (n, λ) of these patients."""
        return np.asarray((self.coordinates.values if ratio == 0 else self.standard) @ path)


def _ridge_scores(patients: _Patients, grid: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Return the held-out likelihood of each penalty of a ridge, (λ,); −∞ beyond where it has fallen for long.

    The folds go down the path side by side, and stop together: the last penalties, which hardly shrink, cost most.
    """
    parts = [
        part for held in range(int(fold.max()) + 1) if (part := _Part.of(patients, fold != held, grid)) is not None
    ]
    total = np.full(len(grid), -np.inf)
    for i in range(len(grid)):
        total[i] = sum(part.next_score(patients) for part in parts)
        if i - int(total.argmax()) >= FALLEN:
            break
    return total


@dataclass(frozen=True)
class _Part:
    """The patients outside of a fold, and where their path is."""

    rows: np.ndarray
    likelihood: PartialLikelihood
    steps: Iterator[np.ndarray]

    @classmethod
    def of(cls, patients: _Patients, rows: np.ndarray, grid: np.ndarray) -> _Part | None:
        part = patients.some(rows)
        if not part.event.any():
            return None
        return cls(rows, part.likelihood, ridge_steps(part.likelihood, part.coordinates, grid))

    def next_score(self, patients: _Patients) -> float:
        """Go on by a penalty, and return by how much the likelihood of all is above that of these."""
        risk = patients.coordinates.values @ next(self.steps)
        if not np.isfinite(risk).all():
            return -np.inf
        return patients.likelihood.value(risk) - self.likelihood.value(risk[self.rows])


def _scores(patients: _Patients, ratio: float, grid: np.ndarray, fold: np.ndarray, criterion: str) -> np.ndarray:
    """Return how good each penalty is for patients held out, (λ,); −∞ where a path diverges."""
    total = np.zeros(len(grid))
    for held in range(int(fold.max()) + 1):
        out, rest = fold == held, fold != held
        part = patients.some(rest)
        if not part.event.any():
            continue
        risk = patients.risks(ratio, part.path(ratio, grid))  # (n, λ)
        for i, column in enumerate(risk.T):
            if not np.isfinite(column).all():
                total[i] = -np.inf
            elif criterion == "likelihood":
                total[i] += patients.likelihood.value(column) - part.likelihood.value(column[rest])
            else:
                event, time = torch.from_numpy(patients.event[out] == 1), torch.from_numpy(patients.time[out])
                index = concordance(torch.from_numpy(column[out]), event, time)
                total[i] += 0.5 if np.isnan(index) else index
    return total


def _checked_ratios(l1_ratios: float | Sequence[float]) -> list[float]:
    ratios = [float(ratio) for ratio in np.atleast_1d(np.asarray(l1_ratios, dtype=np.float64))]
    if not ratios or not all(ratio == 0 or 0.01 <= ratio <= 1 for ratio in ratios):
        raise InputError("l1_ratios of coxnet", expected="shares: 0 for a ridge, or from 0.01 to 1", got=ratios)
    return ratios


def widest(x: np.ndarray, columns: int) -> np.ndarray:
    """Return which ``columns`` of ``x`` have the largest variance, in their order.

    Raises
    ------
    InputError
        If the number is not positive, or the variances do not tell columns apart, as those of standardised ones.

    Examples
    --------
    >>> widest(np.array([[0.0, 0.0, 1.0], [2.0, 1.0, 5.0]]), 2).tolist()
    [0, 2]
    """
    if isinstance(columns, bool) or columns < 1:
        raise InputError("columns of a learner", expected="how many to keep, an int ≥ 1", got=repr(columns))
    variance = x.var(axis=0)
    order = np.argsort(-variance, kind="stable")
    if len(order) > columns and variance[order[0]] <= variance[order[columns]] * (1 + 1e-6):
        raise InputError(
            f"variances do not tell which {columns} columns to keep",
            expected="columns that differ in variance",
            got=f"{x.shape[1]} that do not, as standardised ones",
            remedy="Leave columns out: the learner takes them all.",
        )
    return np.sort(order[:columns])
