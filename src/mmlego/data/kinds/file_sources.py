"""Modalities whose patients have files of their own: which files are whose, and what to do with several."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import model_validator

from mmlego.data.kinds.source import Folder, Source
from mmlego.data.reading.joins import Dropped, by_patient
from mmlego.data.reading.names import NamePattern
from mmlego.errors import InputError
from mmlego.wording import counted, label, listed, meant

if TYPE_CHECKING:
    import pandas as pd

OnError: TypeAlias = Literal["raise", "skip"]


class FileSource(Source):
    """What kinds with files a patient have in common.

    Parameters
    ----------
    file
        A table that names the files, with the key of the manifest.
    column
        Its column of paths, relative to the manifest.
    pattern
        How the files are named, relative to the manifest: with ``{key}`` for the patient, and ``*`` and ``?`` for what
        may be anything; beside ``file``, with the columns of that table in braces, as ``features/{slide_id}.h5``.
    rows
        What to do where a patient has several files: ``error``, ``first``, or what else the kind allows.
    on_error
        ``raise``, or ``skip`` to leave out files that cannot be read, and name them.
    """

    needs: ClassVar[tuple[str, ...]] = ()
    cells: ClassVar[str]  # the one column of the frame
    folders: ClassVar[bool] = False  # whether a table may name folders

    file: str | None = None
    column: str = "path"
    pattern: str | None = None
    rows: str = "error"
    on_error: OnError = "raise"

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        if self.file is None and self.pattern is None:
            raise ValueError("name the files, by file: (a table with a column of paths) or by pattern:")
        if self.pattern is not None:
            NamePattern(self.pattern, alone=self.file is None)
        return self

    @abstractmethod
    def open(self, path: Path) -> Any:
        """Return what a file holds, its header read and checked, or raise an InputError that names it."""

    @abstractmethod
    def together(self, parts: Sequence[Any]) -> Any:
        """Return the cell of a patient who has these files."""

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the files of each patient as cells of one column; the headers are read, the rest is not.

        Raises
        ------
        InputError
            If a file leaves the folder, is not there or cannot be read, or a patient has several under ``error``.
        """
        import pandas as pd

        found, notes = self._find(folder, modality, taken)
        cells: dict[str, Any] = {}
        skipped: list[str] = []
        for patient, paths in found.items():
            opened = [self._try(self.open, path, modality, skipped) for path in paths]
            parts = [part for part in opened if part is not None]
            if parts:
                cells[patient] = parts
        notes += self._check_several(cells, modality)
        made = {patient: self._try(self.together, parts, modality, skipped) for patient, parts in cells.items()}
        made = {patient: cell for patient, cell in made.items() if cell is not None}
        if skipped:
            notes.insert(0, Dropped(modality, f"{counted(len(skipped), 'file')} left out: {listed(skipped)}"))
        if not made:
            raise InputError(f"{modality}: no file can be read", expected="at least one", got=listed(skipped, 2))
        index = pd.Index(list(made), name="patient", dtype=object)
        return pd.Series(list(made.values()), index=index, dtype=object).to_frame(self.cells), notes

    def _try(self, make: Callable[[Any], Any], given: Any, modality: str, skipped: list[str]) -> Any:
        try:
            return make(given)
        except InputError as error:
            if self.on_error == "raise":
                raise InputError(
                    f"{modality}: {error}", remedy="Mend the file, or declare on_error: skip to go on without it."
                ) from error
            skipped.append(str(error))
            return None

    def _check_several(self, cells: dict[str, Any], modality: str) -> list[Dropped]:
        several = [patient for patient, parts in cells.items() if len(parts) > 1]
        if not several:
            return []
        if self.rows == "error":
            raise InputError(
                f"{modality}: {counted(len(several), 'patient')} with several files ({listed(several)})",
                expected="one file a patient",
                remedy="Declare what to do, as rows: first.",
            )
        total = sum(len(cells[patient]) for patient in several)
        if self.rows != "first":
            text = f"{total} files of {counted(len(several), 'patient')} put together"
            return [Dropped(modality, text)]
        for patient in several:
            del cells[patient][1:]
        return [Dropped(modality, f"{counted(total - len(several), 'further file')} of a patient, the first is kept")]

    def _find(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[dict[str, list[Path]], list[Dropped]]:
        if self.file is None:
            return self._find_by_name(folder, modality)
        frame, notes = by_patient(folder.table(self.file), folder.key, modality)
        names = self._names(frame, modality, taken)
        found: dict[str, list[Path]] = {}
        absent: list[str] = []
        bare = 0
        for patient, name in zip(frame.index, names, strict=True):
            if name is None:
                bare += 1
                continue
            path = self._place(folder, name, modality, absent)
            if path is not None and path not in found.setdefault(patient, []):
                found[patient].append(path)
        if bare:
            notes.append(Dropped(modality, f"{counted(bare, 'row')} that names no file"))
        if absent:
            notes.append(Dropped(modality, f"{counted(len(absent), 'file')} not there: {listed(absent)}"))
        return {patient: paths for patient, paths in found.items() if paths}, notes

    def _names(self, frame: pd.DataFrame, modality: str, taken: Sequence[str]) -> list[str | None]:
        """Return the path that each row of the table names, or None."""
        available = [str(column) for column in frame.columns]
        needed = [self.column] if self.pattern is None else NamePattern(self.pattern, alone=False).columns
        for column in needed:
            if column in taken:
                raise InputError(f"leakage: {modality} names its files by {column!r}, a column of the outcome")
            if column not in available:
                raise InputError(f"{modality}: no column {column!r} names files", remedy=meant(column, available))
        rows = frame[needed].astype(object).where(frame[needed].notna(), None).to_numpy().tolist()
        names: list[str | None] = []
        for row in rows:
            whole = all(value is not None and label(value) != "" for value in row)
            words = {column: label(value) for column, value in zip(needed, row, strict=True)} if whole else {}
            names.append(None if not whole else self.pattern.format(**words) if self.pattern else words[self.column])
        return names

    def _place(self, folder: Folder, name: str, modality: str, absent: list[str]) -> Path | None:
        try:
            return folder.file(name, folders=self.folders)
        except InputError as error:
            inside = folder.allow_outside or (folder.path / name).resolve().is_relative_to(folder.path.resolve())
            if self.on_error == "raise" or not inside:  # what leaves the folder is never merely skipped
                raise InputError(f"{modality}: {error}") from error
            absent.append(name)
            return None

    def _find_by_name(self, folder: Folder, modality: str) -> tuple[dict[str, list[Path]], list[Dropped]]:
        pattern = NamePattern(self.pattern or "", alone=True)
        names = pattern.glob(folder.path)
        if not names:
            raise InputError(f"{modality}: no file is named as {self.pattern!r}", remedy="Paths begin at the manifest.")
        owners = pattern.owners(names, folder.patients, modality)
        found: dict[str, list[Path]] = {}
        for name, patient in owners.items():
            if patient is not None:
                found.setdefault(patient, []).append(folder.file(name))
        nobody = [name for name, patient in owners.items() if patient is None]
        if not found:
            raise InputError(
                f"{modality}: no file named as {self.pattern!r} belongs to a patient",
                expected=f"ids as {listed(sorted(folder.patients or ()), 2)}",
                got=listed(nobody, 2),
            )
        notes = []
        if nobody:
            notes.append(Dropped(modality, f"{counted(len(nobody), 'file')} of no patient: {listed(nobody)}"))
        return found, notes


def files_of(frame: pd.DataFrame, column: str) -> Mapping[str, Any]:
    """Return the cells of a frame of files, by patient.

    Parameters
    ----------
    frame
        What :meth:`FileSource.read` returned.
    column
        The name of its column.

    Examples
    --------
    >>> import pandas as pd
    >>> files_of(pd.DataFrame({"bag": ["one"]}, index=["a"]), "bag")
    {'a': 'one'}
    """
    return dict(zip(frame.index, frame[column], strict=True))
