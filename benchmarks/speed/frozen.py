"""Measure how long a block over a frozen encoder trains, features computed once against in every epoch anew, in turn.

One hundred volumes of noise as NIfTI files, a resnet10 of MONAI with weights by chance, the default plate, fifteen
epochs; reading the files, encoding and training are in it, imports are not. The histories must agree to 1e-5, else
nothing is reported. The ratio is that of CPU seconds, which a busy machine changes less than those of a clock. From
the repository: ``python benchmarks/speed/frozen.py`` (extra ``images``), which writes ``benchmarks/speed/frozen.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pandas as pd
import torch

import mmlego
from mmlego.data import Cohort
from mmlego.job.one_block import train_block
from mmlego.settings import Settings
from mmlego.training import loop

RESULTS = Path(__file__).with_name("frozen.json")
PATIENTS, SIDE, EPOCHS = 100, 32, 15
SHAPE = {"block": "basic", "layers": [1, 1, 1, 1], "block_inplanes": [64, 128, 256, 512]}  # what MONAI calls resnet10
OPTIONS = {"network": "ResNet", "arguments": {**SHAPE, "n_input_channels": 1, "num_classes": 64}}


def main() -> None:
    """Train in turn, compare, and write what came out."""
    parser = argparse.ArgumentParser(description="Seconds of training over a frozen encoder.")
    parser.add_argument("--pairs", type=int, default=3, help="how often both are run, in turn")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file to write")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    once, pairs, seconds = loop.with_features, [], []
    with tempfile.TemporaryDirectory() as place:
        write(Path(place))
        cohort = Cohort.from_manifest(Path(place) / "cohort.yaml")
        trained(cohort, epochs=1)  # imports, and the first look at the files
        for turn in range(chosen.pairs):
            found: dict[str, tuple[float, float, pd.DataFrame]] = {}
            for way in ("anew", "once") if turn % 2 == 0 else ("once", "anew"):
                loop.with_features = once if way == "once" else lambda model, data, valid, **_: (data, valid)
                found[way] = trained(cohort)
            loop.with_features = once
            off = float((found["anew"][2] - found["once"][2]).abs().max().max())
            if not off <= 1e-5:
                raise SystemExit(f"the histories differ by {off:.1e}: nothing to report")
            seconds.append([round(found[way][0], 2) for way in ("anew", "once")])
            pairs.append([round(found[way][1], 2) for way in ("anew", "once")])
            print(f"anew {pairs[-1][0]:.1f} s, once {pairs[-1][1]:.1f} s of CPU, off by {off:.1e}", flush=True)
    low, middle, high = np.percentile([anew / once for anew, once in pairs], [25, 50, 75])
    print(f"features computed once are {middle:.1f} [{low:.1f}, {high:.1f}] times as fast")
    facts: dict[str, Any] = {
        "mmlego": mmlego.__version__,
        "machine": platform.machine(),
        "load": round(os.getloadavg()[0], 2),
        "threads": chosen.threads,
        "patients": PATIENTS,
        "side": SIDE,
        "epochs": EPOCHS,
    }
    ratio = {"median": round(middle, 2), "quartiles": [round(low, 2), round(high, 2)]}
    chosen.results.write_text(
        json.dumps({**facts, "cpu_seconds": pairs, "seconds": seconds, "ratio": ratio}, indent=1) + "\n"
    )


def write(folder: Path) -> None:
    """Write the volumes, an outcome and the manifest."""
    rng = np.random.default_rng(0)
    for patient in range(PATIENTS):
        volume = nibabel.Nifti1Image(rng.normal(size=(SIDE,) * 3).astype(np.float32), np.eye(4))
        volume.header.set_xyzt_units("mm")
        nibabel.save(volume, folder / f"P{patient}.nii")
    ids = [f"P{patient}" for patient in range(PATIENTS)]
    table = pd.DataFrame({"id": ids, "ill": np.arange(PATIENTS) % 2})
    table.to_csv(folder / "patients.csv", index=False)
    (folder / "cohort.yaml").write_text(
        "key: id\n"
        "outcome: {task: classification, file: patients.csv, label: ill}\n"
        f'modalities: {{scan: {{kind: volume, pattern: "{{key}}.nii", size: [{SIDE}, {SIDE}, {SIDE}]}}}}\n'
    )


def trained(cohort: Cohort, epochs: int = EPOCHS) -> tuple[float, float, pd.DataFrame]:
    """Return how long training takes, how much of the CPU, and its history."""
    ids = list(cohort.patients)
    settings = Settings.model_validate(
        {
            "fit": {"epochs": epochs, "patience": None, "batch_size": 16},
            "encoders": {"scan": {"name": "monai", "freeze": True, "options": OPTIONS}},
        }
    )
    plate = mmlego.Baseplate(mmlego.tasks.Classification(["0", "1"]))
    with tempfile.TemporaryDirectory() as out:
        started, busy = time.perf_counter(), time.process_time()
        train_block(
            cohort, "scan", plate, ids[20:], ids[:20], settings, seed=0, out=Path(out), resume=False, progress=False
        )
        took, used = time.perf_counter() - started, time.process_time() - busy
        return took, used, pd.read_csv(Path(out) / "history.csv")


if __name__ == "__main__":
    main()
