"""Modalities whose patients have files of their own: which files are whose, and what to do with several."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, TypeAlias

from pydantic import model_validator

from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.seen import Seen
from mmlego.data.kinds.source import Source
from mmlego.data.reading.ids import Formed
from mmlego.data.reading.joins import by_patient
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.names import NamePattern
from mmlego.data.reading.near_files import beside, near_files, told
from mmlego.data.reading.near_ids import near_miss
from mmlego.data.reading.normal_tissue import refuse_normal_files, refuse_normals
from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.errors import InputError, fault, noted
from mmlego.wording import counted, label, listed, meant, quoted

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
        may be anything; beside ``file``, with the columns of that table in braces, as ``features/{slide_id}.h5``, or
        ``features/{slide:stem}.h5`` where the cells have endings of their own.
    rows
        What to do where a patient has several files: ``error``, ``first``, or what else the kind allows.
    on_error
        ``raise``, or ``skip`` to leave out files that cannot be read, and name them.
    """

    holds: ClassVar[str] = ""  # what may be blank in a file
    when_blank: ClassVar[str] = ""  # what may be done about it
    needs: ClassVar[tuple[str, ...]] = ()
    cells: ClassVar[str]  # the one column of the frame
    folders: ClassVar[bool] = False  # whether a table may name folders
    in_memory: ClassVar[bool] = False  # whether :meth:`choose` makes it of arrays in a table
    ways: ClassVar[Mapping[str, str]] = {"first": "the first of each counts"}  # what rows: may say of several files

    file: str | None = None
    column: str = "path"
    pattern: str | None = None
    rows: str = "error"
    on_error: OnError = "raise"

    @model_validator(mode="after")
    def _check_places(self) -> Self:
        if not self.in_memory and (told := self.unplaced()):
            raise ValueError(told)
        if self.pattern is not None:
            NamePattern(self.pattern, alone=self.file is None)
        return self

    def unplaced(self) -> str | None:
        """Return that nothing says where the files are; None if something does."""
        if self.file is None and self.pattern is None:
            return "name the files, by file: (a table with a column of paths) or by pattern:"
        return None

    def unheeded(self) -> tuple[str, Sequence[str]]:
        """Return that no column is looked at where a pattern names the files."""
        return "files named by a pattern (pattern:)", () if self.pattern is None else ("column",)

    @abstractmethod
    def open(self, path: Path) -> Any:
        """Return what a file holds, its header read and checked, or raise an InputError that names it."""

    @abstractmethod
    def together(self, parts: Sequence[Any]) -> Any:
        """Return the cell of a patient who has these files."""

    def look(self, part: Any) -> Seen:
        """Read all that :meth:`open` left in a file, and raise an InputError that names it if it cannot be used.

        Kinds whose files are read whole when they are opened have nothing to look at.

        Parameters
        ----------
        part
            What :meth:`open` returned.

        Returns
        -------
        Seen
            How many of its slices or patches are blank, and what else is looked at.
        """
        return Seen()

    def parts(self, cell: Any) -> Sequence[Any]:
        """Return what of a patient's cell :meth:`look` takes, file by file.

        Parameters
        ----------
        cell
            What :meth:`together` returned.
        """
        return []

    def ways_with(self, parts: Sequence[Any]) -> Mapping[str, str]:
        """Return which rules suit such files, where a patient has several: those that an error proposes.

        Parameters
        ----------
        parts
            What :meth:`open` returned of the files of these patients.
        """
        return self.ways

    def needs_all(self) -> bool:
        """Return whether a patient of whom one file cannot be read is left out, as the slices of a scan are one."""
        return False

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the files of each patient as cells of one column.

        The headers are read; the rest is only under ``on_error: skip``, once and a piece at a time, so that a file with
        NaN in it is left out now and does not end a training.

        Raises
        ------
        InputError
            If a file leaves the folder, is not there or cannot be read, or a patient has several under ``error``.
        """
        import pandas as pd

        found, notes = self._find(folder, modality, taken)
        cells: dict[str, Any] = {}
        skipped: list[str] = []
        seen: dict[str, Seen] = {}
        before = noted()
        for patient, paths in found.items():
            look = partial(self._looked_at, patient=patient, seen=seen)
            opened = [self._try(look, path, modality, patient, skipped) for path in paths]
            parts = [part for part in opened if part is not None]
            if parts and (len(parts) == len(paths) or not self.needs_all()):
                cells[patient] = parts
        notes += self._check_several(cells, modality)
        made = {who: self._try(self.together, parts, modality, who, skipped) for who, parts in cells.items()}
        made = {patient: cell for patient, cell in made.items() if cell is not None}
        if skipped:
            notes.insert(0, Dropped(modality, f"{counted(len(skipped), 'file')} left out: {listed(skipped)}"))
        notes += [Doubtful(modality, told) for told in self.told_seen(seen)]
        if not made and noted() == before:
            raise InputError(f"{modality}: no file can be read", expected="at least one", got=listed(skipped, 2))
        index = pd.Index(list(made), name="patient", dtype=object)
        return pd.Series(list(made.values()), index=index, dtype=object).to_frame(self.cells), notes

    def told_seen(self, seen: Mapping[str, Seen]) -> list[str]:
        """Return what is doubtful of files that were read to their end: whose are blank in part, what may be done.

        Parameters
        ----------
        seen
            By patient what :meth:`look` returned.
        """
        found = [f"{who}: {one.blank} of {one.total}" for who, one in seen.items() if one.blank]
        what = f"{counted(len(found), 'patient')} with blank {self.holds}, of one value throughout"
        return [f"{what} ({listed(found, 3)}){self.when_blank}"] if found else []

    def _looked_at(self, path: Path, patient: str, seen: dict[str, Seen]) -> Any:
        part = self.open(path)
        if self.on_error == "skip":
            look = self.look(part)
            seen[patient] = seen[patient] + look if patient in seen else look
        return part

    def _try(self, make: Callable[[Any], Any], given: Any, modality: str, patient: str, skipped: list[str]) -> Any:
        try:
            return make(given)
        except InputError as error:
            if self.on_error == "raise":
                what = f"{modality}: patient {patient}: {error}"
                try:
                    fault(InputError(what, remedy="Mend the file, or declare on_error: skip to go on without it."))
                except InputError as raised:
                    raise raised from error
                return None
            skipped.append(f"patient {patient}: {error}")
            return None

    def _check_several(self, cells: dict[str, Any], modality: str) -> list[Dropped]:
        several = [patient for patient, parts in cells.items() if len(parts) > 1]
        if not several:
            return []
        if self.rows == "error":
            ways = self.ways_with([part for patient in several for part in cells[patient]])
            text = " or ".join(f"rows: {rule} ({what})" for rule, what in ways.items())
            what = f"{modality}: {counted(len(several), 'patient')} with several files ({listed(several)})"
            fault(InputError(what, expected="one file a patient", remedy=f"Declare what to do, as {text}."))
            for patient in several:
                del cells[patient][1:]
            return []
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
        named, notes = self._named(folder, modality, taken)
        self._refuse_endings(folder, modality, taken, [name for _, name, _ in named if name is not None])
        found: dict[str, list[Path]] = {}
        absent: list[str] = []
        bare = 0
        for patient, name, doubtful in named:
            path = None if name is None else self._place(folder, name, modality, absent, doubtful=doubtful)
            bare += name is None or (path is None and doubtful)
            if path is not None and path not in found.setdefault(patient, []):
                found[patient].append(path)
        if bare:
            notes.append(Dropped(modality, f"{counted(bare, 'row')} that name{'s' if bare == 1 else ''} no file"))
        if absent:
            notes.append(Dropped(modality, f"{counted(len(absent), 'file')} not there: {listed(absent)}"))
        return {patient: paths for patient, paths in found.items() if paths}, notes

    def _refuse_endings(self, folder: Folder, modality: str, taken: Sequence[str], names: Sequence[str]) -> None:
        """Refuse a pattern whose files are there but for the endings of its cells: ``P1.svs.h5`` is ``P1.h5``."""
        if self.pattern is None or not names or any(_is_there(folder, name) for name in names):
            return
        other = NamePattern(self.pattern, alone=False).stemmed().pattern
        if other == self.pattern:
            return
        named, _ = self.model_copy(update={"pattern": other})._named(folder, modality, taken)
        there = [name for _, name, _ in named if name is not None and _is_there(folder, name)]
        if there:
            raise InputError(
                f"{modality}: {counted(len(names), 'file')} not there",
                expected=f"files as {names[0]!r}, by pattern: {self.pattern!r}",
                got=f"files as {there[0]!r}",
                remedy=f"Leave out the endings of the cells: pattern: {quoted(other)}.",
            )

    def _named(
        self, folder: Folder, modality: str, taken: Sequence[str]
    ) -> tuple[list[tuple[str, str | None, bool]], list[Dropped]]:
        """Return patient and path of each row of the table; and whether a word for "missing" stands in the path.

        What makes a path is text as written: ``0001`` is not ``1``.
        """
        made = None if self.pattern is None else NamePattern(self.pattern, alone=False)
        needed = [self.column] if made is None else made.columns
        table = folder.as_written().table(self.file or "", text=needed)
        available = [str(column) for column in table.columns]
        # In a pattern, {key} is the key here too, unless a column is called so.
        columns = {name: folder.key if name == "key" and name not in available else name for name in needed}
        for name, column in columns.items():
            if column in taken:
                fault(InputError(f"leakage: {modality} names its files by {column!r}, a column of the outcome"))
            if column not in available:
                raise InputError(f"{modality}: no column {name!r} names files", remedy=meant(name, available))
        keyed = folder.keyed(table.set_index(folder.key, drop=False), None, modality)
        frame, notes = by_patient(keyed, None, modality)
        cells = frame[list(columns.values())]
        rows = cells.astype(object).where(cells.notna(), None).to_numpy().tolist()
        named: list[tuple[str, str | None, bool]] = []
        for patient, row in zip(frame.index, rows, strict=True):
            words = {name: "" if cell is None else label(cell) for name, cell in zip(needed, row, strict=True)}
            path = words[self.column] if made is None else made.fill(words)
            named.append((patient, path if all(words.values()) else None, any(map(is_missing, words.values()))))
        return named, notes

    def _place(
        self, folder: Folder, name: str, modality: str, absent: list[str], *, doubtful: bool = False
    ) -> Path | None:
        try:
            return folder.file(name, folders=self.folders)
        except InputError as error:
            try:
                inside = folder.places.holds(name)
            except InputError:
                inside = False
            if inside and doubtful:  # NA where there is no such file says that there is none
                return None
            if self.on_error == "raise" or not inside:  # what leaves the folder is never merely skipped
                try:
                    fault(InputError(f"{modality}: {error}"))
                except InputError as raised:
                    raise raised from error
                return None
            hint = error.remedy or ""
            absent.append(f"{name} ({hint})" if hint.startswith("Did you mean") else name)
            return None

    def _find_by_name(self, folder: Folder, modality: str) -> tuple[dict[str, list[Path]], list[Dropped]]:
        pattern = NamePattern(self.pattern or "", alone=True)
        names = folder.places.glob(pattern.pattern)
        if not names:
            near = self._near_files(folder, [], folder.patients or ())
            remedy = f"Paths begin at {folder.places}; where files lie elsewhere, say so: roots: in the manifest."
            if near:
                remedy = f"{told(near)}: mend pattern:, or rename the files."
            raise InputError(f"{modality}: no file is named as {self.pattern!r}", remedy=remedy)
        form = folder.form
        patients = folder.patients if form is None or folder.patients is None else Formed(form, folder.patients)
        owners = pattern.owners(names, patients, modality, everybody=folder.everybody)
        if form is not None:
            refuse_normals([key for key in owners.values() if key is not None], form, modality)
            owners = {name: None if key is None else form.of(key) for name, key in owners.items()}
        refuse_normal_files(owners, pattern.pattern, modality)
        found: dict[str, list[Path]] = {}
        for name, patient in owners.items():
            if patient is not None:
                path = folder.file(name, folders=self.folders)
                if path not in found.setdefault(patient, []):
                    found[patient].append(path)
        nobody = [name for name, patient in owners.items() if patient is None]
        if not found:
            raise InputError(
                f"{modality}: no file named as {self.pattern!r} belongs to a patient",
                expected=f"ids as {listed(sorted(folder.patients or ()), 2)}",
                got=listed(nobody, 2),
                remedy=_near(pattern, names, folder, modality),
            )
        notes = []
        if nobody:
            notes.append(Dropped(modality, f"{counted(len(nobody), 'file')} of no patient: {listed(nobody)}"))
        lacking = [patient for patient in folder.patients or () if patient not in found]
        if lacking:
            near = self._near_files(folder, [name for name in owners if owners[name] is not None], lacking)
            notes += [Doubtful(modality, told(near))] if near else []
        return found, notes

    def _near_files(self, folder: Folder, owned: Sequence[str], lacking: Collection[str]) -> dict[str, tuple[str, str]]:
        """Return by patient without a file one that may be theirs, where those of the pattern lie."""
        pattern, mine = self.pattern or "", set(owned)
        others = [name for name in folder.places.glob(beside(pattern)) if name not in mine] if lacking else []
        return near_files(pattern, others, sorted(lacking))


def _is_there(folder: Folder, name: str) -> bool:
    try:
        folder.file(name, folders=True)
    except InputError:
        return False
    return True


def _near(pattern: NamePattern, names: Sequence[str], folder: Folder, modality: str) -> str | None:
    """Return in which form the ids in names of files would be those of the outcome, if in one."""
    try:
        keys = [key for key in pattern.owners(names, None, modality).values() if key is not None]
    except InputError:  # the pattern alone does not say what the ids are
        return None
    form = folder.form
    missed = near_miss(
        modality, [form.of(key) if form else key for key in keys], "outcome", list(folder.patients or ())
    )
    return None if missed is None else f"{missed.found()}. {missed.remedy()}"


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
