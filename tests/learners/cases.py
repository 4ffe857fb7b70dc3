"""Small data with a planted signal, for every task."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mmlego.tasks import Classification, MultiLabel, Regression, Survival, Task


@dataclass(frozen=True)
class Data:
    """Rows and targets; column 0 holds the signal, column 1 half as much, the others none."""

    x: np.ndarray
    target: Tensor
    task: Task

    def shuffled(self, seed: int) -> Data:
        order = torch.from_numpy(np.random.default_rng(seed).permutation(len(self.x)))
        return Data(self.x, self.target[order], self.task)


def data(task: str, n: int = 160, columns: int = 6, seed: int = 0, strength: float = 1.5) -> Data:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, columns))
    signal = strength * (x[:, 0] + x[:, 1] / 2)
    if task == "survival":
        time, censored = rng.exponential(np.exp(-signal)), rng.exponential(2.0, n)
        target = Survival.target(time <= censored, np.minimum(time, censored))
        return Data(x, target, Survival([0.3, 1.0]))
    if task == "classification":
        return Data(x, torch.from_numpy(rng.logistic(size=n) < signal).long(), Classification(2))
    if task == "classes":
        noisy = signal + rng.logistic(size=n) / 2
        return Data(x, torch.from_numpy((noisy > -0.8).astype(int) + (noisy > 0.8)), Classification(3))
    if task == "multilabel":
        labels = torch.from_numpy(np.stack([rng.logistic(size=n) < signal, rng.logistic(size=n) < -signal], 1)).float()
        labels[rng.random(n) < 0.2, 0] = float("nan")
        return Data(x, labels, MultiLabel(2))
    y = torch.from_numpy(np.stack([10 + 3 * signal + rng.normal(size=n), -signal + rng.normal(size=n)], 1))
    return Data(x, y.float(), Regression.from_data(y))


TASKS = ("survival", "classification", "classes", "multilabel", "regression")


def tasks_of(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of ``TASKS`` a learner for tasks of these names is tried on."""
    return tuple(task for task in TASKS if data(task, n=8).task.name in names)


def logits(raw: Tensor, task: Task) -> Tensor:
    """Return logits that rank as raw scores do; for all tasks but survival they are these."""
    return raw.expand(-1, task.outputs) if task.name == "survival" else raw


def score(raw: Tensor, held: Data) -> float:
    """Return the primary metric of raw scores, chance being 0.5 for all but regression (r²)."""
    return held.task.metrics(logits(raw, held.task), held.target)[held.task.primary_metric]
