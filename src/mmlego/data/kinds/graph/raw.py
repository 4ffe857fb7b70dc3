"""A graph as it was read: nodes and edges with named attributes, from SMILES, GraphML or tables."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmlego.errors import InputError

Attributes = Mapping[str, NDArray[Any]]
# Of which a graph has to have so many, nodes and edges together, before another one alike is no chance.
TELLING = 32


class BothWaysError(InputError):
    """An edge without direction that is listed both ways, each with attributes of its own."""


@dataclass(frozen=True, eq=False)
class RawGraph:
    """What a cell of a graph's frame holds.

    Parameters
    ----------
    size
        How many nodes there are.
    edges
        From which node to which, int64 ``(2, E)``; an edge without direction is two.
    nodes
        Attributes of the nodes by name, each ``(n,)``.
    links
        Attributes of the edges by name, each ``(E,)``.
    molecule
        The canonical SMILES, if it is one.
    apart, links_apart
        Attributes of nodes and of edges that are no features of preprocessing that is fitted anew: names and numbers,
        which tell nodes apart; and what older preprocessing may have been fitted on.

    Examples
    --------
    >>> RawGraph(2, np.array([[0, 1], [1, 0]]), {"mass": np.array([1.0, 16.0])}, {})
    RawGraph(2 nodes, 2 edges, 0def8582fdc0226e)
    """

    size: int
    edges: NDArray[np.int64]
    nodes: Attributes
    links: Attributes
    molecule: str | None = None
    apart: frozenset[str] = frozenset()
    links_apart: frozenset[str] = frozenset()

    @property
    def telling(self) -> bool:
        """Whether two patients hardly have this graph both by chance: molecules, and graphs that are not tiny."""
        return self.molecule is not None or self.size + self.edges.shape[1] >= TELLING

    def fingerprint(self) -> bytes:
        """Return what tells the graph from others."""
        if self.molecule is not None:
            return hashlib.sha256(self.molecule.encode()).digest()
        digest = hashlib.sha256(f"{self.size} ".encode())
        digest.update(self.edges.tobytes())
        for part, apart in ((self.nodes, self.apart), (self.links, self.links_apart)):
            for name in sorted(set(part) - apart):
                digest.update(f"{name} {part[name].tolist()} ".encode())
        return digest.digest()

    def __repr__(self) -> str:
        return f"RawGraph({self.size} nodes, {self.edges.shape[1]} edges, {self.fingerprint().hex()[:16]})"


def entered(
    ends: Sequence[tuple[int, int]],
    attributes: Sequence[tuple[Hashable, ...]],
    directed: Sequence[bool],
    names: Sequence[str] = (),
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges of a graph, each way of an undirected one an entry of its own, and what is listed twice once.

    Edges between the same two nodes that differ in attributes are parallel and stay.

    Parameters
    ----------
    ends
        From which node to which, for each edge that is listed.
    attributes
        Its attributes.
    directed
        Whether it leads one way only.
    names
        Those of the nodes, for messages.

    Returns
    -------
    edges
        int64 ``(2, E)``: those that are listed, then the ways back.
    rows
        ``(E,)``: which of those listed each of them is.

    Raises
    ------
    BothWaysError
        If an undirected edge is listed both ways with different attributes.

    Examples
    --------
    >>> entered([(0, 1), (1, 2), (1, 0)], [(0.5,), (2.0,), (0.5,)], [False] * 3)[0].tolist()
    [[0, 1, 1, 2], [1, 2, 0, 1]]
    """
    first: dict[tuple[object, ...], int] = {}
    ways: dict[tuple[int, int], tuple[int, int]] = {}
    for row, ((a, b), told, oneway) in enumerate(zip(ends, attributes, directed, strict=True)):
        pair = (a, b) if oneway else (min(a, b), max(a, b))
        known = tuple(None if value != value else value for value in told)  # NaN is one value
        if first.setdefault((oneway, pair, known), row) != row or oneway:
            continue
        if ways.setdefault(pair, (a, b)) != (a, b):
            one, other = (names[end] if names else end for end in (a, b))
            raise BothWaysError(
                "an edge that is listed both ways, with different attributes",
                expected="one of them, or both alike, in a graph without directions",
                got=f"{one} to {other} and {other} to {one}",
            )
    rows = np.array(sorted(first.values()), dtype=np.int64)
    pairs = np.array(ends, dtype=np.int64).reshape(-1, 2)[rows]
    back = ~np.array(directed, dtype=bool)[rows] & (pairs[:, 0] != pairs[:, 1])
    return np.concatenate([pairs, pairs[back, ::-1]]).T.copy(), np.concatenate([rows, rows[back]])


def gathered(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Return attributes by name, missing where a node or an edge lacks one.

    Parameters
    ----------
    rows
        The attributes of each node or edge.

    Examples
    --------
    >>> gathered([{"mass": 1}, {"mass": 16, "name": "O"}])
    {'mass': array([ 1., 16.]), 'name': array([None, 'O'], dtype=object)}
    """
    names = dict.fromkeys(name for row in rows for name in row)
    return {str(name): _column([row.get(name) for row in rows]) for name in names}


def _column(values: list[Any]) -> NDArray[Any]:
    values = [None if value is None or value != value else value for value in values]  # NaN is missing too
    if all(isinstance(value, bool) for value in values):
        return np.array(values, dtype=bool)
    if all(value is None or isinstance(value, int | float) for value in values):
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array([None if value is None else str(value) for value in values], dtype=object)
