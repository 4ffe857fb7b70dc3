"""What a model wants of a cohort: columns that a manifest names may be absent or renamed, whatever the kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego import Baseplate, LegoBlock
from mmlego.data import Cohort
from mmlego.encoders import SNN, build_encoder
from mmlego.errors import InputError, LegoWarning
from mmlego.job import completed, predict_cohort, wanted_of
from mmlego.tasks import Regression
from tests.terminal import done, refused

IDS = ["p1", "p2", "p3", "p4"]
NEW = ["q1", "q2"]
GENES = ["TP53", "MDM2", "MYC"]
TRAIN = np.array([[1.0, 2, 5], [3, 2.5, 1], [5, 4, 3], [7, 3.5, 7]])
FRESH = np.array([[3.0, 9], [7, 1]])  # of TP53, which is called P53 now, and MYC; MDM2 is gone


def table(folder: Path, ids: list[str], names: list[str], values: np.ndarray) -> None:
    pd.DataFrame(values, pd.Index(ids, name="id"), names).to_csv(folder / "rna.csv")


def rows(folder: Path, ids: list[str], names: list[str], values: np.ndarray) -> None:
    pd.DataFrame(values.T, pd.Index(names, name="gene"), ids).to_csv(folder / "rna.csv")


def samples(folder: Path, ids: list[str], names: list[str], values: np.ndarray) -> None:
    for one, row in zip(ids, values, strict=True):
        pd.DataFrame({"gene": names, "tpm": row}).to_csv(folder / f"{one}.tsv", sep="\t", index=False)


def container(folder: Path, ids: list[str], names: list[str], values: np.ndarray) -> None:
    anndata = pytest.importorskip("anndata")
    obs, var = pd.DataFrame(index=ids), pd.DataFrame(index=names)
    anndata.AnnData(values.astype(np.float32), obs, var).write_h5ad(folder / "rna.h5ad")


def stays(folder: Path, ids: list[str], names: list[str], values: np.ndarray) -> None:
    wide = pd.DataFrame(values, ids, names).rename_axis("id").reset_index()
    wide.melt("id").assign(time=0).to_csv(folder / "rna.csv", index=False)


KINDS: dict[str, tuple[Callable[[Path, list[str], list[str], np.ndarray], None], dict[str, Any]]] = {
    "table": (table, {"kind": "table", "file": "rna.csv", "numeric": "MDM2", "missing": {"MDM2": [-9]}}),
    "omics": (table, {"kind": "omics", "file": "rna.csv"}),
    "genes in rows": (rows, {"kind": "omics", "file": "rna.csv", "genes": "rows"}),
    "a file a sample": (samples, {"kind": "omics", "pattern": "{key}.tsv", "value": "tpm"}),
    "AnnData": (container, {"kind": "omics", "file": "rna.h5ad"}),
    "static": (stays, {"kind": "static", "file": "rna.csv", "layout": "long", "cache": False}),
}


def written(folder: Path, kind: str, ids: list[str], names: list[str], values: np.ndarray, **more: Any) -> Path:
    """Write the files of a kind and their manifest, which names three genes; return the manifest."""
    write, section = KINDS[kind]
    folder.mkdir(exist_ok=True)
    write(folder, ids, names, values)
    chosen = {"variables" if kind == "static" else "columns": GENES}
    (folder / "cohort.yaml").write_text(repr({"key": "id", "modalities": {"rna": section | chosen | more}}))
    return folder / "cohort.yaml"


@pytest.fixture
def trained(tmp_path: Path) -> Callable[[str], LegoBlock]:
    def block(kind: str) -> LegoBlock:
        cohort = Cohort.from_manifest(written(tmp_path / "train", kind, IDS, GENES, TRAIN))
        fitted = cohort.prepare(IDS).preprocessing["rna"]
        name, options = fitted.encoder()
        made = LegoBlock(build_encoder(name, options), Baseplate(Regression(), channels=4, width=8), "rna")
        made.preprocessing = fitted
        return made

    return block


@pytest.mark.parametrize("kind", KINDS)
def test_columns_that_the_manifest_names_may_be_absent_or_renamed(
    kind: str, trained: Callable[[str], LegoBlock], tmp_path: Path
) -> None:
    model = trained(kind)
    new = written(tmp_path / "new", kind, NEW, ["P53", "MYC"], FRESH)
    read = Cohort.from_manifest(new, wanted=wanted_of([model], aliases={"P53": "TP53"}))
    assert any("1 " in str(note) and "(MDM2)" in str(note) for note in read.dropped), read.dropped
    with pytest.warns(LegoWarning, match=r"rna: 1 column of 3 absent \(MDM2\), filled as what is missing is"):
        whole = completed(model, read, missing_columns=0.34)
    made = model.preprocessing.transform(whole.frames["rna"].loc[NEW])
    known = [(FRESH[:, 0] - 4) / TRAIN[:, 0].std(), (FRESH[:, 1] - 4) / TRAIN[:, 2].std()]  # both have the mean 4
    torch.testing.assert_close(made[:, [0, 2]].double(), torch.tensor(np.stack(known, axis=1)), rtol=0, atol=1e-4)
    torch.testing.assert_close(made[:, 1], torch.zeros(2), rtol=0, atol=1e-6)  # median and mean are both 3
    # As where the manifest takes all columns: the same numbers.
    everything = written(tmp_path / "all", kind, NEW, ["P53", "MYC"], FRESH, **(
        {"variables": "*"} if kind == "static" else {"columns": "*", "numeric": [], "missing": []}
        if kind == "table" else {"columns": "*"}
    ))  # fmt: skip
    other = Cohort.from_manifest(everything, wanted=wanted_of([model], aliases={"P53": "TP53"}))
    with pytest.warns(LegoWarning):
        other = completed(model, other, missing_columns=0.34)
    torch.testing.assert_close(model.preprocessing.transform(other.frames["rna"].loc[NEW]), made)


@pytest.mark.parametrize("kind", KINDS)
def test_the_limit_and_the_names_hold_for_named_columns(
    kind: str, trained: Callable[[str], LegoBlock], tmp_path: Path
) -> None:
    model = trained(kind)
    new = written(tmp_path / "new", kind, NEW, ["P53", "MYC"], FRESH)
    with pytest.raises(InputError, match=r"2 columns of 3 absent \(TP53, MDM2\): expected at most 5%"):
        completed(model, Cohort.from_manifest(new, wanted=wanted_of([model])))
    with pytest.raises(InputError, match=r"alias 'P54': no column of the files is called so\. Known: .*P53"):
        Cohort.from_manifest(new, wanted=wanted_of([model], aliases={"P54": "TP53"}))
    with pytest.raises(InputError, match=r"alias 'P53': the model was not trained on 'TP35'"):
        Cohort.from_manifest(new, wanted=wanted_of([model], aliases={"P53": "TP35"}))
    with pytest.raises(InputError, match=r"alias 'P53': there is a column 'MYC', too"):
        Cohort.from_manifest(new, wanted=wanted_of([model], aliases={"P53": "MYC"}))
    with pytest.raises(InputError, match="matches 'TP53'"):  # to train, a name that is not there is a mistake
        Cohort.from_manifest(new)


def test_variables_of_series_have_other_names_and_codes_go_with_them(tmp_path: Path) -> None:
    section = {"kind": "series", "file": "s.csv", "layout": "long", "variables": ["HR", "GCS"], "cache": False}
    section |= {"codes": {"GCS": {"low": 3}}, "horizon": 1}
    text = {"train": "a,0,HR,60\nb,0,HR,80\na,0,GCS,low\nb,0,GCS,15\n", "new": "c,0,Puls,70\nc,0,Coma,low\n"}
    for name, lines in text.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "s.csv").write_text("id,time,variable,value\n" + lines)
        (tmp_path / name / "cohort.yaml").write_text(repr({"key": "id", "modalities": {"icu": section}}))
    fitted = Cohort.from_manifest(tmp_path / "train" / "cohort.yaml").prepare(["a", "b"]).preprocessing["icu"]
    name, options = fitted.encoder()
    model = LegoBlock(build_encoder(name, options), Baseplate(Regression(), channels=4, width=8), "icu")
    model.preprocessing = fitted
    aliases = {"Puls": "HR", "Coma": "GCS"}
    read = Cohort.from_manifest(tmp_path / "new" / "cohort.yaml", wanted=wanted_of([model], aliases=aliases))
    stay = read.frames["icu"].iloc[0, 0]
    assert {stay.names[v]: value for v, value in zip(stay.variable, stay.value, strict=True)} == {"HR": 70, "GCS": 3}
    # Without the second alias nobody has been scored for coma, and that is told.
    less = Cohort.from_manifest(tmp_path / "new" / "cohort.yaml", wanted=wanted_of([model], aliases={"Puls": "HR"}))
    assert "icu: 1 variable not there (GCS)" in [str(note) for note in less.dropped]


def test_genes_of_mutations_have_other_names(tmp_path: Path) -> None:
    names = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\n"
    (tmp_path / "m.maf").write_text(names + "MLL2\tMissense_Mutation\ta\nTP53\tMissense_Mutation\tb\n")
    section = {"kind": "omics", "file": "m.maf", "format": "maf", "sequenced": "listed", "columns": ["KMT2D", "TP53"]}
    (tmp_path / "cohort.yaml").write_text(repr({"key": "id", "modalities": {"maf": section}}))
    train = pd.DataFrame({"KMT2D": [1.0, 0.0], "TP53": [0.0, 1.0]}, index=["x", "y"])
    fitted = Cohort.from_frames({"maf": train}, kinds={"maf": {"kind": "omics"}}).prepare(["x", "y"])
    model = LegoBlock(build_encoder("snn", {"in_features": 2}), Baseplate(Regression(), channels=4, width=8), "maf")
    model.preprocessing = fitted.preprocessing["maf"]
    read = Cohort.from_manifest(tmp_path / "cohort.yaml", wanted=wanted_of([model], aliases={"MLL2": "KMT2D"}))
    assert read.frames["maf"].to_dict("index") == {"a": {"KMT2D": 1, "TP53": 0}, "b": {"KMT2D": 0, "TP53": 1}}


def test_a_renamed_column_of_sequences_is_found(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text("id,DNA\na,ACGT\nb,GGCA\n")
    section = {"kind": "sequence", "file": "s.csv", "column": "sequence", "alphabet": "dna"}
    (tmp_path / "cohort.yaml").write_text(repr({"key": "id", "modalities": {"dna": section}}))
    with pytest.raises(InputError, match="no column 'sequence'"):
        Cohort.from_manifest(tmp_path / "cohort.yaml", wanted=wanted_of([]))
    read = Cohort.from_manifest(tmp_path / "cohort.yaml", wanted=wanted_of([], aliases={"DNA": "sequence"}))
    assert read.frames["dna"]["sequence"].to_dict() == {"a": "ACGT", "b": "GGCA"}


@pytest.mark.parametrize("kind", ["table", "omics"])
def test_a_column_that_was_trained_on_counts_no_rows_of_others(kind: str, tmp_path: Path) -> None:
    """A marker called X is no row number because the one new patient has 1 of it, or five have ever more."""
    rng = np.random.default_rng(0)
    names, manifest = ["X", "TP53"], tmp_path / "cohort.yaml"
    manifest.write_text(f"key: id\nmodalities:\n  rna: {{kind: {kind}, file: rna.csv}}\n")
    values = np.stack([rng.permutation(8), rng.normal(size=8)], axis=1)
    table(tmp_path, [f"p{i}" for i in range(8)], names, values)
    prepared = Cohort.from_manifest(manifest).prepare([f"p{i}" for i in range(8)])
    rows = prepared.preprocessing["rna"].encoder()[1]
    block = LegoBlock(build_encoder("snn", rows), Baseplate(Regression(["days"]), channels=4, width=8), "rna")
    block.preprocessing = prepared.preprocessing["rna"]
    for column in ([1.0], [2.0, 4, 5, 6, 8]):
        ids = [f"q{i}" for i in range(len(column))]
        table(tmp_path, ids, names, np.stack([column, np.zeros(len(column))], axis=1))
        read = completed(block, Cohort.from_manifest(manifest, wanted=wanted_of([block])))
        assert read.frames["rna"]["X"].tolist() == column


def test_the_key_has_no_alias(tmp_path: Path, trained: Callable[[str], LegoBlock]) -> None:
    model = trained("table")
    new = written(tmp_path / "new", "table", NEW, ["P53", "MYC"], FRESH)
    with pytest.raises(InputError, match=r"alias 'id': 'id' is the key of the patients"):
        Cohort.from_manifest(new, wanted=wanted_of([model], aliases={"id": "TP53"}))


def followed(folder: Path, outcome: str, rna: str, **more: Any) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "outcome.csv").write_text("id,target_0\n" + outcome)
    (folder / "rna.csv").write_text("id," + ",".join(GENES) + "\n" + rna)
    manifest = {
        "key": "id",
        "outcome": {"task": "regression", "file": "outcome.csv", "target": "target_0"},
        "modalities": {"rna": {"kind": "table", "file": "rna.csv"}} | more,
        "split": {"by": "group", "file": "outcome.csv", "column": "id"},
    }
    (folder / "cohort.yaml").write_text(repr(manifest))
    return folder / "cohort.yaml"


def test_whoever_has_features_is_predicted_for(tmp_path: Path, trained: Callable[[str], LegoBlock]) -> None:
    model = trained("table")
    data = followed(tmp_path / "new", "q2,1\nq3,\nq9,4\n", "q1,3,3,9\nq2,7,3,1\nq3,1,2,3\n")
    mmlego.save(model, tmp_path / "model")
    done("predict", tmp_path / "model", "-d", data, "-o", tmp_path / "p.csv")
    told = pd.read_csv(tmp_path / "p.csv", index_col=0).fillna({"note": ""})
    assert told["note"].to_dict() == {
        "q2": "", "q1": "", "q3": "", "q9": "left out: outcome, without any modality"
    }  # fmt: skip
    assert told[told.columns[0]].notna().to_dict() == {
        "q2": True, "q1": True, "q3": True, "q9": False
    }  # fmt: skip
    # The same numbers as without an outcome in the manifest.
    bare = predict_cohort(model, Cohort.from_frames({"rna": pd.read_csv(data.parent / "rna.csv", index_col=0)}))
    first = told.columns[0]
    np.testing.assert_allclose(
        told.loc[["q1", "q2", "q3"], first], bare.loc[["q1", "q2", "q3"], first], rtol=6e-4
    )  # four digits
    # Where the file of outcomes is not there, it is told, and nobody is lost.
    (data.parent / "outcome.csv").unlink()
    said = done("predict", tmp_path / "model", "-d", data, "-o", tmp_path / "again.csv")
    assert "note: outcome: not read, and not needed to predict (" in said.text
    again = pd.read_csv(tmp_path / "again.csv", index_col=0)
    assert again[first].notna().sum() == 3
    assert "outcome.csv" in refused("evaluate", tmp_path / "model", "-d", data)


def test_files_of_patients_without_an_outcome_are_theirs(tmp_path: Path) -> None:
    for name in ("q1_a.txt", "q1_b.txt", "r_2_a.txt", "r_3_a.txt", "q4_a.txt"):
        (tmp_path / name).write_text(f"a note of {name}")
    (tmp_path / "outcome.csv").write_text("id,y\nq1,1\nr_2,1\n")
    outcome = {"task": "regression", "file": "outcome.csv", "target": "y"}
    section = {"kind": "text", "pattern": "{key}_*.txt", "rows": "concat"}
    (tmp_path / "c.yaml").write_text(repr({"key": "id", "outcome": outcome, "modalities": {"notes": section}}))
    assert Cohort.from_manifest(tmp_path / "c.yaml").patients == ("q1", "r_2")
    read = Cohort.from_manifest(tmp_path / "c.yaml", wanted=wanted_of([]))
    # Whether r_3_a.txt is of r or of r_3 nobody knows: nobody is made up, and the file is named.
    assert read.patients == ("q1", "r_2", "q4")
    assert "notes: 1 file of no patient: r_3_a.txt" in [str(note) for note in read.dropped]


def test_evaluate_takes_both_too(tmp_path: Path, trained: Callable[[str], LegoBlock]) -> None:
    mmlego.save(trained("table"), tmp_path / "model")
    new = tmp_path / "new"
    data = followed(new, "q1,1\nq2,2\nq3,3\n", "q1,3,3,9\nq2,7,3,1\nq3,1,2,3\n")
    frame = pd.read_csv(new / "rna.csv").rename(columns={"TP53": "P53"}).drop(columns="MDM2")
    frame.to_csv(new / "rna.csv", index=False)
    data.write_text(data.read_text().replace("'file': 'rna.csv'", f"'file': 'rna.csv', 'columns': {GENES}"))
    options = ("-d", data, "--alias", "P53=TP53", "--missing-columns", "0.34", "--part", "all")
    assert " 3 " in done("evaluate", tmp_path / "model", *options).text
    assert "at most 5%" in refused("evaluate", tmp_path / "model", *options[:4], "--part", "all")
    done("predict", tmp_path / "model", *options, "-o", tmp_path / "p.csv")
    assert pd.read_csv(tmp_path / "p.csv").iloc[:, 1].notna().all()


def test_a_target_called_as_a_mark_is_kept() -> None:
    labs = pd.DataFrame({"crp": [1.0, 2.0, 6.0]}, index=["a", "b", "c"])
    block = LegoBlock(SNN(1), Baseplate(Regression(["note"]), channels=4, width=8), "labs")
    cohort = Cohort.from_frames({"labs": labs})
    block.preprocessing = cohort.prepare(["a", "b", "c"]).preprocessing["labs"]
    frame = predict_cohort(block, cohort)
    assert frame["predicted_note"].notna().all()
    assert (frame["note"] == "").all()
