"""Blocks that lie in run folders and checkpoints, and how their runs have split patients."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.checkpoint import load
from mmlego.data import Cohort, Split
from mmlego.errors import InputError, LegoWarning
from mmlego.hub import named_on_hub
from mmlego.job.begin import read_split
from mmlego.run_folder import RunFolder, runs_of
from mmlego.wording import listed

_BY_HAND = "In Python, mmlego.calibrate takes any patients whom no block was trained on."


def load_blocks(sources: Iterable[Path], *, allow_missing: bool = False) -> list[tuple[Path, Brick]]:
    """Return the blocks of run folders and checkpoints, and where they lie.

    Those of runs remember what they answered out of fold.

    Parameters
    ----------
    sources
        The folders; or repositories of the Hub, as ``owner/name@revision``.
    allow_missing
        Go on, with a warning, where the training of a modality was begun in a run and has left no block.

    Raises
    ------
    InputError
        If there is one and that is not allowed, or a checkpoint holds no block.
    """
    found = []
    for source in sources:
        fetched = named_on_hub(source)
        if fetched is not None:
            repo, revision = fetched
            found.append((source, _brick(load(repo, revision=revision), source)))
            continue
        run = RunFolder(source)
        lacking = run.lacking() if run.has_blocks() else []
        if lacking:
            _tell_of_lacking(run, lacking, allow_missing=allow_missing)
        for place in run.saved_blocks() if run.has_blocks() else [source]:
            if place.name not in lacking or place == source:
                found.append((place, _brick(load(place), place)))
    return found


def _brick(model: object, place: Path) -> Brick:
    if not isinstance(model, Brick):
        raise InputError(f"{place} holds no block", expected="a block", got=type(model).__name__)
    return model


def _tell_of_lacking(run: RunFolder, lacking: list[str], *, allow_missing: bool) -> None:
    older = [name for name in lacking if run.block(name).is_dir()]
    there = "no block" if not older else "no new block" if older == lacking else "no block, or no new one,"
    told = f"{run.place} has {there} of {listed(lacking)}, whose training was begun"
    if not allow_missing:
        raise InputError(
            told,
            expected="the blocks of all modalities that were to be trained",
            got=listed([path.name for path in run.saved_blocks()]) or "none",
            remedy="Run mmlego train again, which goes on where it stopped, or pass --allow-missing to do without.",
        )
    warnings.warn(f"{told}: the model does without.", LegoWarning, stacklevel=3)


def split_of(runs: Iterable[RunFolder], cohort: Cohort) -> Split | None:
    """Return the split of runs on a cohort; None if none of them is on this cohort.

    Raises
    ------
    InputError
        If two of them split it differently: one run's test patients may be the other's training patients.
    """
    splits = {run: split for run in runs if (split := read_split(run, cohort)) is not None}
    first = next(iter(splits.values()), None)
    for run, split in splits.items():
        if split != first:
            raise InputError(
                f"{' and '.join(str(one.place) for one in (next(iter(splits)), run))} split the patients differently",
                expected="one split, so that nobody is tested on whom another run has trained",
                got="two",
            )
    return first


def split_by_runs(sources: Sequence[Path], cohort: Cohort, what: str) -> Split:
    """Return the split of the runs that all blocks come from; an error if one may have trained on anybody."""
    # Nobody knows whom a block was trained on that comes without a run, or from one on another list of patients.
    strange = [str(source) for source in sources if all(read_split(run, cohort) is None for run in runs_of([source]))]
    split = split_of(runs_of(sources), cohort)
    if split is not None and strange:
        raise InputError(
            f"{', '.join(strange)} come from no run on the patients of {cohort.name}",
            expected="blocks of runs that have split them",
            got=f"blocks that may have been trained on those to {what}",
            remedy=_BY_HAND,
        )
    if split is None or not len(split.validation):
        raise InputError(
            f"nobody to {what}",
            expected=f"blocks of a run that has split {cohort.name}, with a validation part",
            got="none" if split is None else "a split without one",
            remedy=_BY_HAND,
        )
    return split


def strangers(blocks: Mapping[str, Brick], places: Mapping[str, Path], cohort: Cohort) -> str | None:
    """Return what to say of blocks of which nobody knows whether a cohort that they are tuned on trained them.

    Parameters
    ----------
    blocks, places
        By name, and where they lie.
    cohort
        The patients.

    Returns
    -------
    str or None
        None where there are none; fitted models without their run are warned of where they are asked.
    """
    strange = [
        name
        for name, block in blocks.items()
        if isinstance(block, LegoBlock) and all(read_split(run, cohort) is None for run in runs_of([places[name]]))
    ]
    if not strange:
        return None
    return (
        f"{listed(strange)} come without a run on {cohort.name}: if they were trained on any of its patients, what "
        "is learnt of these, and their scores, look better than they are."
    )
