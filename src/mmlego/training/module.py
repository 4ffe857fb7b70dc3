"""What one step, one epoch and one validation of ``fit`` do, whoever drives them."""

from __future__ import annotations

import itertools
import math
import random
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Sampler

from mmlego.data import Batch, Draw, PatientData
from mmlego.errors import InputError, LegoWarning
from mmlego.training.evaluate import Model, known_of_all, logits_of
from mmlego.training.still import Still


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


class Training:
    """One model in training.

    Who drives it (:mod:`mmlego.training.alone`, :mod:`mmlego.training.on_lightning`) says where things stand: the
    number of the epoch, which process this is of how many, the device, and what becomes of numbers.

    Parameters
    ----------
    model
        A LegoBlock or LegoFuse.
    data, validation
        The two parts of the data.
    optimisation
        How weights are moved.
    """

    current_epoch: int
    global_rank: int
    world: int
    device: torch.device

    def __init__(
        self, model: Model, data: PatientData, validation: PatientData | None, optimisation: Optimisation
    ) -> None:
        super().__init__()  # a LightningModule's, where it is one
        self.model = model
        self.data, self.validation = data, validation
        self.optimisation = optimisation
        self.rows: list[dict[str, float]] = []
        self._still = Still(model)
        self._batches: EpochBatches | None = None
        self._loss: Tensor = torch.zeros(())
        self._logits: list[Tensor] = []
        self._known: dict[str, Tensor] | None = None

    def groups(self) -> list[dict[str, Any]]:
        """Return what is free to move, by whether it decays."""
        named = [(name, p) for name, p in self.model.named_parameters() if p.requires_grad]
        flat = [p for name, p in named if p.ndim < 2 or name.endswith("latent")]
        decayed = [p for name, p in named if not (p.ndim < 2 or name.endswith("latent"))]
        groups = [
            {"params": decayed, "weight_decay": self.optimisation.weight_decay},
            {"params": flat, "weight_decay": 0.0},
        ]
        return [group for group in groups if group["params"]]

    def deal(self) -> EpochBatches:
        """Return this process's share of every batch, as rows; a resumed run starts after the epochs in its history."""
        size, seed = self.optimisation.batch_size, self.optimisation.seed
        if self.data.numbering is None:  # asked by whole features, before chance decides which patches are seen
            self._known = known_of_all(self.model, self.data, size)
        self._batches = EpochBatches(len(self.data), size, seed, self.global_rank, self.world, epoch=len(self.rows))
        return self._batches

    def made(self, rows: Sequence[int], epoch: int) -> Batch:
        """Return a batch as it is in an epoch."""
        batch = self.data.batch(rows, Draw(self.optimisation.seed, epoch))
        if self._known is not None:
            batch.known = {name: told[rows] for name, told in self._known.items()}
        return batch

    def val_dataloader(self) -> Any:
        """Return the whole validation part, in every process, so that metrics are exact."""
        return [] if self.validation is None else self.validation.loader(self.optimisation.batch_size)

    def on_train_epoch_start(self) -> None:
        """Seed and shuffle by epoch, so that a resumed run draws what the unbroken one drew."""
        cast(EpochBatches, self._batches).set_epoch(self.current_epoch)  # Lightning does so for plain samplers alone
        seed_all(self.optimisation.seed, self.current_epoch, self.global_rank)
        self._still.look()
        self._loss = torch.zeros((), device=self.device)

    def training_step(self, batch: Batch, index: int) -> Tensor:
        """Return the loss, scaled so that the mean over processes is the mean over the global batch."""
        loss = self.model.task.loss(self._logits_of(batch), cast(Tensor, batch.target), batch.weights)
        low, high = cast(EpochBatches, self._batches).bounds[index]
        share = len(batch) * self.world / (high - low)
        self._loss = self._loss + loss.detach() * len(batch)  # stays on the device: no waiting in the loop
        return loss * share

    def validation_step(self, batch: Batch, index: int) -> None:
        """Keep the logits."""
        self._logits.append(self._logits_of(batch).float().cpu())

    def _logits_of(self, batch: Batch) -> Tensor:
        """Return logits; what is learnt on top of fitted bricks sees them answer out of fold."""
        return logits_of(self.model, batch, out_of_fold=self.data.numbering is None)

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
            self.note(f"validation_{name}", value)
        self._validated = metrics

    def on_train_epoch_end(self) -> None:
        """Write the epoch's line of the history."""
        loss = float(self.summed(self._loss)) / len(self.data)
        if not math.isfinite(loss):
            raise self._diverged("a finite loss", loss)
        if not all(bool(torch.isfinite(p).all()) for p in self.model.parameters() if p.requires_grad):
            raise self._diverged("finite weights", "NaN or infinity")  # the last step may have done it
        self.note("train_loss", loss)
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

    def note(self, name: str, value: float) -> None:
        """Tell a number of this epoch to callbacks and logs."""
        raise NotImplementedError

    def summed(self, value: Tensor) -> Tensor:
        """Return the sum over all processes."""
        raise NotImplementedError

    def in_any(self, decision: bool) -> bool:
        """Return whether a process has decided so."""
        raise NotImplementedError

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the history with the weights, and leave out what is frozen: who resumes has it already."""
        checkpoint["history"] = self.rows
        self._still.leave_out(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the history up again, and what is frozen from the model as it is."""
        self.rows = checkpoint["history"]
        self._still.put_back(checkpoint)


def seed_all(*numbers: int) -> None:
    """Seed torch, NumPy and random from some numbers."""
    seed = int(np.random.SeedSequence(list(numbers)).generate_state(1)[0])
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for encoders that use the global generator
