"""Inner folds: patients of each stratum dealt out evenly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def stratified_folds(strata: np.ndarray, folds: int, seed: int | Sequence[int]) -> np.ndarray:
    """Return the number of the fold, from 0, that each patient is held out in.

    Patients are shuffled within their stratum and dealt out in turn, each stratum going on where the last one ended,
    so that sizes of folds and of strata within them differ by at most one.

    Parameters
    ----------
    strata : (n,)
        Groups that every fold shall have its share of.
    folds
        How many; at most ``n`` are used.
    seed
        Of the shuffling.

    Returns
    -------
    array (n,) int64

    Examples
    --------
    >>> fold = stratified_folds(np.array([0, 0, 0, 0, 1, 1]), 2, seed=0)
    >>> np.bincount(fold).tolist(), np.bincount(fold[4:]).tolist()
    ([3, 3], [1, 1])
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(strata))
    order = order[np.argsort(np.asarray(strata)[order], kind="stable")]
    fold = np.empty(len(strata), dtype=np.int64)
    fold[order] = np.arange(len(strata)) % min(folds, len(strata))
    return fold
