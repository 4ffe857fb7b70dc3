"""What the verbs find in run folders and checkpoints: cohorts with an outcome, splits, blocks, models."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.errors import InputError, LegoWarning
from mmlego.run_folder import RunFolder
from mmlego.wording import listed

if TYPE_CHECKING:
    from mmlego.baseplate import Baseplate
    from mmlego.brick import Brick
    from mmlego.data import Cohort, Split
    from mmlego.data.cohort.manifest_files import Wanted
    from mmlego.training.evaluate import Model


def read_cohort(
    data: Path, folder: list[Path] | None, why: str, *, links: bool = False, wanted: Wanted | None = None
) -> Cohort:
    """Return the cohort of a manifest, which must have an outcome.

    Raises
    ------
    InputError
        If it has none.
    """
    from mmlego.data import Cohort

    cohort = Cohort.from_manifest(data, folder=folder, links=links, wanted=wanted)
    if cohort.outcome is None:
        raise InputError(f"{why} needs an outcome, and {cohort.name} has none", remedy="Add outcome: to the manifest.")
    return cohort


def split_of(runs: Iterable[RunFolder], cohort: Cohort) -> Split | None:
    """Return the split of runs on a cohort; None if none of them is on this cohort.

    Raises
    ------
    InputError
        If two of them split it differently: one run's test patients may be the other's training patients.
    """
    from mmlego.job.begin import read_split

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


def checkpoints_of(places: Iterable[Path], *, plates: bool = False) -> list[Path]:
    """Return the checkpoints of run folders, and checkpoints as they are."""
    found: list[Path] = []
    for place in places:
        run = RunFolder(place)
        found += [place] if (place / "config.json").is_file() or not run.has_blocks() else run.models(plate=plates)
    return found


def load_blocks(sources: Iterable[Path], *, allow_missing: bool = False) -> list[tuple[Path, Brick]]:
    """Return the blocks of run folders and checkpoints, and where they lie.

    Those of runs remember what they answered out of fold.

    Parameters
    ----------
    sources
        The folders.
    allow_missing
        Go on, with a warning, where the training of a modality was begun in a run and has left no block.

    Raises
    ------
    InputError
        If there is one and that is not allowed, or a checkpoint holds no block.
    """
    from mmlego.brick import Brick
    from mmlego.checkpoint import load

    found = []
    for source in sources:
        run = RunFolder(source)
        if run.has_blocks() and (lacking := run.lacking()):
            _tell_of_lacking(run, lacking, allow_missing=allow_missing)
        for place in run.saved_blocks() if run.has_blocks() else [source]:
            model = load(place)
            if not isinstance(model, Brick):
                raise InputError(f"{place} holds no block", expected="a block", got=type(model).__name__)
            found.append((place, model))
    return found


def _tell_of_lacking(run: RunFolder, lacking: list[str], *, allow_missing: bool) -> None:
    told = f"{run.place} has no block of {listed(lacking)}, whose training was begun"
    if not allow_missing:
        raise InputError(
            told,
            expected="the blocks of all modalities that were to be trained",
            got=listed([path.name for path in run.saved_blocks()]) or "none",
            remedy="Run mmlego train again, which goes on where it stopped, or pass --allow-missing to do without.",
        )
    warnings.warn(f"{told}: the model does without.", LegoWarning, stacklevel=3)


def load_model(place: Path) -> Model:
    """Return a model to predict with."""
    from mmlego.baseplate import Baseplate
    from mmlego.checkpoint import load

    if not (place / "config.json").is_file() and RunFolder(place).has_blocks():
        inside = [str(path) for path in checkpoints_of([place])]
        raise InputError(f"{place} is a run folder", expected="one of its models", got=", ".join(inside))
    model: Model | Baseplate = load(place)
    if isinstance(model, Baseplate):
        raise InputError(f"{place} holds no model", expected="a block, merge or fuse", got="a Baseplate")
    return model
