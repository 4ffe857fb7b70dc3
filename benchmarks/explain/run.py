"""Are planted parts found, is nothing found where nothing is, and how long does it take? Writes results.json.

    python benchmarks/explain/run.py --out benchmarks/explain/results.json

The synthetic cohort tells which columns of its table and which patches of its slides the outcome hangs on. Stage
``planted`` runs the main job on it as it is by default, and explains patients who were held back by the merged model;
``shared`` and ``large`` do so with 600 and 2000 patients, on all of whom each block is trained; ``slides`` with slides
alone, on which all of the outcome hangs; ``shuffled`` as the first, with the outcomes dealt out anew. A patient's
AUROC tells planted parts from others: patches by their attribution with its sign (planted ones raise the odds), columns
by its size, and by ``beside_others``. Beside it stands what the model that made the columns would say. Stage ``speed``
times a slide of 10,000 patches.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import torch
import yaml
from sklearn.metrics import roc_auc_score

import mmlego
from mmlego import Baseplate, LegoBlock
from mmlego.bundle import Bundle
from mmlego.data import Cohort, PatientData
from mmlego.datasets import simulated
from mmlego.encoders import PatchMLP
from mmlego.explaining import FeatureValues, explain, feature_values
from mmlego.explaining.reference import Reference
from mmlego.tasks import Classification

COLUMNS = {"age", "crp"}
PATCHES, WIDTH = 10_000, 1024
TURNS = 9  # of a prediction and an explanation, one after the other
Kinds = dict[str, np.ndarray]


def planted(folder: Path, patients: int, seed: int, *, shuffled: bool) -> tuple[Cohort, Kinds]:
    """Write the synthetic cohort and return it, with which patches of each slide are of the other kind."""
    kinds: list[np.ndarray] = []

    def slide(hidden: float, rng: np.random.Generator) -> torch.Tensor:
        patches, odd = planted_slide(hidden, rng)
        kinds.append(odd)
        return patches

    with mock.patch.object(simulated, "_slide", slide):
        manifest = simulated.write_synthetic(folder, patients=patients, seed=seed)
    names = sorted(path.stem for path in (folder / "slides").iterdir())
    shuffle(folder, seed, really=shuffled)
    return Cohort.from_manifest(manifest), dict(zip(names, kinds, strict=True))


def planted_slide(
    hidden: float, rng: np.random.Generator, sizes: tuple[int, int] = (20, 120)
) -> tuple[torch.Tensor, np.ndarray]:
    """Return a slide as ``simulated`` makes it, and which of its patches are of the other kind."""
    patches = rng.normal(size=(int(rng.integers(*sizes)), simulated.WIDTH))
    odd = rng.random(len(patches)) < 1 / (1 + np.exp(1.0 - 1.5 * hidden))
    patches[odd, :4] += 2.0
    return torch.from_numpy(patches.astype(np.float32)), odd


def planted_slides(folder: Path, patients: int, seed: int, *, shuffled: bool) -> tuple[Cohort, Kinds]:
    """Write a cohort of slides alone, which tell as much of the outcome as all of the synthetic cohort together do."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=patients)
    (folder / "slides").mkdir()
    kinds = {}
    for i in range(patients):
        slide, kinds[f"S{i:04d}"] = planted_slide(hidden[i], rng, (200, 1000))
        torch.save(slide, folder / "slides" / f"S{i:04d}.pt")
    relapse = np.where(rng.random(patients) < 1 / (1 + np.exp(-2 * 3**0.5 * hidden)), "yes", "no")
    pd.DataFrame({"patient": list(kinds), "relapse": relapse}).to_csv(folder / "outcome.csv", index=False)
    shuffle(folder, seed, really=shuffled)
    whole = {**simulated.MANIFEST, "modalities": {"slides": simulated.MANIFEST["modalities"]["slides"]}}  # type: ignore[index]
    (folder / "cohort.yaml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return Cohort.from_manifest(folder / "cohort.yaml"), kinds


def shuffle(folder: Path, seed: int, *, really: bool) -> None:
    """Deal the outcomes out among the patients anew."""
    if really:
        outcome = pd.read_csv(folder / "outcome.csv")
        outcome["relapse"] = np.random.default_rng(seed + 1).permutation(outcome["relapse"].to_numpy())
        outcome.to_csv(folder / "outcome.csv", index=False)


def found(
    patients: int, most: int, seed: int, *, shuffled: bool = False, disjoint: bool = True, slides: bool = False
) -> dict[str, Any]:
    """Return how well planted parts are told from others, and what the attributions lack."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        cohort, kinds = (planted_slides if slides else planted)(folder, patients, seed, shuffled=shuffled)
        bricks = mmlego.train(cohort, seed=seed, disjoint=disjoint, progress=False)
        model, test = bricks.blocks["slides"] if slides else bricks.merge, list(bricks.test)
        names = ["slides"] if slides else ["clinical", "slides"]
        told = explain(model, cohort, patients=test[:most], modalities=names)
        blocks = {name: model if slides else model.block(name) for name in names}
        scores = {
            name: mmlego.evaluate(part, mmlego.data_of(part, cohort, test))["auroc"]
            for name, part in {"model": model, **blocks}.items()
        }
    result: dict[str, Any] = {
        "cohort": patients,
        "seed": seed,
        "trained_on": {name: block.card.patients for name, block in blocks.items()},
        "auroc_of": scores,
    }
    for name in names:
        result[name] = of_modality(name, told.features[name], kinds)
    return result


def of_modality(name: str, values: FeatureValues, kinds: Kinds) -> dict[str, Any]:
    """Return the AUROC of planted parts a patient, by all measures that there are, and what attributions lack."""
    table, sums = values.per_feature, values.sums
    by: dict[str, list[float]] = {}
    for patient, lines in table.groupby("patient", sort=False):
        mine = lines[lines["feature"].str.startswith("patch ")] if name == "slides" else lines
        truth = kinds[str(patient)] if name == "slides" else mine["feature"].isin(COLUMNS).to_numpy()
        if not 0 < truth.sum() < len(truth):
            continue
        measures = {"attribution": mine["attribution"] if name == "slides" else mine["attribution"].abs()}
        if name == "clinical":
            measures["beside_others"] = mine["beside_others"]
            away = np.array([truth_of(str(row.feature), row.value) for row in mine.itertuples()])
            measures["attribution_of_the_truth"] = np.abs(away)
        for measure, score in measures.items():
            by.setdefault(measure, []).append(float(roc_auc_score(truth, score)))
    result: dict[str, Any] = {
        measure: {
            "patients": len(aurocs),
            "mean": np.mean(aurocs),
            "least": np.min(aurocs),
            "from_0.95": np.mean(np.array(aurocs) >= 0.95),
        }
        for measure, aurocs in by.items()
    }
    result["mean_sum_of_sizes"] = table["attribution"].abs().sum() / len(sums)
    result["error"] = {"mean": sums["error"].abs().mean(), "largest": sums["error"].abs().max()}
    result["mean_difference"] = (sums["prediction"] - sums["base"]).abs().mean()
    if name == "clinical":
        means = values.summary()["mean_size"]
        result["auroc_of_mean_sizes"] = roc_auc_score(means.index.isin(COLUMNS), means)
    return result


def truth_of(column: str, value: Any) -> float:
    """Return what a column says of the hidden number by the model that made it: how far it is from usual, in noise."""
    if value is None or pd.isna(value):
        return 0.0
    if column == "age":
        return (float(value) - 60) * 8 / 4**2
    return (float(np.log(value)) - 1) * 0.6 / 0.4**2 if column == "crp" else 0.0


def timed(seed: int) -> dict[str, Any]:
    """Return CPU seconds of one prediction and of one explanation of a slide of 10,000 patches."""
    torch.manual_seed(seed)  # of the neural block's start
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
        references: list[Reference] = []

        def kept(*given: Any, held: list[Reference] = references) -> Reference:
            if not held:
                held.append(Reference(*given))
            return held[0]

        with mock.patch("mmlego.explaining.features.Reference", kept):  # averages of a cohort are taken once
            asked: dict[str, Callable[[], Any]] = {
                "prediction": lambda block=block, one=one: mmlego.predict(block, one),
                "explanation": lambda block=block: feature_values(block, data, "slides", patients=["p0"]),
            }
            seconds: dict[str, list[float]] = {"prediction": [], "explanation": []}
            for turn in range(1 + TURNS):
                for what, ask in asked.items():
                    began = time.process_time()
                    values = ask()
                    if turn:
                        seconds[what].append(time.process_time() - began)
        medians = {what: float(np.median(each)) for what, each in seconds.items()}
        result[name] = {
            "prediction_s": medians["prediction"],
            "explanation_s": medians["explanation"],
            "times": medians["explanation"] / medians["prediction"],
            "error": float(values.sums["error"].abs().max()),
        }
    return result


def main() -> None:
    """Measure, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    stages: dict[str, Callable[[], Any]] = {
        "planted": lambda: each(range(3)),
        "shared": lambda: each(range(1), 600, disjoint=False),
        "large": lambda: each(range(1), 2000, disjoint=False),
        "slides": lambda: each(range(3), slides=True),
        "shuffled": lambda: each(range(6), shuffled=True),
        "speed": lambda: timed(0),
    }
    parser.add_argument("--stages", nargs="+", default=list(stages), help="Which to run.")
    parser.add_argument("--explained", type=int, default=24)
    parser.add_argument("--first-seed", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    results = json.loads(given.out.read_text(encoding="utf-8")) if given.out.is_file() else {}

    def each(seeds: range, patients: int = 300, **how: bool) -> list[dict[str, Any]]:
        return [found(patients, given.explained, given.first_seed + seed, **how) for seed in seeds]

    for stage in given.stages:
        results[stage] = stages[stage]()
        given.out.write_text(json.dumps(results, indent=2, default=float) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
