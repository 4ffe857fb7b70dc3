"""Blocks trained apart: each on its part of the patients, with preprocessing that was fitted on these alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from mmlego.baseplate import Baseplate
from mmlego.brick import Brick
from mmlego.data import Cohort, halves
from mmlego.job.one_block import train_block
from mmlego.run_folder import RunFolder
from mmlego.settings import Settings

Part: TypeAlias = tuple[Sequence[str], Sequence[str]]


def fit_blocks(
    cohort: Cohort,
    plate: Baseplate | Mapping[str, Baseplate],
    parts: Mapping[str, Part],
    settings: Settings,
    *,
    seed: int,
    run: RunFolder | None = None,
    resume: bool = True,
    progress: bool = False,
    done: Callable[[Brick], None] | None = None,
) -> dict[str, Brick]:
    """Train a block a modality, each on its part of the patients.

    The block of the ``i``-th modality of the cohort is trained with ``seed + i``, so that one alone comes out as it
    does among all.

    Parameters
    ----------
    cohort
        The patients.
    plate
        What the blocks share; or by modality, where they are not to share it.
    parts
        By modality, whom its block trains on and whom early stopping watches; those not named are left out.
    settings
        Of encoders and training.
    seed
        Of weights and training.
    run
        Where each fit keeps its state; None: nowhere.
    resume, progress
        As ``fit`` takes them.
    done
        Told after each block.

    Returns
    -------
    dict of str to Brick
        By modality, in the cohort's order.
    """
    blocks: dict[str, Brick] = {}
    for i, name in enumerate(cohort.modalities):
        if name not in parts:
            continue
        blocks[name] = train_block(
            cohort,
            name,
            plate[name] if isinstance(plate, Mapping) else plate,
            *parts[name],
            settings,
            seed=seed + i,
            out=None if run is None else run.fit(name),
            resume=resume,
            progress=progress,
        )
        if done is not None:
            done(blocks[name])
    return blocks


def parts_by_modality(
    cohort: Cohort, train: Sequence[str], validation: Sequence[str], *, disjoint: bool, seed: int
) -> dict[str, Part]:
    """Return by modality whom its block trains on and whom it watches.

    Parameters
    ----------
    cohort
        The patients.
    train, validation
        Ids of the two parts of a split.
    disjoint
        Cut both into one part a modality, stratified by outcome, so that no two blocks share a patient.
    seed
        Of the parts.
    """
    count = len(cohort.modalities) if disjoint else 1
    trains, valids = (parts_of(cohort, ids, count, seed) for ids in (train, validation))
    return {name: (trains[i % count], valids[i % count]) for i, name in enumerate(cohort.modalities)}


def parts_of(cohort: Cohort, ids: Sequence[str], count: int, seed: int) -> list[list[str]]:
    """Return patients in ``count`` disjoint parts, stratified by outcome; of nobody, as many empty ones."""
    if count == 1 or not ids:
        return [list(ids) for _ in range(count)]
    place = {patient: row for row, patient in enumerate(cohort.patients)}
    rows = [place[patient] for patient in ids]
    parts = halves(rows, cohort.patients, cohort.strata(), parts=count, seed=seed)
    return [[cohort.patients[row] for row in part] for part in parts]
