"""How models are scored, for every verb: on whom, and against which reference of censoring.

The reference is **all training patients of the split**, whatever modalities they have, and nobody else. From it the
metrics of survival that weigh by the inverse probability of censoring (``c_index_ipcw``, ``auc``, ``ibs``) estimate how
patients are lost: a trait of the cohort and not of a modality, so that all models are measured alike. It is the
training patients alone because the validation part may be scored, too, and because the time bins are theirs;
``fit``, which writes validation scores to the card, likewise takes the patients it was given to train on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from mmlego.data import Cohort, PatientData
from mmlego.job.data import data_of, having
from mmlego.tasks import Task
from mmlego.training.evaluate import Model, all_logits, scores_of, warn_of_memory

REFERENCE = "all training patients of the split"  # of censoring; part of what makes two results comparable
BATCH = 64  # patients at a time: whole bags of that many still fit


@dataclass(frozen=True)
class Scored:
    """What a model answered, and how right it was.

    Parameters
    ----------
    data
        The ``n`` patients who have a modality of the model.
    logits
        ``(n, k)``.
    scores
        ``loss`` and the metrics by name.
    """

    data: PatientData
    logits: Tensor
    scores: dict[str, float]

    def row(self) -> dict[str, float]:
        """Return how many patients were scored, and the scores."""
        return {"patients": len(self.data), **self.scores}


def reference_of(cohort: Cohort, task: Task, train: Sequence[str]) -> Tensor | None:
    """Return the targets ``(n_train, …)`` of the training patients, by which censoring is weighed.

    Parameters
    ----------
    cohort
        Theirs, with its outcome.
    task
        Of the models.
    train
        The training patients of the split; empty where no split is known: then there is no reference.
    """
    if cohort.outcome is None or cohort.outcome_spec is None or not train:
        return None
    return cohort.outcome_spec.target(cohort.outcome.loc[list(train)], task)


def score_models(
    models: Mapping[str, Model], cohort: Cohort, patients: Sequence[str], train: Sequence[str]
) -> dict[str, Scored | None]:
    """Score models, each on those patients who have a modality of it.

    Parameters
    ----------
    models
        By name.
    cohort
        The patients' cohort, with its outcome.
    patients
        Whom to score.
    train
        The training patients of the split, the reference of censoring.

    Returns
    -------
    dict of str to Scored
        By name; None where no patient has a modality of the model.

    Warns
    -----
    LegoWarning
        If fitted bricks do not tell on whom they were fitted.
    """
    found: dict[str, Scored | None] = {}
    for name, model in models.items():
        if not having(cohort, model.modalities, patients):
            found[name] = None
            continue
        data = data_of(model, cohort, patients)
        warn_of_memory(model, data, stacklevel=3)
        # Whoever was fitted on a patient is asked as if it had not been: the validation part is scored honestly.
        logits = all_logits(model, data, BATCH, out_of_fold=True)
        reference = reference_of(cohort, model.task, train)
        found[name] = Scored(data, logits, scores_of(model.task, logits, data.target, reference))
    return found
