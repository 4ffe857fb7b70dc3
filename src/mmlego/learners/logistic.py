"""Logistic regression with an L2 penalty in principal coordinates, the penalty chosen by cross-validation."""

from __future__ import annotations

import numpy as np

from mmlego.learners.coordinates import Coordinates, minimised
from mmlego.learners.folds import stratified_folds


def chosen_logistic(
    coordinates: Coordinates, y: np.ndarray, weight: np.ndarray, penalties: int, folds: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return weights ``(q, k)`` of standardised columns and offsets ``(k,)``, the penalty that of least log-loss.

    Minimises ``Σ w ℓ / n + λ |W|² / 2`` over weights and offsets, which are free.

    Parameters
    ----------
    coordinates
        Of ``n`` patients.
    y : (n, k)
        One column: 0 and 1, a sigmoid. More: one-hot, a softmax.
    weight : (n,)
        Of mean 1.
    penalties, folds, seed
        How many penalties are tried, in how many folds, and which.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(80, 1))
    >>> w, a = chosen_logistic(Coordinates.of(x), (x > 0) * 1.0, np.ones(80), 5, 4, 0)
    >>> bool(w[0, 0] > 1)
    True
    """
    values, variance = coordinates.values, coordinates.variance
    strata = y[:, 0] if y.shape[1] == 1 else y.argmax(axis=1)
    fold = stratified_folds(strata, folds, seed)
    grid = 2.5 * max(coordinates.largest(), 1e-12) * np.logspace(0, -6, penalties)
    error = np.zeros(len(grid))
    for held in range(int(fold.max()) + 1):
        out, rest = fold == held, fold != held
        if len(np.unique(strata[rest])) < 2:
            continue
        path = logistic_path(values[rest], y[rest], weight[rest], grid, variance)
        for i, (w, a) in enumerate(path):
            error[i] += float(weight[out] @ _losses(values[out] @ w + a, y[out]))
    best = int(error.argmin())
    w, a = logistic_path(values, y, weight, grid[: best + 1], variance)[-1]
    return coordinates.back(w), a


def logistic_path(
    values: np.ndarray, y: np.ndarray, weight: np.ndarray, penalties: np.ndarray, variance: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return weights ``(r, k)`` and offsets ``(k,)`` for each penalty, falling.

    Examples
    --------
    >>> x = np.array([[1.0], [-1.0], [1.0]])
    >>> (w, a), = logistic_path(x, np.array([[1.0], [0], [1]]), np.ones(3), np.array([1e6]), np.ones(1))
    >>> round(float(a[0]), 3), bool(abs(w[0, 0]) < 1e-5)
    (0.693, True)
    """
    n, k = y.shape
    total = weight.sum()
    share = np.clip(weight @ y / total, 0.5 / n, 1 - 0.5 / n)  # (k,)
    start = np.log(share) - (np.log(1 - share) if k == 1 else 0.0)
    point = np.vstack([np.zeros((values.shape[1], k)), start])
    curvature = (share * (1 - share))[None] * np.append(variance, 1.0)[:, None]  # (r + 1, k)
    path = []
    for penalty in penalties:

        def loss(u: np.ndarray, penalty: float = penalty) -> tuple[float, np.ndarray]:
            scores = values @ u[:-1] + u[-1]
            pull = weight[:, None] * (_probabilities(scores) - y) / total
            value = float(weight @ _losses(scores, y)) / total + penalty / 2 * float(np.square(u[:-1]).sum())
            gradient = np.vstack([values.T @ pull + penalty * u[:-1], pull.sum(axis=0)])
            if k > 1:  # a softmax does not notice what is added to all classes
                value += 1e-8 / 2 * float(np.square(u[-1]).sum())
                gradient[-1] += 1e-8 * u[-1]
            return value, gradient

        point = minimised(loss, point, curvature + np.append(np.full(len(variance), penalty), 1e-8)[:, None])
        path.append((point[:-1], point[-1]))
    return path


def _losses(scores: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return −log p of what is so, (n,)."""
    if y.shape[1] == 1:
        return np.asarray(np.logaddexp(0, np.where(y == 1, -scores, scores))[:, 0])
    return np.asarray(np.logaddexp.reduce(scores, axis=1) - (scores * y).sum(axis=1))


def _probabilities(scores: np.ndarray) -> np.ndarray:
    """Return the probabilities of scores (n, k): sigmoid of one column, softmax of more."""
    if scores.shape[1] == 1:
        return np.asarray(0.5 * (1 + np.tanh(scores / 2)))
    return np.asarray(np.exp(scores - np.logaddexp.reduce(scores, axis=1, keepdims=True)))
