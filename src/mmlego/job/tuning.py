"""A fused model, tuned briefly on the patients who have all modalities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmlego.brick import Brick
from mmlego.data import Cohort
from mmlego.fuse import LegoFuse
from mmlego.job.across import add_across
from mmlego.job.data import data_of, having_all
from mmlego.job.merging import merge_blocks
from mmlego.kept_answers import keep_answers
from mmlego.merge.weights import STACKED
from mmlego.settings import Settings
from mmlego.sites import modality_of
from mmlego.training.fit import fit, write_scores
from mmlego.turns import in_turn


def tune_fuse(
    cohort: Cohort,
    blocks: Sequence[Brick],
    train: Sequence[str],
    validation: Sequence[str],
    settings: Settings,
    *,
    seed: int,
    out: Path | None = None,
    resume: bool = True,
    progress: bool = False,
) -> LegoFuse | None:
    """Fuse blocks and tune on the patients who have all their modalities; None if there are none.

    Parameters
    ----------
    cohort
        The patients.
    blocks
        Trained apart.
    train, validation
        Ids; those who lack a modality are left out.
    settings
        Of the fuse and its tuning.
    seed
        Of the tuning.
    out, resume, progress
        As ``fit`` takes them.
    """
    chosen = settings.fuse
    pairs = [having_all(cohort, [block.modality for block in blocks], ids) for ids in (train, validation)]
    if not pairs[0]:
        return None
    merging = settings.merge.model_dump()
    if merging["weights"] == STACKED:
        merging["weights"] = merge_blocks(cohort, blocks, train, validation, settings).weights.tolist()
    fuse = LegoFuse(
        blocks,
        mode=chosen.mode,
        order=chosen.order,
        freeze=chosen.freeze,
        modality_dropout=chosen.modality_dropout,
        **merging,
    )
    data = data_of(fuse, cohort, pairs[0])
    valid = data_of(fuse, cohort, pairs[1]) if pairs[1] else None
    fuse.card.data = cohort.name
    run: dict[str, Any] = {"seed": seed, "out": out, "resume": resume, "progress": progress}
    fit(fuse, data, validation=valid, **run, **chosen.fit.model_dump())
    if chosen.across is not None:
        with in_turn():
            both = data_of(fuse, cohort, [*pairs[0], *pairs[1]])  # it is fitted out of fold, as blocks' learners are
            least = {name: cohort.sources[modality_of(name)].min_patients for name in fuse.modalities}
            seen = len(train) + len(validation)
            if add_across(fuse, both, chosen.across, seen=seen, seed=seed, least=least):
                write_scores(fuse, data, valid, chosen.fit.batch_size)
                if out is not None and fuse.across is not None:
                    keep_answers(fuse.across.brick, out)
    return fuse
