"""Measure the estimators' defaults against ``mmlego.train`` on the same patients: docs/estimators.md tells the result.

From the repository: ``python benchmarks/estimators/run.py --data FOLDER``, where FOLDER holds ``tcga`` and
``molecules``. Each split is a JSON file of its own, so an interrupted run goes on where it stopped; ``--table`` prints
what is there.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np

import mmlego
from mmlego.data import Cohort, Split
from mmlego.datasets import load_dataset
from mmlego.estimators import LegoClassifier, LegoSurvival
from mmlego.estimators.base import LegoEstimator
from mmlego.files import write_atomically
from mmlego.job.scoring import score_models

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results")
SEED = 2  # the defaults were chosen on splits of seeds 0 and 1
FOLDS = 5
FILES = {"blca": ("tcga/blca.yaml", "tcga"), "kirp": ("tcga/kirp.yaml", "tcga"), "clintox": ("clintox", "molecules")}
BUDGET = {"clintox": {"fit.epochs": 15, "fit.batch_size": 64, "fit.patience": 4}}  # as benchmarks/merging has it


def main() -> None:
    """Run what is asked for and is not there yet."""
    parser = argparse.ArgumentParser(description="Measure estimators against the main job.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--cohorts", nargs="+", default=["gse7390", *FILES])
    parser.add_argument("--splits", nargs="+", type=int, default=list(range(FOLDS)))
    parser.add_argument("--modalities", nargs="+", help="these alone, where the others take hours")
    parser.add_argument("--table", action="store_true")
    asked = parser.parse_args()
    if asked.table:
        table()
        return
    for name in asked.cohorts:
        cohort = read(name, asked.data)
        if asked.modalities:
            cohort = only(cohort, asked.modalities)
        splits = cohort.split(folds=FOLDS, seed=SEED, duplicates="together")
        for index in asked.splits:
            place = RESULTS / f"{name}-{index}.json"
            if not place.is_file():
                found = measure(name, cohort, splits[index]) | {"cohort": name, "split": index, "seed": SEED}
                write_atomically(place, json.dumps(found, indent=1) + "\n")
                print(place.name, found["scores"], flush=True)


def read(name: str, data: Path) -> Cohort:
    """Return a cohort by name."""
    if name not in FILES:
        return load_dataset(name, {})
    manifest, folder = FILES[name]
    place = ROOT / "examples" / manifest
    return Cohort.from_manifest(place if place.suffix else place / "cohort.yaml", folder=data / folder)


def only(cohort: Cohort, modalities: list[str]) -> Cohort:
    """Return a cohort with some of its modalities."""
    from dataclasses import replace

    return replace(cohort, frames={name: cohort.frames[name] for name in modalities})


def measure(name: str, cohort: Cohort, split: Split) -> dict[str, object]:
    """Return the scores of the job, of the job on shared patients, and of the estimator, on the test patients."""
    parts = split.named(cohort.patients)
    seen, test = [*parts["train"], *parts["validation"]], parts["test"]
    settings = _nested(BUDGET.get(name, {}))
    scores, seconds = {}, {}
    for kind, disjoint in (("job", True), ("job, shared patients", False)):
        start = time.process_time()
        made = mmlego.train(cohort, settings, split=split, disjoint=disjoint, progress=False, duplicates="together")
        seconds[kind] = round(time.process_time() - start, 1)
        models = {"merge": made.merge} | ({} if made.fuse is None else {"fuse": made.fuse})
        for label, one in score_models(models, cohort, test, parts["train"]).items():
            if one is not None:
                scores[f"{kind}: {label}"] = one.scores[made.plate.task.primary_metric]
    task = cohort.outcome_spec.task
    kind = LegoSurvival if task == "survival" else LegoClassifier
    for fuse in (True, False):
        start = time.process_time()
        model = kind(cohort=cohort, fuse=fuse, settings=BUDGET.get(name), duplicates="together").fit(seen)
        label = f"estimator: {'fuse' if fuse else 'merge'}"
        seconds[label] = round(time.process_time() - start, 1)
        scores[label] = score(model, cohort, test)
    return {
        "modalities": list(cohort.modalities),
        "patients": {part: len(ids) for part, ids in parts.items()},
        "version": mmlego.__version__,
        "budget": BUDGET.get(name, {}),
        "scores": scores,
        "cpu_seconds": seconds,
    }


def score(model: LegoEstimator, cohort: Cohort, test: list[str]) -> float:
    """Return the c-index, or the area under the ROC curve of the last class."""
    if isinstance(model, LegoSurvival):
        return model.score(test)
    from sklearn.metrics import roc_auc_score

    truth = (cohort.outcome.loc[test, "label"] == model.classes_[-1]).to_numpy()
    return float(roc_auc_score(truth, model.predict_proba(test)[:, -1]))


def table() -> None:
    """Print the means over splits."""
    found: dict[str, list[dict[str, float]]] = {}
    for place in sorted(RESULTS.glob("*.json")):
        one = json.loads(place.read_text())
        found.setdefault(one["cohort"], []).append(one["scores"])
    for name, rows in found.items():
        means = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
        print(f"| {name} | {len(rows)} | " + " | ".join(f"{value:.3f}" for value in means.values()) + " |")
        print("   ", ", ".join(means))


def _nested(dotted: dict[str, int]) -> dict[str, dict[str, int]]:
    made: dict[str, dict[str, int]] = {}
    for name, value in dotted.items():
        section, key = name.split(".")
        made.setdefault(section, {})[key] = value
    return made


if __name__ == "__main__":
    main()
