"""``mmlego check``: everything that is wrong, at once, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort, Report
from mmlego.errors import InputError, fault
from tests.terminal import done, mmlego

N = 40
IDS = [f"{i:03d}" for i in range(N)]
GENES = [f"g{j}" for j in range(20)]


def cohort(folder: Path) -> dict[str, object]:
    """Write files that are right, and return the manifest."""
    rng = np.random.default_rng(0)
    pd.DataFrame(rng.normal(size=(N, 20)).round(4), index=IDS, columns=GENES).to_csv(
        folder / "rna.csv", index_label="id"
    )
    clinical = pd.DataFrame({"age": rng.integers(40, 80, N), "sex": rng.choice(["f", "m"], N)}, index=IDS)
    clinical.to_csv(folder / "clinical.csv", index_label="id")
    outcome = pd.DataFrame({"months": rng.uniform(1, 60, N).round(1), "dead": rng.integers(0, 2, N)}, index=IDS)
    outcome["site"] = [f"s{i % 8}" for i in range(N)]
    outcome.to_csv(folder / "outcome.csv", index_label="id")
    task = {"task": "survival", "file": "outcome.csv", "time": "months", "event": "dead", "event_when": 1}
    kinds = {"rna": {"kind": "omics", "file": "rna.csv"}, "clinical": {"kind": "table", "file": "clinical.csv"}}
    return {"key": "id", "outcome": task, "modalities": kinds}


def write(folder: Path, manifest: object) -> Path:
    (folder / "cohort.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder / "cohort.yaml"


def wrong(*arguments: object) -> list[str]:
    """Return what a check finds wrong; the exit code has to say so."""
    said = mmlego("check", *arguments, "--json", width=400)
    found = json.loads(said.out)
    assert said.code == (1 if found["wrong"] else 0)
    assert found["ok"] == (not found["wrong"])
    return found["wrong"]


def test_nothing_is_wrong(tmp_path: Path) -> None:
    manifest = write(tmp_path, cohort(tmp_path))
    said = done("check", manifest, width=200)
    assert "Nothing is wrong." in said.out
    assert "cohort: 40 patients" in said.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clinical.csv", "cohort.yaml", "outcome.csv", "rna.csv"]
    found = json.loads(done("check", manifest, "--json").out)
    assert found["modalities"]["rna"]["columns"] == 20
    assert found["modalities"]["rna"]["taken"]["*"] == "20 numbers"
    assert found["modalities"]["clinical"]["taken"]["sex"] in said.out
    assert set(found["modalities"]["clinical"]["taken"]["sex"].split(": ")[1].split()) >= {"f", "m"}
    assert found["patients"] == 40


def test_all_sections_are_told_at_once(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    manifest["modalities"] |= {
        "labs": {"kind": "table", "file": "labs.csv"},
        "notes": {"kind": "tabel", "file": "clinical.csv"},
        "more": {"kind": "table", "file": "rna.csv", "colums": "*", "keep": 0},
        "leak": {"kind": "table", "file": "outcome.csv"},
    }
    manifest["outcome"]["event_wen"] = manifest["outcome"].pop("event_when")
    manifest["nmae"] = "x"
    found = wrong(write(tmp_path, manifest))
    expected = [
        "modality notes: unknown kind",
        "unknown key 'colums'. Did you mean 'columns'?",
        "'keep' is wrong",
        "'event_when' is missing",
        "unknown key 'event_wen'",
        "unknown key 'nmae'. Did you mean 'name'?",
    ]
    for part in expected:
        assert sum(part in line for line in found) == 1, (part, found)
    assert any("labs.csv" in line for line in found), "files are looked at all the same"
    assert len(found) == 7
    del manifest["nmae"]
    manifest["outcome"]["event_when"] = manifest["outcome"].pop("event_wen")
    found = wrong(write(tmp_path, manifest))
    assert any(line.startswith("leakage: leak holds columns of the outcome (months, dead)") for line in found)


FAULTY = """
key: id
nmae: trial
outcome: {task: survival, file: outcome.csv, time: months, event: status, event_when: deceased}
split: {by: group, file: outcome.csv, column: hospital}
modalities:
  clinical: {kind: table, file: clinical.csv, columns: [age, stage, name, visit, status, crp, sxe], numeric: [weight],
             rowz: first}
  rna: {kind: omics, file: rna.csv, columns: [TP53, MYC, BRCA1]}
  notes: {kind: text, pattern: "notes/{key}.txt"}
  dna: {kind: sequence, file: dna.csv, column: dna, alphabet: dna}
  vitals: {kind: series, file: vitals.csv, layout: long, variables: [HR, Tepm], exclude: Puls, cache: false}
  cnv: {kind: table, file: cnv.csv}
"""


def test_all_that_is_wrong_with_every_table_and_the_outcome_is_told_at_once(tmp_path: Path) -> None:
    ids = [f"P{i:02d}" for i in range(30)]
    status = ["dead" if i % 2 else "alive" for i in range(30)]
    months = ["x" if i == 3 else str(i - 2) for i in range(30)]
    files = {
        "outcome": {"months": months, "status": status},
        "clinical": {
            "age": ["> 89" if i == 4 else str(40 + i) for i in range(30)],
            "stage": ["IV" if i % 3 else "I" for i in range(30)],
            "name": [f"name {i}" for i in range(30)],
            "visit": [f"2020-01-{i % 28 + 1:02d}" for i in range(30)],
            "status": status,
            "crp": ["<0.01" if i == 2 else str(i / 10) for i in range(30)],
        },
        "rna": {"TP53": range(30), "MYC": ["bad" if i == 5 else str(i) for i in range(30)]},
        "dna": {"dna": ["ACGU" if i == 1 else "ACGT" * (i + 1) for i in range(30)]},
        "vitals": {"time": [0] * 30, "variable": ["HR"] * 30, "value": range(60, 90)},
    }
    for name, columns in files.items():
        pd.DataFrame(columns, pd.Index(ids, name="id")).to_csv(tmp_path / f"{name}.csv")
    (tmp_path / "notes").mkdir()
    for i, one in enumerate(ids):
        (tmp_path / "notes" / f"{one}.txt").write_text("" if i in (1, 2) else f"a note about {one}")
    (tmp_path / "cohort.yaml").write_text(FAULTY)
    found = wrong(tmp_path / "cohort.yaml")
    expected = [
        "cohort.yaml: modality clinical: unknown key 'rowz'. Did you mean 'rows'?",
        "cohort.yaml: unknown key 'nmae'. Did you mean 'name'?",
        "outcome column 'months' holds 1 cell that is no number: got 'x' 1.",
        "2 patients with a negative survival time (P00, P01)",
        "outcome: no patient has an event: no value of column 'status' is event_when: expected deceased",
        "clinical: no column matches 'sxe'.",
        "leakage: clinical holds columns of the outcome (status)",
        "clinical: numeric: no column matches 'weight'.",
        "clinical: 2 columns of numbers hold other words (age: '> 89' 1×; crp: '<0.01' 1×)",
        "clinical: column 'visit' holds dates",
        "clinical: 1 column tells patients apart (name: 30 values in 30 patients, as 'name 0')",
        "rna: no column matches 'BRCA1'.",
        "rna: 1 cell that are no numbers (MYC: 'bad' 1×)",
        "notes: 2 patients (P01, P02), as patient P01: text 'P01.txt' is empty",
        "dna: 1 patient whose text cannot be used (P01:",
        "vitals: no variable matches 'Tepm'.",
        "vitals: exclude: no variable matches 'Puls'.",
        "cnv: there is no file 'cnv.csv'",
        "split: ",
        "notes: names no model, which training needs",
    ]
    for part in expected:
        assert sum(part in line for line in found) == 1, (part, found)
    assert len(found) == len(expected), found
    # What the commands say has the names that they take.
    assert "say so: --data-dir, or roots: in the manifest" in mmlego("check", tmp_path / "cohort.yaml", width=400).text


def test_the_first_fault_alone_is_raised_where_a_cohort_is_read(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    manifest["modalities"]["clinical"]["columns"] = ["age", "sxe", "hight"]
    with pytest.raises(InputError, match=r"^clinical: no column matches 'sxe'\."):
        Cohort.from_manifest(write(tmp_path, manifest))
    found = wrong(write(tmp_path, manifest))
    assert [line.split(". ")[0] for line in found] == [
        "clinical: no column matches 'sxe'", "clinical: no column matches 'hight'"
    ]  # fmt: skip


def test_what_is_wrong_alike_of_very_many_patients_is_told_once(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    for one in IDS:
        (tmp_path / f"{one}.txt").write_text("")
    manifest["modalities"]["notes"] = {"kind": "text", "pattern": "{key}.txt"}
    (found,) = [line for line in wrong(write(tmp_path, manifest)) if line.startswith("notes: ") and "empty" in line]
    assert found.startswith("notes: 40 patients (000, 001, 002, ")
    assert " 011 and 28 more), as patient 000: text '000.txt' is empty" in found


def test_very_many_faults_of_one_modality_are_counted() -> None:
    report = Report()
    report.attempt(lambda: [fault(InputError(f"notes: fault {i}")) for i in range(40)], "notes")
    assert len(report.wrong) == 31
    assert report.wrong[-1] == "notes: 10 things more, as notes: fault 39"


@pytest.mark.parametrize("what", ["event", "time"])
def test_the_outcome_in_other_words(what: str, tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    outcome = pd.read_csv(tmp_path / "outcome.csv", dtype={"id": str}).set_index("id")
    clinical = pd.read_csv(tmp_path / "clinical.csv", dtype={"id": str}).set_index("id")
    clinical["x"] = outcome["dead"].map({0: "LIVING", 1: "DECEASED"}) if what == "event" else outcome["months"] * 30.4
    clinical.to_csv(tmp_path / "clinical.csv")
    (found,) = wrong(write(tmp_path, manifest))
    assert found.startswith(f"leakage: clinical: 'x' is the outcome '{what}' in other words")


def test_patients_under_two_ids(tmp_path: Path) -> None:
    manifest = write(tmp_path, cohort(tmp_path))
    rna = pd.read_csv(tmp_path / "rna.csv", dtype={"id": str}).set_index("id")
    rna.loc["007"] = rna.loc["003"]
    rna.to_csv(tmp_path / "rna.csv")
    (found,) = wrong(manifest)
    assert found.startswith("rna: 1 patient with the same features under several ids (003 = 007)")
    assert wrong(manifest, "--duplicates", "allow") == []


def split(folder: Path, part: dict[str, str] | None = None) -> Path:
    """Write a split by site, with other parts for some patients."""
    parts = {patient: ("test" if i % 8 < 2 else "val" if i % 8 == 2 else "train") for i, patient in enumerate(IDS)}
    lines = ["id,part", *(f"{patient},{name}" for patient, name in parts.items())]
    lines += [f"{patient},{name}" for patient, name in (part or {}).items()]
    (folder / "splits.csv").write_text("\n".join(lines))
    return folder / "splits.csv"


def test_splits_made_elsewhere(tmp_path: Path) -> None:
    content = cohort(tmp_path)
    manifest = write(tmp_path, content)
    assert wrong(manifest, "--splits", split(tmp_path)) == []
    said = done("check", manifest, "--splits", split(tmp_path), width=200)
    assert "split splits.csv, part: train 25, validation 5, test 10" in said.out
    (found,) = wrong(manifest, "--splits", split(tmp_path, {"003": "test"}))
    assert found == "leakage: splits.csv, part: 1 patient in both train and test (003)"
    content["split"] = {"by": "group", "file": "outcome.csv", "column": "site"}
    manifest = write(tmp_path, content)
    assert wrong(manifest, "--splits", split(tmp_path)) == []
    (tmp_path / "splits.csv").write_text("id,fold\n" + "\n".join(f"{p},{i // 20}" for i, p in enumerate(IDS)))
    found = wrong(manifest, "--splits", tmp_path / "splits.csv")
    assert found[0] == "leakage: splits.csv, fold 0: 8 groups in both train and test (s0, s1, s2, s3, s4 and 3 more)"
    assert len(found) == 2


def test_a_copy_on_two_sides_of_a_split(tmp_path: Path) -> None:
    manifest = write(tmp_path, cohort(tmp_path))
    rna = pd.read_csv(tmp_path / "rna.csv", dtype={"id": str}).set_index("id")
    rna.loc["008"] = rna.loc["003"]  # a test and a training patient
    rna.to_csv(tmp_path / "rna.csv")
    (found,) = wrong(manifest, "--splits", split(tmp_path))
    assert "1 set of patients with the same features in rna in both train and test (003 = 008)" in found


def test_ids_that_the_cohort_lacks(tmp_path: Path) -> None:
    manifest = write(tmp_path, cohort(tmp_path))
    said = mmlego("check", manifest, "--splits", split(tmp_path, {"099": "test"}), "--json", width=400)
    assert said.code == 0
    assert json.loads(said.out)["doubtful"] == ["splits.csv, part: 1 id not in the cohort (099)"]
    (tmp_path / "splits.csv").write_text("id,part\nxa,train\nxb,test\n")
    found = wrong(manifest, "--splits", tmp_path / "splits.csv")
    assert found[0] == "splits.csv, part: 2 ids not in the cohort (xa, xb)"


def test_what_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "cohort.yaml").write_text("- a\n- b\n")
    assert wrong(tmp_path / "cohort.yaml") == ["cohort.yaml is not a section: expected names with values, got list"]
    assert "No such file" in wrong(tmp_path / "nowhere.yaml")[0]


def test_a_table_that_holds_the_outcome_is_looked_at_all_the_same(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    table = pd.read_csv(tmp_path / "clinical.csv", dtype=str).assign(dead=pd.read_csv(tmp_path / "outcome.csv")["dead"])
    table.loc[3, "age"] = "> 89"
    table.to_csv(tmp_path / "clinical.csv", index=False)
    found = wrong(write(tmp_path, manifest))
    assert len(found) == 2
    assert "holds columns of the outcome (dead)" in found[0]
    assert "age: '> 89' 1×" in found[1]


def test_a_word_alone_may_be_missing(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    table = pd.read_csv(tmp_path / "clinical.csv", dtype=str)
    table.loc[3, "age"] = "> 89"
    table.to_csv(tmp_path / "clinical.csv", index=False)
    for words in ("> 89", {"age": "> 89"}):
        manifest["modalities"]["clinical"]["missing"] = words
        said = done("check", write(tmp_path, manifest), width=200).out
        assert "note: clinical: read as missing: age '> 89' 1×" in said
        assert "1 number, 1 of categories (sex 2)" in said


def test_what_is_filled_in_for_one_outcome_alone_tells_it(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    outcome = pd.read_csv(tmp_path / "outcome.csv", dtype=str)
    table = pd.read_csv(tmp_path / "clinical.csv", dtype=str)
    table["days_to_death"] = [str(100 + i * i) if dead == "1" else "'--" for i, dead in enumerate(outcome["dead"])]
    table.to_csv(tmp_path / "clinical.csv", index=False)
    found = wrong(write(tmp_path, manifest))
    assert found == [
        "leakage: clinical: whether 'days_to_death' is filled in is the outcome 'event', in all patients. "
        "Choose the columns of the modality without it."
    ]


def test_a_doubtful_column_is_told(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    table = pd.read_csv(tmp_path / "clinical.csv", dtype=str)
    table["ki67"] = ["12" if i % 3 == 0 else "low" for i in range(N)]
    table.to_csv(tmp_path / "clinical.csv", index=False)
    said = done("check", write(tmp_path, manifest), width=200).out
    assert "doubtful: clinical: ki67 has numbers in 14 of 40 cells" in said


@pytest.mark.parametrize("cache", [True, False])
def test_all_that_is_wrong_with_stays_is_told_and_none_of_it_is_kept(cache: bool, tmp_path: Path) -> None:
    lines = ["id,time,variable,value", "1,0.5,HR,80", "1,1,HR,high", "2,soon,HR,90", "2,2,pH,odd", "3,-4,HR,70"]
    (tmp_path / "long.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "set").mkdir()
    for name, value in (("1", "80"), ("2", "much"), ("3", "few")):
        text = f"Time,Parameter,Value\n00:00,RecordID,{name}\n00:10,HR,{value}\n"
        (tmp_path / "set" / f"{name}.txt").write_text(text)
    sections = {
        "table": {"kind": "series", "file": "long.csv", "cache": cache},
        "folder": {"kind": "series", "file": "set", "patient": "RecordID", "cache": cache},
    }
    manifest = write(tmp_path, {"key": "id", "modalities": sections})
    for _ in range(2):  # the same from the cache, had there been one
        said = "\n".join(wrong(manifest))
        for told in (
            "HR: 'high' 1 time",
            "pH: 'odd' 1 time",
            "time is 'soon', no time",
            "before the start, of 1 patient",
        ):
            assert told in said
        for told in ("2.txt: line 3: HR is 'much', not a number", "3.txt: line 3: HR is 'few', not a number"):
            assert told in said
    with pytest.raises(InputError, match="cannot read"):
        Cohort.from_manifest(manifest)


def test_a_doubt_is_told_once(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    clinical = pd.read_csv(tmp_path / "clinical.csv", dtype=str)
    clinical["stage"] = ["Ia", "ia", "II", "unknown"] * 10
    clinical.to_csv(tmp_path / "clinical.csv", index=False)
    said = done("check", write(tmp_path, manifest), width=1000).out
    assert said.count("which differ in form alone, each a category") == 1
    assert said.count("has the word 'unknown' 10×, taken as a category") == 1
    assert "doubtful: clinical: stage has 'Ia' and 'ia', which differ in form alone" in said


def test_what_holds_of_several_sections_is_said_once(tmp_path: Path) -> None:
    manifest = cohort(tmp_path)
    manifest["modalities"] = {
        name: {"kind": "table", "file": "rna.csv", "columns": "g*"} for name in ("first", "second")
    }
    outcome = pd.read_csv(tmp_path / "outcome.csv", dtype=str)
    outcome["id"] = [*outcome["id"][:-1], "a"]
    outcome.to_csv(tmp_path / "outcome.csv", index=False)
    rna = pd.read_csv(tmp_path / "rna.csv", dtype={"id": str})
    rna.loc[len(rna) - 1, "id"] = "A"
    rna.to_csv(tmp_path / "rna.csv", index=False)
    said = mmlego("check", write(tmp_path, manifest), width=400).out
    assert len([line for line in said.splitlines() if "first, second: " in line]) >= 1
    alike = [
        line.partition(": ")[2].partition(": ")[2]
        for line in said.splitlines()
        if line.startswith(("doubtful", "wrong"))
    ]
    assert len(alike) == len(set(alike))
