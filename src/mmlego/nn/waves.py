"""Sines and cosines of a position or a time: how a number becomes a vector that attention can compare."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mmlego.nn.spectral import at_least_float32


def geometric_periods(shortest: float, longest: float, count: int) -> Tensor:
    """Return periods ``(count,)`` from the shortest to the longest, each the same factor above the one before.

    Examples
    --------
    >>> geometric_periods(1.0, 100.0, 3)
    tensor([  1.,  10., 100.])
    """
    return torch.logspace(math.log10(shortest), math.log10(longest), count)


def waves(position: Tensor, periods: Tensor) -> Tensor:
    """Return sines and cosines of a position, one pair a period.

    ``sin(2π t / p_k), cos(2π t / p_k)``: Vaswani et al. 2017, section 3.5, for real-valued positions.

    Parameters
    ----------
    position
        Positions or times, any shape ``(…)``.
    periods
        ``(k,)``, in the unit of the positions.

    Returns
    -------
    Tensor
        ``(…, 2k)``, in float32 or the wider dtype of the positions.

    Examples
    --------
    >>> waves(torch.tensor([0.0, 1.0]), torch.tensor([4.0])).round(decimals=3)
    tensor([[0., 1.],
            [1., -0.]])
    """
    phase = at_least_float32(position)[..., None] * (2 * math.pi / periods)  # (…, k)
    return torch.cat([phase.sin(), phase.cos()], dim=-1)
