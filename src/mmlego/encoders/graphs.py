"""Encoders of graphs (molecules, networks of genes, tissue): nodes and edges → one token a node."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from torch import Tensor, nn

from mmlego.admitted import Chance, Heads, Layers, Width
from mmlego.encoders.registry import register_encoder
from mmlego.errors import InputError, ShapeError, UnknownNameError
from mmlego.extras import import_extra
from mmlego.nn.graphs import Graphs
from mmlego.nn.ragged import Ragged

__doctest_requires__ = {"GraphEncoder": ["torch_geometric"]}


@register_encoder("graph")
class GraphEncoder(nn.Module):
    """Message passing between the nodes of each graph; the nodes are the tokens, and the block pools them.

    Each layer adds to the nodes what they hear from their neighbours: ``h + Dropout(ReLU(Conv(LN h, edges)))``, with
    ``Conv`` of PyTorch Geometric: ``"gin"`` the graph isomorphism network (Xu et al. 2019), with edge features that of
    Hu et al. 2020; ``"gat"`` graph attention (Veličković et al. 2018) in the form of Brody et al. 2022. Nodes are
    normalised one by one, so that no graph depends on the others in its batch, and nothing is padded.
    Renumbering the nodes renumbers the tokens; a block over them does not notice.

    Takes ``Graphs``, gives unordered tokens as a Ragged ``(Σn, out_features)``. Needs ``mmlego[graphs]``.

    Parameters
    ----------
    in_features
        Width of the node features.
    out_features
        ``e``, the width of the tokens.
    layers
        Number of layers: how many edges away a node hears of others.
    conv
        ``"gin"`` or ``"gat"``.
    edge_features
        Width of the edge features; 0 for none.
    heads
        Number of heads of ``"gat"``; divides ``out_features``.
    dropout
        Dropout after each layer while training.

    Raises
    ------
    MissingExtraError
        If PyTorch Geometric is not installed.
    UnknownNameError
        If ``conv`` is neither.
    InputError
        If the heads do not divide ``out_features``, or what is given to it are no graphs.
    ShapeError
        If edge features are missing, or of another width.

    Examples
    --------
    >>> import torch
    >>> from mmlego.nn import Graph, Graphs
    >>> water = Graph(torch.eye(3), torch.tensor([[0, 1, 0, 2], [1, 0, 2, 0]]))
    >>> hydrogen = Graph(torch.eye(3)[1:], torch.tensor([[0, 1], [1, 0]]))
    >>> GraphEncoder(3, out_features=8)(Graphs.from_list([water, hydrogen]))
    Ragged(2 bags of 2…3 tokens)
    """

    packages: ClassVar[tuple[str, ...]] = ("torch_geometric.nn",)
    ordered = False
    tokenwise = False
    accepts_ragged = True

    def __init__(
        self,
        in_features: Width,
        out_features: Width = 64,
        layers: Layers = 3,
        conv: Literal["gin", "gat"] = "gin",
        edge_features: Annotated[int, Field(ge=0, le=2**24)] = 0,
        heads: Heads = 4,
        dropout: Chance = 0.0,
    ) -> None:
        super().__init__()
        if conv not in ("gin", "gat"):
            raise UnknownNameError("unknown convolution of graphs", expected="'gin' or 'gat'", got=repr(conv))
        if conv == "gat" and out_features % heads:
            raise InputError("the heads do not divide the width", expected=f"a divisor of {out_features}", got=heads)
        package = import_extra("torch_geometric.nn", "GraphEncoder", "'mmlego[graphs]'")
        self.in_features, self.out_features, self.edge_features = in_features, out_features, edge_features
        self.project = nn.Linear(in_features, out_features)
        make = _gin if conv == "gin" else _gat
        self.convolutions = nn.ModuleList(make(package, out_features, edge_features, heads) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(out_features) for _ in range(layers))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Graphs) -> Ragged:
        """Return the node tokens of each graph, ``(Σn, e)``."""
        if not isinstance(x, Graphs):
            raise InputError(
                "a GraphEncoder without graphs",
                expected="Graphs",
                got=type(x).__name__,
                remedy="Put them together with mmlego.nn.Graphs.from_list.",
            )
        edges = (x.edge_index, *self._edge_features(x))
        nodes = self.project(x.values)  # (Σn, e)
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            heard = convolution(norm(nodes), *edges)
            nodes = nodes + self.dropout(heard.relu())
        return x.with_values(nodes)

    def _edge_features(self, x: Graphs) -> tuple[Tensor, ...]:
        width = 0 if x.edge_features is None else x.edge_features.shape[1]
        if self.edge_features and width != self.edge_features:
            raise ShapeError("the edge features have the wrong width", expected=self.edge_features, got=width)
        return () if x.edge_features is None or not self.edge_features else (x.edge_features,)


def _gin(package: Any, width: int, edge_features: int, _: int) -> Any:
    inner = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
    if edge_features:
        return package.GINEConv(inner, train_eps=True, edge_dim=edge_features)
    return package.GINConv(inner, train_eps=True)


def _gat(package: Any, width: int, edge_features: int, heads: int) -> Any:
    return package.GATv2Conv(width, width // heads, heads=heads, edge_dim=edge_features or None)
