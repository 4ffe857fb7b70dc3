"""Whom a model was trained on, as far as its run and its fitted bricks tell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mmlego.data import Cohort
from mmlego.fuse import LegoFuse
from mmlego.job.begin import read_split
from mmlego.run_folder import RunFolder
from mmlego.training.evaluate import Model, bricks_of, innermost

YES, NO, VALIDATION, UNKNOWN = "yes", "no", "validation", "unknown"
_OF_PARTS = {"train": YES, "validation": VALIDATION, "test": NO}


def trained_on(model: Model, runs: Iterable[RunFolder], cohort: Cohort) -> dict[str, str]:
    """Return by patient whether a model was trained on them: yes, no, validation (early stopping saw them) or unknown.

    Parameters
    ----------
    model
        Loaded from a run folder, or from elsewhere.
    runs
        Those that it was made in. One on this very cohort knows; of another cohort fitted bricks remember ids, neural
        blocks nobody.
    cohort
        The patients.
    """
    patients = [*cohort.patients, *(patient for dropped in cohort.dropped for patient in dropped.patients)]
    known = trained_on_by(model, patients)
    for run in runs:
        split = read_split(run, cohort) if run.split.is_file() else None
        for part, rows in {} if split is None else split.parts().items():
            for row in rows.tolist():
                patient = cohort.patients[row]
                if known[patient] != YES:
                    known[patient] = _OF_PARTS[part]
    return known


def trained_on_others(model: Model, runs: Sequence[RunFolder], cohort: Cohort, of_run: Cohort) -> dict[str, str]:
    """Return the same of those patients whom a run's cohort lacks, as they have no outcome.

    Parameters
    ----------
    model, runs
        As :func:`trained_on` takes them.
    cohort
        All who have features.
    of_run
        Those of them whose outcome is known.
    """
    left = [*cohort.patients, *(patient for dropped in cohort.dropped for patient in dropped.patients)]
    left = [patient for patient in left if patient not in set(of_run.patients)]
    if runs and all(run.split.is_file() and read_split(run, of_run) is not None for run in runs):
        return dict.fromkeys(left, NO)  # the run has split this very cohort: without an outcome nobody is trained on
    return trained_on_by(model, left)


def trained_on_by(model: Model, patients: Sequence[str]) -> dict[str, str]:
    """Return by patient what the fitted bricks of a model remember: yes, no or unknown.

    Parameters
    ----------
    model
        Loaded from its run folder, or just trained: others remember nobody.
    patients
        Ids.
    """
    parts = [part for brick in bricks_of(model) for part in innermost(brick)]
    if isinstance(model, LegoFuse) and model.across is not None:
        parts += innermost(model.across.brick)
    told = [part.out_of_fold for part in parts]
    known = {patient for one in told if one is not None for patient in one.patients}
    other = UNKNOWN if None in told else NO
    return {patient: YES if patient in known else other for patient in patients}
