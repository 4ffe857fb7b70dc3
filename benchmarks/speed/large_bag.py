"""Measure the memory that predicting one large bag takes: read and encoded in parts, against as a whole.

One slide of random features, fp16 in a chunked HDF5 file, the usual encoder of bags on the default plate, unordered.
Each way is a process of its own; the peak is that of the process, imports and all. Logits must agree to 1e-5 of the
largest. From the repository: ``python benchmarks/speed/large_bag.py``, which writes ``large_bag.json`` beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import mmlego

RESULTS = Path(__file__).with_name("large_bag.json")
WANTED = 3072  # MiB
CHILD = """
import json, resource, sys, time
from pathlib import Path
import torch
from mmlego import Baseplate, LegoBlock
from mmlego.data import Cohort
from mmlego.encoders import PatchMLP
from mmlego.tasks import Classification
from mmlego.training import streaming
from mmlego.training.evaluate import all_logits
torch.set_num_threads(1)
if sys.argv[2] == "whole":
    streaming.LARGE = 2**62
cohort = Cohort.from_manifest(Path(sys.argv[1]))
data = cohort.prepare(list(cohort.patients)).data()
torch.manual_seed(0)
width = int(sys.argv[3])
block = LegoBlock(PatchMLP(width), Baseplate(Classification(2)), "slides")
began, used = time.perf_counter(), time.process_time()
logits = all_logits(block, data, 64)
print(json.dumps({"logits": logits.flatten().tolist(), "seconds": time.perf_counter() - began,
                  "cpu": time.process_time() - used,
                  "mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def main() -> None:
    """Write the bag, ask in both ways, and write what came out."""
    parser = argparse.ArgumentParser(description="Memory to predict a large bag.")
    parser.add_argument("--patches", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=1_024)
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file to write")
    parser.add_argument("--skip-whole", action="store_true", help="where there is no memory for it")
    chosen = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as place:
        manifest = write(Path(place), chosen.patches, chosen.width)
        for way in ("parts",) if chosen.skip_whole else ("parts", "whole"):
            found[way] = asked(manifest, way, chosen.width)
            print(f"{way}: {found[way]['mib']:.0f} MiB, {found[way]['cpu']:.1f} s of CPU", flush=True)
    facts: dict[str, Any] = {"mmlego": mmlego.__version__, "machine": platform.machine(), "wanted_mib": WANTED}
    facts |= {"patches": chosen.patches, "width": chosen.width, "threads": 1}
    if "whole" in found:
        parts, whole = (np.array(found[way]["logits"]) for way in ("parts", "whole"))
        off = float(np.abs(parts - whole).max() / np.abs(whole).max())
        print(f"off by {off:.1e} of the largest")
        if not off <= 1e-5:
            raise SystemExit("the answers differ: nothing to report")
        facts["off"] = off
    kept = {way: {name: round(one[name], 1) for name in ("mib", "cpu", "seconds")} for way, one in found.items()}
    chosen.results.write_text(json.dumps(facts | kept, indent=1) + "\n")


def write(folder: Path, patches: int, width: int) -> Path:
    """Write a bag and its manifest, which is returned."""
    import h5py

    rng = np.random.default_rng(0)
    with h5py.File(folder / "P0.h5", "w") as file:
        made = file.create_dataset("features", (patches, width), dtype=np.float16, chunks=(1024, width))
        for start in range(0, patches, 50_000):
            rows = min(50_000, patches - start)
            made[start : start + rows] = rng.standard_normal((rows, width), dtype=np.float32)
    (folder / "patients.csv").write_text("id\nP0\n")
    (folder / "cohort.yaml").write_text('key: id\nmodalities: {slides: {kind: bag, pattern: "{key}.h5"}}\n')
    return folder / "cohort.yaml"


def asked(manifest: Path, way: str, width: int) -> dict[str, Any]:
    """Return what a process says."""
    words = [sys.executable, "-c", CHILD, str(manifest), way, str(width)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr or f"ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    main()
