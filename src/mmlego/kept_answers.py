"""Answers out of fold, kept in the private part of a run: they name patients, and are in no checkpoint."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from mmlego.brick import Brick
from mmlego.bundle import Bundle
from mmlego.checkpoint_config import read_config
from mmlego.errors import CheckpointError
from mmlego.files import write_atomically
from mmlego.fuse import LegoFuse
from mmlego.json_files import read_json
from mmlego.learners.out_of_fold import OutOfFold
from mmlego.merge import LegoMerge
from mmlego.run_folder import RunFolder, makers_of
from mmlego.scalars import as_number

KEPT, MADE_OF = "out_of_fold.json", "made_of.json"
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
        content = read_json(file)
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
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RuntimeError) as error:
        raise CheckpointError(f"{file} is damaged", got=error, remedy="Train the block again.") from error


def recall_of_run(model: Brick | LegoMerge | LegoFuse, place: Path) -> None:
    """Let the bricks of a model that lies in a run folder, or whose blocks do, remember what they answered out of fold.

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
    origins = origins_of(place)
    for brick in bricks:
        if brick.modality in origins:
            run, name = origins[brick.modality]
            if run is not None:
                recall_answers(brick, run.fit(name))
    for home in makers_of([place]):  # of what was copied there from elsewhere nothing was kept
        for brick in bricks:
            if brick.modality not in origins:
                recall_answers(brick, home.fit(brick.modality))
        if isinstance(model, LegoFuse) and model.across is not None:
            recall_answers(model.across.brick, home.fit(FUSED))


def keep_origins(place: Path, blocks: Mapping[str, Path]) -> None:
    """Keep in the private part beside a merge or fuse which runs its blocks come from, by the way that leads there.

    Parameters
    ----------
    place
        Of the model.
    blocks
        By the name of each block where it lies; what comes from the model's own run is left out.
    """
    home = RunFolder(place.parent)
    own = home.place.resolve()
    content: dict[str, dict[str, str | None]] = {}
    for name, source in blocks.items():
        run = next(iter(makers_of([source])), None)
        if run is not None and run.place == own:
            continue
        try:
            way = None if run is None else Path(os.path.relpath(run.place, own)).as_posix()
        except ValueError:  # on another drive of Windows: no way leads there
            way = None
        sha256 = None if run is None else read_config(source)["sha256"]
        content[name] = {"run": way, "name": source.resolve().name, "sha256": sha256}
    file = home.fit(place.name) / MADE_OF
    if content:
        write_atomically(file, json.dumps(content, indent=2) + "\n")
    elif file.is_file():
        file.unlink()  # of a model that was there before


def origins_of(place: Path) -> dict[str, tuple[RunFolder | None, str]]:
    """Return by block of a merge or fuse the run that it comes from, and its name there; None: from no run.

    So of one that its run has trained anew since.

    Parameters
    ----------
    place
        Of the model.
    """
    home = RunFolder(place.parent)
    try:
        content = read_json(home.fit(place.name) / MADE_OF)
        told = {name: (one["run"], str(one["name"]), one["sha256"]) for name, one in content.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    found: dict[str, tuple[RunFolder | None, str]] = {}
    for name, (way, was, sha256) in told.items():
        run = RunFolder(home.place / way) if isinstance(way, str) else None
        try:
            same = run is not None and read_config(run.block(was))["sha256"] == sha256
        except CheckpointError:
            same = False
        found[name] = (run if same else None, was)
    return found


def _scaled(logits: Tensor, brick: Brick, before: float) -> Tensor:
    now = as_number(brick.card.recipe.get("spread"))
    scale = now / before if before > 0 and now > 0 else 1.0
    prior = brick.prior().to(logits.dtype)
    return logits if abs(scale - 1) < 1e-9 else prior + scale * (logits - prior)


def _parts(brick: Brick) -> dict[str, Brick]:
    return {label: brick.member(label) for label in brick.members} if isinstance(brick, Bundle) else {"": brick}
