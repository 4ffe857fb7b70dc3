"""The TCGA tables of the paper: one row a slide, so that patients repeat."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch

from mmlego.data import Cohort, PatientData, check_split, halves, split_patients
from mmlego.errors import InputError

MANIFEST = """
name: tcga-{name}
key: case_id
outcome: {{task: survival, file: {file}, time: survival_months, event: censorship, event_when: 0, bins: 4}}
modalities:
  rna:      {{kind: table, file: {file}, columns: "*_rnaseq", keep: 200}}
  cnv:      {{kind: table, file: {file}, columns: "*_cnv"}}
  mut:      {{kind: table, file: {file}, columns: "*_mut"}}
  clinical: {{kind: table, file: {file}, columns: [age, is_female], rows: first}}
"""


def place(tcga: Path, folder: Path, name: str) -> Path:
    file = f"tcga_{name}_all_clean.csv.zip"
    shutil.copy(tcga / file, folder / file)
    path = folder / "cohort.yaml"
    path.write_text(MANIFEST.format(name=name, file=file))
    return path


def test_blca(tcga: Path, tmp_path: Path) -> None:
    cohort = Cohort.from_manifest(place(tcga, tmp_path, "blca"))
    raw = pd.read_csv(tcga / "tcga_blca_all_clean.csv.zip").drop_duplicates("case_id").set_index("case_id")
    assert len(cohort) == len(raw) == 373
    assert {name: frame.shape for name, frame in cohort.frames.items()} == {
        "rna": (373, 1554),
        "cnv": (373, 256),
        "mut": (373, 371),
        "clinical": (373, 2),
    }
    assert cohort.outcome["event"].to_dict() == (raw["censorship"] == 0).astype(float).to_dict()
    assert cohort.outcome["time"].to_dict() == raw["survival_months"].to_dict()
    assert "dropped: outcome, rna, cnv, mut: 64 rows merged, equal to another row of the patient" in cohort.summary()
    assert " x    x    x      x           373" in cohort.summary()

    split = split_patients(cohort.patients, cohort.strata(), folds=5, seed=0)[0]
    check_split(split, cohort.patients)
    events = cohort.strata().double()
    for rows in split.parts().values():
        assert abs(events[rows].mean() - events.mean()) < 0.02
    left, right = halves(split.train, cohort.patients, cohort.strata(), parts=2)
    prepared = cohort.prepare([cohort.patients[row] for row in left])
    assert {name: table.out_features for name, table in prepared.preprocessing.items()}["rna"] == 200
    assert len(prepared.task.cuts) == 3
    train, other = (prepared.data([cohort.patients[row] for row in rows]) for rows in (left, right))
    values = train.batch().inputs["rna"]
    torch.testing.assert_close(values.mean(0), torch.zeros(200), atol=1e-5, rtol=0)
    assert other.batch().inputs["rna"].mean(0).abs().max() > 0.05
    assert train.batch().inputs["clinical"].shape == (len(left), 2)
    assert not {*train.patients} & {*other.patients}


def test_kirp_has_no_copy_numbers(tcga: Path, tmp_path: Path) -> None:
    path = place(tcga, tmp_path, "kirp")
    with pytest.raises(InputError, match=r"cnv: no column matches '\*_cnv'"):
        Cohort.from_manifest(path)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if "cnv" not in line))
    cohort = Cohort.from_manifest(path)
    assert len(cohort) == 260
    assert cohort.frames["clinical"]["age"].isna().sum() > 0
    assert torch.isfinite(cohort.prepare(cohort.patients[:200]).data().batch().inputs["clinical"]).all()


def test_slides_as_rows_are_split_by_patient(tcga: Path) -> None:
    raw = pd.read_csv(tcga / "tcga_blca_all_clean.csv.zip", usecols=["case_id", "age", "censorship"])
    slides = {"clinical": torch.tensor(raw[["age"]].to_numpy())}
    with pytest.raises(InputError, match=r"patients with several rows \(TCGA-.*repeats='allow'"):
        PatientData(slides, patients=raw["case_id"].tolist())
    data = PatientData(slides, patients=raw["case_id"].tolist(), repeats="allow")
    assert len(data) == 437
    for split in split_patients(data.patients, raw["censorship"].to_numpy(), folds=5, repeats=2):
        check_split(split, data.patients)
        sides = [set(data.subset(rows).patients) for rows in split.parts().values()]
        assert sum(map(len, sides)) == 373
