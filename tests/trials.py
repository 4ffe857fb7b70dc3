"""A cohort with gaps, settings with which it takes a second, and what the main job makes of it: shared fixtures."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pytest

from mmlego import Bricks, LegoWarning, train
from mmlego.data import Cohort, Split, split_patients
from mmlego.settings import Settings
from tests.cohorts import QUICK, write_cohort


def train_on(
    cohort: Cohort, train_ids: Sequence[str], validation: Sequence[str], settings: Settings, **options: Any
) -> Bricks:
    """Run the main job on patients by name; all others are held back."""
    place = {patient: row for row, patient in enumerate(cohort.patients)}
    parts = [[place[patient] for patient in ids] for ids in (train_ids, validation)]
    rest = sorted({*place.values()} - {*parts[0], *parts[1]})
    return train(cohort, settings, split=Split(*parts, rest), progress=False, **options)


@pytest.fixture(scope="session")
def quick() -> Settings:
    return Settings.model_validate(QUICK)


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    """60 patients; 9 lack clinical, 18 others lack labs."""
    manifest = write_cohort(tmp_path_factory.mktemp("cohort"), ("rna", "clinical", "labs"))
    return Cohort.from_manifest(manifest)


@pytest.fixture(scope="session")
def split(cohort: Cohort) -> Split:
    return split_patients(cohort.patients, cohort.strata(), folds=3, validation=0.25, seed=1)[0]


@pytest.fixture(scope="session")
def bricks(cohort: Cohort, split: Split, quick: Settings) -> Bricks:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)  # of metrics that a handful of patients leave undefined
        return train(cohort, quick, split=split, seed=3, progress=False)
