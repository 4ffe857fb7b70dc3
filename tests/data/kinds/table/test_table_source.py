"""Tables as a manifest declares them: which columns of a file become features, and which do not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmlego.data import Cohort
from mmlego.errors import InputError

WIDE = """id,age,sex,TP53_rna,EGFR_rna,died
a,50,f,0.5,1.0,0
b,60,m,1.5,2.0,1
c,70,f,2.5,6.0,0
"""


def cohort(folder: Path, section: str) -> Cohort:
    """Read one wide file that holds modality and outcome."""
    (folder / "wide.csv").write_text(WIDE)
    outcome = "outcome: {task: classification, file: wide.csv, label: died}"
    (folder / "cohort.yaml").write_text(f"key: id\n{outcome}\nmodalities:\n  m: {{kind: table, {section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


@pytest.mark.parametrize(
    ("columns", "chosen"),
    [
        ("age", ["age"]),
        ("'*_rna'", ["TP53_rna", "EGFR_rna"]),
        ("[sex, 'TP53*']", ["sex", "TP53_rna"]),
    ],
)
def test_columns_are_names_or_globs(columns: str, chosen: list[str], tmp_path: Path) -> None:
    assert list(cohort(tmp_path, f"file: wide.csv, columns: {columns}").frames["m"].columns) == chosen


@pytest.mark.parametrize("more", ["", ", columns: [age, died]", ", columns: '*'"])
def test_the_outcome_is_no_feature(more: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"leakage: m holds columns of the outcome \(died\)"):
        cohort(tmp_path, f"file: wide.csv{more}")


def test_the_columns_that_vary_most_are_kept(tmp_path: Path) -> None:
    read = cohort(tmp_path, "file: wide.csv, columns: '*_rna', keep: 1")
    prepared = read.prepare(["a", "b", "c"])
    values = torch.tensor([[1.0], [2.0], [6.0]])
    expected = (values - values.mean()) / values.std(correction=0)
    torch.testing.assert_close(prepared.data().batch().inputs["m"], expected)
