"""Measure whether survival is predicted as it is observed: the figures on calibration of docs/method.md are from here.

Blocks and their LegoMerge on repeated splits of TCGA-BLCA and TCGA-KIRP; of the held-out patients the mean predicted
survival at 1, 2, 3 and 5 years beside Kaplan–Meier, as the merge answers by nature and after ``calibrate`` on the
validation part. From the repository: ``python benchmarks/survival/run.py --data FOLDER``, where FOLDER holds ``tcga``.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from mmlego import Baseplate, LegoMerge, LegoWarning, __version__, calibrate
from mmlego.files import write_atomically
from mmlego.job import data_of, fit_blocks
from mmlego.tasks.survival_calibration import calibration_at
from mmlego.training.evaluate import all_logits

sys.path.insert(0, str(Path(__file__).parents[1] / "merging"))
from cohorts import ROOT, cohort_of, settings_of

YEARS = (1, 2, 3, 5)
FOLDS = 5
SEED = 2  # the defaults were chosen on splits of seeds 0 and 1
OUT = Path(__file__).with_name("results.json")


def main() -> None:
    """Run what is asked for, and write what was found."""
    parser = argparse.ArgumentParser(description="Measure calibration of survival on repeated splits.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--cohorts", nargs="+", default=["blca", "kirp"])
    parser.add_argument("--repeats", type=int, default=3, help="of five folds")
    parser.add_argument("--neural", action="store_true", help="neural blocks in place of the defaults")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found: dict[str, Any] = {"mmlego": __version__, "blocks": "neural" if chosen.neural else "defaults", "seed": SEED}
    for name in chosen.cohorts:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LegoWarning)
            found[name] = measure(name, chosen.data, chosen.repeats, neural=chosen.neural)
        write_atomically(chosen.out, json.dumps(found, indent=1) + "\n")
    Console().print_json(json.dumps({name: found[name]["pooled"] for name in chosen.cohorts}))


def measure(name: str, data: Path, repeats: int, *, neural: bool) -> dict[str, Any]:
    """Return what was found on all splits of a cohort, a line a split, and pooled."""
    cohort, settings = cohort_of(name, data), settings_of(name, neural=neural)
    target = cohort.outcome_spec.target(cohort.outcome, cohort.outcome_spec.fit_task(cohort.outcome))  # type: ignore[union-attr]
    row_of = {patient: row for row, patient in enumerate(cohort.patients)}
    ways = ("by nature", "calibrated")
    splits, curves = [], {way: torch.full((repeats, len(cohort), len(YEARS)), torch.nan) for way in ways}
    for index, split in enumerate(cohort.split(folds=FOLDS, repeats=repeats, validation=0.2, seed=SEED)):
        who = split.named(cohort.patients)
        task = cohort.outcome_spec.fit_task(cohort.outcome.loc[list(who["train"])])  # type: ignore[union-attr]
        at = [12.0 * year for year in YEARS]
        parts = dict.fromkeys(cohort.modalities, (who["train"], who["validation"]))
        plate = Baseplate(task, **settings.plate.model_dump())
        blocks = fit_blocks(cohort, plate, parts, settings, seed=10_000 * SEED + 100 * index)
        merges = {"by nature": LegoMerge(list(blocks.values()))}
        merges["calibrated"] = copy.deepcopy(merges["by nature"])
        scale = calibrate(merges["calibrated"], data_of(merges["calibrated"], cohort, who["validation"]))
        held = data_of(merges["by nature"], cohort, who["test"])
        line: dict[str, Any] = {"cuts": list(task.cuts), "scale": scale}
        for way, model in merges.items():
            logits = all_logits(model, held, 64)
            line[way] = [vars(row) for row in task.calibration(logits, held.target, at)]
            line[way].append(task.metrics(logits, held.target))
            rows = [row_of[patient] for patient in held.patients]
            curves[way][index // FOLDS, rows] = task.predict(logits).survival_at(at)
        splits.append(line)
        Console().print(f"{name} {index}: c-index {line['by nature'][-1]['c_index']:.3f}")
    pooled = {way: [_pooled(curves[way][:, :, j], target, 12.0 * year) for j, year in enumerate(YEARS)] for way in ways}
    return {"splits": splits, "pooled": pooled}


def _pooled(survival: torch.Tensor, target: torch.Tensor, time: float) -> dict[str, float]:
    """Return the means over all repeats, in each of which everybody was held out once."""
    found = [calibration_at(one[one.isfinite()], target[one.isfinite()], time) for one in survival]
    first = found[0]
    mean = sum(one.predicted for one in found) / len(found)
    ici = sum(one.ici for one in found) / len(found)
    patients = int(survival[0].isfinite().sum())
    return {
        "time": time,
        "patients": patients,
        "predicted": round(mean, 4),
        "km": round(first.km, 4),
        "low": round(first.low, 4),
        "high": round(first.high, 4),
        "difference": round(mean - first.km, 4),
        "ici": round(ici, 4),
    }


if __name__ == "__main__":
    main()
