"""Run folders and what the verbs find in them: splits, baseplates, settings, checkpoints.

A run folder holds ``plate/`` (share it with other sites before they train), ``blocks/NAME/``, ``merge/``, ``fuse/``,
``split.json`` (which patients nobody trained on), ``settings.yaml`` (all settings in force) and ``fits/`` (histories
and logs, from which an interrupted run goes on).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.errors import InputError, MismatchError

if TYPE_CHECKING:
    from mmlego.baseplate import Baseplate
    from mmlego.block import LegoBlock
    from mmlego.data import Cohort, Split
    from mmlego.data.cohort.splitting import Duplicates
    from mmlego.settings import PlateSettings, Settings
    from mmlego.training.evaluate import Model

SPLIT, SETTINGS = "split.json", "settings.yaml"


def read_cohort(data: Path, folder: Path | None, why: str) -> Cohort:
    """Return the cohort of a manifest, which must have an outcome.

    Raises
    ------
    InputError
        If it has none.
    """
    from mmlego.data import Cohort

    cohort = Cohort.from_manifest(data, folder=folder)
    if cohort.outcome is None:
        raise InputError(f"{why} needs an outcome, and {cohort.name} has none", remedy="Add outcome: to the manifest.")
    return cohort


def runs_of(places: Iterable[Path]) -> list[Path]:
    """Return the run folders that checkpoints lie in, or that are named themselves: those with a split."""
    found: dict[Path, None] = {}
    for place in places:
        whole = place.resolve()
        for folder in (whole, whole.parent, whole.parent.parent):
            if (folder / SPLIT).is_file():
                found[folder] = None
                break
    return list(found)


def split_of(runs: Iterable[Path], cohort: Cohort) -> Split | None:
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
                f"{' and '.join(str(place) for place in (next(iter(splits)), run))} split the patients differently",
                expected="one split, so that nobody is tested on whom another run has trained",
                got="two",
            )
    return first


def read_split(run: Path, cohort: Cohort) -> Split | None:
    """Return the split of a run folder, None if it was made for other patients than this cohort's."""
    import json

    from mmlego.data import check_split, hash_patients, load_splits
    from mmlego.data.cohort.scaffolds import declared_groups

    file = run / SPLIT
    try:
        known = json.loads(file.read_text(encoding="utf-8")).get("patients_sha256")
    except (ValueError, AttributeError):
        known = hash_patients(cohort.patients)  # damaged: load_splits says how
    if known != hash_patients(cohort.patients):
        return None
    split = load_splits(file, cohort.patients)[0]
    check_split(split, cohort.patients, declared_groups(cohort))
    return split


def make_split(cohort: Cohort, run: Path, test: float, validation: float, seed: int, duplicates: Duplicates) -> Split:
    """Return the split of a run folder; make and keep it if there is none.

    Raises
    ------
    InputError
        If the folder's split was made for other patients, the shares leave nobody to train on, or it would leak.
    """
    if (run / SPLIT).is_file():
        split = read_split(run, cohort)
        if split is None:
            raise InputError(
                f"{run / SPLIT} was made for other patients",
                expected=f"those of {cohort.name}, as they are now",
                got="another list",
                remedy="Choose another folder with --out.",
            )
        return split
    train = round(1 - test - validation, 9)
    if train <= 0:
        raise InputError(
            "--test and --validation leave nobody to train on", expected="a sum below 1", got=test + validation
        )
    split = cohort.split(duplicates=duplicates, fractions=(train, validation, test), seed=seed)[0]
    keep_split(split, cohort, run)
    return split


def keep_split(split: Split, cohort: Cohort, run: Path) -> None:
    """Write the split to a run folder that has none."""
    from mmlego.data import save_splits

    if not (run / SPLIT).is_file():
        save_splits([split], cohort.patients, run / SPLIT)


def plate_of(cohort: Cohort, train: list[str], given: Path | None, run: Path, settings: Settings) -> Baseplate:
    """Return the baseplate of a run: the one given, or the one it was begun on, or a new one; and keep it there.

    Raises
    ------
    InputError
        If there is no outcome to make one for, or the checkpoint given is none.
    MismatchError
        If the run was begun on another one, or the settings ask for another one.
    """
    from mmlego.baseplate import Baseplate
    from mmlego.checkpoint import load, save

    place = run / "plate"
    found = None
    for source in (given, place if place.is_dir() else None):
        if source is None:
            continue
        plate = load(source)
        if not isinstance(plate, Baseplate):
            raise InputError(f"{source} holds no baseplate", expected="a Baseplate", got=type(plate).__name__)
        if found is not None and plate.fingerprint != found.fingerprint:
            raise MismatchError(
                f"{run} was begun on another baseplate than {given}",
                expected="one baseplate",
                got="; ".join(plate.differences(found)),
                remedy="Choose another folder with --out.",
            )
        _check_asked(settings.plate, plate, source)
        found = plate
    if found is None:
        if cohort.outcome is None or cohort.outcome_spec is None:
            raise InputError("training needs an outcome", remedy="Add outcome: to the manifest.")
        task = cohort.outcome_spec.fit_task(cohort.outcome.loc[train])
        found = Baseplate(task, **settings.plate.model_dump())
    if not place.is_dir():
        save(found, place)
    return found


def _check_asked(asked: PlateSettings, plate: Baseplate, source: Path) -> None:
    """Refuse settings of a plate that is there already, if they ask for another: they would have no effect."""
    has = plate.config()
    said = asked.model_dump(include=asked.model_fields_set)
    odd = [f"{name}: {has[name]} ≠ {value}" for name, value in said.items() if has[name] != value]
    if odd:
        raise MismatchError(
            f"the settings ask for another baseplate than {source}",
            expected="plate.* as it is there, or not set",
            got="; ".join(odd),
            remedy="A baseplate never changes: leave these settings out, or begin another run without it.",
        )


def checkpoints_of(places: Iterable[Path], *, plates: bool = False) -> list[Path]:
    """Return the checkpoints of run folders, and checkpoints as they are."""
    found: list[Path] = []
    for place in places:
        if (place / "config.json").is_file() or not (place / "blocks").is_dir():
            found.append(place)
            continue
        found += [place / "plate"] if plates and (place / "plate").is_dir() else []
        found += blocks_below(place)
        found += [place / name for name in ("merge", "fuse") if (place / name).is_dir()]
    return found


def blocks_below(run: Path) -> list[Path]:
    """Return the checkpoints of a run folder's blocks; what an interrupted save left there has a dot before it."""
    return sorted(path for path in (run / "blocks").iterdir() if path.is_dir() and not path.name.startswith("."))


def load_blocks(sources: Iterable[Path]) -> list[LegoBlock]:
    """Return the blocks of run folders and checkpoints."""
    from mmlego.block import LegoBlock
    from mmlego.checkpoint import load

    found = []
    for source in sources:
        for place in blocks_below(source) if (source / "blocks").is_dir() else [source]:
            model = load(place)
            if not isinstance(model, LegoBlock):
                raise InputError(f"{place} holds no block", expected="a LegoBlock", got=type(model).__name__)
            found.append(model)
    return found


def load_model(place: Path) -> Model:
    """Return a model to predict with."""
    from mmlego.baseplate import Baseplate
    from mmlego.checkpoint import load

    if not (place / "config.json").is_file() and (place / "blocks").is_dir():
        inside = [str(path) for path in checkpoints_of([place])]
        raise InputError(f"{place} is a run folder", expected="one of its models", got=", ".join(inside))
    model: Model | Baseplate = load(place)
    if isinstance(model, Baseplate):
        raise InputError(f"{place} holds no model", expected="a block, merge or fuse", got="a Baseplate")
    return model
