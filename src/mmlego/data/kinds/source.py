"""Where a modality comes from: its section of a manifest, and how it is read."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mmlego.anonymity import MIN_PATIENTS
from mmlego.data.kinds.expected import Expected, RenamedTable
from mmlego.data.reading.fingerprints import row_fingerprints
from mmlego.data.reading.ids import IdForm, formed, formed_rows, with_ids
from mmlego.data.reading.places import Places
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.reading.tables import TableFile
from mmlego.data.reading.units import two_units, unit_columns
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.kinds.fitted import Preprocessing
    from mmlego.data.kinds.tabular.taken import Taken


class Folder:
    """The files of a manifest: found by name in its folder or under its roots, each table read once.

    Parameters
    ----------
    places
        Where the files may lie.
    key
        The column of patient ids.
    home
        The folder of the manifest: caches lie there, for data may not be written to.
    patients
        The patients with an outcome, where that is known: whose a file is may hang on it.
    form
        The form of the patient ids; None: as the files have them.
    """

    def __init__(
        self,
        places: Places,
        key: str,
        *,
        home: Path,
        patients: Collection[str] | None = None,
        form: IdForm | None = None,
    ) -> None:
        self.places, self.key, self.home, self.patients, self.form = places, key, home, patients, form
        self.expected = Expected()
        self.everybody = False  # whether files of others than these patients count, too, where their names tell whose
        self._tables: dict[tuple[Path, str | None], TableFile] = {}

    @property
    def path(self) -> Path:
        """The first of the folders in which files are looked for."""
        return self.places.roots[0]

    @property
    def allow_outside(self) -> bool:
        """Whether files may lie anywhere."""
        return self.places.allow_outside

    def file(self, name: str, *, folders: bool = False) -> Path:
        """Return the path of a file (or, if ``folders``, of a folder), checked to lie where files may lie."""
        return self.places.file(name, folders=folders)

    def table(self, name: str, *, text: Collection[str] = (), only: Collection[str] | None = None) -> pd.DataFrame:
        """Return a table, its key in the form that is declared; one file may hold all modalities and the outcome.

        Parameters
        ----------
        name
            The file, relative to the folder.
        text
            Columns that hold text whatever they look like, as ids, paths, classes and groups do: ``007`` stays
            ``007``, ``None`` and ``NA`` are words, and only an empty cell is missing. The key always does.
        only
            The columns that are wanted beside the key, as names or globs; None: all.
        """
        if self.form is not None and self.key in text:
            raise InputError(
                f"the key {self.key!r} of {name!r} is what is read, and has another form as an id",
                remedy="Leave id: out of this section, or name another column.",
            )
        return with_ids(self.opened(name).frame(text, only), self.key, self.form, name)

    def unit_doubts(self, name: str, frame: pd.DataFrame, columns: Collection[str]) -> list[str]:
        """Return which columns of numbers are in two units, which a column beside them says, in a clause each.

        Parameters
        ----------
        name
            The file, as :meth:`table` takes it.
        frame
            What that returned of it, with these columns.
        columns
            Those of numbers.
        """
        names = list(self.opened(name).names)
        beside = unit_columns(names, columns)
        words = {unit for unit in beside.values() if unit != self.key}
        if not words:
            return []
        units = self.table(name, text=words, only=words)
        found = []
        for column, unit in beside.items():
            if unit in words:
                known = frame[column].notna() & units[unit].notna()
                found.append(
                    two_units(frame.loc[known, column].map(lambda _, name=column: name), units.loc[known, unit])
                )
        return [doubt for doubt in found if doubt is not None]

    @property
    def notes(self) -> list[Dropped]:
        """What was unusual about the tables that were read, each with the name of its file."""
        tables = [(place.name, table) for (place, _), table in self._tables.items()]
        doubts = [Doubtful(name, doubt) for name, table in tables for doubt in table.doubts]
        return [*(Noted(name, note) for name, table in tables for note in table.notes), *doubts]

    def opened(self, name: str) -> TableFile | RenamedTable:
        """Return a table whose columns are known, and none of which need have been read.

        Where a model expects other names, the columns have these.

        Parameters
        ----------
        name
            The file, relative to the folder; of ``.xlsx`` with several sheets ``data.xlsx#sheet``.
        """
        book, mark, title = name.rpartition("#")
        sheet = title if mark and book.lower().endswith(".xlsx") else None
        place = self.file(name if sheet is None else book)
        if (place, sheet) not in self._tables:
            self._tables[place, sheet] = TableFile(place, self.key, sheet=sheet, patients=self.patients)
        table = self._tables[place, sheet]
        return RenamedTable(table, self.expected) if self.expected.aliases else table

    def of(self, form: IdForm | None) -> Folder:
        """Return this folder as a section sees it, whose ids are of a form of their own; None: of that of all.

        Parameters
        ----------
        form
            The form.
        """
        if form is None:
            return self
        other = copy.copy(self)
        other.form = form
        return other

    def expecting(self, expected: Expected) -> Folder:
        """Return this folder as it is read for a model.

        Parameters
        ----------
        expected
            What the model expects of the modality that is read.
        """
        other = copy.copy(self)
        other.expected = expected
        return other

    def as_written(self) -> Folder:
        """Return this folder with the ids as the files have them: names of files may be made of them."""
        other = copy.copy(self)
        other.form = None
        return other

    def ids(self, ids: Sequence[object], where: str) -> list[str]:
        """Return patient ids as a file has them in the form that is declared for it.

        Parameters
        ----------
        ids
            The ids, none missing.
        where
            The modality, for messages.

        Raises
        ------
        InputError
            If two become one that should not.
        """
        return formed(ids, self.form, where)

    def ids_of_rows(self, ids: Sequence[object], where: str) -> list[str | None]:
        """Return patient ids of rows in the form that is declared for them, None where a row is nobody's.

        Parameters
        ----------
        ids, where
            As :meth:`ids` takes them; ids may be missing.
        """
        return formed_rows(ids, self.form, where)


class Source(BaseModel, ABC):
    """A modality's section of a manifest.

    Whatever the kind, reading it gives a frame indexed by patient, a row a patient; what its cells hold (numbers,
    text, files, arrays) is between the source and its preprocessing.

    Parameters
    ----------
    id
        The form of its patient ids, where it is not that of the other files.
    min_patients
        What preprocessing learns stands for so many training patients at least: of fewer no category, character,
        quantile or column is kept. Where there are fewer altogether, ``mmlego.train`` refuses to train on them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: ClassVar[tuple[str, ...]] = ("file",)  # keys without which it cannot be read from a folder
    endings: ClassVar[tuple[str, ...]] = ()  # of the files that it reads, for mmlego init; those of tables are nobody's
    # Lines of a first manifest beside kind and place, where the files need not be looked at.
    drafted: ClassVar[tuple[str, ...]] = ()
    kind: str
    id: IdForm | None = None
    min_patients: int = Field(default=MIN_PATIENTS, ge=1)

    @classmethod
    def draft(cls, patients: Sequence[Sequence[Path]]) -> list[str]:
        """Return lines of a first manifest beside kind and place: keys with their doubts, or comments.

        Parameters
        ----------
        patients
            The files of some patients, of each at least one.
        """
        return list(cls.drafted)

    def unplaced(self) -> str | None:
        """Return what a manifest has to say of where the files are, beside what the kind needs; or None."""
        return None

    def lacks(self) -> str | None:
        """Return what has to be filled in before anything is trained, though patients can be read without; or None."""
        return None

    @model_validator(mode="after")
    def _check_heeded(self) -> Self:
        self.refuse_unheeded(*self.unheeded())
        return self

    def unheeded(self) -> tuple[str, Sequence[str]]:
        """Return in which of its forms the section is, and which keys that form does not heed."""
        return "", ()

    def refuse_unheeded(self, form: str, names: Sequence[str]) -> None:
        """Refuse keys that were given and that a form of the kind does not heed, for they would do nothing.

        Parameters
        ----------
        form
            The form, for messages.
        names
            The keys that it does not heed.

        Raises
        ------
        ValueError
            If one of them was given.
        """
        given = [f"{name}:" for name in names if name in self.model_fields_set]
        if given:
            raise ValueError(
                f"{', '.join(given)} mean{'s' if len(given) == 1 else ''} nothing for {form}: leave it out"
            )

    @abstractmethod
    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the modality.

        Parameters
        ----------
        folder
            Where the files lie.
        modality
            Its name, for messages.
        taken
            Columns of the outcome, which features may not be.

        Returns
        -------
        tuple
            A frame indexed by patient, a row a patient; and notes of what was left out.
        """

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Take the modality out of a table in memory; kinds that are made of tables can.

        Parameters
        ----------
        frame
            The table.
        key
            The column of patient ids; None if the index holds them.
        modality
            Its name, for messages.
        taken
            Columns of the outcome, which features may not be.

        Returns
        -------
        tuple
            As :meth:`read` returns it.

        Raises
        ------
        InputError
            If the table cannot be used, or the kind is not made of tables.
        """
        raise InputError(
            f"{modality}: kind {self.kind!r} is not made of a table in memory",
            remedy="Describe its files in a manifest.",
        )

    def names(self) -> Sequence[str]:
        """Return the columns that the section itself names, where a renamed one may be known by an alias."""
        return ()

    def width(self, frame: pd.DataFrame) -> int:
        """Return how many columns, variables or features a patient has at most, for the summary.

        Parameters
        ----------
        frame
            Rows by patient.
        """
        return int(frame.shape[1])

    def columns_taken(self, frame: pd.DataFrame) -> list[Taken]:
        """Return what each column was taken for; kinds that are no tables have none.

        Parameters
        ----------
        frame
            Rows by patient.
        """
        return []

    def in_short(self, frame: pd.DataFrame) -> str:
        """Return in one line what the columns were taken for, for the summary; nothing if there is nothing to say.

        Parameters
        ----------
        frame
            Rows by patient.
        """
        return ""

    def fingerprints(self, frame: pd.DataFrame) -> list[bytes | None]:
        """Return what tells each patient's features from another's; None where two may well share them by chance.

        The leakage guard takes patients who share one for the same patient under two ids.

        Parameters
        ----------
        frame
            Rows by patient.
        """
        return row_fingerprints(frame)

    def molecules(self, frame: pd.DataFrame) -> dict[str, str]:
        """Return the SMILES of the patients who have one, to split by scaffold; kinds without molecules: of nobody.

        Parameters
        ----------
        frame
            Rows by patient.
        """
        return {}

    def least(self, frame: pd.DataFrame) -> int:
        """Return how many patients what is learnt of a frame has to stand for; 1 where it is of fewer altogether.

        Nothing is trained on so few, see ``mmlego.train``; what is prepared by hand is then of all whom there are.

        Parameters
        ----------
        frame
            Rows by patient.
        """
        return self.min_patients if len(frame) >= self.min_patients else 1

    @abstractmethod
    def fit(self, frame: pd.DataFrame) -> Preprocessing:
        """Return preprocessing fitted on the rows of training patients."""
