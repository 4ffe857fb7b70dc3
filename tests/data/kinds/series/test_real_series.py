"""The stays of the PhysioNet 2012 challenge, set A; counted independently with standard Unix tools."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from mmlego.data import Cohort, Prepared, preprocessing_from_config

MANIFEST = """
key: RecordID
outcome: {task: classification, file: Outcomes-a.txt, label: In-hospital_death}
modalities:
  static: {kind: static, file: set-a.tar.gz, categories: [Gender, ICUType]}
  vitals: {kind: series, file: set-a.tar.gz, variables: [HR, Temp, GCS, Urine], bin_hours: 2, horizon: 48, log: [Urine]}
  all: {kind: series, file: set-a.tar.gz, bin_hours: 6}
"""
# tar xzOf set-a.tar.gz | cut -d, -f2 | sort | uniq -c; of Weight, 244 are −1.
COUNTS = {"HR": 171_659, "Temp": 64_808, "GCS": 46_206, "pH": 18_450, "Cholesterol": 220, "Weight": 97_631 - 244}


@pytest.fixture(scope="module")
def cohort(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    source = shared / "data" / "physionet2012"
    if not source.is_dir():
        pytest.skip("the stays of the PhysioNet 2012 challenge do not lie in the folder `shared`")
    folder = tmp_path_factory.mktemp("icu")
    for name in ("set-a.tar.gz", "Outcomes-a.txt"):
        shutil.copy(source / name, folder / name)
    (folder / "cohort.yaml").write_text(MANIFEST)
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_who_has_what(cohort: Cohort) -> None:
    assert len(cohort) == 2996
    assert {name: len(frame) for name, frame in cohort.frames.items()} == {"static": 2996, "vitals": 2950, "all": 2995}
    assert "vitals    series      2950        4" in cohort.summary()
    assert "classification: In-hospital_death is 0 in 2566, 1 in 430" in cohort.summary()
    assert "all: 1 patient without any measurement (140501)" in cohort.summary()


def test_every_measurement_is_there(cohort: Cohort) -> None:
    stays = cohort.frames["all"]["stay"]
    counts = np.sum([np.bincount(stay.variable, minlength=37) for stay in stays], axis=0)
    found = dict(zip(stays.iloc[0].names, counts.tolist(), strict=True))
    assert {name: found[name] for name in COUNTS} == COUNTS
    assert max(stay.time.max() for stay in stays) == 48.0
    assert all((np.diff(stay.time) >= 0).all() for stay in stays)


def test_one_stay_by_hand(cohort: Cohort) -> None:
    """The head of 132539.txt: 00:07 GCS 15, HR 73."""
    stay = cohort.frames["vitals"]["stay"]["132539"]
    first = stay.time == 7 / 60
    measured = {stay.names[v]: x for v, x in zip(stay.variable[first], stay.value[first].tolist(), strict=True)}
    assert (measured["GCS"], measured["HR"]) == (15.0, 73.0)
    static = cohort.frames["static"].loc["132539"]
    assert static[["Age", "Gender", "ICUType"]].tolist() == [54.0, "0", "4"]
    assert static[["Height", "Weight"]].isna().all()


def test_steps_of_training_patients_are_standardised(cohort: Cohort) -> None:
    train, rest = cohort.patients[:2000], cohort.patients[2000:]
    prepared = cohort.prepare(train)
    steps = prepared.data(train).with_all().batch().inputs
    assert steps["vitals"].shape[1:] == (24, 5)
    assert len(steps["all"]) == len(steps["vitals"])
    values = steps["vitals"][:, :, 1:].flatten(0, 1).double()
    torch.testing.assert_close(values.nanmean(0), torch.zeros(4).double(), atol=0.02, rtol=0)
    assert torch.isfinite(values[~values.isnan()]).all()
    # what was fitted elsewhere gives the same numbers to patients it has not seen
    read = {name: preprocessing_from_config(fitted.config()) for name, fitted in prepared.preprocessing.items()}
    again = Prepared(cohort, read, prepared.task).data(rest).with_all().batch().inputs["vitals"]
    expected = prepared.data(rest).with_all().batch().inputs["vitals"]
    assert torch.equal(again.nan_to_num(9), expected.nan_to_num(9))
