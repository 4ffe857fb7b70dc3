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

from mmlego.bench.results import Results
from mmlego.bench.score import score_bricks
from mmlego.data import Cohort, Split, hash_patients
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError, LegoWarning
from mmlego.files import write_atomically
from mmlego.fingerprint import Fingerprint, hash_cohort, hash_plain, hash_split
from mmlego.job import train
from mmlego.job.scoring import REFERENCE
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
    settings
        Of all parts.
    """

    disjoint: bool = True
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
    splits = cohort.split(
        duplicates=experiment.duplicates,
        folds=experiment.folds,
        repeats=experiment.repeats,
        validation=experiment.validation,
        seed=settings.seed,
    )
    run = RunFolder(out)
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(run.settings, write_settings(settings))
    results: list[dict[str, Any]] = []
    whole = hash_cohort(cohort)
    marks = [_mark(whole, cohort, split, experiment, i) for i, split in enumerate(splits)]
    _warn_of_others(run, marks)
    for i, split in enumerate(splits):
        file = run.cell(i, marks[i].stamp)
        if file.is_file():
            results.append(json.loads(file.read_text()))
            for _ in range(stages(cohort)):
                if advance:
                    advance(f"split {i + 1} of {len(splits)}: done before")
            continue
        started = time.perf_counter()
        bricks = train(
            cohort,
            settings,
            split=split,
            disjoint=experiment.disjoint,
            seed=_seed(experiment, i),
            progress=False,
            advance=_prefixed(advance, f"split {i + 1} of {len(splits)}: "),
        )
        result = score_bricks(bricks, cohort, split) | {
            "repeat": i // experiment.folds,
            "parameters": _parameters(bricks),
            "seconds": round(time.perf_counter() - started, 2),
            "fingerprint": marks[i].config(),
        }
        write_atomically(file, json.dumps(_plain(result)))
        results.append(_plain(result))
    task = cohort.outcome_spec.fit_task(cohort.outcome)
    target = cohort.outcome_spec.target(cohort.outcome, task)
    outcome = {p: row.flatten().tolist() for p, row in zip(cohort.patients, target, strict=True)}
    found = Results(_described(cohort, experiment), task.primary_metric, results, outcome)
    write_atomically(run.results, json.dumps(_plain(found.config()), indent=1) + "\n")
    return found


def stages(cohort: Cohort) -> int:
    """Return how many stages a split has, for a progress bar: a block a modality, merge, fuse."""
    return len(cohort.modalities) + 2


def _prefixed(advance: Callable[[str], None] | None, prefix: str) -> Callable[[str], None] | None:
    return None if advance is None else (lambda stage: advance(prefix + stage))


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
        found = json.loads(file.read_text(encoding="utf-8")).get("fingerprint")
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
