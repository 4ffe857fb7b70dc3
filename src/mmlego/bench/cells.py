"""The cells of an experiment: each split's main job, its rivals, and models end to end on a share of the patients."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from mmlego.baselines import rivals_for
from mmlego.bench.design import Experiment
from mmlego.bench.paired import score_paired
from mmlego.bench.results import ENSEMBLE
from mmlego.bench.rivals import library_versions, score_rivals
from mmlego.bench.score import score_bricks
from mmlego.cells import Cell, cohort_of, keep_cohort, tell, versions
from mmlego.data import Cohort, Split
from mmlego.fingerprint import hash_cohort
from mmlego.job import train
from mmlego.job.scoring import REFERENCE
from mmlego.settings import Settings

BRICKS, RIVALS, PAIRED = "bricks", "rivals", "paired"


def cells_of(cohort: Cohort, experiment: Experiment, place: Mapping[str, Any] | None = None) -> list[list[Cell]]:
    """Return the cells of each split: the main job first, then what is measured beside it.

    Parameters
    ----------
    cohort
        The patients.
    experiment
        How to measure.
    place
        Where the cohort lies, for workers of other processes.
    """
    settings = experiment.settings
    splits = cohort.split(
        duplicates=experiment.duplicates,
        folds=experiment.folds,
        repeats=experiment.repeats,
        validation=experiment.validation,
        seed=settings.seed,
    )
    sha256 = hash_cohort(cohort)
    keep_cohort(cohort, sha256)
    jobs: dict[str, dict[str, Any]] = {BRICKS: {"disjoint": experiment.disjoint}}
    if experiment.rivals:
        jobs[RIVALS] = {"disjoint": experiment.disjoint}
    if experiment.paired is not None:
        jobs[PAIRED] = {"share": experiment.paired}
    found = []
    for number, split in enumerate(splits):
        repeat, fold = divmod(number, experiment.folds)
        rows = {name: part.tolist() for name, part in split.parts().items()}
        label = f"split {number + 1} of {len(splits)}"
        found.append(
            [
                Cell(
                    job=job,
                    cohort=cohort.name,
                    cohort_sha256=sha256,
                    split=rows,
                    method={**method, "reference": REFERENCE},
                    settings=settings.model_dump(mode="json"),
                    scenario={"repeat": repeat, "fold": fold},
                    seed=settings.seed + 100 * number,
                    versions=versions() | (library_versions() if job == RIVALS else {}),
                    label=label if job == BRICKS else f"{label}, {_BESIDE[job]}",
                    place=place,
                )
                for job, method in jobs.items()
            ]
        )
    return found


_BESIDE = {RIVALS: "rivals", PAIRED: "end to end"}


def run_cell(cell: Cell) -> dict[str, Any]:
    """Return the result of a cell of an experiment.

    Parameters
    ----------
    cell
        One of :func:`cells_of`.
    """
    cohort, settings = cohort_of(cell), Settings.model_validate(cell.settings)
    split = Split(**cell.split)
    if cell.job == RIVALS:
        disjoint = cell.method["disjoint"]
        return score_rivals(cohort, split, settings, disjoint=disjoint, seed=cell.seed)
    if cell.job == PAIRED:
        return score_paired(cohort, split, settings, share=cell.method["share"], seed=cell.seed)
    return _measured(cell, cohort, split, settings)


def _measured(cell: Cell, cohort: Cohort, split: Split, settings: Settings) -> dict[str, Any]:
    """Run the main job on a split, and score what it made."""
    started = time.perf_counter()
    clock = _Clock(lambda stage: tell(f"{cell.label}: {stage}"))
    bricks = train(
        cohort,
        settings,
        split=split,
        disjoint=cell.method["disjoint"],
        seed=cell.seed,
        progress=False,
        advance=clock,
    )
    return score_bricks(bricks, cohort, split) | {
        "repeat": cell.scenario["repeat"],
        "parameters": _parameters(bricks),
        "cpu": clock.costs(),
        "seconds": round(time.perf_counter() - started, 2),
    }


def check_rivals(cohort: Cohort) -> bool:
    """Return whether a cohort's task has dull rivals; a package that is missing is told before hours of training.

    Parameters
    ----------
    cohort
        The patients.
    """
    if cohort.outcome is None or cohort.outcome_spec is None:
        return False
    return bool(rivals_for(cohort.outcome_spec.fit_task(cohort.outcome)))


class _Clock:
    """Told after each stage of the main job; knows the seconds of CPU that each took."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell, self._last = tell, time.process_time()
        self._took: dict[str, float] = {}

    def __call__(self, stage: str) -> None:
        now = time.process_time()
        self._took[stage], self._last = now - self._last, now
        self._tell(stage)

    def costs(self) -> dict[str, float]:
        """Return the seconds of each method, those of its blocks among them."""
        blocks = {stage: took for stage, took in self._took.items() if stage.startswith("block ")}
        whole = sum(blocks.values())
        merge = whole + self._took.get("merge", 0.0)
        found = {**blocks, ENSEMBLE: whole, "LegoMerge": merge, "LegoFuse": merge + self._took.get("fuse", 0.0)}
        return {name: round(took, 3) for name, took in found.items()}


def _parameters(bricks: Any) -> dict[str, int]:
    models = {f"block {name}": block for name, block in bricks.blocks.items()}
    models |= {"LegoMerge": bricks.merge} | ({} if bricks.fuse is None else {"LegoFuse": bricks.fuse})
    return {name: sum(p.numel() for p in model.parameters()) for name, model in models.items()}
