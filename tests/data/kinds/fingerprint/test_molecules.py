"""Molecules from SMILES: as graphs, as fingerprint bits; their scaffolds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch

from mmlego import Baseplate, LegoBlock, LegoMerge, MissingExtraError, fit, load, predict, save
from mmlego.data import (
    Cohort,
    FingerprintPreprocessor,
    GraphPreprocessor,
    Prepared,
    duplicates,
    preprocessing_from_config,
    scaffold_groups,
)
from mmlego.data.kinds.fingerprint.descriptors import descriptor_table
from mmlego.data.kinds.molecules import complaint_of
from mmlego.encoders import build_encoder
from mmlego.errors import CheckpointError, InputError, LegoWarning, VersionError
from mmlego.nn import Graphs
from mmlego.tasks import Classification

pytest.importorskip("rdkit", reason="needs mmlego[graphs]")
pytest.importorskip("torch_geometric", reason="needs mmlego[graphs]")

DRUGS = {"a": "CCO", "b": "c1ccccc1O", "c": "CC(=O)[O-]", "d": "C[C@H](N)C(=O)O", "e": "F/C=C/F", "f": "OCC"}


def drugs(folder: Path, kind: str, more: str = "", rows: dict[str, str] = DRUGS) -> Cohort:
    (folder / "drugs.csv").write_text("id,smiles\n" + "".join(f"{name},{text}\n" for name, text in rows.items()))
    section = f"drug: {{kind: {kind}, file: drugs.csv{more}}}"
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities:\n  {section}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_a_molecule_is_a_graph_of_atoms(tmp_path: Path) -> None:
    cohort = drugs(tmp_path, "graph", ", min_patients: 1")
    prepared = cohort.prepare(["a", "b", "c", "d", "e"])
    batch = prepared.data(["a", "b"]).batch().inputs["drug"]
    assert isinstance(batch, Graphs)
    assert batch.sizes == [3, 7]
    assert batch.edge_sizes == [4, 14]
    assert batch.edge_index[:, :4].tolist() == [[0, 1, 1, 2], [1, 0, 2, 1]]
    names = prepared.preprocessing["drug"].nodes.features
    assert {"atomic_num=6", "atomic_num=8", "formal_charge=-1", "hybridization=SP2", "is_aromatic"} <= set(names)
    assert "atomic_num=92" not in names
    oxygen = names.index("atomic_num=8")
    assert batch.values[:, oxygen].tolist() == [0, 0, 1, 1, 0, 0, 0, 0, 0, 0]  # Oc1ccccc1, the canonical form
    assert batch.edge_features.shape == (18, prepared.preprocessing["drug"].links.out_features)
    assert prepared.preprocessing["drug"].encoder() == (
        "graph",
        {"in_features": batch.values.shape[1], "edge_features": batch.edge_features.shape[1]},
    )


def test_atoms_that_training_never_saw_are_told(tmp_path: Path) -> None:
    prepared = drugs(tmp_path, "graph", rows={"a": "CCO", "b": "CCCl", "c": "CCBr"}).prepare(["a", "b"])
    with pytest.warns(LegoWarning, match="'atomic_num' has values not seen in training, taken as missing: 35"):
        seen = prepared.data(["c"]).batch().inputs["drug"]
    places = [i for i, name in enumerate(prepared.preprocessing["drug"].nodes.features) if name.startswith("atomic_n")]
    assert seen.values[:, places].sum(1).tolist() == [1, 1, 0]


def test_bits_do_not_hang_on_how_a_molecule_is_written(tmp_path: Path) -> None:
    prepared = drugs(tmp_path, "fingerprint", ", bits: 256, radius: 1").prepare(["a", "b"])
    bits = prepared.data().batch().inputs["drug"]
    assert bits.shape == (6, 256)
    assert bits.dtype == torch.float32
    assert set(bits.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(bits[0], bits[5])
    assert not torch.equal(bits[0], bits[1])
    assert prepared.preprocessing["drug"] == FingerprintPreprocessor(1, 256)
    assert prepared.preprocessing["drug"].encoder() == ("snn", {"in_features": 256})


def test_counts_say_how_often(tmp_path: Path) -> None:
    """Of octane: 8 carbons, and around them within one bond two ends and six links."""
    rows = {"a": "CCCCCCCC", "b": "CCO"}
    prepared = drugs(tmp_path, "fingerprint", ", bits: 1024, radius: 1, counts: true", rows=rows).prepare(["a", "b"])
    found = prepared.data(["a"]).batch().inputs["drug"][0].expm1()
    # Radius 0: 2 ends and 6 links; radius 1: ends alike, links beside an end and between links.
    assert sorted(found[found > 0].round().tolist()) == [2.0, 2.0, 2.0, 4.0, 6.0]
    assert prepared.preprocessing["drug"] == FingerprintPreprocessor(1, 1024, counts=True)


def test_descriptors_come_after_the_bits(tmp_path: Path) -> None:
    prepared = drugs(tmp_path, "fingerprint", ", bits: 64, descriptors: true").prepare(["a", "b", "c", "d"])
    fitted = prepared.preprocessing["drug"]
    assert isinstance(fitted, FingerprintPreprocessor)
    assert fitted.descriptors is not None
    x = prepared.data(["a", "b", "c", "d", "f"]).batch().inputs["drug"]
    assert x.shape == (5, 64 + fitted.descriptors.out_features)
    assert fitted.encoder() == ("snn", {"in_features": x.shape[1]})
    assert torch.isfinite(x).all()
    assert torch.equal(x[0], x[4])  # one molecule, written in two ways
    heavy = x[:4, 64 + fitted.descriptors.features.index("HeavyAtomCount")]
    counts = torch.tensor([3.0, 7.0, 4.0, 6.0])
    torch.testing.assert_close(heavy, (counts - counts.mean()) / counts.std(correction=0))
    assert x[:, 64:].abs().max() <= 6
    config = json.loads(json.dumps(fitted.config()))
    assert config["version"] == 2
    again = preprocessing_from_config(config)
    assert again == fitted
    assert torch.equal(
        Prepared(drugs(tmp_path, "fingerprint"), {"drug": again}, None).data().batch().inputs["drug"][:4], x[:4]
    )
    with pytest.raises(CheckpointError, match="the preprocessing of fingerprints is damaged"):
        preprocessing_from_config(config | {"descriptors": {"name": "table"}})
    numeric = ["Nonsense", *fitted.descriptors.numeric[1:]]
    gone = config | {"descriptors": config["descriptors"] | {"numeric": numeric, "counts": {}}}
    with pytest.raises(InputError, match=r"as this version of RDKit has them: 1 column missing.*Nonsense"):
        preprocessing_from_config(gone).transform(pd.DataFrame({"smiles": ["CCO"]}))


def test_descriptors_that_cannot_be_reckoned() -> None:
    table = descriptor_table(["CCO", "[Na+].[Cl-]", "C" * 120])
    assert not table.isin([float("inf"), float("-inf")]).any(axis=None)
    assert table.abs().max(axis=None) <= 1e6
    assert table["MaxPartialCharge"].isna().sum() <= 1


def test_fingerprints_saved_before_load_as_they_were() -> None:
    old = {"name": "fingerprint", "version": 1, "radius": 2, "bits": 64}
    assert preprocessing_from_config(old) == FingerprintPreprocessor(2, 64)
    assert FingerprintPreprocessor(2, 64).config() == old


@pytest.mark.parametrize("kind", ["graph", "fingerprint"])
def test_one_molecule_under_two_names(kind: str, tmp_path: Path) -> None:
    assert duplicates(drugs(tmp_path, kind)) == {"drug": [("a", "f")]}


@pytest.mark.parametrize("kind", ["graph", "fingerprint"])
def test_molecules_that_are_none(kind: str, tmp_path: Path) -> None:
    rows = DRUGS | {"x": "C1CC", "y": "C(C)(C)(C)(C)C", "z": ""}
    with pytest.raises(InputError, match=r"drug: 2 patients .*\(x, y: no valid SMILES, as 'C1CC'\).*on_error: skip"):
        drugs(tmp_path, kind, rows=rows)
    cohort = drugs(tmp_path, kind, ", on_error: skip", rows=rows)
    assert cohort.patients == tuple(DRUGS)
    notes = [str(note) for note in cohort.dropped]
    assert any("drug: 2 patients whose text cannot be used (x, y: no valid SMILES, as " in note for note in notes)
    assert "drug: 1 patient without any text (z)" in notes
    with pytest.raises(InputError, match="2 patients whose text cannot be used"):
        drugs(tmp_path, kind, ", on_error: skip", rows={"x": "C1CC", "y": "nonsense"})


@pytest.mark.parametrize("kind", ["graph", "fingerprint"])
def test_molecules_train_a_block_that_takes_raw_files(kind: str, tmp_path: Path) -> None:
    acids = {f"p{i}": "C" * (i + 1) + ("C(=O)O" if i % 2 else "N") for i in range(12)}
    cohort = drugs(tmp_path, kind, ", min_patients: 1" if kind == "graph" else ", bits: 64", rows=acids)
    prepared = cohort.prepare(cohort.patients[:8])
    name, arguments = prepared.preprocessing["drug"].encoder()
    torch.manual_seed(0)
    plate = Baseplate(Classification(2), channels=4, width=8, heads=2, head_width=4)
    block = LegoBlock(build_encoder(name, arguments), plate, "drug")
    block.preprocessing = prepared.preprocessing["drug"]
    data = prepared.data()
    labelled = type(data)(
        {"drug": data.batch().inputs["drug"] if kind == "fingerprint" else data.batch().inputs["drug"].graphs()},
        torch.tensor([i % 2 for i in range(12)]),
        plate.task,
        data.patients,
    )
    fit(block, labelled.subset(torch.arange(8)), epochs=30, lr=1e-2, validation=None, progress=False)
    whole = predict(block, prepared.data()).probabilities[:, 1]
    assert ((whole > 0.5) == (torch.arange(12) % 2 == 1)).float().mean() >= 0.9
    loaded = load(save(block, tmp_path / "block"))
    assert loaded.preprocessing == block.preprocessing
    again = Prepared(drugs(tmp_path, kind, rows=acids), {"drug": loaded.preprocessing}, plate.task).data()
    torch.testing.assert_close(predict(loaded, again).probabilities[:, 1], whole)
    assert LegoMerge([loaded])({"drug": again.batch().inputs["drug"]}).shape == (12, 2)


@pytest.mark.parametrize("kind", ["graph", "fingerprint"])
def test_what_is_saved(kind: str, tmp_path: Path) -> None:
    fitted = drugs(tmp_path, kind).prepare(["a", "b", "c"]).preprocessing["drug"]
    config = json.loads(json.dumps(fitted.config()))
    assert preprocessing_from_config(config) == fitted
    with pytest.raises(VersionError, match="of a newer format"):
        preprocessing_from_config(config | {"version": 3})
    broken = {"nodes": {"name": "table", "numeric": 3}} if kind == "graph" else {"bits": -1}
    with pytest.raises(CheckpointError, match=rf"the preprocessing of {kind}s is damaged"):
        preprocessing_from_config(config | broken)


def test_nobody_of_the_wanted_has_a_molecule(tmp_path: Path) -> None:
    fitted = drugs(tmp_path, "graph").prepare(["a", "b", "c"]).preprocessing["drug"]
    other = Cohort.from_frames({"rna": pd.DataFrame({"x": [1.0, 2.0]}, index=["p", "q"])})
    data = Prepared(other, {"drug": fitted, **other.prepare(["p", "q"]).preprocessing}).data()
    assert data.present["drug"].tolist() == [False, False]
    assert data.batch().inputs["drug"] is None


def test_tables_in_memory_and_a_key_that_is_the_molecule(tmp_path: Path) -> None:
    frame = pd.DataFrame({"smiles": list(DRUGS.values())}, index=list(DRUGS))
    cohort = Cohort.from_frames({"drug": frame}, kinds={"drug": {"kind": "graph"}})
    assert cohort.prepare(["a", "b"]).data(["a"]).batch().inputs["drug"].sizes == [3]
    (tmp_path / "drugs.csv").write_text("smiles\nCCO\nCCN\n")
    (tmp_path / "cohort.yaml").write_text("key: smiles\nmodalities: {drug: {kind: graph, file: drugs.csv}}\n")
    assert Cohort.from_manifest(tmp_path / "cohort.yaml").patients == ("CCO", "CCN")


def test_preprocessing_meets_another_kind(tmp_path: Path) -> None:
    table = Cohort.from_frames({"drug": pd.DataFrame({"x": ["C1CC", "b"]}, index=["a", "b"])})
    with pytest.raises(InputError, match=r"'drug': a modality that holds no graphs: expected kind: graph .*, got x"):
        Prepared(table, {"drug": GraphPreprocessor(None, None)}).data()
    with pytest.raises(InputError, match="'drug': 2 rows without a molecule: expected SMILES, got a: no valid SMILES"):
        Prepared(table, {"drug": FingerprintPreprocessor()}).data()


@pytest.mark.parametrize(
    ("package", "kind"),
    [
        ("rdkit.Chem", "graph"),
        ("rdkit.Chem", "fingerprint"),
        ("torch_geometric.utils.smiles", "graph"),
        ("rdkit.Chem.rdFingerprintGenerator", "fingerprint"),
    ],
)
def test_without_the_package(package: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"needs {package.split('.')[0]}.* pip install 'mmlego\[graphs\]'"):
        drugs(tmp_path, kind).prepare(["a", "b"]).data()


def test_canonical_sequences_hide_the_hand_that_wrote_them(tmp_path: Path) -> None:
    rows = {"a": "OCC", "b": "C(C)O", "c": "c1ccccc1O"}
    own = (
        drugs(tmp_path, "sequence", ", column: smiles, alphabet: smiles", rows)
        .prepare(["a", "c"])
        .data(["a", "b"])
        .batch()
    )
    assert len({tuple(bag.tolist()) for bag in own.inputs["drug"].unbind()}) == 2
    cohort = drugs(tmp_path, "sequence", ", column: smiles, alphabet: smiles, canonical: true", rows)
    fitted = cohort.prepare(["a", "c"]).preprocessing["drug"]
    assert len({tuple(ids.tolist()) for ids in fitted.transform(cohort.frames["drug"][:2])}) == 1
    assert duplicates(cohort) == {"drug": [("a", "b")]}
    assert preprocessing_from_config(json.loads(json.dumps(fitted.config()))) == fitted
    with pytest.raises(InputError, match=r"drug: 1 patient whose text .*x: no valid SMILES: 'C1CC'"):
        drugs(tmp_path, "sequence", ", column: smiles, alphabet: smiles, canonical: true", rows | {"x": "C1CC"})
    with pytest.raises(InputError, match="canonical: is for alphabet: smiles"):
        drugs(tmp_path, "sequence", ", column: smiles, canonical: true", rows)


def test_atoms_that_cannot_be_described() -> None:
    assert complaint_of("[Ti]" + "(Cl)" * 3 + "Cl") is None
    assert str(complaint_of("[U]" + "(F)" * 11 + "F")).startswith("an atom with more than ten neighbours")
    assert str(complaint_of("[Fe+8]")).startswith("an atom with more than ten neighbours or charges")


def test_scaffolds() -> None:
    groups = scaffold_groups(["Cc1ccc(F)cc1", "c1ccccc1CC", "C1CCCCC1", "CC", "CCO", "[Na+].C", "C1CC", "CC1"])
    assert groups[0] == groups[1] != groups[2]
    assert groups[3] == groups[4] == groups[5] == "without a ring"
    assert groups[6] != groups[7]


def test_a_salt_stays_with_its_acid_and_its_parent() -> None:
    pairs = [
        ("OC(=O)c1ccccc1OC(C)=O", "[Na+].[O-]C(=O)c1ccccc1OC(C)=O"),
        ("CN1CCC[C@H]1c1cccnc1", "Cl.CN1CCC[C@H]1c1ccc[nH+]c1"),  # a proton on the ring, and its mirror image
        ("CN1CCC[C@@H]1c1cccnc1", "CN1CCC[C@H]1c1cccnc1.OC(=O)C(O)C(O)C(=O)O"),
        ("CCN(CC)CCOC(=O)c1ccc(N)cc1", "Cc1ccc(cc1)S(=O)(=O)O.CCN(CC)CCOC(=O)c1ccc(N)cc1"),  # a ring in the other part
        ("NCCS", "OP(=O)(O)O.[NH3+]CCS"),
        ("[NH3][Pt](Cl)(Cl)[NH3]", "[NH3][Pt](Cl)(Cl)[NH3].[Na+].[Cl-]"),
    ]
    for parent, salt in pairs:
        assert len(set(scaffold_groups([parent, salt]))) == 1
    assert len(set(scaffold_groups(["c1ccccc1.C1CCCCN1", "C1CCCCN1.c1ccccc1"]))) == 1
    assert len(set(scaffold_groups(["C1CCCCC1", "c1ccccc1", "c1ccncc1"]))) == 3


@pytest.mark.parametrize("kind", ["graph", "fingerprint"])
def test_words_for_missing_that_are_no_molecules(kind: str, tmp_path: Path) -> None:
    cohort = drugs(
        tmp_path, kind, rows={"a": "CCO", "b": "NA", "c": "[Not Available]", "d": "N", "e": "None", "f": "CCN"}
    )
    assert cohort.patients == ("a", "d", "f")
    assert "drug: 3 patients without any text (b, c, e)" in map(str, cohort.dropped)


@pytest.mark.parametrize(
    "section", [{"kind": "fingerprint"}, {"kind": "graph"}, {"kind": "sequence", "alphabet": "smiles"}]
)
def test_salts_are_told(section: dict[str, object]) -> None:
    frame = pd.DataFrame({"smiles": ["CC(=O)[O-].[Na+]", "CCO", "CCN.Cl"]}, index=["a", "b", "c"])
    read = Cohort.from_frames({"m": frame}, kinds={"m": {**section, "column": "smiles"}})
    assert "m: 2 of 3 molecules are of several parts, as salts are, which all count" in map(str, read.dropped)
