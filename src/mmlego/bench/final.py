"""The models that are kept after an experiment: the same recipe on all patients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmlego.bench.experiment import Experiment
from mmlego.bench.job import Bricks, build_bricks
from mmlego.checkpoint import save
from mmlego.data import Cohort


def train_final(
    cohort: Cohort, experiment: Experiment, folder: Path, *, advance: Callable[[str], None] | None = None
) -> list[Path]:
    """Train on all patients but a validation part, and save baseplate, blocks, merge and fuse.

    Parameters
    ----------
    cohort, experiment
        As for ``run_experiment``; no test patients are held back.
    folder
        Where the checkpoints go; earlier ones there are replaced.
    advance
        Told after each stage what was done.

    Returns
    -------
    list of Path
        The checkpoints.
    """
    share, seed = experiment.validation, experiment.settings.seed
    split = cohort.split(duplicates=experiment.duplicates, fractions=(1 - share, share, 0.0), seed=seed)[0]
    train, validation = ([cohort.patients[row] for row in rows] for rows in (split.train, split.validation))
    bricks = build_bricks(
        cohort, train, validation, experiment.settings, disjoint=experiment.disjoint, seed=seed, advance=advance
    )
    return save_bricks(bricks, folder, cohort.name)


def save_bricks(bricks: Bricks, folder: Path, data: str) -> list[Path]:
    """Save baseplate, blocks, merge and fuse below a folder, replacing earlier checkpoints there."""
    made = [save(bricks.plate, folder / "plate", overwrite=True)]
    made += [save(block, folder / "blocks" / name, overwrite=True) for name, block in bricks.blocks.items()]
    made.append(save(bricks.merge, folder / "merge", data=data, overwrite=True))
    if bricks.fuse is not None:
        made.append(save(bricks.fuse, folder / "fuse", data=data, overwrite=True))
    return made
