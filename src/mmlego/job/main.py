"""The main job: blocks trained apart, merged without training, and fused briefly on those who have everything."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from mmlego.baseplate import Baseplate
from mmlego.brick import Brick
from mmlego.cells import Watch, Workers
from mmlego.checkpoint import save
from mmlego.data import Cohort, Split
from mmlego.data.cohort.splitting import Duplicates
from mmlego.errors import InputError, LegoWarning, UnknownNameError
from mmlego.files import write_atomically
from mmlego.fingerprint import fingerprint
from mmlego.job.begin import claim, given_split, make_split, plate_of, settings_of
from mmlego.job.blocks import fit_blocks, parts_by_modality
from mmlego.job.bricks import Blocks, Bricks
from mmlego.job.merging import merge_blocks
from mmlego.job.one_block import refuse_unserved
from mmlego.job.side_by_side import fit_side_by_side
from mmlego.job.tuning import tune_fuse
from mmlego.run_folder import RunFolder
from mmlego.run_lock import alone_in
from mmlego.settings import Settings, as_settings, write_settings

Advance = Callable[[str], None]


def train(
    cohort: Cohort,
    settings: Settings | Mapping[str, Any] | None = None,
    *,
    test: float = 0.2,
    validation: float = 0.2,
    split: Split | None = None,
    disjoint: bool = True,
    plate: Baseplate | str | os.PathLike[str] | None = None,
    duplicates: Duplicates = "error",
    seed: int | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = True,
    progress: bool = True,
    advance: Advance | None = None,
) -> Bricks:
    """Train a block a modality, merge them without training, and fuse them briefly on patients who have everything.

    Parameters
    ----------
    cohort
        The patients.
    settings
        Of all parts, as ``{"fit": {"epochs": 30}}``; what is not given has its default.
    test, validation
        Shares of the patients that are held back, and that early stopping watches; learners are fitted to these, too.
    split
        Who trains, validates and is held back, in place of the two shares.
    disjoint
        Cut the training and validation patients into one part a modality, so that no two blocks share a patient.
        The fused model is tuned on the training patients who have all modalities either way.
    plate
        A baseplate, or the folder of one, that blocks from elsewhere stand on; None: a new one.
    duplicates
        What to do about equal features under two ids, as ``Cohort.split`` takes it.
    seed
        Of split, parts, weights and training, in place of the settings'.
    out
        The folder of the run: models, split, settings, histories, and what an interrupted run needs to go on.
    resume
        Go on with what ``out`` holds; False: train anew, but on the split and the baseplate that are there.
    progress
        Whether to show a progress bar for each fit.
    advance
        Told after each stage what was done.

    Returns
    -------
    Bricks
        The models, with their preprocessing: ``.blocks``, ``.merge``, ``.fuse``, ``.plate``; and the patients:
        ``.train``, ``.validation``, ``.test``.

    Raises
    ------
    InputError
        If the cohort has no outcome, no training patient of a part has its modality, the split would leak, or ``out``
        holds another run.
    UnknownNameError
        If the settings name a modality that the cohort lacks.
    MismatchError
        If a baseplate is not the one that the run was begun on, or not as the settings ask.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> ids = [f"p{i:02d}" for i in range(40)]
    >>> risk = np.arange(40) % 2
    >>> frames = {name: pd.DataFrame({name: risk + 0.01 * np.arange(40)}, index=ids) for name in ("rna", "age")}
    >>> died = pd.DataFrame({"died": risk}, index=ids)
    >>> cohort = Cohort.from_frames(frames, outcome=died, task={"task": "classification", "label": "died"})
    >>> models = train(cohort, {"fit": {"epochs": 1}, "fuse": {"fit": {"epochs": 1}}}, progress=False)
    >>> list(models.blocks), models.merge.modalities, len(models.test)
    (['rna', 'age'], ('rna', 'age'), 8)
    """
    chosen = _chosen(settings, seed)
    check_names(chosen, cohort.modalities)
    run = None if out is None else RunFolder(Path(out))
    tell = advance or (lambda stage: None)
    with _alone(run):
        made = _blocks(
            cohort,
            chosen,
            cohort.modalities,
            split=split,
            shares=(test, validation),
            disjoint=disjoint,
            plate=plate,
            duplicates=duplicates,
            run=run,
            resume=resume,
            progress=progress,
            tell=tell,
            whole=True,
        )
        blocks = list(made.blocks.values())
        merge = merge_blocks(cohort, blocks, made.train, made.validation, made.settings)
        if run is not None:
            save(merge, run.merge, data=cohort.name, overwrite=True)
        tell("merge")
        fuse = tune_fuse(
            cohort,
            blocks,
            made.train,
            made.validation,
            made.settings,
            seed=made.settings.seed,
            out=None if run is None else run.fit("fuse"),
            resume=resume,
            progress=progress,
        )
        if run is not None and fuse is not None:
            save(fuse, run.fuse, data=cohort.name, overwrite=True)
        tell("fuse")
        return Bricks(**vars(made), merge=merge, fuse=fuse)


def train_blocks(
    cohort: Cohort,
    settings: Settings | Mapping[str, Any] | None = None,
    *,
    modalities: Sequence[str] | None = None,
    test: float = 0.2,
    validation: float = 0.2,
    split: Split | None = None,
    disjoint: bool = True,
    plate: Baseplate | str | os.PathLike[str] | None = None,
    duplicates: Duplicates = "error",
    seed: int | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = True,
    progress: bool = True,
    advance: Advance | None = None,
    workers: Workers | None = None,
    place: Mapping[str, Any] | None = None,
    watch: Watch | None = None,
) -> Blocks:
    """Train a block a modality and stop there: what a site does whose blocks are merged elsewhere.

    Parameters
    ----------
    cohort
        The patients.
    settings
        Of baseplate, encoders and training. Encoders of modalities that the cohort lacks are pointed out, not
        refused: one file may serve several sites.
    modalities
        Those whose block is to be trained; None: all. One alone comes out as it does among all.
    test, validation, split, disjoint, plate, duplicates, seed, out, resume, progress, advance
        As :func:`train` takes them.
    workers
        How many blocks at a time, and where (:class:`mmlego.cells.Workers`); what comes out is the same. More than one
        needs ``out``, and Ray. None: one, in this process.
    place
        Where the cohort lies (:func:`mmlego.cells.in_manifest`), for workers of other processes.
    watch
        Told how blocks come along that workers train.

    Returns
    -------
    Blocks
        The blocks by modality, their baseplate, and who trained, validated and was held back.

    Raises
    ------
    InputError, MismatchError
        As :func:`train`.
    UnknownNameError
        If the cohort lacks a modality that is named.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> ids = [f"p{i:02d}" for i in range(40)]
    >>> frames = {"rna": pd.DataFrame({"TP53": np.arange(40.0)}, index=ids)}
    >>> died = pd.DataFrame({"died": np.arange(40) % 2}, index=ids)
    >>> cohort = Cohort.from_frames(frames, outcome=died, task={"task": "classification", "label": "died"})
    >>> made = train_blocks(cohort, {"fit": {"epochs": 1}}, progress=False)
    >>> made.blocks["rna"].card.patients  # learners are fitted to those who validate, too
    {'training': 32}
    """
    unknown = [name for name in modalities or () if name not in cohort.modalities]
    if unknown:
        known = f"one of {', '.join(cohort.modalities)}"
        raise UnknownNameError("unknown modality", expected=known, got=", ".join(unknown))
    chosen = _chosen(settings, seed)
    _warn_of_unknown(list(chosen.encoders), cohort)
    run = None if out is None else RunFolder(Path(out))
    many = None if workers is None or (workers.count == 1 and workers.address is None) else (workers, place, watch)
    with _alone(run):
        return _blocks(
            cohort,
            chosen,
            modalities or cohort.modalities,
            split=split,
            shares=(test, validation),
            disjoint=disjoint,
            plate=plate,
            duplicates=duplicates,
            run=run,
            resume=resume,
            progress=progress,
            tell=advance or (lambda stage: None),
            many=many,
        )


def _alone(run: RunFolder | None) -> AbstractContextManager[None]:
    """Keep other processes out of a run folder."""
    return nullcontext() if run is None else alone_in(run.private, run.place)


def _blocks(
    cohort: Cohort,
    settings: Settings,
    modalities: Sequence[str],
    *,
    split: Split | None,
    shares: tuple[float, float],
    disjoint: bool,
    plate: Baseplate | str | os.PathLike[str] | None,
    duplicates: Duplicates,
    run: RunFolder | None,
    resume: bool,
    progress: bool,
    tell: Advance,
    whole: bool = False,
    many: tuple[Workers, Mapping[str, Any] | None, Watch | None] | None = None,
) -> Blocks:
    if cohort.outcome is None or cohort.outcome_spec is None:
        raise InputError("training needs an outcome", remedy="Add outcome: to the manifest.")
    if many is not None and run is None:
        raise InputError("workers leave blocks in a folder", expected="out=", got="none", remedy="Pass out=PATH.")
    if split is None:
        split = make_split(cohort, run, *shares, settings.seed, duplicates)
    else:
        split = given_split(split, cohort, run)
    who = split.named(cohort.patients)
    base = plate if plate is None or isinstance(plate, Baseplate) else Path(plate)
    shared = plate_of(cohort, who["train"], base, run, settings.plate)
    settings = settings.model_copy(update={"plate": settings_of(shared)})
    refuse_unserved(modalities, shared.task, settings)
    if run is not None:
        if whole:
            method = {"job": "train", "disjoint": disjoint, "plate": shared.fingerprint}
            claim(run, fingerprint(cohort, split, settings, method), resume=resume)
        write_atomically(run.modalities, json.dumps(cohort.modalities, ensure_ascii=False) + "\n")
        if not run.settings.is_file():  # those of an earlier run stay until this one has taken its place
            write_atomically(run.settings, write_settings(settings))
        run.begin(modalities, anew=not resume)
    parts = parts_by_modality(cohort, who["train"], who["validation"], disjoint=disjoint, seed=settings.seed)

    def done(block: Brick) -> None:
        if run is not None:
            save(block, run.block(block.modality), overwrite=True)
            run.end(block.modality)
        tell(f"block {block.modality}")

    chosen = {name: part for name, part in parts.items() if name in modalities}
    given: dict[str, Any] = {"seed": settings.seed, "run": run, "resume": resume}
    if many is None:
        blocks = fit_blocks(cohort, shared, chosen, settings, **given, progress=progress, done=done)
    else:
        workers, where, watch = many
        blocks = fit_side_by_side(cohort, shared, chosen, settings, **given, workers=workers, place=where, watch=watch)
    if run is not None:
        write_atomically(run.settings, write_settings(settings))
    ids = {name: tuple(patients) for name, patients in who.items()}
    return Blocks(shared, blocks, **ids, parts=chosen, settings=settings)


def _chosen(settings: Settings | Mapping[str, Any] | None, seed: int | None) -> Settings:
    chosen = as_settings(settings)
    return chosen if seed is None else chosen.model_copy(update={"seed": as_settings({"seed": seed}).seed})


def check_names(settings: Settings, modalities: Sequence[str]) -> None:
    """Refuse settings that name unknown modalities, before hours of training rather than after.

    Parameters
    ----------
    settings
        Of all parts.
    modalities
        Of the cohort.

    Raises
    ------
    UnknownNameError
        If there is one.
    """
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


def _warn_of_unknown(names: list[str], cohort: Cohort) -> None:
    """Say which settings have no effect here: one file may serve sites with different modalities."""
    unknown = [name for name in names if name not in cohort.modalities]
    if unknown:
        text = f"Settings under encoders.{', encoders.'.join(unknown)} have no effect: {cohort.name} has "
        warnings.warn(f"{text}{', '.join(cohort.modalities)}.", LegoWarning, stacklevel=3)
