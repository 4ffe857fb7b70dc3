"""A plate holds the coding of the outcome: a site that codes otherwise is refused before anything is kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import mmlego
from mmlego.data import Cohort
from mmlego.tasks import Classification, CompetingRisks, MultiLabel, Regression, Survival, Task
from tests.cohorts import KEY, write_cohort
from tests.terminal import done, refused

FAST = ("--no-progress", "-s", "encoder.name=auto")
RELAPSE = {"task": "classification", "label": "relapse"}
LABELS = {"task": "multilabel", "labels": "tox_*"}
NUMBER = {"task": "regression", "target": "il6"}
CAUSES = {"task": "survival", "time": "months", "event": "cause", "causes": {"tumour": 1, "other": 2}}
TIMES = {"task": "survival", "time": "months", "event": "status", "event_when": "dead"}


def site(folder: Path, outcome: dict[str, Any], change: Any = None) -> Path:
    """Write a site of 60 patients whose outcome file is changed as told."""
    path = write_cohort(folder / "site", ("clinical",), outcome=outcome)
    table = pd.read_csv(folder / "site" / "outcome.csv", dtype={KEY: str})
    table["cause"] = np.where(table["status"] == "dead", 1 + np.arange(len(table)) % 2, 0)
    (table if change is None else change(table)).to_csv(folder / "site" / "outcome.csv", index=False)
    return path


def tried(folder: Path, manifest: Path, task: Task) -> str:
    """Return why a site may not train on a plate; nothing but the split of its patients is kept."""
    mmlego.save(mmlego.Baseplate(task, channels=4, width=8), folder / "plate")
    message = refused("train", "-d", manifest, "-o", folder / "run", "--plate", folder / "plate", "--no-progress")
    assert not (folder / "run" / "plate").exists()
    assert not (folder / "run" / "blocks").exists()
    return message


@pytest.mark.parametrize(
    ("outcome", "change", "task", "message"),
    [
        pytest.param(
            RELAPSE,
            lambda t: t.assign(relapse=np.where(t["relapse"] == "yes", 2, 1)),
            Classification(["0", "1"]),
            "classes that the task lacks: expected 0, 1, got 2. Write the classes in the file as the model has them.",
            id="1 and 2 for 0 and 1",
        ),
        pytest.param(
            RELAPSE, None, Classification(["no relapse", "relapse"]), "classes that the task lacks", id="other words"
        ),
        pytest.param(
            LABELS,
            None,
            MultiLabel(["tox_liver", "tox_heart"]),
            "the outcome lacks targets of the task: tox_heart: expected tox_liver, tox_heart, got tox_liver, tox_skin. "
            "Call the columns as the model does; add one that is not known, with empty cells.",
            id="a label that nobody asked about",
        ),
        pytest.param(
            NUMBER,
            lambda t: t.assign(il6=t["il6"] * 1000),
            Regression(["il6"], 5.0, 2.0),
            "the numbers of 'il6' are of another scale than those of the model",
            id="pg for ng",
        ),
        pytest.param(
            NUMBER | {"unit": "pg/ml"},
            None,
            Regression(["il6"], 5.0, 2.0, "ng/ml"),
            "the units of the outcome are not those of the model: expected unit: in the outcome section, il6 in ng/ml, "
            "got pg/ml. Convert the numbers to it.",
            id="another unit",
        ),
        pytest.param(NUMBER, None, Regression(["il6"], 5.0, 2.0, "ng/ml"), "the units of the outcome", id="no unit"),
        pytest.param(
            NUMBER,
            None,
            Regression(["crp"]),
            "the outcome lacks targets of the task: crp: expected crp, got il6. Call the columns as the model does.",
            id="another target",
        ),
        pytest.param(
            CAUSES | {"causes": {"other": 2, "tumour": 1}},
            None,
            CompetingRisks([10, 20], ["tumour", "other"]),
            "the causes of the outcome are not those of the model: expected tumour, other, got other, tumour",
            id="causes in another order",
        ),
        pytest.param(
            CAUSES, None, CompetingRisks([10, 20], ["tumour", "heart"]), "the causes of the outcome", id="other causes"
        ),
        pytest.param(TIMES, None, Survival([1, 2], unit="years"), "the times of the cohort have no unit", id="times"),
        pytest.param(
            TIMES,
            lambda t: t.assign(months=t["months"] * 30.4),
            Survival([10, 40]),
            "the times of the cohort are of another scale than those of the model, far longer",
            id="days for months",
        ),
        pytest.param(
            TIMES, None, Classification(2), "the task does not fit the outcome: expected Survival", id="another task"
        ),
        pytest.param(TIMES, None, CompetingRisks([10, 20], ["a", "b"]), "the task does not fit", id="one of causes"),
    ],
)
def test_another_coding_is_refused(
    tmp_path: Path, outcome: dict[str, Any], change: Any, task: Task, message: str
) -> None:
    assert tried(tmp_path, site(tmp_path, outcome, change), task).startswith(message)


def test_the_order_of_classes_is_the_plates(tmp_path: Path) -> None:
    manifest = site(tmp_path, RELAPSE | {"classes": ["yes", "no"]})  # the site's own order is the other way round
    cohort, plates = Cohort.from_manifest(manifest), Classification(["no", "yes"])
    assert cohort.outcome is not None
    assert cohort.outcome_spec is not None
    target = cohort.outcome_spec.target(cohort.outcome, plates)
    assert target.tolist() == [int(word == "yes") for word in cohort.outcome["label"]]
    mmlego.save(mmlego.Baseplate(plates, channels=4, width=8), tmp_path / "plate")
    done("train", "-d", manifest, "-o", tmp_path / "run", "--plate", tmp_path / "plate", *FAST)
    done("predict", tmp_path / "run" / "blocks" / "clinical", "-d", manifest, "-o", tmp_path / "p.csv")
    chances = pd.read_csv(tmp_path / "p.csv", index_col="patient", dtype={"patient": str})["probability_yes"]
    relapsed = cohort.outcome["label"].reindex(chances.index) == "yes"
    assert chances[relapsed].mean() > chances[~relapsed].mean() + 0.1


def test_a_label_that_the_plate_lacks_is_told(tmp_path: Path) -> None:
    manifest = site(tmp_path, LABELS)
    mmlego.save(mmlego.Baseplate(MultiLabel(["tox_liver"]), channels=4, width=8), tmp_path / "plate")
    said = done("train", "-d", manifest, "-o", tmp_path / "run", "--plate", tmp_path / "plate", *FAST)
    assert "The baseplate has no tox_skin: nothing is learnt of what trial knows of it." in said.err


def test_units_of_numbers_come_with_the_plate(tmp_path: Path) -> None:
    manifest = site(tmp_path, NUMBER | {"unit": "ng/ml"})
    done("train", "-d", manifest, "-o", tmp_path / "run", *FAST)
    assert mmlego.load(tmp_path / "run" / "plate").task.units == ("ng/ml",)
    assert "units [ng/ml]" in done("inspect", tmp_path / "run" / "plate").text
    other = yaml.safe_load(manifest.read_text())
    other["outcome"]["unit"] = "pg/ml"
    manifest.write_text(yaml.safe_dump(other))
    for verb in (("evaluate", tmp_path / "run"), ("fuse", tmp_path / "run", "--overwrite")):
        assert refused(*verb, "-d", manifest).startswith("the units of the outcome are not those of the model")
