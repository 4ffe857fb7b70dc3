"""Repeated splits by patient: each split's result is a file of its own, so an interrupted experiment goes on."""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pydantic import Field

from mmlego.baselines import rivals_for
from mmlego.bench.paired import score_paired
from mmlego.bench.results import ENSEMBLE, Results, read_split_result
from mmlego.bench.rivals import library_versions, score_rivals
from mmlego.bench.score import score_bricks
from mmlego.data import Cohort, Split, hash_patients
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError, LegoWarning
from mmlego.files import write_atomically
from mmlego.fingerprint import Fingerprint, hash_cohort, hash_plain, hash_split
from mmlego.job import train
from mmlego.job.scoring import REFERENCE
from mmlego.json_files import read_json
from mmlego.run_folder import RunFolder
from mmlego.sections import Repeated
from mmlego.settings import Settings, write_settings
from mmlego.version import __version__
from mmlego.wording import counted


class Experiment(Repeated):
    """How to measure.

    Parameters
    ----------
    folds, repeats
        Each patient is a test patient once a repeat.
    validation
        Share of the other patients that early stopping sees.
    disjoint
        Whether each block is trained on patients of its own.
    duplicates
        What to do about equal features under two ids, as ``Cohort.split`` takes it.
    rivals
        Whether to measure dull and end-to-end models on the same splits, too.
    paired
        Share of the training and validation patients on whom alone end-to-end models are trained besides, as if nobody
        else had all modalities; None: there are no such models.
    settings
        Of all parts.
    """

    disjoint: bool = True
    rivals: bool = False
    paired: float | None = Field(default=None, gt=0, lt=1)
    duplicates: Duplicates = "error"
    settings: Settings = Settings()


def run_experiment(
    cohort: Cohort, experiment: Experiment, out: Path, *, advance: Callable[[str], None] | None = None
) -> Results:
    """Run the main job on every split, and write ``results.json``.

    Parameters
    ----------
    cohort
        The patients.
    experiment
        How to measure.
    out
        The folder; splits that it holds already, with the same fingerprint, are not run again. More repeats than
        before go on from those that are there.
    advance
        Told after each stage of each split what was done.

    Returns
    -------
    Results
        Scores of every method on every split.
    """
    if cohort.outcome is None or cohort.outcome_spec is None:
        raise InputError("an experiment needs an outcome", remedy="Add outcome: to the manifest.")
    settings = experiment.settings
    if experiment.rivals:  # a package that is missing is told before hours of training
        task = cohort.outcome_spec.fit_task(cohort.outcome)
        if not rivals_for(task):
            text = f"There are no dull rivals of {task.name}: end-to-end models alone are measured beside."
            warnings.warn(text, LegoWarning, stacklevel=2)
    splits = cohort.split(
        duplicates=experiment.duplicates,
        folds=experiment.folds,
        repeats=experiment.repeats,
        validation=experiment.validation,
        seed=settings.seed,
    )
    run = RunFolder(out)
    write_atomically(run.settings, write_settings(settings))
    results: list[dict[str, Any]] = []
    whole = hash_cohort(cohort)
    marks = [_mark(whole, cohort, split, experiment, i) for i, split in enumerate(splits)]
    _warn_of_others(run, marks)
    for i, split in enumerate(splits):
        tell = _prefixed(advance, f"split {i + 1} of {len(splits)}: ")
        file = run.cell(i, marks[i].stamp)
        if file.is_file():
            result = read_split_result(file)
            for _ in range(stages(cohort)):
                tell("done before")
        else:
            result = _plain(_measured(cohort, split, experiment, i, tell) | {"fingerprint": marks[i].config()})
            write_atomically(file, json.dumps(result))
        if experiment.rivals:
            result = _beside(result, _rivals(cohort, split, experiment, i, run, marks[i]))
            tell("rivals")
        if experiment.paired is not None:
            result = _beside(result, _paired(cohort, split, experiment, i, run, marks[i], experiment.paired))
            tell("end to end")
        results.append(result)
    task = cohort.outcome_spec.fit_task(cohort.outcome)
    target = cohort.outcome_spec.target(cohort.outcome, task)
    outcome = {p: row.flatten().tolist() for p, row in zip(cohort.patients, target, strict=True)}
    found = Results(_described(cohort, experiment), task.primary_metric, results, outcome)
    write_atomically(run.results, json.dumps(_plain(found.config()), indent=1) + "\n")
    return found


def stages(cohort: Cohort, *, rivals: bool = False, paired: bool = False) -> int:
    """Return how many stages a split has, for a progress bar: a block a modality, merge, fuse, maybe others."""
    return len(cohort.modalities) + 2 + rivals + paired


def _measured(
    cohort: Cohort, split: Split, experiment: Experiment, number: int, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Run the main job on a split, and score what it made."""
    started = time.perf_counter()
    clock = _Clock(tell)
    bricks = train(
        cohort,
        experiment.settings,
        split=split,
        disjoint=experiment.disjoint,
        seed=_seed(experiment, number),
        progress=False,
        advance=clock,
    )
    return score_bricks(bricks, cohort, split) | {
        "repeat": number // experiment.folds,
        "parameters": _parameters(bricks),
        "cpu": clock.costs(),
        "seconds": round(time.perf_counter() - started, 2),
    }


class _Clock:
    """Told after each stage of the main job; knows the seconds of CPU that each took."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._last = tell, time.process_time()
        self._took: dict[str, float] = {}

    def __call__(self, stage: str) -> None:
        now = time.process_time()
        self._took[stage], self._last = now - self._last, now
        self._tell(stage)

    def costs(self) -> dict[str, float]:
        """Return the seconds of each method, those of its blocks among them."""
        blocks = {stage: took for stage, took in self._took.items() if stage.startswith("block ")}
        whole = sum(blocks.values())
        merge = whole + self._took.get("merge", 0.0)
        found = {**blocks, ENSEMBLE: whole, "LegoMerge": merge, "LegoFuse": merge + self._took.get("fuse", 0.0)}
        return {name: round(took, 3) for name, took in found.items()}


def _rivals(
    cohort: Cohort, split: Split, experiment: Experiment, number: int, run: RunFolder, mark: Fingerprint
) -> dict[str, Any]:
    """Return the scores of the rivals on a split, from their file if they are there."""
    method = {"job": "rivals", "method": mark.method, "versions": library_versions()}
    chosen: dict[str, Any] = {"disjoint": experiment.disjoint, "seed": _seed(experiment, number)}
    return _once(run, number, mark, method, lambda: score_rivals(cohort, split, experiment.settings, **chosen))


def _paired(
    cohort: Cohort, split: Split, experiment: Experiment, number: int, run: RunFolder, mark: Fingerprint, share: float
) -> dict[str, Any]:
    """Return the scores of end-to-end models on a share of the patients, from their file if they are there."""
    method = {"job": "paired", "method": mark.method, "share": share}
    chosen: dict[str, Any] = {"share": share, "seed": _seed(experiment, number)}
    return _once(run, number, mark, method, lambda: score_paired(cohort, split, experiment.settings, **chosen))


def _once(
    run: RunFolder, number: int, mark: Fingerprint, method: dict[str, Any], measured: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Return what was measured of others than bricks on a split; what is in its file is not measured again."""
    stamp = Fingerprint(mark.cohort, mark.split, mark.settings, hash_plain(method))
    file = run.rivals(number, stamp.stamp)
    if file.is_file():
        return read_split_result(file)
    found: dict[str, Any] = _plain(measured() | {"fingerprint": stamp.config()})
    write_atomically(file, json.dumps(found))
    return found


def _beside(result: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """Return a split's result with that of others than bricks."""
    both = {key: {**result.get(key, {}), **others[key]} for key in ("scores", "cpu", "needs")}
    return {**result, **both} | {key: others[key] for key in ("tables_cpu",) if key in others}


def _prefixed(advance: Callable[[str], None] | None, prefix: str) -> Callable[[str], None]:
    return lambda stage: None if advance is None else advance(prefix + stage)


def _seed(experiment: Experiment, number: int) -> int:
    """Return the seed of parts, weights and training on a split."""
    return experiment.settings.seed + 100 * number


def _mark(whole: str, cohort: Cohort, split: Split, experiment: Experiment, number: int) -> Fingerprint:
    """Return the fingerprint of the main job on one split; how many others there are makes no difference to it."""
    method = {
        "job": "train",
        "disjoint": experiment.disjoint,
        "seed": _seed(experiment, number),
        "reference": REFERENCE,
        "versions": _versions(),
    }
    settings = experiment.settings.model_dump(mode="json")
    return Fingerprint(whole, hash_split(split, cohort), hash_plain(settings), hash_plain(method))


def _versions() -> dict[str, str]:
    return {"mmlego": __version__, "torch": str(torch.__version__).split("+")[0]}


def _warn_of_others(run: RunFolder, marks: list[Fingerprint]) -> None:
    """Say plainly which results in the folder are not taken as done, and why: another cohort, say, or older code."""
    known = {run.cell(i, mark.stamp) for i, mark in enumerate(marks)}
    strange, reasons = 0, dict[str, None]()
    for file in run.cells():
        name = file.stem.partition("-")[0]
        number = int(name) if name.isdecimal() else 0
        # Of further repeats, which were asked for before, only cohort and settings can be compared.
        mark, of_all = (marks[number], True) if number < len(marks) else (marks[0], False)
        found = [] if file in known else mark.differences(_found(file))
        found = [reason for reason in found if of_all or reason not in ("split", "method")]
        strange += bool(found)
        reasons |= dict.fromkeys(found)
    if strange:
        warnings.warn(
            f"{counted(strange, 'result')} in {run.splits} {'is' if strange == 1 else 'are'} of another "
            f"{', another '.join(reasons)}, and not taken for this experiment's.",
            LegoWarning,
            stacklevel=3,
        )


def _found(file: Path) -> dict[str, Any]:
    """Return the fingerprint in a file of results; empty if it tells none, as those made before there were any."""
    try:
        found = read_json(file).get("fingerprint")
    except (ValueError, AttributeError):
        found = None
    return found if isinstance(found, dict) else {}


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
        "versions": _versions(),
    }


def _parameters(bricks: Any) -> dict[str, int]:
    models = {f"block {name}": block for name, block in bricks.blocks.items()}
    models |= {"LegoMerge": bricks.merge} | ({} if bricks.fuse is None else {"LegoFuse": bricks.fuse})
    return {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}


def _plain(value: Any) -> Any:
    """Return JSON-able values; what is not finite is null, as JSON has no word for it."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
