"""Measure how long tables take to be read and checked, and how much memory, against an older build beside.

Three shapes of CSV, of random numbers: many rows, many columns, very many columns. Reading is what a cohort from a
manifest takes, checking what a split takes, which looks for equal rows. The builds run in turn, each time in a process
of its own, whose peak of memory is counted beyond what imports take; medians of the runs, and the fastest of each,
which says more where the machine does other work too. From the repository: ``python benchmarks/loading/tables.py
--against FOLDER --threads 2``, where FOLDER is the ``src`` of a checkout of the older build.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).with_name("tables.json")
SHAPES = ((20_000, 2_000), (300, 60_000), (200, 450_000))
LIMIT = 1800  # seconds a run
CHILD = """
import json, resource, sys, time
from pathlib import Path
from mmlego.data import Cohort
import pandas, pandas.testing, scipy.stats
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
before, wall, cpu = peak(), time.perf_counter(), time.process_time()
cohort = Cohort.from_manifest(Path(sys.argv[1]))
read = time.perf_counter() - wall
cohort.split(folds=5, stratify=None)
print(json.dumps({"seconds": time.perf_counter() - wall, "read": read, "cpu": time.process_time() - cpu,
                  "mib": peak() - before}))
"""


def main() -> None:
    """Run all shapes, print the table, and write the results."""
    parser = argparse.ArgumentParser(description="Seconds and memory to read tables, against an older build.")
    parser.add_argument("--against", type=Path, help="the src folder of a checkout of the older build")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--shapes", type=int, default=len(SHAPES), help="so many of the shapes, the first ones")
    parser.add_argument("--slow", type=int, default=2, help="so many shapes also by the older build")
    parser.add_argument("--results", type=Path, default=RESULTS, help="the file to write")
    parser.add_argument("--threads", type=int, default=1, help="so many threads, of the older build too")
    chosen = parser.parse_args()
    here = Path(__file__).parents[2] / "src"
    rows = []
    for number, (patients, columns) in enumerate(SHAPES[: chosen.shapes]):
        builds = {"now": here}
        if chosen.against is not None and number < chosen.slow:
            builds["older"] = chosen.against
        with tempfile.TemporaryDirectory() as folder:
            manifest = write(Path(folder), patients, columns)
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in builds}
            for _ in range(chosen.repeats):
                for name, source in builds.items():
                    runs[name].append(measure(manifest, source, chosen.threads))
        rows.append({"patients": patients, "columns": columns} | {name: medians(found) for name, found in runs.items()})
        chosen.results.write_text(
            json.dumps({"repeats": chosen.repeats, "threads": chosen.threads, "cases": rows}, indent=1) + "\n"
        )
    show(rows)


def write(folder: Path, patients: int, columns: int) -> Path:
    """Write a table of random numbers and its manifest, which is returned."""
    rng = np.random.default_rng(0)
    words = np.array([f"{value:.4f}" for value in rng.normal(size=100_000)], dtype=object)
    with (folder / "x.csv").open("w") as file:
        file.write("id," + ",".join(f"g{number}" for number in range(columns)) + "\n")
        for patient in range(patients):
            file.write(f"P{patient}," + ",".join(words[rng.integers(0, len(words), columns)]) + "\n")
    (folder / "cohort.yaml").write_text("key: id\nmodalities: {x: {kind: table, file: x.csv}}\n")
    return folder / "cohort.yaml"


def measure(manifest: Path, source: Path, threads: int) -> dict[str, float]:
    """Return seconds and MiB of one run of a build."""
    environment = os.environ | {"PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(manifest)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """Return the median of each number, and the seconds of the fastest run."""
    found = {name: round(statistics.median(run[name] for run in runs), 2) for name in runs[0]}
    return found | {"fastest": round(min(run["seconds"] for run in runs), 2)}


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table(title="Reading and checking a CSV: medians", title_justify="left")
    for name in ("patients", "columns", "build", "seconds", "fastest", "of which reading", "CPU seconds", "MiB"):
        table.add_column(name, justify="left" if name == "build" else "right")
    for row in rows:
        for build in ("older", "now"):
            if build in row:
                numbers = [f"{row[build][name]:.1f}" for name in ("seconds", "fastest", "read", "cpu", "mib")]
                table.add_row(f"{row['patients']:,}", f"{row['columns']:,}", build, *numbers)
    Console().print(table)


if __name__ == "__main__":
    main()
