"""Penalised Cox models along a path of penalties: ridge in principal coordinates, elastic nets by coordinate descent.

All minimise ``−ℓ(Xβ) / n + λ (r |β|₁ + (1 − r) |β|² / 2)`` with ``ℓ`` the log partial likelihood and ``r`` the share of
the L1 penalty, on standardised columns, as Simon et al. 2011 (*Regularization paths for Cox's proportional hazards
model via coordinate descent*).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from mmlego.learners.coordinates import Coordinates, minimised
from mmlego.learners.cox import PartialLikelihood

_WIDEST = 40.0  # log-risks further apart mean that the path has reached patients who are told apart completely
_STEPS = 50


def ridge_penalties(likelihood: PartialLikelihood, coordinates: Coordinates, number: int) -> np.ndarray:
    """Return penalties of a ridge from one that leaves nothing to one that hardly matters, falling.

    Examples
    --------
    >>> likelihood = PartialLikelihood(np.ones(4), np.arange(4.0), np.ones(4))
    >>> ridge_penalties(likelihood, Coordinates.of(np.arange(4.0)[:, None]), 3).size
    3
    """
    n = len(likelihood.event)
    curvature = likelihood.event.sum() / n * coordinates.largest()
    return np.asarray(10 * max(curvature, 1e-12) * np.logspace(0, -5, number))


def ridge_path(likelihood: PartialLikelihood, coordinates: Coordinates, penalties: np.ndarray) -> np.ndarray:
    """Return weights ``(r, λ)`` of the coordinates; the patients are those of the likelihood.

    Examples
    --------
    >>> likelihood = PartialLikelihood(np.ones(4), np.arange(4.0), np.ones(4))
    >>> path = ridge_path(likelihood, Coordinates.of(np.array([[2.0], [1], [1.5], [0]])), np.array([1.0, 0.1]))
    >>> bool((path > 0).all()), bool(path[0, 1] > path[0, 0])
    (True, True)
    """
    return np.stack(list(ridge_steps(likelihood, coordinates, penalties)), axis=1)


def ridge_steps(likelihood: PartialLikelihood, coordinates: Coordinates, penalties: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the weights ``(r,)`` of one penalty after the other, each found from the one before.

    Examples
    --------
    >>> likelihood = PartialLikelihood(np.ones(4), np.arange(4.0), np.ones(4))
    >>> steps = ridge_steps(likelihood, Coordinates.of(np.array([[2.0], [1], [1.5], [0]])), np.array([1.0, 0.1]))
    >>> bool(next(steps)[0] < next(steps)[0])
    True
    """
    values, n = coordinates.values, len(coordinates.values)
    rate = likelihood.event.sum() / n
    weights = np.zeros(values.shape[1])
    for penalty in penalties:

        def loss(u: np.ndarray, penalty: float = penalty) -> tuple[float, np.ndarray]:
            value, gradient, _ = likelihood(values @ u)
            return -value / n + penalty / 2 * float(u @ u), penalty * u - values.T @ gradient / n

        weights = minimised(loss, weights, rate * coordinates.variance + penalty)
        yield weights


def net_penalties(likelihood: PartialLikelihood, standard: np.ndarray, l1_ratio: float, number: int) -> np.ndarray:
    """Return penalties from the least that leaves no column to a small part of it, falling.

    Examples
    --------
    >>> likelihood = PartialLikelihood(np.ones(4), np.arange(4.0), np.ones(4))
    >>> net_penalties(likelihood, np.array([[1.0], [1], [-1], [-1]]), 1.0, 2).round(4).tolist()
    [0.5833, 0.0006]
    """
    n, q = standard.shape
    _, gradient, _ = likelihood(np.zeros(n))
    most = float(np.abs(standard.T @ gradient).max(initial=0.0)) / n / l1_ratio
    return np.asarray(max(most, 1e-12) * np.logspace(0, -3 if q < n / 2 else -1.7, number))


def net_path(
    likelihood: PartialLikelihood, standard: np.ndarray, l1_ratio: float, penalties: np.ndarray, tolerance: float = 1e-5
) -> np.ndarray:
    """Return weights ``(q, λ)`` of standardised columns; NaN from where the path diverges.

    Columns are screened by the sequential strong rule and checked afterwards (Tibshirani et al. 2012); within those the
    likelihood is minimised by proximal Newton steps with scikit-learn's coordinate descent inside.

    Parameters
    ----------
    likelihood
        Of the same patients.
    standard : (n, q)
        Standardised columns.
    l1_ratio
        The share of the L1 penalty, > 0.
    penalties
        Falling.
    tolerance
        Steps end where the loss falls by less than this part of the loss without columns.

    Examples
    --------
    >>> likelihood = PartialLikelihood(np.ones(4), np.arange(4.0), np.ones(4))
    >>> net_path(likelihood, np.array([[1.0], [1], [-1], [-1]]), 1.0, np.array([0.6, 0.1])).round(1).tolist()
    [[0.0, 1.3]]
    """
    n, q = standard.shape
    path = np.full((q, len(penalties)), np.nan)
    weights, ever = np.zeros(q), np.zeros(q, dtype=bool)
    slope = standard.T @ likelihood(np.zeros(n))[1] / n
    before = penalties[0]
    for i, penalty in enumerate(penalties):
        active = ever | (np.abs(slope) >= l1_ratio * (2 * penalty - before))
        while True:
            columns = np.flatnonzero(active)
            part = _newton(likelihood, standard[:, columns], weights[columns], l1_ratio, penalty, tolerance)
            if part is None:
                return path
            weights[columns] = part
            slope = standard.T @ likelihood(standard[:, columns] @ part)[1] / n
            missed = ~active & (np.abs(slope) > l1_ratio * penalty * (1 + 1e-6))
            if not missed.any():
                break
            active |= missed
        ever |= weights != 0
        path[:, i] = weights
        before = penalty
    return path


def _newton(
    likelihood: PartialLikelihood, x: np.ndarray, start: np.ndarray, l1_ratio: float, penalty: float, tolerance: float
) -> np.ndarray | None:
    """Return weights that minimise the penalised loss of a few columns; None if the patients are told apart."""
    from sklearn import config_context
    from sklearn.linear_model import enet_path

    n = len(x)
    if x.shape[1] == 0:
        return start

    def loss(u: np.ndarray, value: float) -> float:
        return -value / n + penalty * float(l1_ratio * np.abs(u).sum() + (1 - l1_ratio) / 2 * u @ u)

    weights, eta = start.copy(), x @ start
    value, gradient, diagonal = likelihood(eta)
    now, scale = loss(weights, value), max(-likelihood.value(np.zeros(n)) / n, 1e-12)
    for _ in range(_STEPS):
        root = np.sqrt(np.maximum(diagonal, 1e-9))
        # To check what a step is given takes scikit-learn longer than the step itself.
        with warnings.catch_warnings(), config_context(skip_parameter_validation=True):
            warnings.simplefilter("ignore")  # steps need not be exact: the next one goes on
            _, found, _ = enet_path(
                np.asfortranarray(x * root[:, None]),
                root * eta + gradient / root,
                l1_ratio=l1_ratio,
                alphas=[penalty],
                coef_init=weights.copy(),  # which it works on
                tol=0.3 * np.sqrt(tolerance),
                max_iter=1000,
                check_input=False,
            )
        step = found[:, 0] - weights
        ahead = x @ step

        def along(share: float, step: np.ndarray = step, ahead: np.ndarray = ahead) -> float:
            return loss(weights + share * step, likelihood.value(eta + share * ahead))  # noqa: B023

        share, new = _length(along, now)
        gained, now = now - new, new
        weights, eta = weights + share * step, eta + share * ahead
        _, gradient, diagonal = likelihood(eta)
        if not np.ptp(eta) <= _WIDEST:  # nor if it is not finite
            return None
        if share <= 1 and gained < tolerance * scale:  # a longer step leaves none at 0
            break
    return weights


def _length(along: Callable[[float], float], now: float) -> tuple[float, float]:
    """Return how much of a step to take, and the loss there: less where it overshoots, more where it is timid."""
    share, new = 1.0, along(1.0)
    if new < now:
        while share < 64 and (more := along(2 * share)) < new - 0.1 * (now - new):
            share, new = 2 * share, more
        return share, new
    while new > now + 1e-14 and share > 1e-4:
        share /= 2
        new = along(share)
    return share, new
