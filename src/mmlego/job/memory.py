"""Whom a model was trained on, as far as the runs of its blocks and its fitted bricks tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmlego.data import Cohort, Split
from mmlego.fuse import LegoFuse
from mmlego.job.begin import read_split
from mmlego.learners.out_of_fold import OutOfFold
from mmlego.run_folder import RunFolder
from mmlego.training.evaluate import Model, bricks_of, innermost

YES, NO, VALIDATION, UNKNOWN = "yes", "no", "validation", "unknown"
FOLD = "out of fold"  # trained on, and able to answer as if it had not been
_OF_PARTS = {"train": YES, "validation": VALIDATION, "test": NO}


def trained_on(
    model: Model,
    runs: Sequence[RunFolder],
    cohort: Cohort,
    of_run: Cohort | None = None,
    *,
    origins: Mapping[str, RunFolder | None] | None = None,
    out_of_fold: bool = False,
) -> dict[str, str]:
    """Return by patient whether a model was trained on them: yes, no, validation (early stopping saw them) or unknown.

    Parameters
    ----------
    model
        Loaded from a run folder, or from elsewhere.
    runs
        Those that it was made in. One on this very cohort knows; of another cohort fitted bricks remember ids, neural
        blocks nobody.
    cohort
        All who have features.
    of_run
        Those of them whose outcome is known, of whom runs have split the patients; None: ``cohort``. Without an outcome
        nobody is trained on.
    origins
        By block the run that it comes from, where that is another; None: from no run.
    out_of_fold
        Tell apart (``"out of fold"``) whom all that was fitted on them can answer as if it had not been.
    """
    known = cohort if of_run is None else of_run
    dropped = [patient for gap in cohort.dropped for patient in gap.patients]
    patients = list(dict.fromkeys([*known.patients, *cohort.patients, *dropped]))
    found: dict[str, set[str]] = {patient: set() for patient in patients}
    for brick in bricks_of(model):
        own, name = list(runs), brick.modality
        if origins and name in origins:
            own = [run for run in (origins[name],) if run is not None]
        parts = innermost(brick)
        fitted = [part.out_of_fold for part in parts if not part.learns]
        _add(found, fitted, own, known)
        if any(part.learns for part in parts):
            _add(found, [None], own, known)
    if isinstance(model, LegoFuse):
        across = [] if model.across is None else [part.out_of_fold for part in innermost(model.across.brick)]
        _add(found, across, runs, known)
        split = any(_split(run, known) is not None for run in runs)
        # whom that was fitted on the rest was tuned on, or stopped by
        _add(found, [None] if split or not across else across, runs, known, mine=YES)
    order = [YES, VALIDATION, UNKNOWN, FOLD] if out_of_fold else [YES, FOLD, VALIDATION, UNKNOWN]
    worst = {patient: next((one for one in order if one in said), NO) for patient, said in found.items()}
    return worst if out_of_fold else {patient: YES if one == FOLD else one for patient, one in worst.items()}


def _split(run: RunFolder, cohort: Cohort) -> Split | None:
    return read_split(run, cohort) if run.split.is_file() else None


def _add(
    found: dict[str, set[str]],
    told: Sequence[OutOfFold | None],
    runs: Sequence[RunFolder],
    cohort: Cohort,
    *,
    mine: str = FOLD,
) -> None:
    """Note by patient what some parts remember, or where one does not, what the split of a run says of them."""
    if not told:
        return
    remembered = {patient for one in told if one is not None for patient in one.patients}
    said = dict.fromkeys(found, UNKNOWN if None in told else NO)
    for split in (_split(run, cohort) for run in runs if None in told):
        if split is not None:
            said = dict.fromkeys(found, NO)  # whom the run has not split has no outcome
            for part, rows in split.parts().items():
                said |= {cohort.patients[row]: _OF_PARTS[part] for row in rows.tolist()}
    for patient, one in said.items():
        found[patient].add(mine if patient in remembered else one)


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
