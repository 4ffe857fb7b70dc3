"""Statistics of a bag shared out over its patches: what moved each, by those on the side to which it moved."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

NODES = 16  # of the quadrature of a standard deviation
AT_ONCE = 512  # patches, which stay in a CPU's cache


class _Moves(NamedTuple):
    """What a patch moves, by its numbers ``y`` beside the mean of its bag, ``(f,)`` each.

    The mean by ``y − start``, to the side ``way``, −1 or 1; the spread by ``square y² + slope y + constant``. Squares
    of what lies far from 0 would have lost their digits.
    """

    start: Tensor
    way: Tensor
    square: Tensor
    slope: Tensor
    constant: Tensor


def patch_shares(tokens: Tensor, shares: Tensor, bases: Tensor) -> Tensor:
    r"""Return the share of each patch of what mean, spread, least and largest of each feature moved.

    The patches of a base bag, of which only these statistics are known, give way to those of the patient, together and
    evenly. So patch ``i`` moves the mean by ``(x_i − m')/n``, and the standard deviation by
    ``∫₀¹ [(x_i² − q') − 2 m_t (x_i − m')] / (2 n s_t) dt``, with ``m_t`` and ``s_t`` of a bag of a part ``t`` of the
    patient's patches and the rest of the base's, ``q' = m'² + s'²`` (Aumann and Shapley 1974). Patches move statistics
    up and down, and most of that cancels: the share of a statistic is dealt out to those patches that moved it to where
    it is, in proportion, as the share of those which do not is nothing. What a largest value has beyond the base's is
    shared by the patches that reach beyond, each slice equally among all that reach it (its Shapley values: Littlechild
    and Owen 1973); what it falls short needs all of them, and is shared evenly. So does the least.

    Parameters
    ----------
    tokens
        ``(n, f)``.
    shares
        Of each mean, spread, least and largest value, beside each of ``r`` bases, ``(r, 4 f)``.
    bases
        These statistics of the base bags, ``(r, 4 f)``.

    Returns
    -------
    Tensor
        Float64 ``(n,)``, the mean over the bases; the sum is that of the shares over ``r``.

    Examples
    --------
    >>> largest = torch.tensor([[0.0, 0.0, 0.0, 3.0]])
    >>> patch_shares(torch.tensor([[1.0], [3.0], [5.0]]), largest, torch.tensor([[0.0, 1.0, 0.0, 2.0]]))
    tensor([0.0000, 0.5000, 2.5000], dtype=torch.float64)
    """
    n, f = tokens.shape
    parts = tokens.split(AT_ONCE)
    first = torch.stack([part.double().sum(0) for part in parts]).sum(0) / n  # (f,)
    centre = first.to(tokens.dtype)
    second = torch.stack([(part - centre).square().sum(0).double() for part in parts]).sum(0) / n
    second = (second - (first - centre.double()).square()).clamp_min(0)
    least, largest = tokens.amin(0).double(), tokens.amax(0).double()
    total = torch.zeros(n, dtype=torch.float64)
    for share, base in zip(shares.double(), bases.double(), strict=True):
        mean, spread, low, high = base.split(f)
        of_mean, of_spread, of_low, of_high = share.split(f)
        moves = _moves(first, second, mean, spread)
        told = _by_side(parts, centre, moves, (of_mean, of_spread), (first - mean, second.sqrt() - spread))
        told += _beyond(tokens, _per_unit(of_high, largest - high), high)
        told += _beyond(-tokens, _per_unit(of_low, low - least), -low)
        total += told + (share.sum() - told.sum()) / n  # what nobody moved
    return total / len(shares)


def _per_unit(share: Tensor, moved: Tensor) -> Tensor:
    return torch.where(moved == 0, 0.0, share / torch.where(moved == 0, 1.0, moved))


def _moves(first: Tensor, second: Tensor, mean: Tensor, spread: Tensor) -> _Moves:
    """Return what patches of that mean and variance move beside a base of another mean and spread."""
    away = mean - first
    tiny = 1e-6 * (second.sqrt() + spread + away.abs()) + 1e-300
    square, slope = torch.zeros_like(first), torch.zeros_like(first)
    for node, weight in zip(*np.polynomial.legendre.leggauss(NODES), strict=True):
        t = (float(node) + 1) / 2
        at = (1 - t) * away
        wide = (t * second + (1 - t) * (spread.square() + away.square()) - at.square()).clamp_min(0).sqrt()
        part = float(weight) / 4 / torch.maximum(wide, tiny)
        square += part
        slope -= 2 * part * at
    # So that all patches sum to what the spread moved, of which the quadrature lacks little.
    return _Moves(away, torch.sign(-away), square, slope, second.sqrt() - spread - square * second)


def _by_side(
    parts: tuple[Tensor, ...],
    centre: Tensor,
    moves: _Moves,
    shares: tuple[Tensor, Tensor],
    moved: tuple[Tensor, Tensor],
) -> Tensor:
    """Return the shares, float64 ``(n,)``, of means and spreads, by the patches on the side to which each moved."""
    way = torch.sign(moved[1])
    start, up, square, slope, constant = (
        each.to(centre)
        for each in (moves.start, moves.way, way * moves.square, way * moves.slope, way * moves.constant)
    )

    def sides(part: Tensor) -> tuple[Tensor, Tensor]:
        y = part - centre
        spreads = torch.addcmul(slope, square, y).mul_(y).add_(constant).clamp_(min=0)
        return y.sub_(start).mul_(up).clamp_(min=0), spreads

    sums = [torch.zeros_like(share) for share in shares]
    for part in parts:
        for total, side in zip(sums, sides(part), strict=True):
            total += side.sum(0)
    rates = [_per_unit(share, total).to(centre) for share, total in zip(shares, sums, strict=True)]
    dealt = []
    for part in parts:
        means, spreads = sides(part)
        dealt.append((means @ rates[0] + spreads @ rates[1]).double())
    return torch.cat(dealt)


def _beyond(tokens: Tensor, slope: Tensor, reach: Tensor) -> Tensor:
    """Return the share of each patch of what moves with the largest value of each feature, float64 ``(n,)``."""
    n = len(tokens)
    total = torch.zeros(n, dtype=torch.float64)
    asked = slope.nonzero().squeeze(1)
    if not len(asked):
        return total
    mine = tokens if len(asked) == tokens.shape[1] else tokens[:, asked]
    slope, reach = slope[asked], reach[asked]
    short = mine.amax(0).double() - reach
    total += (slope * short.clamp_max(0)).sum() / n
    patch, feature = (mine > reach.to(mine.dtype)).nonzero().unbind(1)
    over = mine[patch, feature].double() - reach[feature]
    order = over.argsort()
    order = order[feature[order].argsort(stable=True)]  # by feature, in each from the lowest
    feature, patch, over = feature[order], patch[order], over[order]
    count = torch.bincount(feature, minlength=len(asked))
    begin = (count.cumsum(0) - count)[feature]  # where the patches of a feature begin
    place = torch.arange(len(over)) - begin
    step = torch.where(place == 0, over, over.diff(prepend=over[:1]))
    each = (step / (count[feature] - place)).cumsum(0)
    before = torch.cat([each.new_zeros(1), each])[begin]
    return total.index_add_(0, patch, slope[feature] * (each - before))
