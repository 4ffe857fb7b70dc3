"""What is measured in normal tissue never stands for a tumour, in whatever layout it comes, and the remedy works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort, check_manifest
from mmlego.data.reading.remarks import Doubtful
from mmlego.errors import InputError

TUMOUR, NORMAL, OTHER = "TCGA-AA-0001-01A", "TCGA-AA-0001-11A", "TCGA-AA-0002-01A"
SAMPLES = [NORMAL, TUMOUR, OTHER]
VALUES = [9.0, 1.0, 2.0]
RIGHT = {"TCGA-AA-0001": 1.0, "TCGA-AA-0002": 2.0}
SHEET = pd.DataFrame(
    {
        "Case ID": [sample[:12] for sample in SAMPLES],
        "Sample ID": SAMPLES,
        "Sample Type": ["Solid Tissue Normal", "Primary Tumor", "Primary Tumor"],
        "File Name": ["n.counts", "t.counts", "o.counts"],
        "TP53": VALUES,
        "note": ["of the margin", "of the core", "of another core"],
    }
)


def write(folder: Path) -> None:
    """Write the same three samples in all layouts."""
    import anndata
    import mudata

    SHEET.to_csv(folder / "sheet.tsv", sep="\t", index=False)
    SHEET[["Sample ID", "TP53"]].rename(columns={"Sample ID": "id"}).to_csv(folder / "wide.csv", index=False)
    new = SHEET.drop(columns="Sample Type").assign(**{"Tissue Type": ["Normal", "Tumor", "Tumor"]})
    new.to_csv(folder / "new_sheet.tsv", sep="\t", index=False)
    SHEET.drop(columns="Sample Type").to_csv(folder / "barcodes.csv", index=False)
    for sign, name in (("-", "rows.tsv"), (".", "dots.tsv")):
        names = "\t".join(sample.replace("-", sign) for sample in SAMPLES)
        (folder / name).write_text(f"gene\t{names}\nTP53\t9\t1\t2\nMDM2\t0\t0\t0\n")
    for name, sample, value in zip(SHEET["File Name"], SAMPLES, VALUES, strict=True):
        for file in (name, f"by_name/{sample}.counts"):
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(f"TP53\t{value:g}\nMDM2\t0\n")
    obs = SHEET[["Case ID", "Sample Type"]].set_index(pd.Index(SAMPLES))
    data = anndata.AnnData(np.array(VALUES)[:, None], obs, pd.DataFrame(index=["TP53"]))
    data.write_h5ad(folder / "cells.h5ad")
    with mudata.set_options(pull_on_update=False):
        mudata.MuData({"m": data}).write(folder / "cells.h5mu")


LAYOUTS = {
    "patients in rows": ("id", "kind: omics, file: wide.csv, rows: mean, id: {length: 12}"),
    "genes in rows": ("id", "kind: omics, file: rows.tsv, genes: rows, rows: mean, id: {length: 12}"),
    "names of R": (
        "id",
        'kind: omics, file: dots.tsv, genes: rows, rows: first, id: {replace: {".": "-"}, length: 12}',
    ),
    "a table": ("id", "kind: table, file: wide.csv, rows: first, id: {pattern: '^(TCGA-..-....)'}"),
    "names of observations": ("id", "kind: omics, file: cells.h5ad, rows: mean, id: {length: 12}"),
    "names in a MuData": ("id", "kind: omics, file: cells.h5mu, rows: mean, id: {length: 12}"),
    "obs": ("Case ID", "kind: omics, file: cells.h5ad, rows: mean"),
    "obs of a MuData": ("Case ID", "kind: omics, file: cells.h5mu, rows: first"),
    "a column": ("Case ID", "kind: omics, file: sheet.tsv, columns: TP53, rows: mean"),
    "a column of a table": ("Case ID", "kind: table, file: sheet.tsv, columns: TP53, rows: first"),
    "a column of GDC today": ("Case ID", "kind: table, file: new_sheet.tsv, columns: TP53, rows: mean"),
    "barcodes in a column": ("Case ID", "kind: table, file: barcodes.csv, columns: TP53, rows: mean"),
    "a file a sample": ("Case ID", "kind: omics, file: sheet.tsv, pattern: '{File Name}', rows: mean"),
    "names of files": ("id", "kind: omics, pattern: 'by_name/{key}.counts', rows: mean, id: {length: 12}"),
}


def read(folder: Path, key: str, section: str) -> Cohort:
    (folder / "cohort.yaml").write_text(f"key: {key}\nmodalities:\n  m: {{{section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def remedied(section: str, said: str) -> str:
    """Return a section with the key that an error declares, in place of its own if it has one."""
    ((key, way),) = re.findall(r"Declare (id|where|pattern): ('[^']*'|\{.*?\}+) (?:in|to)", said)
    bare = re.sub(rf", {key}: (?:'[^']*'|\{{.*\}})", "", section)
    assert (bare != section) == (key != "where")
    return f"{bare}, {key}: {way}"


@pytest.mark.filterwarnings("ignore:.*")  # of anndata and mudata, about their own future
@pytest.mark.parametrize("layout", LAYOUTS)
def test_normal_tissue_is_never_a_tumour(layout: str, tmp_path: Path) -> None:
    pytest.importorskip("mudata")
    write(tmp_path)
    key, section = LAYOUTS[layout]
    with pytest.raises(InputError, match=r"normal tissue or blood.*Declare") as error:
        read(tmp_path, key, section)
    assert any(normal_tissue in str(check_manifest(tmp_path / "cohort.yaml").wrong) for normal_tissue in ["normal"])
    frame = read(tmp_path, key, remedied(section, str(error.value))).frames["m"]
    assert {who: frame.loc[who, "TP53"] for who in RIGHT} == RIGHT
    assert set(frame.index) - set(RIGHT) <= {NORMAL, NORMAL.replace("-", ".")}  # told as a patient of no outcome


def test_names_of_files_with_the_patients_of_an_outcome(tmp_path: Path) -> None:
    pytest.importorskip("mudata")
    write(tmp_path)
    pd.DataFrame({"id": list(RIGHT), "died": ["no", "yes"]}).to_csv(tmp_path / "o.csv", index=False)
    section = "kind: omics, pattern: 'by_name/{key}*.counts', rows: first"
    with pytest.raises(InputError, match=r"1 file of normal tissue or blood \(by_name/TCGA-AA-0001-11A") as error:
        read(tmp_path, "id\noutcome: {task: classification, file: o.csv, label: died}", section)
    cohort = read(
        tmp_path,
        "id\noutcome: {task: classification, file: o.csv, label: died}",
        remedied(section, str(error.value)),
    )
    assert cohort.frames["m"]["TP53"].to_dict() == RIGHT


def test_texts_of_two_tissues(tmp_path: Path) -> None:
    SHEET.to_csv(tmp_path / "sheet.tsv", sep="\t", index=False)
    section = "kind: sequence, file: sheet.tsv, column: note, rows: first"
    with pytest.raises(InputError, match=r"as 'Sample Type' says") as error:
        read(tmp_path, "Case ID", section)
    cohort = read(tmp_path, "Case ID", remedied(section, str(error.value)))
    assert cohort.frames["m"]["note"].to_dict() == {
        "TCGA-AA-0001": "of the core",
        "TCGA-AA-0002": "of another core",
    }
    assert "1 row left out by where: (Sample Type: Solid Tissue Normal 1×)" in cohort.summary()


def test_patients_of_normal_tissue_alone_are_doubted(tmp_path: Path) -> None:
    SHEET.iloc[[0, 2]].to_csv(tmp_path / "sheet.tsv", sep="\t", index=False)
    cohort = read(tmp_path, "Case ID", "kind: table, file: sheet.tsv, columns: TP53")
    (doubt,) = [str(note) for note in cohort.dropped if isinstance(note, Doubtful)]
    assert "1 patient with rows of normal tissue or blood alone (TCGA-AA-0001)" in doubt
    assert "where: {Sample Type: Primary Tumor}" in doubt
    cohort = read(
        tmp_path, "Case ID", "kind: table, file: sheet.tsv, columns: TP53, where: {Sample Type: Primary Tumor}"
    )
    assert cohort.frames["m"]["TP53"].to_dict() == {"TCGA-AA-0002": 2.0}
    assert not [note for note in cohort.dropped if isinstance(note, Doubtful)]


@pytest.mark.parametrize("types", [["11A", "11A", "10A"], ["01A", "06A", "02A"]])
def test_samples_of_one_tissue_are_read(types: list[str], tmp_path: Path) -> None:
    who = ["TCGA-AA-0001", "TCGA-AA-0002", "TCGA-AA-0003"]
    lines = [f"{one}-{kind},{value}" for one, kind, value in zip(who, types, VALUES, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["id,TP53", *lines]) + "\n")
    frame = read(tmp_path, "id", "kind: omics, file: a.csv, id: {length: 12}").frames["m"]
    assert frame["TP53"].to_dict() == dict(zip(who, VALUES, strict=True))


@pytest.mark.parametrize("kind", ["table", "omics"])
def test_tables_in_memory(kind: str) -> None:
    frame = SHEET.set_index("Case ID")
    kinds: dict[str, dict[str, Any]] = {"m": {"kind": kind, "columns": "TP53", "rows": "mean"}}
    with pytest.raises(InputError, match=r"1 patient with rows of tumours and of normal tissue"):
        Cohort.from_frames({"m": frame}, kinds=kinds)
    kinds["m"]["where"] = {"Sample Type": "Primary*"}
    assert Cohort.from_frames({"m": frame}, kinds=kinds).frames["m"]["TP53"].to_dict() == RIGHT
    frame = SHEET.set_index("Sample ID")[["TP53"]]
    kinds = {"m": {"kind": kind, "id": {"length": 12}, "rows": "mean"}}
    with pytest.raises(InputError, match=r"1 sample of normal tissue or blood \(TCGA-AA-0001-11A\)"):
        Cohort.from_frames({"m": frame}, kinds=kinds)


def test_an_anndata_in_memory() -> None:
    anndata = pytest.importorskip("anndata")
    obs = SHEET[["Case ID", "Sample Type"]].set_index(pd.Index(SAMPLES))
    data = anndata.AnnData(np.array(VALUES)[:, None], obs, pd.DataFrame(index=["TP53"]))
    kinds: dict[str, dict[str, Any]] = {"omics": {"kind": "omics", "rows": "mean"}}
    with pytest.raises(InputError, match=r"as 'Sample Type' says"):
        Cohort.from_mudata(data, key="Case ID", kinds=kinds)
    kinds["omics"]["where"] = {"Sample Type": ["Primary Tumor"]}
    cohort = Cohort.from_mudata(data, key="Case ID", kinds=kinds)
    assert cohort.frames["omics"]["TP53"].to_dict() == RIGHT


def test_where_says_what_it_does_not_find(tmp_path: Path) -> None:
    SHEET.to_csv(tmp_path / "sheet.tsv", sep="\t", index=False)
    section = "kind: table, file: sheet.tsv, columns: TP53, where: "
    with pytest.raises(InputError, match=r"where: no column 'Sampel Type'. Did you mean 'Sample Type'"):
        read(tmp_path, "Case ID", section + "{Sampel Type: Primary Tumor}")
    with pytest.raises(InputError, match=r"no row has 'primary' in 'Sample Type': expected one of Solid Tissue Normal"):
        read(tmp_path, "Case ID", section + "{Sample Type: primary}")
    with pytest.raises(InputError, match=r"where: no row has all that is named"):
        read(tmp_path, "Case ID", section + f"{{Sample Type: Primary Tumor, Sample ID: {NORMAL}}}")
    for other in ("kind: omics, file: a.tsv, genes: rows", "kind: bag, pattern: '{key}.h5'"):
        with pytest.raises(InputError, match=r"where: mean.* nothing for what is read from no table"):
            read(tmp_path, "Case ID", f"{other}, where: {{a: b}}")


def test_a_series_of_geo_says_of_its_samples_what_they_are(tmp_path: Path) -> None:
    lines = [
        '!Series_title\t"of tumours and normal tissue"',
        '!Sample_source_name_ch1\t"liver"\t"liver"\t"liver"',
        '!Sample_characteristics_ch1\t"tissue: adjacent normal"\t"tissue: HCC tumor"\t"tissue: HCC tumor"',
        '!Sample_characteristics_ch1\t"patient id: 7"\t"patient id: 7"\t"patient id: 9"',
        "!series_matrix_table_begin",
        '"ID_REF"\t"GSM1"\t"GSM2"\t"GSM3"',
        '"a_at"\t9\t1\t2',
        '"b_at"\t0\t0\t0',
        "!series_matrix_table_end",
    ]
    (tmp_path / "GSE1_series_matrix.txt").write_text("\n".join(lines) + "\n")
    section = "kind: omics, file: GSE1_series_matrix.txt, genes: rows"
    doubts = [str(note) for note in read(tmp_path, "id", section).dropped if isinstance(note, Doubtful)]
    assert doubts[0].startswith("m: 1 sample of normal tissue (GSM1), as !Sample_characteristics_ch1 says")
    assert doubts[1].startswith(
        "m: 1 patient with several samples (7: GSM1, GSM2), as !Sample_characteristics_ch1 says"
    )
    way = doubts[0].partition("tumours: ")[2].partition(" takes")[0]
    cohort = read(tmp_path, "id", f"{section}, {way}")
    assert cohort.frames["m"]["a_at"].to_dict() == {"GSM2": 1, "GSM3": 2}
    assert not [note for note in cohort.dropped if isinstance(note, Doubtful)]
