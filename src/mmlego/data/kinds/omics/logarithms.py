"""Values of which ``log(1 + x)`` shall be taken and that look as if they were logarithms already."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.data.reading.remarks import Doubtful

LARGEST = 30  # what no logarithm of an expression exceeds: 2 to that is a milliard
NARROW = 10  # logarithms of what is there differ by less than this factor; counts and their means by far more
MOST = 1_000_000  # values that are looked at


def doubt_of_logarithms(values: NDArray[Any], where: str) -> list[Doubtful]:
    """Return the doubt that values are logarithms: fractions, none above 30, none far larger than most.

    Counts are whole, and what was made of counts (TPM, means of cells) has a long tail: of what is there the 99th
    centile is more than ten times the median.

    Parameters
    ----------
    values
        The matrix before the logarithm, ``(n, f)``, NaN where missing; of very many values, some.
    where
        The modality.

    Examples
    --------
    >>> values = np.log2(1 + np.arange(100.0))
    >>> [str(doubt) for doubt in doubt_of_logarithms(values, "rna")]
    ['rna: log1p: true takes logarithms of what looks like logarithms (fractions, up to 6.64): ...']
    >>> doubt_of_logarithms(np.expm1(values), "rna"), doubt_of_logarithms(np.arange(20.0), "rna")
    ([], [])
    """
    given = np.asarray(values).ravel()
    given = given[:: max(1, len(given) // MOST)]
    given = given[np.isfinite(given) & (given != 0)]
    if not len(given) or given.min() < 0 or not 1 < given.max() <= LARGEST:  # below 0 is refused
        return []
    if (given % 1 != 0).mean() < 0.5 or np.quantile(given, 0.99) > NARROW * np.median(given):
        return []
    text = f"log1p: true takes logarithms of what looks like logarithms (fractions, up to {given.max():.3g})"
    return [Doubtful(where, f"{text}: leave it out if they are")]
