"""A trial: the block of one modality as some settings make it, scored by cross-validation within the training part."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmlego.cells import Cell, cohort_of, tell
from mmlego.data import Cohort, Split
from mmlego.errors import InputError
from mmlego.job.begin import load_plate
from mmlego.job.one_block import train_block
from mmlego.job.scoring import REFERENCE, score_models
from mmlego.settings import Settings

TRIAL = "trial"
_APART = 1000  # between the seeds of two folds


def inner_folds(
    cohort: Cohort, patients: Sequence[str], *, folds: int, validation: float, seed: int, duplicates: Any
) -> list[dict[str, list[int]]]:
    """Return folds within some patients, as rows of the whole cohort: nobody else is in any of them.

    Parameters
    ----------
    cohort
        All patients.
    patients
        The training patients who have the modality.
    folds, validation, seed, duplicates
        As ``Cohort.split`` takes them.
    """
    rows = {patient: row for row, patient in enumerate(cohort.patients)}
    within = cohort.subset(patients)
    splits: list[Split] = within.split(folds=folds, validation=validation, seed=seed, duplicates=duplicates)
    return [
        {name: sorted(rows[within.patients[row]] for row in part.tolist()) for name, part in split.parts().items()}
        for split in splits
    ]


def run_trial(cell: Cell, *, plate: str) -> dict[str, Any]:
    """Return how good some settings of one modality are, fold by fold.

    Parameters
    ----------
    cell
        Of :func:`mmlego.search.tune`.
    plate
        The folder of the baseplate.

    Raises
    ------
    InputError
        If a fold has no score.
    """
    began = time.perf_counter()
    cohort, settings = cohort_of(cell), Settings.model_validate(cell.settings)
    name, metric = cell.scenario["modality"], cell.method["metric"]
    base = load_plate(Path(plate))
    scores = []
    for number, fold in enumerate(cell.split["folds"]):
        train, validation, test = ([cohort.patients[i] for i in fold[part]] for part in ("train", "validation", "test"))
        block = train_block(cohort, name, base, train, validation, settings, seed=cell.seed + _APART * number)
        found = score_models({name: block}, cohort, test, train)[name]
        score = math.nan if found is None else found.scores[metric]
        if not math.isfinite(score):
            raise InputError(
                f"{metric} is not defined on the {len(test)} patients of a fold",
                remedy="Take fewer folds, so that each has patients of all outcomes.",
            )
        scores.append(score)
        tell(f"{cell.label}: fold {number + 1} of {len(cell.split['folds'])}")
    error = statistics.stdev(scores) / math.sqrt(len(scores)) if len(scores) > 1 else math.nan
    return {
        "score": statistics.fmean(scores),
        "error": error,
        "folds": scores,
        "seconds": round(time.perf_counter() - began, 3),
    }


def trial_cell(
    cohort: Cohort,
    sha256: str,
    folds: Sequence[Mapping[str, Any]],
    settings: Settings,
    *,
    modality: str,
    method: Mapping[str, Any],
    seed: int,
    versions: Mapping[str, str],
    label: str,
    place: Mapping[str, Any] | None,
) -> Cell:
    """Return the cell of a trial; two trials of the same settings are one.

    Parameters
    ----------
    cohort, sha256
        The patients, and the hash of the cohort.
    folds
        Of :func:`inner_folds`.
    settings
        All of them, with those of the trial.
    modality
        Whose block it is.
    method
        The metric and the fingerprint of the baseplate.
    seed, versions, label, place
        Of the cell.
    """
    return Cell(
        job=TRIAL,
        cohort=cohort.name,
        cohort_sha256=sha256,
        split={"folds": list(folds)},
        method={**method, "reference": REFERENCE},
        settings=settings.model_dump(mode="json"),
        scenario={"modality": modality},
        seed=seed,
        versions=versions,
        label=label,
        place=place,
    )
