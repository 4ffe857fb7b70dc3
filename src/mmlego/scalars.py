"""Single numbers, as users give them."""

from __future__ import annotations

import math
from numbers import Real
from typing import Any

import numpy as np
from torch import Tensor


def as_number(value: Any) -> float:
    """Return a single number as a float; NaN for anything else, truth values and text included.

    Parameters
    ----------
    value
        Of Python, numpy or torch; of the latter two also an array of one element. What is too large is infinite.

    Examples
    --------
    >>> as_number(np.float32(0.5)), as_number(Tensor([2.0])), as_number("2"), as_number(10**400)
    (0.5, 2.0, nan, inf)
    """
    single = value.numel() if isinstance(value, Tensor) else value.size if isinstance(value, np.ndarray) else 0
    if single == 1:
        value = value.item()
    if not isinstance(value, Real) or isinstance(value, (bool, np.bool_)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf if str(value)[0] != "-" else -math.inf
