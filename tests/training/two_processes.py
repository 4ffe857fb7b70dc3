"""A run on two processes: ``python two_processes.py STRATEGY KIND FOLDER [OUT]``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import save_file

from mmlego import LegoBlock, LegoFuse, fit
from tests.bricks import snapshot
from tests.training.cases import block, fuse, gapped


def run(kind: str, **options: Any) -> tuple[LegoBlock | LegoFuse, pd.DataFrame]:
    """Train a block over one token, which needs no queries, or a fuse of which some batches miss a part."""
    model = block("labs") if kind == "block" else fuse(mode="stack")
    everyone = gapped(63)
    data, valid = everyone.subset(range(48)), everyone.subset(range(48, 63))
    settings = {"epochs": 3, "batch_size": 16, "lr": 1e-2, "class_weights": "balanced", "accelerator": "cpu"}
    return model, fit(model, data, validation=valid, progress=False, **settings, **options)


def main(strategy: str, kind: str, folder: Path, out: str | None = None) -> None:
    model, history = run(kind, strategy=strategy, devices=2, out=out)
    rank = os.environ.get("LOCAL_RANK", "0")
    history.to_csv(folder / f"{rank}.csv", index=False)
    save_file(snapshot(model), folder / f"{rank}.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), *sys.argv[4:])
