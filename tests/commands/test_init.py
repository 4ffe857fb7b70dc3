"""``mmlego init``: what it makes of files can be checked and trained on, and what it cannot know it leaves open."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from mmlego.data import BagSource, Cohort, draft_manifest
from mmlego.data.kinds import registry
from tests.outside import SIGNAL
from tests.terminal import done, mmlego, refused

N = 30
IDS = [f"P{i:03d}" for i in range(N)]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    clinical = pd.DataFrame(
        {
            "patient_id": IDS,
            "age": rng.integers(30, 90, N),
            "sex": rng.choice(["f", "m"], N),
            "surname": [f"name {i}" for i in range(N)],
            "os_months": rng.uniform(1, 60, N).round(1),
            "os_status": rng.choice(["alive", "dead"], N),
        }
    )
    clinical.loc[3, "age"] = None
    clinical.to_csv(tmp_path / "clinical.csv", index=False)
    genes = pd.DataFrame(rng.normal(size=(N, 120)).round(3), columns=[f"ENSG{j:05d}" for j in range(120)])
    genes.insert(0, "patient_id", IDS)
    genes.to_csv(tmp_path / "rna.csv", index=False)
    vitals = {"patient_id": np.repeat(IDS, 4), "time": list(range(4)) * N, "variable": ["HR", "RR"] * 2 * N}
    pd.DataFrame({**vitals, "value": rng.normal(80, 5, 4 * N).round(1)}).to_csv(tmp_path / "vitals.csv", index=False)
    (tmp_path / "slides").mkdir()
    for patient in IDS[:20]:
        torch.save(torch.randn(3, 4), tmp_path / "slides" / f"{patient}_s1.pt")
    (tmp_path / "slides" / "Q1_s1.pt").write_bytes(b"")
    return tmp_path


def test_files_become_a_manifest_that_can_be_read(files: Path) -> None:
    names = ["clinical.csv", "rna.csv", "vitals.csv", "slides"]
    out = files / "cohort.yaml"
    said = done("init", *(files / name for name in names), "-o", out, width=200)
    text = out.read_text()
    assert text in said.out
    manifest = yaml.safe_load(text)
    assert manifest["key"] == "patient_id"
    assert "outcome" not in manifest, "what is predicted is never chosen"
    assert manifest["modalities"] == {
        "clinical": {"kind": "table", "file": "clinical.csv", "columns": ["age", "sex"]},
        "rna": {"kind": "omics", "file": "rna.csv"},
        "vitals": {
            "kind": "series", "file": "vitals.csv", "time": "time", "variable": "variable", "value": "value",
            "unit": "hours",
        },
        "slides": {"kind": "bag", "pattern": "slides/{key}_s1.pt"},
    }  # fmt: skip
    for comment in (
        "- age  # numbers from",
        ", 1 empty",
        "# - surname  # doubtful: 30 different texts in 30 rows",
        "#   task: survival",
        "#   time: os_months",
        "#   unit: months",
        "#   event: os_status  # categories: ",
        "#   event_when:  # fill in",
        "unit: hours  # doubtful",
        "# doubtful: 1 file of 21 named after no patient (Q1_s1)",
    ):
        assert comment in text, comment
    (files / "slides" / "Q1_s1.pt").unlink()
    assert Cohort.from_manifest(out).patients == tuple(IDS)


def test_the_suggested_outcome_is_right_once_it_is_filled_in(files: Path) -> None:
    out = files / "cohort.yaml"
    done("init", files / "clinical.csv", files / "rna.csv", "-o", out)
    text = out.read_text().replace("event_when:  #", "event_when: dead  #")
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("# outcome:"))
    lines[start : start + 7] = [line.removeprefix("# ").replace("#   ", "  ") for line in lines[start : start + 7]]
    out.write_text("\n".join(lines))
    cohort = Cohort.from_manifest(out)
    assert cohort.outcome is not None
    assert "Nothing is wrong." in done("check", out).out


def test_nothing_is_overwritten_unasked(files: Path) -> None:
    out = files / "cohort.yaml"
    out.write_text("mine")
    assert "--overwrite" in refused("init", files / "rna.csv", "-o", out)
    assert out.read_text() == "mine"
    done("init", files / "rna.csv", "-o", out, "--overwrite")
    assert yaml.safe_load(out.read_text())["key"] == "patient_id"


def test_files_that_lie_elsewhere_have_a_root(files: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("elsewhere") / "cohort.yaml"
    done("init", files / "rna.csv", files / "clinical.csv", "-o", out)
    assert yaml.safe_load(out.read_text())["roots"] == [str(files)]
    assert len(Cohort.from_manifest(out)) == N


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"a": ["x", "y", "z"], "b": ["u", "v", "w"]}, r"several columns could be the patients' ids (a, b). Say which"),
        ({"a": ["x", "x", "z"], "b": [1, 1, 2]}, "no column tells the patients apart"),
        ({"id": ["x", "y", "z"]}, "nothing in the files can be a modality"),
    ],
)
def test_what_cannot_be_known_is_asked_for(columns: dict[str, list[object]], message: str, tmp_path: Path) -> None:
    pd.DataFrame(columns).to_csv(tmp_path / "t.csv", index=False)
    assert message in refused("init", tmp_path / "t.csv", "-o", tmp_path / "cohort.yaml")
    assert not (tmp_path / "cohort.yaml").exists()
    assert "there is no file" in refused("init", tmp_path / "no.csv", "-o", tmp_path / "cohort.yaml")


def test_the_key_may_be_said(tmp_path: Path) -> None:
    pd.DataFrame({"a": ["x", "y", "z"], "b": ["u", "v", "w"], "age": [1, 2, 3]}).to_csv(tmp_path / "t.csv", index=False)
    done("init", tmp_path / "t.csv", "-o", tmp_path / "cohort.yaml", "--key", "b")
    assert yaml.safe_load((tmp_path / "cohort.yaml").read_text())["key"] == "b"
    error = refused("init", tmp_path / "t.csv", "-o", tmp_path / "c.yaml", "--key", "agee")
    assert error == "no table has a column 'agee'. Did you mean 'age'?"


def test_wide_parts_of_one_file(tmp_path: Path) -> None:
    """As the TCGA files of survival papers have it: identifiers, outcome, and several wide parts in one table."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"case_id": IDS, "age": rng.integers(30, 90, N), "censorship": rng.integers(0, 2, N)})
    for part in ("rnaseq", "cnv"):
        wide = pd.DataFrame(rng.normal(size=(N, 110)).round(3), columns=[f"G{j}_{part}" for j in range(110)])
        table = pd.concat([table, wide], axis=1)
    table.to_csv(tmp_path / "tcga.csv.zip", index=False)
    done("init", tmp_path / "tcga.csv.zip", "-o", tmp_path / "cohort.yaml")
    modalities = yaml.safe_load((tmp_path / "cohort.yaml").read_text())["modalities"]
    assert modalities["tcga_rnaseq"] == {"kind": "omics", "file": "tcga.csv.zip", "columns": "*_rnaseq"}
    assert modalities["tcga_cnv"] == {"kind": "omics", "file": "tcga.csv.zip", "columns": "*_cnv"}
    assert modalities["tcga"]["columns"] == ["age"]
    cohort = Cohort.from_manifest(tmp_path / "cohort.yaml")
    assert {name: frame.shape[1] for name, frame in cohort.frames.items()} == {
        "tcga_rnaseq": 110, "tcga_cnv": 110, "tcga": 1
    }  # fmt: skip


def test_slides_are_no_patients_and_molecules_may_name_themselves(tmp_path: Path) -> None:
    slides = pd.DataFrame({"slide_id": [f"{p}-{i}" for i, p in enumerate(IDS)], "case_id": [*IDS[:-1], IDS[0]]})
    slides["age"] = range(40, 40 + N)
    slides.to_csv(tmp_path / "slides.csv", index=False)
    done("init", tmp_path / "slides.csv", "-o", tmp_path / "cohort.yaml")
    manifest = yaml.safe_load((tmp_path / "cohort.yaml").read_text())
    assert manifest["key"] == "case_id"
    assert manifest["modalities"]["slides"]["rows"] == "first"
    smiles = ["CCO", "c1ccccc1O", "CC(=O)Oc1ccccc1C(=O)O", "C1CCCCC1N"]
    pd.DataFrame({"smiles": smiles, "toxic": [0, 1, 1, 0]}).to_csv(tmp_path / "drugs.csv", index=False)
    done("init", tmp_path / "drugs.csv", "-o", tmp_path / "drugs.yaml")
    text = (tmp_path / "drugs.yaml").read_text()
    assert yaml.safe_load(text)["modalities"] == {
        "drugs_molecule": {"kind": "fingerprint", "file": "drugs.csv", "column": "smiles"}
    }
    assert "#   label: toxic" in text


def test_each_kind_says_which_files_are_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That of the page on the house too, which stands in for one of another package."""
    monkeypatch.setattr(registry.KINDS, "_known", dict(registry.KINDS.items()))
    monkeypatch.setattr(registry._FITTED, "_known", dict(registry._FITTED.items()))
    exec(compile(SIGNAL, "architecture.md", "exec", dont_inherit=True), {"__name__": "signal_of_the_page"})
    pd.DataFrame({"patient": IDS, "age": range(N)}).to_csv(tmp_path / "clinical.csv", index=False)
    for folder, ending in {"ecg": ".npy", "ppi": ".graphml.gz", "xrays": ".PNG", "notes": ".txt"}.items():
        (tmp_path / folder).mkdir()
        for patient in IDS:
            (tmp_path / folder / f"{patient}{ending}").write_bytes(b"")
    (tmp_path / "dna.fa.gz").write_bytes(b"")
    names = ("clinical.csv", "ecg", "ppi", "xrays", "notes", "dna.fa.gz")
    text = draft_manifest([tmp_path / name for name in names], tmp_path)
    found = yaml.safe_load(text)["modalities"]
    assert found["ecg"] == {"kind": "signal", "pattern": "ecg/{key}.npy"}
    assert found["ppi"] == {"kind": "graph", "pattern": "ppi/{key}.graphml.gz"}
    assert found["dna"] == {"kind": "sequence", "file": "dna.fa.gz"}
    assert found["xrays"]["kind"] == "image"
    assert found["xrays"]["pattern"] == "xrays/{key}.PNG"
    assert "# size: [224, 224]  # fill in: rows and columns of pixels; no file can be read to tell them" in text
    assert found["notes"] == {"kind": "text", "pattern": "notes/{key}.txt"}
    assert "pattern: notes/{key}.txt\n    # model:  # fill in before training" in text
    # Of two that read an ending the one counts that was installed for it, and the other is named.
    monkeypatch.setattr(BagSource, "endings", (*BagSource.endings, ".npy"))
    text = draft_manifest([tmp_path / name for name in names], tmp_path)
    assert "kind: signal  # doubtful: or bag, to which such files may belong, too" in text


def drafted(folder: Path, *names: str) -> dict[str, dict[str, object]]:
    """Return the modalities of the manifest that is made of files."""
    out = folder / "cohort.yaml"
    done("init", *(folder / name for name in names), "-o", out, "--overwrite", width=200)
    return yaml.safe_load(out.read_text())["modalities"]


def outcome(folder: Path) -> None:
    pd.DataFrame({"patient": IDS, "died": ["yes", "no"] * 15}).to_csv(folder / "outcome.csv", index=False)


def test_genes_in_rows_and_mutations(tmp_path: Path) -> None:
    outcome(tmp_path)
    samples = [f"{patient}-01" for patient in IDS]
    genes = pd.DataFrame(1.5, index=[f"G{i}" for i in range(40)], columns=samples)
    genes.insert(0, "Entrez_Gene_Id", range(40))
    genes.to_csv(tmp_path / "rna.txt", sep="\t", index_label="Hugo_Symbol")
    lines = {"Hugo_Symbol": "TP53", "Variant_Classification": "Silent", "Tumor_Sample_Barcode": samples}
    pd.DataFrame(lines).to_csv(tmp_path / "mutations.txt", sep="\t", index=False)
    assert drafted(tmp_path, "outcome.csv", "rna.txt", "mutations.txt") == {
        "rna": {"kind": "omics", "file": "rna.txt", "genes": "rows", "id": {"length": 4}},
        "mutations": {
            "kind": "omics", "file": "mutations.txt", "format": "maf", "sequenced": "listed", "id": {"length": 4}
        },
    }  # fmt: skip
    assert "#   label: died" in (tmp_path / "cohort.yaml").read_text()


def _matrix(first: str, cells: str = "{patient}") -> list[str]:
    names = [first, *(cells.format(patient=patient) for patient in IDS)]
    return ["\t".join(names[not first :]), *("\t".join([f"G{i}", *(str(i + n) for n in range(N))]) for i in range(3))]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("series.txt", ['!Series_title\t"a trial"', "!series_matrix_table_begin", *_matrix('"ID_REF"', '"{patient}"'),
                        "!series_matrix_table_end"]),
        ("matrix.txt", _matrix("")),
        ("matrix.tsv", _matrix("")),
        ("set.gct.txt", ["#1.2", "3\t30", *_matrix("Name")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("packed", [False, True])
def test_matrices_that_are_no_tables(tmp_path: Path, name: str, lines: list[str], packed: bool) -> None:
    """A series matrix of GEO, a GCT, and what R writes without a name for the row names: ``check`` reads them, too."""
    outcome(tmp_path)
    text = ("\n".join(lines) + "\n").encode()
    name = f"{name}.gz" if packed else name
    (tmp_path / name).write_bytes(gzip.compress(text) if packed else text)
    found = drafted(tmp_path, "outcome.csv", name)
    assert list(found.values()) == [{"kind": "omics", "file": name, "genes": "rows"}]
    with open(tmp_path / "cohort.yaml", "a") as manifest:
        manifest.write("outcome: {task: classification, file: outcome.csv, label: died}\n")
    cohort = Cohort.from_manifest(tmp_path / "cohort.yaml")
    values = cohort.prepare(IDS).data(IDS).batch().inputs[next(iter(found))]
    expected = (np.arange(N) - np.arange(N).mean()) / np.arange(N).std(ddof=1)  # of each gene, as patients are numbered
    np.testing.assert_allclose((values - values.mean(0)) / values.std(0), np.tile(expected[:, None], 3), atol=1e-5)


def test_an_export_of_patients_in_rows_is_told(tmp_path: Path) -> None:
    outcome(tmp_path)
    (tmp_path / "age.csv").write_text("patient,age\n" + "".join(f"{patient},50\n" for patient in IDS))
    lines = ["a\tb\tc", *(f"{patient}\t1\t2\t3" for patient in IDS)]
    (tmp_path / "export.tsv").write_text("\n".join(lines) + "\n")
    assert list(drafted(tmp_path, "outcome.csv", "age.csv", "export.tsv")) == ["age"]
    assert "programs leave out the name of the row names" in (tmp_path / "cohort.yaml").read_text()


def test_stays_of_a_file_each_are_one_series(tmp_path: Path) -> None:
    outcome(tmp_path)
    (tmp_path / "stays").mkdir()
    for patient in IDS:
        table = pd.DataFrame({"HR": [60, 61], "ICULOS": [1, 2]})
        table.to_csv(tmp_path / "stays" / f"{patient}.psv", sep="|", index=False)
    assert drafted(tmp_path, "stays", "outcome.csv") == {
        "stays": {"kind": "series", "file": "stays", "layout": "wide", "time": "ICULOS"}
    }


def test_shards_of_meds_are_one_series(tmp_path: Path) -> None:
    (tmp_path / "data" / "train").mkdir(parents=True)
    time = pd.Timestamp("2020-01-01")
    rows = {"subject_id": [1, 2], "time": time, "code": "HR", "numeric_value": [60.0, 70.0]}
    pd.DataFrame(rows).to_parquet(tmp_path / "data" / "train" / "0.parquet", index=False)
    labels = pd.DataFrame({"subject_id": [1, 2], "prediction_time": time, "boolean_value": [True, False]})
    labels.to_parquet(tmp_path / "labels.parquet", index=False)
    assert drafted(tmp_path, "data", "labels.parquet") == {
        "data": {
            "kind": "series", "file": "data", "layout": "meds", "window": [-8760, 0],
            "index": {"file": "labels.parquet", "column": "prediction_time"},
        }
    }  # fmt: skip


def test_folders_of_slices_are_volumes(tmp_path: Path) -> None:
    outcome(tmp_path)
    for patient in IDS:
        (tmp_path / "ct" / patient).mkdir(parents=True)
        for slice_ in ("1", "2"):
            (tmp_path / "ct" / patient / f"IM{slice_}.dcm").write_bytes(b"")
    assert drafted(tmp_path, "ct", "outcome.csv") == {
        "ct": {"kind": "volume", "pattern": "ct/{key}/*.dcm", "rows": "series"}
    }


def test_sheets_and_decimal_commas(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    with pd.ExcelWriter(tmp_path / "all.xlsx") as book:
        pd.DataFrame({"patient": IDS, "age": range(N), "note": "x"}).to_excel(book, sheet_name="basics", index=False)
        pd.DataFrame({"patient": IDS, "hb": ["12,5"] * 29 + ["< 3"], "k": range(N)}).to_excel(
            book, sheet_name="labs", index=False
        )
    assert drafted(tmp_path, "all.xlsx") == {
        "basics": {"kind": "table", "file": "all.xlsx#basics", "columns": ["age"]},
        "labs": {"kind": "table", "file": "all.xlsx#labs", "columns": ["hb", "k"]},
    }
    assert "- hb  # numbers from 12.5 to 12.5; doubtful: '< 3' 1×" in (tmp_path / "cohort.yaml").read_text()


def test_cells_of_patients_are_averaged(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    outcome(tmp_path)
    obs = pd.DataFrame({"patient": IDS * 2}, index=[f"cell{i}" for i in range(2 * N)])
    anndata.AnnData(np.ones((2 * N, 3), dtype=np.float32), obs=obs).write_h5ad(tmp_path / "cells.h5ad")
    assert drafted(tmp_path, "cells.h5ad", "outcome.csv") == {
        "cells": {"kind": "omics", "file": "cells.h5ad", "rows": "mean"}
    }


def test_a_damaged_parquet_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"x")
    assert "cannot read 'a.parquet'" in refused("init", tmp_path / "a.parquet", "-o", tmp_path / "cohort.yaml")


def usable(folder: Path, *names: str) -> tuple[dict[str, dict[str, object]], str]:
    """Return the modalities of a manifest that check accepts as it stands, and its text."""
    found = drafted(folder, *names)
    said = done("check", folder / "cohort.yaml", width=200)
    assert said.text.endswith("Nothing is wrong.")
    assert len(Cohort.from_manifest(folder / "cohort.yaml")) > 0
    return found, (folder / "cohort.yaml").read_text()


def write_notes(folder: Path) -> None:
    (folder / "notes").mkdir()
    for patient in IDS:
        text = f"Seen on Monday, feeling better, no fever.\n{patient}, sent home, after two days; to be seen again."
        (folder / "notes" / f"{patient}.txt").write_text(text)


def test_notes_alone(tmp_path: Path) -> None:
    write_notes(tmp_path)
    one_by_one = [f"notes/{patient}.txt" for patient in IDS[:3]]
    for names in (["notes"], one_by_one):
        found, text = usable(tmp_path, *names)
        assert found == {"notes": {"kind": "text", "pattern": "notes/{key}.txt"}}
        assert yaml.safe_load(text)["key"] == "patient"
        assert "key: patient  # doubtful: no table names the column of ids" in text
        assert "# doubtful: no table names the patients: each name of a file is taken for an id" in text
    assert Cohort.from_manifest(tmp_path / "cohort.yaml").patients == tuple(IDS)
    assert "doubtful: notes: names no model, which training needs" in done("check", tmp_path / "cohort.yaml").text
    # With an outcome it is to be trained, and then a model has to be there.
    outcome(tmp_path)
    lines = "outcome: {task: classification, file: outcome.csv, label: died}\n"
    (tmp_path / "cohort.yaml").write_text(lines + (tmp_path / "cohort.yaml").read_text())
    assert "wrong: notes: names no model" in mmlego("check", tmp_path / "cohort.yaml", width=200).text
    assert "text names no model" in refused("train", "-d", tmp_path / "cohort.yaml", "-o", tmp_path / "run")


def test_notes_beside_a_table_and_in_one(tmp_path: Path) -> None:
    write_notes(tmp_path)
    outcome(tmp_path)
    found, _ = usable(tmp_path, "notes", "outcome.csv")
    assert found == {"notes": {"kind": "text", "pattern": "notes/{key}.txt"}}
    reports = [f"The report of patient {patient} says that all is well again" for patient in IDS]
    table = pd.DataFrame({"patient": IDS * 2, "report": [*reports, *(f"Later, {one}" for one in reports)]})
    table.to_csv(tmp_path / "reports.csv", index=False)
    found, _ = usable(tmp_path, "outcome.csv", "reports.csv")
    assert found == {"reports_report": {"kind": "text", "file": "reports.csv", "column": "report", "rows": "first"}}


def test_images_have_a_size_of_their_files(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "xrays").mkdir()
    for i, patient in enumerate(IDS):
        dtype = np.uint16 if i == 3 else np.uint8
        pixels = np.random.default_rng(i).integers(0, 255, (400 + 10 * i, 800)).astype(dtype)
        image.fromarray(pixels).save(tmp_path / "xrays" / f"{patient}.PNG")
    found, text = usable(tmp_path, "xrays")
    median = 400 + 10 * np.median(range(len(IDS)))
    size = [round(224 * median / 800), 224]  # the longer side 224, as high as it is wide
    assert found["xrays"] == {"kind": "image", "pattern": "xrays/{key}.PNG", "size": size, "bits": 16}
    assert f"files have 400×800 to {400 + 10 * (len(IDS) - 1)}×800" in text
    assert "bits: 16  # doubtful: files have 8 and 16 bits" in text


def test_volumes_have_a_size_of_their_files(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel")
    (tmp_path / "ct").mkdir()
    for i, patient in enumerate(IDS[:4]):
        voxels = np.random.default_rng(i).normal(size=(120, 60, 40 + i)).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([1.0, 1, 2, 1])), tmp_path / "ct" / f"{patient}.nii.gz")
    found, text = usable(tmp_path, "ct")
    assert found["ct"] == {"kind": "volume", "pattern": "ct/{key}.nii.gz", "size": [42, 48, 96]}  # 60 × 120 as 48 × 96
    assert "files have 40×60×120 to 43×60×120" in text


def test_many_files_of_no_known_kind_are_one_line(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(40, 2))
    table = pd.DataFrame(values, columns=["TP53", "MYC"]).rename_axis("patient").reset_index()
    table["patient"] = [f"p{i:02d}" for i in range(40)]
    table.to_csv(tmp_path / "clinical.csv", index=False)
    (tmp_path / "slides").mkdir()
    for number in range(30):
        (tmp_path / "slides" / f"s{number:02d}.weird").write_bytes(b"x")
    done("init", tmp_path / "clinical.csv", tmp_path / "slides", "-o", tmp_path / "cohort.yaml")
    lines = [line for line in (tmp_path / "cohort.yaml").read_text().splitlines() if "weird" in line]
    assert lines == ["# left out: s00.weird and 29 more of its folder: of a kind that is not known here"]
