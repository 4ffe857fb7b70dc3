"""The files of a manifest, as a kind reads them: found by name, each table opened once, ids in their form."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mmlego.data.kinds.expected import Expected, RenamedTable
from mmlego.data.reading.chosen_rows import Where, chosen_rows
from mmlego.data.reading.ids import IdForm, formed, formed_rows, with_ids
from mmlego.data.reading.normal_tissue import check_tissues, refuse_normals, tissue_columns
from mmlego.data.reading.places import Places
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.data.reading.scales import doubts_of_scale
from mmlego.data.reading.tables import TableFile
from mmlego.data.reading.units import two_units, unit_columns
from mmlego.errors import InputError
from mmlego.wording import label

if TYPE_CHECKING:
    import pandas as pd


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
        self.features = False  # whether a modality is read: what is measured in normal tissue is none of a tumour
        self.where: Where = {}  # which rows of its tables count
        self._said: list[Dropped] = []
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
        frame = self.opened(name).frame(text, only)
        if self.where:
            frame = self._chosen_rows(name, frame)
        if self.features:
            self._look_at_tissue(name, frame)
        return self.keyed(frame, self.key, name)

    def keyed(self, frame: pd.DataFrame, key: str | None, where: str) -> pd.DataFrame:
        """Return a table whose patient ids are in the form that is declared for them.

        Parameters
        ----------
        frame
            The table.
        key
            The column of patient ids; None if the index holds them.
        where
            The modality or file, for messages.

        Raises
        ------
        InputError
            If two ids become one that should not.
        """
        if self.features and self.form is not None and (key is None or key in frame.columns):
            refuse_normals(list(frame.index if key is None else frame[key]), self.form, where)
        return with_ids(frame, key, self.form, where)

    def _chosen_rows(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Return the rows that ``where`` of the section names."""
        names = list(self.opened(name).names)
        wanted = [column for column in self.where if column in names]
        words = self.opened(name).frame(wanted, wanted) if wanted else frame
        kept, notes = chosen_rows(self.where, {column: words[column] for column in wanted}, names, name)
        for note in notes:
            self._tell(note)
        return frame if kept.all() else frame[kept].reset_index(drop=True)

    def _look_at_tissue(self, name: str, frame: pd.DataFrame) -> None:
        """Refuse patients with rows of tumours and of normal tissue; who has the latter alone is doubted."""
        opened = self.opened(name)
        known = tissue_columns([column for column in opened.names if column != self.key])
        if not known or self.key not in frame:
            return
        cells = opened.frame(known, known)
        if self.where:
            cells = self._chosen_rows(name, cells)
        ids = [None if cell is None or cell != cell else label(cell) for cell in frame[self.key]]
        patients = [self.form.of(one) if one is not None and self.form is not None else one for one in ids]
        for doubt in check_tissues(patients, {column: cells[column].tolist() for column in known}, name):
            self._tell(Doubtful(name, doubt))

    def _tell(self, note: Dropped) -> None:
        if note not in self._said:
            self._said.append(note)

    def unit_doubts(self, name: str, frame: pd.DataFrame, columns: Collection[str]) -> list[str]:
        """Return which columns of numbers are in two units, as one beside them or their ranges say, in a clause each.

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
        scales = [doubt for column in columns for doubt in doubts_of_scale(column, frame[column])]
        if not words:
            return scales
        units = self.table(name, text=words, only=words)
        found: list[str | None] = [*scales]
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
        return [*(Noted(name, note) for name, table in tables for note in table.notes), *doubts, *self._said]

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

    def of_section(self, form: IdForm | None, where: Where) -> Folder:
        """Return this folder as the section of a modality sees it.

        Parameters
        ----------
        form
            As :meth:`of` takes it.
        where
            By column of its tables the words that its rows have to have.
        """
        other = copy.copy(self.of(form))
        other.features, other.where = True, where
        return other

    def beside(self) -> Folder:
        """Return this folder as a list of ids is read that a section names beside its own: as written, all of it."""
        other = self.as_written()
        other.features, other.where = False, {}
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
        if self.features:
            refuse_normals(ids, self.form, where)
        return formed(ids, self.form, where)

    def ids_of_rows(self, ids: Sequence[object], where: str) -> list[str | None]:
        """Return patient ids of rows in the form that is declared for them, None where a row is nobody's.

        Parameters
        ----------
        ids, where
            As :meth:`ids` takes them; ids may be missing.
        """
        if self.features:
            refuse_normals(ids, self.form, where)
        return formed_rows(ids, self.form, where)
