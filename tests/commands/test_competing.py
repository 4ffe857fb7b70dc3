"""Competing risks through the verbs: neural blocks, merged and fused, scored and asked; learners refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmlego
from mmlego.tasks import CompetingRisks
from tests.cohorts import write_cohort, write_quick
from tests.terminal import done, refused

CAUSES = {"relapse": ["local", "distant"], "death": "dead"}
OUTCOME = {
    "task": "survival",
    "time": "months",
    "unit": "months",
    "event": "came",
    "causes": CAUSES,
    "cuts": [6, 12, 24],
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("competing")
    path = write_cohort(folder, outcome=OUTCOME, n=80)
    table = pd.read_csv(folder / "outcome.csv", dtype={"patient_id": str})
    kinds = np.random.default_rng(0).choice(["local", "distant", "dead"], len(table))
    table.assign(came=np.where(table["status"] == "dead", kinds, "alive")).to_csv(folder / "outcome.csv", index=False)
    write_quick(folder)
    return path


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_all_verbs(data: Path, tmp_path: Path) -> None:
    run, given = tmp_path / "run", ("-d", data)
    assert "competing risks: relapse " in done("check", data).out
    done("train", *given, "-o", run, "-c", data.parent / "quick.yaml", "--no-progress", "--shared-patients")
    done("merge", run)
    done("fuse", run, *given, "--no-progress")
    task = mmlego.load(run / "fuse").task
    assert task == CompetingRisks([6, 12, 24], ["relapse", "death"], unit="months")
    file = tmp_path / "scores.json"
    done("evaluate", run, *given, "--json", file)
    for row in json.loads(file.read_text())["scores"].values():
        assert row["c_index"] == pytest.approx((row["c_index/relapse"] + row["c_index/death"]) / 2)
    done("predict", run / "merge", *given, "-o", tmp_path / "p.csv")
    frame = pd.read_csv(tmp_path / "p.csv")
    by_two_years = frame["relapse_by_24_months"] + frame["death_by_24_months"]
    assert by_two_years.between(0, 1).all()
    assert (
        "competing_risks, cuts [6, 12, 24], causes [relapse, death], unit months" in done("inspect", run / "merge").text
    )


def test_learners_refuse(data: Path, tmp_path: Path) -> None:
    said = refused("train", "-d", data, "-o", tmp_path / "run", "-s", "encoder.name=coxnet", "--no-progress")
    assert "learner 'coxnet' does not serve the task competing_risks" in said
