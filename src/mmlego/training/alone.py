"""``fit`` in one process on the CPU: the same steps as on Lightning, digit by digit, without its bookkeeping.

Of a step of a small block Lightning's share is about one half, and importing it takes longer than many a fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor

from mmlego.data import Batch
from mmlego.data.memory.ahead import Ahead
from mmlego.nn.modes import modes_kept
from mmlego.run_folder import LAST, LOGS
from mmlego.training.adamw import AdamW
from mmlego.training.callbacks import Callback
from mmlego.training.interrupts import held_back
from mmlego.training.module import EpochBatches, Training
from mmlego.training.resume import SafeCheckpointIO

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


def suits(accelerator: Any, devices: Any, strategy: Any, precision: Any) -> bool:
    """Return whether what Lightning's Trainer is told comes to one process on the CPU in single precision.

    Examples
    --------
    >>> suits("cpu", 1, "auto", "32-true"), suits("cpu", 2, "auto", "32-true"), suits("cpu", 1, "ddp", "32-true")
    (True, False, False)
    """
    if (type(devices), devices, strategy, precision) != (int, 1, "auto", "32-true"):
        return False
    return bool(accelerator == "cpu" or (accelerator == "auto" and not _any_accelerator()))


def _any_accelerator() -> bool:
    return bool(torch.accelerator.is_available()) or find_spec("torch_xla") is not None


class TrainingAlone(Training):
    """A model in training in one process on the CPU."""

    current_epoch = 0
    global_rank = 0
    world = 1
    device = torch.device("cpu")

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.noted: dict[str, float] = {}

    def batches(self) -> Iterator[Batch]:
        """Yield the batches of an epoch; bags are read ahead from their files."""
        rows = cast(EpochBatches, self._batches)
        if self.data.bags_in_files:
            yield from Ahead(rows, self.made)
        else:
            for some in rows:
                yield self.made(some, rows.epoch)

    def note(self, name: str, value: float) -> None:
        """Keep a number in single precision, as Lightning does: two epochs may be level in that alone."""
        with np.errstate(over="ignore"):
            self.noted[name] = float(np.float32(value))

    def summed(self, value: Tensor) -> Tensor:
        """Return the value: there is one process."""
        return value

    def in_any(self, decision: bool) -> bool:
        """Return the decision: there is one process."""
        return decision


class TrainerAlone:
    """Drive a model through its epochs; to callbacks it is what Lightning's Trainer is.

    Parameters
    ----------
    callbacks
        To be told.
    max_epochs
        At most so many.
    gradient_clip
        Largest norm of the gradient; None: no limit.
    folder
        Of the run.
    resumable, tensorboard
        Whether to write the state of training and logs into it.
    """

    is_global_zero = True

    def __init__(
        self,
        callbacks: Sequence[Callback],
        *,
        max_epochs: int,
        gradient_clip: float | None,
        folder: Path,
        resumable: bool,
        tensorboard: bool,
    ) -> None:
        self.callbacks, self.max_epochs, self.gradient_clip = callbacks, max_epochs, gradient_clip
        self.folder, self.resumable, self.tensorboard = folder, resumable, tensorboard
        self.current_epoch = self.global_step = 0
        self.should_stop = False
        self.callback_metrics: dict[str, float] = {}
        self._writer: SummaryWriter | None = None

    def fit(self, training: TrainingAlone) -> None:
        """Train, from where an interrupted run was.

        Raises
        ------
        CheckpointError
            If the state of an interrupted run is damaged.
        """
        self.callback_metrics = training.noted
        training.model.to(training.device)
        optimizer = AdamW(training.groups(), training.optimisation.lr)
        try:
            with torch.enable_grad():
                self._resume(training, optimizer)
                self._tell("on_fit_start", training)
                if not self.should_stop and self.current_epoch < self.max_epochs:
                    self._epochs(training, optimizer)
                self._tell("on_fit_end", training)
        except BaseException as error:
            for callback in self.callbacks:
                callback.on_exception(self, training, error)
            raise
        finally:
            for callback in self.callbacks:
                callback.teardown(self, training, "fit")
            if self._writer is not None:
                with held_back():
                    self._writer.close()

    def _epochs(self, training: TrainingAlone, optimizer: AdamW) -> None:
        training.deal()
        validation = None if training.validation is None else training.val_dataloader()
        self._tell("on_train_start", training)
        while self.current_epoch < self.max_epochs and not self.should_stop:
            training.current_epoch = self.current_epoch
            self._tell("on_train_epoch_start", training)
            training.on_train_epoch_start()
            self._steps(training, optimizer, training.batches())
            if validation is not None:
                self._validate(training, validation)
            self._tell("on_train_epoch_end", training)
            training.on_train_epoch_end()
            self._log(training)
            self._save(training, optimizer)
            self.current_epoch += 1
        self._tell("on_train_end", training)

    def _steps(self, training: TrainingAlone, optimizer: AdamW, batches: Iterable[Batch]) -> None:
        for index, batch in enumerate(batches):
            loss = training.training_step(batch, index)
            optimizer.zero_grad()
            loss.backward()
            if self.gradient_clip is not None:
                torch.nn.utils.clip_grad_norm_(optimizer.moved, self.gradient_clip)
            optimizer.step()
            self.global_step += 1

    def _validate(self, training: TrainingAlone, batches: Iterable[Batch]) -> None:
        with modes_kept(training.model), torch.no_grad():
            training.model.eval()
            for index, batch in enumerate(batches):
                training.validation_step(batch, index)
            training.on_validation_epoch_end()

    def _log(self, training: TrainingAlone) -> None:
        if not self.tensorboard:
            return
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(self.folder / LOGS))
        with held_back():
            for name, value in {**training.noted, "epoch": self.current_epoch}.items():
                self._writer.add_scalar(name, value, self.global_step - 1)
            self._writer.flush()

    def _save(self, training: TrainingAlone, optimizer: AdamW) -> None:
        if not self.resumable:
            return
        state: dict[str, Any] = {
            "epoch": self.current_epoch,
            "global_step": self.global_step,
            "state_dict": {f"model.{name}": value for name, value in training.model.state_dict().items()},
            "callbacks": {type(c).__name__: kept for c in self.callbacks if (kept := c.state_dict())},
            "optimizer_states": [optimizer.state_dict()],
            "lr_schedulers": [],
        }
        training.on_save_checkpoint(state)
        SafeCheckpointIO().save_checkpoint(state, self.folder / LAST)

    def _resume(self, training: TrainingAlone, optimizer: AdamW) -> None:
        file = self.folder / LAST
        if not file.is_file():
            return
        state = SafeCheckpointIO().load_checkpoint(file)
        training.on_load_checkpoint(state)
        weights = {name.removeprefix("model."): value for name, value in state["state_dict"].items()}
        training.model.load_state_dict(weights)
        optimizer.load_state_dict(state["optimizer_states"][0])
        for callback in self.callbacks:
            if type(callback).__name__ in state["callbacks"]:
                callback.load_state_dict(state["callbacks"][type(callback).__name__])
        self.current_epoch, self.global_step = len(training.rows), state["global_step"]

    def _tell(self, event: str, training: TrainingAlone) -> None:
        for callback in self.callbacks:
            getattr(callback, event)(self, training)
