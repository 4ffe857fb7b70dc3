"""Graphs of many patients in memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mmlego.data.memory.batch import Input
from mmlego.data.memory.chance import Chance
from mmlego.data.memory.columns import Column
from mmlego.errors import ShapeError
from mmlego.nn.graphs import Graph, Graphs


class GraphColumn(Column):
    """A graph a patient; an absent patient's has no nodes.

    Parameters
    ----------
    graphs
        One per patient; all of one width of node and of edge features.
    present
        Which patients have the modality, ``(n,)``.
    empty
        A graph without nodes that knows the widths; needed where there is no other.

    Examples
    --------
    >>> path = Graph(torch.zeros(3, 5), torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]))
    >>> column = GraphColumn([path, path], torch.tensor([True, True]))
    >>> column.take(torch.tensor([1])).input()
    Graphs(1 graphs of 3…3 nodes, 4 edges)
    """

    form = "graphs"

    def __init__(self, graphs: Sequence[Graph], present: Tensor, empty: Graph | None = None) -> None:
        self.graphs = list(graphs)
        self.present = present
        self.empty = empty_graph(self.graphs[0]) if empty is None else empty

    def take(self, rows: Tensor) -> GraphColumn:
        """Return the given rows ``(b,)`` as a column of their own, without copying the graphs."""
        return GraphColumn([self.graphs[row] for row in rows.tolist()], self.present[rows], self.empty)

    def input(self, chance: Chance | None = None) -> Input:
        """Return the graphs as one batch; None where no row is present."""
        return Graphs.from_list(self.graphs) if bool(self.present.any()) else None

    def sizes(self) -> Tensor:
        """Return how many numbers each row brings into a batch, int64 ``(n,)``."""
        parts = [[part.numel() for part in graph if part is not None] for graph in self.graphs]
        return torch.tensor([sum(part) for part in parts], dtype=torch.int64)

    def contents(self) -> Iterator[Tensor | bytes]:
        """Yield nodes, edges, edge features and who is present."""
        for graph in self.graphs:
            yield from (part for part in graph if part is not None)
        yield self.present

    def blank(self, rows: int) -> GraphColumn:
        """Return graphs without nodes for ``rows`` absent patients."""
        return GraphColumn([self.empty] * rows, self.present.new_zeros(rows), self.empty)

    def join(self, other: Column) -> GraphColumn:
        """Return a column with the rows of another one after these."""
        if not isinstance(other, GraphColumn):
            raise self._unlike(other)
        widths = [graph_widths(column.empty) for column in (self, other)]
        if widths[0] != widths[1]:
            raise ShapeError("one modality of two widths", expected=f"nodes and edges of {widths[0]}", got=widths[1])
        return GraphColumn(self.graphs + other.graphs, torch.cat([self.present, other.present]), self.empty)


def empty_graph(like: Graph) -> Graph:
    """Return a graph without nodes, as wide as another one.

    Parameters
    ----------
    like
        The other one.

    Examples
    --------
    >>> empty_graph(Graph(torch.ones(3, 5), torch.zeros(2, 0, dtype=torch.int64))).nodes.shape
    torch.Size([0, 5])
    """
    features = None if like.edge_features is None else like.edge_features[:0]
    return Graph(like.nodes[:0], like.edges[:, :0], features)


def graph_widths(graph: Graph) -> tuple[int, int | None]:
    """Return how wide node and edge features are.

    Parameters
    ----------
    graph
        The graph.

    Examples
    --------
    >>> graph_widths(Graph(torch.ones(3, 5), torch.zeros(2, 0, dtype=torch.int64)))
    (5, None)
    """
    return int(graph.nodes.shape[1]), None if graph.edge_features is None else int(graph.edge_features.shape[1])
