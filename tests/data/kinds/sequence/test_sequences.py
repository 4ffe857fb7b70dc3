from __future__ import annotations

import gzip
import json
from pathlib import Path

import pandas as pd
import pytest
import torch

from mmlego import Baseplate, LegoBlock, LegoWarning, Ragged, fit, load, predict, save
from mmlego.data import Cohort, Prepared, SequencePreprocessor, duplicates, preprocessing_from_config
from mmlego.data.kinds.sequence.alphabets import ALPHABETS, read_fasta
from mmlego.encoders import build_encoder
from mmlego.errors import CheckpointError, InputError
from mmlego.tasks import Classification


def manifest(folder: Path, section: str) -> Cohort:
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities:\n  seq: {{kind: sequence, {section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def frame(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"sequence": texts}, index=[f"p{i}" for i in range(len(texts))])


def ids(fitted: SequencePreprocessor, *texts: str) -> list[list[int]]:
    return [part.tolist() for part in fitted.transform(frame(*texts))]


def test_characters_of_training_patients_alone() -> None:
    fitted = SequencePreprocessor.fit(frame("ACCA", "CG"), alphabet="dna")
    assert fitted.characters == ("A", "C", "G")
    assert ids(fitted, "gact", "TN") == [[3, 1, 2, 0], [0, 0]]
    assert fitted.transform(frame("A"))[0].dtype == torch.int64
    assert fitted.encoder() == ("char_transformer", {"vocabulary": 4})


def test_characters_of_smiles_belong_together() -> None:
    assert ALPHABETS["smiles"].cut("CCl.BrC%12[C@@H]") == ["C", "Cl", ".", "Br", "C", "%12", "[", "C", "@@", "H", "]"]
    fitted = SequencePreprocessor.fit(frame("CCl", "c1ccccc1"), alphabet="smiles")
    assert fitted.characters == ("1", "C", "Cl", "c")  # small letters are aromatic atoms


def test_long_sequences_are_cut_and_told() -> None:
    with pytest.warns(LegoWarning, match="1 training sequence of 2 longer than length=3: the end is cut"):
        fitted = SequencePreprocessor.fit(frame("AAAC", "AG"), length=3)
    assert fitted.characters == ("A", "G")
    assert ids(fitted, "GGGGG") == [[2, 2, 2]]


@pytest.mark.parametrize("name", ["seq.fasta", "seq.fa.gz", "seq.faa"])
def test_fasta(name: str, tmp_path: Path) -> None:
    content = b">p1 homo sapiens\nACGT\nAC GT\n;note\n\n>p2\nGG\n>p3\n"
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    cohort = manifest(tmp_path, f"file: {name}, alphabet: dna")
    assert cohort.frames["seq"]["sequence"].to_dict() == {"p1": "ACGTACGT", "p2": "GG"}
    assert [str(note) for note in cohort.dropped] == ["seq: 1 patient without any text (p3)"]
    assert "seq       sequence         2        1" in cohort.summary()
    data = cohort.prepare(["p1"]).data()
    batch = data.batch()
    assert isinstance(batch.inputs["seq"], Ragged)
    assert batch.inputs["seq"].unbind()[1].tolist() == [3, 3]


def test_a_column_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "drugs.csv").write_text("id,smiles,x\n1,CCO,\n2,,1\n1,CCO,5\n3, c1ccccc1 ,2\n")
    cohort = manifest(tmp_path, "file: drugs.csv, column: smiles, alphabet: smiles")
    assert cohort.frames["seq"]["smiles"].to_dict() == {"1": "CCO", "3": "c1ccccc1"}
    assert {str(note) for note in cohort.dropped} == {
        "seq: 1 patient without any text (2)",
        "seq: 1 row merged, equal to another row of the patient",
    }


def test_two_patients_with_one_sequence_are_duplicates() -> None:
    cohort = Cohort.from_frames({"seq": frame("AC", "GT", "AC")}, kinds={"seq": {"kind": "sequence"}})
    assert duplicates(cohort) == {"seq": [("p0", "p2")]}


def test_a_block_of_sequences_is_trained_saved_and_asked(tmp_path: Path) -> None:
    texts = ["ACAC" * (1 + i % 3) if i % 2 else "GTGT" * (1 + i % 3) for i in range(12)]
    died = pd.DataFrame({"died": ["no", "yes"] * 6}, index=[f"p{i}" for i in range(12)])
    task = {"task": "classification", "label": "died"}
    kinds = {"seq": {"kind": "sequence", "alphabet": "dna"}}
    cohort = Cohort.from_frames({"seq": frame(*texts)}, outcome=died, task=task, kinds=kinds)
    prepared = cohort.prepare(cohort.patients)
    name, arguments = prepared.preprocessing["seq"].encoder()
    plate = Baseplate(Classification(["no", "yes"]), channels=4, width=8, heads=2, head_width=4)
    small = {"out_features": 8, "layers": 1, "heads": 2, "convolutions": 1}
    block = LegoBlock(build_encoder(name, arguments | small), plate, "seq")
    block.preprocessing = prepared.preprocessing["seq"]
    fit(block, prepared.data(), epochs=2, validation=None, progress=False)
    loaded = load(save(block, tmp_path / "block"))
    assert loaded.preprocessing == block.preprocessing
    data = Prepared(cohort, {"seq": loaded.preprocessing}, loaded.task).data()
    assert torch.equal(predict(loaded, data).probabilities, predict(block, prepared.data()).probabilities)


def test_nobody_of_the_wanted_has_a_sequence() -> None:
    table = pd.DataFrame({"age": [1.0, 2.0]}, index=["x", "y"])
    kinds = {"seq": {"kind": "sequence"}}
    prepared = Cohort.from_frames({"seq": frame("AC", "G"), "age": table}, kinds=kinds).prepare(["p0", "x", "y"])
    data = prepared.data(["x", "y"])
    assert data.batch().inputs["seq"] is None
    assert prepared.data(["x", "p1"]).batch().inputs["seq"].sizes == [0, 1]


def test_characters_of_few_patients_are_unknown() -> None:
    fitted = SequencePreprocessor.fit(frame("ACA", "AC", "AGGG"), alphabet="dna", min_patients=2)
    assert (fitted.characters, fitted.patients) == (("A", "C"), (2, 2))  # three have an A: in steps of two
    assert ids(fitted, "ACG") == [[1, 2, 0]]
    assert preprocessing_from_config(fitted.config()) == fitted
    with pytest.raises(InputError, match="no character is in the sequences of 4 patients"):
        SequencePreprocessor.fit(frame("ACA", "AC", "AGGG"), alphabet="dna", min_patients=4)


def test_what_is_saved() -> None:
    fitted = SequencePreprocessor.fit(frame("ACCA"), alphabet="dna", length=7)
    config = json.loads(json.dumps(fitted.config()))
    learnt = {"alphabet": "dna", "length": 7, "characters": ["A", "C"], "canonical": False}
    assert config == {"name": "sequence", "version": 2, **learnt, "min_patients": 1, "patients": [1, 1]}
    assert preprocessing_from_config(config) == fitted
    for bad in (
        {"characters": ["A", "A"]},
        {"characters": []},
        {"alphabet": "greek"},
        {"length": 0},
        {"patients": [1]},
    ):
        with pytest.raises(CheckpointError, match="the preprocessing of sequences is damaged"):
            SequencePreprocessor.from_config(config | bad)


FASTA = "file: a.fasta, alphabet: dna"
TABLE = "file: a.csv, column: s"
BAD = {
    "unknown characters": (FASTA, ">p1\nAC\n>p2\nAXZ\n", r"1 patient whose .* \(p2: unknown characters 'X', 'Z'\)"),
    "unknown characters of a protein": (FASTA.replace("dna", "protein"), ">p1\nMK1\n", "unknown character '1'"),
    "small letters of RNA are fine, T is not": (FASTA.replace("dna", "rna"), ">p1\nacgt\n", "unknown character 'T'"),
    "no FASTA": (FASTA, "ACGT\n", r"'a\.fasta' is no FASTA file: .* got 'ACGT'"),
    "no name": (FASTA, ">\nACGT\n", r"line 1 of 'a\.fasta' names no patient"),
    "empty": (FASTA, "", r"'a\.fasta' holds no sequences"),
    "a patient twice": (FASTA, ">p1\nAC\n>p1\nAG\n", r"1 patient with several rows that differ \(p1\)"),
    "columns of a FASTA file": (FASTA + ", column: s", ">p1\nAC\n", "a FASTA file has no columns"),
    "no such column": (TABLE, "id,t\n1,AC\n", "no column 's'. Did you mean|seq: no column 's'"),
    "an unknown alphabet": (TABLE + ", alphabet: greek", "id,s\n1,AC\n", "'alphabet' is wrong"),
    "no length": (TABLE + ", length: 0", "id,s\n1,AC\n", "'length' is wrong"),
    "nobody": (TABLE, "id,s\n1,\n", "no patient is left"),
}


@pytest.mark.parametrize("case", BAD)
def test_sequences_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    section, content, message = BAD[case]
    (tmp_path / ("a.fasta" if "fasta" in section else "a.csv")).write_text(content)
    with pytest.raises(InputError, match=message):
        manifest(tmp_path, section)


def test_unknown_characters_can_be_skipped(tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(">p1\nAC\n>p2\nAX\n")
    cohort = manifest(tmp_path, FASTA + ", on_error: skip")
    assert cohort.patients == ("p1",)
    assert "seq: 1 patient whose text cannot be used (p2: unknown character 'X')" in map(str, cohort.dropped)
    (tmp_path / "a.fasta").write_text(">p1\nXX\n")
    with pytest.raises(InputError, match="1 patient whose text cannot be used"):
        manifest(tmp_path, FASTA + ", on_error: skip")


def test_packed_files_that_are_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.fasta.gz").write_bytes(gzip.compress(b">p1\nACGT\n")[:-6])
    with pytest.raises(InputError, match=r"cannot unpack 'a\.fasta\.gz'"):
        read_fasta(tmp_path / "a.fasta.gz")
    (tmp_path / "b.fasta.gz").write_bytes(gzip.compress(b">p1\n" + b"A" * 80_000_000))
    with pytest.raises(InputError, match="grows too large when unpacked"):
        read_fasta(tmp_path / "b.fasta.gz")


def test_a_column_of_the_outcome_is_no_sequence() -> None:
    died = pd.DataFrame({"died": ["no", "yes"]}, index=["p0", "p1"])
    with pytest.raises(InputError, match=r"leakage: seq holds columns of the outcome \(died\)"):
        Cohort.from_frames(
            {"seq": died.assign(sequence="A")},
            outcome=died,
            task={"task": "classification", "label": "died"},
            kinds={"seq": {"kind": "sequence", "column": "died"}},
        )


def test_sequences_are_read_as_they_are_written(tmp_path: Path) -> None:
    """NA is asparagine and alanine, NAN a peptide of three; only what the alphabet cannot spell means missing."""
    (tmp_path / "s.csv").write_text("id,sequence\na,NA\nb,NaN\nc,ACD\nd,\ne,n/a\n")
    read = manifest(tmp_path, "file: s.csv, alphabet: protein")
    assert dict(read.frames["seq"]["sequence"]) == {"a": "NA", "b": "NaN", "c": "ACD"}
    notes = [str(note) for note in read.dropped]
    assert any("2 patients without any text (d, e)" in note for note in notes)
    assert any("2 texts taken as written, though it may mean missing (a: 'NA', b: 'NaN')" in note for note in notes)
    (tmp_path / "s.csv").write_text("id,sequence\na,007\nb,1e2\nc,None\n")
    read = manifest(tmp_path, "file: s.csv, alphabet: any")
    assert list(read.frames["seq"]["sequence"]) == ["007", "1e2", "None"]
