"""A run for the tests to kill: ``python interrupted.py KIND FOLDER``. Its encoders take their time."""

from __future__ import annotations

import sys
import time
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from mmlego import LegoBlock, LegoFuse, fit
from tests.training.cases import block, gapped, two_classes

OPTIONS: dict[str, Any] = {"epochs": 12, "batch_size": 16, "lr": 1e-2, "progress": False}


class Slow(nn.Module):
    """A foreign encoder with dropout and running statistics, which waits a little in every call."""

    pause = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.SELU(), nn.Dropout(0.3))

    def forward(self, x: Tensor) -> Tensor:
        time.sleep(self.pause)
        return self.layers(x)


def make(kind: str) -> LegoBlock | LegoFuse:
    on = two_classes(dropout=0.2)
    torch.manual_seed(0)
    labs = LegoBlock(Slow(), on, "labs", out_features=6)
    if kind == "block":
        return labs
    return LegoFuse([labs, block("slide", on), block("vitals", on)], modality_dropout=0.4)


def run(kind: str, out: str | None = None) -> tuple[LegoBlock | LegoFuse, pd.DataFrame]:
    """Train, from the start or from where a run in ``out`` was killed."""
    special = {"class_weights": "balanced", "monitor": "brier"} if kind == "block" else {"tensorboard": out is not None}
    model = make(kind)
    return model, fit(model, gapped(), out=out, **OPTIONS, **special)


if __name__ == "__main__":
    torch.set_num_threads(1)
    Slow.pause = 0.03
    run(sys.argv[1], sys.argv[2])
