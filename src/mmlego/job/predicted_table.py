"""Predictions as a DataFrame, each beside what it is compared with: the table that ``mmlego predict`` writes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.baseplate import Baseplate
from mmlego.checkpoint import load
from mmlego.data import Cohort
from mmlego.data.cohort.manifest_files import Wanted
from mmlego.errors import InputError, LegoWarning
from mmlego.job.begin import read_split
from mmlego.job.held_out import tell_of_merge
from mmlego.job.memory import UNKNOWN, trained_on
from mmlego.job.predicting import MISSING_COLUMNS, completed, predict_cohort, wanted_of
from mmlego.job.sources import split_of
from mmlego.kept_answers import origins_of
from mmlego.merge import LegoMerge
from mmlego.run_folder import RunFolder, makers_of, runs_of

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.training.evaluate import Model


def predict_table(
    model: Model | str | Path,
    data: Cohort | str | Path,
    patients: Sequence[str] | None = None,
    *,
    times: Sequence[float] | None = None,
    level: float = 0.9,
    aliases: Mapping[str, str] | None = None,
    missing_columns: float = MISSING_COLUMNS,
) -> pd.DataFrame:
    r"""Return the predictions of a model as the table that ``mmlego predict`` writes, with all digits.

    Everybody has a row, also those who cannot be predicted for; no outcome is needed. Intervals, percentiles and groups
    of risk compare with the held-out patients of whom the model's card tells; those of a model whose card tells none
    are left out.

    Parameters
    ----------
    model
        A block, merge or fuse; or the folder of one, which knows by its run whom it was trained on.
    data
        A cohort in memory, or a manifest, of which patients without an outcome are predicted for, too.
    patients
        Patient ids; None for all, and those whom reading left out.
    times
        Of survival: when it is asked for, in the unit of the task; None: some round ones up to the last cut.
    level
        Of the intervals of classes and numbers: 0.5, 0.8, 0.9 or 0.95.
    aliases
        For columns of the files the names that they had in training.
    missing_columns
        The share of a modality's columns that may be absent, 0 to 1; they are filled as what is missing is.

    Returns
    -------
    pandas.DataFrame
        A row a patient. First what the task predicts, in its units, each with what it is compared with: of survival
        ``risk``, ``risk_percentile``, ``risk_group``, ``survival_at_T`` (probabilities, missing after the last cut)
        with ``…_low_95`` and ``…_high_95``, and ``median``. Then ``modalities``, which the prediction rests on, and
        ``has_NAME`` for each; ``trained_on``: yes, no, validation or unknown; ``imputed``, ``outside`` and ``unknown``,
        values that were missing, far from those of training, or of no category of it; ``note``, why there is no
        prediction.

    Raises
    ------
    InputError
        If no patient can be predicted for, more columns are absent, times are asked of a task without or the level is
        another.
    CheckpointError
        If the folder holds no checkpoint.

    Warns
    -----
    LegoWarning
        If columns are absent.

    Examples
    --------
    >>> import pandas as pd
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> labs = pd.DataFrame({"crp": [1.0, 2.0, 6.0], "hb": [9.0, 8.0, 7.0]}, index=["a", "b", "c"])
    >>> block = LegoBlock(SNN(2), Baseplate(Regression(["days"]), channels=4, width=8), "labs")
    >>> block.preprocessing = Cohort.from_frames({"labs": labs}).prepare(["a", "b", "c"]).preprocessing["labs"]
    >>> new = pd.DataFrame({"crp": [4.0, None], "hb": [900.0, 8.0]}, index=["d", "e"])
    >>> table = predict_table(block, Cohort.from_frames({"labs": new}))
    >>> table.columns.tolist()
    ['days', 'modalities', 'has_labs', 'trained_on', 'imputed', 'outside', 'unknown', 'note']
    >>> table[["imputed", "outside"]].to_dict("index")
    {'d': {'imputed': '', 'outside': 'labs: hb = 900'}, 'e': {'imputed': 'labs: crp', 'outside': ''}}
    """
    place, loaded = (Path(model), model_in(Path(model))) if isinstance(model, str | Path) else (None, model)
    reading = wanted_of([loaded], aliases=aliases)
    cohort = data if isinstance(data, Cohort) else Cohort.from_manifest(data, wanted=reading)
    there = aliases if isinstance(data, Cohort) else None  # a manifest was read by its aliases
    cohort = completed(loaded, cohort, missing_columns=missing_columns, aliases=there)

    def read(wanted: Wanted) -> Cohort:
        return cohort if isinstance(data, Cohort) else Cohort.from_manifest(data, wanted=wanted)

    known = None if place is None else remembered(loaded, place, cohort, read, reading, missing_columns=missing_columns)
    return predict_cohort(loaded, cohort, patients, times=times, level=level, trained_on=known)


def model_in(place: Path) -> Model:
    """Return the model that a folder holds, to predict with."""
    model: Model | Baseplate = load(place)
    if isinstance(model, Baseplate):
        raise InputError(f"{place} holds no model", expected="a block, merge or fuse", got="a Baseplate")
    return model


def remembered(
    model: Model,
    place: Path,
    cohort: Cohort,
    read: Callable[[Wanted], Cohort],
    reading: Wanted,
    *,
    missing_columns: float = MISSING_COLUMNS,
) -> dict[str, str]:
    """Return by patient whether a model was trained on them; the card of a merge is told of those its run held out.

    Parameters
    ----------
    model
        As it was loaded.
    place
        Its folder.
    cohort
        The patients to predict for, completed.
    read
        Reads them as it is told, as those alone whose outcome is known: these are whom runs have split.
    reading
        As ``cohort`` was read.
    missing_columns
        As :func:`completed` takes it.
    """
    runs, origins = runs_of([place]), {name: run for name, (run, _) in origins_of(place).items()}
    known_only = replace(reading, everybody=False)
    of_run = cohort
    split_by = [run for run in (*runs, *origins.values()) if run is not None and run.split.is_file()]
    if reading.everybody and any(read_split(run, cohort) is None for run in split_by):
        of_run = read(known_only)
    known = trained_on(model, makers_of([place]), cohort, of_run, origins=origins)
    if isinstance(model, LegoMerge) and runs and not model.card.held_out:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LegoWarning)  # of columns that are absent it has been warned
            outcomes = completed(model, read(known_only), missing_columns=missing_columns)
        _compare(model, runs, outcomes, known)
    return known


def _compare(model: LegoMerge, runs: Sequence[RunFolder], cohort: Cohort, known: Mapping[str, str]) -> None:
    """Let the card of a merge tell of the held-out patients of its run, if this is the run's cohort.

    Nobody was held out of whom it is not known whether a block was trained on them.
    """
    split = split_of(runs, cohort) if cohort.outcome is not None else None
    if split is not None:
        who = split.named(cohort.patients)
        if not any(known[patient] == UNKNOWN for patient in who["validation"]):
            tell_of_merge(model, cohort, who["train"], who["validation"])
