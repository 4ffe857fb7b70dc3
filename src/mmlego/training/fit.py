"""``fit``: one call to train a block, to tune a fused model, or to evaluate a merge."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file

from mmlego.data import PatientData, check_split, split_patients
from mmlego.errors import CheckpointError, InputError, LegoWarning, MissingExtraError
from mmlego.files import write_atomically
from mmlego.merge import LegoMerge
from mmlego.training.evaluate import Data, Model, data_for, evaluate

if TYPE_CHECKING:
    import pandas as pd

_LAST, _RUN = "last.ckpt", "run.json"


def fit(
    model: Model,
    data: Data,
    *,
    validation: Data | float | None = 0.2,
    epochs: int = 50,
    batch_size: int = 32,
    lr: float = 1e-3,
    weight_decay: float = 1e-2,
    patience: int | None = 10,
    monitor: str = "loss",
    class_weights: str | Sequence[float] | None = None,
    gradient_clip: float | None = 1.0,
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
    with the validation scores. Needs no knowledge of Lightning, on which it runs.

    Parameters
    ----------
    model
        A LegoBlock or LegoFuse to train; a LegoMerge has nothing to train and is evaluated.
    data
        A PatientData, or a pair of features (one modality's, or a dict by modality) and target. Patients who have
        none of the model's modalities are left out.
    validation
        Data of other patients; or the share of patients to cut out of ``data``, stratified; or None.
    epochs
        At most so many.
    batch_size
        Patients a step, over all devices together.
    lr, weight_decay
        Of AdamW.
    patience
        Stop after so many epochs without improvement; None: never.
    monitor
        What must improve on the validation part: ``"loss"``, or the name of a metric (higher is better).
    class_weights
        ``"balanced"``, one number a class, or None.
    gradient_clip
        Largest norm of the gradient; None: no limit.
    seed
        Of the validation split, the order of the patients and dropout: the same seed gives the same numbers on a CPU.
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
        Passed to Lightning's Trainer.

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
    _check_numbers(epochs=epochs, batch_size=batch_size, lr=lr)
    settings = {
        "epochs": epochs,
        "batch_size": batch_size,
        "lr": lr,
        "weight_decay": weight_decay,
        "patience": patience,
        "monitor": monitor,
        "class_weights": class_weights if class_weights is None or isinstance(class_weights, str) else [*class_weights],
        "gradient_clip": gradient_clip,
        "seed": seed,
        "precision": str(precision),
    }
    train, valid = _parts(model, data, validation, seed)
    if isinstance(model, LegoMerge):
        return _evaluated(model, train if valid is None else valid)
    _check_targets(model, train, valid, monitor)
    train = _weighted(train, class_weights)
    with _work_folder(out) as folder:
        run = {"settings": settings, "data": _identity(train, valid), "model": _shape(model)}
        done = _open_run(folder, run, resume=resume)
        if done:
            model.load_state_dict(load_file(folder / "best.safetensors"))
        else:
            _train(
                model,
                train,
                valid,
                settings,
                folder,
                tensorboard=tensorboard and out is not None,
                progress=progress,
                trainer={
                    "accelerator": accelerator,
                    "devices": devices,
                    "strategy": _strategy(strategy, devices),
                    "precision": precision,
                },
            )
            write_atomically(folder / _RUN, json.dumps(run | {"finished": True}, indent=2))
            (folder / _LAST).unlink(missing_ok=True)
        history = _read_history(folder)
    _write_card(model, train, valid, settings, batch_size)
    return history


def _check_numbers(**numbers: float) -> None:
    for name, value in numbers.items():
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
            raise InputError(f"{name} of fit", expected="a number > 0", got=repr(value))


def _parts(
    model: Model, data: Data, validation: Data | float | None, seed: int
) -> tuple[PatientData, PatientData | None]:
    everyone = data_for(model, data, with_target=True)
    if validation is None:
        return everyone, None
    if isinstance(validation, (int, float)):
        if not 0 < validation < 1:
            raise InputError("validation as a share", expected="a number in (0, 1)", got=validation)
        strata = model.task.strata(everyone.target)
        fractions = (1.0 - validation, float(validation), 0.0)
        split = split_patients(everyone.patients, strata, fractions=fractions, seed=seed)[0]
        check_split(split, everyone.patients)
        return everyone.subset(split.train), everyone.subset(split.validation)
    valid = data_for(model, validation, with_target=True)
    # Pairs of tensors name no patients: their row numbers say nothing.
    if isinstance(data, PatientData) and isinstance(validation, PatientData):
        shared = sorted(set(everyone.patients) & set(valid.patients))
        if shared:
            raise InputError(
                f"{len(shared)} patients are in both the training and the validation part",
                expected="disjoint patients",
                got=", ".join(shared[:5]),
                remedy="Split by patient with mmlego.data.split_patients.",
            )
    return everyone, valid


def _evaluated(model: LegoMerge, data: PatientData) -> pd.DataFrame:
    from mmlego.training.callbacks import history_frame

    scores = evaluate(model, data)
    model.card.validation = {name: value for name, value in scores.items() if name != "loss"}
    model.card.patients = {"validation": len(set(data.patients))}
    history: pd.DataFrame = history_frame(
        [{"epoch": 0.0, **{f"validation_{name}": value for name, value in scores.items()}}]
    )
    return history


def _check_targets(model: Model, train: PatientData, valid: PatientData | None, monitor: str) -> None:
    if train.target is None:
        raise InputError("the data has no target", expected=f"a target for {model.task}", got="none")
    if not any(p.requires_grad for p in model.parameters()):
        raise InputError("nothing in the model is free to move", remedy="Choose another freeze=.")
    if valid is None:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LegoWarning)
        zeros = torch.zeros(len(valid), model.task.outputs)
        known = ["loss", *model.task.metrics(zeros, valid.target)]
    if monitor not in known:
        raise InputError("monitor of fit", expected=f"one of {', '.join(known)}", got=repr(monitor))


def _weighted(train: PatientData, class_weights: str | Sequence[float] | None) -> PatientData:
    if class_weights is None:
        return train
    if isinstance(class_weights, str):
        if class_weights != "balanced":
            raise InputError("class_weights", expected="'balanced' or one number a class", got=repr(class_weights))
        return train.with_weights("balanced")
    numbers = torch.as_tensor([float(value) for value in class_weights])
    target = train.target
    if train.task is None or train.task.name != "classification" or target is None:
        raise InputError("class_weights as numbers", expected="a classification task", got=train.task)
    if (
        numbers.shape != (train.task.outputs,)
        or not bool((numbers >= 0).all())
        or not bool(torch.isfinite(numbers).all())
    ):
        raise InputError("class_weights", expected=f"{train.task.outputs} numbers ≥ 0", got=list(class_weights))
    weights = numbers[target]
    return train.with_weights(weights / weights.mean())


@contextmanager
def _work_folder(out: str | Path | None) -> Iterator[Path]:
    if out is not None:
        Path(out).mkdir(parents=True, exist_ok=True)
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="mmlego-") as folder:
        yield Path(folder)


def _identity(train: PatientData, valid: PatientData | None) -> str:
    """Return a hash of patients, targets and modalities, by which another run in the same folder is noticed."""
    digest = hashlib.sha256()
    for part in (train, valid):
        if part is not None and part.target is not None:
            digest.update(json.dumps([part.patients, part.modalities]).encode())
            digest.update(part.target.numpy().tobytes())
    return digest.hexdigest()


def _shape(model: Model) -> str:
    names = [f"{name}{tuple(p.shape)}{p.requires_grad}" for name, p in model.named_parameters()]
    return hashlib.sha256("".join([type(model).__name__, *names]).encode()).hexdigest()


def _open_run(folder: Path, run: dict[str, Any], *, resume: bool) -> bool:
    """Return whether the run in this folder is finished already; refuse a folder with another run."""
    file = folder / _RUN
    if resume and file.is_file():
        try:
            found = json.loads(file.read_text())
        except ValueError as error:
            raise CheckpointError(
                f"{file} is damaged", expected="JSON", got=error, remedy="Pass resume=False."
            ) from error
        odd = [key for key in run if found.get(key) != run[key]]
        if odd:
            raise InputError(
                f"{folder} holds another run",
                expected=f"the same {', '.join(odd)}",
                got=found.get("settings") if "settings" in odd else "others",
                remedy="Choose another folder, or pass resume=False to replace it.",
            )
        return bool(found.get("finished"))
    for name in (_LAST, "best.safetensors", "history.csv"):
        (folder / name).unlink(missing_ok=True)
    write_atomically(file, json.dumps(run, indent=2))
    return False


def _strategy(strategy: Any, devices: int | str | list[int]) -> Any:
    """Let DDP find what a batch does not use: a single token needs no queries, a gap no block."""
    if strategy == "auto" and (devices == "auto" or (isinstance(devices, int) and devices > 1)):
        strategy = "ddp"
    return f"{strategy}_find_unused_parameters_true" if strategy in ("ddp", "ddp_spawn", "ddp_fork") else strategy


def _train(
    model: Model,
    train: PatientData,
    valid: PatientData | None,
    settings: dict[str, Any],
    folder: Path,
    *,
    tensorboard: bool,
    progress: bool,
    trainer: dict[str, Any],
) -> None:
    try:
        import lightning.pytorch as pl
        from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint
    except ImportError as error:
        raise MissingExtraError("fit needs Lightning", remedy="pip install lightning") from error
    from mmlego.training.callbacks import EpochBar, KeepBest
    from mmlego.training.module import Optimisation, Training, seed_all
    from mmlego.training.resume import SafeCheckpointIO

    names = {name: settings[name] for name in ("lr", "weight_decay", "batch_size", "seed")}
    watched = f"validation_{settings['monitor']}"
    higher = settings["monitor"] not in _LOWER
    callbacks: list[Any] = [
        KeepBest(watched, higher_is_better=higher, folder=folder),
        ModelCheckpoint(
            folder, "last", save_top_k=1, enable_version_counter=False, every_n_epochs=1, save_on_train_epoch_end=True
        ),
    ]
    if valid is not None and settings["patience"] is not None:
        mode = "max" if higher else "min"
        callbacks.append(EarlyStopping(watched, patience=settings["patience"], mode=mode, check_finite=False))
    if progress:
        callbacks.append(EpochBar(" + ".join(model.modalities), watched if valid is not None else "train_loss"))
    with _quiet(), _random_state():
        seed_all(settings["seed"])
        lightning = pl.Trainer(
            max_epochs=settings["epochs"],
            gradient_clip_val=settings["gradient_clip"],
            callbacks=callbacks,
            plugins=[SafeCheckpointIO()],
            logger=_tensorboard(folder) if tensorboard else False,
            default_root_dir=folder,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            log_every_n_steps=1,
            **trainer,
        )
        last = folder / _LAST
        wrapped = Training(model, train, valid, Optimisation(**names))
        mode_before = model.training
        lightning.fit(wrapped, ckpt_path=last if last.is_file() else None, weights_only=True)
    if lightning.interrupted:
        raise KeyboardInterrupt
    model.to("cpu" if trainer["accelerator"] == "cpu" else next(model.parameters()).device)
    model.train(mode_before)
    # Processes that Lightning started elsewhere leave their result in the folder alone.
    if (folder / "best.safetensors").is_file():
        model.load_state_dict(load_file(folder / "best.safetensors"))


_LOWER = frozenset({"loss", "log_loss", "brier", "ece", "ibs", "rmse", "mae"})


def _tensorboard(folder: Path) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="", version="tensorboard")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's hints about things that are decided here, and its banner, from the user."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            for message in (".*does not have many workers", ".*Checkpoint directory .* exists", ".*sync_dist"):
                warnings.filterwarnings("ignore", message=message)
            warnings.filterwarnings("ignore", message=".*", category=UserWarning, module="lightning.*")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            warnings.filterwarnings("ignore", category=FutureWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _random_state() -> Iterator[None]:
    """Leave the global random state as it was."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _read_history(folder: Path) -> pd.DataFrame:
    import pandas as pd

    history: pd.DataFrame = pd.read_csv(folder / "history.csv")
    return history


def _write_card(
    model: Model, train: PatientData, valid: PatientData | None, settings: dict[str, Any], batch_size: int
) -> None:
    model.card.recipe = {"method": "fit", **settings}
    model.card.patients = {"training": len(set(train.patients))}
    if valid is not None:
        model.card.patients["validation"] = len(set(valid.patients))
        scores = evaluate(model, valid, batch_size=batch_size, reference=train.target)
        model.card.validation = {name: value for name, value in scores.items() if name != "loss"}
