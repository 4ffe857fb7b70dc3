"""What was seen of files that were read to their end, added up over a patient's."""

from __future__ import annotations

import math
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """What was seen of files that were read to their end.

    Parameters
    ----------
    blank
        How many of their slices or patches are of one value throughout.
    total
        How many there are.
    low, high
        The lowest and highest value, where it is looked at.
    labels
        Whether all are a few small whole numbers, as of a mask.

    Examples
    --------
    >>> Seen(1, 3, 0, 9) + Seen(0, 2, -5, 7)
    Seen(blank=1, total=5, low=-5, high=9, labels=False)
    """

    blank: int = 0
    total: int = 0
    low: float = math.inf
    high: float = -math.inf
    labels: bool = False

    def __add__(self, other: tuple[Any, ...]) -> Seen:
        one = Seen(*other)
        labels = self.labels and one.labels
        low, high = min(self.low, one.low), max(self.high, one.high)
        return Seen(self.blank + one.blank, self.total + one.total, low, high, labels)
