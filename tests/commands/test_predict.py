"""``mmlego predict``: a row a patient, joined by key, in the task's units."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import mmlego
from mmlego.data import Cohort, load_splits
from mmlego.job import data_of
from mmlego.job.held_out import tell_of_merge
from mmlego.tasks.usual_times import usual_times
from mmlego.training.evaluate import all_logits
from tests.cohorts import CLASSES, KEY, write_cohort
from tests.terminal import done, inside, refused
from tests.terminal import mmlego as command

Train = Callable[..., Path]


def read(file: Path) -> pd.DataFrame:
    marks = dict.fromkeys(("modalities", "trained_on", "imputed", "outside", "unknown", "note"), str)
    return pd.read_csv(file, dtype={"patient": str, **marks}, index_col="patient", na_values=[], keep_default_na=True)


@pytest.fixture
def others(tmp_path: Path) -> Path:
    """Forty patients whose outcome nobody knows; some lack clinical, others labs."""
    return write_cohort(tmp_path / "others", ("rna", "clinical", "labs"), n=40, first=500, seed=7, outcome=None)


def test_everybody_has_a_row_in_the_cohort_s_order(finished: Path, others: Path, tmp_path: Path) -> None:
    said = done("predict", finished / "merge", "-d", others, "-o", tmp_path / "out" / "merge.csv")
    frame = read(tmp_path / "out" / "merge.csv")
    cohort = Cohort.from_manifest(others)
    assert tuple(frame.index) == cohort.patients
    assert frame.index[0].startswith("5")
    task = mmlego.load(finished / "merge").task
    cuts = [f"survival_at_{time:.6g}" for time in usual_times(task.horizon, task.unit)]
    marks = ["has_rna", "has_clinical", "has_labs", "trained_on", "imputed", "outside", "unknown", "note"]
    assert list(frame.columns) == ["risk", *cuts, "median", "modalities", *marks]
    for name, table in cohort.frames.items():
        assert frame[f"has_{name}"].to_dict() == {patient: patient in table.index for patient in cohort.patients}
    assert frame[cuts].to_numpy().min() >= 0
    assert frame[cuts].to_numpy().max() <= 1
    assert said.text.endswith("40 patients in " + str(tmp_path / "out" / "merge.csv") + ".")


def test_patients_are_joined_by_key_whatever_the_order_of_the_rows(
    finished: Path, others: Path, tmp_path: Path
) -> None:
    done("predict", finished / "fuse", "-d", others, "-o", tmp_path / "one.csv")
    rng = np.random.default_rng(0)
    for name in ("rna", "clinical", "labs"):
        table = pd.read_csv(others.parent / f"{name}.csv", dtype={KEY: str})
        table.iloc[rng.permutation(len(table))].to_csv(others.parent / f"{name}.csv", index=False)
    done("predict", finished / "fuse", "-d", others, "-o", tmp_path / "two.csv")
    one, two = read(tmp_path / "one.csv"), read(tmp_path / "two.csv")
    assert list(one.index) != list(two.index)
    pd.testing.assert_frame_equal(one, two.loc[one.index], atol=1e-6)


def test_one_patient_alone_is_predicted_as_among_others(finished: Path, others: Path, tmp_path: Path) -> None:
    done("predict", finished / "merge", "-d", others, "-o", tmp_path / "all.csv")
    for name in ("rna", "clinical", "labs"):
        table = pd.read_csv(others.parent / f"{name}.csv", dtype={KEY: str})
        table[table[KEY] == "520"].to_csv(others.parent / f"{name}.csv", index=False)
    done("predict", finished / "merge", "-d", others, "-o", tmp_path / "one.csv")
    one = read(tmp_path / "one.csv")
    assert list(one.index) == ["520"]
    pd.testing.assert_frame_equal(one, read(tmp_path / "all.csv").loc[["520"]], atol=1e-6)


def test_numbers_are_those_of_the_library(finished: Path, others: Path, tmp_path: Path) -> None:
    done("predict", finished / "merge", "-d", others, "-o", tmp_path / "merge.csv")
    merged = mmlego.load(finished / "merge")
    expected = mmlego.predict(merged, data_of(merged, Cohort.from_manifest(others))).risk
    np.testing.assert_allclose(read(tmp_path / "merge.csv")["risk"], expected, rtol=6e-4)  # four digits


@pytest.mark.parametrize("name", ["merge", "fuse"])
def test_the_table_in_python_is_that_of_the_command(
    finished: Path, site: Path, others: Path, tmp_path: Path, name: str
) -> None:
    for data in (site / "cohort.yaml", others):
        done("predict", finished / name, "-d", data, "-o", tmp_path / "told.csv", "--times", "3,9", "--overwrite")
        told = read(tmp_path / "told.csv")
        table = mmlego.predict_table(finished / name, data, times=[3, 9])
        # four digits; a standing of 45.5 in the file may be 45.45
        marks = ["modalities", "trained_on", "imputed", "outside", "unknown", "note"]
        pd.testing.assert_frame_equal(table, told.fillna(dict.fromkeys(marks, "")), rtol=6e-4, check_dtype=False)
        if data == others:
            assert set(table["trained_on"]) == {"unknown"}  # nobody of this cohort was split
            held = mmlego.predict_table(mmlego.load(finished / name), Cohort.from_manifest(others), times=[3, 9])
            alike = [one for one in held if "risk_" not in one and "_low" not in one and "_high" not in one]
            pd.testing.assert_frame_equal(held[alike], table[alike])
        else:
            assert {"yes", "validation", "no"} <= set(table["trained_on"])
            assert ("risk_percentile" in table and table["risk_percentile"].notna().all()) == (name == "merge")


def test_aliases_serve_a_manifest_and_a_cohort_alike(finished: Path, others: Path) -> None:
    expected = mmlego.predict_table(finished / "merge", others)["risk"]
    table = pd.read_csv(others.parent / "labs.csv", dtype={KEY: str})
    first = next(name for name in table if name != KEY)
    table.rename(columns={first: "another"}).to_csv(others.parent / "labs.csv", index=False)
    for data in (others, Cohort.from_manifest(others)):
        pd.testing.assert_series_equal(
            mmlego.predict_table(finished / "merge", data, aliases={"another": first})["risk"], expected
        )
    with pytest.raises(mmlego.InputError, match="absent"):
        mmlego.predict_table(finished / "merge", others, missing_columns=0)


def test_ids_keep_their_leading_zeros(finished: Path, site: Path, tmp_path: Path) -> None:
    done("predict", finished / "merge", "-d", site / "cohort.yaml", "-o", tmp_path / "merge.csv")
    assert "007" in read(tmp_path / "merge.csv").index


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_parts_are_those_of_the_split(finished: Path, site: Path, tmp_path: Path, part: str) -> None:
    done("predict", finished / "fuse", "-d", site / "cohort.yaml", "-o", tmp_path / "fuse.csv", "--part", part)
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    named = load_splits(finished / "private/split.json", cohort.patients)[0].named(cohort.patients)
    assert list(read(tmp_path / "fuse.csv").index) == named[part]


def test_a_part_needs_the_run_s_split(finished: Path, site: Path, others: Path, tmp_path: Path) -> None:
    done("merge", finished, "-o", tmp_path / "elsewhere" / "merge")
    message = refused(
        "predict", tmp_path / "elsewhere" / "merge", "-d", site / "cohort.yaml", "-o", tmp_path / "x.csv",
        "--part", "test",
    )  # fmt: skip
    assert "no split.json beside" in message
    assert message.endswith("expected a model of mmlego train, got --part test")
    message = refused("predict", finished / "merge", "-d", others, "-o", tmp_path / "x.csv", "--part", "test")
    assert message.endswith("Pass --part all if the models were not trained on these patients.")
    assert not (tmp_path / "x.csv").exists()


def test_patients_without_the_model_s_modalities_are_named(finished: Path, others: Path, tmp_path: Path) -> None:
    said = done("predict", finished / "blocks" / "labs", "-d", others, "-o", tmp_path / "labs.csv")
    frame = read(tmp_path / "labs.csv")
    assert (len(frame), frame["risk"].notna().sum()) == (40, 28)
    assert (frame["note"] == "has no modality of the model").equals(frame["risk"].isna())
    assert said.error.startswith("warning: No prediction for 12 of 40 patients (5")
    assert said.error.endswith("12: has no modality of the model.")
    data = write_cohort(tmp_path / "none", ("clinical",), outcome=None)
    message = refused("predict", finished / "blocks" / "labs", "-d", data, "-o", tmp_path / "none.csv")
    assert message == "none of 51 patients has a modality of the model: expected one of labs, got clinical in trial"


def test_a_cohort_without_a_modality_is_predicted_from_the_others(finished: Path, tmp_path: Path) -> None:
    data = write_cohort(tmp_path, ("clinical",), outcome=None)
    done("predict", finished / "merge", "-d", data, "-o", tmp_path / "merge.csv")
    done("predict", finished / "blocks" / "clinical", "-d", data, "-o", tmp_path / "block.csv")
    merge, block = read(tmp_path / "merge.csv"), read(tmp_path / "block.csv")
    assert not merge["has_rna"].any()
    np.testing.assert_allclose(merge["risk"], block["risk"], rtol=1e-3)


@pytest.mark.filterwarnings("ignore:.*is worse than chance")  # noise, and few trees
def test_classes(train: Train, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "c", outcome=CLASSES)
    run = train(tmp_path / "run", data=data)
    done("merge", run)
    said = done("predict", run / "merge", "-d", data, "-o", tmp_path / "out.csv", "--level", "0.8")
    frame = read(tmp_path / "out.csv")
    probabilities = frame[["probability_no", "probability_yes"]]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
    assert (frame["label"] == np.where(probabilities["probability_yes"] > 0.5, "yes", "no")).all()
    assert [*said.out.split()].index("excluded") < said.out.split().index("80")  # one word a line
    # the run has split this cohort, so that its held-out patients are known: in nine of ten the truth is not excluded
    known = Cohort.from_manifest(data)
    named = load_splits(run / "private/split.json", known.patients)[0].named(known.patients)
    model = mmlego.load(run / "merge")
    tell_of_merge(model, known, named["train"], named["validation"])
    exact = mmlego.predict(model, data_of(model, known)).probabilities
    most = {name: model.card.held_out[name]["0.8"] for name in ("no", "yes")}
    assert any(value is not None for value in most.values())
    for told, (no, yes) in zip(frame["not_excluded_80"], exact.tolist(), strict=True):
        chances = {"no": no, "yes": yes}
        kept = [name for name, p in chances.items() if most[name] is None or 1 - p <= most[name]]
        likely = max(chances, key=lambda name: chances[name])
        assert set(told.split(", ")) == {*kept, likely}
    told = {"train": "yes", "validation": "validation", "test": "no"}
    assert frame["trained_on"].to_dict() == {one: told[part] for part, ids in named.items() for one in ids}
    assert f"was trained on {len(named['train'])} of {len(frame)} patients" in said.err


def test_survival_at_times_that_are_asked_for(finished: Path, site: Path, others: Path, tmp_path: Path) -> None:
    model = finished / "blocks" / "rna"
    task = mmlego.load(model).task
    asked = [task.cuts[0], task.horizon, 2 * task.horizon]
    said = done("predict", model, "-d", others, "-o", tmp_path / "x.csv", "--times", ",".join(map(repr, asked)))
    told = mmlego.load(model).card.held_out["patients"]
    assert f"No intervals: {told} held-out patients are too few for them." in " ".join(said.out.split())
    frame = read(tmp_path / "x.csv")
    first, last, beyond = (f"survival_at_{time:.6g}" for time in asked)
    here = frame["note"].isna()
    block = mmlego.load(model)
    hazards = np.stack([_hazards(row) for row in all_logits(block, data_of(block, Cohort.from_manifest(others)), 64)])
    np.testing.assert_allclose(frame.loc[here, first], 1 - hazards[:, 0], rtol=6e-4)
    np.testing.assert_allclose(frame.loc[here, last], (1 - hazards[:, :-1]).prod(axis=1), rtol=6e-4)
    assert frame[beyond].isna().all()  # nothing is known there, and nothing is told
    low, high = frame[f"{first}_low_95"], frame[f"{first}_high_95"]
    assert low.isna().all()  # so few held-out patients make no groups of risk
    assert high.isna().all()
    assert frame["risk_percentile"].isna().all()  # nor a place among them: it would be among single patients
    message = refused("predict", model, "-d", others, "-o", tmp_path / "y.csv", "--times", "12;24")
    assert message == "--times: expected numbers with commas between, as 12,24,60, got '12;24'"


def _hazards(logits: torch.Tensor) -> np.ndarray:
    return torch.sigmoid(logits).double().numpy()


def test_survival_has_bounds_where_groups_of_risk_can_be_made(tmp_path: Path) -> None:
    """A Cox net answers out of fold to all it was fitted on: its groups of risk have intervals."""
    data = write_cohort(tmp_path / "site", ("rna",), n=200)
    mmlego.train_blocks(
        Cohort.from_manifest(data), {"encoder": {"name": "coxnet"}}, out=tmp_path / "run", progress=False
    )
    new = write_cohort(tmp_path / "new", ("rna",), n=30, first=700, seed=5, outcome=None)
    said = done("predict", tmp_path / "run" / "blocks" / "rna", "-d", new, "-o", tmp_path / "x.csv", "--times", "12")
    assert "No intervals" not in said.err + said.out
    frame = read(tmp_path / "x.csv")
    low, high = frame["survival_at_12_low_95"], frame["survival_at_12_high_95"]
    assert ((0 <= low) & (low < high) & (high <= 1)).all()
    assert high[frame["risk"].idxmax()] < high[frame["risk"].idxmin()]
    assert low[frame["risk"].idxmax()] < low[frame["risk"].idxmin()]
    groups = frame.groupby("risk_group")[["survival_at_12_low_95", "survival_at_12_high_95"]].nunique()
    assert (groups == 1).all().all()  # one interval a group


def test_json_has_null_where_nothing_is_known(finished: Path, others: Path, tmp_path: Path) -> None:
    model = finished / "blocks" / "rna"
    said = json.loads(done("predict", model, "-d", others, "-o", tmp_path / "x.csv", "--json").out)
    done("predict", model, "-d", others, "-o", tmp_path / "x.json")
    csv, rows = read(tmp_path / "x.csv"), json.loads((tmp_path / "x.json").read_text())
    assert said == {"file": str(tmp_path / "x.csv"), "predictions": rows}
    assert [row["patient"] for row in rows] == list(csv.index)
    assert all(any(value is None for value in row.values()) for row in rows)  # no groups of risk, no bounds
    for row in rows:
        told = csv.loc[row.pop("patient")]
        assert row.keys() == set(csv.columns)
        for name, value in row.items():
            if value is None or value == "":
                assert pd.isna(told[name]), name
            else:
                assert told[name] == value, name


def test_values_that_were_missing_are_marked(finished: Path, others: Path, tmp_path: Path) -> None:
    block = mmlego.load(finished / "blocks" / "labs")
    name = block.preprocessing.needed()[0]
    table = pd.read_csv(others.parent / "labs.csv", dtype={KEY: str})
    patient = table[KEY][3]
    table.loc[3, name] = None
    table.to_csv(others.parent / "labs.csv", index=False)
    done("predict", finished / "blocks" / "labs", "-d", others, "-o", tmp_path / "x.csv")
    imputed = read(tmp_path / "x.csv")["imputed"]
    assert f"labs: {name}" in imputed[patient]


def test_a_run_folder_or_a_baseplate_is_no_model(finished: Path, others: Path, tmp_path: Path) -> None:
    message = refused("predict", finished, "-d", others, "-o", tmp_path / "x.csv")
    assert "is a run folder: expected one of its models, got " in message
    assert message.endswith("/fuse")
    message = refused("predict", finished / "plate", "-d", others, "-o", tmp_path / "x.csv")
    assert message.endswith("holds no model: expected a block, merge or fuse, got a Baseplate")
    assert "is no checkpoint" in refused("predict", tmp_path / "none", "-d", others, "-o", tmp_path / "x.csv")


def test_a_folder_in_the_place_of_the_file(finished: Path, others: Path, tmp_path: Path) -> None:
    assert refused("predict", finished / "merge", "-d", others, "-o", tmp_path).startswith("Is a directory: ")


@pytest.mark.parametrize("width", [80, 120])
def test_what_is_shown(finished: Path, others: Path, tmp_path: Path, width: int) -> None:
    with inside(tmp_path):
        said = done("predict", finished / "merge", "-d", others, "-o", "merge.csv", width=width)
    assert max(map(len, said.out.splitlines())) <= width
    frame = read(tmp_path / "merge.csv")
    told = "risk_percentile" if "risk_percentile" in frame else "risk"  # the risk itself has an order and no size
    for patient in frame.index[:5]:
        words = next(line.split() for line in said.out.splitlines() if line.split()[:1] == [patient])
        assert words[1] == f"{frame.loc[patient, told]:.3g}"
    assert frame.index[5] not in said.out
    assert said.text.endswith("40 patients in merge.csv.")


def change(manifest: Path, name: str, by: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    file = manifest.parent / f"{name}.csv"
    by(pd.read_csv(file, dtype={KEY: str})).to_csv(file, index=False)


def test_a_patient_with_empty_cells_alone_has_a_row_that_says_so(finished: Path, others: Path, tmp_path: Path) -> None:
    for name in ("rna", "clinical", "labs"):
        change(others, name, lambda table: table.set_index(KEY).drop("520", errors="ignore").reset_index())
        with (others.parent / f"{name}.csv").open("a") as file:
            file.write("520\n")
    done("predict", finished / "merge", "-d", others, "-o", tmp_path / "out.csv")
    frame = read(tmp_path / "out.csv")
    assert len(frame) == 40
    assert np.isnan(frame.loc["520", "risk"])
    assert frame.loc["520", "note"].startswith("left out: ")
    assert frame.loc["520", "note"].endswith("without any value")
    assert frame.drop("520")["note"].isna().all()


def test_few_absent_columns_are_filled_and_told_and_many_refused(finished: Path, others: Path, tmp_path: Path) -> None:
    model = mmlego.load(finished / "blocks" / "rna")
    names = list(model.preprocessing.columns)
    medians = dict(zip(model.preprocessing.numeric, model.preprocessing.fill, strict=True))
    change(others, "rna", lambda table: table.assign(**{names[0]: medians[names[0]]}))
    done("predict", finished / "blocks" / "rna", "-d", others, "-o", tmp_path / "median.csv")
    change(others, "rna", lambda table: table.drop(columns=names[0]))
    message = refused("predict", finished / "blocks" / "rna", "-d", others, "-o", tmp_path / "x.csv")
    assert f"rna: 1 column of {len(names)} absent ({names[0]}): expected at most 5%" in message
    share = message.split("--missing-columns ")[1].split(" ")[0]
    said = done(
        "predict", finished / "blocks" / "rna", "-d", others, "-o", tmp_path / "absent.csv", "--missing-columns", share
    )
    assert f"rna: 1 column of {len(names)} absent ({names[0]}), filled" in " ".join(said.error.split())
    one, two = read(tmp_path / "median.csv"), read(tmp_path / "absent.csv")
    np.testing.assert_allclose(one["risk"], two["risk"], atol=1e-6)


def test_a_renamed_column_is_known_by_its_alias(finished: Path, others: Path, tmp_path: Path) -> None:
    block = finished / "blocks" / "rna"
    name = mmlego.load(block).preprocessing.columns[0]
    done("predict", block, "-d", others, "-o", tmp_path / "one.csv")
    change(others, "rna", lambda table: table.rename(columns={name: "another=name"}))
    done("predict", block, "-d", others, "-o", tmp_path / "two.csv", "--alias", f"another=name={name}")
    pd.testing.assert_frame_equal(read(tmp_path / "one.csv"), read(tmp_path / "two.csv"))
    message = refused("predict", block, "-d", others, "-o", tmp_path / "x.csv", "--alias", f"anothername={name}")
    assert message == "alias 'anothername': no column of the files is called so. Did you mean 'another=name'?"


def test_values_far_from_training_are_marked_with_their_patient(finished: Path, others: Path, tmp_path: Path) -> None:
    name = mmlego.load(finished / "blocks" / "rna").preprocessing.numeric[0]
    change(others, "rna", lambda table: table.assign(**{name: table[name].where(table[KEY] != "521", 1e4)}))
    said = done("predict", finished / "merge", "-d", others, "-o", tmp_path / "out.csv")
    frame = read(tmp_path / "out.csv")
    assert frame["outside"].dropna().to_dict() == {"521": f"rna: {name} = 10000"}
    assert "1 patient with values far from those of training: column outside" in " ".join(said.error.split())


def test_nothing_is_replaced_unasked_and_other_formats_are_written(
    finished: Path, others: Path, tmp_path: Path
) -> None:
    block = finished / "blocks" / "rna"
    done("predict", block, "-d", others, "-o", tmp_path / "out.csv")
    before = (tmp_path / "out.csv").read_bytes()
    message = refused("predict", block, "-d", others, "-o", tmp_path / "out.csv")
    assert message.endswith("is there already. Choose another place with --out, or pass --overwrite.")
    (tmp_path / "out.csv").write_text("old")
    done("predict", block, "-d", others, "-o", tmp_path / "out.csv", "--overwrite")
    assert (tmp_path / "out.csv").read_bytes() == before
    csv = read(tmp_path / "out.csv")
    for name, reader in (("out.parquet", pd.read_parquet), ("out.xlsx", pd.read_excel)):
        done("predict", block, "-d", others, "-o", tmp_path / name)
        table = reader(tmp_path / name).set_index("patient")
        assert list(map(str, table.index)) == list(csv.index)
        np.testing.assert_allclose(table["risk"].astype(float), csv["risk"])
        assert f"{table['risk'].dropna().iloc[0]:.4g}" == f"{csv['risk'].dropna().iloc[0]:.4g}"
    message = refused("predict", block, "-d", others, "-o", tmp_path / "out.xls")
    assert message == "'out.xls' is of a kind that is not written: expected one of .csv, .json, .parquet, .xlsx"


def test_a_patient_without_an_outcome_hides_nobody_who_was_trained_on(train: Train, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "c", outcome=CLASSES)
    table = pd.read_csv(data.parent / "outcome.csv", dtype={KEY: str})
    nobody = table[KEY][0]
    table.iloc[1:].to_csv(data.parent / "outcome.csv", index=False)
    run = train(tmp_path / "run", data=data)
    done("merge", run)
    said = done("predict", run / "merge", "-d", data, "-o", tmp_path / "out.csv")
    known = read(tmp_path / "out.csv")["trained_on"]
    assert known[nobody] == "no"
    assert set(known) == {"yes", "no", "validation"}
    assert f"was trained on {int((known == 'yes').sum())} of" in said.err
    said = command("predict", run / "merge", "-d", data, "-o", tmp_path / "x.csv", "--level", "0.7")
    assert said.code == 1
    assert "level of intervals" in said.error
