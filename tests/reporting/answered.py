"""Answers of models that never were: logits and outcomes drawn with a known connection."""

from __future__ import annotations

import numpy as np
import torch

from mmlego.reporting.answers import Answers
from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Survival


def survival(n: int = 120, seed: int = 0, *, label: str = "LegoMerge", noise: float = 0.5) -> Answers:
    """Return answers whose hazards are those that times were drawn from, but for noise."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=n)
    lived, seen = rng.exponential(30 * np.exp(-risk)), rng.uniform(6, 80, n)
    target = torch.tensor(np.stack([lived <= seen, np.minimum(lived, seen)], axis=1)).float()
    cuts = [6.0, 12.0, 24.0, 36.0, 60.0]
    said = risk + noise * np.random.default_rng(seed + 1000).normal(size=n)
    widths = np.diff([0.0, *cuts])
    stay = np.exp(-widths[None] * np.exp(said)[:, None] / 30)
    hazard = np.concatenate([1 - stay, 1 - stay[:, -1:]], axis=1).clip(1e-6, 1 - 1e-6)
    return Answers(label, Survival(cuts), ids(n), torch.tensor(np.log(hazard / (1 - hazard))), target)


def causes(n: int = 150, seed: int = 0, *, noise: float = 0.5) -> Answers:
    """Return answers whose hazards of two causes are those that times were drawn from, but for noise."""
    rng = np.random.default_rng(seed)
    risk = rng.normal(size=(n, 2))
    each = np.column_stack([rng.uniform(6, 80, n), rng.exponential(np.array([40, 60]) * np.exp(-risk))])
    target = torch.tensor(np.stack([each.argmin(1), each.min(1)], axis=1)).float()
    cuts = [6.0, 12.0, 24.0, 36.0, 60.0]
    said = risk + noise * np.random.default_rng(seed + 1000).normal(size=(n, 2))
    rates = np.exp(said) / [40, 60]  # (n, 2)
    widths = np.append(np.diff([0.0, *cuts]), 24.0)
    stay = np.exp(-widths * rates.sum(1, keepdims=True))  # (n, k)
    hazards = (1 - stay)[:, :, None] * (rates / rates.sum(1, keepdims=True))[:, None]
    logits = torch.tensor(np.log(hazards / stay[:, :, None])).flatten(1)
    task = CompetingRisks(cuts, ["relapse", "death"], unit="months")
    return Answers("LegoMerge", task, ids(n), logits, target)


def classes(n: int = 200, seed: int = 0, *, k: int = 2, label: str = "LegoMerge", noise: float = 1.0) -> Answers:
    """Return answers that lean to the truth."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, k, n)
    said = np.random.default_rng(seed + 1000)
    logits = np.eye(k)[target] * 1.5 + noise * said.normal(size=(n, k))
    names = ["no", "yes"] if k == 2 else [f"grade {place}" for place in range(k)]
    return Answers(label, Classification(names), ids(n), torch.tensor(logits), torch.tensor(target), "relapse")


def labels(n: int = 200, seed: int = 0) -> Answers:
    """Return answers to two questions, of which the second is not always known."""
    rng = np.random.default_rng(seed)
    target = rng.integers(0, 2, (n, 2)).astype(float)
    logits = 2 * target - 1 + rng.normal(size=(n, 2))
    target[::5, 1] = np.nan
    return Answers("LegoMerge", MultiLabel(["liver", "skin"]), ids(n), torch.tensor(logits), torch.tensor(target))


def numbers(n: int = 200, seed: int = 0) -> Answers:
    """Return answers to a question for a number."""
    rng = np.random.default_rng(seed)
    target = torch.tensor(rng.normal(size=n))
    logits = target[:, None] + 0.5 * torch.tensor(rng.normal(size=(n, 1)))
    return Answers("LegoMerge", Regression(["il6"], mean=5.0, scale=2.0), ids(n), logits, 5 + 2 * target)


def ids(n: int) -> tuple[str, ...]:
    return tuple(f"p{place:05d}" for place in range(n))
