"""Evaluation and prediction over a whole data set, batch by batch."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from mmlego.across import ACROSS
from mmlego.brick import Brick
from mmlego.data import Batch, PatientData
from mmlego.errors import InputError, LegoWarning, MismatchError
from mmlego.fuse import LegoFuse
from mmlego.merge import LegoMerge
from mmlego.multimodal import Multimodal
from mmlego.nn.modes import modes_kept
from mmlego.nn.ragged import Ragged
from mmlego.sites import by_modality, modality_of
from mmlego.tasks import Task
from mmlego.tasks.survival_prediction import time_labels
from mmlego.tasks.time_bins import BinnedTime
from mmlego.training.streaming import streamed
from mmlego.wording import counted, listed

Model: TypeAlias = Brick | LegoMerge | LegoFuse
Data: TypeAlias = PatientData | tuple[Any, Any]


def logits_of(model: Model, batch: Batch, *, out_of_fold: bool = False) -> Tensor:
    """Return the logits ``(b, k)`` of a batch, whatever kind of model.

    Parameters
    ----------
    model
        Any.
    batch
        Some patients.
    out_of_fold
        Let fitted bricks answer for patients whom they were fitted on as they did without them. Whatever is learnt on
        top of a brick needs that: what it says of its own patients looks like evidence and is memory.
    """
    known = known_of(model, batch) if out_of_fold else {}
    if not isinstance(model, Brick):
        more = {"known": known} if known else {}  # models of one's own need not know of it
        return model(batch.inputs, present=batch.present, **more)  # type: ignore[no-any-return]
    value = batch.inputs[model.modality]
    x, mask = value if isinstance(value, tuple) else (value, None)
    return model.logits(cast("Tensor | Ragged", x), mask, known.get(model.modality))


def known_of(model: Model, batch: Batch) -> dict[str, Tensor | None]:
    """Return what the fitted bricks of a model answered out of fold, by modality, as ``LegoMerge`` takes it.

    Parameters
    ----------
    model
        Any.
    batch
        Some patients.
    """
    if batch.known is not None:
        return dict(batch.known)
    told = {brick.modality: _known(brick, batch) for brick in bricks_of(model) if brick.modality in batch.inputs}
    if isinstance(model, LegoFuse) and model.across is not None:
        told[ACROSS] = model.across.known(batch.patients, batch.inputs, batch.present)
    return {name: answers for name, answers in told.items() if answers is not None}


def known_of_all(model: Model, data: PatientData, batch_size: int) -> dict[str, Tensor] | None:
    """Return :func:`known_of` for all patients, by their whole features; None where no fitted brick answers.

    Parameters
    ----------
    model
        Any.
    data
        The ``n`` patients, who have names.
    batch_size
        Patients at a time.

    Returns
    -------
    dict of str to Tensor, optional
        ``(n, q)`` each, NaN for patients whom a brick was not fitted on.
    """
    if all(part.out_of_fold is None for brick in bricks_of(model) for part in innermost(brick)):
        return None
    found: dict[str, list[tuple[int, Tensor]]] = {}
    start = 0
    for batch in data.loader(batch_size):
        for name, answers in known_of(model, batch).items():
            if answers is not None:
                found.setdefault(name, []).append((start, answers.detach().cpu()))
        start += len(batch)
    made = {}
    for name, parts in found.items():
        made[name] = parts[0][1].new_full((len(data), parts[0][1].shape[1]), torch.nan)
        for first, answers in parts:
            made[name][first : first + len(answers)] = answers
    return made


def _known(brick: Brick, batch: Batch) -> Tensor | None:
    value = batch.inputs[brick.modality]
    if value is None:
        return None
    x, mask = value if isinstance(value, tuple) else (value, None)
    here = batch.present[brick.modality].tolist()
    names = [patient if there else "" for patient, there in zip(batch.patients, here, strict=True)]
    return brick.known(names, x, mask)


def bricks_of(model: Model) -> list[Brick]:
    """Return the bricks of a model, of a brick itself."""
    return [model] if isinstance(model, Brick) else [model.block(name) for name in model.modalities]


def data_for(model: Model, data: Data, *, with_target: bool) -> PatientData:
    """Return the patients of a data set that a model can be asked about, with its task.

    Parameters
    ----------
    model
        Its modalities are kept, in its order, under the names of its blocks; patients without any are left out.
    data
        A PatientData, or a pair of features (one modality's, or a dict by modality) and target.
    with_target
        Whether a target is needed.

    Raises
    ------
    InputError
        If the model is of another kind, or the data lacks a modality or the target.
    MismatchError
        If the data's task is not the model's.
    """
    if not isinstance(model, (Brick, Multimodal)):
        raise InputError("the model", expected="a LegoBlock, LegoMerge or LegoFuse", got=type(model).__name__)
    if not isinstance(data, PatientData):
        data = _from_pair(model, data)
    names = {name: name if name in data.modalities else modality_of(name) for name in model.modalities}
    names = {name: told for name, told in names.items() if told in data.modalities}
    if not names:
        raise InputError("the data has no modality of the model", expected=model.modalities, got=data.modalities)
    if with_target and data.target is None:
        raise InputError(
            "the data has no target", expected=f"a target for {model.task}", got="none", remedy="Pass target=."
        )
    if data.task is not None and data.target is not None and data.task != model.task:
        raise MismatchError(
            "the data's task is not the model's",
            expected=model.task,
            got="; ".join(model.task.differences(data.task)) or data.task,
            remedy="Make the data with task=model.task.",
        )
    return data.only(names).with_any()


def _from_pair(model: Model, data: Any) -> PatientData:
    if not isinstance(data, tuple) or len(data) != 2:
        raise InputError("data of the wrong kind", expected="a PatientData, or (features, target)", got=type(data))
    features, target = data
    if not isinstance(features, dict):
        read = tuple(by_modality(model.modalities))
        if len(read) > 1:
            raise InputError("features of one modality", expected=f"a dict of {read}", got=type(features))
        features = {read[0]: features}
    gaps = [brick for brick in bricks_of(model) if getattr(brick.encoder, "accepts_missing", False)]
    missing = [name for name in features if any(name in (brick.modality, brick.reads) for brick in gaps)]
    return PatientData(features, target, model.task, missing=missing)


def warn_of_memory(model: Model, patients: PatientData | None = None, *, stacklevel: int = 4) -> None:
    """Warn of fitted bricks in a model that may be asked about patients they were fitted on: these look too good.

    Parameters
    ----------
    model
        Any.
    patients
        Whom it is asked about; such as have no ids are known to nobody.
    stacklevel
        As ``warnings.warn`` takes it.
    """
    fitted = {brick.modality: [part for part in innermost(brick) if not part.learns] for brick in bricks_of(model)}
    if isinstance(model, LegoFuse) and model.across is not None:
        fitted["all modalities"] = innermost(model.across.brick)
    silent = [name for name, parts in fitted.items() if any(part.out_of_fold is None for part in parts)]
    why, remedy = "do not tell on whom they were fitted", "Models in a run folder do tell."
    if not silent and patients is not None and patients.numbering is not None:
        silent = [name for name, parts in fitted.items() if parts]
        why, remedy = "cannot tell patients without ids", "Give a PatientData with patients=."
    if silent:
        warnings.warn(
            f"The fitted models of {listed(silent)} {why}: none of these should be among the patients given here, or "
            f"the models look better than they are. {remedy}",
            LegoWarning,
            stacklevel=stacklevel,
        )


def innermost(brick: Brick) -> list[Brick]:
    """Return the bricks that a brick is made of, of a bundle its members; else itself."""
    inside = [part for part in brick.modules() if isinstance(part, Brick)]
    return [part for part in inside if len([deeper for deeper in part.modules() if isinstance(deeper, Brick)]) == 1]


def all_logits(model: Model, data: PatientData, batch_size: int, *, out_of_fold: bool = False) -> Tensor:
    """Return the logits ``(n, k)`` of all patients on the CPU, in eval mode and without gradients.

    Parameters
    ----------
    model
        Any.
    data
        The ``n`` patients.
    batch_size
        Patients at a time.
    out_of_fold
        As ``logits_of`` takes it; row numbers that stand for ids name nobody.
    """
    device = next(p.device for p in (*model.parameters(), *model.buffers()))
    known = out_of_fold and data.numbering is None
    data = streamed(model, data)
    # Not inference_mode: what a model keeps of a batch, as merged heads, could not be used with gradients later.
    with modes_kept(model), torch.no_grad():
        model.eval()
        made = (logits_of(model, batch.to(device), out_of_fold=known) for batch in data.loader(batch_size))
        return torch.cat([logits.float().cpu() for logits in made])


def evaluate(
    model: Model,
    data: Data,
    *,
    batch_size: int = 64,
    reference: Tensor | None = None,
    out_of_fold: bool = True,
    times: Sequence[float] | None = None,
) -> dict[str, float]:
    """Return the loss and the task's metrics over a data set, as ``mmlego evaluate`` does.

    Parameters
    ----------
    model
        A LegoBlock, LegoMerge or LegoFuse.
    data
        Patients with target; those who have none of the model's modalities are left out.
    batch_size
        Patients at a time.
    reference
        Targets of the training patients, which some survival metrics need for their censoring weights.
    out_of_fold
        Let fitted bricks answer for patients whom they were fitted on as they did without them.
    times
        Of survival, when to compare predictions with Kaplan–Meier, of competing risks with Aalen–Johansen, in the unit
        of the task.

    Returns
    -------
    dict of str to float
        ``loss`` and the metrics by name; of each of ``times`` what
        :class:`~mmlego.tasks.survival_calibration.CalibrationAt` holds, as ``predicted_at_12_months``,
        ``km_at_12_months``, ``ici_at_12_months``; of competing risks of each cause what
        :class:`~mmlego.tasks.competing_calibration.IncidenceAt` holds, as ``aj_relapse_at_12_months``.

    Raises
    ------
    InputError
        If ``times`` are asked of a task without times, or hold a negative one.

    Warns
    -----
    LegoWarning
        If fitted bricks may have been fitted on some of these patients, and do not know or must not say it.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Regression
    >>> block = LegoBlock(SNN(5), Baseplate(Regression(), channels=4, width=8), "labs")
    >>> sorted(evaluate(block, (torch.randn(6, 5), torch.arange(6.0))))
    ['loss', 'mae', 'pearson', 'r2', 'rmse', 'spearman']
    """
    patients = data_for(model, data, with_target=True)
    warn_of_memory(model, patients, stacklevel=3)
    if not out_of_fold and (mine := _fitted_on(model, patients)):
        warnings.warn(
            f"{counted(mine, 'patient')} whom a fitted model was fitted on, scored with out_of_fold=False: it looks "
            "better than it is.",
            LegoWarning,
            stacklevel=2,
        )
    logits = all_logits(model, patients, batch_size, out_of_fold=out_of_fold)
    scores = scores_of(model.task, logits, patients.target, reference)
    if times is None:
        return scores
    if not isinstance(model.task, BinnedTime):
        raise InputError("times are asked of survival", expected="a model of survival", got=model.task.name)
    found = model.task.calibration(logits, patients.target, times)
    return scores | _by_time(found, time_labels(times, model.task.unit))


def _by_time(rows: Sequence[Any], labels: Sequence[str]) -> dict[str, float]:
    """Return what a calibration found by name and time, of causes by their names, too; without its groups."""
    found: dict[str, float] = {}
    for place, row in enumerate(rows):
        said, when = vars(row), labels[place % len(labels)]
        cause = f"_{said['cause']}" if "cause" in said else ""
        numbers = {name: value for name, value in said.items() if name not in ("time", "cause", "groups")}
        found |= {f"{name}{cause}_at_{when}": value for name, value in numbers.items()}
    return found


def _fitted_on(model: Model, patients: PatientData) -> int:
    """Return how many patients are called as some that a brick was fitted on."""
    parts = [part for brick in bricks_of(model) for part in innermost(brick)]
    if isinstance(model, LegoFuse) and model.across is not None:
        parts += innermost(model.across.brick)
    names = [] if patients.numbering is not None else patients.patients
    return len({row for part in parts if part.out_of_fold is not None for row in part.out_of_fold.among(names)})


def scored(
    model: Model, patients: PatientData, *, batch_size: int = 64, reference: Tensor | None = None, out_of_fold: bool
) -> dict[str, float]:
    """Return what :func:`evaluate` does, of patients who have the model's modalities, and without a warning.

    Parameters
    ----------
    model, batch_size, reference, out_of_fold
        As :func:`evaluate` takes them.
    patients
        From :func:`data_for`.
    """
    logits = all_logits(model, patients, batch_size, out_of_fold=out_of_fold)
    return scores_of(model.task, logits, patients.target, reference)


def scores_of(task: Task, logits: Tensor, target: Tensor | None, reference: Tensor | None) -> dict[str, float]:
    """Return the loss and the task's metrics of logits, whoever gave them.

    Parameters
    ----------
    task
        The task.
    logits : (n, k)
        Of the patients.
    target : (n, ...)
        Of the same.
    reference : (n_train, ...), optional
        Targets of the training patients.
    """
    known = cast(Tensor, target)
    return {"loss": float(task.loss(logits, known)), **task.metrics(logits, known, reference=reference)}


def predict(model: Model, data: Data, *, batch_size: int = 64) -> Any:
    """Return the predictions over a data set in the task's units.

    Parameters
    ----------
    model
        A LegoBlock, LegoMerge or LegoFuse.
    data
        Patients, each with at least one modality of the model.
    batch_size
        Patients at a time.

    Returns
    -------
    Prediction
        Of all patients in order; ``.frame(patients)`` makes a table of it.

    Raises
    ------
    InputError
        If a patient has none of the model's modalities.
    """
    patients = data_for(model, data, with_target=False)
    if isinstance(data, PatientData) and len(patients) < len(data):
        known = set(patients.patients)
        lost = [name for name in data.patients if name not in known]
        raise InputError(
            f"{len(lost)} patients have no modality of the model",
            expected=f"one of {model.modalities} for each",
            got=f"none for {', '.join(lost[:5])}",
            remedy="Drop them with data.only(model.modalities).with_any().",
        )
    return model.task.predict(all_logits(model, patients, batch_size))
