"""What the parts of a block are good for: each variant trains its blocks anew; one JSON a variant, cohort and split.

From the repository: ``python benchmarks/merging/ablation.py --data FOLDER``, resumable; prints the tables.
"""

from __future__ import annotations

import argparse
import importlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from methods import Case
from tables import TITLES, spread

from cohorts import ROOT, cohort_of, place_of, settings_of
from mmlego import Baseplate, LegoMerge, LegoWarning
from mmlego.bench.score import ensemble_logits
from mmlego.bench.statistics import compare
from mmlego.cells import Cell, Workers, keep_cohort, run_cells, versions
from mmlego.cells import cohort_of as cohort_in
from mmlego.commands.progress import along
from mmlego.data import Cohort, Split
from mmlego.files import write_atomically
from mmlego.fingerprint import hash_cohort, hash_plain
from mmlego.job import data_of, fit_blocks
from mmlego.settings import Settings
from mmlego.training.evaluate import all_logits, scores_of

SEED = 2
FOLDS = 5
COHORTS = ("gse7390", "kirp", "synthetic")
SMALL: dict[str, Any] = {"channels": 8, "width": 16}
LARGE: dict[str, Any] = {"channels": 32, "width": 64}
PLATES: dict[str, dict[str, Any]] = {
    "default (frequency, complex, 16 × 32, S = 2)": {},
    "spatial": {"domain": "spatial"},
    "state real": {"state": "real"},
    "state untracked": {"state": "untracked"},
    "not normalised": {"normalise": False},
    "steps apart": {"share_steps": False},
    "S = 1": {"steps": 1},
    "S = 4": {"steps": 4},
    "8 × 16": SMALL,
    "32 × 64": LARGE,
}
STARTS = ("no baseplate", "latent and head", "all but the encoder")
# What was measured by other code is measured again.
CODE = [Path(__file__).with_name(f"{part}.py").read_text() for part in ("ablation", "methods", "cohorts")]
MERGES: dict[str, dict[str, Any]] = {"LegoMerge": {}, "merged heads": {"rule": "mean", "heads": "slerp"}}


def main() -> None:
    """Run what is not there yet, and print the tables."""
    parser = argparse.ArgumentParser(description="Variants of blocks and of their common start.")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "merging" / "ablation")
    parser.add_argument("--cohorts", nargs="+", default=list(COHORTS))
    parser.add_argument("--folds", type=int, default=FOLDS)
    parser.add_argument("--workers", type=int, help="variants at a time; default: with Ray as many as cores")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    cohorts = {name: cohort_of(name, chosen.data) for name in chosen.cohorts}
    cells = [
        cell_of(cohorts[name], name, fold, variant, chosen.data)
        for fold in range(chosen.folds)
        for name in chosen.cohorts
        for variant in (*PLATES, *STARTS[:2])
    ]
    with along(len(cells), "variants") as watch:
        workers = Workers(chosen.workers, threads=1)
        folder = run_cells(
            cells, importlib.import_module("ablation").run_cell, chosen.out / "cells", workers=workers, watch=watch
        )
    for cell in cells:
        write(folder.read(cell), cell, chosen.out)
    for title, variants in (("block", tuple(PLATES)), ("start", STARTS)):
        print(f"### Variants of the {title}\n")
        print(table(chosen.out, chosen.cohorts, variants), end="\n\n")


def cell_of(cohort: Cohort, name: str, fold: int, variant: str, data: Path) -> Cell:
    """Return the cell of a variant on one split."""
    sha256 = hash_cohort(cohort)
    keep_cohort(cohort, sha256)
    split = cohort.split(folds=FOLDS, validation=0.2, seed=SEED)[fold]
    return Cell(
        job="ablation",
        cohort=name,
        cohort_sha256=sha256,
        split={part: rows.tolist() for part, rows in split.parts().items()},
        method={"code": hash_plain(CODE), "variant": variant},
        settings=settings_of(name).model_dump(mode="json"),
        scenario={"fold": fold},
        seed=SEED,
        versions=versions(),
        label=f"{name} {fold}, {variant}",
        place=place_of(name, data),
    )


def run_cell(cell: Cell) -> dict[str, float]:
    """Measure a variant on one split."""
    warnings.simplefilter("ignore", LegoWarning)
    cohort, settings = cohort_in(cell), Settings.model_validate(cell.settings)
    variant = cell.method["variant"]
    case = Case(cohort, Split(**cell.split), settings, seed=10_000 * SEED + 100 * cell.scenario["fold"])
    train, validation, test = (case.ids(part) for part in ("train", "validation", "test"))
    task = cohort.outcome_spec.fit_task(cohort.outcome.loc[train])  # type: ignore[union-attr]
    options = {**settings.plate.model_dump(), **PLATES.get(variant, {})}
    plates = {modality: _plate(task, options, variant, i) for i, modality in enumerate(cohort.modalities)}
    parts = dict.fromkeys(cohort.modalities, (train, validation))
    blocks = fit_blocks(cohort, plates, parts, settings, seed=case.seed)
    merges = {way: LegoMerge(list(blocks.values()), allow_mismatch=True, **how) for way, how in MERGES.items()}
    merge = merges["LegoMerge"]
    shown = data_of(merge, cohort, test)

    def score(logits: torch.Tensor) -> float:
        return scores_of(task, logits, shown.target, None)[task.primary_metric]

    result = {"ensemble": score(ensemble_logits(blocks, shown))}
    return result | {way: score(all_logits(model, shown, 256)) for way, model in merges.items()}


def write(result: Mapping[str, float], cell: Cell, out: Path) -> None:
    """Write what a variant measured as the tables read it."""
    file = _file(out, cell.cohort, cell.method["variant"], cell.scenario["fold"])
    write_atomically(file, json.dumps(result) + "\n")


def _plate(task: Any, options: Mapping[str, Any], variant: str, index: int) -> Baseplate:
    """Return the plate of the ``index``-th block; of how little they have in common the variant tells."""
    shared = Baseplate(task, **options)
    if variant not in STARTS[:2]:
        return shared
    own = Baseplate(task, **{**options, "seed": 1000 + index})
    kept = ("latent", "head.") if variant == STARTS[1] else ()
    initial = {name: (shared if name.startswith(kept) else own).initial[name] for name in own.initial} if kept else None
    return own if initial is None else Baseplate(task, **options, initial=initial)


def _file(out: Path, name: str, variant: str, fold: int) -> Path:
    stem = variant if variant != STARTS[2] else next(iter(PLATES))  # that is the default
    return out / name / f"{''.join(c if c.isalnum() else '-' for c in stem)}-{fold}.json"


def table(out: Path, cohorts: list[str], variants: tuple[str, ...]) -> str:
    """Return scores by variant: mean ± sd of the ensemble, and what merge and merged heads differ from it by."""
    lines = ["|  | " + " | ".join(TITLES[name] for name in cohorts) + " |", "|---|" + "---|" * len(cohorts)]
    for variant in variants:
        cells = []
        for name in cohorts:
            files = [_file(out, name, variant, fold) for fold in range(FOLDS)]
            got = [json.loads(file.read_text()) for file in files if file.is_file()]
            ensemble, merge, heads = ([run[way] for run in got] for way in ("ensemble", "LegoMerge", "merged heads"))
            found = [compare(part, ensemble, test_share=1 / FOLDS) for part in (merge, heads)]
            cells.append(" ".join([spread(np.array(ensemble)), *(f"{part.difference:+.3f}" for part in found)]))
        lines.append(f"| {variant} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
