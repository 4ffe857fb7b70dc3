"""Integrated gradients of any function of several tensors, with as many steps as it takes to add up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

STEPS = (8, 16, 32, 128)  # tried in turn
TOLERANCE = 0.01  # of the difference, that shares may lack


class Shares(NamedTuple):
    """What integrated gradients found.

    Parameters
    ----------
    parts
        For each tensor the shares of its numbers.
    start, end
        The function at both ends.
    slopes
        For each tensor the mean of the gradients along the way.
    """

    parts: list[Tensor]
    start: float
    end: float
    slopes: list[Tensor]

    @property
    def lacking(self) -> float:
        """The difference between both ends, less the sum of the shares."""
        return self.end - self.start - sum(float(part.sum()) for part in self.parts)


def integrated(
    function: Callable[[list[Tensor]], Tensor],
    start: Sequence[Tensor],
    end: Sequence[Tensor],
    *,
    steps: Sequence[int] = STEPS,
    tolerance: float = TOLERANCE,
    floor: float = 1e-6,
    at_once: int = 1,
) -> Shares:
    r"""Return the integrated gradients of a function on the straight way between two points.

    ``φ_i = (x_i − x'_i) ∫₀¹ ∂f/∂x_i (x' + t (x − x')) dt`` (Sundararajan et al. 2017), by Gauss–Legendre quadrature in
    ``s`` with ``t = 3 s² − 2 s³``, whose nodes lie close at both ends: norms of a latent turn sharply at a base. They
    sum to ``f(x) − f(x')`` but for the error of the quadrature: more steps are taken until it is small.

    Parameters
    ----------
    function
        Of tensors like those given, to one number.
    start, end
        The points; numbers that are NaN at the end stay NaN, and get nothing.
    steps
        How many gradients are taken, in turn.
    tolerance
        The share of ``|f(x) − f(x')|`` that may be lacking.
    floor
        What may be lacking besides.
    at_once
        How many points the function takes at once: if more than one, they lie along the first axis of all tensors, and
        it returns a number each.

    Examples
    --------
    >>> shares = integrated(lambda x: (x[0] ** 2).sum(), [torch.zeros(2)], [torch.tensor([1.0, 2.0])])
    >>> [round(value, 5) for value in shares.parts[0].tolist()], round(abs(shares.lacking), 5)
    ([1.0, 4.0], 0.0)
    >>> rows = integrated(lambda x: (x[0] ** 2).sum(1), [torch.zeros(1, 2)], [torch.tensor([[1.0, 2.0]])], at_once=8)
    >>> [round(value, 5) for value in rows.parts[0][0].tolist()]
    [1.0, 4.0]
    """
    gone = [point.isnan() for point in end]
    way = [torch.where(lost, 0.0, b - a) for a, b, lost in zip(start, end, gone, strict=True)]

    def at(t: float) -> list[Tensor]:
        points = zip(start, end, way, gone, strict=True)
        return [torch.where(lost, b, b if t == 1 else a + t * step).detach() for a, b, step, lost in points]

    with torch.no_grad():
        first, last = float(function(at(0.0))), float(function(at(1.0)))
    none = [torch.zeros_like(step, dtype=torch.float64) for step in way]
    found = Shares(none, first, last, none)
    if not any(bool(step.any()) for step in way):
        return found
    for count in steps:
        nodes, weights = np.polynomial.legendre.leggauss(count)
        total = [torch.zeros_like(step, dtype=torch.float64) for step in way]
        s = (nodes + 1) / 2
        places, weights = s**2 * (3 - 2 * s), 3 * s * (1 - s) * weights
        for first_node in range(0, count, at_once):
            some = slice(first_node, first_node + at_once)
            each = [at(float(node)) for node in places[some]]
            points = [torch.cat(parts) if at_once > 1 else parts[0] for parts in zip(*each, strict=True)]
            points = [point.requires_grad_() for point in points]
            with torch.enable_grad():
                slopes = torch.autograd.grad(function(points).sum(), points, allow_unused=True)
            shares_of_points = torch.from_numpy(weights[some])
            for sum_, slope in zip(total, slopes, strict=True):
                if slope is not None and at_once > 1:
                    sum_ += torch.tensordot(shares_of_points.to(slope.device), slope.double(), dims=1)[None]
                elif slope is not None:
                    sum_ += float(shares_of_points) * slope.double()
        parts = [torch.where(step == 0, 0.0, sum_ * step) for sum_, step in zip(total, way, strict=True)]
        found = Shares(parts, first, last, total)
        if abs(found.lacking) <= tolerance * abs(last - first) + floor:
            break
    return found
