"""What happens around the epochs: keeping a copy of the best, stopping, writing the history, a progress bar."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from safetensors.torch import save as to_bytes
from torch import Tensor

from mmlego.files import write_atomically
from mmlego.run_folder import BEST, HISTORY
from mmlego.training.run import history_text


class Callback:
    """What is told of the course of training, as Lightning tells its own callbacks; whoever listens overrides some."""

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Before anything, the state of an interrupted run apart."""

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Before the first epoch."""

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Before an epoch."""

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """After an epoch and its validation, before its line of the history is written."""

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """After the last epoch."""

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """After everything."""

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """When training ends by an error."""

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """When all is over."""

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up again."""


class KeepBest(Callback):
    """Keep a copy of the weights of the best epoch, never a live reference, and end with them in the model.

    Parameters
    ----------
    monitor
        Name in the history.
    higher_is_better
        Direction.
    folder
        Where the history is written after every epoch, and the best weights at the end; None: nowhere.
    patience
        Stop after so many epochs without improvement; None: never.
    start
        Score and weights before the first epoch, where they are worth keeping: a merged model can do without tuning.
    """

    def __init__(
        self,
        monitor: str,
        *,
        higher_is_better: bool,
        folder: Path | None,
        patience: int | None = None,
        start: tuple[float, dict[str, Tensor]] | None = None,
    ) -> None:
        self.monitor, self.sign, self.folder = monitor, 1.0 if higher_is_better else -1.0, folder
        self.patience = patience
        self.score, self.epoch = -math.inf, -1
        self.weights: dict[str, Tensor] = {}
        if start is not None and math.isfinite(start[0]):
            self.score, self.weights = self.sign * start[0], _copy(start[1])
        self.rows: list[dict[str, float]] | None = None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Stay stopped, if the run was interrupted after it had stopped."""
        trainer.should_stop = self._enough(len(pl_module.rows) - 1)

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Write the history of the epochs before."""
        self._write_history(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Compare the epoch that has just ended with the best so far."""
        # Lightning calls callbacks before the module, so the row of this epoch is taken from the metrics.
        value = trainer.callback_metrics.get(self.monitor)
        score = math.nan if value is None else self.sign * float(value)
        if value is None or score > self.score or not self.weights:
            self.score, self.epoch = score if math.isfinite(score) else -math.inf, trainer.current_epoch
            self.weights = _copy(pl_module.model.state_dict())
        stop = pl_module.in_any(self._enough(trainer.current_epoch))
        trainer.should_stop = trainer.should_stop or stop

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Put the best weights back and write what there is to keep."""
        self.rows = pl_module.rows
        pl_module.model.load_state_dict(self.weights)
        self._write_history(trainer, pl_module)
        if trainer.is_global_zero and self.folder is not None:
            write_atomically(self.folder / BEST, to_bytes(self.weights))

    def _enough(self, epoch: int) -> bool:
        return self.patience is not None and epoch - self.epoch >= self.patience and bool(self.weights)

    def _write_history(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero and pl_module.rows and self.folder is not None:
            write_atomically(self.folder / HISTORY, history_text(pl_module.rows))

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs."""
        return {"score": self.score, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take it up again."""
        self.score, self.epoch, self.weights = state_dict["score"], state_dict["epoch"], state_dict["weights"]


class EpochBar(Callback):
    """A progress bar over epochs with the latest numbers beside it.

    Parameters
    ----------
    title
        What is trained.
    monitor
        The number to show.
    """

    def __init__(self, title: str, monitor: str) -> None:
        self.title, self.monitor = title, monitor
        self._bar: Any = None

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Show the bar, in the first process alone."""
        if not trainer.is_global_zero:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, TextColumn("{task.fields[numbers]}"))
        self._task = self._bar.add_task(self.title, total=trainer.max_epochs, numbers="")
        self._bar.start()

    def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
        """Move the bar to the epochs that are done; only now is the row of the last one complete."""
        if self._bar is None or not pl_module.rows:
            return
        value = pl_module.rows[-1][self.monitor]
        numbers = f"{self.monitor.replace('_', ' ')} {value:.4f}"
        self._bar.update(self._task, completed=len(pl_module.rows), numbers=numbers)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Move the bar to where training ended, which early stopping makes its end."""
        self.on_train_epoch_start(trainer, pl_module)
        if self._bar is not None:
            self._bar.update(self._task, total=len(pl_module.rows))

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Leave the bar as it stands, so that the error is readable."""
        self._stop()

    def teardown(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Leave the bar as it stands."""
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _copy(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
