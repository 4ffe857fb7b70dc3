"""Dull rivals on a split, by the code of ``mmlego bench --rivals``: on everybody, and on few pairs alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmlego.bench.rivals import rival_answers, score_answers, score_rivals
from mmlego.data import Cohort, Split
from mmlego.job import having
from mmlego.settings import Settings
from mmlego.tasks import Task


def rivals_of(cohort: Cohort, split: Split, settings: Settings, seed: int) -> dict[str, Any]:
    """Return the dull rivals of a split: by name the score, the seconds of CPU, and whether it needs pairs."""
    found = score_rivals(cohort, split, settings, disjoint=False, seed=seed, neural=False)
    metric = cohort.outcome_spec.fit_task(cohort.outcome).primary_metric  # type: ignore[union-attr]
    rows = {
        name: {"score": scores[metric], "cpu": found["cpu"][name], "needs": found["needs"][name]}
        for name, scores in found["scores"].items()
    }
    return {"rows": rows, "tables_cpu": found["tables_cpu"]}


def rivals_on_pairs(
    cohort: Cohort, task: Task, pairs: Sequence[str], test: Sequence[str], seed: int
) -> dict[str, dict[str, float]]:
    """Return the dull rivals that need pairs, fitted to some pairs alone: by name score and seconds of CPU.

    What is done to features beforehand is learnt from these patients, too.
    """
    asked = having(cohort, cohort.modalities, test)
    found, _ = rival_answers(cohort, task, asked, parts=None, paired=pairs, seed=seed)
    return {
        name: {
            "score": score_answers(one, cohort, task, asked, ())[task.primary_metric],
            "cpu": round(one.seconds, 3),
        }
        for name, one in found.items()
    }
