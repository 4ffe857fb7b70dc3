"""A cohort with gaps, settings with which it takes a second, and what the main job makes of it."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from mmlego import LegoWarning
from mmlego.bench import Experiment, Results, run_experiment
from mmlego.data import Cohort
from mmlego.settings import Settings
from tests.trials import bricks, cohort, quick, split

__all__ = ["bricks", "cohort", "experiment", "place", "quick", "results", "script", "split"]

SCRIPTS = Path(__file__).parents[2] / "benchmarks" / "merging"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Import a script of the merging benchmark by name, and forget all of them afterwards."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    yield importlib.import_module
    for file in SCRIPTS.glob("*.py"):
        sys.modules.pop(file.stem, None)


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
