"""Step functions of time, as scikit-survival has them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mmlego.errors import InputError, ShapeError


class StepFunction:
    """A right-continuous step function with the interface of ``sksurv.functions.StepFunction``.

    It is ``start`` before ``x[0]``, ``y[i]`` from ``x[i]`` on, and nothing outside its domain.

    Parameters
    ----------
    x : array (t,)
        Where it steps, ascending.
    y : array (t,)
        Its value from there on.
    start
        Its value before the first step: 1 for survival, 0 for a cumulative hazard.
    domain
        From where to where it is known; None of an end: the first or last step.

    Raises
    ------
    ShapeError
        If x and y are not of one length.
    InputError
        If x does not ascend.

    Examples
    --------
    >>> curve = StepFunction(np.array([1.0, 2.0]), np.array([0.9, 0.5]), start=1.0, domain=(0.0, 3.0))
    >>> curve([0.0, 1.0, 1.9, 3.0]).tolist(), float(curve(2.0))
    ([1.0, 0.9, 0.9, 0.5], 0.5)
    """

    def __init__(
        self, x: np.ndarray, y: np.ndarray, *, start: float = 1.0, domain: tuple[float | None, float | None] = (0, None)
    ) -> None:
        if np.ndim(x) != 1 or np.shape(x) != np.shape(y) or len(x) == 0:
            raise ShapeError("steps and values", expected="two arrays (t,)", got=f"{np.shape(x)} and {np.shape(y)}")
        if (np.diff(x) <= 0).any():
            raise InputError("steps do not ascend", expected="increasing times", got=list(x))
        self.x = x
        self.y = y
        self.start = start
        low, high = domain
        self.domain = (float(x[0] if low is None else low), float(x[-1] if high is None else high))

    def __call__(self, x: Any) -> Any:
        """Return the values at some places, ``(k,)``; of one place a number.

        Parameters
        ----------
        x
            Places in the domain.

        Raises
        ------
        InputError
            If one is outside the domain: there the function is not known.
        """
        at = np.atleast_1d(np.asarray(x, dtype=np.float64))
        low, high = self.domain
        if not np.isfinite(at).all() or (at < low).any() or (at > high).any():
            raise InputError(
                "a step function is not known there",
                expected=f"finite x within [{low:g}; {high:g}]",
                got=f"from {np.min(at):g} to {np.max(at):g}",
            )
        values = np.concatenate([[self.start], self.y])[np.searchsorted(self.x, at, side="right")]
        return values[0] if len(values) == 1 else values

    def __repr__(self) -> str:
        return f"StepFunction(x={self.x!r}, y={self.y!r}, start={self.start!r}, domain={self.domain!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, StepFunction):
            return NotImplemented
        same = np.array_equal(self.x, other.x) and np.array_equal(self.y, other.y)
        return same and self.start == other.start and self.domain == other.domain

    __hash__ = None  # type: ignore[assignment]
