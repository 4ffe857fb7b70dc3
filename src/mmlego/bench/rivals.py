"""Rivals on a split: dull models on the patients that bricks are trained on, and scored on the same patients."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmlego.baselines import (
    END_TO_END,
    Rival,
    Tables,
    baseline_class,
    fit_end_to_end,
    rivals_for,
    tables_of,
)
from mmlego.bench.statistics import mean_or_nan
from mmlego.data import Cohort, Split
from mmlego.job.blocks import parts_by_modality
from mmlego.job.data import having
from mmlego.job.scoring import reference_of, score_models
from mmlego.settings import Settings
from mmlego.tasks import Task
from mmlego.tasks.survival_scores import concordance
from mmlego.training.evaluate import scores_of

ALONE, PAIRED = "without pairs", "with pairs"
NEURAL = "end to end"
LIBRARIES = ("scikit-learn", "scikit-survival", "lightgbm", "catboost", "tabicl")


@dataclass(frozen=True)
class Answers:
    """What a rival answered: logits, or of survival a risk, of those who have a modality of it.

    Parameters
    ----------
    values : (n, k)
        NaN where a patient has none of its modalities.
    seconds
        Of CPU, of fitting and answering.
    """

    values: np.ndarray
    seconds: float


@dataclass
class _Fits:
    """Baselines that are fitted once, whoever asks for their answers.

    Parameters
    ----------
    task
        What is to be predicted.
    seed
        Of all fits.
    targets
        Of patients by their ids.
    """

    task: Task
    seed: int
    targets: Callable[[Sequence[str]], Tensor]
    done: dict[tuple[str, str], Answers] = field(default_factory=dict)

    def answers(self, name: str, place: str, seen: Tables, asked: Tables) -> Answers:
        """Return what a baseline answers that is fitted to one table and asked about another."""
        if (name, place) in self.done:
            return self.done[name, place]
        here, there = seen.has(), asked.has()
        patients = [patient for patient, has in zip(seen.patients, here, strict=True) if has]
        started = time.process_time()
        model = baseline_class(name)().fit(seen.beside()[here], self.targets(patients), self.task, seed=self.seed)
        columns = 1 if self.task.name == "survival" else self.task.outputs
        values = np.full((len(asked.patients), columns), np.nan)
        if there.any():
            values[there] = model.scores(asked.beside()[there])
        self.done[name, place] = Answers(values, time.process_time() - started)
        return self.done[name, place]


def rival_answers(
    cohort: Cohort,
    task: Task,
    asked: Sequence[str],
    *,
    parts: Mapping[str, Sequence[str]] | None,
    paired: Sequence[str],
    seed: int,
) -> tuple[dict[str, Answers], float]:
    """Fit the rivals of a task, and let them answer.

    Parameters
    ----------
    cohort
        The patients.
    task
        What is to be predicted.
    asked
        Whom to answer for.
    parts
        By modality, whom its own baseline is fitted to: training and validation patients of its block. None: those
        rivals that need no pairs are left out.
    paired
        Whom those are fitted to that read all modalities side by side: these see nobody else.
    seed
        Of all fits.

    Returns
    -------
    answers : dict of str to Answers
        By row: rivals, and before them the baseline of each modality.
    seconds : float
        Of CPU, that the tables took which all of them share.
    """
    started = time.process_time()
    spec, outcome = cohort.outcome_spec, cohort.outcome
    fits = _Fits(task, seed, lambda ids: spec.target(outcome.loc[list(ids)], task))  # type: ignore[union-attr]
    whole = [name for name in cohort.modalities if having(cohort, [name], paired)]
    joint, shown = tables_of(cohort, dict.fromkeys(whole, paired), asked, task)
    every = Tables(tuple(paired), {name: joint[name].rows[name] for name in whole})
    each, single = joint, shown
    if parts is not None and any(list(ids) != list(paired) for ids in parts.values()):
        each, single = tables_of(cohort, parts, asked, task)
    seconds = time.process_time() - started
    found: dict[str, Answers] = {}
    for rival in rivals_for(task):
        if rival.pairs:
            got = [fits.answers(name, "", every, shown) for name in rival.members]
        elif parts is None:
            continue
        else:
            got = []
            for member in rival.members:
                for name in each:
                    one = Tables(single.patients, {name: single.rows[name]})
                    found[f"{member} {name}"] = fits.answers(member, name, each[name], one)
                    got.append(found[f"{member} {name}"])
        found[rival.name] = Answers(_mean(rival, got), sum(one.seconds for one in got))
    return found, seconds


def _mean(rival: Rival, got: Sequence[Answers]) -> np.ndarray:
    if len(got) == 1:
        return got[0].values
    values = [_ranks(one.values) if rival.mean == "ranks" else one.values for one in got]
    return mean_or_nan(np.stack(values))


def _ranks(values: np.ndarray) -> np.ndarray:
    """Return ranks between 0 and 1 among those who were answered for."""
    from scipy.stats import rankdata

    known = np.isfinite(values[:, 0])
    ranks = np.full_like(values, np.nan)
    ranks[known, 0] = (rankdata(values[known, 0]) - 0.5) / max(int(known.sum()), 1)
    return ranks


def score_answers(answers: Answers, cohort: Cohort, task: Task, asked: Sequence[str], train: Sequence[str]) -> Any:
    """Return the metrics of answers, on those patients that there are some for; of a risk the c-index alone.

    Parameters
    ----------
    answers
        Of a rival.
    cohort
        The patients, with their outcome.
    task
        Of the answers.
    asked
        Who was answered for, in order.
    train
        The training patients, the reference of censoring.

    Returns
    -------
    dict of str to float
        By metric.
    """
    known = np.isfinite(answers.values).all(axis=1)
    if not known.any():
        return {task.primary_metric: math.nan}
    ids = [patient for patient, has in zip(asked, known, strict=True) if has]
    target = cohort.outcome_spec.target(cohort.outcome.loc[ids], task)  # type: ignore[union-attr]
    values = torch.from_numpy(answers.values[known])
    if task.name == "survival":
        return {"c_index": concordance(values[:, 0], target[:, 0] == 1, target[:, 1].double())}
    return scores_of(task, values.float(), target, reference_of(cohort, task, train))


def score_rivals(
    cohort: Cohort, split: Split, settings: Settings, *, disjoint: bool, seed: int, neural: bool = True
) -> dict[str, Any]:
    """Return the scores of all rivals on the test patients of a split.

    Dull ones are fitted to training and validation patients, for they watch nobody: without pairs to the patients of
    the modality's block, with pairs to all of them, gaps and all. End-to-end models are trained on those who have all
    modalities, with the settings of a block, and watch the validation patients.

    Parameters
    ----------
    cohort
        The patients.
    split
        Who trains, validates and is held back.
    settings
        Of the end-to-end models.
    disjoint
        Whether each block has patients of its own, and so each modality's rivals.
    seed
        Of the parts, as the main job has it, and of all fits.
    neural
        Whether to train end-to-end models, too.

    Returns
    -------
    dict
        ``scores``: by rival its metrics; ``cpu``: by rival its seconds; ``tables_cpu``: the seconds of the tables that
        dull ones share; ``needs``: by rival ``"with pairs"`` or ``"without pairs"``, or ``"end to end"``.
    """
    who = split.named(cohort.patients)
    task = cohort.outcome_spec.fit_task(cohort.outcome.loc[list(who["train"])])  # type: ignore[union-attr]
    asked = having(cohort, cohort.modalities, who["test"])
    parts = parts_by_modality(cohort, who["train"], who["validation"], disjoint=disjoint, seed=seed)
    everyone = having(cohort, cohort.modalities, [*who["train"], *who["validation"]])
    own = {name: everyone if not disjoint else [*train, *valid] for name, (train, valid) in parts.items()}
    found, shared = rival_answers(cohort, task, asked, parts=own, paired=everyone, seed=seed)
    alike = {rival.name: PAIRED if rival.pairs else ALONE for rival in rivals_for(task)}
    result: dict[str, Any] = {
        "scores": {name: score_answers(one, cohort, task, asked, who["train"]) for name, one in found.items()},
        "cpu": {name: round(one.seconds, 3) for name, one in found.items()},
        "tables_cpu": round(shared, 3),
        "needs": {name: alike.get(name, ALONE) for name in found},
    }
    for name in END_TO_END if neural else ():
        started = time.process_time()
        model = fit_end_to_end(name, cohort, who["train"], who["validation"], settings, task, seed=seed)
        if model is None:
            continue
        scored = score_models({name: model}, cohort, who["test"], who["train"])[name]
        result["scores"][name] = {task.primary_metric: math.nan} if scored is None else scored.scores
        result["cpu"][name] = round(time.process_time() - started, 3)
        result["needs"][name] = NEURAL
    return result


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries whose models the rivals are, of those that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
