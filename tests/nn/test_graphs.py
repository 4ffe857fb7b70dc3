"""Graphs: a bag of nodes each, with edges that stay within it."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmlego import InputError, LegoError, Ragged, ShapeError
from mmlego.nn import Graph, Graphs
from tests import strategies


def graph(n: int, edges: int = 3, width: int = 2, features: int | None = None) -> Graph:
    pairs = torch.randint(n, (2, edges)) if n else torch.zeros(2, 0, dtype=torch.int64)
    return Graph(torch.randn(n, width), pairs, None if features is None else torch.randn(pairs.shape[1], features))


def same(one: Graph, other: Graph) -> bool:
    return all(
        torch.equal(a, b) if a is not None and b is not None else a is b for a, b in zip(one, other, strict=True)
    )


@given(strategies.lengths(), st.data())
def test_graphs_come_back_as_they_went_in(sizes: list[int], data: st.DataObject) -> None:
    features = data.draw(st.sampled_from([None, 0, 3]))
    given_ = [graph(n, data.draw(st.integers(0, 5)), features=features) for n in sizes]
    batch = Graphs.from_list(given_)
    assert len(batch) == len(sizes)
    assert all(same(*pair) for pair in zip(batch.graphs(), given_, strict=True))
    rows = data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=4))
    picked = batch[torch.tensor(rows)]
    assert all(same(one, given_[i]) for one, i in zip(picked.graphs(), rows, strict=True))


@given(strategies.lengths())
def test_nodes_are_counted_through_the_batch(sizes: list[int]) -> None:
    """Each edge joins the same features, whether looked up in its graph or in the batch."""
    given_ = [graph(n) for n in sizes]
    batch = Graphs.from_list(given_)
    there = torch.cat([one.nodes[one.edges] for one in given_], dim=1)
    assert torch.equal(batch.values[batch.edge_index], there)


def test_it_is_a_bag_of_nodes() -> None:
    batch = Graphs.from_list([graph(3), graph(1)])
    assert isinstance(batch, Ragged)
    assert [bag.shape[0] for bag in batch.unbind()] == [3, 1]
    tokens = batch.with_values(torch.zeros(4, 7))
    assert type(tokens) is Ragged
    assert repr(batch) == "Graphs(2 graphs of 1…3 nodes, 6 edges)"


def test_no_rows_and_empty_graphs_are_kept_for_the_block_to_refuse() -> None:
    batch = Graphs.from_list([graph(2, features=3), graph(0, features=3)])
    assert batch.sizes == [2, 0]
    none = batch[torch.tensor([False, False])]
    assert len(none) == 0
    assert none.edge_features is not None
    assert none.edge_features.shape == (0, 3)
    assert none.edge_index.shape == (2, 0)


@pytest.mark.parametrize("features", [None, 3])
def test_a_copy_elsewhere(features: int | None) -> None:
    batch = Graphs.from_list([graph(3, features=features), graph(1, features=features)])
    moved = batch.to("meta")
    assert {moved.values.device.type, moved.lengths.device.type, moved.edges.device.type} == {"meta"}
    assert (moved.edge_features is None) == (features is None)
    assert (moved.sizes, moved.edge_sizes) == (batch.sizes, batch.edge_sizes)
    assert batch.device.type == "cpu"


def test_pinned_memory_keeps_the_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor.clone())
    batch = Graphs.from_list([graph(3, features=2)])
    pinned = batch.pin_memory()
    assert all(same(*pair) for pair in zip(pinned.graphs(), batch.graphs(), strict=True))
    assert pinned.edges.data_ptr() != batch.edges.data_ptr()


EDGES = torch.tensor([[0, 1], [1, 0]])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Graphs(torch.zeros(2, 1), [2], EDGES.float(), [2]), ShapeError, "expected integers of shape"),
        (lambda: Graphs(torch.zeros(2, 1), [2], EDGES[0], [2]), ShapeError, "expected integers of shape"),
        (lambda: Graphs(torch.zeros(2, 1), [2], EDGES, [1]), ShapeError, "1 lengths ≥ 0 that sum to 2, got 1 lengths"),
        (lambda: Graphs(torch.zeros(2, 1), [1, 1], EDGES, torch.tensor([2])), ShapeError, "expected 2 lengths"),
        (lambda: Graphs(torch.zeros(2, 1), [2], EDGES, [3, -1]), ShapeError, "expected 1 lengths"),
        (lambda: Graphs(torch.zeros(2, 1), [3], EDGES, [2]), ShapeError, "lengths of a Ragged"),
        (lambda: Graphs(torch.zeros(2, 1), [1, 1], EDGES, [1, 1]), InputError, r"got \[0, 1\] as edge 0"),
        (lambda: Graphs(torch.zeros(2, 1), [2], EDGES - 1, [2]), InputError, r"got \[-1, 0\] as edge 0"),
        (lambda: Graphs(torch.zeros(2, 1), [2], EDGES, [2], torch.zeros(3, 1)), ShapeError, r"\(2, g\), got \(3, 1\)"),
        (lambda: Graphs(torch.zeros(2, 1), [2], EDGES, [2], torch.zeros(2)), ShapeError, r"\(2, g\), got \(2,\)"),
        (lambda: Graphs.from_list([]), InputError, "no bags"),
        (lambda: Graphs.from_list([graph(2), graph(2, features=1)]), InputError, "only some.*got 1 of 2"),
        (lambda: Graphs.from_list([graph(2), graph(2, width=3)]), ShapeError, "different widths"),
        (lambda: Graphs.from_list([graph(2, features=1), graph(2, features=2)]), ShapeError, "different widths"),
        (lambda: Graphs.from_list([graph(2)])[[1]], InputError, "expected numbers below 1"),
    ],
)
def test_what_does_not_fit_is_refused(make: object, error: type[LegoError], message: str) -> None:
    with pytest.raises(error, match=message):
        make()  # type: ignore[operator]
