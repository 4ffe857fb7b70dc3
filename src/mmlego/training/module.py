"""The Lightning side of ``fit``: what one step, one epoch and one validation do."""

from __future__ import annotations

import itertools
import math
import multiprocessing
import os
import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from mmlego.data import Batch, Draw, PatientData
from mmlego.data.memory.ahead import Ahead
from mmlego.errors import InputError, LegoWarning
from mmlego.training.evaluate import Model, logits_of

MOST_WORKERS = 8  # processes that read for a GPU; each holds two batches


@dataclass(frozen=True)
class Optimisation:
    """How weights are moved.

    Parameters
    ----------
    lr
        Learning rate of AdamW.
    weight_decay
        Decay of matrices; vectors (norms, biases) and the latent are not decayed.
    batch_size
        Patients a step, over all devices together.
    seed
        Of the order of the patients, of dropout, and of what is sampled of a bag or augmented.
    """

    lr: float
    weight_decay: float
    batch_size: int
    seed: int


class EpochBatches(Sampler[list[int]]):
    """The batches of one process: shuffled by seed and epoch alone, each global batch dealt out to all processes.

    The patients are cut into batches of one size, give or take a patient, so that every patient weighs the same and
    there is no small last batch. Only where a process would get fewer than two patients, with which a batch norm
    cannot do, are the batches larger than asked for.

    Parameters
    ----------
    rows
        Number of patients.
    size
        Patients a step at most, over all processes together.
    seed, rank, world
        Of the order; which process this is, of how many.
    epoch
        The first to come.
    """

    def __init__(self, rows: int, size: int, seed: int, rank: int = 0, world: int = 1, epoch: int = 0) -> None:
        self.rows, self.size, self.seed, self.rank, self.world = rows, size, seed, rank, world
        self.epoch = epoch
        count = max(1, min(math.ceil(rows / size), rows // min(2 * world, size)))
        edges = [i * rows // count for i in range(count + 1)]
        self.bounds = list(itertools.pairwise(edges))

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[int]]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.rows).tolist()
        for low, high in self.bounds:
            yield order[low:high][self.rank :: self.world]

    def __len__(self) -> int:
        return len(self.bounds)


class Training(pl.LightningModule):
    """One model in training."""

    def __init__(
        self, model: Model, data: PatientData, validation: PatientData | None, optimisation: Optimisation
    ) -> None:
        super().__init__()
        self.model = model
        self.data, self.validation = data, validation
        self.optimisation = optimisation
        self.rows: list[dict[str, float]] = []
        self._batches: EpochBatches | None = None
        self._loss: Tensor = torch.zeros(())
        self._logits: list[Tensor] = []

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Return AdamW over what is free to move."""
        named = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        flat = [p for name, p in named if p.ndim < 2 or name.endswith("latent")]
        decayed = [p for name, p in named if not (p.ndim < 2 or name.endswith("latent"))]
        groups = [
            {"params": decayed, "weight_decay": self.optimisation.weight_decay},
            {"params": flat, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW([group for group in groups if group["params"]], lr=self.optimisation.lr)

    def train_dataloader(self) -> Ahead | DataLoader[Batch]:
        """Return this process's share of every batch."""
        size, seed = self.optimisation.batch_size, self.optimisation.seed
        rank, world = self.trainer.global_rank, self.trainer.world_size
        # The first batch is fetched before the epoch starts; a resumed run starts after the epochs in its history.
        self._batches = EpochBatches(len(self.data), size, seed, rank, world, epoch=len(self.rows))
        return _loader(self.data, self._batches, pinned=self.device.type == "cuda")

    def val_dataloader(self) -> Any:
        """Return the whole validation part, in every process, so that metrics are exact."""
        return [] if self.validation is None else self.validation.loader(self.optimisation.batch_size)

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> Batch:
        """Move a batch."""
        return batch.to(device, non_blocking=True)  # of use where its memory is pinned

    def on_train_epoch_start(self) -> None:
        """Seed and shuffle by epoch, so that a resumed run draws what the unbroken one drew."""
        cast(EpochBatches, self._batches).set_epoch(self.current_epoch)  # Lightning does so for plain samplers alone
        seed_all(self.optimisation.seed, self.current_epoch, self.global_rank)
        self._loss = torch.zeros((), device=self.device)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss, scaled so that the mean over processes is the mean over the global batch."""
        loss = self.model.task.loss(logits_of(self.model, batch), cast(Tensor, batch.target), batch.weights)
        low, high = cast(EpochBatches, self._batches).bounds[index]
        share = len(batch) * self.trainer.world_size / (high - low)
        self._loss = self._loss + loss.detach() * len(batch)  # stays on the device: no waiting in the loop
        return loss * share

    def validation_step(self, batch: Batch, index: int) -> None:
        """Keep the logits."""
        self._logits.append(logits_of(self.model, batch).float().cpu())

    def on_validation_epoch_end(self) -> None:
        """Compute loss and metrics over the whole validation part."""
        if self.validation is None or self.validation.target is None:
            return
        logits, self._logits = torch.cat(self._logits), []
        if not bool(torch.isfinite(logits).all()):
            raise self._diverged("finite predictions", "NaN or infinity")
        task, target = self.model.task, self.validation.target
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LegoWarning)  # said once, when all is over, not every epoch
            metrics = {"loss": float(task.loss(logits, target)), **task.metrics(logits, target)}
        for name, value in metrics.items():
            self.log(f"validation_{name}", value, sync_dist=True, batch_size=1)
        self._validated = metrics

    def on_train_epoch_end(self) -> None:
        """Write the epoch's line of the history."""
        total = self._loss
        if self.trainer.world_size > 1:
            total = cast(Tensor, self.trainer.strategy.reduce(total, reduce_op="sum"))
        loss = float(total) / len(self.data)
        if not math.isfinite(loss):
            raise self._diverged("a finite loss", loss)
        if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters() if p.requires_grad):
            raise self._diverged("finite weights", "NaN or infinity")  # the last step may have done it
        self.log("train_loss", loss, sync_dist=True, batch_size=1)
        row = {"epoch": float(self.current_epoch), "train_loss": loss}
        if self.validation is not None:
            row |= {f"validation_{name}": value for name, value in self._validated.items()}
        self.rows.append(row)

    def _diverged(self, expected: str, got: object) -> InputError:
        return InputError(
            f"training diverged in epoch {self.current_epoch}",
            expected=expected,
            got=got,
            remedy="Lower lr=, or set gradient_clip=.",
        )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the weights."""
        checkpoint["history"] = self.rows

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history up again."""
        self.rows = checkpoint["history"]


def _loader(data: PatientData, batches: EpochBatches, *, pinned: bool) -> Ahead | DataLoader[Batch]:
    def made(rows: Sequence[int], epoch: int) -> Batch:
        return data.batch(rows, Draw(batches.seed, epoch))

    workers = _workers() if pinned else 0
    if data.bags_in_files and not workers:
        return Ahead(batches, made, Batch.pin_memory if pinned else None)
    patients = cast("Dataset[Batch]", range(len(data)))
    generator = torch.Generator().manual_seed(batches.seed)  # or each epoch would shift the global random stream
    return DataLoader(
        patients,
        batch_sampler=batches,
        collate_fn=lambda rows: made(rows, batches.epoch),
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


def seed_all(*numbers: int) -> None:
    """Seed torch, NumPy and random from some numbers."""
    seed = int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for encoders that use the global generator
