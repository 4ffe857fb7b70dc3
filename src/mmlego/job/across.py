"""Models of all modalities side by side, fitted to the patients who have them all."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

import torch
from torch import Tensor

from mmlego.across import Across
from mmlego.brick import Brick
from mmlego.bundle import Bundle
from mmlego.crossfit import fit_block, maker_of, spread_of
from mmlego.data import PatientData
from mmlego.errors import InputError, TooFewError
from mmlego.fitted import FittedBlock
from mmlego.fuse import LegoFuse
from mmlego.held_out import OUT_OF_FOLD, tell_held_out
from mmlego.job.fitting import rows_of
from mmlego.job.pooling import MOST, OPTIONS, TREES
from mmlego.learners import learners_for
from mmlego.learners.out_of_fold import OutOfFold
from mmlego.learners.rows import Rows
from mmlego.settings import AUTO
from mmlego.training.evaluate import all_logits
from mmlego.wording import counted, listed

FEWEST = 20  # patients with everything, below which folds of them say nothing


def add_across(
    fuse: LegoFuse,
    data: PatientData,
    name: str,
    *,
    seen: int,
    seed: int,
    least: Mapping[str, int] = MappingProxyType({}),
) -> bool:
    """Put a learner that reads all modalities beside what is merged; return whether it could be done.

    Parameters
    ----------
    fuse
        Whose patients they are; ``.across`` is set.
    data
        Training patients who have all modalities, with their targets.
    name
        Of a learner that serves the task, or ``"auto"``: boosting and a forest, whose evidence is averaged, where the
        plate has room for a common read-out and no fold is without an event or a second class.
    seen
        How many patients the blocks have seen at least, with or without other modalities; their cards may tell more.
    seed
        Of folds and fits.
    least
        By modality, how many patients must have what is counted of codes or graphs.

    Raises
    ------
    InputError
        If the learner does not serve the task, a named one cannot be fitted, or there is no target.
    """
    whole = data.only(fuse.modalities).with_all()
    if whole.target is None:
        raise InputError("what crosses modalities needs an outcome", expected="targets", got="none")
    task = fuse.task
    narrow = name == AUTO and task.outputs > fuse.plate.width  # without room for a common read-out
    if narrow or len(set(whole.patients)) < FEWEST:
        return False
    chosen = TREES.get(task.name, ()) if name == AUTO else (name,)
    if name == AUTO and not (chosen and set(chosen) <= set(learners_for(task))):
        return False
    parts = {one: _rows(fuse.block(one), whole, one, least.get(one, 1)) for one in fuse.modalities}
    x = torch.cat([rows.double() for rows, _ in parts.values()], dim=1)
    try:
        bricks = {one: _fitted(fuse, whole, x, one, seed, auto=name == AUTO) for one in chosen}
    except TooFewError:
        if name != AUTO:
            raise
        return False
    brick = _together(bricks, whole)
    for one in bricks.values():
        one.out_of_fold = None if whole.numbering is not None else one.out_of_fold
    count = len(set(whole.patients))
    trained = [sum(fuse.block(one).card.patients.values()) for one in fuse.modalities]
    share = count / max(seen, *trained, 1) * _heard(brick, fuse, whole)
    fuse.across = Across(brick, {one: rows for one, (_, rows) in parts.items()}, share)
    told = f"{listed(chosen)} on {counted(count, 'patient')}, share {share:.3g}"
    fuse.card.recipe = {**fuse.card.recipe, "across": told}
    return True


def _fitted(fuse: LegoFuse, data: PatientData, x: Tensor, name: str, seed: int, *, auto: bool) -> FittedBlock:
    """Return a learner of rows ``(n, p)`` as a brick; numbers that stand for ids tell rows apart for a while."""
    make = maker_of(name, fuse.task, OPTIONS.get(name, {}) if auto else {}, MOST if auto else None)
    flat = Rows("flat", x.shape[1])
    target = cast(Tensor, data.target)
    return fit_block(make, fuse.plate, "all", x=x, rows=flat, target=target, patients=data.patients, seed=seed)


def _together(bricks: Mapping[str, FittedBlock], data: PatientData) -> FittedBlock | Bundle:
    """Return several models as one, the mean of their evidence, whose card tells how that does out of fold."""
    if len(bricks) == 1:
        return next(iter(bricks.values()))
    bundle = Bundle(bricks)
    told = [cast(OutOfFold, brick.out_of_fold).logits for brick in bricks.values()]
    logits = bundle.pooled(torch.cat(told, dim=1))
    target = cast(Tensor, data.target)
    bundle.card.prior = next(iter(bricks.values())).prior().tolist()
    bundle.card.patients = {"training": len(set(data.patients))}
    shares = dict(zip(bricks, bundle.weights.tolist(), strict=True))
    spread = spread_of(logits, bundle.prior())
    bundle.card.recipe = {"method": "pool", "members": shares, "scores": "out of fold", "spread": spread}
    tell_held_out(bundle.card, bundle.task, logits, target, reference=target, who=OUT_OF_FOLD)
    return bundle


def _heard(brick: FittedBlock | Bundle, fuse: LegoFuse, data: PatientData) -> float:
    """Return how far its evidence spreads out of fold, as a part of that of what is merged, 1 at most.

    Who has nothing to say would water down what is merged, and has no share.
    """
    logits = all_logits(fuse, data, 256, out_of_fold=True)
    merged = spread_of(logits, logits.mean(0))
    own = float(brick.card.recipe["spread"])
    return min(1.0, own / merged) if merged > 0 else 1.0


def _rows(brick: Brick, data: PatientData, name: str, least: int) -> tuple[Tensor, Rows]:
    ordered, gaps = _nature(brick)
    return rows_of(data, name, ordered=ordered, gaps=gaps, least=least)


def _nature(brick: Brick) -> tuple[bool, bool]:
    """Return whether the tokens of a modality have an order, and whether they may have gaps."""
    if isinstance(brick, Bundle):
        found = [_nature(member) for _, member in brick.each()]
        return any(ordered for ordered, _ in found), any(gaps for _, gaps in found)
    if isinstance(brick, FittedBlock):
        return brick.rows.ordered, brick.rows.gaps
    return bool(getattr(brick, "ordered", False)), bool(getattr(brick.encoder, "accepts_missing", False))
