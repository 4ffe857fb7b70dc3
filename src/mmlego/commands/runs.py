"""What the verbs find in run folders and checkpoints: cohorts with an outcome, checkpoints, models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.commands.progress import phase
from mmlego.commands.show import short
from mmlego.errors import InputError
from mmlego.run_folder import RunFolder

if TYPE_CHECKING:
    from mmlego.data import Cohort
    from mmlego.data.cohort.manifest_files import Wanted
    from mmlego.training.evaluate import Model


def read_cohort(
    data: Path,
    folder: list[Path] | None,
    why: str,
    *,
    links: bool = False,
    wanted: Wanted | None = None,
    shown: bool = False,
) -> Cohort:
    """Return the cohort of a manifest, which must have an outcome; on request it is shown how long that takes.

    Raises
    ------
    InputError
        If it has none.
    """
    from mmlego.data import Cohort

    with phase(f"reading {short(data)}", shown=shown):
        cohort = Cohort.from_manifest(data, folder=folder, links=links, wanted=wanted)
    if cohort.outcome is None:
        raise InputError(f"{why} needs an outcome, and {cohort.name} has none", remedy="Add outcome: to the manifest.")
    return cohort


def checkpoints_of(places: Iterable[Path], *, plates: bool = False) -> list[Path]:
    """Return the checkpoints of run folders, and checkpoints as they are."""
    found: list[Path] = []
    for place in places:
        run = RunFolder(place)
        found += [place] if (place / "config.json").is_file() or not run.has_blocks() else run.models(plate=plates)
    return found


def load_model(place: Path) -> Model:
    """Return a model to predict with."""
    from mmlego.job.predicted_table import model_in

    if not (place / "config.json").is_file() and RunFolder(place).has_blocks():
        inside = [str(path) for path in checkpoints_of([place])]
        raise InputError(f"{place} is a run folder", expected="one of its models", got=", ".join(inside))
    return model_in(place)
