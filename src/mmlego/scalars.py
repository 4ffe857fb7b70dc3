"""Single numbers, and rows of them, as users give them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import numpy as np
from torch import Tensor


def is_number(value: Any) -> bool:
    """Return whether a value is a single number, NaN included; truth values, text and spans of time are none.

    Examples
    --------
    >>> is_number(np.float32(0.5)), is_number(math.nan), is_number(True), is_number("2")
    (True, True, False, False)
    """
    return _real(value) is not None


def as_number(value: Any) -> float:
    """Return a single number as a float; NaN for anything else.

    Parameters
    ----------
    value
        Of Python, numpy or torch; of the latter two also an array of one element. What is too large is infinite.

    Examples
    --------
    >>> as_number(np.float32(0.5)), as_number(Tensor([2.0])), as_number("2"), as_number(10**400)
    (0.5, 2.0, nan, inf)
    """
    number = _real(value)
    if number is None:
        return math.nan
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def as_numbers(values: Any) -> list[float] | None:
    """Return a row of numbers as floats, NaN for what is none; None for what has no order, or names, or is no row.

    Examples
    --------
    >>> as_numbers((1, "2")), as_numbers(np.ones(2)), as_numbers({"rna": 1}), as_numbers({1, 2}), as_numbers(3)
    ([1.0, nan], [1.0, 1.0], None, None, None)
    """
    if isinstance(values, (str, bytes, bytearray, set, frozenset)) or hasattr(values, "keys"):
        return None
    if not isinstance(values, Iterable) or getattr(values, "ndim", 1) != 1:
        return None
    return [as_number(value) for value in values]


def _real(value: Any) -> Any:
    """Return the number that a value is, or that an array of one element holds; None if there is none."""
    if isinstance(value, Tensor):
        value = value.item() if value.numel() == 1 and not value.is_meta else None
    elif isinstance(value, np.ndarray):
        value = value.item() if value.size == 1 and not np.ma.is_masked(value) else None
    return value if isinstance(value, Real) and not isinstance(value, (bool, np.bool_, np.timedelta64)) else None
