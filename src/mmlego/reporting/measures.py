"""Which scores a report tells of a task, each a function of weighted patients, so that intervals come of resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmlego.errors import InputError
from mmlego.reporting.answers import Answers
from mmlego.reporting.statistics.pair_scores import (
    area_of,
    area_of_weighted,
    concordance_of,
    precision_of,
)
from mmlego.reporting.statistics.resampling import Floats, Score, divided, mean_of
from mmlego.tasks import CompetingRisks, Task
from mmlego.tasks.survival_scores import censoring_weights


@dataclass(frozen=True)
class Measure:
    """A score that is told.

    Parameters
    ----------
    name
        As the task calls it.
    label
        As a reader knows it.
    better
        ``"higher"`` or ``"lower"``.
    meaning
        What it says, in a clause.
    """

    name: str
    label: str
    better: str
    meaning: str


C_INDEX = Measure(
    "c_index",
    "c-index",
    "higher",
    "the share of pairs of patients in which the one with the earlier event has the higher risk; 0.5 is chance",
)
AUROC = Measure(
    "auroc",
    "AUROC",
    "higher",
    "the probability that a patient with the outcome is given a higher risk than one without; 0.5 is chance",
)
AUPRC = Measure(
    "auprc", "AUPRC", "higher", "the precision over all recalls; chance is the share of patients with the outcome"
)
BRIER = Measure("brier", "Brier score", "lower", "the mean squared distance between probability and outcome")
ACCURACY = Measure("balanced_accuracy", "balanced accuracy", "higher", "the mean over classes of the share found")
R2 = Measure("r2", "R²", "higher", "the share of the variance that is explained; 0 is what the mean gives")
MAE = Measure("mae", "mean error", "lower", "the mean absolute error, in units of the outcome")
RMSE = Measure("rmse", "RMSE", "lower", "the root of the mean squared error, in units of the outcome")

CAUSES_C_INDEX = Measure(
    "c_index",
    "mean c-index of the causes",
    "higher",
    "the mean over causes of the share of pairs of patients in which the one whose event of the cause came earlier, or "
    "at all, has the higher risk of it; 0.5 is chance",
)
OF_TASK: dict[str, tuple[Measure, ...]] = {
    "survival": (C_INDEX,),
    "classification": (AUROC, AUPRC, BRIER, ACCURACY),
    "multilabel": (AUROC, AUPRC, BRIER),
    "regression": (R2, MAE, RMSE),
    "competing_risks": (CAUSES_C_INDEX,),
}


def primary(task_name: str) -> Measure:
    """Return the score by which models of a task are compared.

    Raises
    ------
    InputError
        If nothing is reported of it.
    """
    if task_name not in OF_TASK:
        known, remedy = ", ".join(OF_TASK), "mmlego evaluate scores models of it."
        raise InputError("no report of this task", expected=f"one of {known}", got=task_name, remedy=remedy)
    return OF_TASK[task_name][0]


def measures_of(task: Task) -> tuple[Measure, ...]:
    """Return all scores that are told of a task, the primary one first; of several causes one of each, too."""
    if not isinstance(task, CompetingRisks):
        return OF_TASK[task.name]
    one = "who had another event counts as free of this one for ever (Wolbers et al. 2009)"
    each = [Measure(f"c_index/{cause}", f"c-index of {cause}", "higher", one) for cause in task.causes]
    return (*OF_TASK[task.name], *each)


def score_of(measure: Measure, answers: Answers) -> Score:
    """Return a score of weighted patients; with all weights 1 it is the task's own.

    Parameters
    ----------
    measure
        Which.
    answers
        Of a model.
    """
    return _MAKERS[answers.task.name](measure.name, answers)


def _survival(name: str, answers: Answers) -> Score:
    event, time = events_of(answers.target)
    return concordance_of(answers.prediction.risk.numpy(), event, time)


def _causes(name: str, answers: Answers) -> Score:
    causes: Sequence[str] = answers.task.causes  # type: ignore[attr-defined]
    risks, came = answers.prediction.risks.double().numpy(), answers.target[:, 0].long().numpy()
    time = answers.target[:, 1].double().numpy()
    found = []
    for place, cause in enumerate(causes):
        if name in ("c_index", f"c_index/{cause}"):
            other = (came != 0) & (came != place + 1)
            found.append(concordance_of(risks[:, place], came == place + 1, np.where(other, time.max() + 1, time)))
    return mean_score(found)


def _classes(name: str, answers: Answers) -> Score:
    log_odds, truth = yes_or_no(answers)  # (n, q), (n, q)
    probability = answers.prediction.probabilities.numpy()
    target = answers.target.long().numpy()
    if name == "brier":
        missed = (probability - np.eye(probability.shape[1])[target]) ** 2
        return mean_of(missed[:, 1] if probability.shape[1] == 2 else missed.sum(axis=1))
    if name == "balanced_accuracy":
        right = (answers.logits.argmax(dim=1).numpy() == target).astype(float)
        return mean_score([mean_of(np.where(target == one, right, np.nan)) for one in np.unique(target)])
    made = area_of if name == "auroc" else precision_of
    asked = [one for one in range(truth.shape[1]) if 0 < truth[:, one].sum() < len(truth)]
    return mean_score([made(log_odds[:, one], truth[:, one]) for one in asked])


def _labels(name: str, answers: Answers) -> Score:
    target = answers.target.double().numpy()
    found = []
    for one in range(target.shape[1]):
        known = np.isfinite(target[:, one])
        truth = target[:, one] == 1
        if name == "brier":
            if known.any():
                missed = (answers.prediction.probabilities[:, one].numpy() - target[:, one]) ** 2
                found.append(mean_of(missed))
        elif truth.any() and (known & ~truth).any():
            made = area_of if name == "auroc" else precision_of
            found.append(made(answers.logits[:, one].numpy(), truth, known))
    return mean_score(found)


def _numbers(name: str, answers: Answers) -> Score:
    values, target = numbers_of(answers)
    one = {"mae": _mae, "rmse": _rmse, "r2": _r2}[name]
    return mean_score([one(values[:, column], target[:, column]) for column in range(target.shape[1])])


_MAKERS: dict[str, Callable[[str, Answers], Score]] = {
    "survival": _survival,
    "classification": _classes,
    "multilabel": _labels,
    "regression": _numbers,
    "competing_risks": _causes,
}


def events_of(target: Tensor) -> tuple[NDArray[np.bool_], Floats]:
    """Return events and times of a target of survival."""
    return (target[:, 0] == 1).numpy(), target[:, 1].double().numpy()


def yes_or_no(answers: Answers) -> tuple[Floats, NDArray[np.bool_]]:
    """Return the log-odds and the truth of the yes-or-no questions of classes: of two the second, of more each.

    Parameters
    ----------
    answers
        Of a classification.

    Returns
    -------
    log_odds : (n, q)
    truth : (n, q) bool
    """
    logits, target = answers.logits, answers.target.long()
    k = logits.shape[1]
    asked = [1] if k == 2 else list(range(k))
    odds = [logits[:, c] - torch.cat([logits[:, :c], logits[:, c + 1 :]], dim=1).logsumexp(dim=1) for c in asked]
    truth = [target == c for c in asked]
    return torch.stack(odds, dim=1).numpy(), torch.stack(truth, dim=1).numpy()


def numbers_of(answers: Answers) -> tuple[Floats, Floats]:
    """Return predicted and true numbers ``(n, k)`` of a regression, in units."""
    values = answers.prediction.values.double().numpy()
    target = answers.target.double().numpy().reshape(values.shape[0], -1)
    return values.reshape(target.shape), target


def mean_score(scores: list[Score]) -> Score:
    """Return the mean of those scores that are defined, NaN where none is."""

    def score(weights: Floats) -> Floats:
        if not scores:
            return np.full(len(weights), np.nan)
        each = np.stack([one(weights) for one in scores])
        known = np.isfinite(each)
        return divided(np.where(known, each, 0.0).sum(axis=0), known.sum(axis=0).astype(float))

    return score


def _mae(values: Floats, target: Floats) -> Score:
    return mean_of(np.abs(values - target))


def _rmse(values: Floats, target: Floats) -> Score:
    squared = mean_of((values - target) ** 2)
    return lambda weights: np.sqrt(squared(weights))


def _r2(values: Floats, target: Floats) -> Score:
    missed, mean, squares = mean_of((values - target) ** 2), mean_of(target), mean_of(target**2)

    def score(weights: Floats) -> Floats:
        spread = squares(weights) - mean(weights) ** 2
        return 1 - divided(missed(weights), np.where(spread > 1e-12, spread, 0.0))

    return score


def area_of_cause(risk: Floats, target: Tensor, cause: int, when: float, reference: Tensor) -> Score:
    """Return the cumulative/dynamic AUC of a cause at a time, weighed by 1 / G.

    Cases had its event by then; controls had not, be it that they had another or are still there (Blanche, Dartigues
    and Jacqmin-Gadda 2013, the second of their definitions). Of one cause it is that of Uno (2007).

    Parameters
    ----------
    risk : (n,)
        Of the cause; higher = earlier.
    target : (n, 2)
        Numbers of causes and times.
    cause
        The number of the cause.
    when
        The time.
    reference : (n_train, 2)
        By which censoring is weighed.
    """
    mine, weight = _known_by(target, cause, when, reference)
    return area_of_weighted(risk, np.where(mine, weight, 0.0), np.where(mine, 0.0, weight))


def brier_of_cause(incidence: Floats, target: Tensor, cause: int, when: float, reference: Tensor) -> Score:
    """Return the Brier score at a time of one of several causes (Schoop et al. 2011), weighed by 1 / G.

    Of one cause it is that of Graf (1999) with the weights of Gerds and Schumacher (2006).

    Parameters
    ----------
    incidence : (n,)
        Predicted probabilities that its event has come by the time.
    target : (n, 2)
        Numbers of causes and times.
    cause
        The number of the cause; who had another event by the time is known not to have this one.
    when
        The time.
    reference : (n_train, 2)
        By which censoring is weighed.
    """
    mine, weight = _known_by(target, cause, when, reference)
    return mean_of(weight * (mine - incidence) ** 2)


def _known_by(target: Tensor, cause: int, when: float, reference: Tensor) -> tuple[NDArray[np.bool_], Floats]:
    """Return who had the event of a cause by a time, and weights of those of whom this is known, 0 of the others."""
    came, time = target[:, 0].long().numpy(), target[:, 1].double().numpy()
    follow = torch.stack([(reference[:, 0] > 0).to(reference), reference[:, 1]], 1)
    before = censoring_weights(follow, target[:, 1].contiguous(), before=True).numpy()
    there = float(censoring_weights(follow, torch.tensor([when]))[0])
    weight: Floats = np.where(time > when, there, np.where(came > 0, before, 0.0))
    return (came == cause) & (time <= when), weight
