"""GraphEncoder: message passing, and the nodes' numbers that do not matter."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmlego import InputError, LegoBlock, LegoMerge, Ragged, ShapeError, UnknownNameError
from mmlego.encoders import SNN, GraphEncoder
from mmlego.nn import Graph, Graphs
from tests import strategies
from tests.bricks import gradients, plate, stirred, trained

pytest.importorskip("torch_geometric", exc_type=ImportError, reason="needs mmlego[graphs]")
KINDS: list[dict[str, Any]] = [{"conv": conv, "edge_features": edges} for conv in ("gin", "gat") for edges in (0, 3)]


def graph(n: int, generator: torch.Generator) -> Graph:
    edges = torch.randint(n, (2, 2 * n), generator=generator)
    return Graph(torch.randn(n, 4, generator=generator), edges, torch.randn(2 * n, 3, generator=generator))


def molecules(sizes: list[int], seed: int = 0) -> Graphs:
    generator = strategies.generator(seed)
    return Graphs.from_list([graph(n, generator) for n in sizes])


def encoder(**options: Any) -> GraphEncoder:
    return stirred(GraphEncoder(4, **{"out_features": 6, "layers": 2, "heads": 2, **options})).eval()  # type: ignore[return-value]


def renumbered(one: Graph, order: Tensor) -> Graph:
    """Return the graph with node ``order[i]`` as its node ``i``."""
    return Graph(one.nodes[order], order.argsort()[one.edges], one.edge_features)


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(data=st.data())
def test_the_numbers_of_the_nodes_do_not_matter(kind: dict[str, Any], data: st.DataObject) -> None:
    batch = molecules(data.draw(strategies.lengths(6)), data.draw(strategies.seeds))
    orders = [torch.randperm(n) for n in batch.sizes]
    other = Graphs.from_list([renumbered(*pair) for pair in zip(batch.graphs(), orders, strict=True)])
    ours = encoder(**kind)
    tokens = zip(ours(batch).unbind(), ours(other).unbind(), orders, strict=True)
    for there, back, order in tokens:
        torch.testing.assert_close(there[order], back, rtol=1e-4, atol=1e-4)
    block = trained(LegoBlock(ours, plate(), "molecule"))
    torch.testing.assert_close(block(batch).logits, block(other).logits, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_graph_does_not_depend_on_its_batch(kind: dict[str, Any]) -> None:
    batch, ours = molecules([3, 1, 5]), encoder(**kind)
    ours.train()
    for i, tokens in enumerate(ours(batch).unbind()):
        torch.testing.assert_close(ours(batch[[i]]).values, tokens)


def test_gin_is_written_out() -> None:
    """Xu et al. 2019, equation 4.1, with a dense matrix of edges; a residual and LayerNorm around it."""
    batch, ours = molecules([5]), encoder(layers=1)
    heard = torch.zeros(5, 5)
    for source, target in batch.edges.T.tolist():
        heard[target, source] += 1
    nodes = ours.project(batch.values)
    normed = ours.norms[0](nodes)
    convolution: Any = ours.convolutions[0]
    expected = nodes + convolution.nn((1 + convolution.eps) * normed + heard @ normed).relu()
    torch.testing.assert_close(ours(batch).values, expected)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_layer_reaches_one_edge_further(kind: dict[str, Any]) -> None:
    path = Graph(torch.randn(4, 4), torch.tensor([[0, 1, 2], [1, 2, 3]]), torch.randn(3, 3))
    start = Graph(path.nodes.index_fill(0, torch.tensor([0]), 2.0), *path[1:])
    for layers in (0, 1, 2):
        ours = encoder(layers=layers, **kind)
        change = (ours(Graphs.from_list([path])).values - ours(Graphs.from_list([start])).values).abs().amax(1)
        assert (change > 1e-6).tolist() == [i <= layers for i in range(4)]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_edge_features_are_heard_where_they_are_asked_for(kind: dict[str, Any]) -> None:
    batch, ours = molecules([4, 3]), encoder(**kind)
    other = Graphs(batch.values, batch.sizes, batch.edges, batch.edge_sizes, torch.zeros(14, 3))
    heard = (ours(batch).values - ours(other).values).abs().max() > 1e-4
    assert heard == (kind["edge_features"] > 0)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_nodes_without_edges_are_fine(kind: dict[str, Any]) -> None:
    alone = Graph(torch.randn(1, 4), torch.zeros(2, 0, dtype=torch.int64), torch.zeros(0, 3))
    block = LegoBlock(GraphEncoder(4, 6, heads=2, **kind), plate(), "molecule")
    logits = block(Graphs.from_list([alone, alone])).logits
    logits.square().sum().backward()
    assert all(torch.isfinite(grad).all() for grad in gradients(block).values())


def test_graphs_in_merged_models_some_missing() -> None:
    on = plate()
    blocks = [trained(LegoBlock(encoder(), on, "molecule")), trained(LegoBlock(SNN(3), on, "table"))]
    model, batch, table = LegoMerge(blocks).eval(), molecules([3, 1, 5]), torch.randn(3, 3)
    present = {"molecule": torch.tensor([True, False, True])}
    logits = model({"molecule": batch, "table": table}, present)
    torch.testing.assert_close(logits[2:], model({"molecule": batch[[2]], "table": table[2:]}))
    torch.testing.assert_close(logits[1:2], model({"table": table[1:2]}))


def test_an_empty_graph_is_an_empty_bag() -> None:
    empty = Graph(torch.zeros(0, 4), torch.zeros(2, 0, dtype=torch.int64))
    with pytest.raises(InputError, match=r"'molecule' has an empty bag.*none in sample 0"):
        LegoBlock(encoder(), plate(), "molecule")(Graphs.from_list([empty]))


def test_an_encoder_of_bags_takes_the_nodes_alone() -> None:
    batch = molecules([3, 1])
    block = trained(LegoBlock(torch.nn.Linear(4, 6), plate(), "molecule", out_features=6, tokenwise=True))
    assert torch.equal(block(batch).logits, block(Ragged(batch.values, batch.sizes)).logits)


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (Ragged(torch.zeros(3, 4), [3]), InputError, "without graphs: expected Graphs, got Ragged.*Graphs.from_list"),
        (torch.zeros(2, 3, 4), InputError, "without graphs: expected Graphs, got Tensor"),
        (Graphs(torch.zeros(2, 4), [2], torch.tensor([[0], [1]]), [1]), ShapeError, "expected 3, got 0"),
        (Graphs(torch.zeros(2, 5), [2], torch.tensor([[0], [1]]), [1]), ShapeError, "expected 4 features, got 5"),
    ],
)
def test_what_are_no_such_graphs_is_refused(x: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        LegoBlock(encoder(edge_features=3), plate(), "molecule")(x)


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="expected 'gin' or 'gat', got 'gcn'"):
        GraphEncoder(4, conv="gcn")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"heads do not divide the width.*got 4"):
        GraphEncoder(4, 6, conv="gat")
