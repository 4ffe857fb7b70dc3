"""Measure ``mmlego bench`` on workers against one after another: GSE7390, five folds three times, in turn.

Each run is a process of its own, with a thread a cell and a folder of its own, from the command to its table; Ray's
start and end are in it. Scores must be equal to the last digit, else nothing is reported. On a machine that does other
work nothing is measured: its load is looked at first. From the repository: ``python benchmarks/speed/workers.py``
(extra ``ray``), which writes ``benchmarks/speed/workers.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import mmlego

RESULTS = Path(__file__).with_name("workers.json")
BUSY = 0.5  # runnable processes of others beyond which nothing is measured


def main() -> None:
    """Run in turn, compare, and write what came out."""
    parser = argparse.ArgumentParser(description="Seconds of mmlego bench by the number of workers.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pairs", type=int, default=3, help="how often both are run, in turn")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--busy", action="store_true", help="measure on a busy machine, too; no file is written")
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    if load > BUSY and not chosen.busy:
        raise SystemExit(f"the machine is busy (load {load:.1f}): wait until it is not, or pass --busy")
    pairs = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run([sys.executable, "-m", "mmlego", "example", "gse7390", "-o", folder / "data"], check=True)
        for turn in range(chosen.pairs):
            order = (1, chosen.workers) if turn % 2 == 0 else (chosen.workers, 1)
            found = {count: seconds(count, chosen, folder, folder / f"{turn}-{count}") for count in order}
            if scores(folder / f"{turn}-1") != scores(folder / f"{turn}-{chosen.workers}"):
                raise SystemExit("the results differ: nothing to report")
            pairs.append([found[1], found[chosen.workers]])
            print(f"1 worker {found[1]:.1f} s, {chosen.workers} workers {found[chosen.workers]:.1f} s", flush=True)
    low, middle, high = np.percentile([one / many for one, many in pairs], [25, 50, 75])
    print(f"{chosen.workers} workers are {middle:.2f} [{low:.2f}, {high:.2f}] times as fast; results equal")
    if not chosen.busy:
        facts = {
            "mmlego": mmlego.__version__,
            "machine": platform.machine(),
            "cores": os.cpu_count(),
            "load_before": round(load, 2),
            "folds": chosen.folds,
            "repeats": chosen.repeats,
            "workers": chosen.workers,
        }
        ratio = {"median": round(middle, 3), "quartiles": [round(low, 3), round(high, 3)]}
        RESULTS.write_text(json.dumps({**facts, "seconds": pairs, "ratio": ratio}, indent=1) + "\n")


def seconds(workers: int, chosen: argparse.Namespace, folder: Path, out: Path) -> float:
    """Return how long the verb takes with so many workers."""
    command: list[Any] = [sys.executable, "-m", "mmlego", "bench", "-d", folder / "data" / "cohort.yaml", "-o", out]
    command += ["--folds", chosen.folds, "--repeats", chosen.repeats, "--workers", workers, "--threads", 1]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(done.stderr)
    return round(took, 2)


def scores(out: Path) -> list[dict[str, Any]]:
    """Return what a run found, without its times."""
    splits = json.loads((out / "private" / "results.json").read_text())["splits"]
    return [{name: value for name, value in split.items() if name not in ("seconds", "cpu")} for split in splits]


if __name__ == "__main__":
    main()
