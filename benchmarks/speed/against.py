"""Measure the overhead around the mathematics against an older build of ours: imports, fits, verbs, the demo, bags.

Each run is a process of its own on one thread, the builds in turn; the ratio is that of CPU seconds of the process and
its children, which a busy machine changes less than those of a clock. Only of bags read from files, where what is
wanted is that reading and computing overlap, the clock counts, which says nothing on a busy machine: the load is
written with it. Fits must give equal histories to the last digit, else it is said by how much they differ.

From the repository: ``python benchmarks/speed/against.py --against FOLDER``, where FOLDER is the ``src`` of a checkout
of the older build; it writes ``benchmarks/speed/against.json``, case by case.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import mmlego
from mmlego.datasets import load_dataset

RESULTS = Path(__file__).with_name("against.json")
LIMIT = 1800  # seconds a run
PATIENTS, EPOCHS = 120, 60
SLIDES, PATCHES, WIDTH = 12, 4_000, 1_024
WANTED = {"first fit": 2.0, "fit after the first": 2.5, "demo": 2.5, "bags": 1.7}

FITS = """
import json, sys, time
import numpy as np, torch
from mmlego import Baseplate, LegoBlock, fit
from mmlego.encoders import SNN
from mmlego.tasks import Survival
torch.set_num_threads(1)
held = np.load(sys.argv[1])
x, y = torch.from_numpy(held["x"]), torch.from_numpy(held["y"])
def run():
    torch.manual_seed(0)
    block = LegoBlock(SNN(x.shape[1], hidden=[32], dropout=0.5, input_dropout=0.3),
                      Baseplate(Survival(held["cuts"].tolist())), "genes")
    return fit(block, (x, y), epochs=int(sys.argv[2]), patience=None, progress=False)
first = run()
used = time.process_time()
again = run()
print(json.dumps({"first fit": used, "fit after the first": time.process_time() - used,
                  "history": again["validation_loss"].tolist(), "train": again["train_loss"].tolist()}))
"""
SAVED = """
import sys, torch
from mmlego import Baseplate, LegoBlock, save
from mmlego.encoders import SNN
from mmlego.tasks import Survival
save(LegoBlock(SNN(76), Baseplate(Survival([1.0, 3.0])), "genes"), sys.argv[1])
"""
BAGS = """
import json, sys, tempfile, time
from pathlib import Path
import torch
from mmlego.data import Cohort
from mmlego.encoders import PatchMLP
from mmlego import Baseplate, LegoBlock, fit
torch.set_num_threads(1)
cohort = Cohort.from_manifest(Path(sys.argv[1]))
task = cohort.outcome_spec.fit_task(cohort.outcome)
data = cohort.prepare(list(cohort.patients), task=task).data()
block = LegoBlock(PatchMLP(int(sys.argv[2]), 64, 64), Baseplate(task), "slides")
began, used = time.perf_counter(), time.process_time()
history = fit(block, data, validation=None, epochs=2, batch_size=4, patience=None, progress=False)
print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time() - used,
                  "train": history["train_loss"].tolist()}))
"""


def main() -> None:
    """Run the cases, print the ratios, and write them."""
    parser = argparse.ArgumentParser(description="CPU seconds against an older build.")
    parser.add_argument("--against", type=Path, required=True, help="the src folder of a checkout of the older build")
    parser.add_argument("--pairs", type=int, default=5, help="how often both are run, in turn")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file to write")
    chosen = parser.parse_args()
    builds = {"older": chosen.against.resolve(), "now": Path(__file__).resolve().parents[2] / "src"}
    known = json.loads(chosen.results.read_text()) if chosen.results.is_file() else {"cases": {}}
    with tempfile.TemporaryDirectory() as place:
        for case in chosen.cases:
            known["cases"] |= CASES[case](builds, chosen.pairs, Path(place))
            known |= {"mmlego": mmlego.__version__, "machine": platform.machine(), "threads": 1}
            chosen.results.write_text(json.dumps(known, indent=1) + "\n")


def fits(builds: dict[str, Path], pairs: int, place: Path) -> dict[str, Any]:
    """Return the first fit of a process with its imports, and the one after it."""
    cohort = load_dataset("gse7390", {})
    genes, known = cohort.frames["genes"].iloc[:PATIENTS], cohort.outcome.iloc[:PATIENTS]
    spec = cohort.outcome_spec
    task = spec.fit_task(known)
    x = genes.to_numpy(np.float32)
    x = (x - x.mean(0)) / x.std(0)
    held = {"x": x, "y": spec.target(known, task).numpy(), "cuts": np.asarray(task.config()["cuts"])}
    np.savez(place / "fits.npz", **held)
    runs = in_turn(builds, pairs, lambda build: said(build, FITS, place / "fits.npz", EPOCHS))
    off = max(
        abs(a - b)
        for one in runs
        for key in ("history", "train")
        for a, b in zip(one["older"][key], one["now"][key], strict=True)
    )
    print(f"histories differ by {off:.1e}")
    names = ("first fit", "fit after the first")
    return {name: result(name, [(one["older"][name], one["now"][name]) for one in runs], off=off) for name in names}


def verbs(builds: dict[str, Path], pairs: int, place: Path) -> dict[str, Any]:
    """Return ``--help`` and ``inspect``, on a checkpoint of the older build."""
    subprocess.run(
        [sys.executable, "-c", SAVED, str(place / "block")], env=environment(builds["older"]), check=True, timeout=LIMIT
    )
    found = {}
    for name, words in {"--help": ["--help"], "inspect": ["inspect", str(place / "block")]}.items():
        runs = in_turn(builds, pairs, lambda build, words=words: used(build, ["-m", "mmlego", *words]))
        found[name] = result(name, [(one["older"]["cpu"], one["now"]["cpu"]) for one in runs])
    return found


def demo(builds: dict[str, Path], pairs: int, place: Path) -> dict[str, Any]:
    """Return the whole process of the demo."""

    def run(build: Path) -> dict[str, float]:
        out = Path(tempfile.mkdtemp(dir=place)) / "demo"
        return used(build, ["-m", "mmlego", "demo", "--out", str(out)])

    runs = in_turn(builds, pairs, run)
    return {"demo": result("demo", [(one["older"]["cpu"], one["now"]["cpu"]) for one in runs])}


def bags(builds: dict[str, Path], pairs: int, place: Path) -> dict[str, Any]:
    """Return training on bags in chunked, compressed files, by the clock."""
    import h5py

    rng = np.random.default_rng(0)
    (place / "slides").mkdir()
    for slide in range(SLIDES):
        features = rng.normal(size=(PATCHES, WIDTH)).astype(np.float16)
        with h5py.File(place / "slides" / f"P{slide}.h5", "w") as file:
            file.create_dataset("features", data=features, chunks=(256, WIDTH), compression="gzip", compression_opts=1)
    rows = "".join(f"P{slide},{slide % 2}\n" for slide in range(SLIDES))
    (place / "patients.csv").write_text(f"id,ill\n{rows}")
    (place / "cohort.yaml").write_text(
        "key: id\noutcome: {task: classification, file: patients.csv, label: ill}\n"
        'modalities: {slides: {kind: bag, pattern: "slides/{key}.h5"}}\n'
    )
    runs = in_turn(builds, pairs, lambda build: said(build, BAGS, place / "cohort.yaml", WIDTH))
    load = os.getloadavg()[0]
    return {"bags": result("bags", [(one["older"]["seconds"], one["now"]["seconds"]) for one in runs], load=load)}


def in_turn(builds: dict[str, Path], pairs: int, run: Any) -> list[dict[str, Any]]:
    """Return what runs of both builds say, the order changing from pair to pair."""
    found = []
    for turn in range(pairs):
        order = list(builds) if turn % 2 == 0 else list(reversed(builds))
        found.append({name: run(builds[name]) for name in order})
    return found


def said(build: Path, code: str, *arguments: object) -> dict[str, Any]:
    """Return what a script prints as JSON, by a build."""
    words = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(words, env=environment(build), capture_output=True, text=True, timeout=LIMIT, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def used(build: Path, words: list[str]) -> dict[str, float]:
    """Return the seconds of a process: by the clock, and of the CPU with its children's."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, *words], env=environment(build), capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return {"seconds": time.perf_counter() - began, "cpu": cpu}


def environment(build: Path) -> dict[str, str]:
    """Return the variables of a process that runs a build on one thread."""
    return os.environ | {"PYTHONPATH": str(build), "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def result(name: str, pairs: list[tuple[float, float]], **more: float) -> dict[str, Any]:
    """Return medians and the ratio with its quartiles, and print them."""
    low, middle, high = np.percentile([older / now for older, now in pairs], [25, 50, 75])
    older, now = (float(np.median([pair[side] for pair in pairs])) for side in (0, 1))
    print(f"{name}: {older:.2f} → {now:.2f} s, {middle:.1f} [{low:.1f}, {high:.1f}] times as fast", flush=True)
    kept = {"older": round(older, 3), "now": round(now, 3), "pairs": len(pairs)}
    ratio = {"median": round(middle, 2), "quartiles": [round(low, 2), round(high, 2)]}
    return kept | {"ratio": ratio, "wanted": WANTED.get(name)} | more


CASES = {"fits": fits, "verbs": verbs, "demo": demo, "bags": bags}

if __name__ == "__main__":
    main()
