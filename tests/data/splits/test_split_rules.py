"""What a manifest says of splits: scaffolds and other groups stay on one side, everywhere."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from mmlego import MissingExtraError
from mmlego.bench import Experiment, run_experiment
from mmlego.data import Cohort, Split, check_leakage, save_splits, split_patients
from mmlego.data.cohort.scaffolds import declared_groups
from mmlego.errors import InputError, UnknownNameError
from mmlego.job.begin import make_split, read_split
from mmlego.run_folder import RunFolder
from mmlego.settings import read_settings

SIZE = 48


def sites(folder: Path, split: str = "split: {by: group, file: data.csv, column: site}", **changes: object) -> Cohort:
    frame = pd.DataFrame({"id": [f"p{i}" for i in range(SIZE)]})
    frame["died"] = ["yes" if i % 2 else "no" for i in range(SIZE)]
    frame["x"] = [float(i * i % 17) for i in range(SIZE)]
    frame["site"] = [f"s{i // 4}" for i in range(SIZE)]
    frame.assign(**changes).to_csv(folder / "data.csv", index=False)
    text = (
        "key: id\noutcome: {task: classification, file: data.csv, label: died}\n"
        f"modalities: {{a: {{kind: table, file: data.csv, columns: x}}}}\n{split}\n"
    )
    (folder / "cohort.yaml").write_text(text)
    return Cohort.from_manifest(folder / "cohort.yaml")


def torn(split: Split, groups: list[str]) -> set[str]:
    """Return the groups that are on two sides."""
    sides = [{groups[row] for row in rows} for rows in split.parts().values()]
    return (sides[0] & sides[1]) | (sides[0] & sides[2]) | (sides[1] & sides[2])


def test_declared_groups_stay_together(tmp_path: Path) -> None:
    cohort = sites(tmp_path)
    groups = declared_groups(cohort)
    assert groups is not None
    assert "split by group: 12 groups, the largest of 4 patients (s0)" in cohort.summary()
    for split in cohort.split(folds=3, validation=0.2):
        assert not torn(split, groups)
    assert not torn(cohort.subset(cohort.patients[:20]).split(folds=2, validation=0)[0], groups[:20])
    with pytest.raises(InputError, match=r"is to be split by group: leakage: .* groups? in both .* take split: out"):
        cohort.split(by="patient", folds=3)
    bad = split_patients(cohort.patients, cohort.strata(), folds=3, validation=0.2)[0]
    with pytest.raises(InputError, match="split by group: leakage"):
        check_leakage(cohort, bad)


def test_runs_and_experiments_keep_them_together(tmp_path: Path) -> None:
    cohort = sites(tmp_path)
    groups = declared_groups(cohort)
    assert groups is not None
    made = make_split(cohort, RunFolder(tmp_path / "run"), 0.2, 0.2, 0, "error")
    assert not torn(made, groups)
    assert read_split(RunFolder(tmp_path / "run"), cohort) == made
    by_patient = split_patients(cohort.patients, cohort.strata(), fractions=(0.6, 0.2, 0.2))
    (tmp_path / "old").mkdir()
    save_splits(by_patient, cohort.patients, tmp_path / "old" / "private/split.json")
    with pytest.raises(InputError, match=r"leakage: .* groups? in both"):  # made before the manifest said so
        read_split(RunFolder(tmp_path / "old"), cohort)
    settings = read_settings(None, ["fit.epochs=1", "fuse.fit.epochs=1", "plate.channels=2", "plate.width=4"])
    results = run_experiment(cohort, Experiment(folds=2, repeats=1, settings=settings), tmp_path / "bench")
    tested = [set(result["patients"]) for result in results.splits]
    site = dict(zip(cohort.patients, groups, strict=True))
    assert not {site[p] for p in tested[0]} & {site[p] for p in tested[1]}


WRONG = {
    "an unknown rule": ("split: {by: site, file: data.csv, column: site}", {}, "split: 'by' is wrong"),
    "an unknown key": (
        "split: {by: group, file: data.csv, column: site, colum: site}",
        {},
        "split: unknown key 'colum'. Did you m",
    ),
    "no column": ("split: {by: group, file: data.csv}", {}, "split: 'column' is missing"),
    "another column": (
        "split: {by: group, file: data.csv, column: sites}",
        {},
        "file 'data.csv' has no column 'sites'. Did you mean 'site'",
    ),
    "no section": ("split: scaffold", {}, "split is not a section"),
    "no file": ("split: {by: group, file: other.csv, column: site}", {}, "there is no file 'other.csv'"),
    "out of the folder": ("split: {by: group, file: ../data.csv, column: site}", {}, "leaves the manifest's folder"),
    "a gap": (
        "split: {by: group, file: data.csv, column: site}",
        {"site": [None] + ["s"] * (SIZE - 1)},
        r"split: 1 patient without a value of 'site' \(p0\)",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_rules_that_cannot_be_used(case: str, tmp_path: Path) -> None:
    split, changes, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        sites(tmp_path, split, **changes)


def test_unknown_by(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown by: expected 'patient', 'scaffold', or the group of each"):
        sites(tmp_path, "").split(by="site")  # type: ignore[arg-type]


RINGS = ["c1ccccc1", "C1CCCCC1", "c1ccncc1", "c1ccoc1", "C1CCNCC1", "c1ccc2ccccc2c1"]
TAILS = ["C", "CC", "CO", "CN", "F", "Cl", "OC", "Br"]


def molecules(folder: Path, kind: str, split: str = "") -> Cohort:
    pytest.importorskip("rdkit", reason="needs mmlego[graphs]")
    pytest.importorskip("torch_geometric", reason="needs mmlego[graphs]")
    texts = [tail + ring for ring in RINGS for tail in TAILS]
    active = ["yes" if i % 2 else "no" for i in range(len(texts))]
    pd.DataFrame({"smiles": texts, "active": active}).to_csv(folder / "drugs.csv", index=False)
    (folder / "cohort.yaml").write_text(
        "key: smiles\noutcome: {task: classification, file: drugs.csv, label: active}\n"
        f"modalities: {{drug: {{kind: {kind}, file: drugs.csv, column: smiles}}}}\n{split}\n"
    )
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_scaffolds_that_the_manifest_declares(tmp_path: Path) -> None:
    cohort = molecules(tmp_path, "sequence", "split: {by: scaffold, file: drugs.csv, column: smiles}")
    assert "split by scaffold: 6 groups, the largest of 8 patients" in cohort.summary()
    groups = declared_groups(cohort)
    assert groups is not None
    for splits in (cohort.split(folds=3, validation=0.3), cohort.split(by="scaffold", folds=3, validation=0.3)):
        assert [torn(split, groups) for split in splits] == [set()] * 3
        assert sorted(row for split in splits for row in split.test) == list(range(48))
    assert not torn(make_split(cohort, RunFolder(tmp_path / "run"), 0.2, 0.2, 0, "error"), groups)


@pytest.mark.parametrize("kind", ["graph", "fingerprint", "sequence, alphabet: smiles"])
def test_scaffolds_of_a_modality(kind: str, tmp_path: Path) -> None:
    cohort = molecules(tmp_path, kind)
    assert declared_groups(cohort) is None
    groups = [ring for ring in RINGS for _ in TAILS]
    assert [torn(split, groups) for split in cohort.split(by="scaffold", folds=3, validation=0.3)] == [set()] * 3


def test_cohorts_without_molecules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=r"has no molecules to split by scaffold: .* got a: table\. Or declare split:"):
        sites(tmp_path, "").split(by="scaffold")
    monkeypatch.setitem(sys.modules, "rdkit.Chem.Scaffolds.MurckoScaffold", None)
    with pytest.raises(MissingExtraError, match=r"splitting by scaffold needs rdkit.* 'mmlego\[graphs\]'"):
        sites(tmp_path, "split: {by: scaffold, file: data.csv, column: site}")
