"""A molecule is one graph whoever wrote it, and its mirror image another."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from mmlego.data import Cohort, FingerprintPreprocessor, GraphPreprocessor, duplicates, preprocessing_from_config
from mmlego.data.kinds.graph.molecule import CHIRALITY, molecule_graph
from mmlego.errors import InputError
from mmlego.nn.graphs import Graph

chem = pytest.importorskip("rdkit.Chem", reason="needs mmlego[graphs]")
pytest.importorskip("torch_geometric", reason="needs mmlego[graphs]")

# L-alanine, ibuprofen, penicillin, tartaric acid, a fluorinated olefin, glucose, taxol's core, thalidomide
STEREO = [
    "C[C@H](N)C(=O)O",
    "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O",
    "CC1([C@@H](N2[C@H](S1)[C@@H](C2=O)NC(=O)Cc3ccccc3)C(=O)O)C",
    "[C@@H]([C@H](C(=O)O)O)(C(=O)O)O",
    "C[C@@H](O)/C=C/F",
    "OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O",
    "O=C1CC[C@H](N2C(=O)c3ccccc3C2=O)C(=O)N1",
]


def frame(*smiles: str) -> Cohort:
    table = pd.DataFrame({"id": [f"p{i}" for i in range(len(smiles))], "smiles": smiles})
    return Cohort.from_frames({"m": table}, key="id", kinds={"m": {"kind": "graph"}})


def bonds_of(graph: Graph) -> list[tuple[float, ...]]:
    """Return what the two atoms of each bond are, in no order."""
    return sorted(map(tuple, torch.cat([graph.nodes[graph.edges[0]], graph.nodes[graph.edges[1]]], 1).tolist()))


@pytest.mark.parametrize("smiles", STEREO)
def test_one_molecule_is_one_graph_however_it_is_written(smiles: str) -> None:
    """PyTorch Geometric 2.8 takes RDKit's tags CW and CCW, which hang on the order of the neighbours in the text."""
    written = chem.MolToRandomSmilesVect(chem.MolFromSmiles(smiles), 8, 7)
    assert len(set(written)) > 1
    cohort = frame(smiles, *written)
    fitted = cohort.prepare(list(cohort.patients)).preprocessing["m"]
    graphs = fitted.transform(cohort.frames["m"]).graphs
    for other in graphs[1:]:
        assert torch.equal(graphs[0].nodes, other.nodes)
        assert torch.equal(graphs[0].edges, other.edges)
        assert torch.equal(
            *(torch.zeros(0) if g.edge_features is None else g.edge_features for g in (graphs[0], other))
        )


@pytest.mark.parametrize("smiles", STEREO)
def test_its_mirror_image_is_another(smiles: str) -> None:
    mirrored = smiles.replace("@@", "?").replace("@", "@@").replace("?", "@")
    cohort = frame(smiles, mirrored)
    assert duplicates(cohort) == {}
    fitted = cohort.prepare(["p0", "p1"]).preprocessing["m"]
    one, other = fitted.transform(cohort.frames["m"]).graphs
    assert bonds_of(one) != bonds_of(other)


def test_centres_by_hand() -> None:
    """L-alanine is S, L-cysteine is R for its sulfur (IUPAC 2013, P-92); between R and S a centre is r or s."""
    for smiles, right in (("N[C@@H](C)C(=O)O", {"S"}), ("N[C@@H](CS)C(=O)O", {"R"}), ("CC(N)C(=O)O", set())):
        assert set(molecule_graph(smiles).nodes[CHIRALITY]) - {"none"} == right
    between = ("C[C@H](O)[C@@H](O)[C@@H](C)O", "C[C@H](O)[C@H](O)[C@@H](C)O")
    codes = [set(molecule_graph(smiles).nodes[CHIRALITY]) - {"none", "R", "S"} for smiles in between]
    assert sorted(map(sorted, codes)) == [["r"], ["s"]]


def test_what_a_graph_cannot_describe_is_named() -> None:
    """RDKit 2026.09 calls a square-planar centre SP2D, which PyTorch Geometric 2.8 does not know."""
    plate = "N[Pt@SP1](N)(Cl)Cl"
    with pytest.raises(
        InputError, match=r"p1: 'N\[Pt@SP1.*atom or a bond of a kind that a graph cannot .*on_error: skip"
    ):
        frame("CCO", plate, "CCC")
    table = pd.DataFrame({"id": ["a", "b", "c"], "smiles": ["CCO", plate, "CCC"]})
    left = Cohort.from_frames({"m": table}, key="id", kinds={"m": {"kind": "graph", "on_error": "skip"}})
    assert left.patients == ("a", "c")
    assert any("b: 'N[Pt@SP1]" in str(note) for note in left.dropped)
    assert FingerprintPreprocessor(bits=64).transform(table[["smiles"]]).shape == (3, 64)


@pytest.mark.parametrize("kind", ["graph", "fingerprint", "sequence"])
@pytest.mark.parametrize("cell", ["CCO CCN", "CCO\tCCN", "CCO ethanol"])
def test_two_molecules_in_one_cell(cell: str, kind: str, tmp_path: Path) -> None:
    """RDKit takes what follows a space for a name: CCO alone was read."""
    section = {"kind": kind, "column": "smiles"} | (
        {"alphabet": "smiles", "canonical": True} if kind == "sequence" else {}
    )
    table = pd.DataFrame({"id": ["a", "b"], "smiles": [cell, " CCO "]})
    with pytest.raises(
        InputError, match=r"m: 1 patient whose text cannot be used \(a: (more than one SMILES|unknown character)"
    ):
        Cohort.from_frames({"m": table}, key="id", kinds={"m": section})
    left = Cohort.from_frames({"m": table}, key="id", kinds={"m": section | {"on_error": "skip"}})
    assert left.patients == ("b",)


def test_preprocessing_of_before_still_reads_as_it_did() -> None:
    """Fitted on the tags of the text as it was written: 1 where the neighbours of a centre turn clockwise."""
    saved = {"name": "table", "version": 1, "numeric": [], "fill": [], "centre": [], "scale": [], "dropped": {}}
    tags = ["CHI_TETRAHEDRAL_CCW", "CHI_TETRAHEDRAL_CW", "CHI_UNSPECIFIED"]
    nodes = saved | {"categories": [["atomic_num", ["6", "7", "8"]], ["chirality", tags]]}
    old = preprocessing_from_config({"name": "graph", "version": 1, "nodes": nodes, "links": None})
    assert isinstance(old, GraphPreprocessor)
    for smiles, tag in (
        ("C[C@H](N)C(=O)O", 0),
        ("N[C@@H](C)C(=O)O", 1),
        ("C[C@@H](N)C(=O)O", 1),
        ("OC(=O)[C@@H](N)C", 1),
    ):
        features = old.transform(frame(smiles).frames["m"]).graphs[0].nodes
        assert features[:, :3].sum(0).tolist() == [3, 1, 2]
        assert features[:, 3:].sum(0).tolist() == [1 - tag, tag, 5]
        assert features[:, 3:][:, :2].sum(1).tolist() == [0, 1, 0, 0, 0, 0]  # the atom of the centre
