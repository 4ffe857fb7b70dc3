"""From a manifest to the parts of a cohort: its files read in the order in which one hangs on another."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mmlego.data.cohort.assembly import assemble, read_outcome
from mmlego.data.cohort.manifest import Manifest, read_manifest
from mmlego.data.kinds.source import Folder
from mmlego.data.reading.joins import Dropped
from mmlego.data.splits.rules import PatientGroups, read_groups
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class ManifestFiles(NamedTuple):
    """What the files of a manifest hold.

    Parameters
    ----------
    manifest
        The manifest.
    patients
        Who is in the cohort.
    frames
        By modality, a row a patient.
    outcome
        By patient; None if the manifest names none.
    dropped
        What was left out.
    groups
        Who must stay on one side of a split; None if the manifest does not say.
    """

    manifest: Manifest
    patients: tuple[str, ...]
    frames: dict[str, pd.DataFrame]
    outcome: pd.DataFrame | None
    dropped: tuple[Dropped, ...]
    groups: PatientGroups | None


def read_files(
    path: str | os.PathLike[str], folder: str | os.PathLike[str] | None, *, allow_outside: bool
) -> ManifestFiles:
    """Read all files that a manifest names.

    Parameters
    ----------
    path, folder, allow_outside
        As :meth:`Cohort.from_manifest` takes them.

    Raises
    ------
    InputError
        If the manifest or a file cannot be used; the message names the section or the file.
    """
    manifest = read_manifest(path)
    home = Path(path).parent
    if folder is not None and not Path(folder).is_dir():
        raise InputError(f"there is no folder {str(folder)!r}", expected="the folder of the manifest's files")
    place = home if folder is None else Path(folder)
    files = Folder(place, manifest.key, allow_outside=allow_outside, home=home)
    spec = manifest.outcome
    raw = None if spec is None else files.table(spec.file or "")
    outcome, columns, notes = read_outcome(raw, spec, manifest.key)
    files.patients = None if outcome is None else frozenset(outcome.index)
    tables = {}
    for modality, source in manifest.modalities.items():
        tables[modality], found = source.read(files, modality, columns)
        notes += found
    patients, frames, known, lost = assemble(tables, outcome)
    groups = None if manifest.split is None else read_groups(manifest.split, files, patients)
    return ManifestFiles(manifest, patients, frames, known, (*notes, *lost), groups)
