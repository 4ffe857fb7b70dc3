"""What each column of a row adds to the answer of trees: exact Shapley values against one other row."""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma

import torch
from torch import Tensor

from mmlego.learners.trees import Trees


@dataclass(frozen=True)
class Ways:
    """The ways from the roots of trees to their leaves.

    Attributes
    ----------
    value : (l, w)
        What each leaf answers.
    column : (l,)
        Which raw score its tree is for.
    leaf, feature : (q,)
        The pairs of a leaf and a column that its way looks at, each once.
    pair, node, right : (c,)
        The steps of all ways: of which pair, at which node, and whether it goes right.
    """

    value: Tensor
    column: Tensor
    leaf: Tensor
    feature: Tensor
    pair: Tensor
    node: Tensor
    right: Tensor


def ways_of(trees: Trees) -> Ways:
    """Return all ways from the roots to the leaves."""
    feature, left = trees.feature.long(), trees.left.long()
    here, tree = trees.root.long(), torch.arange(len(trees.root))
    way = torch.arange(len(here))  # which way each of the current level is on
    steps: list[tuple[Tensor, Tensor, Tensor]] = []  # way, node, right
    parents: list[Tensor] = []
    leaves: list[tuple[Tensor, Tensor, Tensor]] = []  # way, node, tree
    begun = len(here)
    parents.append(torch.full((begun,), -1))
    while len(here):
        done = feature[here] < 0
        leaves.append((way[done], here[done], tree[done]))
        inner, of, grown = here[~done], way[~done], tree[~done]
        after = torch.arange(2 * len(inner)) + begun
        begun += len(after)
        parents.append(of.repeat_interleave(2))
        right = torch.arange(2 * len(inner)) % 2 == 1
        steps.append((after, inner.repeat_interleave(2), right))
        here, tree, way = left[inner].repeat_interleave(2) + right, grown.repeat_interleave(2), after
    above = torch.cat(parents)
    node_of, right_of = torch.full((begun,), -1), torch.zeros(begun, dtype=torch.bool)
    for after, node, right in steps:
        node_of[after], right_of[after] = node, right
    ends, nodes, of_tree = (torch.cat(part) for part in zip(*leaves, strict=True))
    owner, step = [], []
    at, leaf = ends, torch.arange(len(ends))
    while len(at):
        inside = above[at] >= 0
        at, leaf = at[inside], leaf[inside]
        owner.append(leaf)
        step.append(at)
        at = above[at]
    who, where = torch.cat(owner), torch.cat(step)
    key = who * trees.in_features + feature[node_of[where]]
    pairs, pair = key.unique(return_inverse=True)
    return Ways(
        trees.value[nodes],
        trees.column.long()[of_tree],
        pairs // trees.in_features,
        pairs % trees.in_features,
        pair,
        node_of[where],
        right_of[where],
    )


def tree_shares(trees: Trees, row: Tensor, base: Tensor, weight: Tensor, ways: Ways | None = None) -> Tensor:
    r"""Return how much each column of a row adds to ``w · raw scores``, beside those of another row.

    The Shapley values of the game in which a column is that of the row if it takes part, else that of the other one
    (Lundberg et al. 2020, *From local explanations to global understanding with explainable AI for trees*,
    interventional with one reference): a leaf is reached by those sets that hold its ``a`` columns which only the row
    lets through, and none of its ``b`` which only the other does, so each of the first gets
    ``(a − 1)! b! / (a + b)!`` of its value and each of the others ``−a! (b − 1)! / (a + b)!``. Exact for sums of trees;
    through a link (log, log-odds) shares of the sum are scaled to the difference of the raw score (rescale rule,
    Shrikumar et al. 2017).

    Parameters
    ----------
    trees
        Of ``p`` columns and ``m`` raw scores.
    row, base
        ``(p,)`` each; NaN where missing.
    weight
        ``w``, ``(m,)``.
    ways
        Of :func:`ways_of`, for who asks often.

    Returns
    -------
    Tensor
        Float64 ``(p,)``; the sum is ``w · (raw(row) − raw(base))``.
    """
    ways = ways_of(trees) if ways is None else ways
    both = torch.stack([row, base]).double()
    if trees.single:
        both = both.float().double()
    seen = both[:, trees.feature.long()[ways.node]]  # (2, c)
    goes_right = ~(seen <= trees.threshold[ways.node])
    goes_right = torch.where(seen.isnan(), trees.missing_left[ways.node] == 0, goes_right)
    passes = goes_right == ways.right
    blocked = torch.zeros(2, len(ways.leaf), dtype=torch.int64)
    blocked.index_add_(1, ways.pair, (~passes).long())
    mine, other = blocked[0] == 0, blocked[1] == 0
    size = len(ways.value)

    def count(pairs: Tensor) -> Tensor:
        return torch.zeros(size, dtype=torch.int64).index_add_(0, ways.leaf, pairs.long())

    a, b, never = count(mine & ~other), count(other & ~mine), count(~mine & ~other)
    reached = (never == 0) & (a + b > 0)
    top = int((a + b).max()) if size else 0
    factorial = torch.tensor([lgamma(i + 1.0) for i in range(top + 1)], dtype=torch.float64)
    first = (factorial[(a - 1).clamp_min(0)] + factorial[b] - factorial[a + b]).exp()
    second = (factorial[a] + factorial[(b - 1).clamp_min(0)] - factorial[a + b]).exp()
    slope = weight.double() * _slopes(trees, both)
    if trees.value.shape[1] == trees.raw:
        worth = ways.value @ slope
    else:
        worth = ways.value[:, 0] * slope[ways.column]
    worth = torch.where(reached, worth, 0.0)
    part = torch.where(mine & ~other, first[ways.leaf], 0.0) - torch.where(other & ~mine, second[ways.leaf], 0.0)
    return torch.zeros(trees.in_features, dtype=torch.float64).index_add_(0, ways.feature, part * worth[ways.leaf])


def _slopes(trees: Trees, both: Tensor) -> Tensor:
    """Return by how much each raw score differs between two rows, for each unit that its sum does, ``(m,)``."""
    if trees.link == "identity":
        return torch.ones(trees.raw, dtype=torch.float64)
    raw, sums = trees.raw_scores(both), trees.sums(both)
    return torch.where((sums[0] - sums[1]).abs() > 1e-12, (raw[0] - raw[1]) / (sums[0] - sums[1]), 0.0)
