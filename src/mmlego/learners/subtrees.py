"""Surroundings of the nodes of graphs as terms: what a node is, and what lies around it (Weisfeiler and Lehman)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from mmlego.errors import ShapeError
from mmlego.learners.terms import FEWEST, checked_patients, checked_terms, counted, vocabulary
from mmlego.nn.graphs import Graphs

RADIUS = 2  # edges that surroundings reach
_VALUES = 16  # different values that a feature has which is no measurement
_FINE = 1024  # steps of one unit, to which values are rounded
_BITS = 48  # of a term


class Subtrees:
    """Surroundings of nodes, counted where enough patients have them.

    A node's first label are its features; each round adds to it those of its neighbours and the edges from them, in no
    order (Weisfeiler and Lehman 1968; Shervashidze et al. 2011, *Weisfeiler-Lehman graph kernels*). With atoms and
    bonds these are the circular substructures of ECFP (Rogers and Hahn 2010). Labels are hashed.

    Parameters
    ----------
    width, edge_width
        How many features nodes and edges have.
    nodes, edges
        Those of them that make labels: with few values.
    radius
        How many rounds.
    terms
        The hashes that are counted, ascending.
    patients
        How many patients have each at least; 0: not counted.

    Examples
    --------
    >>> from mmlego.nn.graphs import Graph
    >>> path = Graph(torch.tensor([[0.0], [1.0], [1.0], [0.0]]), torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]]))
    >>> graphs = Graphs.from_list([path])
    >>> subtrees = Subtrees.of([graphs])
    >>> subtrees(graphs).exp().sub(1).round().tolist()  # two kinds of node, twice each, whatever the radius
    [[2.0, 2.0, 2.0, 2.0, 2.0, 2.0]]
    """

    def __init__(
        self,
        width: int,
        edge_width: int,
        nodes: Sequence[int],
        edges: Sequence[int],
        radius: int,
        terms: Sequence[int],
        patients: int = 0,
    ) -> None:
        self.width, self.edge_width, self.radius = width, edge_width, radius
        self.nodes, self.edges, self.terms = list(nodes), list(edges), checked_terms(terms)
        self.patients = checked_patients(patients)

    @classmethod
    def of(cls, parts: Sequence[Graphs], least: int = 1) -> Self | None:
        """Return those of all patients to be fitted on; None where all features of nodes are measurements.

        Parameters
        ----------
        parts
            The patients' graphs.
        least
            Surroundings that fewer patients have are not kept.
        """
        nodes = few_valued([graphs.values for graphs in parts])
        if not nodes:
            return None
        features = [graphs.edge_features for graphs in parts if graphs.edge_features is not None]
        edges = few_valued(features) if features else []
        found = [subtrees_of(graphs, nodes, edges, RADIUS) for graphs in parts]
        first = [0]
        for graphs in parts:
            first.append(first[-1] + len(graphs))
        owner = torch.cat([who + start for (_, who), start in zip(found, first, strict=False)])
        terms = torch.cat([term for term, _ in found])
        fewest = max(FEWEST, least)
        if not (kept := vocabulary(terms, owner, fewest=fewest).tolist()):
            kept, fewest = vocabulary(terms, owner, fewest=least).tolist(), least
        wide = features[0].shape[1] if features else 0
        return cls(parts[0].values.shape[1], wide, nodes, edges, RADIUS, kept, fewest) if kept else None

    def __call__(self, graphs: Graphs) -> Tensor:
        """Return log(1 + how often), float64 ``(b, p)``.

        Raises
        ------
        ShapeError
            If nodes or edges have other features.
        """
        wide = 0 if graphs.edge_features is None else graphs.edge_features.shape[1]
        if (graphs.values.shape[1], wide) != (self.width, self.edge_width):
            raise ShapeError(
                "graphs with other features",
                expected=f"{self.width} of nodes, {self.edge_width} of edges",
                got=f"{graphs.values.shape[1]} and {wide}",
            )
        terms, owner = subtrees_of(graphs, self.nodes, self.edges, self.radius)
        return counted(terms, owner, self.terms, len(graphs))

    def config(self) -> dict[str, Any]:
        """Return the arguments."""
        sizes = {"width": self.width, "edge_width": self.edge_width, "nodes": self.nodes, "edges": self.edges}
        counted = {"patients": self.patients} if self.patients else {}
        return {**sizes, "radius": self.radius, "terms": self.terms.tolist(), **counted}


def few_valued(parts: Sequence[Tensor]) -> list[int]:
    """Return which features ``(n, f)`` have few values, for so many nodes: kinds and small counts, not measurements.

    Examples
    --------
    >>> few_valued([torch.tensor([[0.0, 0.1], [1.0, 0.2], [1.0, 0.3], [1.0, 0.4]])])
    [0]
    """
    rows = sum(len(part) for part in parts)
    found = []
    for column in range(parts[0].shape[1]):
        values = torch.cat([part[:, column].unique() for part in parts]).unique()
        if len(values) <= _VALUES and len(values) ** 2 <= rows:
            found.append(column)
    return found


def subtrees_of(graphs: Graphs, nodes: Sequence[int], edges: Sequence[int], radius: int) -> tuple[Tensor, Tensor]:
    """Return the hashes ``(t,)`` of the surroundings of all nodes, up to a radius, and whose graph each is in.

    Parameters
    ----------
    graphs
        Of ``b`` patients.
    nodes, edges
        The features that make labels.
    radius
        How many rounds.

    Examples
    --------
    >>> from mmlego.nn.graphs import Graph
    >>> pair = Graph(torch.ones(2, 1), torch.tensor([[0, 1], [1, 0]]))
    >>> terms, owner = subtrees_of(Graphs.from_list([pair]), [0], [], 1)
    >>> len(terms), len(terms.unique()), owner.tolist()
    (4, 2, [0, 0, 0, 0])
    """
    label = _hashed(graphs.values, nodes)  # (n,)
    owner = torch.arange(len(graphs), device=label.device).repeat_interleave(graphs.lengths, output_size=len(label))
    source, target = graphs.edge_index.long()
    link = 0 if graphs.edge_features is None else _mixed(_hashed(graphs.edge_features, edges))
    found = [label]
    for _ in range(radius):
        around = torch.zeros_like(label).index_add_(0, target, _mixed(label[source] + link))
        label = _mixed(3 * label + _mixed(around))
        found.append(label)
    short = (torch.cat(found) >> (64 - _BITS)) & ((1 << _BITS) - 1)
    return short, owner.repeat(radius + 1)


def _hashed(features: Tensor, columns: Sequence[int]) -> Tensor:
    """Return a hash of each row."""
    values = (features[:, list(columns)].double().nan_to_num(1e6, 1e6, -1e6).clamp(-1e6, 1e6) * _FINE).round().long()
    factor = _mixed(torch.arange(1, len(columns) + 1, device=features.device))
    return _mixed((values * factor).sum(1))


def _mixed(x: Tensor) -> Tensor:
    """Return whole numbers, bits mixed (a step of SplitMix64; Steele et al. 2014); what overflows wraps."""
    x = x - 0x61C8864680B583EB  # 0 stays no 0
    x = (x ^ _right(x, 30)) * -0x40A7B892E31B1A47
    x = (x ^ _right(x, 27)) * -0x6B2FB644ECCEEE15
    return x ^ _right(x, 31)


def _right(x: Tensor, bits: int) -> Tensor:
    """Shift to the right, zeros coming in."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
