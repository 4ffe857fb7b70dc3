"""``fit``: one call to train a block, to tune a fused model, or to evaluate a merge."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from pydantic import ValidationError
from torch import Tensor

from mmlego.bounds import bounds_of, within
from mmlego.brick import Brick
from mmlego.data import PatientData, check_split, split_patients
from mmlego.data.memory.naming import shared_patients
from mmlego.errors import InputError, LegoWarning
from mmlego.files import check_writable
from mmlego.fuse import LegoFuse
from mmlego.held_out import tell_held_out
from mmlego.merge import LegoMerge
from mmlego.scalars import as_number, as_numbers
from mmlego.sections import PrivacySettings
from mmlego.settings import FitSettings, Settings, TuneSettings
from mmlego.tasks.prior import prior_logits
from mmlego.training import loop
from mmlego.training.alone import suits
from mmlego.training.evaluate import Data, Model, all_logits, data_for, scores_of, warn_of_memory
from mmlego.training.private import Privacy, check_private, plan
from mmlego.training.run import close_run, describe_run, history_frame, open_run, read_result, run_folder
from mmlego.turns import in_turn
from mmlego.wording import listed

if TYPE_CHECKING:
    import pandas as pd


def fit(
    model: Model,
    data: Data,
    *,
    validation: Data | float | None = 0.2,
    epochs: int | None = None,
    batch_size: int = 32,
    lr: float | None = None,
    weight_decay: float = 1e-2,
    patience: int | None = 10,
    monitor: str = "loss",
    class_weights: str | Sequence[float] | None = None,
    gradient_clip: float | None = 1.0,
    privacy: Mapping[str, float] | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    resume: bool = True,
    tensorboard: bool = True,
    progress: bool = True,
    accelerator: str = "auto",
    devices: int | str | list[int] = 1,
    strategy: Any = "auto",
    precision: Any = "32-true",
) -> pd.DataFrame:
    """Train a block, tune a fused model, or evaluate a merge, in place.

    Early stopping watches the validation part; the model ends with a copy of the best epoch's weights, and its card
    with the validation scores. Of a LegoFuse the model as it comes counts as an epoch, too. One process on the CPU in
    single precision trains without Lightning, all else on it; the numbers are the same. In threads of one process,
    which share their random streams, fits take turns: for several at once use processes.

    Parameters
    ----------
    model
        A LegoBlock or LegoFuse to train; a LegoMerge has nothing to train and is evaluated on the validation part,
        or on all of ``data`` without one.
    data
        A PatientData, or a pair of features (one modality's, or a dict by modality) and target. Patients who have
        none of the model's modalities are left out.
    validation
        Data of other patients; or the share of patients to cut out of ``data``, stratified; or None.
    epochs
        At most so many; None: 60 for a block, 5 for a LegoFuse, which needs no more.
    batch_size
        Patients a step, over all devices together; rather fewer, where the data cannot be cut into such batches.
    lr, weight_decay
        Of AdamW; ``lr=None``: 1e-3 for a block, 1e-4 for a LegoFuse.
    patience
        Stop after so many epochs without improvement; None: never.
    monitor
        What must improve on the validation part: ``"loss"``, or the name of a metric, which counts in its direction.
    class_weights
        ``"balanced"``, one number a class, or None.
    gradient_clip
        Largest norm of the gradient; None: no limit.
    privacy
        Train a block with differential privacy (DP-SGD): ``{"epsilon": 3, "delta": 1e-5}``, or ``noise_multiplier`` in
        place of ``epsilon``; ``max_grad_norm`` of one patient, 1 by default, in place of ``gradient_clip``. The card
        tells ε of the weights' training; preprocessing, the prior, scores and early stopping are not covered. On the
        CPU; needs the extra ``private``. Noise is the system's own chance: the seed does not repeat it.
    seed
        Of the validation split, the order of the patients, dropout and what is sampled or augmented: the same seed
        gives the same numbers on a CPU.
    out
        A folder for the history (CSV), TensorBoard logs, and the state from which an interrupted run resumes.
    resume
        Go on where a run in ``out`` was interrupted, to the same result; a finished run is not run again.
        False: start anew.
    tensorboard
        Whether to write TensorBoard logs to ``out``.
    progress
        Whether to show a progress bar.
    accelerator, devices, strategy, precision
        Of Lightning's Trainer.

    Returns
    -------
    pandas.DataFrame
        The history, a row an epoch: ``epoch``, ``train_loss``, ``validation_loss`` and metrics.

    Raises
    ------
    InputError
        If the data does not fit the model, patients are on both sides, ``out`` holds another run, or training diverges.

    Examples
    --------
    >>> from mmlego import Baseplate, LegoBlock
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> block = LegoBlock(SNN(5), Baseplate(Classification(2), channels=4, width=8), "labs")
    >>> x = torch.randn(40, 5)
    >>> history = fit(block, (x, (x[:, 0] > 0).long()), epochs=2, progress=False)
    >>> list(history.columns[:3]), len(history)
    (['epoch', 'train_loss', 'validation_loss'], 2)
    """
    usual = TuneSettings() if isinstance(model, LegoFuse) else FitSettings()
    settings = _check_settings(
        {
            "epochs": usual.epochs if epochs is None else epochs,
            "batch_size": batch_size,
            "lr": usual.lr if lr is None else lr,
            "weight_decay": weight_decay,
            "patience": patience,
            "monitor": monitor,
            "class_weights": class_weights,
            "gradient_clip": gradient_clip,
            "seed": seed,
            "precision": precision,
        }
    )
    with in_turn():
        train, valid = _parts(model, data, validation, settings["seed"])
        warn_of_memory(model, train)
        if isinstance(model, LegoMerge):
            return _evaluated(model, train if valid is None else valid, settings["batch_size"])
        _check_trainable(model, train, monitor)
        train = _weighted(train, settings["class_weights"])
        private, begun = None, bool(model.card.patients)
        if privacy is not None:
            private = _private(model, train, settings, privacy, (accelerator, devices, strategy, precision))
            accelerator = "cpu"
        with run_folder(out) as folder:
            run = {} if out is None else describe_run(model, train, valid, settings)
            if open_run(folder, run, resume=resume):
                history = read_result(model, folder)
            else:
                trainer = {"accelerator": accelerator, "devices": devices, "strategy": strategy, "precision": precision}
                rows = loop.train(
                    model,
                    train,
                    valid,
                    settings,
                    folder,
                    resumable=out is not None,
                    tensorboard=tensorboard and out is not None,
                    progress=progress,
                    trainer=trainer,
                    privacy=private,
                )
                history = read_result(model, folder) if rows is None else history_frame(rows)
                close_run(folder, run)
        _write_card(model, train, valid, settings)
        if private is not None:
            model.card.recipe["privacy"] = private.config(begun=begun)
        if isinstance(model, LegoFuse):  # what was promised of the blocks' weights does not hold for tuned ones
            promised = [name for name in model.modalities if model.block(name).card.recipe.pop("privacy", None)]
            if promised:
                told = f"{listed(promised)} had been trained with privacy, and tuning goes on without: the fuse has no"
                warnings.warn(f"{told} such promise. A merge keeps that of its blocks.", LegoWarning, stacklevel=2)
        return history


def _private(
    model: Model, train: PatientData, settings: dict[str, Any], privacy: Mapping[str, float], places: tuple[Any, ...]
) -> Privacy:
    """Return what is promised, and note in the settings what makes the run another one."""
    check_private(model, train, settings["class_weights"])
    known = PrivacySettings.model_fields
    try:
        asked = PrivacySettings.model_validate(dict(privacy))
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        expected = f"of {', '.join(known)}" if fault["type"] in ("extra_forbidden", "missing") else None
        what = f"privacy of fit{f', {where}' if where else ''}: {fault['msg'].removeprefix('Value error, ')}"
        raise InputError(what, expected=expected, got=repr(dict(privacy))) from error
    if not suits("cpu" if places[0] == "auto" else places[0], *places[1:]):
        raise InputError(
            "privacy of fit",
            expected="one process on the CPU in single precision",
            got=listed(places),
            remedy="Leave accelerator, devices, strategy and precision out.",
        )
    settings["privacy"] = asked.model_dump(exclude_none=True)
    settings["gradient_clip"] = None  # each patient's is clipped instead
    return plan(settings["privacy"], len(train), settings["batch_size"], settings["epochs"])


def _check_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as plain values, or say which one cannot be used."""
    for name in FitSettings.model_fields:
        if bounds_of(FitSettings, name) is not None:
            settings[name] = within(FitSettings, name, settings[name], f"{name} of fit")
    seed = within(Settings, "seed", settings["seed"], "seed of fit")
    weights = settings["class_weights"]
    if weights is not None and not (isinstance(weights, str) and weights == "balanced"):
        values = as_numbers(weights)
        if values is None or not all(map(math.isfinite, values)):
            raise InputError("class_weights", expected="'balanced' or one number a class", got=repr(weights))
        settings["class_weights"] = values
    if str(settings["precision"]) in ("16-true", "bf16-true"):
        raise InputError(
            "precision of fit",
            expected="32-true, 64-true, bf16-mixed or 16-mixed",
            got=repr(settings["precision"]),
            remedy="Weights are kept in full precision; use the mixed one.",
        )
    return settings | {"seed": seed, "precision": str(settings["precision"])}


def _parts(
    model: Model, data: Data, validation: Data | float | None, seed: int
) -> tuple[PatientData, PatientData | None]:
    everyone = data_for(model, data, with_target=True)
    if validation is None:
        return everyone, None
    if isinstance(validation, (float, Real)):  # to type checkers a float is no Real
        share = as_number(validation)
        if not 0 < share < 1:
            raise InputError("validation as a share", expected="a number in (0, 1)", got=validation)
        strata = model.task.strata(everyone.target)
        fractions = (1.0 - share, share, 0.0)
        split = split_patients(everyone.patients, strata, fractions=fractions, seed=seed)[0]
        check_split(split, everyone.patients)
        return everyone.subset(split.train), everyone.subset(split.validation)
    valid = data_for(model, validation, with_target=True)
    # Pairs of tensors cannot name patients.
    if isinstance(data, PatientData) and isinstance(validation, PatientData):
        shared = shared_patients(everyone, valid)
        if shared is None:
            warnings.warn(
                "Training and validation data are not both named: whether patients are in both cannot be checked. "
                "Give both patients=.",
                LegoWarning,
                stacklevel=3,
            )
        elif shared:
            raise InputError(
                f"{len(shared)} patients are in both the training and the validation part",
                expected="disjoint patients",
                got=", ".join(shared[:5]),
                remedy="Split by patient with mmlego.data.split_patients; name patients with patients=.",
            )
    return everyone, valid


def _evaluated(model: LegoMerge, data: PatientData, batch_size: int) -> pd.DataFrame:
    logits, target = all_logits(model, data, batch_size, out_of_fold=True), cast(Tensor, data.target)
    scores = scores_of(model.task, logits, target, None)
    tell_held_out(model.card, model.task, logits, target, reference=None)
    model.card.patients = {"validation": len(set(data.patients))}
    return history_frame([{"epoch": 0.0, **{f"validation_{name}": value for name, value in scores.items()}}])


def _check_trainable(model: Model, train: PatientData, monitor: str) -> None:
    check_writable(model.state_dict())  # or it would be said when all epochs are done
    if isinstance(model, Brick) and not model.learns:
        raise InputError(
            f"the block of {model.modality!r} is a fitted model already",
            expected="a block that learns by gradients, or a LegoFuse",
            got=type(model).__name__,
            remedy="Merge it as it is, or make another with LegoBlock.of(estimator, plate, modality, data).",
        )
    if not any(p.requires_grad for p in model.parameters()):
        raise InputError("nothing in the model is free to move", remedy="Choose another freeze=.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)
        known = ["loss", *model.task.metrics(torch.zeros(len(train), model.task.outputs), train.target)]
    if monitor not in known:
        raise InputError("monitor of fit", expected=f"one of {', '.join(known)}", got=repr(monitor))


def _weighted(train: PatientData, class_weights: str | list[float] | None) -> PatientData:
    if class_weights is None:
        return train
    if isinstance(class_weights, str):
        return train.with_weights("balanced")
    task, target = train.task, train.target
    if task is None or task.name != "classification" or target is None:
        raise InputError("class_weights as numbers", expected="a classification task", got=task)
    if len(class_weights) != task.outputs or not all(value >= 0 for value in class_weights):
        raise InputError("class_weights", expected=f"{task.outputs} finite numbers ≥ 0", got=class_weights)
    weights = torch.tensor(class_weights)[target]
    if not bool((weights > 0).any()):
        raise InputError("class_weights leave no patient to train on", got=class_weights)
    return train.with_weights(weights / weights.mean())


def _write_card(model: Model, train: PatientData, valid: PatientData | None, settings: dict[str, Any]) -> None:
    calibrated = {name: value for name, value in model.card.recipe.items() if name == "calibration"}
    model.card.recipe = {"method": "fit", **settings, **calibrated}
    model.card.patients = {"training": len(set(train.patients))}
    model.card.prior = []
    if train.target is not None:
        model.card.prior = prior_logits(model.task, train.target, train.weights).tolist()
    write_scores(model, train, valid, settings["batch_size"])


def write_scores(model: Model, train: PatientData, valid: PatientData | None, batch_size: int) -> None:
    """Write into a model's card how it does on validation patients, and the standard error of that.

    Parameters
    ----------
    model
        Whose card it is.
    train
        The training patients, by whom censoring is weighed.
    valid
        The validation patients; None: there are none, and the card tells no score.
    batch_size
        Patients at a time.
    """
    model.card.validation, model.card.errors, model.card.held_out = {}, {}, {}
    if valid is None or valid.target is None:
        return
    model.card.patients["validation"] = len(set(valid.patients))
    logits = all_logits(model, valid, batch_size, out_of_fold=True)
    tell_held_out(model.card, model.task, logits, valid.target, reference=train.target)
