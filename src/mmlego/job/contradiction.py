"""Blocks are asked about patients whose outcome is known: whether one of them means the opposite of what it says."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

from mmlego.brick import FEWEST, Brick, Z
from mmlego.data import Cohort
from mmlego.errors import LegoWarning
from mmlego.job.data import data_of, having
from mmlego.job.scoring import BATCH
from mmlego.scalars import as_number
from mmlego.tasks.error import standard_error
from mmlego.training.evaluate import all_logits


def doubt_on(blocks: Mapping[str, Brick], cohort: Cohort, patients: Sequence[str]) -> None:
    """Warn of blocks that are worse than chance on some patients, beyond the error of that.

    A site that counts events the other way round, on a baseplate made without patients, looks right to itself: its own
    scores are good. On the patients of another site what it says is the opposite of what came true.

    Parameters
    ----------
    blocks
        By name; of one baseplate, with their preprocessing.
    cohort
        With outcomes, coded as they are right.
    patients
        Whom the blocks are asked about, fitted ones out of fold; of fewer than twenty who have its modality a block is
        not asked.

    Warns
    -----
    LegoWarning
        Of each block whose primary score, where chance gives one half, ends below it: ``x + 1.96 s < ½``.
    """
    if cohort.outcome is None:
        return
    for name, block in blocks.items():
        task, metric = block.task, block.task.primary_metric
        if block.preprocessing is None or task.chance <= 0 or len(having(cohort, [name], patients)) < FEWEST:
            continue
        data = data_of(block, cohort, patients)
        if data.target is None:
            continue
        logits = all_logits(block, data, BATCH, out_of_fold=True)
        score = as_number(task.metrics(logits, data.target, reference=data.target).get(metric))
        most = score + Z * standard_error(task, score, data.target)
        if most < task.chance:  # NaN: not known
            told = f"{name!r} is worse than chance on {len(data)} patients of {cohort.name} ({metric} {score:.3f}, at "
            warnings.warn(
                f"{told}most {most:.3f}; 95 % interval): is the outcome coded the other way round there, or here? "
                "Leave it out, or give it the weight 0.",
                LegoWarning,
                stacklevel=3,
            )
