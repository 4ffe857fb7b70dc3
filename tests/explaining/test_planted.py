"""Planted columns and patches are found where outcomes hang on them, and nothing where outcomes are shuffled."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from mmlego import LegoBlock, Ragged
from mmlego.data import PatientData
from mmlego.explaining import FeatureValues, feature_values
from mmlego.tasks import Classification
from tests.bricks import plate

TWO = Classification(["no", "yes"])
N, EXPLAINED = 160, 12


@functools.cache
def cohort() -> tuple[torch.Tensor, list[torch.Tensor], list[np.ndarray], torch.Tensor]:
    """Return eight columns and a slide a patient, which patches are odd, and the outcome that hangs on both.

    The outcome hangs on the first column and on how many patches are of a kind whose first two features are larger.
    """
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=N)
    columns = rng.normal(size=(N, 8))
    columns[:, 0] = hidden + 0.3 * columns[:, 0]
    slides, kinds = [], []
    for one in hidden:
        patches = rng.normal(size=(40, 6))
        odd = rng.random(40) < 1 / (1 + np.exp(1.0 - 1.5 * one))
        patches[odd, :2] += 3.0
        slides.append(torch.from_numpy(patches.astype(np.float32)))
        kinds.append(odd)
    outcome = rng.random(N) < 1 / (1 + np.exp(-4 * hidden))
    return torch.from_numpy(columns.astype(np.float32)), slides, kinds, torch.from_numpy(outcome).long()


def explained(modality: str, name: str, shuffle: int | None = None) -> FeatureValues:
    """Return what moved a brick fitted to all but those explained, for these."""
    columns, slides, _, outcome = cohort()
    if shuffle is not None:
        outcome = outcome[torch.from_numpy(np.random.default_rng(shuffle).permutation(N))]
    parts = columns if modality == "labs" else slides
    known = columns[EXPLAINED:] if modality == "labs" else Ragged.from_list(slides[EXPLAINED:])
    brick = LegoBlock.of(name, plate(TWO), modality, (known, outcome[EXPLAINED:]), folds=2)
    data = PatientData({modality: parts}, None, TWO, patients=[f"p{i}" for i in range(N)])
    return feature_values(brick, data, modality, patients=[f"p{i}" for i in range(EXPLAINED)])


def aurocs_of_patches(found: FeatureValues) -> list[float]:
    kinds = cohort()[2]
    by_patient = found.per_feature[found.per_feature["feature"].str.startswith("token ")].groupby("patient")
    return [roc_auc_score(kinds[int(str(name)[1:])], mine["attribution"]) for name, mine in by_patient]


def aurocs_of_columns(found: FeatureValues) -> list[float]:
    by_patient = found.per_feature.groupby("patient")
    return [roc_auc_score(mine["feature"] == "column 0", mine["beside_others"]) for _, mine in by_patient]


@pytest.mark.parametrize("name", ["logistic", "boosting"])
def test_planted_patches_and_columns_are_found(name: str) -> None:
    assert np.mean(aurocs_of_columns(explained("labs", name))) >= 0.95
    assert np.mean(aurocs_of_patches(explained("slides", name))) >= 0.9


def test_where_outcomes_are_shuffled_nothing_is_found() -> None:
    """One model errs in one direction for all patients, so that it is on average over models that nothing is found."""
    columns, patches, sizes = [], [], []
    for shuffle in range(8):
        columns.append(np.mean(aurocs_of_columns(explained("labs", "logistic", shuffle))))
        found = explained("slides", "logistic", shuffle)
        patches.append(np.mean(aurocs_of_patches(found)))
        sizes.append(found.per_feature["attribution"].abs().sum())
    assert 0.3 < np.mean(columns) < 0.7
    assert 0.3 < np.mean(patches) < 0.7
    assert np.mean(sizes) < 0.25 * explained("slides", "logistic").per_feature["attribution"].abs().sum()
