"""``fit`` on Lightning: GPUs, several processes, mixed precision; and what Lightning must not do meanwhile."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.plugins.io import CheckpointIO
from torch import Tensor
from torch.multiprocessing.spawn import ProcessRaisedException
from torch.utils.data import DataLoader, Dataset

from mmlego import errors
from mmlego.data import Batch
from mmlego.data.memory.ahead import Ahead
from mmlego.errors import InputError
from mmlego.run_folder import LAST, LOGS
from mmlego.training.callbacks import Callback
from mmlego.training.module import EpochBatches, Training
from mmlego.training.resume import SafeCheckpointIO

MOST_WORKERS = 8  # processes that read for a GPU; each holds two batches


class TrainingOnLightning(Training, pl.LightningModule):
    """A model in training, as Lightning knows it."""

    @property
    def world(self) -> int:  # type: ignore[override]
        """Return the number of processes."""
        return self.trainer.world_size

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW over what is free to move."""
        return torch.optim.AdamW(self.groups(), lr=self.optimisation.lr)

    def train_dataloader(self) -> Ahead | DataLoader[Batch]:
        """Return this process's share of every batch."""
        # The first batch is fetched before the epoch starts.
        return _loader(self, self.deal(), pinned=self.device.type == "cuda")

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch."""
        return batch.to(device, non_blocking=True)  # of use where its memory is pinned

    def note(self, name: str, value: float) -> None:
        """Log a number."""
        self.log(name, value, sync_dist=True, batch_size=1)

    def summed(self, value: Tensor) -> Tensor:
        """Return the sum over all processes."""
        if self.world == 1:
            return value
        return cast(Tensor, self.trainer.strategy.reduce(value, reduce_op="sum"))

    def in_any(self, decision: bool) -> bool:
        """Return whether a process has decided so."""
        return self.trainer.strategy.reduce_boolean_decision(decision, all=False)


class _Told(pl.Callback):
    """Hand on what Lightning tells."""

    def __init__(self, callback: Callback) -> None:
        self.callback = callback
        for event in (name for name in vars(Callback) if not name.startswith("_")):
            setattr(self, event, getattr(callback, event))

    @property
    def state_key(self) -> str:
        return type(self.callback).__name__


class _States(SafeCheckpointIO, CheckpointIO):
    """States of training, those too that were written without Lightning and lack what it counts for itself."""

    trainer: pl.Trainer

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a state."""
        state = super().load_checkpoint(path, map_location, weights_only)
        if "loops" not in state and "epoch" in state:  # weights that a spawned process leaves have neither
            loop = self.trainer.fit_loop.state_dict()
            epochs, steps = state["epoch"] + 1, state["global_step"]
            _count(loop["epoch_progress"]["current"], epochs)
            _count(loop["epoch_progress"]["total"], epochs)
            for counts in (loop["epoch_progress"]["current"], loop["epoch_progress"]["total"]):
                counts["completed"] -= 1  # written at the end of the epoch, but in it
            batches = loop["epoch_loop.batch_progress"]
            _count(batches["total"], steps)
            _count(batches["current"], steps // epochs)
            batches["is_last_batch"] = True
            loop["epoch_loop.state_dict"]["_batches_that_stepped"] = steps
            for counts in loop["epoch_loop.automatic_optimization.optim_progress"]["optimizer"].values():
                _count(counts["total"], steps)
                _count(counts["current"], steps // epochs)
            state |= {"loops": {"fit_loop": loop}, "pytorch-lightning_version": version("lightning")}
        return state


def _count(counts: dict[str, int], number: int) -> None:
    counts.update(dict.fromkeys(counts, number))


def fit_on_lightning(
    training: TrainingOnLightning,
    callbacks: Sequence[Callback],
    settings: dict[str, Any],
    folder: Path,
    *,
    resumable: bool,
    tensorboard: bool,
    trainer: dict[str, Any],
) -> None:
    """Train.

    Parameters
    ----------
    training
        What a step does.
    callbacks
        To be told.
    settings
        The arguments of ``fit`` that matter to the result.
    folder
        Of the run.
    resumable, tensorboard
        Whether to write the state of training and logs into it.
    trainer
        ``accelerator``, ``devices``, ``strategy`` and ``precision``, for Lightning.

    Raises
    ------
    InputError
        If there are fewer patients in a batch than processes, or Lightning's Trainer cannot do what it is told.
    CheckpointError
        If the state of an interrupted run is damaged.
    """
    with _quiet(), _interruptible(), _own_errors():
        told: list[pl.Callback] = [_Told(callback) for callback in callbacks]
        if resumable:
            name = LAST.removesuffix(".ckpt")
            told.append(ModelCheckpoint(folder, name, save_on_train_epoch_end=True, enable_version_counter=False))
        states = _States()
        chosen = trainer | {"strategy": _strategy(trainer["strategy"], trainer["devices"])}
        logger = _tensorboard(folder) if tensorboard else False
        with _trainer_errors(trainer):
            states.trainer = lightning = pl.Trainer(
                **chosen,
                max_epochs=settings["epochs"],
                gradient_clip_val=settings["gradient_clip"],
                callbacks=told,
                plugins=[states],
                logger=logger,
                default_root_dir=folder,
                enable_checkpointing=resumable,
                enable_progress_bar=False,
                enable_model_summary=False,
                num_sanity_val_steps=0,
                use_distributed_sampler=False,
                log_every_n_steps=1,
            )
        patients = len(training.data)
        if min(settings["batch_size"], patients) < lightning.world_size:
            raise InputError(
                "a batch cannot be dealt out to all processes",
                expected=f"at least {lightning.world_size} patients and batch_size ≥ {lightning.world_size}",
                got=f"{patients} patients and batch_size {settings['batch_size']}",
            )
        last = folder / LAST
        lightning.fit(training, ckpt_path=last if last.is_file() else None)


def _loader(training: Training, batches: EpochBatches, *, pinned: bool) -> Ahead | DataLoader[Batch]:
    data = training.data
    workers = _workers() if pinned else 0
    if data.bags_in_files and not workers:
        return Ahead(batches, training.made, Batch.pin_memory if pinned else None)
    patients = cast("Dataset[Batch]", range(len(data)))
    generator = torch.Generator().manual_seed(batches.seed)  # or each epoch would shift the global random stream
    return DataLoader(
        patients,
        batch_sampler=batches,
        collate_fn=lambda rows: training.made(rows, batches.epoch),
        generator=generator,
        # HDF5 reads for one thread at a time: to keep a GPU busy takes processes. Each epoch has its own.
        num_workers=workers if data.bags_in_files else 0,
        multiprocessing_context="fork" if workers and data.bags_in_files else None,
        pin_memory=pinned,
    )


def _workers() -> int:
    """Return how many processes may read bags for a GPU, where they can be forked at all."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(MOST_WORKERS, cores - 1)


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
    from mmlego.training.lightning_logs import UninterruptedLogger

    return UninterruptedLogger(folder, name="", version=LOGS)


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
