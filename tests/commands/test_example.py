"""``mmlego example``: files and a manifest that the other verbs take."""

from __future__ import annotations

import builtins
from pathlib import Path

import pandas as pd
import pytest
import yaml

from mmlego.data import Cohort
from mmlego.datasets import gse7390, write_dataset
from mmlego.errors import UnknownNameError
from tests.terminal import done, refused

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["gse7390", "synthetic"])
def test_the_files_are_those_of_the_manifest_in_examples(name: str, tmp_path: Path) -> None:
    said = done("example", name, "-o", tmp_path / "here")
    assert "patients" in said.text
    assert said.text.endswith("cohort.yaml.")
    written = yaml.safe_load((tmp_path / "here" / "cohort.yaml").read_text())
    assert written == yaml.safe_load((ROOT / "examples" / name / "cohort.yaml").read_text())
    assert "holds a manifest" in refused("example", name, "-o", tmp_path / "here")


def test_gse7390_from_files_is_that_in_memory(tmp_path: Path) -> None:
    read, kept = Cohort.from_manifest(write_dataset("gse7390", tmp_path / "here")), gse7390()
    assert read.patients == kept.patients
    pd.testing.assert_frame_equal(read.frames["genes"], kept.frames["genes"], check_names=False)
    assert read.frames["clinical"]["grade"].isna().tolist() == kept.frames["clinical"]["grade"].isna().tolist()
    pd.testing.assert_frame_equal(read.outcome, kept.outcome, check_names=False)


def test_the_seed_counts(tmp_path: Path) -> None:
    texts = [
        (write_dataset("synthetic", tmp_path / name, seed).parent / "clinical.csv").read_text()
        for name, seed in (("a", 0), ("b", 0), ("c", 1))
    ]
    assert texts[0] == texts[1] != texts[2]


def test_no_such_example(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="expected one of gse7390, synthetic, got 'mnist'"):
        write_dataset("mnist", tmp_path)


def test_without_the_package_that_holds_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def lacking(name: str, *rest: object) -> object:
        if name.startswith("sksurv"):
            raise ImportError(name)
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", lacking)
    assert "pip install 'mmlego[demo]'" in refused("example", "gse7390", "-o", tmp_path / "here")
    assert not (tmp_path / "here").exists()
