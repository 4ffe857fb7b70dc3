"""How much each modality moves the prediction for a patient, and the score on a cohort: exact Shapley values."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mmlego.errors import InputError, LegoWarning
from mmlego.explaining.outputs import explained, scalars
from mmlego.explaining.shapley import shapley_values
from mmlego.explaining.subsets import prior_of, subset_answers
from mmlego.sites import by_modality
from mmlego.training.evaluate import Data, Model, data_for, warn_of_memory

if TYPE_CHECKING:
    import pandas as pd

BASE, PREDICTION = "base", "prediction"
MOST_NUMBERS = 400_000_000  # float32, of the answers of a cohort to all subsets


@dataclass(frozen=True, eq=False)
class ModalityValues:
    """What moved the prediction for each patient, by modality.

    Attributes
    ----------
    per_patient
        A row a patient: a column a modality, NaN where the patient lacks it; ``base``, the answer to who knows nothing;
        ``prediction``, that of the model. Base and modalities sum to the prediction.
    outputs
        By patient what is explained: a class, a label, a target, or the risk.
    scale
        In which unit.
    """

    per_patient: pd.DataFrame
    outputs: pd.Series
    scale: str

    @property
    def mean_size(self) -> pd.Series:
        """By modality the mean size of what it moved, over those who have it."""
        size: pd.Series = self.per_patient.drop(columns=[BASE, PREDICTION]).abs().mean()
        return size


def modality_values(model: Model, data: Data, *, output: str | None = None, batch_size: int = 64) -> ModalityValues:
    r"""Return the Shapley value of each modality for each patient, of all subsets of what the patient has.

    A modality that several blocks read is one.

    The worth of some modalities is the model's own answer to a patient who has these alone, as ``predict`` gives it, on
    the scale of log-odds: for classes ``log p_c − log (1 − p_c)``, for survival ``log Σ_j (1 − S_j) − log Σ_j S_j``
    over the time bins (in the order of the risk; of competing risks
    with the incidence of a cause for ``1 − S``), for numbers their own units. The worth of nothing is the constant
    answer that fits the training patients best, which the cards of the blocks tell: the evidence of each block is what
    it says beyond that.

    Parameters
    ----------
    model
        A LegoBlock, LegoMerge or LegoFuse.
    data
        Patients, as :func:`mmlego.predict` takes them; those who have no modality of the model are left out.
    output
        Which class, label or target; None: of two classes the second, of more the one that is predicted, of several
        labels or targets the one furthest from the base; of competing risks the likeliest cause.
    batch_size
        Patients at a time.

    Returns
    -------
    ModalityValues
        ``.per_patient`` has a row a patient, and columns for the modalities, ``base`` and ``prediction``.

    Raises
    ------
    InputError
        If there are more than 12 modalities, or one is called as one of the two other columns.
    UnknownNameError
        If no output is called so.

    References
    ----------
    Shapley, A value for n-person games, 1953; Lundberg and Lee, NeurIPS 2017.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock, LegoMerge
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(["alive", "dead"]), channels=8, width=16)
    >>> merge = LegoMerge([LegoBlock(SNN(5), plate, "rna"), LegoBlock(SNN(3), plate, "labs")])
    >>> values = modality_values(merge, ({"rna": torch.randn(4, 5), "labs": torch.randn(4, 3)}, None))
    >>> values.per_patient.columns.tolist(), values.outputs.tolist()[0], values.scale
    (['rna', 'labs', 'base', 'prediction'], 'dead', 'log-odds of the class')
    """
    import pandas as pd

    patients = data_for(model, data, with_target=False)
    names = tuple(by_modality(patients.modalities))
    _check_names(names)
    base = prior_of(model)
    n = len(patients)
    shares = torch.full((n, len(names)), torch.nan, dtype=torch.float64)
    ends = torch.full((n, 2), torch.nan, dtype=torch.float64)
    labels = [""] * n
    scale = ""
    for part in subset_answers(model, patients, batch_size=batch_size):
        chosen = explained(model.task, part.logits[:, -1], base, output)
        worth = chosen.pick(scalars(model.task, part.logits))  # (b, 2^h)
        shares[part.rows[:, None], torch.tensor(part.has)] = shapley_values(worth)
        ends[part.rows] = worth[:, [0, -1]]
        for row, label in zip(part.rows.tolist(), chosen.labels, strict=True):
            labels[row] = label
        scale = chosen.scale
    index = pd.Index(patients.patients, name="patient")
    table = torch.cat([shares, ends], dim=1).numpy()
    frame = pd.DataFrame(table, index=index, columns=[*names, BASE, PREDICTION])
    return ModalityValues(frame, pd.Series(labels, index=index, name="output", dtype=object), scale)


def score_values(
    model: Model, data: Data, *, metric: str | None = None, batch_size: int = 64, out_of_fold: bool = True
) -> pd.Series:
    """Return what each modality adds to the score on a cohort: Shapley values of the score.

    The worth of some modalities is the score when the model is shown these alone; patients who have none of them get
    the answer to who knows nothing. The worth of nothing is the score of chance (½ for a c-index or AUROC, 0 for R²).

    Parameters
    ----------
    model
        A LegoBlock, LegoMerge or LegoFuse.
    data
        Patients with a target.
    metric
        One of the task's whose higher is better, and whose chance the task tells: its primary metric, also for None.
    batch_size
        Patients at a time.
    out_of_fold
        As :func:`mmlego.evaluate` takes it, of which the sum is the score.

    Returns
    -------
    pandas.Series
        By modality; they sum to the score with all less chance, which ``.attrs`` has as ``score`` and ``chance``,
        beside ``metric``.

    Raises
    ------
    InputError
        If there are more than 12 modalities, the metric is another one, or the score of some modalities is not defined.

    Warns
    -----
    LegoWarning
        If fitted bricks may have been fitted on some of these patients, and do not tell.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock, LegoMerge
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> plate = Baseplate(Regression(), channels=8, width=16)
    >>> merge = LegoMerge([LegoBlock(SNN(5), plate, "rna"), LegoBlock(SNN(3), plate, "labs")])
    >>> values = score_values(merge, ({"rna": torch.randn(9, 5), "labs": torch.randn(9, 3)}, torch.randn(9)))
    >>> values.index.tolist(), values.attrs["metric"], values.attrs["chance"]
    (['rna', 'labs'], 'r2', 0.0)
    """
    import pandas as pd

    task = model.task
    if metric is not None and metric != task.primary_metric:
        raise InputError("metric of score_values", expected=f"{task.primary_metric} or None", got=repr(metric))
    patients = data_for(model, data, with_target=True)
    warn_of_memory(model, patients, stacklevel=3)
    names = tuple(by_modality(patients.modalities))
    n, subsets = len(patients), 1 << len(names)
    if n * subsets * task.outputs > MOST_NUMBERS:
        raise InputError(
            "the answers to all subsets of modalities do not fit into memory",
            expected=f"at most {MOST_NUMBERS // (subsets * task.outputs)} patients of {len(names)} modalities",
            got=n,
            remedy="Score a part of them.",
        )
    answers = torch.empty(subsets, n, task.outputs)
    for part in subset_answers(model, patients, batch_size=batch_size, out_of_fold=out_of_fold):
        for subset in range(subsets):
            own = sum(1 << place for place, i in enumerate(part.has) if subset >> i & 1)
            answers[subset, part.rows] = part.logits[:, own]
    worth = [task.chance]
    for subset in range(1, subsets):
        worth.append(_score(model, answers[subset], patients.target))
        if not math.isfinite(worth[-1]):
            shown = [name for i, name in enumerate(names) if subset >> i & 1]
            raise InputError(
                f"{task.primary_metric} of {', '.join(shown)} alone is not defined",
                expected="patients of whom the score can be told, say of both outcomes",
                got=f"{n} patients",
                remedy="Take more patients, or leave score_values out.",
            )
    values = shapley_values(torch.tensor(worth, dtype=torch.float64)).tolist()
    found = pd.Series(values, index=pd.Index(names, name="modality"), name=task.primary_metric)
    found.attrs = {"metric": task.primary_metric, "chance": task.chance, "score": worth[-1]}
    return found


def _score(model: Model, logits: Tensor, target: Tensor | None) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)  # of metrics other than this one
        return float(model.task.metrics(logits, target)[model.task.primary_metric])


def _check_names(names: tuple[str, ...]) -> None:
    taken = [name for name in names if name in (BASE, PREDICTION)]
    if taken:
        raise InputError(
            f"a modality is called {taken[0]!r}, as a column of its explanation",
            expected=f"any other name than {BASE} and {PREDICTION}",
            got=repr(taken[0]),
            remedy="Call it otherwise in the manifest, and train again.",
        )
