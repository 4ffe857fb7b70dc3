"""The register of cohorts: known names, options, and a cohort of one's own."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mmlego import InputError, UnknownNameError, datasets
from mmlego.data import Cohort
from mmlego.datasets import Dataset, dataset_names, load_dataset, register_dataset, registry, write_dataset
from tests.terminal import refused


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_DATASETS", dict(registry._DATASETS))


def mine() -> Cohort:
    return Cohort.from_frames({"rna": pd.DataFrame({"TP53": [1.0, 2.0]}, index=["a", "b"])}, name="mine")


def test_known_names() -> None:
    assert {"gse7390", "tcga", "synthetic"} <= {*dataset_names()}
    assert {*dataset_names(written=True)} == {"gse7390", "synthetic"}


def test_a_cohort_of_ones_own() -> None:
    register_dataset(Dataset("mine", "two patients", mine))
    register_dataset(Dataset("mine", "two patients", mine))  # the same again, as when a script runs twice
    assert load_dataset("mine").patients == ("a", "b")
    assert "mine" not in dataset_names(written=True)
    with pytest.raises(InputError, match="'mine' is taken"):
        register_dataset(Dataset("mine", "others", mine))


def test_options_are_those_of_its_function(tmp_path: Path) -> None:
    assert len(load_dataset("synthetic", {"folder": tmp_path, "patients": 12, "seed": 3})) == 12
    again = datasets.synthetic(tmp_path, patients=12, seed=3)
    assert again.frames["clinical"].equals(
        load_dataset("synthetic", {"folder": tmp_path, "patients": 12, "seed": 3}).frames["clinical"]
    )
    assert len(datasets.synthetic(tmp_path, patients=13, seed=3)) == 13  # not what lies there of other patients
    with pytest.raises(InputError, match=r"wrong options for dataset 'gse7390' .*expected of task, got tusk"):
        load_dataset("gse7390", {"tusk": "survival"})


def test_unknown_names(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="expected one of gse7390, synthetic, tcga, got 'mnist'"):
        load_dataset("mnist")
    with pytest.raises(UnknownNameError, match="expected one of gse7390, synthetic, got 'tcga'"):
        write_dataset("tcga", tmp_path)
    assert "expected one of gse7390, synthetic, got 'mnist'" in refused("example", "mnist", "-o", tmp_path / "here")
    assert "expected one of gse7390, synthetic, tcga, got 'mnist'" in refused("demo", "--data", "mnist")
