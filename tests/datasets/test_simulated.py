"""The synthetic cohort: the same of the same seed, and each modality tells the part of the outcome that it should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mmlego.data import Cohort
from mmlego.datasets import write_synthetic


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic(tmp_path_factory.mktemp("synthetic"), patients=1000).parent


def relapse(folder: Path) -> pd.Series:
    return pd.read_csv(folder / "outcome.csv", index_col="patient")["relapse"] == "yes"


def auroc(folder: Path, score: pd.Series) -> float:
    return float(roc_auc_score(relapse(folder).loc[score.index], score))


def test_who_has_what(folder: Path) -> None:
    cohort = Cohort.from_manifest(folder / "cohort.yaml")
    assert {name: len(frame) for name, frame in cohort.frames.items()} == dict.fromkeys(cohort.modalities, 900)
    assert len(cohort) == 1000
    assert 0.4 < relapse(folder).mean() < 0.6


def test_each_modality_tells_a_part(folder: Path) -> None:
    clinical = pd.read_csv(folder / "clinical.csv", index_col="patient")
    assert 0.68 < auroc(folder, clinical["age"]) < 0.77
    assert abs(auroc(folder, clinical["marker_0"]) - 0.5) < 0.06
    vitals = pd.read_csv(folder / "vitals.csv")
    pulse = vitals[vitals["variable"] == "pulse"]
    slopes = pulse.groupby("patient")[["time", "value"]].apply(
        lambda stay: np.polyfit(stay["time"], stay["value"], 1)[0]
    )
    assert 0.68 < auroc(folder, slopes) < 0.77
    shares = {file.stem: torch.load(file)[:, :4].mean().item() for file in (folder / "slides").iterdir()}
    assert 0.68 < auroc(folder, pd.Series(shares)) < 0.77
    every = pd.concat([clinical["age"], slopes, pd.Series(shares)], axis=1, join="inner")
    together = auroc(folder, ((every - every.mean()) / every.std()).sum(axis=1))
    assert together > 0.86, "the parts add up"


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    made = [
        write_synthetic(tmp_path / name, patients=12, seed=seed).parent for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    for name in ("outcome.csv", "clinical.csv", "vitals.csv"):
        assert (made[0] / name).read_bytes() == (made[1] / name).read_bytes()
    assert (made[0] / "clinical.csv").read_bytes() != (made[2] / "clinical.csv").read_bytes()
    slides = [sorted((folder / "slides").iterdir()) for folder in made]
    assert [torch.load(file).tolist() for file in slides[0]] == [torch.load(file).tolist() for file in slides[1]]
