"""Repeated splits by patient: each run is a cell with a file of its own, so an interrupted experiment goes on."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmlego.bench.cells import BRICKS, cells_of, check_rivals, run_cell
from mmlego.bench.design import Experiment
from mmlego.bench.results import Results, check_alike, read_split_result
from mmlego.cells import Cell, CellFolder, Watch, Workers, plain, run_cells, versions
from mmlego.data import Cohort, hash_patients
from mmlego.errors import InputError, LegoWarning
from mmlego.files import write_atomically
from mmlego.fingerprint import hash_cohort, hash_plain
from mmlego.job.main import check_names
from mmlego.run_folder import RunFolder
from mmlego.settings import write_settings
from mmlego.wording import counted

__all__ = ["Experiment", "count_cells", "run_experiment", "run_split"]


def run_experiment(
    cohort: Cohort,
    experiment: Experiment,
    out: Path,
    *,
    workers: Workers | None = None,
    place: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> Results:
    """Run the main job on every split, and write ``results.json``.

    Parameters
    ----------
    cohort
        The patients.
    experiment
        How to measure.
    out
        The folder; what it holds already, of the same cohort, split, settings and versions, is not run again. More
        repeats than before go on from those that are there.
    workers
        How many runs at a time, and where; None: one, in this process. What comes out is the same.
    place
        Where the cohort lies (:func:`mmlego.cells.in_manifest`), for workers of other processes.
    watch
        Told how the runs come along.

    Returns
    -------
    Results
        Scores of every method on every split.

    Raises
    ------
    InputError
        If the cohort has no outcome, or equal features under two ids are split.
    CellsFailed, CellFault
        If runs went wrong, after all others are done.
    """
    cells = _prepared(cohort, experiment, out, place)
    run = RunFolder(out)
    folder = run_cells([cell for some in cells for cell in some], run_cell, run.cells, workers=workers, watch=watch)
    return _gathered(cohort, experiment, run, cells, folder)


def run_split(
    cohort: Cohort,
    experiment: Experiment,
    out: Path,
    number: int,
    *,
    watch: Watch | None = None,
) -> int:
    """Run one split of an experiment, as a job of an array does; whoever runs the experiment then finds it done.

    Parameters
    ----------
    cohort, experiment, out, watch
        As :func:`run_experiment` takes them.
    number
        Of the split, from 1.

    Returns
    -------
    int
        How many splits are not done yet.

    Raises
    ------
    InputError
        If there is no such split.
    """
    total = experiment.folds * experiment.repeats
    if not 1 <= number <= total:
        raise InputError("no such split", expected=f"1 to {total}, folds × repeats", got=number)
    cells = _prepared(cohort, experiment, out, place=None)
    folder = run_cells(cells[number - 1], run_cell, RunFolder(out).cells, watch=watch)
    return sum(bool(folder.missing(some)) for some in cells)


def count_cells(experiment: Experiment) -> int:
    """Return how many cells an experiment has.

    Examples
    --------
    >>> count_cells(Experiment(folds=5, repeats=2, rivals=True))
    20
    """
    return experiment.folds * experiment.repeats * (1 + experiment.rivals + (experiment.paired is not None))


def _prepared(cohort: Cohort, experiment: Experiment, out: Path, place: Mapping[str, Any] | None) -> list[list[Cell]]:
    """Return the cells of each split, once all is checked that can be before hours of training."""
    if cohort.outcome is None or cohort.outcome_spec is None:
        raise InputError("an experiment needs an outcome", remedy="Add outcome: to the manifest.")
    check_names(experiment.settings, cohort.modalities)
    if experiment.rivals and not check_rivals(cohort):
        name = cohort.outcome_spec.fit_task(cohort.outcome).name
        text = f"There are no dull rivals of {name}: end-to-end models alone are measured beside."
        warnings.warn(text, LegoWarning, stacklevel=3)
    cells = cells_of(cohort, experiment, place)
    run = RunFolder(out)
    write_atomically(run.settings, write_settings(experiment.settings))
    _warn_of_others(run, [some[0] for some in cells])
    return cells


def _gathered(
    cohort: Cohort, experiment: Experiment, run: RunFolder, cells: Iterable[Sequence[Cell]], folder: CellFolder
) -> Results:
    """Return the results of all cells, and write them."""
    results = []
    whom = frozenset(cohort.patients)
    for main, *others in cells:
        result = read_split_result(folder.result(main), whom)
        for cell in others:
            result = _beside(result, read_split_result(folder.result(cell), whom))
        results.append(result)
    try:
        check_alike(results)
    except ValueError as error:
        remedy = f"Delete {folder.place}: the splits are then measured again."
        raise InputError("the results of an experiment do not belong together", got=error, remedy=remedy) from error
    spec, known = cohort.outcome_spec, cohort.outcome
    if spec is None or known is None:
        raise InputError("an experiment needs an outcome", remedy="Add outcome: to the manifest.")
    task = spec.fit_task(known)
    target = spec.target(known, task)
    outcome = {p: row.flatten().tolist() for p, row in zip(cohort.patients, target, strict=True)}
    found = Results(_described(cohort, experiment), task.primary_metric, results, outcome)
    write_atomically(run.results, json.dumps(plain(found.config()), indent=1) + "\n")
    return found


def _beside(result: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return a split's result with that of others than bricks."""
    both = {key: {**result.get(key, {}), **others[key]} for key in ("scores", "cpu", "needs")}
    return {**result, **both} | {key: others[key] for key in ("tables_cpu",) if key in others}


def _warn_of_others(run: RunFolder, cells: list[Cell]) -> None:
    """Say plainly which results in the folder are not taken as done, and why: another cohort, say, or older code."""
    wanted = {hash_plain(dict(cell.scenario)): cell for cell in cells}
    keys = {cell.key for cell in cells}
    strange = len(list(run.splits.glob("*-*.json")))  # as earlier versions named them
    reasons = dict.fromkeys(["version of mmlego"] if strange else [])
    for stored in CellFolder(run.cells).cells():
        if stored.get("job", BRICKS) != BRICKS or hash_plain(stored)[:32] in keys:
            continue
        # Of further repeats, which were asked for before, only cohort and settings can be compared.
        same = wanted.get(hash_plain(stored.get("scenario", {})))
        found = (same or cells[0]).differences(stored)
        found = [reason for reason in found if same is not None or reason not in ("split", "method")]
        strange += bool(found)
        reasons |= dict.fromkeys(found)
    if strange:
        warnings.warn(
            f"{counted(strange, 'result')} in {run.cells} {'is' if strange == 1 else 'are'} of another "
            f"{', another '.join(reasons)}, and not taken for this experiment's.",
            LegoWarning,
            stacklevel=4,
        )


def _described(cohort: Cohort, experiment: Experiment) -> dict[str, Any]:
    """Return what a reader of the results wants to know of the experiment."""
    return {
        "cohort": cohort.name,
        "patients": len(cohort),
        "patients_sha256": hash_patients(cohort.patients),
        "columns": {name: frame.shape[1] for name, frame in cohort.frames.items()},
        "have": {name: len(frame) for name, frame in cohort.frames.items()},
        "cohort_sha256": hash_cohort(cohort),
        "outcome": None if cohort.outcome_spec is None else cohort.outcome_spec.model_dump(mode="json"),
        **experiment.model_dump(mode="json"),
        "versions": versions(),
    }
