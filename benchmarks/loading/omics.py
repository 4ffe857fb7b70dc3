"""Measure how long wide omics take from their files to tensors, and how much memory: each case in a process of its own.

Cells: 20,000 × 10,000, sparse, a row a cell, averaged to 200 patients. Methylation: 200 patients × 112,500, 225,000 and
450,000 sites, genes in rows as Xena gives them out; time should grow as the sites do. From the repository:
``python benchmarks/loading/omics.py``; needs 1.5 GB of disk while it runs.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
from anndata import AnnData
from rich.console import Console
from rich.table import Table
from scipy import sparse

import mmlego
from mmlego.data import Cohort

RESULTS = Path(__file__).with_name("omics.json")
PATIENTS, CELLS, GENES, SITES = 200, 20_000, 10_000, (112_500, 225_000, 450_000)
MOST = 1024  # MiB: what cells may take
STEPS = ("read", "guard", "prepare", "tensors")


def main() -> None:
    """Run all cases, print the table, and write the results."""
    parser = argparse.ArgumentParser(description="Seconds and memory of wide omics.")
    parser.add_argument("--case", type=Path, help="measure this manifest, in this process")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the size; no file is written")
    chosen = parser.parse_args()
    if chosen.case is not None:
        sys.stdout.write(json.dumps(measure(chosen.case)))
        return
    with tempfile.TemporaryDirectory() as folder:
        rows = [run(name, path) for name, path in write(Path(folder), 10 if chosen.quick else 1)]
    show(rows)
    if not chosen.quick:
        facts = {"pandas": pd.__version__, "mmlego": mmlego.__version__, "machine": platform.machine()}
        RESULTS.write_text(json.dumps({**facts, "cases": rows}, indent=1) + "\n")


def write(folder: Path, smaller: int) -> list[tuple[str, Path]]:
    """Write the files and a manifest a case, and return the manifests by name."""
    ids = [f"P{i:04}" for i in range(PATIENTS)]
    pd.DataFrame({"id": ids, "y": ["a", "b"] * (PATIENTS // 2)}).to_csv(folder / "outcome.csv", index=False)
    rng = np.random.default_rng(0)
    cases = []
    matrix = sparse.random(CELLS // smaller, GENES // smaller, 0.08, format="csr", dtype=np.float32, random_state=0)
    obs = pd.DataFrame({"id": rng.choice(ids, matrix.shape[0])}, index=[f"c{i}" for i in range(matrix.shape[0])])
    for form in ("csr", "csc"):
        var = pd.DataFrame(index=[f"G{i}" for i in range(matrix.shape[1])])
        AnnData(matrix.asformat(form), obs, var).write_h5ad(folder / f"{form}.h5ad")
        name = f"cells, {form}, {matrix.shape[0]:,} × {matrix.shape[1]:,}"
        cases.append((name, manifest(folder, f"file: {form}.h5ad, rows: mean")))
    for sites in (number // smaller for number in SITES):
        columns = [pa.array([f"cg{i:08}" for i in range(sites)])]
        columns += [pa.array(rng.random(sites).round(4)) for _ in ids]
        table = pa.table(columns, names=["sample", *ids])
        options = pyarrow.csv.WriteOptions(delimiter="\t", quoting_style="none")
        pyarrow.csv.write_csv(table, folder / f"{sites}.tsv", options)
        name = f"methylation, {PATIENTS} × {sites:,}"
        cases.append((name, manifest(folder, f"file: {sites}.tsv, genes: rows")))
    return cases


def manifest(folder: Path, section: str) -> Path:
    """Write a manifest of one modality, and return where."""
    path = folder / f"{len(list(folder.glob('*.yaml')))}.yaml"
    path.write_text(
        "key: id\noutcome: {task: classification, file: outcome.csv, label: y}\n"
        f"modalities: {{omics: {{kind: omics, {section}}}}}\n"
    )
    return path


def run(name: str, path: Path) -> dict[str, Any]:
    """Measure a manifest in a process of its own."""
    command = [sys.executable, __file__, "--case", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {"case": name, **found}


def measure(path: Path) -> dict[str, Any]:
    """Return seconds of each step, and the peak of memory with all that is imported, in MiB."""
    seconds: dict[str, float] = {}
    before = _peak()
    start = time.perf_counter()
    cohort = Cohort.from_manifest(path)
    seconds["read"] = time.perf_counter() - start
    read = _peak()
    start = time.perf_counter()
    split = cohort.split(folds=5)[0]
    seconds["guard"] = time.perf_counter() - start
    start = time.perf_counter()
    prepared = cohort.prepare([cohort.patients[row] for row in split.train])
    seconds["prepare"] = time.perf_counter() - start
    start = time.perf_counter()
    data = prepared.data()
    seconds["tensors"] = time.perf_counter() - start
    return {"patients": len(data), "seconds": seconds, "imports": before, "peak of reading": read, "peak": _peak()}


def _peak() -> float:
    status = Path("/proc/self/status")
    if status.is_file():  # there the other number would be that of the parent, where that is higher
        return (
            next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")) / 2**10
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table(title="Seconds a step, and the peak of memory in MiB, imports included", title_justify="left")
    for name in ("case", *STEPS, "imports", "reading", "peak"):
        table.add_column(name, justify="left" if name == "case" else "right")
    for row in rows:
        peak = f"{row['peak']:.0f}"
        if row["case"].startswith("cells"):
            peak += f" ≤ {MOST}: {'met' if row['peak'] <= MOST else 'missed'}"
        times = (f"{row['seconds'][step]:.1f}" for step in STEPS)
        table.add_row(row["case"], *times, f"{row['imports']:.0f}", f"{row['peak of reading']:.0f}", peak)
    Console().print(table)


if __name__ == "__main__":
    main()
