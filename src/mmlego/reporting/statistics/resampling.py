"""Intervals of scores by resampling patients, all resamples at once: a resample is a weight for each patient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Score = Callable[[Floats], Floats]  # weights (b, n) → scores (b,)

TIMES = 1000  # resamples; fewer where patients are many, whose intervals are narrow anyway
_WORK = 4e9
_LEAST = 200


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval.

    Parameters
    ----------
    value, low, high
        NaN where it is not defined.
    """

    value: float
    low: float
    high: float

    @property
    def known(self) -> bool:
        """Whether value and interval are there."""
        return bool(np.isfinite([self.value, self.low, self.high]).all())


def resamples(n: int, seed: int = 0) -> Floats:
    """Return how often each of ``n`` patients is drawn, in each of up to 1000 samples with replacement.

    Parameters
    ----------
    n
        How many patients.
    seed
        The same one gives the same samples: differences of models are taken on the same ones.

    Returns
    -------
    array : (b, n)
        Counts; each row sums to ``n``.

    Examples
    --------
    >>> resamples(3).shape, set(resamples(3).sum(axis=1).tolist())
    ((1000, 3), {3.0})
    """
    times = int(min(TIMES, max(_LEAST, _WORK / max(n, 1) ** 2)))
    drawn = np.random.default_rng(seed).integers(0, n, (times, n))
    flat = np.bincount((drawn + n * np.arange(times)[:, None]).ravel(), minlength=times * n)
    return flat.reshape(times, n).astype(float)


def estimate(score: Score, weights: Floats) -> Estimate:
    """Return a score and its interval by percentiles over resamples (Efron 1979).

    Parameters
    ----------
    score
        Of weighted patients.
    weights : (b, n)
        From :func:`resamples`.

    Returns
    -------
    Estimate
        Resamples in which the score is not defined are left out; where these are more than one in ten, there is no
        interval.

    Examples
    --------
    >>> found = estimate(mean_of(np.array([1.0, 3.0])), resamples(2))
    >>> found.value, found.low, found.high
    (2.0, 1.0, 3.0)
    """
    return spread(float(score(np.ones((1, weights.shape[1])))[0]), score(weights))


def spread(value: float, drawn: Floats) -> Estimate:
    """Return a score with the interval that its values over resamples give, as :func:`estimate` takes it.

    Parameters
    ----------
    value
        Of all patients.
    drawn : (b,)
        Of each resample; NaN where it is not defined.
    """
    known = drawn[np.isfinite(drawn)]
    if len(known) < 0.9 * len(drawn) or not np.isfinite(value):
        return Estimate(value, float("nan"), float("nan"))
    low, high = np.quantile(known, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


def difference(first: Score, second: Score, weights: Floats) -> Estimate:
    """Return how much a score is above another on the same patients, with its interval.

    Parameters
    ----------
    first, second
        Of the same weighted patients.
    weights : (b, n)
        From :func:`resamples`.

    Examples
    --------
    >>> one = mean_of(np.array([1.0, 3.0]))
    >>> difference(one, one, resamples(2))
    Estimate(value=0.0, low=0.0, high=0.0)
    """
    return estimate(lambda chosen: first(chosen) - second(chosen), weights)


def mean_of(values: Floats) -> Score:
    """Return the score that is the mean of what each patient adds.

    Parameters
    ----------
    values : (n,)
        NaN for patients who do not count.
    """
    known = np.isfinite(values)
    filled = np.where(known, values, 0.0)

    def score(weights: Floats) -> Floats:
        return divided(weights @ filled, weights @ known)

    return score


def divided(above: Floats, below: Floats) -> Floats:
    """Return a fraction, NaN where it has no value."""
    found: Floats = np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)
    return found
