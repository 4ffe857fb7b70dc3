"""One split of one cohort, measured: the cell of the merging benchmark, which workers import."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from methods import Case, measure

from cohorts import place_of, settings_of
from mmlego.cells import Cell, cohort_of, keep_cohort, versions
from mmlego.data import Cohort, Split
from mmlego.fingerprint import fingerprint, hash_cohort, hash_plain
from mmlego.settings import Settings
from mmlego.version import __version__

FOLDS = 5
# What was measured by other code is measured again; whoever changes the library starts with an empty folder.
PARTS = ("one_split", "methods", "dull", "cohorts")
CODE = [__version__, *(Path(__file__).with_name(f"{part}.py").read_text() for part in PARTS)]
SMOKE = ["plate.channels=4", "plate.width=16", "fit.epochs=1", "fuse.fit.epochs=1"]


def cells_of(
    cohort: Cohort,
    name: str,
    data: Path,
    *,
    count: int,
    seed: int,
    sort: str,
    smoke: bool,
    shares: Sequence[float],
) -> list[Cell]:
    """Return the cells of the first splits of a cohort, with the blocks of a sort."""
    settings = settings_of(name, SMOKE if smoke else (), neural=sort == "neural")
    sha256 = hash_cohort(cohort)
    keep_cohort(cohort, sha256)
    splits = cohort.split(folds=FOLDS, repeats=-(-count // FOLDS), validation=0.2, seed=seed)
    return [
        Cell(
            job="merging",
            cohort=name,
            cohort_sha256=sha256,
            split={part: rows.tolist() for part, rows in split.parts().items()},
            method={"code": hash_plain(CODE), "blocks": sort, "smoke": smoke, "shares": list(shares)},
            settings=settings.model_dump(mode="json"),
            scenario={"index": index},
            seed=seed,
            versions=versions(),
            label=f"{name} {index}, {sort}",
            place=place_of(name, data),
        )
        for index, split in enumerate(splits[:count])
    ]


def run_cell(cell: Cell) -> dict[str, Any]:
    """Measure a split; return what there is to say of it."""
    cohort, settings, split = cohort_of(cell), Settings.model_validate(cell.settings), Split(**cell.split)
    index, smoke = cell.scenario["index"], cell.method["smoke"]
    mark = fingerprint(cohort, split, settings, [cell.seed, smoke, CODE])
    case = Case(
        cohort, split, settings, seed=10_000 * cell.seed + 100 * index, neural=cell.method["blocks"] == "neural"
    )
    started = time.perf_counter()
    result = measure(case, shares=(0.25, 1.0) if smoke else cell.method["shares"])
    task = cohort.outcome_spec.fit_task(cohort.outcome)  # type: ignore[union-attr,arg-type]
    facts = {
        "cohort": cell.cohort,
        "index": index,
        "seed": cell.seed,
        "cohort_sha256": mark.cohort[:8],
        "fingerprint": mark.config(),
        "metric": task.primary_metric,
        "patients": {part: len(case.ids(part)) for part in ("train", "validation", "test")},
        "total_seconds": round(time.perf_counter() - started, 1),
    }
    return facts | result


def file_of(result: dict[str, Any], out: Path) -> Path:
    """Return where a result goes: a folder holds the splits of one cohort, measured alike."""
    mark = result["fingerprint"]
    alike = hash_plain([mark["cohort"], mark["settings"], mark["method"]])[:8]
    return out / f"{result['cohort']}-{alike}" / f"{result['index']:02d}.json"
