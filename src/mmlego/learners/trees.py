"""Many decision trees as arrays, which answer a batch at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from mmlego.errors import InputError
from mmlego.learners.base import Learner
from mmlego.learners.registry import register_learner

LINKS = ("identity", "log", "log_odds")
_BOUND = 1e-7  # a probability, or a hazard, nearer to 0 or 1 than this is taken for this
_AT_ONCE = 1 << 21  # places in trees, of a part of a batch


@dataclass(frozen=True)
class Tree:
    """One tree, level by level; the right child of a node follows the left one.

    Attributes
    ----------
    feature : (n,) int
        The column that a node looks at; −1 for a leaf.
    threshold : (n,)
        Rows with ``x ≤ threshold`` go left.
    missing_left : (n,) bool
        Whether NaN goes left.
    left : (n,) int
        The number of the left child.
    value : (n, w)
        What a leaf answers.
    depth
        How many nodes lie above the deepest leaf.
    """

    feature: np.ndarray
    threshold: np.ndarray
    missing_left: np.ndarray
    left: np.ndarray
    value: np.ndarray
    depth: int

    @classmethod
    def of(
        cls,
        feature: np.ndarray,
        threshold: np.ndarray,
        missing_left: np.ndarray,
        children: tuple[np.ndarray, np.ndarray],
        value: np.ndarray,
    ) -> Tree:
        """Return a tree whose nodes are numbered in any order from the root, 0; leaves have no left child (< 0).

        Examples
        --------
        >>> nodes = np.array([0, -2, -2]), np.array([0.5, 0, 0]), np.zeros(3, bool)
        >>> Tree.of(*nodes, (np.array([2, -1, -1]), np.array([1, -1, -1])), np.array([[0.0], [1], [2]])).value[:, 0]
        array([0., 2., 1.])
        """
        left, right = children
        level, order, count, depth = np.zeros(1, dtype=np.int64), [np.zeros(1, dtype=np.int64)], 1, 0
        first = np.zeros(len(feature), dtype=np.int64)
        while len(level := level[left[level] >= 0]):
            first[level] = count + 2 * np.arange(len(level))
            level = np.stack([left[level], right[level]], axis=1).ravel()
            order.append(level)
            count, depth = count + len(level), depth + 1
        way = np.concatenate(order)
        leaf = left[way] < 0
        looked_at = np.where(leaf, -1, feature[way])
        return cls(looked_at, np.where(leaf, 0.0, threshold[way]), missing_left[way] > 0, first[way], value[way], depth)


@register_learner("trees", by_settings=False)
class Trees(Learner):
    """A sum of trees: raw score = link(base + Σ values of the leaves that a row comes to).

    Parameters
    ----------
    in_features
        ``p``, the number of columns.
    raw
        ``m``, the number of raw scores.
    trees, nodes
        How many trees, and nodes in all.
    depth
        Of the deepest.
    width
        How many values a leaf has: ``m``, or 1, which goes to the one raw score that its tree is for.
    link
        ``identity``; ``log`` of the sum; or ``log_odds`` of it.
    single
        Whether rows are rounded to float32 before they are compared, as scikit-learn's trees do.

    Examples
    --------
    >>> stump = Tree.of(
    ...     np.array([0, -1, -1]), np.array([0.5, 0, 0]), np.zeros(3, bool),
    ...     (np.array([1, -1, -1]), np.array([2, -1, -1])), np.array([[0.0], [1], [2]]))
    >>> Trees.grown(1, 1, [stump, stump], [0, 0], base=[10.0])(torch.tensor([[0.0], [0.7], [float("nan")]]))
    tensor([[12.],
            [14.],
            [14.]], dtype=torch.float64)
    """

    tasks: ClassVar[tuple[str, ...]] = ()
    accepts_missing: bool = True

    root: Tensor
    column: Tensor
    feature: Tensor
    threshold: Tensor
    missing_left: Tensor
    left: Tensor
    value: Tensor
    base: Tensor

    def __init__(
        self,
        in_features: int,
        raw: int,
        trees: int,
        nodes: int,
        depth: int,
        width: int = 1,
        link: str = "identity",
        single: bool = True,
    ) -> None:
        if link not in LINKS or width not in (1, raw):
            raise InputError("sizes of trees", expected=f"a link of {LINKS}, width 1 or {raw}", got=f"{link}, {width}")
        sizes: dict[str, Any] = {"trees": trees, "nodes": nodes, "depth": depth, "width": width}
        super().__init__(in_features, raw, {**sizes, "link": link, "single": single})
        self.link, self.single, self.depth = link, single, depth
        for name, size in (("root", trees), ("column", trees), ("feature", nodes), ("left", nodes)):
            self.register_buffer(name, torch.zeros(size, dtype=torch.int32))
        self.register_buffer("threshold", torch.zeros(nodes, dtype=torch.float64))
        self.register_buffer("missing_left", torch.zeros(nodes, dtype=torch.uint8))
        self.register_buffer("value", torch.zeros(nodes, width, dtype=torch.float64))
        self.register_buffer("base", torch.zeros(raw, dtype=torch.float64))

    @classmethod
    def grown(
        cls,
        in_features: int,
        raw: int,
        trees: Sequence[Tree],
        columns: Sequence[int],
        *,
        base: Sequence[float] | np.ndarray,
        link: str = "identity",
        single: bool = True,
    ) -> Self:
        """Return the sum of some trees, each for a raw score (all of them where leaves have ``m`` values)."""
        counts = [len(tree.feature) for tree in trees]
        width = trees[0].value.shape[1] if trees else 1
        depth = max((tree.depth for tree in trees), default=0)
        learner = cls(in_features, raw, len(trees), sum(counts), depth, width, link, single)
        starts = np.cumsum([0, *counts])[:-1] if trees else np.zeros(0)
        learner.root.copy_(torch.from_numpy(starts))
        learner.column.copy_(torch.as_tensor(list(columns)))
        learner.base.copy_(torch.as_tensor(np.asarray(base, dtype=np.float64)))
        if trees:
            for name in ("feature", "threshold", "missing_left", "value"):
                whole = np.concatenate([getattr(tree, name) for tree in trees])
                getattr(learner, name).copy_(torch.from_numpy(whole))
            left = np.concatenate([tree.left + start for tree, start in zip(trees, starts, strict=True)])
            learner.left.copy_(torch.from_numpy(left))
        return learner

    def raw_scores(self, x: Tensor) -> Tensor:
        """Return link(base + Σ values), ``(b, m)``."""
        x = x.float().double() if self.single else x
        parts = x.split(max(1, _AT_ONCE // max(len(self.root), 1)))
        total = torch.cat([self.sums(part) for part in parts]) + self.base
        if self.link == "log":
            return total.clamp(min=_BOUND).log()
        return total.clamp(_BOUND, 1 - _BOUND).logit() if self.link == "log_odds" else total

    def sums(self, x: Tensor) -> Tensor:
        """Return the sums of values ``(b, m)``."""
        feature, left = self.feature.long(), self.left.long()
        node = self.root.long().expand(len(x), -1)  # (b, t)
        holes = bool(x.isnan().any())
        for _ in range(self.depth):
            at = feature[node]
            seen = x.gather(1, at.clamp(min=0))
            right = ~(seen <= self.threshold[node])
            if holes:
                right = torch.where(seen.isnan(), self.missing_left[node] == 0, right)
            node = torch.where(at >= 0, left[node] + right, node)
        values = self.value[node]  # (b, t, w)
        if values.shape[2] == self.raw:
            return values.sum(dim=1)
        sums = torch.zeros(len(x), self.raw, dtype=torch.float64, device=x.device)
        return sums.index_add_(1, self.column.long(), values[:, :, 0])
