"""Answers out of fold, kept in the private part of a run: they name patients, and are in no checkpoint."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mmlego.brick import Brick
from mmlego.bundle import Bundle
from mmlego.errors import CheckpointError
from mmlego.files import write_atomically
from mmlego.fuse import LegoFuse
from mmlego.learners.out_of_fold import OutOfFold
from mmlego.merge import LegoMerge
from mmlego.run_folder import runs_of
from mmlego.scalars import as_number

KEPT = "out_of_fold.json"
FUSED = "fuse"  # where a run keeps the tuning of its fuse, and the answers of what crosses modalities


def keep_answers(brick: Brick, folder: Path) -> None:
    """Keep what a brick answered out of fold in the private part of a run; nothing where there is nothing.

    Parameters
    ----------
    brick
        A brick of the run.
    folder
        Of its fit.
    """
    told = {label: (part, part.out_of_fold) for label, part in _parts(brick).items() if part.out_of_fold is not None}
    if not told:
        return
    content = {
        label: {
            "patients": one.patients,
            "logits": one.logits.tolist(),
            "marks": None if one.marks is None else one.marks.tolist(),
            "spread": part.card.recipe.get("spread"),
        }
        for label, (part, one) in told.items()
    }
    write_atomically(folder / KEPT, json.dumps(content) + "\n")


def recall_answers(brick: Brick, folder: Path) -> None:
    """Give a brick that was loaded the answers out of fold that its run has kept.

    A brick that was scaled since, as ``calibrate`` does, gets them scaled alike.

    Parameters
    ----------
    brick
        A brick of the run.
    folder
        Of its fit.

    Raises
    ------
    CheckpointError
        If they are damaged.
    """
    file = folder / KEPT
    if not file.is_file():
        return
    parts = _parts(brick)
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        for label in parts.keys() & content.keys():
            one, part = content[label], parts[label]
            marks = one.get("marks")
            told = OutOfFold(
                tuple(one["patients"]),
                torch.tensor(one["logits"]),
                None if marks is None else torch.tensor(marks, dtype=torch.float64),
            )
            if told.logits.shape[1] != part.task.outputs:
                continue  # of a block of this name that was made for another task
            part.out_of_fold = replace(told, logits=_scaled(told.logits, part, as_number(one.get("spread"))))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file} is damaged", got=error, remedy="Train the block again.") from error


def recall_of_run(model: Brick | LegoMerge | LegoFuse, place: Path) -> None:
    """Let the bricks of a model that lies in a run folder remember what they answered out of fold.

    Parameters
    ----------
    model
        Loaded from there.
    place
        Where it lies.

    Raises
    ------
    CheckpointError
        If what the run has kept is damaged.
    """
    bricks = [model] if isinstance(model, Brick) else [model.block(name) for name in model.modalities]
    for run in runs_of([place]):
        for brick in bricks:
            recall_answers(brick, run.fit(brick.modality))
        if isinstance(model, LegoFuse) and model.across is not None:
            recall_answers(model.across.brick, run.fit(FUSED))


def _scaled(logits: Tensor, brick: Brick, before: float) -> Tensor:
    now = as_number(brick.card.recipe.get("spread"))
    scale = now / before if before > 0 and now > 0 else 1.0
    prior = brick.prior().to(logits.dtype)
    return logits if abs(scale - 1) < 1e-9 else prior + scale * (logits - prior)


def _parts(brick: Brick) -> dict[str, Brick]:
    return {label: brick.member(label) for label in brick.members} if isinstance(brick, Bundle) else {"": brick}
