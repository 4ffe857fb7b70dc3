"""From a manifest to the parts of a cohort: its files read in the order in which one hangs on another."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from mmlego.data.cohort.assembly import assemble, read_outcome
from mmlego.data.cohort.manifest import Manifest, read_manifest
from mmlego.data.kinds.expected import Expected
from mmlego.data.kinds.folder import Folder
from mmlego.data.reading.places import Places
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.splits.rules import PatientGroups, doubts_of_groups, read_groups
from mmlego.errors import InputError, LegoError
from mmlego.wording import meant, shortened

if TYPE_CHECKING:
    import pandas as pd

Where: TypeAlias = str | os.PathLike[str]


@dataclass(frozen=True)
class Wanted:
    """What a cohort is read for: to predict with models that are there.

    Columns that a section names may then be absent, for the models say which they need; and whoever has features is in
    the cohort, with an outcome or without.

    Parameters
    ----------
    columns
        By modality those that the models were trained on.
    aliases
        For columns of the files the names that they had in training.
    everybody
        Whether patients without an outcome are in the cohort, too; the cohort then has no outcome.
    """

    columns: Mapping[str, Sequence[str]] = field(default_factory=dict)
    aliases: Mapping[str, str] = field(default_factory=dict)
    everybody: bool = False


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
    path: str | os.PathLike[str],
    folder: Where | Sequence[Where] | None,
    *,
    allow_outside: bool = False,
    links: bool = False,
    wanted: Wanted | None = None,
) -> ManifestFiles:
    """Read all files that a manifest names.

    Parameters
    ----------
    path, folder, allow_outside, links, wanted
        As :meth:`Cohort.from_manifest` takes them.

    Raises
    ------
    InputError
        If the manifest or a file cannot be used; the message names the section or the file.
    """
    manifest = read_manifest(path)
    home = Path(path).parent
    files = folder_of(manifest, home, folder, allow_outside=allow_outside, links=links)
    everybody = wanted is not None and wanted.everybody
    if everybody:
        outcome, columns, notes = _outcome_if_there(manifest, files)
    else:
        outcome, columns, notes = outcome_of(manifest, files)
    files.patients = None if outcome is None else frozenset(outcome.index)
    files.everybody = everybody
    expected = None if wanted is None else Expected(lenient=True, aliases=wanted.aliases)
    if wanted is not None:
        _check_aliases(wanted, manifest)
    tables = {}
    for modality, source in manifest.modalities.items():
        here = files.of_section(source.id, source.rows_where())
        if wanted is not None and expected is not None:
            here = here.expecting(expected.only([*wanted.columns.get(modality, ()), *source.names()]))
        tables[modality], found = source.read(here, modality, columns)
        notes += found
    if expected is not None:
        expected.check_used()
    patients, frames, known, lost = assemble(tables, outcome, everybody=everybody)
    if everybody:  # whom nobody has followed has no group either, and nobody is trained on
        return ManifestFiles(manifest, patients, frames, None, (*files.notes, *notes, *lost), None)
    groups = None if manifest.split is None else read_groups(manifest.split, files, patients)
    lost = [*lost, *doubts_of_groups(groups)]
    return ManifestFiles(manifest, patients, frames, known, (*files.notes, *notes, *lost), groups)


def _check_aliases(wanted: Wanted, manifest: Manifest) -> None:
    """Refuse aliases for names that neither a model has nor the manifest."""
    trained = [name for names in wanted.columns.values() for name in names]
    trained += [name for source in manifest.modalities.values() for name in source.names()]
    for old, new in wanted.aliases.items():
        if new not in trained:
            raise InputError(f"alias {old!r}: the model was not trained on {new!r}", remedy=meant(new, trained))


def _outcome_if_there(manifest: Manifest, files: Folder) -> tuple[pd.DataFrame | None, list[str], list[Dropped]]:
    """Return the outcome where it can be read: it says who is who in names of files, and which columns are features."""
    try:
        return outcome_of(manifest, files)
    except LegoError as error:
        named = [] if manifest.outcome is None else list(manifest.outcome.named())
        return None, named, [Noted("outcome", f"not read, and not needed to predict ({error})")]


def folder_of(
    manifest: Manifest,
    home: Path,
    folder: Where | Sequence[Where] | None,
    *,
    allow_outside: bool = False,
    links: bool = False,
) -> Folder:
    """Return where the files of a manifest may lie, and how its ids are written.

    Parameters
    ----------
    manifest
        The manifest.
    home
        Its folder.
    folder, allow_outside, links
        As :meth:`Cohort.from_manifest` takes them.

    Raises
    ------
    InputError
        If a folder is not there.
    """
    places = _places(manifest, home, folder, allow_outside=allow_outside, links=links)
    return Folder(places, manifest.key, home=home, form=manifest.id)


def outcome_of(manifest: Manifest, files: Folder) -> tuple[pd.DataFrame | None, list[str], list[Dropped]]:
    """Return the outcome of a manifest as :func:`read_outcome` does.

    Parameters
    ----------
    manifest
        The manifest.
    files
        Where its files lie.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    spec = manifest.outcome
    if spec is None:
        return read_outcome(None, spec, manifest.key)
    own = files.of(spec.id)
    raw = own.table(spec.file or "", text=spec.named(), only=spec.named())
    outcome, columns, notes = read_outcome(raw, spec, manifest.key)
    doubts = own.unit_doubts(spec.file or "", raw, spec.measured(columns))
    return outcome, columns, [*notes, *(Doubtful("outcome", text) for text in doubts)]


def _places(
    manifest: Manifest, home: Path, folder: Where | Sequence[Where] | None, *, allow_outside: bool, links: bool
) -> Places:
    """Return where files may lie: in the folders that were given in place of the manifest's, and under its roots."""
    named = manifest.roots if isinstance(manifest.roots, dict) else {}
    listed_roots = list(named.values()) if named else list(manifest.roots)
    given = [folder] if isinstance(folder, str | os.PathLike) else list(folder or ())
    below = {text: home / Path(text).expanduser() for text in listed_roots}
    for text, place in [*((str(one), Path(one)) for one in given), *below.items()]:
        if not _is_folder(place):
            what = "a root of the manifest, relative to it" if text in below else "the folder of the manifest's files"
            raise InputError(f"there is no folder {shortened(text, 200)!r}", expected=what)
    roots = tuple(dict.fromkeys([*([Path(one) for one in given] or [home]), *below.values()]))
    return Places(
        roots,
        named={name: below[text] for name, text in named.items()},
        elsewhere=bool(given),
        links=links or manifest.links,
        allow_outside=allow_outside,
    )


def _is_folder(place: Path) -> bool:
    try:
        return place.is_dir()
    except (OSError, ValueError):  # a path that the system refuses
        return False
