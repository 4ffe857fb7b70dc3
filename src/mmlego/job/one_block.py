"""The block of one modality: a neural one, a fitted one, or both as one."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmlego.baseplate import Baseplate
from mmlego.block import LegoBlock
from mmlego.brick import Brick
from mmlego.data import Cohort, Prepared, Preprocessing
from mmlego.encoders import arguments_of, build_encoder, encoder_names
from mmlego.errors import InputError, LegoWarning, TooFewError, within
from mmlego.job.data import having
from mmlego.job.fitting import Told, fit_learner
from mmlego.job.pooling import LINEAR, MOST, OPTIONS, members_for, pool
from mmlego.kept_answers import keep_answers
from mmlego.learners import learner_names
from mmlego.learners.base import serves
from mmlego.learners.registry import learner_class, served
from mmlego.readout import COMMON
from mmlego.settings import AUTO, MEAN, NEURAL, EncoderSettings, Settings
from mmlego.tasks import Task
from mmlego.training.fit import fit
from mmlego.turns import in_turn
from mmlego.wording import counted


@dataclass(frozen=True)
class _Job:
    """One modality's block, to be made."""

    cohort: Cohort
    name: str
    plate: Baseplate
    train: Sequence[str]
    validation: Sequence[str]
    settings: Settings
    seed: int
    out: Path | None
    resume: bool
    progress: bool


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
    good it is. With ``auto`` those who have proved best for the kind answer as one; patients too few for learners get a
    neural block.

    Parameters
    ----------
    cohort, name
        Patients, and which of their modalities.
    plate
        What the block shares with others.
    train, validation
        Whom it trains on, and whom early stopping watches.
    settings
        Of encoders and training.
    seed
        Of weights and training.
    out, resume, progress
        As ``fit`` takes them.

    Raises
    ------
    InputError
        If fewer training patients have the modality than its section says in ``min_patients``.

    Warns
    -----
    LegoWarning
        If patients are too few, or the baseplate too narrow, for learners that the settings do not name, or learners
        know no class weights.
    """
    job = _Job(cohort, name, plate, train, validation, settings, seed, out, resume, progress)
    _refuse_few(len(having(cohort, [name], train)), name, cohort.sources[name].min_patients)
    prepared = cohort.prepare(train, task=plate.task, modalities=[name])
    chosen, given = choice_for(prepared.preprocessing[name], plate, name, settings)
    if settings.fit.privacy is not None and chosen.name == AUTO:
        raise InputError(
            f"fit.privacy: modality {name!r} gets learners, which are fitted without noise",
            expected="neural blocks",
            got=f"encoder {AUTO!r}",
            remedy="Set encoder.name: neural.",
        )
    if _narrow(plate, name, settings):
        told = (
            f"Modality {name!r} gets a neural block: the latent, {plate.width} wide, has no room to read "
            f"{plate.task.outputs} outputs in common, as learners need. Make the plate wider (plate.width), or say so "
            f"(encoders.{name}.name: neural)."
        )
        warnings.warn(told, LegoWarning, stacklevel=2)
    if settings.fit.class_weights is not None and chosen.name in (AUTO, *learner_names()):
        told = f"Modality {name!r}: fit.class_weights is of neural blocks, its learners do not heed it."
        warnings.warn(told, LegoWarning, stacklevel=2)
    if chosen.name in learner_names():
        return _fitted(job, chosen)
    if chosen.name == AUTO:
        try:
            return _pooled(job, prepared, chosen)
        except TooFewError as error:
            if chosen.options:
                raise
            why = str(error).removesuffix(f" {error.remedy}")
            told = f"Modality {name!r} has too few patients for learners, and gets a neural block: {why}"
            warnings.warn(told, LegoWarning, stacklevel=2)
            chosen, given = _neural_choice(prepared.preprocessing[name], name, settings)
    return _neural(job, prepared, chosen, given)


def _neural(job: _Job, prepared: Prepared, chosen: EncoderSettings, given: dict[str, Any]) -> LegoBlock:
    with _seeded(job.seed):
        encoder = build_encoder(chosen.name, arguments_of(chosen.name, given, chosen.options))
        sample = None
        if getattr(encoder, "out_features", None) is None:  # it is tried on two patients
            sample = _two(job, prepared)
        frozen = True if chosen.freeze else None
        block = LegoBlock(encoder, job.plate, job.name, sample=sample, freeze_encoder=frozen)
    block.preprocessing = prepared.preprocessing[job.name]
    block.card.data = _described(job)
    data = prepared.data(list(job.train)).with_any()
    watched = having(job.cohort, [job.name], job.validation)
    valid = prepared.data(watched).with_any() if watched else None
    run: dict[str, Any] = {"seed": job.seed, "out": job.out, "resume": job.resume, "progress": job.progress}
    fit(block, data, validation=valid, **run, **job.settings.fit.model_dump() | chosen.fit.model_dump())
    return block


def _two(job: _Job, prepared: Prepared) -> Any:
    """Return what an encoder takes of the first two training patients who have the modality."""
    data = prepared.data(having(job.cohort, [job.name], job.train)[:2])
    return data.batch().inputs[job.name]


def _fitted(job: _Job, chosen: EncoderSettings) -> Brick:
    everyone = [*job.train, *job.validation]
    prepared = job.cohort.prepare(everyone, task=job.plate.task, modalities=[job.name])
    brick = _learner(job, _told_to_learners(job, prepared), chosen.name, chosen.options)
    brick.preprocessing = prepared.preprocessing[job.name]
    if job.out is not None:
        keep_answers(brick, job.out)
    return brick


def _told_to_learners(job: _Job, prepared: Prepared) -> Told:
    """Return what learners are fitted to: the rows of all who train or validate."""
    table = prepared.preprocessing[job.name]
    encoder, given = table.encoder()
    with in_turn():
        ordered = table.ragged and bool(getattr(build_encoder(encoder, given), "ordered", False))
        data = prepared.data(having(job.cohort, [job.name], [*job.train, *job.validation])).with_any()
        least = job.cohort.sources[job.name].min_patients
        return Told.of(data, job.name, ordered=ordered, gaps=table.accepts_missing, least=least)


def _learner(job: _Job, told: Told, name: str, options: dict[str, Any], most: int | None = None) -> Brick:
    with in_turn():
        brick = fit_learner(name, options, job.plate, job.name, told, seed=job.seed, most=most)
    brick.card.data = _described(job)
    return brick


def _pooled(job: _Job, prepared: Prepared, chosen: EncoderSettings) -> Brick:
    """Return a neural block and learners as one; learners are fitted to the validation patients as well."""
    table = prepared.preprocessing[job.name]
    suited, given = _neural_choice(table, job.name, job.settings)
    members: dict[str, Brick] = {}
    told = _told_to_learners(job, prepared)
    for label in members_for(job.plate.task, chosen.options, table.name):
        if label == NEURAL:
            members[label] = _neural(job, prepared, suited, given)
            members[label].preprocessing = None
        else:
            most = None if label in LINEAR else MOST
            members[label] = _learner(job, told, label, OPTIONS.get(label, {}), most)
    watched = having(job.cohort, [job.name], job.validation)
    everybody = having(job.cohort, [job.name], [*job.train, *job.validation])
    valid = prepared.data(watched).with_any() if watched else None
    how = chosen.options.get("weights", MEAN)
    bundle = pool(members, valid, prepared.data(everybody).with_any(), weights=how)
    bundle.preprocessing = table
    bundle.card.data = _described(job)
    if job.out is not None:
        keep_answers(bundle, job.out)
    return bundle


def encoder_for(fitted: Preprocessing, modality: str, settings: Settings) -> nn.Module:
    """Return the neural encoder that the settings choose, or else the one that suits the kind of data."""
    chosen, given = _neural_choice(fitted, modality, settings)
    return build_encoder(chosen.name, arguments_of(chosen.name, given, chosen.options))


def choice_for(
    fitted: Preprocessing, plate: Baseplate, modality: str, settings: Settings
) -> tuple[EncoderSettings, dict[str, Any]]:
    """Return what the settings choose for a modality, and what follows from the data.

    What is chosen for all modalities holds for those that it suits: an encoder for those of its kind of data, a
    learner for all.

    Parameters
    ----------
    fitted
        The preprocessing of the modality.
    plate
        What the block shares with others.
    modality
        Its name.
    settings
        Of encoders.
    """
    suited, given = fitted.encoder()
    chosen = settings.encoders.get(modality) or settings.encoder
    if modality not in settings.encoders and chosen.name in encoder_names() and chosen.name != suited:
        chosen = EncoderSettings(name=suited)
    if chosen.name == AUTO and not chosen.options and not _takes_learners(plate, settings):
        chosen = EncoderSettings(name=NEURAL)
    if chosen.name == AUTO and members_for(plate.task, chosen.options, fitted.name) == (NEURAL,):
        chosen = EncoderSettings(name=NEURAL)
    if chosen.name == NEURAL:
        chosen = EncoderSettings(name=suited, freeze=chosen.freeze, fit=chosen.fit)
    return chosen, given


def refuse_unserved(modalities: Sequence[str], task: Task, settings: Settings) -> None:
    """Refuse learners that do not serve the task, before any block is trained.

    Parameters
    ----------
    modalities
        Those that are about to be trained.
    task
        What is learnt.
    settings
        Of encoders.

    Raises
    ------
    InputError
        That names the modality, and the learners that would do.
    """
    for name in modalities:
        chosen = settings.encoders.get(name) or settings.encoder
        if chosen.name in learner_names() and served(task) not in (cls := learner_class(chosen.name)).tasks:
            with within(f"modality {name!r}"):
                serves(cls, task)


def _narrow(plate: Baseplate, modality: str, settings: Settings) -> bool:
    """Return whether learners would be tried, had the latent room for their read-out."""
    chosen = settings.encoders.get(modality) or settings.encoder
    return chosen.name == AUTO and not chosen.options and _may_add(settings) and plate.task.outputs > plate.width


def _takes_learners(plate: Baseplate, settings: Settings) -> bool:
    """Return whether what is merged and fused has a common read-out, and no latent that enters blocks in turn."""
    return _may_add(settings) and plate.task.outputs <= plate.width


def _may_add(settings: Settings) -> bool:
    return settings.merge.heads == COMMON and settings.fuse.mode == "parallel"


def _neural_choice(fitted: Preprocessing, modality: str, settings: Settings) -> tuple[EncoderSettings, dict[str, Any]]:
    """Return the encoder that is chosen for a modality, that of its kind where what is chosen is none."""
    suited, given = fitted.encoder()
    own = settings.encoders.get(modality)
    for chosen in (own, settings.encoder):
        if chosen is not None and chosen.name in encoder_names() and (chosen is own or chosen.name == suited):
            return chosen, given
    return EncoderSettings(name=suited), given


def _described(job: _Job) -> str:
    return f"{job.cohort.name}, modality {job.name}"


def _refuse_few(patients: int, name: str, least: int) -> None:
    if 0 < patients < least:
        raise InputError(
            f"{counted(patients, 'training patient')} with modality {name!r}",
            expected=f"at least {least}, for whom what its block learns has to stand",
            got=patients,
            remedy="Train on more, or say min_patients: 1 in its section if the block does not leave the house.",
        )


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    with in_turn(), torch.random.fork_rng():
        torch.manual_seed(int(np.random.SeedSequence([seed, 1]).generate_state(1)[0]))
        yield
