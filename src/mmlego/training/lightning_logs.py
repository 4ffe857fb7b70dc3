"""Lightning's TensorBoard logger, written to without interruption."""

from __future__ import annotations

from typing import Any

from lightning.pytorch.loggers import TensorBoardLogger

from mmlego.training.interrupts import held_back


class UninterruptedLogger(TensorBoardLogger):
    """Lightning's logger for TensorBoard; Ctrl-C waits until what is being written is written."""

    def log_metrics(self, metrics: Any, step: int | None = None) -> None:
        """Write numbers."""
        with held_back():
            super().log_metrics(metrics, step)

    def save(self) -> None:
        """Write what waits to be written."""
        with held_back():
            super().save()

    def finalize(self, status: str) -> None:
        """Close the writer."""
        with held_back():
            super().finalize(status)
