"""``mmlego explain``: tables that add up, whom and what it explains, and what it does not overwrite."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from mmlego.data import Cohort, load_splits
from tests.cohorts import write_cohort
from tests.terminal import done, refused


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty patients whose outcome nobody knows; some lack clinical, others labs."""
    place = tmp_path_factory.mktemp("explain") / "others"
    return write_cohort(place, ("rna", "clinical", "labs"), n=20, first=500, seed=7, outcome=None)


def test_tables_add_up_and_are_of_those_asked_for(finished: Path, others: Path, tmp_path: Path) -> None:
    out = tmp_path / "why"
    ids = Cohort.from_manifest(others).patients[:3]
    said = done("explain", finished / "merge", "-d", others, "-o", out, "--patients", ",".join(ids), "--top", "2")
    told = pd.read_csv(out / "modalities.csv", index_col="patient", dtype={"patient": str})
    assert tuple(told.index) == ids
    moved = told[["rna", "clinical", "labs"]].sum(axis=1)
    assert (told["base"] + moved - told["prediction"]).abs().max() < 1e-4
    assert set(told["output"]) == {"risk"}
    for name in ("rna", "clinical", "labs"):
        having = told.index[told[name].notna()]
        features = pd.read_csv(out / name / "features.csv", dtype={"patient": str})
        sums = pd.read_csv(out / name / "sums.csv", index_col="patient", dtype={"patient": str})
        assert list(sums.index) == list(having)
        total = features.groupby("patient")["attribution"].sum()
        assert (total.loc[having] - sums.loc[having, "attributions"]).abs().max() < 1e-4
        moved = (sums["prediction"] - sums["base"]).abs().max()
        assert sums["error"].abs().max() <= 0.05 * moved + 2e-4  # kinks of encoders, which no quadrature likes
        assert (out / name / "top.png").read_bytes().startswith(b"\x89PNG")
        assert features.groupby("patient").size().max() == 3  # the largest two, and the sum of all others
    assert "log-odds of time lost to time survived" in " ".join(said.text.split())
    assert "2 of" in said.text
    assert "rna: features.csv lists the 2 largest" in " ".join(said.text.split())
    assert "--top all lists all" in " ".join(said.text.split())
    about = json.loads((out / "explanation.json").read_text())
    assert about["patients"] == 3
    assert about["outputs"] == ["risk"]


def test_a_part_of_the_run_is_scored_too(finished: Path, site: Path, tmp_path: Path) -> None:
    out, cohort_file = tmp_path / "why", site / "cohort.yaml"
    done("explain", finished / "merge", "-d", cohort_file, "-o", out, "--part", "test", "--modality", "clinical")
    told = pd.read_csv(out / "modalities.csv", dtype={"patient": str})
    cohort = Cohort.from_manifest(cohort_file)
    (split,) = load_splits(finished / "private/split.json", cohort.patients)
    assert set(told["patient"]) <= {cohort.patients[row] for row in split.test}
    score = pd.read_csv(out / "score.csv", index_col="modality")["c_index"]
    about = json.loads((out / "explanation.json").read_text())["score"]
    assert score.sum() == pytest.approx(about["score"] - 0.5, abs=1e-5)
    assert not (out / "rna").exists()


def test_nothing_else_is_overwritten(finished: Path, others: Path, tmp_path: Path) -> None:
    out = tmp_path / "why"
    patient = Cohort.from_manifest(others).patients[0]
    given = ["explain", finished / "blocks" / "rna", "-d", others, "-o", out, "--patients", patient]
    done(*given, "--top", "all")
    features = pd.read_csv(out / "rna" / "features.csv")
    assert not features["feature"].str.endswith("others)").any()
    assert features["beside_others"].ge(0).all()
    assert "is there already" in refused(*given)
    done(*given, "--overwrite")
    (out / "notes.txt").write_text("mine")
    assert "holds more than an explanation" in refused(*given, "--overwrite")
    assert (out / "notes.txt").read_text() == "mine"


def test_whom_and_what_nobody_knows(finished: Path, others: Path, tmp_path: Path) -> None:
    given = ["explain", finished / "merge", "-d", others, "-o", tmp_path / "why"]
    assert "patients who cannot be explained" in refused(*given, "--patients", "nobody")
    assert "unknown modality" in refused(*given, "--modality", "dna")
    assert "unknown output" in refused(*given, "--output", "death")
    assert "--part all" in refused(*given, "--part", "test")
    assert "a number ≥ 1, or all" in refused(*given, "--top", "0")
    assert "a number ≥ 1, or all" in refused(*given, "--top", "most")
    assert "pixels > 0" in refused(*given, "--patch-size", "-1")
    assert not (tmp_path / "why").exists()
