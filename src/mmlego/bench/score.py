"""Scores of blocks, ensemble, merge and fuse on patients nobody has seen."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mmlego.block import LegoBlock
from mmlego.data import Cohort, PatientData, Split
from mmlego.job import Bricks, data_of
from mmlego.training.evaluate import Model, all_logits


def ensemble_logits(blocks: dict[str, LegoBlock], data: PatientData) -> Tensor:
    """Return the mean over the blocks present of their logits, ``(n, k)``: what one would do without merging."""
    total, count = torch.zeros(()), torch.zeros(())
    for name, block in blocks.items():
        here = data.present[name]
        logits = torch.zeros(len(data), block.task.outputs)
        if bool(here.any()):
            logits[here] = all_logits(block, data.only([name]).subset(here), 256)
        total, count = total + logits, count + here[:, None]
    return total / count


def score_bricks(bricks: Bricks, cohort: Cohort, split: Split) -> dict[str, Any]:
    """Return metrics on the test patients of each block, the ensemble, the merge and the fuse.

    Returns
    -------
    dict
        ``scores``: by method the metrics; ``patients``: the test patients; ``risk`` (survival): by model the predicted
        risk of each, and ``cut``: the median risk of the training patients.
    """
    rest = [cohort.patients[row] for row in sorted([*split.train.tolist(), *split.validation.tolist()])]
    seen = data_of(bricks.merge, cohort, rest)
    data = data_of(bricks.merge, cohort, [cohort.patients[row] for row in split.test])
    task = bricks.plate.task
    models: dict[str, Model] = {"LegoMerge": bricks.merge}
    if bricks.fuse is not None:
        models["LegoFuse"] = bricks.fuse
    logits = {name: all_logits(model, data, 256) for name, model in models.items()}
    scores = {}
    for name, block in bricks.blocks.items():
        own = data.only([name])
        if not bool(own.present[name].any()):  # a small test part may lack a modality altogether
            scores[f"block {name}"] = {task.primary_metric: math.nan}
            continue
        own = own.with_any()
        scores[f"block {name}"] = _metrics(task, all_logits(block, own, 256), own, seen)
    scores["logit ensemble"] = _metrics(task, ensemble_logits(bricks.blocks, data), data, seen)
    scores |= {name: _metrics(task, values, data, seen) for name, values in logits.items()}
    result: dict[str, Any] = {"scores": scores, "patients": list(data.patients)}
    if task.name == "survival":
        result["risk"] = {name: task.predict(values).risk.tolist() for name, values in logits.items()}  # type: ignore[attr-defined]
        result["cut"] = {
            name: float(task.predict(all_logits(model, seen, 256)).risk.median())  # type: ignore[attr-defined]
            for name, model in models.items()
        }
    elif task.name == "classification":
        result["probability"] = {
            name: task.predict(values).probabilities[:, -1].tolist()  # type: ignore[attr-defined]
            for name, values in logits.items()
        }
    return result


def _metrics(task: Any, logits: Tensor, data: PatientData, seen: PatientData) -> dict[str, float]:
    reference = seen.target if task.name == "survival" else None
    return {name: float(value) for name, value in task.metrics(logits, data.target, reference=reference).items()}
