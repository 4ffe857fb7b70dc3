"""Measure how long a cohort of ICU stays takes to load: from the text files, and from the cache.

Two layouts of the same stays, an archive and a folder, each from the files (without a cache, as if nothing had ever
been read) and from the cache; the median of the runs, with the fastest and the slowest. Imports are not counted.
From the repository: ``python benchmarks/loading/run.py FOLDER``, where FOLDER holds ``set-a.tar.gz`` and
``Outcomes-a.txt`` of the PhysioNet 2012 challenge.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import pandas
import yaml
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmlego
from mmlego.data import Cohort
from mmlego.data.reading.bundles import Bundle
from mmlego.errors import InputError

RESULTS = Path(__file__).with_name("results.json")
ARCHIVE, OUTCOMES = "set-a.tar.gz", "Outcomes-a.txt"
COLD, CACHED = 20.0, 1.0  # seconds: what loading may take


def main() -> None:
    """Run all cases, print the table, and write the results."""
    parser = argparse.ArgumentParser(description="Seconds to load the stays of the PhysioNet 2012 challenge.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("../shared/data/physionet2012"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one run each; no file is written")
    chosen = parser.parse_args()
    for name in (ARCHIVE, OUTCOMES):
        if not (chosen.folder / name).is_file():
            raise SystemExit(f"{chosen.folder} does not hold {name}: name the folder of the challenge's files")
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(chosen.folder, Path(folder), 1 if chosen.quick else chosen.repeats)
    show(rows)
    if not chosen.quick:
        facts = {"pandas": pandas.__version__, "mmlego": mmlego.__version__, "machine": platform.machine()}
        RESULTS.write_text(json.dumps({**facts, "cases": rows}, indent=1) + "\n")


def measure(source: Path, folder: Path, repeats: int) -> list[dict[str, Any]]:
    """Return a row a case."""
    bundle = Bundle.open(source / ARCHIVE)
    (folder / ARCHIVE).write_bytes((source / ARCHIVE).read_bytes())
    (folder / OUTCOMES).write_bytes((source / OUTCOMES).read_bytes())
    for name, content in bundle.files():
        file = folder / "stays" / Path(name).name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(content)
    cases = [(name, cached) for name in (ARCHIVE, "stays") for cached in (False, True)]
    rows = []
    for name, cached in track(cases, description="loading", console=Console(stderr=True)):
        manifest = folder / "cohort.yaml"
        manifest.write_text(yaml.safe_dump(manifest_of(name, cached)))
        if cached:
            Cohort.from_manifest(manifest)  # fills the cache
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            cohort = Cohort.from_manifest(manifest)
            times.append(time.perf_counter() - start)
        rows.append(
            {
                "files": "a folder" if name == "stays" else "an archive",
                "from": "the cache" if cached else "the text files",
                "stays": len(cohort.frames["series"]),
                "seconds": statistics.median(times),
                "fastest": min(times),
                "slowest": max(times),
                "goal": CACHED if cached else COLD,
            }
        )
    return rows


def manifest_of(name: str, cached: bool) -> dict[str, Any]:
    """Return a manifest of all 37 variables."""
    series = {"kind": "series", "file": name, "horizon": 48, "cache": cached}
    outcome = {"task": "classification", "file": OUTCOMES, "label": "In-hospital_death"}
    return {"key": "RecordID", "outcome": outcome, "modalities": {"series": series}}


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = Table(title="Seconds to load a cohort: median, in brackets fastest and slowest", title_justify="left")
    for name in ("files", "from", "stays", "seconds", "goal"):
        table.add_column(name, justify="left" if name in ("files", "from") else "right")
    for row in rows:
        seconds = f"{row['seconds']:.2f} [{row['fastest']:.2f}, {row['slowest']:.2f}]"
        met = "met" if row["seconds"] <= row["goal"] else "missed"
        table.add_row(row["files"], row["from"], str(row["stays"]), seconds, f"≤ {row['goal']:g}: {met}")
    Console().print(table)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        raise SystemExit(str(error)) from error
