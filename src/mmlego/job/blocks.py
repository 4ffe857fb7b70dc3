"""Blocks trained apart: each on its part of the patients, with preprocessing that was fitted on these alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import nn

from mmlego.baseplate import Baseplate
from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.data import Cohort, Preprocessing, halves
from mmlego.encoders import build_encoder
from mmlego.job.data import having
from mmlego.job.fitting import fit_learner, keep_answers
from mmlego.learners import learner_names
from mmlego.run_folder import RunFolder
from mmlego.settings import EncoderSettings, Settings
from mmlego.training import fit
from mmlego.turns import in_turn

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


def train_block(
    cohort: Cohort,
    name: str,
    plate: Baseplate,
    train: Sequence[str],
    validation: Sequence[str],
    settings: Settings,
    *,
    seed: int,
    out: Path | None = None,
    resume: bool = True,
    progress: bool = False,
) -> Brick:
    """Train the block of one modality; its preprocessing is fitted on the training patients and carried along.

    A learner, which has no epochs to be stopped, is fitted to the validation patients as well, and says out of fold how
    good it is.
    """
    prepared = cohort.prepare(train, task=plate.task, modalities=[name])
    chosen, given = choice_for(prepared.preprocessing[name], name, settings)
    if chosen.name in learner_names():
        return _fitted_block(cohort, name, plate, [*train, *validation], chosen, seed=seed, out=out)
    table = prepared.preprocessing[name]
    with _seeded(seed):
        block = LegoBlock(build_encoder(chosen.name, {**given, **chosen.options}), plate, name)
    block.preprocessing = table
    block.card.data = f"{cohort.name}, modality {name}"
    data = prepared.data(list(train)).with_any()
    watched = having(cohort, [name], validation)
    valid = prepared.data(watched).with_any() if watched else None
    run: dict[str, Any] = {"seed": seed, "out": out, "resume": resume, "progress": progress}
    fit(block, data, validation=valid, **run, **settings.fit.model_dump())
    return block


def _fitted_block(
    cohort: Cohort,
    name: str,
    plate: Baseplate,
    patients: Sequence[str],
    chosen: EncoderSettings,
    *,
    seed: int,
    out: Path | None,
) -> Brick:
    prepared = cohort.prepare(patients, task=plate.task, modalities=[name])
    table = prepared.preprocessing[name]
    encoder, given = table.encoder()
    ordered = bool(getattr(build_encoder(encoder, given), "ordered", False)) if table.ragged else False
    with in_turn():
        data = prepared.data(list(patients)).with_any()
        brick = fit_learner(chosen.name, chosen.options, plate, name, data, ordered=ordered, seed=seed)
    brick.preprocessing = table
    brick.card.data = f"{cohort.name}, modality {name}"
    if out is not None:
        keep_answers(brick, out)
    return brick


def encoder_for(fitted: Preprocessing, modality: str, settings: Settings) -> nn.Module:
    """Return the encoder that the settings choose, or else the one that suits the kind of data."""
    chosen, given = choice_for(fitted, modality, settings)
    return build_encoder(chosen.name, {**given, **chosen.options})


def choice_for(fitted: Preprocessing, modality: str, settings: Settings) -> tuple[EncoderSettings, dict[str, Any]]:
    """Return what the settings choose for a modality, or else what suits its kind, and what follows from the data."""
    suited, given = fitted.encoder()
    common = settings.encoder if suited == settings.encoder.name else EncoderSettings(name=suited)
    return settings.encoders.get(modality) or common, given


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with in_turn(), torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence([seed, 1]).generate_state(1)[0]))
        yield
