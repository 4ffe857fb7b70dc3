"""The demo's cohorts: what ships in scikit-survival, and TCGA files with a row a slide."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego import InputError, MissingExtraError
from mmlego.datasets import gse7390, tcga

WIDE = """case_id,age,is_female,survival_months,censorship,TP53_rnaseq,EGFR_rnaseq,TP53_mut,oncotree_code
P1,60,1,30,1,0.1,0.2,0,X
P1,60,1,30,1,0.1,0.2,0,X
P2,,0,12,0,0.3,0.4,1,X
P3,50,1,20,1,0.5,0.6,0,X
P4,40,0,26,0,0.7,0.8,1,X
"""


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    path = tmp_path / "small.all.csv"
    path.write_text(WIDE)
    return path


def test_gse7390() -> None:
    from sksurv.datasets import load_breast_cancer

    x, y = load_breast_cancer()
    cohort = gse7390()
    assert len(cohort) == len(x) == 198
    assert cohort.modalities == ("genes", "clinical")
    assert cohort.frames["genes"].shape == (198, 76)
    assert list(cohort.frames["clinical"].columns) == ["age", "er", "grade", "size"]
    np.testing.assert_allclose(cohort.outcome["time"], y["t.tdm"] / 365.25)
    np.testing.assert_array_equal(cohort.outcome["event"], y["e.tdm"])
    assert cohort.frames["clinical"]["grade"].isna().sum() == (x["grade"] == "unkown").sum() > 0
    np.testing.assert_array_equal(cohort.frames["genes"].to_numpy(), x[cohort.frames["genes"].columns].to_numpy())


def test_gse7390_as_classes() -> None:
    from sksurv.datasets import load_breast_cancer

    _, y = load_breast_cancer()
    years, event = y["t.tdm"] / 365.25, y["e.tdm"]
    cohort = gse7390("classification")
    assert len(cohort) == int((event | (years >= 5)).sum()) < 198
    counts = cohort.outcome["label"].value_counts()
    assert counts["1"] == int((event & (years < 5)).sum())


def test_without_scikit_survival_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sksurv.datasets", None)
    with pytest.raises(MissingExtraError, match=r"not installed\. pip install 'mmlego\[demo\]'"):
        gse7390()


def test_a_tcga_file_is_read_by_patient(wide: Path) -> None:
    cohort = tcga(wide)
    assert cohort.name == "small"
    assert cohort.patients == ("P1", "P2", "P3", "P4")
    assert cohort.modalities == ("rna", "mutations", "clinical")  # the file has no copy numbers
    assert list(cohort.frames["rna"].columns) == ["TP53_rnaseq", "EGFR_rnaseq"]
    assert cohort.outcome["event"].tolist() == [0, 1, 0, 1]  # 1 means censored in the file
    assert cohort.outcome["time"].tolist() == [30, 12, 20, 26]
    assert pd.isna(cohort.frames["clinical"].loc["P2", "age"])


def test_a_tcga_file_as_classes_leaves_out_who_was_lost_early(wide: Path) -> None:
    cohort = tcga(wide, "classification")
    assert cohort.outcome["label"].to_dict() == {"P1": "0", "P2": "1", "P4": "0"}


def test_other_files_are_refused(wide: Path) -> None:
    wide.write_text(WIDE.replace("censorship", "status"))
    with pytest.raises(InputError, match=r"small\.all\.csv is no such TCGA file: .*got no \['censorship'\]"):
        tcga(wide)
    wide.write_text(WIDE.replace("case_id", "patient"))
    with pytest.raises(InputError, match="case_id"):
        tcga(wide)
    with pytest.raises(InputError, match="nowhere"):
        tcga(wide.parent / "nowhere.csv")


@pytest.mark.parametrize(
    ("name", "patients", "modalities"),
    [("blca", 373, ("rna", "cnv", "mutations", "clinical")), ("kirp", 260, ("rna", "mutations", "clinical"))],
)
def test_the_real_files(shared: Path, name: str, patients: int, modalities: tuple[str, ...]) -> None:
    cohort = tcga(shared / "data" / "tcga" / f"tcga_{name}_all_clean.csv.zip")
    assert len(cohort) == len(set(cohort.patients)) == patients
    assert cohort.modalities == modalities
    assert cohort.name == f"tcga_{name}_all_clean"
