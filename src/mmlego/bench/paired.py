"""What training end to end reaches on the few patients who have everything, beside bricks that need none of them."""

from __future__ import annotations

import math
import time
import warnings
from typing import Any

from mmlego.baselines import END_TO_END, fit_end_to_end
from mmlego.data import Cohort, Split
from mmlego.errors import LegoWarning
from mmlego.job.data import having_all
from mmlego.job.scoring import score_models
from mmlego.settings import Settings

PAIRED = "end to end on a share"


def paired_name(name: str, share: float) -> str:
    """Return how a table calls an end-to-end model that was trained on a share of the patients.

    Examples
    --------
    >>> paired_name("concatenation", 0.1)
    'end to end on 10 %: concatenation'
    """
    return f"end to end on {100 * share:.3g} %: {name}"


def few_of(cohort: Cohort, patients: list[str], share: float, seed: int) -> list[str]:
    """Return a share of some patients, with its part of the events or classes.

    Parameters
    ----------
    cohort
        That the patients are of.
    patients
        Ids.
    share
        Between 0 and 1.
    seed
        Of who they are.
    """
    some = cohort.subset(patients)
    split = some.split(fractions=(1 - share, share, 0.0), duplicates="allow", seed=seed)[0]
    return list(split.named(some.patients)["validation"])


def score_paired(cohort: Cohort, split: Split, settings: Settings, *, share: float, seed: int) -> dict[str, Any]:
    """Train end to end on a share of the training and validation patients, and score on the test patients.

    The share is drawn, with its part of the outcomes, from those who have all modalities: as if the others had come
    from elsewhere with one modality each. The models, and how they are trained, are those of ``mmlego bench --rivals``.

    Parameters
    ----------
    cohort
        The patients.
    split
        Who trains, validates and is held back.
    settings
        Of baseplate, encoders and training.
    share
        Of the patients with all modalities, between 0 and 1.
    seed
        Of who they are, of weights and training.

    Returns
    -------
    dict
        ``scores``, ``cpu`` and ``needs``, by model.
    """
    who = split.named(cohort.patients)
    task = cohort.outcome_spec.fit_task(cohort.outcome.loc[list(who["train"])])  # type: ignore[union-attr]
    train, validation = (
        few_of(cohort, having_all(cohort, cohort.modalities, who[part]), share, seed)
        for part in ("train", "validation")
    )
    found: dict[str, Any] = {"scores": {}, "cpu": {}, "needs": {}}
    for name in END_TO_END:
        started = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LegoWarning)  # so few do not have every category: that is the point
            model = fit_end_to_end(name, cohort, train, validation, settings, task, seed=seed)
            scored = None if model is None else score_models({name: model}, cohort, who["test"], who["train"])[name]
        called = paired_name(name, share)
        found["scores"][called] = {task.primary_metric: math.nan} if scored is None else scored.scores
        found["cpu"][called] = round(time.process_time() - started, 3)
        found["needs"][called] = PAIRED
    return found
