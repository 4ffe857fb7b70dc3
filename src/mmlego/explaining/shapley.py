"""Shapley values of a game that is known in full: a pure function of the worths of all subsets."""

from __future__ import annotations

from math import factorial

import torch
from torch import Tensor

from mmlego.errors import ShapeError


def shapley_values(worth: Tensor) -> Tensor:
    r"""Return what each of ``m`` players is worth, fairly shared.

    ``φ_i = Σ_{S ∌ i} |S|! (m − |S| − 1)! / m! · (v(S ∪ {i}) − v(S))`` (Shapley 1953): they sum to
    ``v(all) − v(nobody)``, exactly.

    Parameters
    ----------
    worth
        ``v``, shape ``(..., 2^m)``: at place ``s`` the worth of those players ``i`` of whom bit ``i`` of ``s`` is set.

    Returns
    -------
    Tensor
        Shape ``(..., m)``, float64.

    Raises
    ------
    ShapeError
        If the last axis is not as long as a power of two.

    Examples
    --------
    >>> shapley_values(torch.tensor([0.0, 1.0, 2.0, 5.0])).tolist()  # 1 and 2 alone, 2 more together
    [2.0, 3.0]
    """
    size = worth.shape[-1] if worth.ndim else 0
    players = size.bit_length() - 1
    if size < 1 or size != 1 << players:
        raise ShapeError("worths of subsets", expected="2^m of them", got=size)
    worth = worth.double()
    place = torch.arange(size, device=worth.device)
    members = torch.zeros_like(place)
    for i in range(players):
        members += place >> i & 1
    weight = torch.tensor(
        [factorial(s) * factorial(players - s - 1) / factorial(players) for s in range(players)],
        dtype=torch.float64,
        device=worth.device,
    )
    shares = []
    for i in range(players):
        without = place[(place >> i & 1) == 0]
        gain = worth[..., without | 1 << i] - worth[..., without]  # (..., 2^(m-1))
        shares.append((gain * weight[members[without]]).sum(-1))
    return torch.stack(shares, dim=-1) if shares else worth.new_zeros((*worth.shape[:-1], 0))
