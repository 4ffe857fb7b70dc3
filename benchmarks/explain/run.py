"""Are planted parts found, is nothing found where nothing is, and how long does it take? Writes results.json.

    python benchmarks/explain/run.py --out benchmarks/explain/results.json

The synthetic cohort tells which columns of its table and which patches of its slides the outcome hangs on. The main job
is run on it as it is by default, and once more with the outcomes shuffled among the patients; patients who were held
back are explained by the merged model. A patient's AUROC tells planted parts from others: patches by their attribution
with its sign (planted ones raise the odds), columns by its size. Stage ``shared`` is the same of twice as many
patients, on all of whom each block is trained.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score

import mmlego
from mmlego import Baseplate, LegoBlock
from mmlego.bundle import Bundle
from mmlego.data import Cohort, PatientData
from mmlego.datasets import simulated
from mmlego.encoders import PatchMLP
from mmlego.explaining import explain, feature_values, score_values
from mmlego.explaining.reference import Reference
from mmlego.tasks import Classification

COLUMNS = {"age", "crp"}
PATCHES, WIDTH = 10_000, 1024


def planted(folder: Path, patients: int, seed: int, *, shuffled: bool) -> tuple[Cohort, dict[str, np.ndarray]]:
    """Write the synthetic cohort and return it, with which patches of each slide are of the other kind."""
    kinds: list[np.ndarray] = []

    def slide(hidden: float, rng: np.random.Generator) -> torch.Tensor:  # as simulated has it, and remembers
        patches = rng.normal(size=(int(rng.integers(20, 120)), simulated.WIDTH))
        odd = rng.random(len(patches)) < 1 / (1 + np.exp(1.0 - 1.5 * hidden))
        patches[odd, :4] += 2.0
        kinds.append(odd)
        return torch.from_numpy(patches.astype(np.float32))

    with mock.patch.object(simulated, "_slide", slide):
        manifest = simulated.write_synthetic(folder, patients=patients, seed=seed)
    names = sorted(path.stem for path in (folder / "slides").iterdir())
    if shuffled:
        outcome = pd.read_csv(folder / "outcome.csv")
        outcome["relapse"] = np.random.default_rng(seed + 1).permutation(outcome["relapse"].to_numpy())
        outcome.to_csv(folder / "outcome.csv", index=False)
    return Cohort.from_manifest(manifest), dict(zip(names, kinds, strict=True))


def found(patients: int, most: int, seed: int, *, shuffled: bool = False, disjoint: bool = True) -> dict[str, Any]:
    """Return how well planted parts are told from others, and what the attributions lack."""
    with tempfile.TemporaryDirectory() as folder:
        cohort, kinds = planted(Path(folder), patients, seed, shuffled=shuffled)
        bricks = mmlego.train(cohort, seed=seed, disjoint=disjoint, progress=False)
        held = list(bricks.test[:most])
        told = explain(bricks.merge, cohort, patients=held, modalities=["clinical", "slides"])
        scores = score_values(bricks.merge, mmlego.data_of(bricks.merge, cohort, held))
    trained = {name: block.card.patients for name, block in bricks.blocks.items()}
    result: dict[str, Any] = {"cohort": patients, "explained": len(held), "trained_on": trained}
    for name in ("clinical", "slides"):
        table, sums = told.features[name].per_feature, told.features[name].sums
        aurocs, sizes = [], []
        for patient, mine in table.groupby("patient", sort=False):
            sizes.append(float(mine["attribution"].abs().sum()))
            if name == "slides":
                mine = mine[mine["feature"].str.startswith("patch ")]
                truth, score = kinds[str(patient)], mine["attribution"].to_numpy()
            else:
                truth, score = mine["feature"].isin(COLUMNS).to_numpy(), mine["attribution"].abs().to_numpy()
            if 0 < truth.sum() < len(truth):
                aurocs.append(float(roc_auc_score(truth, score)))
        moved = (sums["prediction"] - sums["base"]).abs()
        result[name] = {
            "patients": len(aurocs),
            "auroc": {"mean": np.mean(aurocs), "least": np.min(aurocs), "tenth": np.quantile(aurocs, 0.1)},
            "share_of_patients_from_0.95": np.mean(np.array(aurocs) >= 0.95),
            "mean_size_of_attributions": np.mean(sizes),
            "completeness_error": {"mean": sums["error"].abs().mean(), "largest": sums["error"].abs().max()},
            "mean_difference": moved.mean(),
        }
        if name == "clinical":
            means = told.features[name].summary()["mean_size"]
            result[name]["auroc_of_mean_sizes"] = roc_auc_score(means.index.isin(COLUMNS), means)
    result["modalities"] = {str(name): float(value) for name, value in scores.items()}
    result["score"] = scores.attrs["score"]
    return result


def timed(seed: int) -> dict[str, Any]:
    """Return CPU seconds of one prediction and of one explanation of a slide of 10,000 patches."""
    make = torch.Generator().manual_seed(seed)
    bags = [torch.randn(PATCHES if i == 0 else 100, WIDTH, generator=make) for i in range(20)]
    target = torch.tensor([i % 2 for i in range(20)])
    plate = Baseplate(Classification(["no", "yes"]))
    data = PatientData({"slides": bags}, None, plate.task, patients=[f"p{i}" for i in range(20)])
    x = mmlego.Ragged.from_list(bags)
    neural = LegoBlock(PatchMLP(WIDTH), plate, "slides").eval()
    learners = {name: LegoBlock.of(name, plate, "slides", (x, target), folds=2) for name in ("logistic", "boosting")}
    result: dict[str, Any] = {}
    for name, block in (("neural", neural), ("neural, logistic and boosting", Bundle({"neural": neural, **learners}))):
        one = data.subset([0])
        mmlego.predict(block, one)
        seconds = []
        for _ in range(3):
            began = time.process_time()
            mmlego.predict(block, one)
            seconds.append(time.process_time() - began)
        predicted = float(np.median(seconds))
        references: list[Reference] = []

        def kept(*given: Any, held: list[Reference] = references) -> Reference:
            if not held:
                held.append(Reference(*given))
            return held[0]

        with mock.patch("mmlego.explaining.features.Reference", kept):  # averages of a cohort are taken once
            feature_values(block, data, "slides", patients=["p0"])
            seconds = []
            for _ in range(3):
                began = time.process_time()
                values = feature_values(block, data, "slides", patients=["p0"])
                seconds.append(time.process_time() - began)
        explained = float(np.median(seconds))
        result[name] = {
            "prediction_s": predicted,
            "explanation_s": explained,
            "times": explained / predicted,
            "error": float(values.sums["error"].abs().max()),
        }
    return result


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--stages", nargs="+", default=["planted", "shuffled", "shared", "speed"], help="Which to run.")
    parser.add_argument("--patients", type=int, default=300)
    parser.add_argument("--explained", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}
    stages = {
        "planted": lambda: found(given.patients, given.explained, given.seed),
        "shuffled": lambda: found(given.patients, given.explained, given.seed, shuffled=True),
        "shared": lambda: found(2 * given.patients, given.explained, given.seed, disjoint=False),
        "speed": lambda: timed(given.seed),
    }
    for stage in given.stages:
        results[stage] = stages[stage]()
        given.out.write_text(json.dumps(results, indent=2, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
