"""How ``fit`` trains: alone on the CPU, or on Lightning; and what must be left as it was."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmlego.data import PatientData
from mmlego.errors import MissingExtraError
from mmlego.fuse import LegoFuse
from mmlego.nn.modes import modes_kept
from mmlego.run_folder import FEATURES
from mmlego.training.alone import TrainerAlone, TrainingAlone, suits
from mmlego.training.callbacks import Callback, EpochBar, KeepBest
from mmlego.training.evaluate import Model, scored
from mmlego.training.frozen import with_features
from mmlego.training.module import Optimisation, seed_all
from mmlego.training.private import Privacy, PrivateTrainer

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
    privacy: Privacy | None = None,
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
    privacy
        What is promised of the weights; None: nothing.

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
    if privacy is None:
        kept = folder / FEATURES if resumable else None
        data, valid = with_features(model, data, valid, batch_size=settings["batch_size"], out=kept, bar=progress)
    watched = f"validation_{settings['monitor']}"
    higher = settings["monitor"] not in LOWER
    patience = None if valid is None else settings["patience"]
    start = None
    if valid is not None and isinstance(model, LegoFuse) and model.keep_untuned:  # it answers before any tuning
        scores = scored(model, valid, batch_size=settings["batch_size"], reference=data.target, out_of_fold=True)
        start = (scores[settings["monitor"]], model.state_dict())
    alone = suits(**trainer)
    place = folder if resumable or not alone else None  # other processes leave in it what they have found
    best = KeepBest(watched, higher_is_better=higher, folder=place, patience=patience, start=start)
    callbacks: list[Callback] = [best]
    if progress:
        callbacks.append(EpochBar(" + ".join(model.modalities), "train_loss" if valid is None else watched))
    names = ("lr", "weight_decay", "batch_size", "seed")
    what = (model, data, valid, Optimisation(**{name: settings[name] for name in names}))
    with _random_state(), modes_kept(model), _places_kept(model), warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        model.train()
        seed_all(settings["seed"])
        if alone:
            options = {"max_epochs": settings["epochs"], "gradient_clip": settings["gradient_clip"], "folder": folder}
            options |= {"resumable": resumable, "tensorboard": tensorboard}
            driver = (
                TrainerAlone(callbacks, **options) if privacy is None else PrivateTrainer(privacy, callbacks, **options)
            )
            driver.fit(TrainingAlone(*what))
        else:
            if find_spec("lightning") is None:
                raise MissingExtraError("fit on such devices needs Lightning", remedy="pip install lightning")
            from mmlego.training.on_lightning import TrainingOnLightning, fit_on_lightning

            fit_on_lightning(
                TrainingOnLightning(*what),
                callbacks,
                settings,
                folder,
                resumable=resumable,
                tensorboard=tensorboard,
                trainer=trainer,
            )
    return best.rows


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
