"""Lightning's trainer as ``fit`` uses it: what it is told, and what it must leave as it was."""

from __future__ import annotations

import logging
import random
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException

from mmlego import errors
from mmlego.data import PatientData
from mmlego.errors import InputError
from mmlego.fuse import LegoFuse
from mmlego.nn.modes import modes_kept
from mmlego.run_folder import LAST, LOGS
from mmlego.training.callbacks import EpochBar, KeepBest
from mmlego.training.evaluate import Model, evaluate
from mmlego.training.module import Optimisation, Training, seed_all
from mmlego.training.resume import SafeCheckpointIO

# Metrics of which lower is better, over all tasks.
LOWER = frozenset({"loss", "log_loss", "brier", "ece", "ibs", "rmse", "mae"})


def train(
    model: Model,
    data: PatientData,
    valid: PatientData | None,
    settings: dict[str, Any],
    folder: Path,
    *,
    resumable: bool,
    tensorboard: bool,
    progress: bool,
    trainer: dict[str, Any],
) -> list[dict[str, float]] | None:
    """Train a model in place, and leave everything else as it was: modes, device, dtypes, the random state.

    Parameters
    ----------
    model
        A LegoBlock or LegoFuse.
    data, valid
        The two parts of the data.
    settings
        The arguments of ``fit`` that matter to the result.
    folder
        For the history, the best weights and, if ``resumable``, the state of training.
    resumable, tensorboard, progress
        Whether to write the state of training, to write logs, to show a bar.
    trainer
        ``accelerator``, ``devices``, ``strategy`` and ``precision``, for Lightning.

    Returns
    -------
    list of dict, or None
        The rows of the history; None if processes of Lightning's own have trained, and left all in the folder.

    Raises
    ------
    InputError
        If training diverges, there are fewer patients in a batch than processes, or Lightning's Trainer cannot do what
        it is told.
    CheckpointError
        If the state of an interrupted run is damaged.
    """
    watched = f"validation_{settings['monitor']}"
    higher = settings["monitor"] not in LOWER
    patience = None if valid is None else settings["patience"]
    start = None
    if valid is not None and isinstance(model, LegoFuse) and model.keep_untuned:  # it answers before any tuning
        scores = evaluate(model, valid, batch_size=settings["batch_size"], reference=data.target)
        start = (scores[settings["monitor"]], model.state_dict())
    best = KeepBest(watched, higher_is_better=higher, folder=folder, patience=patience, start=start)
    callbacks: list[pl.Callback] = [best]
    if resumable:
        name = LAST.removesuffix(".ckpt")
        callbacks.append(ModelCheckpoint(folder, name, save_on_train_epoch_end=True, enable_version_counter=False))
    if progress:
        callbacks.append(EpochBar(" + ".join(model.modalities), "train_loss" if valid is None else watched))
    names = ("lr", "weight_decay", "batch_size", "seed")
    wrapped = Training(model, data, valid, Optimisation(**{name: settings[name] for name in names}))
    with _quiet(), _random_state(), modes_kept(model), _places_kept(model), _interruptible(), _own_errors():
        model.train()
        seed_all(settings["seed"])
        chosen = trainer | {"strategy": _strategy(trainer["strategy"], trainer["devices"])}
        logger = _tensorboard(folder) if tensorboard else False
        with _trainer_errors(trainer):
            lightning = pl.Trainer(
                **chosen,
                max_epochs=settings["epochs"],
                gradient_clip_val=settings["gradient_clip"],
                callbacks=callbacks,
                plugins=[SafeCheckpointIO()],
                logger=logger,
                default_root_dir=folder,
                enable_checkpointing=resumable,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                log_every_n_steps=1,
            )
        if min(settings["batch_size"], len(data)) < lightning.world_size:
            raise InputError(
                "a batch cannot be dealt out to all processes",
                expected=f"at least {lightning.world_size} patients and batch_size ≥ {lightning.world_size}",
                got=f"{len(data)} patients and batch_size {settings['batch_size']}",
            )
        last = folder / LAST
        lightning.fit(wrapped, ckpt_path=last if last.is_file() else None)
    return best.rows


@contextmanager
def _trainer_errors(given: dict[str, Any]) -> Iterator[None]:
    """Say in one error what Lightning's trainer cannot do with what it was given."""
    try:
        yield
    except (ValueError, TypeError, OverflowError, ImportError, MisconfigurationException) as error:
        raise InputError(
            f"{', '.join(given)} of fit", expected="what Lightning's Trainer takes", got=f"{given}: {error}"
        ) from error


def _strategy(strategy: Any, devices: int | str | list[int]) -> Any:
    """Let DDP find what a batch does not use: a single token needs no queries, a gap no block."""
    alone = devices == 1 or (isinstance(devices, list) and len(devices) == 1)
    if strategy == "auto" and not alone:
        strategy = "ddp"
    return f"{strategy}_find_unused_parameters_true" if strategy in ("ddp", "ddp_spawn", "ddp_fork") else strategy


def _tensorboard(folder: Path) -> Any:
    from lightning.pytorch.loggers import TensorBoardLogger

    return TensorBoardLogger(folder, name="", version=LOGS)


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C be a KeyboardInterrupt again: Lightning turns it into an exit, and is deaf to the next one."""
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from error
        raise
    finally:
        if signal.getsignal(signal.SIGINT) is not handler:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _own_errors() -> Iterator[None]:
    """Raise what a process that Lightning started raised, not the report of its end, if it is an error of ours."""
    try:
        yield
    except ProcessRaisedException as error:
        name, _, text = str(error).strip().splitlines()[-1].partition(": ")
        kind = getattr(errors, name.removeprefix("mmlego.errors."), None)
        if kind is None:
            raise
        raise kind(text) from error


@contextmanager
def _places_kept(model: Model) -> Iterator[None]:
    """Bring parameters and buffers back to the device and dtype that they had."""
    before = {name: (value.device, value.dtype) for name, value in _named(model)}
    try:
        yield
    finally:
        for name, value in _named(model):
            value.data = value.data.to(*before[name])


def _named(model: Model) -> Iterator[tuple[str, Tensor]]:
    yield from model.named_parameters()
    yield from model.named_buffers()


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
            warnings.filterwarnings("ignore", category=UserWarning, module="lightning.*")
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
    # To ask a device that is not in use would start it, and no process could be forked any more.
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_initialized() else []
    try:
        with torch.random.fork_rng(devices=devices):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
