"""Dealing out groups that must stay whole, as molecules of one scaffold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Index: TypeAlias = NDArray[np.int64]


def deal_groups(groups: Index, strata: Index, shares: Sequence[float], rng: np.random.Generator) -> Index:
    """Give each patient a part, whole groups on one side, each part near its share of every stratum.

    The largest group comes first (those of one size in random order), and each goes to the part where it brings the
    numbers of patients a stratum nearest to their shares: the least ``Σ_s ((n_ps + c_gs − ideal_ps) / N_s)²``.

    Parameters
    ----------
    groups
        The group of each patient, ``(n,)``.
    strata
        The stratum of each patient, ``(n,)``.
    shares
        The share of each part, which sum to 1.
    rng
        Random numbers.

    Returns
    -------
    array
        The part of each patient, ``(n,)``.

    Examples
    --------
    >>> groups, strata = np.array([0, 0, 0, 1, 2, 2]), np.zeros(6, dtype=np.int64)
    >>> part = deal_groups(groups, strata, [0.5, 0.5], np.random.default_rng(0))
    >>> sorted(np.bincount(part)), len({tuple(part[groups == g]) for g in range(3)})
    ([np.int64(3), np.int64(3)], 3)
    """
    names, number = np.unique(groups, return_inverse=True)
    levels, level = np.unique(strata, return_inverse=True)
    counts = np.zeros((len(names), len(levels)))
    np.add.at(counts, (number, level), 1)
    totals = counts.sum(axis=0)
    behind = np.outer(shares, totals)  # (parts, strata): how many patients each part still lacks
    open_to = np.asarray(shares) > 0
    shuffled = rng.permutation(len(names))
    part_of = np.empty(len(names), dtype=np.int64)
    empty = open_to.copy()
    for done, group in enumerate(shuffled[np.argsort(-counts[shuffled].sum(axis=1), kind="stable")]):
        change = (((behind - counts[group]) ** 2 - behind**2) / totals**2).sum(axis=1)
        change += rng.random(len(shares)) * 1e-9  # ties are broken by chance
        scarce = len(names) - done <= empty.sum()  # the last and smallest groups fill parts that have none yet
        part = int(np.where(empty if scarce and empty.any() else open_to, change, np.inf).argmin())
        part_of[group], empty[part] = part, False
        behind[part] -= counts[group]
    return part_of[number].astype(np.int64)
