"""Whether a model can tell who trained it: the attack by a threshold of the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmlego.data import Cohort
from mmlego.errors import InputError
from mmlego.job.blocks import parts_by_modality
from mmlego.job.data import data_of, having
from mmlego.job.memory import UNKNOWN, YES, trained_on_by
from mmlego.job.scoring import BATCH
from mmlego.training.evaluate import Model, all_logits
from mmlego.wording import counted

FEWEST = 10  # patients on either side, below which the interval tells nothing
DRAWS = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Membership:
    """How well the loss of a model tells its training patients from others.

    Parameters
    ----------
    auroc
        The probability that a training patient has a smaller loss than another one; 0.5: it tells nothing.
    low, high
        The interval of 95 %, by the bootstrap over patients of both sides.
    trained, others
        How many there were.
    whom
        Who counts as trained on.
    """

    auroc: float
    low: float
    high: float
    trained: int
    others: int
    whom: str

    def verdict(self) -> str:
        """Return in words what that means.

        Examples
        --------
        >>> Membership(0.5, 0.42, 0.58, 90, 40, "").verdict()
        'Not by its loss: the interval holds 0.5.'
        """
        if self.low <= 0.5:
            return "Not by its loss: the interval holds 0.5."
        much = "hardly" if self.auroc < 0.6 else "partly" if self.auroc < 0.8 else "largely"
        return f"Yes, {much}: training patients have smaller losses. Who has the model can guess who they were."


def membership(
    model: Model, cohort: Cohort, train: Sequence[str], validation: Sequence[str], test: Sequence[str], *, seed: int = 0
) -> Membership:
    """Return how well the loss of a model tells whom it was trained on from whom it was not.

    Whoever trained a model has a smaller loss where it has learnt them by heart; the attack says of a patient whose
    loss is below a threshold that the model was trained on them (Yeom et al. 2018, *Privacy risk in machine learning*).
    Over all thresholds that is an AUROC. It bounds this attack and no stronger one.

    Parameters
    ----------
    model
        Any. It answers as whoever has its file would be answered, not out of fold.
    cohort
        Theirs, with its outcome.
    train, validation, test
        Ids of the split. A fitted model was trained on the validation part, too, and on its own part of the patients if
        blocks share none: these it remembers, if it lies in its run. Of a neural block of a run whose blocks share no
        patient the part is found again by its seed and its size.
    seed
        Of the run.

    Raises
    ------
    InputError
        If fewer than ten of either side have a modality of the model, or outcomes are not known.
    """
    members, whom = _members(model, cohort, train, validation, seed)
    sides = [having(cohort, model.modalities, ids) for ids in (members, test)]
    few = [len(ids) for ids in sides if len(ids) < FEWEST]
    if few:
        raise InputError(
            "too few patients to tell who trained the model",
            expected=f"{FEWEST} that it was trained on and {FEWEST} held back, with its modalities",
            got=" and ".join(str(len(ids)) for ids in sides),
        )
    losses = [_losses(model, cohort, ids) for ids in sides]
    rng = np.random.default_rng(0)
    drawn = [auroc(*(rng.choice(side, len(side)) for side in losses)) for _ in range(DRAWS)]
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
    return Membership(auroc(*losses), low, high, len(losses[0]), len(losses[1]), whom)


def auroc(trained: NDArray[np.floating], others: NDArray[np.floating]) -> float:
    """Return the probability that a loss of the first is smaller than one of the second, ties counted half.

    Parameters
    ----------
    trained, others
        Losses, ``(n,)`` and ``(m,)``.

    Examples
    --------
    >>> auroc(np.array([0.1, 0.2]), np.array([0.2, 0.3]))
    0.875
    """
    ordered = np.sort(others)
    above = len(ordered) - np.searchsorted(ordered, trained, side="right")
    equal = np.searchsorted(ordered, trained, side="right") - np.searchsorted(ordered, trained, side="left")
    return float((above + equal / 2).sum() / (len(trained) * len(others)))


def _losses(model: Model, cohort: Cohort, ids: Sequence[str]) -> NDArray[np.float64]:
    data = data_of(model, cohort, ids)
    if data.target is None:
        raise InputError("who trained a model is told by the loss", expected="a cohort with an outcome", got="none")
    logits = all_logits(model, data, BATCH)
    rows = zip(logits.split(1), data.target.split(1), strict=True)
    return np.array([float(model.task.loss(z, y)) for z, y in rows])


def _members(
    model: Model, cohort: Cohort, train: Sequence[str], validation: Sequence[str], seed: int
) -> tuple[list[str], str]:
    """Return whom a model was trained on, as far as that is known, and how."""
    remembered = trained_on_by(model, list(cohort.patients))
    if UNKNOWN not in remembered.values():
        members = [patient for patient, told in remembered.items() if told == YES]
        return members, f"the {counted(len(members), 'patient')} it remembers"
    size = model.card.patients.get("training")
    if len(model.modalities) == 1 and size is not None:
        (name,) = model.modalities
        for disjoint in (False, True):
            parts = parts_by_modality(cohort, train, validation, disjoint=disjoint, seed=seed)
            if name in parts and len(having(cohort, [name], parts[name][0])) == size:
                own = "the training part of the split" if not disjoint else f"the part of the patients for {name}"
                return list(parts[name][0]), own
    return list(train), "the training part of the split"
