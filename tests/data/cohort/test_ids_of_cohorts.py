"""Ids that differ in form between the files of a cohort: brought together where that is declared, named where not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort
from mmlego.data.cohort.manifest_files import Wanted
from mmlego.errors import InputError

NUMBERS = range(60, 70)
TASK = {"task": "classification", "label": "y"}


def write(folder: Path, mine: str, theirs: str, **more: object) -> Path:
    """Write a cohort whose outcome and modality write ids in ways of their own."""
    ids = [theirs.format(i) for i in NUMBERS]
    sites = [f"s{i % 3}" for i in NUMBERS]
    pd.DataFrame({"id": ids, "y": [i % 2 for i in NUMBERS], "site": sites}).to_csv(folder / "o.csv", index=False)
    pd.DataFrame({"id": [mine.format(i) for i in NUMBERS], "x": NUMBERS}).to_csv(folder / "x.csv", index=False)
    x = {"kind": "table", "file": "x.csv"}
    manifest = {"key": "id", "outcome": {**TASK, "file": "o.csv"}, "modalities": {"x": x}, **more}
    (folder / "c.yaml").write_text(yaml.safe_dump(manifest))
    return folder / "c.yaml"


def test_floats_and_whole_numbers_meet(tmp_path: Path) -> None:
    cohort = Cohort.from_manifest(write(tmp_path, "{}.0", "{}"))
    assert cohort.frames["x"]["x"].to_dict() == {str(i): i for i in NUMBERS}


def test_a_form_of_all_files(tmp_path: Path) -> None:
    path = write(tmp_path, "{:04d}", "{:03d}")
    with pytest.raises(InputError, match=r"'0060' as '060'\. Declare id: \{number: true\} at the top of the manifest"):
        Cohort.from_manifest(path)
    split = {"by": "group", "file": "o.csv", "column": "site"}
    cohort = Cohort.from_manifest(write(tmp_path, "{:04d}", "{:03d}", id={"number": True}, split=split))
    assert cohort.patients == tuple(str(i) for i in NUMBERS)
    assert cohort.groups.of["61"] == "s1"


def test_a_section_has_a_form_of_its_own(tmp_path: Path) -> None:
    pd.DataFrame({"id": [f"{i}_a" for i in NUMBERS], "g": [f"0{i % 2}" for i in NUMBERS]}).to_csv(
        tmp_path / "g.csv", index=False
    )
    split = {"by": "group", "file": "g.csv", "column": "g"}
    path = write(tmp_path, "{}", "{}", split=split)
    with pytest.raises(InputError, match="split: 10 patients without a value of 'g'") as told:
        Cohort.from_manifest(path)
    form, section = re.findall(r"Declare id: (\{.*\}) in the section of (\w+)\.", str(told.value))[0]
    assert section == "split"
    cohort = Cohort.from_manifest(write(tmp_path, "{}", "{}", split={**split, "id": yaml.safe_load(form)}))
    assert (cohort.groups.of["60"], cohort.groups.of["61"]) == ("00", "01")  # text as it is written


def test_barcodes_of_samples_become_patients_and_rows_of_one_follow_the_rule(tmp_path: Path) -> None:
    path = write(tmp_path, "TCGA-AA-{:04d}-01A", "TCGA-AA-{:04d}")
    with (tmp_path / "x.csv").open("a") as file:
        file.write("TCGA-AA-0060-02A,999\n")
    manifest = yaml.safe_load(path.read_text())
    manifest["modalities"]["x"]["id"] = {"length": 12}
    path.write_text(yaml.safe_dump(manifest))
    with pytest.raises(InputError, match=r"1 patient with several rows that differ .TCGA-AA-0060.*rows: first"):
        Cohort.from_manifest(path)
    manifest["modalities"]["x"]["rows"] = "first"
    path.write_text(yaml.safe_dump(manifest))
    assert Cohort.from_manifest(path).frames["x"]["x"].to_dict() == {f"TCGA-AA-{i:04d}": i for i in NUMBERS}


def test_anndata_and_tables_in_memory(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata")
    obs = pd.DataFrame(index=[f"c{i}" for i in NUMBERS])
    genes = pd.DataFrame(index=["g"])
    anndata.AnnData(np.arange(60.0, 70.0)[:, None], obs, genes).write_h5ad(tmp_path / "x.h5ad")
    x = {"kind": "omics", "file": "x.h5ad", "id": {"pattern": "^c(.+)"}}
    cohort = Cohort.from_manifest(write(tmp_path, "{}", "{}", modalities={"x": x}))
    assert cohort.frames["x"]["g"].to_dict() == {str(i): float(i) for i in NUMBERS}

    frame = pd.DataFrame({"x": NUMBERS}, index=[f"{i:03d}" for i in NUMBERS])
    outcome = pd.DataFrame({"y": [i % 2 for i in NUMBERS]}, index=[f"P-{i}" for i in NUMBERS])
    kinds = {"x": {"kind": "table", "id": {"number": True}}}
    cohort = Cohort.from_frames({"x": frame}, outcome=outcome, task={**TASK, "id": {"pattern": "P-(.*)"}}, kinds=kinds)
    assert cohort.frames["x"]["x"].to_dict() == {str(i): i for i in NUMBERS}


def test_a_key_that_names_files_stays_as_it_is_written(tmp_path: Path) -> None:
    import torch

    for i in NUMBERS:
        torch.save(torch.full((2, 3), float(i)), tmp_path / f"{i:03d}.pt")
    slides = {"kind": "bag", "file": "x.csv", "pattern": "{id}.pt", "id": {"number": True}}
    cohort = Cohort.from_manifest(write(tmp_path, "{:03d}", "{}", modalities={"slides": slides}))
    assert [float(cohort.frames["slides"].loc[str(i), "bag"].features()[0, 0]) for i in NUMBERS] == list(NUMBERS)


@pytest.mark.parametrize(
    ("theirs", "remedy"),
    [("p{:03d}", "id: {case: upper}"), ("P-{:03d}", "id: {replace: {'-': ''}}"), ("P{}", "id: {number: true}")],
)
def test_one_patient_in_two_forms_is_doubted_without_an_outcome(theirs: str, remedy: str, tmp_path: Path) -> None:
    pd.DataFrame({"id": [f"P{i:03d}" for i in NUMBERS], "x": NUMBERS}).to_csv(tmp_path / "x.csv", index=False)
    # the first two are met as they are
    ids = [("P{:03d}" if i < 62 else theirs).format(i) for i in NUMBERS]
    pd.DataFrame({"id": ids, "z": NUMBERS}).to_csv(tmp_path / "z.csv", index=False)
    modalities = {name: {"kind": "table", "file": f"{name}.csv"} for name in "xz"}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"key": "id", "modalities": modalities}))
    for wanted in (None, Wanted(everybody=True)):
        cohort = Cohort.from_manifest(tmp_path / "c.yaml", wanted=wanted)
        (note,) = [str(note) for note in cohort.dropped]
        example = f"'{theirs.format(62)}' as 'P062' of x"
        assert note.startswith(f"z: 8 ids would meet in another form, {example}, and are taken for other patients")
        assert remedy in note
