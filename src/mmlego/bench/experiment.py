"""Repeated splits by patient: each split's result is a file of its own, so an interrupted experiment goes on."""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field

from mmlego.bench.results import Results
from mmlego.bench.score import score_bricks
from mmlego.data import Cohort
from mmlego.data.cohort.scaffolds import declared_groups
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError
from mmlego.files import write_atomically
from mmlego.job import train
from mmlego.settings import Section, Settings, write_settings
from mmlego.version import __version__


class Experiment(Section):
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

    folds: int = Field(default=5, ge=2)
    repeats: int = Field(default=2, ge=1)
    validation: float = Field(default=0.2, gt=0, lt=1)
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
        The folder; splits that it holds already, of the same experiment and cohort, are not run again.
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
    described = _described(cohort, experiment)
    stamp = hashlib.sha256(json.dumps(described, sort_keys=True).encode()).hexdigest()[:16]
    out.mkdir(parents=True, exist_ok=True)
    write_atomically(out / "settings.yaml", write_settings(settings))
    results: list[dict[str, Any]] = []
    for i, split in enumerate(splits):
        file = out / "splits" / f"{stamp}-{i:03d}.json"
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
            seed=settings.seed + 100 * i,
            progress=False,
            advance=_prefixed(advance, f"split {i + 1} of {len(splits)}: "),
        )
        result = score_bricks(bricks, cohort, split) | {
            "repeat": i // experiment.folds,
            "parameters": _parameters(bricks),
            "seconds": round(time.perf_counter() - started, 2),
        }
        write_atomically(file, json.dumps(_plain(result)))
        results.append(_plain(result))
    task = cohort.outcome_spec.fit_task(cohort.outcome)
    target = cohort.outcome_spec.target(cohort.outcome, task)
    outcome = {p: row.flatten().tolist() for p, row in zip(cohort.patients, target, strict=True)}
    found = Results(described, task.primary_metric, results, outcome)
    write_atomically(out / "results.json", json.dumps(_plain(found.config()), indent=1) + "\n")
    return found


def stages(cohort: Cohort) -> int:
    """Return how many stages a split has, for a progress bar: a block a modality, merge, fuse."""
    return len(cohort.modalities) + 2


def _prefixed(advance: Callable[[str], None] | None, prefix: str) -> Callable[[str], None] | None:
    return None if advance is None else (lambda stage: advance(prefix + stage))


def _described(cohort: Cohort, experiment: Experiment) -> dict[str, Any]:
    groups = declared_groups(cohort)
    return {
        "cohort": cohort.name,
        "patients": len(cohort),
        "patients_sha256": hashlib.sha256(json.dumps(cohort.patients).encode()).hexdigest(),
        "columns": {name: frame.shape[1] for name, frame in cohort.frames.items()},
        "have": {name: len(frame) for name, frame in cohort.frames.items()},
        "values_sha256": _hash_values(cohort),
        "outcome": None if cohort.outcome_spec is None else cohort.outcome_spec.model_dump(mode="json"),
        **({} if groups is None else {"groups_sha256": hashlib.sha256(json.dumps(groups).encode()).hexdigest()}),
        **experiment.model_dump(mode="json"),
        "versions": {"mmlego": __version__, "torch": str(torch.__version__).split("+")[0]},
    }


def _hash_values(cohort: Cohort) -> str:
    """Return a hash of all tables: results of a file that was mended since are no results of this cohort."""
    from pandas.util import hash_pandas_object

    digest = hashlib.sha256()
    for frame in (*cohort.frames.values(), cohort.outcome):
        if frame is None:
            continue
        digest.update(json.dumps([list(map(str, frame.columns)), list(frame.index)]).encode())
        for _, column in frame.items():
            if column.dtype == object:  # text, or whatever a kind of modality keeps in its cells
                for cell in column:
                    digest.update(cell.tobytes() if isinstance(cell, np.ndarray) else str(cell).encode())
            else:
                digest.update(hash_pandas_object(column, index=False).to_numpy().tobytes())
    return digest.hexdigest()


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
