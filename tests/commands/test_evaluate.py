"""``mmlego evaluate``: scores on the patients nobody trained on, and no others unless asked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mmlego
from mmlego.data import Cohort, load_splits
from mmlego.job import data_of
from tests.cohorts import CLASSES, write_cohort
from tests.terminal import Said, done, inside, refused

Train = Callable[..., Path]
MODELS = ["blocks/rna", "blocks/clinical", "blocks/labs", "merge", "fuse"]


def scores(*arguments: object, file: Path) -> dict[str, Any]:
    done("evaluate", *arguments, "--out", file)
    return json.loads(file.read_text())


def rows(said: Said) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in said.out.splitlines() if "0." in line or " 0" in line}


def test_a_run_folder_is_scored_on_its_test_part(finished: Path, site: Path, tmp_path: Path) -> None:
    found = scores(finished, "-d", site / "cohort.yaml", file=tmp_path / "scores.json")
    assert (found["cohort"], found["part"]) == ("trial", "test part")
    assert list(found["scores"]) == [str(finished / name) for name in MODELS]
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    split = load_splits(finished / "private/split.json", cohort.patients)[0].named(cohort.patients)
    task = mmlego.load(finished / "plate").task
    seen = cohort.outcome_spec.target(cohort.outcome.loc[split["train"]], task)  # whatever modalities they have
    for name in MODELS:
        model = mmlego.load(finished / name)
        data = data_of(model, cohort, split["test"])
        expected = {"patients": len(data), **mmlego.evaluate(model, data, reference=seen)}
        assert found["scores"][str(finished / name)] == pytest.approx(expected)
    assert found["scores"][str(finished / "blocks/labs")]["patients"] < 12


def test_survival_is_compared_with_kaplan_meier(finished: Path, site: Path, tmp_path: Path) -> None:
    file = tmp_path / "scores.json"
    given = ("evaluate", finished, "-d", site / "cohort.yaml", "--out", file)
    said = done(*given, "--times", "3,999")
    found = json.loads(file.read_text())["calibration"]
    assert list(found) == [str(finished / name) for name in MODELS]
    merge = mmlego.load(finished / "merge")
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    split = load_splits(finished / "private/split.json", cohort.patients)[0].named(cohort.patients)
    data = data_of(merge, cohort, split["test"])
    early, late = found[str(finished / "merge")]
    expected = mmlego.evaluate(merge, data, times=[3])
    assert {f"{name}_at_3": value for name, value in early.items() if name != "time"}.items() <= expected.items()
    assert (late["time"], late["predicted"], late["km"], late["at_risk"]) == (999, None, None, 0)
    assert f"Nothing is predicted beyond {merge.task.horizon:.4g}, the last cut" in said.text
    assert f" 3 {early['predicted']:.3f} {early['km']:.3f} {early['low']:.2f}-" in said.text
    done(*given)
    assert [row["time"] for row in json.loads(file.read_text())["calibration"][str(finished / "merge")]] == list(
        merge.task.cuts
    )
    assert refused(*given, "--times", "3,x").startswith("times are not numbers: expected times ≥ 0 with commas")


@pytest.mark.parametrize("place", [".", "blocks", "blocks/rna"])
def test_the_split_is_found_from_wherever_one_stands(finished: Path, site: Path, place: str) -> None:
    with inside(finished / place):
        said = done("evaluate", finished / "blocks" / "rna", "-d", site / "cohort.yaml")
        assert "trial, test part: 12 patients" in said.text
        relative = {".": "blocks/rna", "blocks": "rna", "blocks/rna": "."}[place]
        assert done("evaluate", relative, "-d", site / "cohort.yaml").text.split("ibs")[1] == said.text.split("ibs")[1]


@pytest.mark.parametrize(("part", "patients"), [("train", 36), ("validation", 12), ("test", 12), ("all", 60)])
def test_parts(finished: Path, site: Path, tmp_path: Path, part: str, patients: int) -> None:
    found = scores(finished / "merge", "-d", site / "cohort.yaml", "--part", part, file=tmp_path / "scores.json")
    assert found["part"] == ("all patients" if part == "all" else f"{part} part")
    assert found["scores"][str(finished / "merge")]["patients"] == patients


def test_without_a_split_everybody_is_scored_and_one_is_told(finished: Path, site: Path, tmp_path: Path) -> None:
    done("merge", finished, "-o", tmp_path / "elsewhere" / "merge")
    said = done("evaluate", tmp_path / "elsewhere" / "merge", "-d", site / "cohort.yaml")
    assert "trial, all patients: 60 patients" in said.text
    assert said.error.startswith("warning: No split.json beside the models: all patients are scored, also those")
    message = refused("evaluate", tmp_path / "elsewhere" / "merge", "-d", site / "cohort.yaml", "--part", "test")
    assert message.endswith("expected a model of mmlego train, got --part test")


def test_other_patients_are_scored_only_if_asked(finished: Path, tmp_path: Path) -> None:
    data = write_cohort(tmp_path, ("clinical",), first=100, seed=2, name="elsewhere")
    message = refused("evaluate", finished, "-d", data)
    assert message.endswith(
        "split.json was made for other patients: expected those of elsewhere, as they are now, got another list. "
        "Pass --part all if the models were not trained on these patients."
    )
    found = scores(finished, "-d", data, "--part", "all", file=tmp_path / "scores.json")["scores"]
    assert found[str(finished / "blocks/labs")] == {"patients": 0}
    assert found[str(finished / "merge")] == pytest.approx(found[str(finished / "blocks/clinical")])
    message = refused("evaluate", finished / "blocks" / "labs", "-d", data, "--part", "all")
    assert message == "none of 51 patients has a modality of the model: expected one of labs, got clinical in elsewhere"


def test_one_run_s_test_patients_may_be_another_s_training_patients(
    finished: Path, train: Train, site: Path, tmp_path: Path
) -> None:
    other = train(tmp_path / "other", "-m", "rna", "-s", "seed=1")
    message = refused("evaluate", finished, other, "-d", site / "cohort.yaml")
    assert "split the patients differently: expected one split" in message
    same = train(tmp_path / "same", "-m", "rna")
    said = done("evaluate", finished / "merge", same, "-d", site / "cohort.yaml")
    assert "trial, test part: 12 patients" in said.text


def test_scores_that_are_undefined(finished: Path, site: Path, tmp_path: Path) -> None:
    # Nobody of the twelve is known to have died: no two patients can be compared.
    shutil.copytree(site, tmp_path / "site")
    outcome = (tmp_path / "site" / "outcome.csv").read_text().splitlines()
    cohort = Cohort.from_manifest(site / "cohort.yaml")
    test = load_splits(finished / "private/split.json", cohort.patients)[0].named(cohort.patients)["test"]
    changed = [line.replace("dead", "alive") if line[:3] in test else line for line in outcome]
    (tmp_path / "site" / "outcome.csv").write_text("\n".join(changed))
    said = done("evaluate", finished, "-d", tmp_path / "site" / "cohort.yaml", "--out", tmp_path / "scores.json")
    assert said.error.count("warning: c_index") == 2  # each is said once, not once a model
    assert "not defined" in said.out
    found = json.loads((tmp_path / "scores.json").read_text())["scores"]
    assert all(row["c_index"] is None for row in found.values())


def test_classes(train: Train, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "c", outcome=CLASSES)
    run = train(tmp_path / "run", data=data)
    found = scores(run, "-d", data, file=tmp_path / "scores.json")["scores"]
    assert {"loss", "auroc", "accuracy", "brier"} <= found[str(run / "blocks/rna")].keys()


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("kind", ["survival", "classification", "multilabel", "regression"])
def test_every_task_s_scores_are_legible(
    finished: Path, site: Path, train: Train, tmp_path: Path, width: int, kind: str
) -> None:
    outcomes = {
        "classification": {"task": "classification", "label": "grade"},
        "multilabel": {"task": "multilabel", "labels": "tox_*"},
        "regression": {"task": "regression", "target": "il6"},
    }
    run, data = finished, site / "cohort.yaml"
    if kind != "survival":
        data = write_cohort(tmp_path / "c", outcome=outcomes[kind])
        run = train(tmp_path / "run", "-m", "rna", "-s", "fit.epochs=1", data=data)
    with inside(run.parent):
        said = done("evaluate", "run", "-d", data, width=width)
    lines = said.out.splitlines()
    assert max(len(line.rstrip()) for line in lines) <= width
    assert "…" not in said.out
    assert lines[0].startswith("run on trial, test part: ")
    assert sum(line.startswith("blocks/rna ") for line in lines) == sum(line.startswith("model ") for line in lines)


def test_wrong_models(finished: Path, site: Path, tmp_path: Path) -> None:
    data = site / "cohort.yaml"
    message = refused("evaluate", finished / "plate", "-d", data)
    assert message.endswith("plate holds no model: expected a block, merge or fuse, got a Baseplate")
    message = refused("evaluate", tmp_path / "none", "-d", data)
    assert message.endswith("none is no checkpoint: expected a folder with config.json, got none")


def test_wrong_cohorts(finished: Path, tmp_path: Path) -> None:
    data = write_cohort(tmp_path / "new", outcome=None)
    message = refused("evaluate", finished, "-d", data, "--part", "all")
    assert message == "scoring needs an outcome, and trial has none. Add outcome: to the manifest."
    data = write_cohort(tmp_path / "classes", outcome=CLASSES)
    message = refused("evaluate", finished, "-d", data, "--part", "all")
    assert message == "the task does not fit the outcome: expected Classification, got Survival"


def test_a_damaged_split_is_named(run: Path, site: Path) -> None:
    (run / "private/split.json").write_text("{")
    assert "split.json is not JSON" in refused("evaluate", run, "-d", site / "cohort.yaml")
    (run / "private/split.json").write_text("[]")
    assert "split.json holds no splits" in refused("evaluate", run, "-d", site / "cohort.yaml")
