"""What models answered for patients whom nobody trained on, and which of these patients had what."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmlego.bench.results import ENSEMBLE
from mmlego.brick import Brick
from mmlego.data import Cohort
from mmlego.errors import LegoWarning
from mmlego.job import data_of
from mmlego.job.data import having
from mmlego.job.scoring import BATCH, reference_of
from mmlego.reporting.outcomes import label_of
from mmlego.reporting.subject import MERGE, Subject
from mmlego.tasks import Task
from mmlego.training.evaluate import Model, all_logits, warn_of_memory


@dataclass(frozen=True)
class Answers:
    """What a model answered.

    Parameters
    ----------
    label
        Of the model.
    task
        What it predicts.
    patients
        The ``n`` of those asked about who have a modality of it.
    logits : (n, k) float64
        What it says of them.
    target : (n, …)
        What happened.
    column
        Of the classes, in the file.
    """

    label: str
    task: Task
    patients: tuple[str, ...]
    logits: Tensor
    target: Tensor
    column: str = ""

    def of(self, patients: Sequence[str]) -> Answers:
        """Return those for some patients, in their order; patients without an answer are left out."""
        place = {patient: row for row, patient in enumerate(self.patients)}
        chosen = [patient for patient in patients if patient in place]
        rows = torch.tensor([place[patient] for patient in chosen], dtype=torch.int64)
        return replace(self, patients=tuple(chosen), logits=self.logits[rows], target=self.target[rows])

    @property
    def prediction(self) -> Any:
        """The prediction in the units of the task."""
        return self.task.predict(self.logits)

    def scores(self, reference: Tensor | None) -> dict[str, float]:
        """Return the task's own metrics, NaN without a word where one is not defined."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LegoWarning)
            return self.task.metrics(self.logits, self.target, reference=reference)

    def __len__(self) -> int:
        return len(self.patients)


@dataclass(frozen=True)
class Heard:
    """All answers for the patients held out, and what is needed to read them.

    Parameters
    ----------
    answers
        By label, the ensemble of blocks among them where there are several.
    present : (n, m) bool
        Of all patients held out, in order, which modality each has.
    modalities
        The ``m`` names.
    patients
        The ``n`` ids.
    reference : (n_train, …)
        Targets of the training patients, by which censoring is weighed; None where no split is known.
    """

    answers: Mapping[str, Answers]
    present: NDArray[np.bool_]
    modalities: tuple[str, ...]
    patients: tuple[str, ...]
    reference: Tensor | None

    def patterns(self) -> list[tuple[tuple[str, ...], list[str]]]:
        """Return each combination of modalities with the patients who have it, the most frequent first."""
        found: dict[tuple[str, ...], list[str]] = {}
        for patient, row in zip(self.patients, self.present, strict=True):
            names = tuple(name for name, has in zip(self.modalities, row, strict=True) if has)
            found.setdefault(names, []).append(patient)
        return sorted(found.items(), key=lambda one: (-len(one[1]), -len(one[0]), one[0]))


def hear(subject: Subject) -> Heard | None:
    """Ask all models about the patients held out; None where there are none.

    Parameters
    ----------
    subject
        With models and a cohort.
    """
    cohort = subject.cohort
    if cohort is None or not subject.held_out or subject.main is None:
        return None
    found: dict[str, Answers] = {}
    for label, model in subject.models.items():
        if having(cohort, model.modalities, subject.held_out):
            found[label] = ask(label, model, cohort, subject.held_out)
    blocks = {label: model for label, model in subject.models.items() if isinstance(model, Brick)}
    asked = [found[label] for label in blocks if label in found]
    if len(blocks) > 1 and MERGE in found and asked:
        found[ENSEMBLE] = ensemble_of(asked)
    names = tuple(name for name in cohort.modalities)
    have = [set(cohort.frames[name].index) for name in names]
    present = np.array([[patient in who for who in have] for patient in subject.held_out], dtype=bool)
    task = subject.models[subject.main].task
    reference = reference_of(cohort, task, subject.who.get("train", ()))
    order = {label: found[label] for label in [*blocks, ENSEMBLE, *subject.models] if label in found}
    return Heard(order, present.reshape(len(subject.held_out), len(names)), names, subject.held_out, reference)


def ensemble_of(answers: Sequence[Answers]) -> Answers:
    """Return the mean of the logits of those blocks that answered for a patient: what one would do without merging.

    Each block has read its own features: a merge that lies beside them may be of others, with features of their own.

    Parameters
    ----------
    answers
        Of blocks of one task.
    """
    patients = list(dict.fromkeys(patient for one in answers for patient in one.patients))
    place = {patient: row for row, patient in enumerate(patients)}
    outputs, target = answers[0].logits.shape[1], answers[0].target
    total, count = torch.zeros(len(place), outputs, dtype=torch.float64), torch.zeros(len(place), 1)
    known = target.new_zeros(len(place), *target.shape[1:])
    for one in answers:
        rows = torch.tensor([place[patient] for patient in one.patients], dtype=torch.int64)
        total[rows] += one.logits
        count[rows] += 1
        known[rows] = one.target
    return replace(answers[0], label=ENSEMBLE, patients=tuple(patients), logits=total / count, target=known)


def of_fitting(subject: Subject, label: str) -> Answers | None:
    """Return what a model says of its training and validation patients; fitted bricks answer out of fold.

    These are no performance: where neural blocks lie in them they were seen. They serve to cut risk groups.

    Parameters
    ----------
    subject
        With a cohort and a split.
    label
        Of the model.
    """
    cohort, ids = subject.cohort, subject.fitting
    if cohort is None or not ids or not having(cohort, subject.models[label].modalities, ids):
        return None
    return ask(label, subject.models[label], cohort, ids)


def ask(label: str, model: Model, cohort: Cohort, patients: Sequence[str]) -> Answers:
    """Return what a model says of patients; fitted bricks answer as if they had not been fitted on them.

    Parameters
    ----------
    label
        Of the model.
    model, cohort, patients
        Who is asked, and about whom.
    """
    data = data_of(model, cohort, patients)
    warn_of_memory(model, data, stacklevel=4)
    logits = all_logits(model, data, BATCH, out_of_fold=True).double()
    target = data.target if data.target is not None else torch.full((len(data),), math.nan)
    column = label_of(cohort.outcome_spec)
    return Answers(label, model.task, tuple(data.patients), logits, target, column)
