"""What a model was worth to patients whom it was not trained on, as its card tells it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from mmlego.anonymity import MIN_PATIENTS
from mmlego.card import Card, few_scored
from mmlego.tasks import Task
from mmlego.tasks.error import standard_error
from mmlego.wording import listed

VALIDATION = "validation"
OUT_OF_FOLD = "out of fold"


def tell_held_out(
    card: Card,
    task: Task,
    logits: Tensor,
    target: Tensor,
    *,
    reference: Tensor | None,
    who: str = VALIDATION,
) -> None:
    """Write into a card the scores on held-out patients, their errors, and what predictions are compared with.

    Parameters
    ----------
    card
        The model's.
    task
        Its task.
    logits : (n, k)
        What it answered to patients as if it had not been trained on them.
    target : (n, ...)
        What came true.
    reference : (n_train, ...), optional
        Targets of training patients, by whom censoring is weighed.
    who
        ``VALIDATION``, or ``OUT_OF_FOLD``: patients for each of whom a model answered that was fitted without them.

    Examples
    --------
    >>> import torch
    >>> from mmlego.tasks import Classification
    >>> card, target = Card(), torch.tensor([0, 1] * 20)
    >>> tell_held_out(card, Classification(2), torch.nn.functional.one_hot(target).float(), target, reference=None)
    >>> card.validation["auroc"], card.held_out["patients"]
    (1.0, 40)
    """
    scores = task.metrics(logits, target, reference=reference)
    card.validation = {name: value for name, value in scores.items() if math.isfinite(value)}
    metric = task.primary_metric
    card.errors = {}
    if metric in card.validation:
        card.errors = {metric: standard_error(task, card.validation[metric], target)}
    compare_with(card, task, logits, target, who=who)


def of_few(cards: Mapping[str, Card]) -> str | None:
    """Return a sentence on cards whose scores are of fewer than five patients; None if there are none.

    Parameters
    ----------
    cards
        By what their models are called.

    Examples
    --------
    >>> cards = {n: Card(validation={"r2": 0.5}, patients={"validation": n}) for n in (4, 5)}
    >>> of_few({"rna": cards[4], "labs": cards[5]})
    'Scores of fewer than 5 patients tell of each of them: rna.'
    """
    return told_few([name for name, card in cards.items() if few_scored(card) is not None])


def told_few(few: Sequence[str]) -> str | None:
    """Return the sentence on models whose scores are of fewer than five patients; None if there are none.

    Parameters
    ----------
    few
        What they are called.
    """
    return f"Scores of fewer than {MIN_PATIENTS} patients tell of each of them: {listed(few)}." if few else None


def compare_with(card: Card, task: Task, logits: Tensor, target: Tensor, *, who: str = VALIDATION) -> None:
    """Write into a card what predictions are compared with, and leave its scores as they are.

    Parameters
    ----------
    card, task, logits, target, who
        As :func:`tell_held_out` takes them.
    """
    found = task.summary(logits, target)
    card.held_out = {"patients": len(logits), "who": who, **found} if found else {}
