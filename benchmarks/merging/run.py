"""Measure merging and fusing: every number of docs/merging.md comes from here.

Each split of each cohort is a JSON file of its own, so an interrupted run goes on where it stopped. From the
repository: ``python benchmarks/merging/run.py --data FOLDER``, where FOLDER holds ``tcga``, ``physionet2012`` and
``molecules``; ``--smoke`` checks the plumbing in a minute or two and measures nothing.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

import torch
from methods import SHARES, Case, measure
from rich.console import Console
from rich.progress import Progress

from cohorts import ROOT, cohort_of, settings_of
from mmlego import __version__
from mmlego.files import write_atomically
from mmlego.fingerprint import fingerprint, hash_plain

# The defaults were chosen on splits of seeds 0 and 1; what is reported comes from others.
SEED = 2
COHORTS = {"gse7390": 3, "blca": 3, "kirp": 3, "icu": 2, "bbbp": 1, "clintox": 1, "synthetic": 2}
FOLDS = 5
BLOCKS = ("defaults", "neural")  # what mmlego makes if nobody says otherwise; neural blocks alone, as in the paper
# What was measured by other code is measured again; whoever changes the library starts with an empty folder.
PARTS = ("run", "methods", "dull", "cohorts")
CODE = [__version__, *(Path(__file__).with_name(f"{part}.py").read_text() for part in PARTS)]
SMOKE = ["plate.channels=4", "plate.width=16", "fit.epochs=1", "fuse.fit.epochs=1"]


def main() -> None:
    """Run what is asked for and is not there yet."""
    parser = argparse.ArgumentParser(description="Measure merging and fusing on repeated splits.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "merging")
    parser.add_argument("--cohorts", nargs="+", choices=list(COHORTS), default=list(COHORTS))
    parser.add_argument("--repeats", type=int, help="repeats of five folds; default: as documented")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=2, help="splits at a time, a thread each")
    parser.add_argument("--blocks", nargs="+", choices=BLOCKS, default=list(BLOCKS), help="of which sort")
    parser.add_argument("--shares", nargs="+", type=float, default=list(SHARES), help="of the pairs, 1 among them")
    parser.add_argument("--smoke", action="store_true", help="one split each, tiny models: plumbing, not scores")
    chosen = parser.parse_args()
    splits = 1 if chosen.smoke else None
    out = chosen.out / "smoke" if chosen.smoke else chosen.out
    jobs = [
        (name, index, chosen.data, out / sort, chosen.seed, chosen.smoke, sort == "neural", chosen.shares)
        for sort in chosen.blocks
        for index in range(splits or FOLDS * max(COHORTS.values()))
        for name in chosen.cohorts
        if splits or index < FOLDS * (chosen.repeats or COHORTS[name])
    ]
    console = Console()
    started = time.perf_counter()
    with Progress(console=console) as progress, ProcessPoolExecutor(chosen.jobs) as pool:
        task = progress.add_task("splits", total=len(jobs))
        running = {pool.submit(one, *job): job[:2] for job in jobs}
        failed = 0
        for done in as_completed(running):
            error = done.exception()
            if error is not None:
                failed += 1
                name, index = running[done]
                progress.console.print(f"{name} {index}: {type(error).__name__}: {error}", markup=False)
            else:
                progress.console.print(done.result())
            progress.advance(task)
    if failed:
        raise SystemExit(f"{failed} of {len(jobs)} splits failed; what is done is in {out}")
    console.print(f"{len(jobs)} splits in {(time.perf_counter() - started) / 60:.1f} min; results in {out}")


def one(name: str, index: int, data: Path, out: Path, seed: int, smoke: bool, neural: bool, of: list[float]) -> str:
    """Measure one split, unless its file is there; return a line about it."""
    torch.set_num_threads(1)
    settings = settings_of(name, SMOKE if smoke else (), neural=neural)
    cohort = _cohort(name, data)
    repeat, fold = divmod(index, FOLDS)
    split = cohort.split(folds=FOLDS, repeats=repeat + 1, validation=0.2, seed=seed)[repeat * FOLDS + fold]
    mark = fingerprint(cohort, split, settings, [seed, smoke, CODE])
    # A folder holds the splits of one cohort, measured alike; a file says which split it is of.
    file = out / f"{name}-{hash_plain([mark.cohort, mark.settings, mark.method])[:8]}" / f"{index:02d}.json"
    if file.is_file() and not mark.differences(json.loads(file.read_text()).get("fingerprint", {})):
        return f"{name} {index}: done before"
    case = Case(cohort, split, settings, seed=10_000 * seed + 100 * index, neural=neural)
    started = time.perf_counter()
    shares = (0.25, 1.0) if smoke else of
    result = measure(case, shares=shares)
    seconds = time.perf_counter() - started
    task = cohort.outcome_spec.fit_task(cohort.outcome)  # type: ignore[union-attr]
    facts = {
        "cohort": name,
        "index": index,
        "seed": seed,
        "cohort_sha256": mark.cohort[:8],
        "fingerprint": mark.config(),
        "metric": task.primary_metric,
        "patients": {part: len(case.ids(part)) for part in ("train", "validation", "test")},
        "total_seconds": round(seconds, 1),
    }
    write_atomically(file, json.dumps(facts | result, indent=1) + "\n")
    return f"{name} {index}: {seconds:.0f} s"


_cohort = functools.cache(cohort_of)  # each process reads a cohort once


if __name__ == "__main__":
    main()
