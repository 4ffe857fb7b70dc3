"""Competing risks through the verbs: neural blocks, merged and fused, scored and asked; learners refuse."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mmlego
import mmlego.bench
from mmlego.job import data_of
from mmlego.tasks import CompetingRisks
from mmlego.tasks.aalen_johansen import aalen_johansen
from mmlego.training.evaluate import all_logits
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
    done("evaluate", run, *given, "--out", file)
    for row in json.loads(file.read_text())["scores"].values():
        assert row["c_index"] == pytest.approx((row["c_index/relapse"] + row["c_index/death"]) / 2)
        assert row["ibs"] == pytest.approx((row["ibs/relapse"] + row["ibs/death"]) / 2)
        assert row["auc"] == pytest.approx((row["auc/relapse"] + row["auc/death"]) / 2)
    said = done("evaluate", run / "merge", *given, "--out", file, "--times", "6,18,99", "--part", "all")
    rows = json.loads(file.read_text())["calibration"][str(run / "merge")]
    assert [(row["cause"], row["time"]) for row in rows] == [
        (cause, time) for cause in ("relapse", "death") for time in (6, 18, 99)
    ]
    merge, cohort = mmlego.load(run / "merge"), mmlego.data.Cohort.from_manifest(data)
    expected = mmlego.evaluate(merge, data_of(merge, cohort, cohort.patients), times=[6, 18])
    assert (rows[1]["aj"], rows[1]["ici"]) == (
        pytest.approx(expected["aj_relapse_at_18_months"]),
        pytest.approx(expected["ici_relapse_at_18_months"]),
    )
    seen = aalen_johansen(cohort.outcome["event"].to_numpy(), cohort.outcome["time"].to_numpy(), 2).at(18)[0]
    assert [rows[1]["aj"], rows[4]["aj"]] == pytest.approx(seen[:, 0].tolist())
    assert sum(group["patients"] for group in rows[4]["groups"]) == len(cohort)
    assert (rows[2]["predicted"], rows[2]["groups"]) == (None, [])
    assert "of " + str(run / "merge") + ": death, by what is predicted" in said.text
    assert f" 18 {rows[4]['predicted']:.3f} {rows[4]['aj']:.3f} {rows[4]['low']:.2f}-" in said.text
    assert "Nothing is predicted beyond 24 months" in said.text
    page = tmp_path / "report.html"
    done("report", run, "-o", page, "--patients", "003")
    words = page.read_text(encoding="utf-8")
    for told in (
        "Cumulative incidence of death in groups by its risk",
        "Chance of relapse: predicted and seen",
        "Net benefit of acting against death by",
        "compared by the test of Gray (1988)",
        "c-index of death",
        "Predicted as what comes first: by 6 months relapse",
    ):
        assert told in words
    assert {f"{name}.svg" for name in ("risk_groups_1", "risk_groups_2", "calibration_1", "decision_2")} <= {
        file.name for file in (tmp_path / "report_figures").iterdir()
    }
    done("predict", run / "merge", *given, "-o", tmp_path / "p.csv", "--times", "12,24,60")
    frame = pd.read_csv(tmp_path / "p.csv")
    assert frame["relapse_by_60_months"].isna().all()
    said = done("predict", run / "merge", *given, "-o", tmp_path / "q.csv", "--times", "12,24").text
    assert said.count("percentile") == 2
    assert "group" not in said
    assert {"risk_of_death_percentile", "risk_of_relapse_percentile"} <= set(frame.columns)
    by_two_years = frame["relapse_by_24_months"] + frame["death_by_24_months"]
    assert by_two_years.between(0, 1).all()
    assert (
        "competing_risks, cuts [6, 12, 24], causes [relapse, death], unit months" in done("inspect", run / "merge").text
    )


def test_many_cuts_are_told_in_brief_and_in_full_as_json(tmp_path: Path) -> None:
    cuts = [float(month) for month in range(3, 45, 3)]
    plate = mmlego.Baseplate(CompetingRisks(cuts, ["relapse", "death"], unit="months"), channels=2, width=32)
    mmlego.save(plate, tmp_path / "plate")
    said = done("inspect", tmp_path / "plate", "--out", tmp_path / "all.json").text
    assert "competing_risks, cuts 14 from 3 to 42, causes [relapse, death], unit months" in said
    (found,) = json.loads((tmp_path / "all.json").read_text()).values()
    assert found["plates"][0]["config"]["task"]["cuts"] == cuts
    card = (tmp_path / "plate" / "README.md").read_text(encoding="utf-8")
    assert "name competing_risks, cuts 14 from 3 to 42, causes ['relapse', 'death'], unit months" in card


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_learners_are_fitted_one_a_cause(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("train", "-d", data, "-o", run, "-s", "encoder.name=coxnet", "--no-progress", "--shared-patients")
    done("merge", run)
    done("explain", run / "merge", "-d", data, "-o", tmp_path / "why", "--output", "death")
    told = pd.read_csv(tmp_path / "why" / "modalities.csv", index_col=0)
    assert set(told["output"]) == {"death"}
    merge, cohort = mmlego.load(run / "merge"), mmlego.data.Cohort.from_manifest(data)
    lost = merge.task.predict(all_logits(merge, data_of(merge, cohort, cohort.patients), 64)).risks[:, 1]
    expected = (lost / (4 - lost)).log()  # of four bins
    np.testing.assert_allclose(told["prediction"].to_numpy(), expected.numpy(), atol=1e-3)
    assert "learner 'ridge' does not serve the task" in refused(
        "train", "-d", data, "-o", tmp_path / "other", "-s", "encoder.name=ridge", "--no-progress"
    )


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_more_causes_than_the_latent_has_room_for_are_told(data: Path, tmp_path: Path) -> None:
    quick = ("-s", "plate.width=7", "-s", "fit.epochs=2", "--no-progress", "--shared-patients")
    said = done("train", "-d", data, "-o", tmp_path / "run", *quick)
    assert "gets a neural block: the latent, 7 wide, has no room to read 8 outputs in common" in said.error


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")
def test_bench_tells_of_each_cause(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "bench"
    how = ("--folds", 2, "--repeats", 1, "--shared-patients", "-c", data.parent / "quick.yaml")
    said = done("bench", "-d", data, "-o", out, *how)
    found = mmlego.bench.read_results(out)
    assert found.methods == ["block rna", "block clinical", "logit ensemble", "LegoMerge", "LegoFuse"]
    both = np.stack([found.scores("LegoMerge", f"c_index/{cause}") for cause in ("relapse", "death")])
    np.testing.assert_allclose(both.mean(0), found.scores("LegoMerge"))
    told = (out / "table.md").read_text(encoding="utf-8")
    assert "| method | c-index, relapse | c-index, death | Brier score, relapse | Brier score, death |" in told
    assert f"{found.scores('LegoFuse', 'ibs/death').mean():.3f} ± " in told
    assert "By cause, mean ± sd" in said.text
    assert (out / "incidence.png").is_file()
    for split in found.splits:
        assert [len(risks) for risks in split["risks"]["LegoMerge"]] == [2] * len(split["patients"])
    page = tmp_path / "report.html"
    done("report", out, "-o", page)
    words = page.read_text(encoding="utf-8")
    assert "Cumulative incidence of relapse in groups by its risk" in words
    assert "which of relapse, death comes first, and when, was predicted for 80 patients" in words
    assert "mean c-index of the causes" in words
