"""A graph as it was read: nodes and edges with named attributes, from SMILES, GraphML or tables."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from mmlego.data.kinds.molecules import EXTRA, canonical, read_molecule
from mmlego.data.reading.files import PACKED, read_lines
from mmlego.data.reading.matrices import first_line
from mmlego.errors import InputError
from mmlego.extras import import_extra
from mmlego.wording import listed

__doctest_requires__ = {"molecule_graph": ["rdkit", "torch_geometric"]}

Attributes = Mapping[str, NDArray[Any]]
GRAPHML = tuple(f"{kind}{packed}" for kind in (".graphml", ".xml") for packed in PACKED)
# Of which a graph has to have so many, nodes and edges together, before another one alike is no chance.
TELLING = 32


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
        for part in (self.nodes, self.links):
            for name in sorted(part):
                digest.update(f"{name} {part[name].tolist()} ".encode())
        return digest.digest()

    def __repr__(self) -> str:
        return f"RawGraph({self.size} nodes, {self.edges.shape[1]} edges, {self.fingerprint().hex()[:16]})"


def molecule_graph(smiles: str) -> RawGraph:
    """Return the atoms and bonds of a molecule, as PyTorch Geometric describes them.

    Parameters
    ----------
    smiles
        A valid SMILES.

    Raises
    ------
    MissingExtraError
        If RDKit or PyTorch Geometric is not installed.

    Examples
    --------
    >>> ethanol = molecule_graph("CCO")
    >>> ethanol.nodes["atomic_num"].tolist(), ethanol.edges.tolist(), ethanol.molecule
    (['6', '6', '8'], [[0, 1, 1, 2], [1, 0, 2, 1]], 'CCO')
    """
    package = import_extra("torch_geometric.utils.smiles", "a graph of a molecule", EXTRA)
    found = package.from_rdmol(read_molecule(smiles, "a graph of a molecule"))
    nodes = {name: _named(known, found.x[:, i]) for i, (name, known) in enumerate(package.x_map.items())}
    links = {name: _named(known, found.edge_attr[:, i]) for i, (name, known) in enumerate(package.e_map.items())}
    return RawGraph(len(found.x), found.edge_index.numpy(), nodes, links, canonical(smiles))


def _named(known: Sequence[Any], places: Any) -> NDArray[Any]:
    """Return attributes as categories, but for what is true or false."""
    values = [known[place] for place in places.tolist()]
    return np.array(values, dtype=bool) if known == [False, True] else np.array([str(v) for v in values], dtype=object)


def read_graphml(path: Path) -> RawGraph:
    """Read one graph from a GraphML file; an edge of an undirected graph becomes two.

    Parameters
    ----------
    path
        The file, plain, ``.gz`` or ``.zip``.

    Raises
    ------
    InputError
        If it cannot be read, declares entities, or holds a graph without nodes.
    """
    if not path.name.lower().endswith(GRAPHML):
        expected = listed(GRAPHML, len(GRAPHML))
        raise InputError(f"file {path.name!r} is of a kind that is not read", expected=expected, got=path.suffix)
    content = "\n".join(read_lines(path)).encode()
    networkx = import_extra("networkx", f"reading {path.name!r}", EXTRA)
    try:
        _refuse_entities(content, path)
        graph = networkx.read_graphml(io.BytesIO(content))
    except (networkx.NetworkXException, ParseError, expat.ExpatError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"cannot read {path.name!r} ({first_line(error)})", expected="GraphML") from error
    if graph.number_of_nodes() == 0:
        raise InputError(f"{path.name!r} holds a graph without nodes", expected="at least one")
    place = {node: number for number, node in enumerate(graph.nodes)}
    directed = graph if graph.is_directed() else graph.to_directed()
    pairs = [(place[a], place[b]) for a, b in directed.edges()]
    return RawGraph(
        len(place),
        np.array(pairs, dtype=np.int64).reshape(-1, 2).T,
        gathered([attributes for _, attributes in graph.nodes(data=True)]),
        gathered([attributes for _, _, attributes in directed.edges(data=True)]),
    )


def _refuse_entities(content: bytes, path: Path) -> None:
    """Refuse declarations of entities, by which a small file becomes a huge one, or another file is read."""

    def refuse(*_: object) -> None:
        raise InputError(f"{path.name!r} declares a document type", expected="plain GraphML", remedy="Remove it.")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(content, True)


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
