"""``tune``: of each modality the method and settings that do best in cross-validation within the training part."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmlego.bounds import within
from mmlego.cells import Cell, CellFolder, CellsFailed, Watch, Workers, keep_cohort, run_cells, versions
from mmlego.data import Cohort
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError, UnknownNameError
from mmlego.files import write_atomically
from mmlego.fingerprint import hash_cohort
from mmlego.job.begin import make_split, plate_of, settings_of
from mmlego.job.blocks import parts_by_modality
from mmlego.job.data import having
from mmlego.job.main import check_names
from mmlego.json_files import read_json
from mmlego.run_folder import RunFolder
from mmlego.run_lock import alone_in
from mmlego.search.checks import applied
from mmlego.search.found import Trial, Tuned
from mmlego.search.studies import Study, studies_of
from mmlego.search.trials import inner_folds, run_trial, trial_cell
from mmlego.sections import Repeated, Space
from mmlego.settings import EncoderSettings, Settings, as_settings, write_settings
from mmlego.training.loop import LOWER

TRIALS = 20
SETTINGS, TABLE = "tuned.yaml", "trials.csv"


def tune(
    cohort: Cohort,
    settings: Settings | Mapping[str, Any] | None = None,
    *,
    out: Path,
    modalities: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    space: Space | None = None,
    trials: int = TRIALS,
    budget: float | None = None,
    folds: int = 3,
    test: float = 0.2,
    validation: float = 0.2,
    disjoint: bool = True,
    duplicates: Duplicates = "error",
    workers: Workers | None = None,
    place: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> Tuned:
    """Choose method and settings of each modality's block by cross-validation within its training patients.

    The split and the baseplate are those of the run folder, made as :func:`mmlego.train` makes them, so that training
    there afterwards holds the same patients back; validation and test patients have no part in any trial. Each method
    gets as many trials, of which the first is the method as the settings have it; so what is chosen was at least as
    good as that on the inner folds. The score of the best of many is too good: what it is worth, patients tell who
    were held back.

    Parameters
    ----------
    cohort
        The patients.
    settings
        Of all parts; what is tuned starts from them.
    out
        The run folder: ``tuned.yaml``, ``trials.csv``; a trial that is done is not run again.
    modalities
        Those to tune; None: all.
    methods
        Encoders and learners to try; None: what the settings name, and of ``auto`` itself and its members. A space of
        a modality says itself which.
    space
        What to try, by modality, method and dotted setting; None: that of the settings, else
        :func:`mmlego.search.usual_space`.
    trials
        So many a method, where it has something to choose.
    budget
        Seconds of trials a method, after which no more are begun; None: no limit.
    folds
        Of the inner cross-validation.
    test, validation, disjoint, duplicates
        As :func:`mmlego.train` takes them; ``validation`` is the share within an inner fold, too.
    workers, place, watch
        As :func:`mmlego.train_blocks` takes them; the trials are the same, however many workers there are.

    Raises
    ------
    InputError
        If the cohort has no outcome, the space does not fit, or all trials of a modality failed.
    UnknownNameError
        If a modality is unknown.
    MissingExtraError
        If Optuna is not there and something is to be chosen.
    CellFault
        If a trial went wrong by a fault of the code.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> import pandas as pd
    >>> ids = [f"p{i:02d}" for i in range(60)]
    >>> frames = {"rna": pd.DataFrame({"TP53": np.arange(60.0)}, index=ids)}
    >>> died = pd.DataFrame({"died": np.arange(60) % 2}, index=ids)
    >>> cohort = Cohort.from_frames(frames, outcome=died, task={"task": "classification", "label": "died"})
    >>> with tempfile.TemporaryDirectory() as place:
    ...     found = tune(cohort, out=Path(place), methods=["logistic"])
    >>> found.best["rna"].method, found.settings.encoders["rna"].name
    ('logistic', 'logistic')
    """
    given = as_settings(settings)
    names = _names(cohort, modalities)
    check_names(given, cohort.modalities)
    _check_numbers(trials, budget, folds)
    run = RunFolder(Path(out))
    with alone_in(run.private, run.place):
        split = make_split(cohort, run, test, validation, given.seed, duplicates)
        who = split.named(cohort.patients)
        plate = plate_of(cohort, who["train"], None, run, given.plate)
        given = given.model_copy(update={"plate": settings_of(plate), "space": None})
        parts = parts_by_modality(cohort, who["train"], who["validation"], disjoint=disjoint, seed=given.seed)
        whom = {name: having(cohort, [name], parts[name][0]) for name in names}
        asked = space or as_settings(settings).space
        studies = studies_of(cohort, plate, whom, given, methods, asked, trials)
        sha256 = hash_cohort(cohort)
        keep_cohort(cohort, sha256)
        how: dict[str, Any] = {"duplicates": duplicates, "folds": folds, "validation": validation, "seed": given.seed}
        inner = {name: inner_folds(cohort, whom[name], **how) for name in names}
        metric = plate.task.primary_metric
        common: dict[str, Any] = {
            "method": {"metric": metric, "plate": plate.fingerprint},
            "versions": versions(),
            "place": place,
        }

        def cell(study: Study, number: int, tried: Mapping[str, Any]) -> Cell:
            own = applied(study.base, tried) if tried else study.base
            return trial_cell(
                cohort,
                sha256,
                inner[study.modality],
                given.model_copy(update={"encoders": {**given.encoders, study.modality: own}}),
                modality=study.modality,
                seed=given.seed + cohort.modalities.index(study.modality),
                label=f"{study.modality}, {study.method}, trial {number}",
                **common,
            )

        _search(studies, cell, run, metric, budget, workers, watch)
        found = _gathered(studies, given, metric)
        write_atomically(run.place / SETTINGS, write_settings(found.settings))
        write_atomically(run.place / TABLE, found.table().to_csv(index=False, lineterminator="\n"))
    return found


def _search(
    studies: Sequence[Study],
    cell: Callable[[Study, int, Mapping[str, Any]], Cell],
    run: RunFolder,
    metric: str,
    budget: float | None,
    workers: Workers | None,
    watch: Watch | None,
) -> None:
    """Run trials, some of each method at a time, until each has had as many as it gets."""
    sign = -1.0 if metric in LOWER else 1.0
    trial = functools.partial(run_trial, plate=str(run.plate.absolute()))
    folder = CellFolder(run.cells.absolute())
    while True:
        coming = [(study, study.next(budget)) for study in studies]
        cells = [
            (study, tried, cell(study, len(study.trials) + i, tried))
            for study, some in coming
            for i, tried in enumerate(some)
        ]
        if not cells:
            return
        with contextlib.suppress(CellsFailed):  # each is told below: that a rate was too large is an answer, too
            run_cells([one for *_, one in cells], trial, run.cells, workers=workers, watch=watch)
        for study, tried, one in cells:
            study.trials.append(_trial(study, tried, one, folder))
        for study, some in coming:
            if study.asking is not None and len(study.trials) > 1 and some:
                scores = [trial.score for trial in study.trials[-len(some) :]]
                study.asking.tell([None if score is None else sign * score for score in scores])


def _trial(study: Study, tried: Mapping[str, Any], cell: Cell, folder: CellFolder) -> Trial:
    of = (study.modality, study.method, len(study.trials), tried)
    if folder.result(cell).is_file():
        found = folder.read(cell)
        return Trial(*of, found["score"], found["error"], found["seconds"])
    told = read_json(folder.failure(cell))["error"]["message"] if folder.failure(cell).is_file() else "no result"
    return Trial(*of, None, None, 0.0, told)


def _gathered(studies: Sequence[Study], settings: Settings, metric: str) -> Tuned:
    sign = -1.0 if metric in LOWER else 1.0
    best: dict[str, Trial] = {}
    bases: dict[str, EncoderSettings] = {}
    for study in studies:
        for trial in study.trials:
            known = best.get(trial.modality)
            if trial.score is None or (known is not None and sign * trial.score <= sign * (known.score or 0.0)):
                continue
            best[trial.modality], bases[trial.modality] = trial, study.base
    for study in studies:
        if study.modality not in best:
            failures = dict.fromkeys(trial.failure or "" for trial in study.trials)
            raise InputError(
                f"modality {study.modality!r}: no trial has a score",
                got="; ".join(list(failures)[:3]),
                remedy="Say what else to try in a space, or take fewer folds.",
            )
    chosen = {name: applied(bases[name], best[name].tried) for name in best}
    made = settings.model_copy(update={"encoders": {**settings.encoders, **chosen}})
    return Tuned(made, metric, [trial for study in studies for trial in study.trials], best)


def _names(cohort: Cohort, modalities: Sequence[str] | None) -> tuple[str, ...]:
    unknown = [name for name in modalities or () if name not in cohort.modalities]
    if unknown:
        known = f"one of {', '.join(cohort.modalities)}"
        raise UnknownNameError("unknown modality", expected=known, got=", ".join(unknown))
    if cohort.outcome is None or cohort.outcome_spec is None:
        raise InputError("tuning needs an outcome", remedy="Add outcome: to the manifest.")
    return tuple(name for name in cohort.modalities if modalities is None or name in modalities)


def _check_numbers(trials: int, budget: float | None, folds: int) -> None:
    if isinstance(trials, bool) or trials < 1:
        raise InputError("the number of trials", expected="at least 1", got=trials)
    if budget is not None and not budget > 0:
        raise InputError("the budget", expected="seconds above 0", got=budget)
    within(Repeated, "folds", folds, "the number of folds")
