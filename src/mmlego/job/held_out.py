"""What a merge, which is not trained, was worth to the patients of its blocks."""

from __future__ import annotations

from collections.abc import Sequence

from mmlego.data import Cohort
from mmlego.fitted import FittedBlock
from mmlego.held_out import OUT_OF_FOLD, VALIDATION, tell_held_out
from mmlego.job.data import data_of, having
from mmlego.job.scoring import BATCH, reference_of
from mmlego.merge import LegoMerge
from mmlego.training.evaluate import all_logits, bricks_of, innermost


def tell_of_merge(merge: LegoMerge, cohort: Cohort, train: Sequence[str], validation: Sequence[str]) -> None:
    """Write into the card of a merge how it does on patients whom its blocks were not trained on.

    These are the validation patients; where all blocks are fitted models that answer out of fold, the training patients
    as well. Where there are none, the card tells nothing.

    Parameters
    ----------
    merge
        Made of the blocks.
    cohort
        The patients.
    train, validation
        Whom blocks were trained on, and whom early stopping watched.
    """
    honest = _out_of_fold(merge)
    wanted = having(cohort, merge.modalities, honest_of(merge, train, validation))
    if not wanted:
        return
    data = data_of(merge, cohort, wanted)
    if data.target is None:
        return
    reference = reference_of(cohort, merge.task, train)
    logits = all_logits(merge, data, BATCH, out_of_fold=True)
    who = OUT_OF_FOLD if honest else VALIDATION
    tell_held_out(merge.card, merge.task, logits, data.target, reference=reference, who=who)
    merge.card.patients["validation"] = len(set(data.patients))


def honest_of(merge: LegoMerge, train: Sequence[str], validation: Sequence[str]) -> list[str]:
    """Return the patients to whom no block answers as to one it was trained on.

    Parameters
    ----------
    merge, train, validation
        As :func:`tell_of_merge` takes them.
    """
    return [*train, *validation] if _out_of_fold(merge) else list(validation)


def _out_of_fold(merge: LegoMerge) -> bool:
    """Return whether all blocks are fitted models that answer out of fold."""
    parts = [part for brick in bricks_of(merge) for part in innermost(brick)]
    return all(isinstance(part, FittedBlock) and part.out_of_fold is not None for part in parts)
