from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from mmlego.data import Cohort, Prepared, check_split, split_patients
from mmlego.errors import InputError, LegoWarning, MismatchError, UnknownNameError
from mmlego.tasks import Classification, Survival

NAN = float("nan")
SURVIVAL = {"task": "survival", "time": "months", "event": "dead", "event_when": 1, "bins": 2}


def cohort(frames: dict[str, pd.DataFrame], followed: pd.DataFrame, **more: object) -> Cohort:
    return Cohort.from_frames(frames, outcome=followed, task=SURVIVAL, **more)


def test_tables_are_joined_by_patient(frames, followed) -> None:
    made = cohort(frames, followed.iloc[::-1])  # the order of rows says nothing
    assert made.patients == ("d", "c", "b", "a")
    assert made.modalities == ("rna", "clinical")
    assert made.frames["rna"]["TP53"].to_dict() == {"d": 5.0, "c": 3.0, "a": 1.0}
    assert made.frames["clinical"].index.tolist() == ["b", "a"]  # in the order of the cohort
    assert made.outcome.to_dict("list") == {"event": [1, 1, 0, 1], "time": [7, 2, 9, 5]}
    assert made.strata().tolist() == [1, 1, 0, 1]
    assert len(made) == 4
    assert repr(made) == "Cohort(cohort: 4 patients; rna 3, clinical 2)"
    assert made.dropped == ()


def test_prepared_by_hand(frames, followed) -> None:
    prepared = cohort(frames, followed).prepare(["a", "c", "b"])
    assert prepared.task == Survival([5.0], typical_time=5.0)  # of 2, 5 and 9 the latest that is not the last
    rna, clinical = prepared.preprocessing.values()
    assert rna.columns == ("TP53",)  # EGFR is constant in a and c
    assert (rna.centre, rna.scale) == ((2.0,), (1.0,))
    assert clinical.features == ("age", "sex=f", "sex=m")
    assert prepared.train == ("a", "c", "b")
    data = prepared.data(["d", "b", "a"])
    batch = data.batch()
    assert batch.inputs["rna"].tolist() == [[3.0], [0.0], [-1.0]]
    assert batch.present["rna"].tolist() == [True, False, True]
    assert batch.inputs["clinical"].tolist() == [[0, 0, 0], [-1, 0, 1], [1, 1, 0]]
    assert batch.present["clinical"].tolist() == [False, True, True]
    assert batch.target.tolist() == [[1, 7], [0, 9], [1, 5]]
    assert batch.patients == ["d", "b", "a"]
    assert data.task is prepared.task
    assert len(prepared.data()) == 4


def test_nothing_is_learnt_from_other_patients(frames, followed) -> None:
    train = ["a", "b", "c"]
    before = cohort(frames, followed).prepare(train)
    frames["rna"].loc["d"] = [1e6, -1e6]
    followed.loc["d"] = [100.0, 1]
    after = cohort(frames, followed).prepare(train)
    assert after.preprocessing == before.preprocessing
    assert after.task == before.task
    for name, values in before.data(train).batch().inputs.items():
        assert torch.equal(after.data(train).batch().inputs[name], values)


def test_a_task_that_is_fixed_is_kept(frames, followed) -> None:
    task = Survival([1.0, 2.0, 3.0])
    prepared = cohort(frames, followed).prepare(["a", "b", "c"], task=task)
    assert prepared.task is task
    assert prepared.data(["c"]).task is task
    with pytest.raises(MismatchError, match="expected Survival, got Classification"):
        cohort(frames, followed).prepare(["a", "b", "c"], task=Classification(2)).data(["c"])


def test_some_modalities_alone(frames, followed) -> None:
    prepared = cohort(frames, followed).prepare(["a", "c"], modalities=["rna"])
    assert list(prepared.preprocessing) == ["rna"]
    data = prepared.data(["b", "c"])  # b lacks rna: kept, until asked to go
    assert data.present["rna"].tolist() == [False, True]
    assert data.with_any().patients == ("c",)
    with pytest.raises(InputError, match=r"1 patient without any modality \(b\)"):
        data.loader(2)


def test_preprocessing_fitted_elsewhere_on_a_cohort_without_outcome(frames, followed) -> None:
    fitted = cohort(frames, followed).prepare(["a", "b", "c"])
    new = Cohort.from_frames({"rna": pd.DataFrame({"TP53": [2.0], "EGFR": [1.0]}, index=["z"])})
    assert new.outcome is None
    data = Prepared(new, fitted.preprocessing, fitted.task).data()
    assert data.target is None
    assert data.task == fitted.task
    batch = data.batch()
    assert batch.inputs["rna"].tolist() == [[0.0]]
    assert batch.inputs["clinical"] is None
    with pytest.raises(InputError, match="a cohort without an outcome has no strata"):
        new.strata()


def test_a_cohort_without_outcome_has_everyone(frames) -> None:
    made = Cohort.from_frames(frames)
    assert made.patients == ("a", "c", "d", "b")
    prepared = made.prepare(made.patients)
    assert prepared.task is None
    assert prepared.data().target is None


def test_the_summary_says_it_all(frames, followed) -> None:
    frames["rna"].loc["lost"] = [1.0, 1.0]
    frames["rna"].loc["blank"] = [NAN, NAN]
    frames["clinical"].loc["b2"] = ["m", 50]
    followed.loc["bare"] = [3.0, 1]
    followed.loc["unknown"] = [NAN, 1]
    made = cohort(frames, followed, name="demo")
    assert made.summary() == "\n".join(
        [
            "demo: 4 patients",
            "",
            "modality  kind   patients  columns",
            "rna       table         3        2",
            "clinical  table         2        2",
            "",
            "columns of rna: 2 numbers",
            "columns of clinical: 1 number, 1 of categories (sex 2)",
            "",
            "rna  clinical  patients",
            " x                    2",
            " x      x             1",
            "        x             1",
            "",
            "survival: 3 events, 1 censored, time up to 9",
            "dropped: outcome: 1 patient whose outcome is missing (unknown)",
            "dropped: rna: 1 patient without any value (blank)",
            "dropped: rna: 1 patient without outcome (lost)",
            "dropped: clinical: 1 patient without outcome (b2)",
            "dropped: outcome: 1 patient without any modality (bare)",
        ]
    )


def test_rows_of_one_patient_follow_the_rule_of_the_modality(frames, followed) -> None:
    slides = pd.DataFrame({"id": ["a", "a", "b"], "score": [1.0, 3.0, 5.0]})
    frames = {"wsi": slides, "first": slides}
    outcome = followed.rename_axis("id").reset_index()
    made = cohort(frames, outcome, key="id", rows={"wsi": "mean", "first": "first"})
    assert made.frames["wsi"]["score"].tolist() == [2.0, 5.0]
    assert made.frames["first"]["score"].tolist() == [1.0, 5.0]
    with pytest.raises(InputError, match=r"wsi: 1 patient with several rows that differ \(a\)"):
        cohort(frames, outcome, key="id", rows={"first": "first"})


def test_keep_limits_columns_per_modality(frames, followed) -> None:
    prepared = cohort(frames, followed, keep={"rna": 1}).prepare(["a", "b", "c", "d"])
    assert prepared.preprocessing["rna"].columns == ("EGFR",)
    assert prepared.preprocessing["rna"].dropped == {"TP53": "small variance"}


def test_values_in_dropped_columns_alone_are_no_modality(frames, followed) -> None:
    frames["rna"] = pd.DataFrame({"x": [1.0, 2.0, NAN], "flat": [0.0, 0.0, 0.0]}, index=list("abc"))
    data = cohort({"rna": frames["rna"]}, followed).prepare(["a", "b", "c"]).data()
    assert data.present["rna"].tolist() == [True, True, False]
    assert data.with_any().patients == ("a", "b")


BAD = {
    "no frames": (lambda f, o: Cohort.from_frames({}), InputError, "a cohort without modalities"),
    "outcome without task": (
        lambda f, o: Cohort.from_frames(f, outcome=o),
        InputError,
        "outcome and task belong together",
    ),
    "task without outcome": (lambda f, o: Cohort.from_frames(f, task=SURVIVAL), InputError, "outcome and task belong"),
    "unknown name in rows": (
        lambda f, o: cohort(f, o, rows={"rnaa": "first"}),
        UnknownNameError,
        "unknown modality 'rnaa'. Did you mean 'rna'",
    ),
    "unknown name in keep": (lambda f, o: cohort(f, o, keep={"cnv": 1}), UnknownNameError, "unknown modality 'cnv'"),
    "unknown rule": (lambda f, o: cohort(f, o, rows="last"), InputError, "'rows' is wrong"),
    "numbered rows": (
        lambda f, o: cohort({"rna": f["rna"].reset_index(drop=True)}, o),
        InputError,
        "rows are numbered",
    ),
    "nobody in common": (
        lambda f, o: cohort({"rna": f["rna"].rename(str.upper)}, o),
        InputError,
        "no patient has both an outcome and a modality.*got A, C and 1 more in the modalities, a, b and 2 more",
    ),
    "nobody at all": (lambda f, o: Cohort.from_frames({"rna": f["rna"][:0]}), InputError, "no patient is left.*nobody"),
    "a column of the outcome among the features": (
        lambda f, o: cohort({"rna": f["rna"], "all": o}, o),
        InputError,
        r"leakage: all holds columns of the outcome \(months, dead\)",
    ),
    "outcome that contradicts itself": (
        lambda f, o: cohort(f, pd.concat([o, pd.DataFrame({"months": [1.0], "dead": [0]}, index=["a"])])),
        InputError,
        r"outcome: 1 patient with several rows that differ \(a\)",
    ),
    "outcome without its columns": (
        lambda f, o: cohort(f, o[["dead"]]),
        InputError,
        "outcome: no column matches 'months'",
    ),
    "unknown patient": (
        lambda f, o: cohort(f, o).prepare(["a", "zz"]),
        UnknownNameError,
        r"1 patient not in cohort 'cohort' \(zz\)",
    ),
    "no patient": (lambda f, o: cohort(f, o).prepare([]), InputError, "no patients"),
    "one name for a list": (lambda f, o: cohort(f, o).prepare("a"), InputError, "expected a list of at least one id"),
    "unknown modality": (
        lambda f, o: cohort(f, o).prepare(["a"], modalities=["clincal"]),
        UnknownNameError,
        "unknown modality 'clincal'. Did you mean 'clinical'",
    ),
    "modality that no training patient has": (
        lambda f, o: cohort(f, o).prepare(["c", "d"]),
        InputError,
        "no training patient has modality 'clinical'. Leave it out with modalities=",
    ),
    "nothing to learn from": (
        lambda f, o: cohort(f, o).prepare(["a", "b"]),
        InputError,
        "modality 'rna': no column tells training rows apart: got TP53: constant, EGFR: constant",
    ),
    "column missing at prediction": (
        lambda f, o: Prepared(
            Cohort.from_frames({"rna": f["rna"][["EGFR"]]}), cohort(f, o).prepare(["a", "b", "d"]).preprocessing
        ).data(),
        InputError,
        "modality 'rna': 1 column missing in the table: TP53",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case: str, frames, followed) -> None:
    act, error, message = BAD[case]
    with pytest.raises(error, match=message):
        act(frames, followed)


MANIFEST = """
name: small
key: id
outcome: {task: classification, file: outcome.tsv, label: died}
modalities:
  rna: {kind: table, file: data/rna.csv, columns: "*_rna"}
  clinical: {kind: table, file: outcome.tsv, columns: age}
"""


@pytest.fixture
def manifest(write) -> Path:
    write("data/rna.csv", "id,A_rna,B_rna,note\n01,1,2,x\n02,3,4,y\n,5,6,z\n")
    write("outcome.tsv", "id\tdied\tage\n01\tno\t50\n02\tyes\t60\n03\tno\t70\n04\t\t80\n")
    return write("cohort.yaml", MANIFEST)


def test_from_manifest(manifest: Path) -> None:
    made = Cohort.from_manifest(manifest)
    assert made.name == "small"
    assert made.patients == ("01", "02", "03")
    assert made.frames["rna"].columns.tolist() == ["A_rna", "B_rna"]
    assert made.frames["clinical"]["age"].tolist() == [50, 60, 70]
    assert [str(note) for note in made.dropped] == [
        "outcome: 1 patient whose outcome is missing (04)",
        "rna: 1 row without a patient id",
        "clinical: 1 patient without outcome (04)",
    ]
    assert "classification: died is no in 2, yes in 1" in made.summary()
    prepared = made.prepare(["01", "02"])
    assert prepared.task == Classification(["no", "yes"])
    assert prepared.data().target.tolist() == [0, 1, 0]


def test_from_manifest_equals_from_frames(manifest: Path) -> None:
    folder = manifest.parent
    rna = pd.read_csv(folder / "data/rna.csv", dtype={"id": str})[["id", "A_rna", "B_rna"]]
    outcome = pd.read_csv(folder / "outcome.tsv", sep="\t", dtype={"id": str})
    task = {"task": "classification", "label": "died"}
    made = Cohort.from_frames({"rna": rna, "clinical": outcome[["id", "age"]]}, outcome=outcome, task=task, key="id")
    read = Cohort.from_manifest(manifest)
    assert made.patients == read.patients
    for name in read.modalities:
        pd.testing.assert_frame_equal(made.frames[name], read.frames[name], check_dtype=False)  # files give floats
    pd.testing.assert_frame_equal(made.outcome, read.outcome)


def test_a_manifest_without_outcome(manifest: Path) -> None:
    manifest.write_text(MANIFEST.replace("outcome: {", "#"))
    made = Cohort.from_manifest(manifest)
    assert made.patients == ("01", "02", "03", "04")
    assert "no outcome" in made.summary()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("columns: age", "columns: [age, died]", r"leakage: clinical holds columns of the outcome \(died\)"),
        ("columns: age", 'columns: "*"', "leakage"),
        ("data/rna.csv", "data/rnaa.csv", r"no file 'data/rnaa\.csv' beside the manifest\. Did you mean 'rna\.csv'"),
        ("data/rna.csv", "../rna.csv", "leaves the manifest's folder"),
        ("key: id", "key: case", r"file 'outcome\.tsv' has no key column 'case'"),
        ("*_rna", "*_cnv", r"rna: no column matches '\*_cnv'"),
    ],
)
def test_manifests_that_do_not_fit_the_files(old: str, new: str, message: str, manifest: Path) -> None:
    manifest.write_text(MANIFEST.replace(old, new))
    with pytest.raises(InputError, match=message):
        Cohort.from_manifest(manifest)


def test_files_outside_when_allowed(manifest: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "cohort.yaml"
    moved.parent.mkdir()
    moved.write_text(MANIFEST.replace("file: ", "file: ../"))
    assert Cohort.from_manifest(moved, allow_outside=True).patients == ("01", "02", "03")


def test_files_in_another_folder_than_the_manifest(manifest: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "cohort.yaml"
    moved.parent.mkdir()
    moved.write_text(MANIFEST)
    assert Cohort.from_manifest(moved, folder=manifest.parent).patients == ("01", "02", "03")
    with pytest.raises(InputError, match=r"there is no folder '.*nowhere'"):
        Cohort.from_manifest(moved, folder=tmp_path / "nowhere")
    moved.write_text(MANIFEST.replace("file: data/rna.csv", "file: ../elsewhere/cohort.yaml"))
    with pytest.raises(InputError, match=r"'\.\./elsewhere/cohort\.yaml' leaves the folder of the data"):
        Cohort.from_manifest(moved, folder=manifest.parent)


def test_files_under_the_roots_of_the_manifest(manifest: Path, tmp_path: Path) -> None:
    home = tmp_path / "study"
    home.mkdir()
    (tmp_path / "store").mkdir()
    (tmp_path / "data" / "rna.csv").rename(tmp_path / "store" / "rna.csv")
    moved = home / "cohort.yaml"
    moved.write_text(MANIFEST.replace("data/rna", "rna"))
    assert Cohort.from_manifest(moved, folder=[tmp_path, tmp_path / "store"]).patients == ("01", "02", "03")
    for roots in ("roots: [.., ../store]", f"roots: {{first: .., second: {tmp_path / 'store'}}}"):
        moved.write_text(MANIFEST.replace("data/rna", "rna") + roots)
        assert Cohort.from_manifest(moved).patients == ("01", "02", "03")
    moved.write_text(MANIFEST.replace("data/rna", "second/rna") + roots)
    assert Cohort.from_manifest(moved).patients == ("01", "02", "03")
    moved.write_text(MANIFEST + "roots: [nowhere]")
    with pytest.raises(InputError, match=r"there is no folder 'nowhere': expected a root of the manifest, relative to"):
        Cohort.from_manifest(moved)


def test_links_where_the_manifest_or_the_caller_allows_them(manifest: Path, tmp_path: Path) -> None:
    home = tmp_path / "study"
    home.mkdir()
    (home / "data").symlink_to(tmp_path / "data", target_is_directory=True)
    (home / "outcome.tsv").symlink_to(tmp_path / "outcome.tsv")
    moved = home / "cohort.yaml"
    moved.write_text(MANIFEST)
    with pytest.raises(InputError, match=r"leaves the manifest's folder.*links=True .links: true in the manifest"):
        Cohort.from_manifest(moved)
    assert Cohort.from_manifest(moved, links=True).patients == ("01", "02", "03")
    moved.write_text(MANIFEST + "links: true")
    assert Cohort.from_manifest(moved).patients == ("01", "02", "03")


@pytest.mark.parametrize("name", ["../rna", "a/b", "a\\b", "", " rna", ".rna", "..", "a\0b", "a\nb", "r" * 101])
def test_names_of_modalities_are_names_of_folders(name: str, manifest: Path, frames) -> None:
    content = yaml.safe_load(MANIFEST)
    content["modalities"][name] = content["modalities"].pop("rna")
    manifest.write_text(yaml.safe_dump(content))
    with pytest.raises(InputError, match=r"cohort\.yaml: a modality cannot be called .*: expected 1 to 100 letters"):
        Cohort.from_manifest(manifest)
    with pytest.raises(InputError, match="a modality cannot be called"):
        Cohort.from_frames({name: frames["rna"]})


def test_warnings_of_preprocessing_come_through(frames, followed) -> None:
    frames["rna"]["gone"] = np.nan
    with pytest.warns(LegoWarning, match="1 column without any value in the training rows dropped: gone"):
        cohort(frames, followed).prepare(["a", "b", "c"])


def test_from_cohort_to_batches_without_a_leak() -> None:
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(40)]
    frames = {
        "rna": pd.DataFrame(rng.normal(size=(30, 4)), index=ids[:30]).rename(columns=str),
        "cnv": pd.DataFrame(rng.normal(size=(25, 3)), index=ids[15:]).rename(columns=str),
    }
    outcome = pd.DataFrame({"y": rng.integers(0, 2, size=40)}, index=ids)
    made = Cohort.from_frames(frames, outcome=outcome, task={"task": "classification", "label": "y"})
    for split in split_patients(made.patients, made.strata(), folds=4, seed=1):
        check_split(split, made.patients)
        named = split.named(made.patients)
        prepared = made.prepare(named["train"])
        train = prepared.data(named["train"]).with_weights("balanced")
        seen = [patient for batch in train.loader(8, shuffle=True) for patient in batch.patients]
        assert sorted(seen) == sorted(named["train"])
        values = train.only(["rna"]).with_any().batch().inputs["rna"]
        torch.testing.assert_close(values.mean(0), torch.zeros(4), atol=1e-6, rtol=0)
        assert len(train.with_all()) == len({*ids[15:30]} & {*named["train"]})
