"""The main job on one split: blocks trained apart, merged, fused, and scored on patients nobody has seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from mmlego.baseplate import Baseplate
from mmlego.block import LegoBlock
from mmlego.data import Cohort, PatientData, Prepared, Preprocessing, halves
from mmlego.encoders import build_encoder
from mmlego.errors import InputError, UnknownNameError
from mmlego.fuse import LegoFuse
from mmlego.merge import LegoMerge
from mmlego.settings import EncoderSettings, Settings
from mmlego.training import fit
from mmlego.training.evaluate import Model

if TYPE_CHECKING:
    from collections.abc import Iterator

Advance = Callable[[str], None]


@dataclass(frozen=True)
class Bricks:
    """What the main job makes.

    Parameters
    ----------
    plate
        Shared by all.
    blocks
        By modality.
    merge, fuse
        Made of the blocks; no fuse if no patient has all modalities.
    """

    plate: Baseplate
    blocks: dict[str, LegoBlock]
    merge: LegoMerge
    fuse: LegoFuse | None


def build_bricks(
    cohort: Cohort,
    train: Sequence[str],
    validation: Sequence[str],
    settings: Settings,
    *,
    disjoint: bool = True,
    seed: int = 0,
    out: Path | None = None,
    advance: Advance | None = None,
) -> Bricks:
    """Train a block a modality, merge them without training, and fuse them briefly.

    Parameters
    ----------
    cohort
        The patients.
    train, validation
        Ids; preprocessing, time bins and weights see the first alone, early stopping the second.
    settings
        Of all parts.
    disjoint
        Cut the training and validation patients into one part a modality, so that no two blocks share a patient.
        The fused model is then tuned on the training patients who have all modalities.
    seed
        Of parts, weights and training.
    out
        Where each fit keeps its state, to resume from; None: nowhere.
    advance
        Told after each stage what was done.

    Returns
    -------
    Bricks
        The models, with their preprocessing.

    Raises
    ------
    InputError
        If the cohort has no outcome, or no training patient of a part has its modality.
    UnknownNameError
        If the settings name a modality that the cohort lacks.
    """
    if cohort.outcome is None or cohort.outcome_spec is None:
        raise InputError("training needs an outcome", remedy="Add outcome: to the manifest.")
    _check_names(settings, cohort.modalities)
    task = cohort.outcome_spec.fit_task(cohort.outcome.loc[list(train)])
    plate = Baseplate(task, **settings.plate.model_dump())
    count = len(cohort.modalities) if disjoint else 1
    train_parts, valid_parts = (parts_of(cohort, ids, count, seed) for ids in (train, validation))
    tell = advance or (lambda stage: None)
    blocks = {}
    for i, name in enumerate(cohort.modalities):
        part = i % count
        folder = None if out is None else out / name
        ids = (train_parts[part], valid_parts[part])
        blocks[name] = train_block(cohort, name, plate, *ids, settings, seed=seed + i, out=folder)
        tell(f"block {name}")
    merge = LegoMerge(list(blocks.values()), **settings.merge.model_dump())
    tell("merge")
    folder = None if out is None else out / "fuse"
    fuse = tune_fuse(cohort, list(blocks.values()), train, validation, settings, seed=seed, out=folder)
    tell("fuse")
    return Bricks(plate, blocks, merge, fuse)


def parts_of(cohort: Cohort, ids: Sequence[str], count: int, seed: int) -> list[list[str]]:
    """Return patients in ``count`` disjoint parts, stratified by outcome."""
    if count == 1:
        return [list(ids)]
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
) -> LegoBlock:
    """Train the block of one modality; its preprocessing is fitted on the training patients and carried along."""
    prepared = cohort.prepare(train, task=plate.task, modalities=[name])
    table = prepared.preprocessing[name]
    with _seeded(seed):
        encoder = encoder_for(table, name, settings)
        block = LegoBlock(encoder, plate, name)
    block.preprocessing = table
    block.card.data = f"{cohort.name}, modality {name}"
    data = prepared.data(list(train)).with_any()
    watched = having(cohort, [name], validation)
    valid = prepared.data(watched).with_any() if watched else None
    run: dict[str, Any] = {"seed": seed, "out": out, "resume": resume, "progress": progress}
    fit(block, data, validation=valid, **run, **settings.fit.model_dump())
    return block


def encoder_for(fitted: Preprocessing, modality: str, settings: Settings) -> nn.Module:
    """Return the encoder that the settings choose, or else the one that suits the kind of data."""
    suited, given = fitted.encoder()
    common = settings.encoder if suited == settings.encoder.name else EncoderSettings(name=suited)
    chosen = settings.encoders.get(modality) or common
    return build_encoder(chosen.name, {**given, **chosen.options})


def tune_fuse(
    cohort: Cohort,
    blocks: Sequence[LegoBlock],
    train: Sequence[str],
    validation: Sequence[str],
    settings: Settings,
    *,
    seed: int,
    out: Path | None = None,
    resume: bool = True,
    progress: bool = False,
) -> LegoFuse | None:
    """Fuse blocks and tune on the patients who have all their modalities; None if there are none."""
    chosen = settings.fuse
    complete = set(cohort.patients).intersection(*(cohort.frames[block.modality].index for block in blocks))
    pairs = [[patient for patient in ids if patient in complete] for ids in (train, validation)]
    if not pairs[0]:
        return None
    fuse = LegoFuse(
        blocks,
        mode=chosen.mode,
        order=chosen.order,
        freeze=chosen.freeze,
        modality_dropout=chosen.modality_dropout,
        **settings.merge.model_dump(),
    )
    data = data_of(fuse, cohort, pairs[0])
    valid = data_of(fuse, cohort, pairs[1]) if pairs[1] else None
    fuse.card.data = cohort.name
    run: dict[str, Any] = {"seed": seed, "out": out, "resume": resume, "progress": progress}
    fit(fuse, data, validation=valid, **run, **chosen.fit.model_dump())
    return fuse


def having(cohort: Cohort, modalities: Sequence[str], patients: Sequence[str]) -> list[str]:
    """Return those patients who have at least one of some modalities; the cohort need not know all of these."""
    frames = [cohort.frames[name].index for name in modalities if name in cohort.frames]
    have = set().union(*(set(index) for index in frames))
    return [patient for patient in patients if patient in have]


def data_of(model: Model, cohort: Cohort, patients: Sequence[str] | None = None) -> PatientData:
    """Return those patients who have a modality of the model, as it takes them, by the preprocessing of its blocks.

    Raises
    ------
    InputError
        If a block carries no preprocessing, or no patient has any of its modalities.
    """
    blocks = [model] if isinstance(model, LegoBlock) else [model.block(name) for name in model.modalities]
    bare = [block.modality for block in blocks if block.preprocessing is None]
    if bare:
        raise InputError(
            f"the block of {bare[0]!r} carries no preprocessing",
            expected="a block trained by mmlego train",
            got="none",
            remedy="Set block.preprocessing before saving it.",
        )
    chosen = cohort.patients if patients is None else patients
    if not having(cohort, model.modalities, chosen):
        raise InputError(
            f"none of {len(chosen)} patients has a modality of the model",
            expected=f"one of {', '.join(model.modalities)}",
            got=f"{', '.join(cohort.modalities)} in {cohort.name}",
        )
    prepared = Prepared(cohort, {block.modality: block.preprocessing for block in blocks}, model.task)
    return prepared.data(chosen).with_any()


def _check_names(settings: Settings, modalities: Sequence[str]) -> None:
    """Refuse settings that name unknown modalities, before hours of training rather than after."""
    weights = settings.merge.weights
    named = {
        "encoders": list(settings.encoders),
        "merge.weights": list(weights) if isinstance(weights, dict) else [],
        "fuse.order": settings.fuse.order or [],
    }
    for setting, names in named.items():
        unknown = [name for name in names if name not in modalities]
        if unknown:
            known = f"one of {', '.join(modalities)}"
            raise UnknownNameError(f"{setting}: unknown modality", expected=known, got=", ".join(unknown))


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence([seed, 1]).generate_state(1)[0]))
        yield
