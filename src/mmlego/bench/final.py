"""The models that are kept after an experiment: the same recipe on all patients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mmlego.bench.experiment import Experiment
from mmlego.data import Cohort
from mmlego.job import save_bricks, train


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
    bricks = train(
        cohort, experiment.settings, split=split, disjoint=experiment.disjoint, progress=False, advance=advance
    )
    return save_bricks(bricks, folder, cohort.name)
