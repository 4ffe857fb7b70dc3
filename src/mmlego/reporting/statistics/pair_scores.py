"""Scores that compare patients in pairs, of weighted patients: concordance, areas under ROC curves, precision."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmlego.reporting.statistics.resampling import Floats, Score, divided

Bools = NDArray[np.bool_]
_Rows = NDArray[np.int64]
_Level = tuple[_Rows, _Rows, _Rows, _Rows, _Rows | None]
_SAMPLES = 16  # at a time: what is summed stays in the processor's cache


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
    levels = _levels(risk, event, time)
    key = _keys(event, time)
    by_key = np.argsort(key, kind="stable")
    past = np.searchsorted(key[by_key], key[event], side="right")  # how many do not come later than each event

    def score(weights: Floats) -> Floats:
        above, below = np.zeros(len(weights)), np.zeros(len(weights))
        for start in range(0, len(weights), _SAMPLES):
            some = slice(start, start + _SAMPLES)
            mine = np.ascontiguousarray(weights[some].T)  # (n, b): of rows that lie together some are taken fast
            until = _until(mine[by_key])
            below[some] = (mine[event] * (until[-1] - until[past])).sum(axis=0)
            for earlier, later, first, less, same in levels:
                until = _until(mine[later])
                lower = until[less] if same is None else 0.5 * (until[less] + until[same])
                above[some] += (mine[earlier] * (lower - until[first])).sum(axis=0)
        return divided(above, below)

    return score


def _keys(event: Bools, time: Floats) -> NDArray[np.int64]:
    """Return whole numbers that order patients: of those at one time who is censored comes after who has the event."""
    rank = np.unique(time, return_inverse=True)[1].reshape(-1)
    found: NDArray[np.int64] = np.unique(2 * rank + ~event, return_inverse=True)[1].reshape(-1)
    return found


def _until(weights: Floats) -> Floats:
    """Return by row the sum of the rows before it, and of all at last."""
    return np.concatenate([np.zeros((1, weights.shape[1])), np.cumsum(weights, axis=0)])


def _levels(risk: Floats, event: Bools, time: Floats) -> list[_Level]:
    """Return by bit of the keys the pairs that it tells apart: each pair is told apart by one bit, the highest.

    So pairs are counted in O(n log n). Of a level: whose event comes earlier (bit 0); who comes later (bit 1), in
    blocks whose keys agree above the bit and by risk within them; and of the former how many of the latter come before
    their block, before their risk in it, and up to it (None where no risks are tied).
    """
    key = _keys(event, time)
    by_risk = np.argsort(risk, kind="stable")
    found: list[_Level] = []
    for bit in range(int(key.max(initial=0)).bit_length()):
        block = key >> (bit + 1)
        order = by_risk[np.argsort(block[by_risk], kind="stable")]
        upper = (key[order] >> bit) & 1 == 1
        count = np.append(0, np.cumsum(upper))  # of who comes later before each place
        opens = np.append(True, np.diff(block[order]) != 0)
        starts = np.flatnonzero(opens | np.append(True, np.diff(risk[order]) != 0))
        run = np.searchsorted(starts, np.arange(len(order)), side="right") - 1
        first = count[np.maximum.accumulate(np.where(opens, np.arange(len(order)), 0))]
        less, same = count[starts][run], count[np.append(starts[1:], len(order))][run]
        lower = ~upper & event[order]
        tied = bool((less != same)[lower].any())
        found.append((order[lower], order[upper], first[lower], less[lower], same[lower] if tied else None))
    return found


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
