"""Scores of blocks, ensemble, merge and fuse on patients nobody has seen."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mmlego.bench.results import ENSEMBLE
from mmlego.brick import Brick
from mmlego.data import Cohort, PatientData, Split
from mmlego.errors import InputError
from mmlego.job import Bricks, data_of
from mmlego.job.scoring import BATCH, reference_of, score_models
from mmlego.tasks import CompetingRisks
from mmlego.training.evaluate import Model, all_logits, scores_of


def ensemble_logits(blocks: dict[str, Brick], data: PatientData) -> Tensor:
    """Return the mean over the blocks present of their logits, ``(n, k)``: what one would do without merging."""
    total, count = torch.zeros(()), torch.zeros(())
    for name, block in blocks.items():
        here = data.present[name]
        logits = torch.zeros(len(data), block.task.outputs)
        if bool(here.any()):
            logits[here] = all_logits(block, data.only([name]).subset(here), BATCH)
        total, count = total + logits, count + here[:, None]
    return total / count


def score_bricks(bricks: Bricks, cohort: Cohort, split: Split) -> dict[str, Any]:
    """Return metrics on the test patients of each block, the ensemble, the merge and the fuse.

    By the one way of scoring, :mod:`mmlego.job.scoring`: with the training patients as the reference of censoring.

    Returns
    -------
    dict
        ``scores``: by method the metrics; ``patients``: the test patients; ``risk`` (survival): by model the predicted
        risk of each, and ``cut``: the median risk of the training and validation patients; of competing risks
        ``risks`` and ``cuts``, the same of each cause.
    """
    who = split.named(cohort.patients)
    seen = data_of(bricks.merge, cohort, [cohort.patients[row] for row in sorted([*split.train, *split.validation])])
    task = bricks.plate.task
    models: dict[str, Model] = {f"block {name}": block for name, block in bricks.blocks.items()}
    wholes: dict[str, Model] = {"LegoMerge": bricks.merge}
    if bricks.fuse is not None:
        wholes["LegoFuse"] = bricks.fuse
    found = score_models(models | wholes, cohort, who["test"], who["train"])
    # A small test part may lack a modality altogether.
    scores = {name: {task.primary_metric: math.nan} if one is None else one.scores for name, one in found.items()}
    merged = found["LegoMerge"]
    if merged is None:
        raise InputError("no test patient has a modality", expected="at least one", got=f"{len(who['test'])} without")
    data = merged.data
    ensemble = ensemble_logits(bricks.blocks, data)
    alone = scores_of(task, ensemble, data.target, reference_of(cohort, task, who["train"]))
    scores = {name: scores[name] for name in models} | {ENSEMBLE: alone} | {n: scores[n] for n in wholes}
    logits = {name: one.logits for name, one in found.items() if name in wholes and one is not None}
    result: dict[str, Any] = {"scores": scores, "patients": list(data.patients)}
    if task.name == "survival":
        result["risk"] = {name: task.predict(values).risk.tolist() for name, values in logits.items()}  # type: ignore[attr-defined]
        result["cut"] = {
            name: float(task.predict(all_logits(model, seen, BATCH)).risk.median())  # type: ignore[attr-defined]
            for name, model in wholes.items()
        }
    elif isinstance(task, CompetingRisks):
        result["risks"] = {name: task.predict(values).risks.tolist() for name, values in logits.items()}
        result["cuts"] = {
            name: task.predict(all_logits(model, seen, BATCH)).risks.median(dim=0).values.tolist()
            for name, model in wholes.items()
        }
    elif task.name == "classification":
        result["probability"] = {
            name: task.predict(values).probabilities[:, -1].tolist()  # type: ignore[attr-defined]
            for name, values in logits.items()
        }
    return result
