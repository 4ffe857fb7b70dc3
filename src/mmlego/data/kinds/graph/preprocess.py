"""Kind ``graph``, its preprocessing: attributes of nodes and edges as features, fitted on training patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor

from mmlego.anonymity import Kept
from mmlego.data.kinds.file_sources import files_of
from mmlego.data.kinds.fitted import Preprocessing
from mmlego.data.kinds.graph.raw import Attributes, RawGraph
from mmlego.data.kinds.tabular.preprocess import TablePreprocessor
from mmlego.data.memory.graphs import GraphColumn
from mmlego.errors import CheckpointError, InputError, LegoError
from mmlego.nn.graphs import Graph

if TYPE_CHECKING:
    import pandas as pd

COLUMN = "graph"  # the one column of a frame of graphs
DEGREE = "number of neighbours"


class GraphState(BaseModel):
    """What :class:`GraphPreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> GraphState(nodes={"name": "table"}, links=None).version
    1
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["graph"] = "graph"
    version: Literal[1] = 1
    nodes: dict[str, Any] | None
    links: dict[str, Any] | None


@dataclass(frozen=True)
class GraphPreprocessor(Preprocessing):
    """Graphs with named attributes → graphs with features of nodes and edges.

    Numbers are scaled, categories become one feature a value, as in a table
    (:class:`~mmlego.data.TablePreprocessor`), over all nodes and all edges of the training patients. Nodes without
    attributes are described by how many neighbours they have; names and numbers that tell nodes apart are no features.

    Parameters
    ----------
    nodes
        The preprocessing of the nodes' attributes; None if nothing tells them apart: a single feature 1 then.
    links
        That of the edges' attributes; None if there are none, or nothing tells them apart.

    Examples
    --------
    >>> import pandas as pd
    >>> raw = RawGraph(2, np.array([[0, 1], [1, 0]]), {"mass": np.array([1.0, 16.0])}, {})
    >>> fitted = GraphPreprocessor.fit(pd.DataFrame({"graph": [raw]}, index=["a"]))
    >>> fitted.transform(pd.DataFrame({"graph": [raw]}, index=["a"])).graphs[0].nodes
    tensor([[-1.],
            [ 1.]])
    >>> fitted.encoder()
    ('graph', {'in_features': 1, 'edge_features': 0})
    """

    name: ClassVar[str] = "graph"
    ragged: ClassVar[bool] = True
    saved_as: ClassVar[type[BaseModel]] = GraphState
    called: ClassVar[str] = "graphs"

    nodes: TablePreprocessor | None
    links: TablePreprocessor | None

    @classmethod
    def fit(cls, frame: pd.DataFrame, *, min_patients: int = 1) -> Self:
        """Learn the features from the graphs of training patients.

        Parameters
        ----------
        frame
            Graphs by patient.
        min_patients
            What is learnt of an attribute stands for so many patients at least.

        Raises
        ------
        InputError
            If an attribute cannot be used: infinite numbers, or too many different texts.
        """
        graphs = _graphs(frame)
        nodes = [{name: told for name, told in graph.nodes.items() if name not in graph.apart} for graph in graphs]
        links = [
            {name: told for name, told in graph.links.items() if name not in graph.links_apart} for graph in graphs
        ]
        sizes = [graph.size for graph in graphs]
        return cls(
            _fitted(_nodes(graphs, nodes), sizes, min_patients),
            _fitted(_joined(links, _edges(graphs)), _edges(graphs), min_patients),
        )

    def transform(self, frame: pd.DataFrame) -> GraphColumn:
        """Return the graphs with their features.

        Parameters
        ----------
        frame
            Graphs by patient.

        Raises
        ------
        InputError
            If nodes or edges lack an attribute that was there in training.

        Warns
        -----
        LegoWarning
            If a category was not seen in training.
        """
        graphs = _graphs(frame)
        if not graphs:
            return self.blank()
        sizes, counts = [graph.size for graph in graphs], _edges(graphs)
        nodes = torch.ones(sum(sizes), 1) if self.nodes is None else _features(self.nodes, self._told(graphs), "nodes")
        links = None
        if self.links is not None:
            links = _features(self.links, _joined([graph.links for graph in graphs], counts), "edges")
        split = [None] * len(graphs) if links is None else links.split(counts)
        parts = zip(nodes.split(sizes), graphs, split, strict=True)
        made = [Graph(x, torch.from_numpy(graph.edges), e) for x, graph, e in parts]
        return GraphColumn(made, torch.ones(len(made), dtype=torch.bool))

    def _told(self, graphs: Sequence[RawGraph]) -> pd.DataFrame:
        """Return the attributes of nodes; how many neighbours each has, where that was learnt."""
        degrees = self.nodes is not None and self.nodes.columns == (DEGREE,)
        return _nodes(graphs, [{} if degrees else graph.nodes for graph in graphs])

    def blank(self) -> GraphColumn:
        """Return a column of nobody, which knows its widths."""
        features = None if self.links is None else torch.zeros(0, self.links.out_features)
        empty = Graph(torch.zeros(0, self._width), torch.zeros(2, 0, dtype=torch.int64), features)
        return GraphColumn([], torch.zeros(0, dtype=torch.bool), empty)

    @property
    def _width(self) -> int:
        return 1 if self.nodes is None else self.nodes.out_features

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the encoder of graphs: nodes are the tokens."""
        width = 0 if self.links is None else self.links.out_features
        return "graph", {"in_features": self._width, "edge_features": width}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""
        parts = [None if part is None else part.config() for part in (self.nodes, self.links)]
        return GraphState(nodes=parts[0], links=parts[1]).model_dump()

    def kept(self) -> list[Kept]:
        """Return what was learnt of the attributes of nodes and edges, as of tables."""
        parts = {"nodes": self.nodes, "links": self.links}
        return [one.within(name) for name, part in parts.items() if part is not None for one in part.kept()]

    @classmethod
    def _restored(cls, state: GraphState) -> Self:
        parts = (state.nodes, state.links)
        try:
            nodes, links = (None if part is None else TablePreprocessor.from_config(part) for part in parts)
        except CheckpointError as error:
            raise CheckpointError(f"the preprocessing of graphs is damaged: {error}") from error
        return cls(nodes, links)


def _graphs(frame: pd.DataFrame) -> list[RawGraph]:
    if COLUMN not in frame.columns:
        got = ", ".join(map(str, frame.columns[:3]))
        raise InputError("a modality that holds no graphs", expected="kind: graph in the manifest", got=got)
    return list(files_of(frame, COLUMN).values())


def _edges(graphs: Sequence[RawGraph]) -> list[int]:
    return [graph.edges.shape[1] for graph in graphs]


def _nodes(graphs: Sequence[RawGraph], told: Sequence[Attributes]) -> pd.DataFrame:
    """Return the attributes of all nodes; where no node has any, how many neighbours each has."""
    import pandas as pd

    found = _joined(told, [graph.size for graph in graphs])
    if found.shape[1]:
        return found
    degrees = [np.bincount(graph.edges[1], minlength=graph.size) for graph in graphs]
    return pd.DataFrame({DEGREE: np.concatenate(degrees).astype(np.float64)})


def _joined(parts: Sequence[Attributes], sizes: Sequence[int]) -> pd.DataFrame:
    """Return the attributes of all graphs as one table, missing where a graph does not have one."""
    import pandas as pd

    columns = {}
    for name in dict.fromkeys(name for part in parts for name in part):
        pieces = [part.get(name) for part in parts]
        numeric = all(piece is None or piece.dtype.kind in "bf" for piece in pieces)
        kind, missing = (np.float64, np.nan) if numeric else (object, None)
        filled = zip(pieces, sizes, strict=True)
        columns[name] = np.concatenate([np.full(n, missing, kind) if p is None else p.astype(kind) for p, n in filled])
    return pd.DataFrame(columns, index=range(sum(sizes)))


def _fitted(frame: pd.DataFrame, sizes: Sequence[int], least: int) -> TablePreprocessor | None:
    # A number that is missing becomes the median; a category that is missing is one more.
    varied = [name for name in frame.columns if frame[name].nunique(dropna=frame[name].dtype != object) > 1]
    if not varied:
        return None
    owners = np.repeat(np.arange(len(sizes)), sizes).tolist()
    return TablePreprocessor.fit(frame[varied], min_patients=least, owners=owners)


def _features(fitted: TablePreprocessor, frame: pd.DataFrame, what: str) -> Tensor:
    try:
        return fitted.transform(frame)
    except LegoError as error:
        raise type(error)(f"{what} of the graphs: {error}") from error
