"""Graphs of unequal size without padding: their nodes end to end, as a Ragged, and the edges between them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor

from mmlego.errors import InputError, ShapeError
from mmlego.nn.ragged import Ragged


class Graph(NamedTuple):
    """One graph.

    Parameters
    ----------
    nodes
        Node features, shape ``(n, f)``.
    edges
        From which node to which, integers of shape ``(2, E)``, counted from 0. An edge without direction is two.
    edge_features
        Shape ``(E, g)``, or None.
    """

    nodes: Tensor
    edges: Tensor
    edge_features: Tensor | None = None


class Graphs(Ragged):
    """A batch of graphs: a bag of nodes each, and edges that stay within it.

    An encoder that knows nothing of edges (``accepts_ragged`` not set) gets the nodes alone, as a bag.

    Parameters
    ----------
    values
        The node features of all graphs, one graph after the other, shape ``(Σn, f)``.
    lengths
        How many nodes each graph has, shape ``(b,)``.
    edges
        From which node to which, shape ``(2, ΣE)``, one graph after the other. Nodes are counted from 0 within their
        graph.
    edge_lengths
        How many edges each graph has, shape ``(b,)``.
    edge_features
        Shape ``(ΣE, g)``, or None.

    Raises
    ------
    ShapeError
        If lengths do not sum to the number of nodes or edges.
    InputError
        If an edge leads to a node that is not in its graph.

    Examples
    --------
    >>> path = Graph(torch.zeros(3, 5), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    >>> single = Graph(torch.ones(1, 5), torch.zeros(2, 0, dtype=torch.int64))
    >>> graphs = Graphs.from_list([single, path])
    >>> graphs, graphs.edge_index.tolist()
    (Graphs(2 graphs of 1…3 nodes, 4 edges), [[1, 2, 2, 3], [2, 1, 3, 2]])
    >>> graphs[torch.tensor([0])].values.sum().item()
    5.0
    """

    def __init__(
        self,
        values: Tensor,
        lengths: Tensor | Sequence[int],
        edges: Tensor,
        edge_lengths: Tensor | Sequence[int],
        edge_features: Tensor | None = None,
    ) -> None:
        super().__init__(values, lengths)
        self.edges, self.edge_features = edges, edge_features
        self.edge_sizes = [
            int(n) for n in (edge_lengths.tolist() if isinstance(edge_lengths, Tensor) else edge_lengths)
        ]
        self._check()

    def _check(self) -> None:
        edges, sizes = self.edges, self.edge_sizes
        if edges.ndim != 2 or edges.shape[0] != 2 or edges.dtype not in (torch.int32, torch.int64):
            got = f"{edges.dtype} of shape {tuple(edges.shape)}"
            raise ShapeError("the edges of graphs", expected="integers of shape (2, ΣE)", got=got)
        if len(sizes) != len(self) or sum(sizes) != edges.shape[1] or min(sizes, default=0) < 0:
            raise ShapeError(
                "the edge lengths of graphs do not fit",
                expected=f"{len(self)} lengths ≥ 0 that sum to {edges.shape[1]}",
                got=f"{len(sizes)} lengths that sum to {sum(sizes)}",
            )
        if self.edge_features is not None and (
            self.edge_features.ndim != 2 or len(self.edge_features) != edges.shape[1]
        ):
            seen = tuple(self.edge_features.shape)
            raise ShapeError("the edge features of graphs", expected=f"({edges.shape[1]}, g)", got=seen)
        outside = (edges < 0) | (edges >= self._of_edges(self.lengths))
        if bool(outside.any()):
            edge = int(outside.any(0).nonzero()[0])
            raise InputError(
                "an edge leads to a node that is not in its graph",
                expected="nodes counted from 0 within each graph",
                got=f"{edges[:, edge].tolist()} as edge {edge} of the batch",
            )

    @classmethod
    def from_list(cls, graphs: Sequence[Graph]) -> Self:  # type: ignore[override]  # of graphs, not of bare bags
        """Put graphs into one batch.

        Raises
        ------
        InputError
            If there are none, or only some have edge features.
        ShapeError
            If they differ in the width of their features.
        """
        nodes = Ragged.from_list([graph.nodes for graph in graphs])
        features = [graph.edge_features for graph in graphs if graph.edge_features is not None]
        if features and len(features) < len(graphs):
            raise InputError(
                "only some graphs of a batch have edge features",
                expected="all or none",
                got=f"{len(features)} of {len(graphs)}",
            )
        return cls(
            nodes.values,
            nodes.sizes,
            torch.cat([graph.edges for graph in graphs], dim=1),
            [graph.edges.shape[1] for graph in graphs],
            Ragged.from_list(features).values if features else None,
        )

    def graphs(self) -> list[Graph]:
        """Return the graphs as a list of views."""
        edges = self.edges.split(self.edge_sizes, dim=1)
        if self.edge_features is None:
            return [Graph(*parts) for parts in zip(self.unbind(), edges, strict=True)]
        features = self.edge_features.split(self.edge_sizes)
        return [Graph(*parts) for parts in zip(self.unbind(), edges, features, strict=True)]

    def __getitem__(self, rows: Tensor | Sequence[int]) -> Graphs:
        """Return the graphs of the given rows (integers or a boolean mask) as a new batch."""
        graphs = self.graphs()
        picked = [graphs[i] for i in self.row_numbers(rows)]
        if picked:
            return Graphs.from_list(picked)
        features = None if self.edge_features is None else self.edge_features[:0]
        return Graphs(self.values[:0], [], self.edges[:, :0], [], features)

    @property
    def edge_index(self) -> Tensor:
        """The edges with nodes counted through the whole batch, ``(2, ΣE)``: message passing runs over all at once."""
        return self.edges + self._of_edges(self.lengths.cumsum(0) - self.lengths)

    def _of_edges(self, by_graph: Tensor) -> Tensor:
        """Return for each edge the number that belongs to its graph."""
        sizes = torch.tensor(self.edge_sizes, dtype=torch.int64, device=by_graph.device)
        return by_graph.repeat_interleave(sizes, output_size=self.edges.shape[1])

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Graphs:
        """Return a copy on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Graphs:
        """Return a copy in pinned memory, as data loaders ask for."""
        return self._map(Tensor.pin_memory)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Graphs:
        made = copy.copy(self)  # checked already
        made.values, made.lengths, made.edges = (function(t) for t in (self.values, self.lengths, self.edges))
        made.edge_features = None if self.edge_features is None else function(self.edge_features)
        return made

    def __repr__(self) -> str:
        nodes = f"{min(self.sizes, default=0)}…{max(self.sizes, default=0)} nodes"
        return f"Graphs({len(self)} graphs of {nodes}, {self.edges.shape[1]} edges)"
