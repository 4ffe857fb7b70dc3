"""One way of scoring: a model has one value of each metric on the same patients, whoever asks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import mmlego
from mmlego import Bricks, InputError
from mmlego.bench import score_bricks
from mmlego.data import Cohort, Split
from mmlego.job import save_bricks
from mmlego.job.begin import keep_split
from mmlego.job.scoring import reference_of
from mmlego.run_folder import RunFolder
from mmlego.settings import Settings
from tests.cohorts import CLASSES, write_cohort
from tests.terminal import done
from tests.trials import train_on

pytestmark = pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients
NAMES = {"block rna": "blocks/rna", "block labs": "blocks/labs", "LegoMerge": "merge", "LegoFuse": "fuse"}


def test_bench_evaluate_and_python_give_the_same_numbers(
    bricks: Bricks, cohort: Cohort, split: Split, tmp_path: Path
) -> None:
    data = write_cohort(tmp_path / "c", ("rna", "clinical", "labs"))
    run = tmp_path / "run"
    save_bricks(bricks, run, "trial")
    keep_split(split, cohort, RunFolder(run))
    done("evaluate", run, "-d", data, "--out", tmp_path / "scores.json")
    told = json.loads((tmp_path / "scores.json").read_text())["scores"]
    benched = score_bricks(bricks, cohort, split)["scores"]
    table = bricks.scores(cohort)
    for method, name in NAMES.items():
        verb = told[str(run / name)]
        assert {"c_index_ipcw", "auc", "ibs"} <= benched[method].keys()
        assert {**benched[method], "patients": verb["patients"]} == verb
        assert table.loc[name].to_dict() == verb
    assert table["patients"].to_dict()["blocks/labs"] < table["patients"].to_dict()["merge"] == 20


def test_the_reference_is_the_training_patients_whatever_they_have(bricks: Bricks, cohort: Cohort) -> None:
    task = bricks.plate.task
    reference = reference_of(cohort, task, bricks.train)
    assert reference.numpy() == pytest.approx(cohort.outcome.loc[list(bricks.train), ["event", "time"]].to_numpy())
    assert reference_of(cohort, task, []) is None


def test_other_patients_may_be_scored_and_nobody_not(bricks: Bricks, cohort: Cohort) -> None:
    table = bricks.scores(cohort, bricks.validation)
    for name, block in bricks.blocks.items():
        data = mmlego.data_of(block, cohort, bricks.validation)
        reference = reference_of(cohort, block.task, bricks.train)
        assert table.loc[f"blocks/{name}", "ibs"] == mmlego.evaluate(block, data, reference=reference)["ibs"]
    with pytest.raises(InputError, match="nobody to score"):
        bricks.scores(cohort, [])
    lacking = [patient for patient in cohort.patients if patient not in cohort.frames["labs"].index][:4]
    assert bricks.scores(cohort, lacking).loc["blocks/labs", "patients"] == 0


def test_classes_need_no_reference(tmp_path: Path, quick: Settings) -> None:
    cohort = Cohort.from_manifest(write_cohort(tmp_path, outcome=CLASSES))
    made = train_on(cohort, cohort.patients[:30], cohort.patients[30:40], quick)
    assert {"loss", "auroc"} <= {*made.scores(cohort).columns}
