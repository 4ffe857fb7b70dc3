"""One model of blocks that were trained apart, as the settings say."""

from __future__ import annotations

from collections.abc import Sequence

from mmlego.brick import Brick
from mmlego.data import Cohort
from mmlego.job.data import data_of, having
from mmlego.job.held_out import honest_of, tell_of_merge
from mmlego.merge import LegoMerge
from mmlego.merge.weights import STACKED
from mmlego.settings import Settings
from mmlego.training.stacking import stack


def merge_blocks(
    cohort: Cohort, blocks: Sequence[Brick], train: Sequence[str], validation: Sequence[str], settings: Settings
) -> LegoMerge:
    """Merge blocks, weigh them where the settings ask for it, and say how good the model is.

    Parameters
    ----------
    cohort
        The patients.
    blocks
        Trained apart.
    train, validation
        Whom they were trained on, and whom early stopping watched. Stacked weights are learnt on the latter; where all
        blocks are fitted models that answer out of fold, on the former as well.
    settings
        Of the merge.

    Raises
    ------
    InputError
        If weights are to be stacked, and too few of these patients have several modalities.
    """
    chosen = settings.merge.model_dump()
    if chosen["weights"] != STACKED:
        merge = LegoMerge(blocks, **chosen)
    else:
        merge = LegoMerge(blocks, **(chosen | {"weights": "auto"}))
        learn_weights(merge, cohort, train, validation)
    tell_of_merge(merge, cohort, train, validation)
    return merge


def learn_weights(merge: LegoMerge, cohort: Cohort, train: Sequence[str], validation: Sequence[str]) -> None:
    """Stack the weights of a merge on patients whom its blocks were not trained on.

    Parameters
    ----------
    merge
        Made of the blocks.
    cohort, train, validation
        As :func:`merge_blocks` takes them.

    Raises
    ------
    InputError
        If too few of these patients have several modalities.
    """
    wanted = having(cohort, merge.modalities, honest_of(merge, train, validation))
    stack(merge, data_of(merge, cohort, wanted))
