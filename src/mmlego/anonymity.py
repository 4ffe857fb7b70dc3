"""How many patients a value has to stand for before it may be kept: k-anonymity of what is learnt of them.

A value stands for those patients who cannot be told apart by it: a category for all who have it, a mean for all whom it
is of, an order statistic for those who lie at it or beyond (Sweeney 2002, *k-anonymity*; Hundepool et al. 2012,
*Statistical disclosure control*, the threshold rule).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np  # the command line does without
    from numpy.typing import NDArray

MIN_PATIENTS = 5  # a usual threshold of registries and statistical offices
OTHER = "other"  # the category that rarer ones become


@dataclass(frozen=True)
class Kept:
    """A value in a file that came from patients.

    Parameters
    ----------
    where
        Its place in the file.
    what
        What it is.
    value
        The value, as text.
    patients
        For how many it stands at least; None: nobody has counted.
    note
        What else is to be said.
    """

    where: str
    what: str
    value: str
    patients: int | None = None
    note: str = ""

    def within(self, place: str) -> Kept:
        """Return the same, its place below another.

        Examples
        --------
        >>> Kept("site", "a category", "Ulm", 10).within("categories").where
        'categories.site'
        """
        return replace(self, where=f"{place}.{self.where}")


def in_steps(count: int, least: int) -> int:
    """Return a number of patients rounded down to a multiple of the least: differences of such tell of nobody.

    Parameters
    ----------
    count
        Patients.
    least
        How many a value has to stand for.

    Examples
    --------
    >>> in_steps(23, 5), in_steps(23, 1)
    (20, 23)
    """
    return count // least * least


def inner_quantiles(values: NDArray[np.floating], shares: Sequence[float], least: int) -> NDArray[np.float64]:
    """Return quantiles that are never beyond the least-smallest or the least-largest value.

    Parameters
    ----------
    values
        One a patient, ``(n,)``, none missing.
    shares
        From 0 to 1.
    least
        How many patients lie at each quantile or beyond it, on both sides, at least.

    Returns
    -------
    array of float64
        One a share; none where there are fewer than ``2 least`` patients.

    Examples
    --------
    >>> import numpy as np
    >>> inner_quantiles(np.arange(1.0, 12.0), [0, 0.5, 1], 5).tolist()
    [5.0, 6.0, 7.0]
    >>> inner_quantiles(np.arange(9.0), [0.5], 5).tolist()
    []
    """
    import numpy as np

    if len(values) < 2 * least:
        return np.empty(0)
    ordered = np.sort(values.astype(np.float64))
    found: NDArray[np.float64] = np.quantile(ordered, shares).clip(ordered[least - 1], ordered[-least])
    return found
