"""A cohort with gaps, settings with which it takes a second, and what the main job makes of it."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from mmlego import LegoWarning
from mmlego.bench import Bricks, Experiment, Results, build_bricks, run_experiment
from mmlego.data import Cohort, Split, split_patients
from mmlego.settings import Settings
from tests.cohorts import QUICK, write_cohort


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
    parts = split.named(cohort.patients)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)  # of metrics that a handful of patients leave undefined
        return build_bricks(cohort, parts["train"], parts["validation"], quick, seed=3)


@pytest.fixture(scope="session")
def experiment(quick: Settings) -> Experiment:
    return Experiment(folds=2, repeats=2, validation=0.25, settings=quick)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("experiment")


@pytest.fixture(scope="session")
def results(cohort: Cohort, experiment: Experiment, place: Path) -> Results:
    """Four splits of the cohort, run once; their files lie in ``place`` and are not to be changed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)
        return run_experiment(cohort, experiment, place)
