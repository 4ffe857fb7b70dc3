"""An experiment on workers of Ray is that of one after another, to the last digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mmlego.bench import Experiment, Results, run_experiment
from mmlego.cells import Workers, in_manifest
from mmlego.data import Cohort
from mmlego.plugins import import_own
from tests.bench.test_experiment import untimed
from tests.cells.conftest import ray
from tests.cells.jobs import Told
from tests.cohorts import write_cohort

__all__ = ["ray"]


@pytest.mark.filterwarnings("ignore::mmlego.LegoWarning")  # of metrics on a handful of patients
def test_results_are_equal_to_the_last_digit(
    ray: Any, experiment: Experiment, results: Results, tmp_path: Path
) -> None:
    manifest = write_cohort(tmp_path / "cohort", ("rna", "clinical", "labs"))
    import_own("tests.few_trees")  # in the workers, too
    told = Told()
    found = run_experiment(
        Cohort.from_manifest(manifest),
        experiment,
        tmp_path / "out",
        workers=Workers(2),
        place=in_manifest(manifest),
        watch=told,
    )
    assert told.begun == [(4, 0, "on 2 workers")]
    assert untimed(found) == untimed(results)
    assert found.outcome == results.outcome
