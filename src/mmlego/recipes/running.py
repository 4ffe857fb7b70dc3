"""One model, made as a recipe says: blocks loaded or trained, merged, calibrated, fused."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmlego.brick import Brick
from mmlego.checkpoint import load, save
from mmlego.checkpoint_config import CONFIG
from mmlego.data import Cohort
from mmlego.data.cohort.manifest import read_manifest
from mmlego.errors import InputError, LegoWarning
from mmlego.fuse import LegoFuse
from mmlego.hub import fetch
from mmlego.job.begin import keep_split, load_plate, make_split
from mmlego.job.contradiction import doubt_on
from mmlego.job.data import data_of
from mmlego.job.held_out import tell_of_merge
from mmlego.job.main import train_blocks
from mmlego.job.memory import VALIDATION, YES, trained_on
from mmlego.job.merging import learn_weights
from mmlego.job.sources import split_by_runs, split_of, strangers
from mmlego.job.tuning import tune_fuse
from mmlego.kept_answers import keep_origins
from mmlego.merge import LegoMerge
from mmlego.merge.weights import STACKED
from mmlego.recipes.keeping import absent, claim
from mmlego.recipes.reading import check_recipe, read_recipe
from mmlego.recipes.recipe import FuseSection, Patients, Recipe, WatchedSection
from mmlego.renaming import rename
from mmlego.run_folder import RunFolder, makers_of, runs_of
from mmlego.settings import FuseSettings, MergeSettings, Settings
from mmlego.sites import modality_of
from mmlego.wording import counted


@dataclass(frozen=True)
class Made:
    """What came of a recipe.

    Parameters
    ----------
    blocks
        By name.
    places
        By name the folder of each block.
    merge
        Of them, without training.
    fuse
        Tuned; None where the recipe says nothing of it.
    scale
        By which the evidence was calibrated; None where it was not.
    """

    blocks: dict[str, Brick]
    places: dict[str, Path]
    merge: LegoMerge
    fuse: LegoFuse | None = None
    scale: float | None = None


def run_recipe(
    recipe: str | os.PathLike[str] | Mapping[str, Any],
    out: str | os.PathLike[str],
    *,
    home: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    progress: bool = True,
) -> Made:
    """Make one model of blocks as a recipe says.

    Run again into the same folder, it goes on where it was interrupted.

    Parameters
    ----------
    recipe
        A YAML file, or what it would hold.
    out
        The folder for ``merge``, ``fuse``, the runs of blocks that are trained now, and ``recipe.yaml``: the recipe
        with every default, and with the hashes of its blocks.
    home
        Where paths count from; None: the folder of the file, or the current one.
    overwrite
        Replace what another recipe has made there.
    progress
        Whether to show progress bars.

    Returns
    -------
    Made
        The models: ``.merge``, ``.fuse``, ``.blocks``.

    Raises
    ------
    InputError
        If anything in the recipe is wrong, a file is not there, a block is not the one it says, or ``out`` holds what
        another recipe has made.
    MismatchError
        If blocks stand on different baseplates.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from tempfile import TemporaryDirectory
    >>> from mmlego import Baseplate, FittedBlock, LegoBlock, save
    >>> from mmlego.encoders import SNN
    >>> from mmlego.tasks import Classification
    >>> plate = Baseplate(Classification(2), channels=4, width=8)
    >>> with TemporaryDirectory() as folder:
    ...     for name in ("rna", "labs"):
    ...         _ = save(LegoBlock(SNN(3), plate, name), f"{folder}/{name}")
    ...     recipe = {"blocks": {"rna": "rna", "labs@a": "labs"}, "weights": "uniform"}
    ...     made = run_recipe(recipe, f"{folder}/model", home=folder)
    >>> made.merge.modalities, made.merge.weights.tolist()
    (('rna', 'labs@a'), [0.5, 0.5])
    """
    if isinstance(recipe, Mapping):
        read, base = check_recipe(recipe), Path() if home is None else Path(home)
    else:
        read, base = read_recipe(Path(recipe)), Path(recipe).parent if home is None else Path(home)
    folder = Path(out)
    _read_all(read, base)
    read = _pinned(read)
    claim(read, base, folder, overwrite=overwrite)
    blocks, places = _blocks(read, base, folder, progress=progress, overwrite=overwrite)
    merging = MergeSettings(**{name: getattr(read, name) for name in MergeSettings.model_fields})
    merge, scale = _merged(list(blocks.values()), list(places.values()), merging, read, base)
    save(merge, folder / "merge", overwrite=True)
    keep_origins(folder / "merge", places)
    fuse = None
    if read.fuse is not None:
        fuse = _fused(blocks, places, merging, read.fuse, base, folder, progress=progress, overwrite=overwrite)
        save(fuse, folder / "fuse", overwrite=True)
        keep_origins(folder / "fuse", places)
    elif (folder / "fuse").is_dir():
        shutil.rmtree(folder / "fuse")  # what another recipe has made is replaced as a whole
    return Made(blocks, places, merge, fuse, scale)


def _pinned(recipe: Recipe) -> Recipe:
    """Return a recipe in which every branch of the Hub is the commit that it is now: it may move while this runs."""
    blocks = {
        name: part.model_copy(update={"revision": fetch(part.hub, part.revision)[1]})
        if part.hub is not None and part.revision is not None
        else part
        for name, part in recipe.blocks.items()
    }
    return recipe.model_copy(update={"blocks": blocks})


def _read_all(recipe: Recipe, base: Path) -> None:
    """Look for all that is named, and read the manifests, before anything is trained: what is wrong is told at once."""
    sections: dict[str, Patients | None] = {f"block {name}": part.train for name, part in recipe.blocks.items()}
    wrong = [
        str(absent(base / part.path, name))
        for name, part in recipe.blocks.items()
        if part.path is not None and not os.path.isfile(base / part.path / CONFIG)  # a name that is too long is none
    ]
    for name, section in (sections | {"held_out": recipe.held_out, "fuse": recipe.fuse}).items():
        if section is None:
            continue
        try:
            if read_manifest(base / section.data).outcome is None:
                wrong.append(f"{name} needs an outcome, and {section.data} has none: add outcome: to the manifest")
        except InputError as error:
            wrong.append(f"{name}: {error}")
    if len(wrong) == 1:
        raise InputError(wrong[0])
    if wrong:
        raise InputError("\n  ".join([f"{counted(len(wrong), 'thing')} are wrong:", *wrong]))


def _cohort(section: Patients, base: Path, why: str) -> Cohort:
    cohort = Cohort.from_manifest(base / section.data, folder=[base / one for one in section.data_dir] or None)
    if cohort.outcome is None:
        raise InputError(f"{why} needs an outcome, and {cohort.name} has none", remedy="Add outcome: to the manifest.")
    return cohort


def _blocks(
    recipe: Recipe, base: Path, folder: Path, *, progress: bool, overwrite: bool
) -> tuple[dict[str, Brick], dict[str, Path]]:
    """Return blocks and where they lie, in the order of the recipe; those that are there first, as one may be wrong."""
    blocks: dict[str, Brick] = {}
    places: dict[str, Path] = {}
    for name, part in recipe.blocks.items():
        if part.train is None:
            if part.hub is not None and part.revision is not None:
                places[name], _ = fetch(part.hub, part.revision)
                found = load(part.hub, revision=part.revision)
            else:
                places[name] = base / str(part.path)
                found = load(places[name])
            if not isinstance(found, Brick):
                raise InputError(
                    f"block {name}: {places[name]} holds no block", expected="a block", got=type(found).__name__
                )
            blocks[name] = rename(found, name)
    plate = load_plate(base / recipe.plate) if recipe.plate is not None else None
    plate = next((block.plate for block in blocks.values()), None) if plate is None else plate
    cohorts: dict[tuple[str, ...], Cohort] = {}
    for name, part in recipe.blocks.items():
        made = part.train
        if made is None:
            continue
        key = (made.data, *made.data_dir)
        cohort = cohorts[key] = cohorts.get(key) or _cohort(made, base, f"training block {name}")
        run = folder / "runs" / name
        modality = modality_of(name)
        trained = train_blocks(
            cohort,
            made.settings,
            modalities=[modality],
            test=made.test,
            validation=made.validation,
            disjoint=not made.shared_patients,
            plate=plate,
            out=run,
            resume=not overwrite,
            progress=progress,
        )
        plate = plate or trained.plate
        places[name] = RunFolder(run).block(modality)
        blocks[name] = rename(trained.blocks[modality], name)
    return {name: blocks[name] for name in recipe.blocks}, {name: places[name] for name in recipe.blocks}


def _merged(
    blocks: list[Brick], places: list[Path], merging: MergeSettings, recipe: Recipe, base: Path
) -> tuple[LegoMerge, float | None]:
    stacked = merging.weights == STACKED
    merge = LegoMerge(blocks, **(merging.model_dump() | ({"weights": "auto"} if stacked else {})))
    if recipe.held_out is None:
        return merge, None
    cohort = _cohort(recipe.held_out, base, "held_out")
    train, validation = _watched(
        recipe.held_out, merge, cohort, places, "calibrate on" if recipe.calibrate else "compare with"
    )
    weighed = zip(merge.modalities, merge.weights.tolist(), strict=True)
    doubt_on({name: merge.block(name) for name, weight in weighed if weight > 0}, cohort, [*train, *validation])
    if stacked:
        learn_weights(merge, cohort, train, validation)
    if not recipe.calibrate:
        tell_of_merge(merge, cohort, train, validation)
        return merge, None
    from mmlego.training import calibrate

    return merge, calibrate(merge, data_of(merge, cohort, validation))


def _watched(
    section: WatchedSection, merge: LegoMerge, cohort: Cohort, places: list[Path], what: str
) -> tuple[list[str], list[str]]:
    """Return who was trained on and who was not; the blocks' runs know it, or the recipe says that nobody was."""
    if not section.unseen:
        who = split_by_runs(places, cohort, what).named(cohort.patients)
        return who["train"], who["validation"]
    known = trained_on(merge, makers_of(places), cohort)
    seen = [patient for patient in cohort.patients if known[patient] in (YES, VALIDATION)]
    if seen:
        raise InputError(
            "held_out says unseen: true, and blocks were trained or validated on its patients",
            expected="patients whom no block was trained on",
            got=f"{len(seen)} of {len(cohort)} of {cohort.name}",
            remedy="Leave unseen: out, and the split of the blocks' runs counts; or name other patients.",
        )
    merge.card.recipe = {**merge.card.recipe, "held out": f"{cohort.name}, which the recipe says nobody was trained on"}
    return [], list(cohort.patients)


def _fused(
    blocks: Mapping[str, Brick],
    places: Mapping[str, Path],
    merging: MergeSettings,
    section: FuseSection,
    base: Path,
    folder: Path,
    *,
    progress: bool,
    overwrite: bool,
) -> LegoFuse:
    cohort = _cohort(section, base, "fuse")
    order = {name: i for i, name in enumerate(cohort.modalities)}
    read = list(dict.fromkeys(block.reads for block in blocks.values()))
    if any(name not in order for name in read):
        raise InputError(
            f"fuse: {cohort.name} lacks modalities of the blocks",
            expected=f"{', '.join(read)} in the manifest",
            got=", ".join(cohort.modalities),
            remedy="Leave fuse: out: the blocks are merged.",
        )
    home = RunFolder(folder)
    split = split_of(runs_of([*places.values(), home.fuse]), cohort)
    told_of_strangers = strangers(blocks, places, cohort)
    if split is None:
        split = make_split(cohort, home, section.test, 0.2, section.seed, "error")
    keep_split(split, cohort, home)
    who = split.named(cohort.patients)
    chosen = FuseSettings(**{name: getattr(section, name) for name in FuseSettings.model_fields})
    doubt_on(blocks, cohort, [*who["train"], *who["validation"]])
    model = tune_fuse(
        cohort,
        sorted(blocks.values(), key=lambda block: order[block.reads]),
        who["train"],
        who["validation"],
        Settings(merge=merging, fuse=chosen),
        seed=section.seed,
        out=home.fit("fuse"),
        resume=not overwrite,
        progress=progress,
    )
    if model is None:
        raise InputError(
            "fuse: no training patient has all modalities",
            expected=f"patients with {', '.join(read)}",
            got="none",
            remedy="Leave fuse: out: the blocks are merged.",
        )
    if told_of_strangers is not None:
        warnings.warn(told_of_strangers, LegoWarning, stacklevel=3)
    return model
