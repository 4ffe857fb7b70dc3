from __future__ import annotations

import pytest
import torch

from mmlego.data import Batch, PatientData
from mmlego.data.memory.graphs import GraphColumn
from mmlego.errors import InputError, MismatchError, ShapeError
from mmlego.nn.graphs import Graph, Graphs


def path(nodes: int, width: int = 2, edge_width: int | None = None) -> Graph:
    """Return a path with edges in both directions."""
    forth = torch.stack([torch.arange(nodes - 1), torch.arange(1, nodes)])
    edges = torch.cat([forth, forth.flip(0)], dim=1)
    features = None if edge_width is None else torch.ones(edges.shape[1], edge_width)
    return Graph(torch.arange(nodes)[:, None].expand(-1, width).float(), edges, features)


def test_graphs_with_gaps_come_as_one_batch() -> None:
    data = PatientData({"molecule": [path(3), None, path(2)]}, patients=["a", "b", "c"], empty="allow")
    assert data.present["molecule"].tolist() == [True, False, True]
    graphs = data.batch([2, 1, 0]).inputs["molecule"]
    assert isinstance(graphs, Graphs)
    assert (graphs.sizes, graphs.edge_sizes) == ([2, 0, 3], [2, 0, 4])
    assert data.batch([1]).inputs["molecule"] is None
    moved = data.batch().to("meta").inputs["molecule"]
    assert isinstance(moved, Graphs)
    assert moved.edges.device.type == "meta"


def test_pinning_keeps_the_edges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda tensor: tensor)
    graphs = Graphs.from_list([path(3)])
    assert isinstance(Batch({"x": graphs}, {}, None, ["a"]).pin_memory().inputs["x"], Graphs)


def test_a_batch_of_graphs_is_taken_apart() -> None:
    data = PatientData({"molecule": Graphs.from_list([path(3, edge_width=4), path(2, edge_width=4)])})
    assert len(data) == 2
    assert data.batch([1]).inputs["molecule"].edge_features.shape == (2, 4)
    joined = PatientData.concat([data, PatientData({"other": torch.ones(1, 1)}, patients=["x"])])
    assert joined.batch().inputs["molecule"].sizes == [3, 2, 0]
    assert sum(piece.numel() for piece in GraphColumn([path(3)], torch.tensor([True])).contents()) == 6 + 8 + 1
    assert GraphColumn([path(3)], torch.tensor([True])).sizes().tolist() == [14]


NAN = Graph(torch.full((1, 2), float("nan")), torch.zeros(2, 0, dtype=torch.int64))
BAD = {
    "one graph alone": (path(3), InputError, "of a kind that is not understood"),
    "something else among graphs": ([path(3), torch.ones(3, 2)], InputError, r"is no graph for 1 of 2 patients \(b\)"),
    "two widths": ([path(3), path(3, width=4)], ShapeError, r"graphs of other widths than \(2, None\) for 1 of 2"),
    "edge features here and there": ([path(3, edge_width=1), path(3)], ShapeError, r"other widths than \(2, 1\)"),
    "no nodes": ([path(3), path(3)._replace(nodes=torch.zeros(0, 2))], InputError, r"is empty for 1 of 2 patients"),
    "NaN": ([path(3), NAN], InputError, r"NaN or infinite features for 1 of 2 patients \(b\)"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_graphs(case: str) -> None:
    value, error, message = BAD[case]
    with pytest.raises(error, match=message):
        PatientData({"molecule": value}, patients=["a", "b"])


def test_absent_everywhere() -> None:
    with pytest.raises(InputError, match="no patient has modality 'molecule'"):
        PatientData({"molecule": [path(2)]}, present={"molecule": torch.tensor([False])}, empty="allow")


def test_columns_of_other_kinds_are_not_joined() -> None:
    graphs = PatientData({"x": [path(2)]}, patients=["a"])
    with pytest.raises(MismatchError, match="expected graphs, got a tensor"):
        PatientData.concat([graphs, PatientData({"x": torch.ones(1, 2)}, patients=["b"])])
    with pytest.raises(ShapeError, match="one modality of two widths"):
        PatientData.concat([graphs, PatientData({"x": [path(2, width=3)]}, patients=["b"])])


def test_ids_of_tokens() -> None:
    """Integers without features: a list of unequal length, or padded with a mask."""
    data = PatientData({"smiles": [torch.tensor([1, 2, 3]), None, torch.tensor([4])]}, empty="allow")
    assert data.batch().inputs["smiles"].sizes == [3, 0, 1]
    assert data.batch().inputs["smiles"].values.tolist() == [1, 2, 3, 4]
    ids, mask = torch.tensor([[1, 2], [3, 9]]), torch.tensor([[True, True], [True, False]])
    padded = PatientData({"smiles": (ids, mask)}).batch().inputs["smiles"]
    assert padded[0].tolist() == [[1, 2], [3, 0]]
    with pytest.raises(ShapeError, match="a bag that is not"):
        PatientData({"smiles": [torch.tensor([1.0, 2.0])]})
    with pytest.raises(ShapeError, match="has no features"):
        PatientData({"smiles": (ids.float(), mask)})
