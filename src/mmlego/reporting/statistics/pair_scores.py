"""Scores that compare patients in pairs, of weighted patients: concordance, areas under ROC curves, precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmlego.reporting.statistics.resampling import Floats, Score, divided

Bools = NDArray[np.bool_]
_ROWS = 512  # of a matrix of pairs at a time


def concordance_of(risk: Floats, event: Bools, time: Floats) -> Score:
    """Return Harrell's c-index of weighted patients, as the task ``survival`` has it.

    A pair compares if one has the event before the other's time, or at the time at which the other is censored; tied
    risks count ½ (Harrell 1996).

    Parameters
    ----------
    risk : (n,)
        Higher risk = earlier event.
    event : (n,) bool
        Whether the event was observed.
    time : (n,)
        Time of the event or of censoring.

    Examples
    --------
    >>> event = np.array([True, True, False])
    >>> score = concordance_of(np.array([3.0, 1.0, 2.0]), event, np.array([1.0, 2.0, 3.0]))
    >>> score(np.ones((1, 3))).round(4).tolist()
    [0.6667]
    """
    ends = np.flatnonzero(event)

    def score(weights: Floats) -> Floats:
        above, below = np.zeros(len(weights)), np.zeros(len(weights))
        for start in range(0, len(ends), _ROWS):
            rows = ends[start : start + _ROWS]
            later = (time[rows, None] < time) | ((time[rows, None] == time) & ~event)
            _add(weights, rows, later, risk, above, below)
        return divided(above, below)

    return score


def area_of(value: Floats, truth: Bools, known: Bools | None = None) -> Score:
    """Return the area under the ROC curve of weighted patients, ties counting ½.

    Parameters
    ----------
    value : (n,)
        What rises with the probability of yes.
    truth : (n,) bool
        Who is a yes.
    known : (n,) bool, optional
        Who counts.

    Examples
    --------
    >>> area_of(np.array([0.1, 0.4, 0.8]), np.array([False, False, True]))(np.ones((1, 3))).tolist()
    [1.0]
    """
    here = np.ones(len(value), dtype=bool) if known is None else known
    return area_of_weighted(value, (truth & here).astype(float), (~truth & here).astype(float))


def area_of_weighted(value: Floats, cases: Floats, controls: Floats) -> Score:
    """Return the area where cases and controls count by weights of their own, as those of censoring (Uno 2007).

    Parameters
    ----------
    value : (n,)
        What rises with the probability of a case.
    cases, controls : (n,)
        0 for who is none, else the weight, as 1 / G(T−).
    """
    order = np.argsort(value, kind="stable")
    first = np.flatnonzero(np.append(True, np.diff(value[order]) != 0)) if len(value) else order
    yes, no = cases[order], controls[order]

    def score(weights: Floats) -> Floats:
        if not len(order):
            return np.full(len(weights), np.nan)
        drawn = weights[:, order]
        up, down = (np.add.reduceat(drawn * one, first, axis=1) for one in (yes, no))  # of who are tied
        below = np.cumsum(down, axis=1) - 0.5 * down
        return divided((up * below).sum(axis=1), up.sum(axis=1) * down.sum(axis=1))

    return score


def precision_of(value: Floats, truth: Bools, known: Bools | None = None) -> Score:
    """Return the average precision of weighted patients: Σ (Rᵢ − Rᵢ₋₁) Pᵢ over the thresholds.

    Parameters
    ----------
    value, truth, known : (n,)
        As :func:`area_of` takes them.

    Examples
    --------
    >>> precision_of(np.array([0.1, 0.4, 0.8]), np.array([False, True, True]))(np.ones((1, 3))).tolist()
    [1.0]
    """
    here = np.ones(len(value), dtype=bool) if known is None else known
    order = np.argsort(-value, kind="stable")
    order = order[here[order]]
    ordered, right = value[order], truth[order]
    last = np.append(ordered[:-1] != ordered[1:], True)  # a threshold lets in all that are tied

    def score(weights: Floats) -> Floats:
        drawn = weights[:, order]
        hits = np.cumsum(drawn * right, axis=1)
        precision = divided(hits, np.cumsum(drawn, axis=1))[:, last]
        hits = hits[:, last]
        gained = np.diff(hits, axis=1, prepend=0.0)
        return divided((gained * np.nan_to_num(precision)).sum(axis=1), hits[:, -1])

    return score


def _add(
    weights: Floats,
    rows: NDArray[np.int64],
    compared: Bools,
    value: Floats,
    above: Floats,
    below: Floats,
) -> None:
    """Add the pairs of some rows to the sums of those that are right, and of all."""
    mine, theirs = value[rows, None], value
    right = compared * ((mine > theirs) + 0.5 * (mine == theirs))
    single = weights.astype(np.float32)
    above += (weights[:, rows] * (single @ right.T.astype(np.float32))).sum(axis=1)
    below += (weights[:, rows] * (single @ compared.T.astype(np.float32))).sum(axis=1)
