"""Where a modality comes from: its section of a manifest, how it is read, and which preprocessing fits it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from mmlego.data.files import inside, read_table
from mmlego.data.joins import Dropped, RowRule, by_patient, one_row_each, select_columns
from mmlego.data.tables import TablePreprocessor
from mmlego.data.wording import counted, listed
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.preprocessing import Preprocessing


class Folder:
    """The folder of a manifest: files in it by name, each table read once.

    Parameters
    ----------
    path
        The folder.
    key
        The column of patient ids.
    allow_outside
        Let files lie outside the folder.
    """

    def __init__(self, path: Path, key: str, *, allow_outside: bool = False) -> None:
        self.path, self.key, self.allow_outside = path, key, allow_outside
        self._tables: dict[Path, pd.DataFrame] = {}

    def file(self, name: str) -> Path:
        """Return the path of a file, checked to lie inside the folder."""
        return inside(self.path, name, allow_outside=self.allow_outside)

    def table(self, name: str) -> pd.DataFrame:
        """Return a table; one wide file may hold all modalities and the outcome."""
        file = self.file(name)
        if file not in self._tables:
            self._tables[file] = read_table(file, self.key)
        return self._tables[file]


class Source(BaseModel, ABC):
    """A modality's section of a manifest.

    Whatever the kind, reading it gives a frame indexed by patient, a row a patient; what its cells hold (numbers,
    text, files, arrays) is between the source and its preprocessing.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: ClassVar[tuple[str, ...]] = ("file",)  # keys without which it cannot be read from a folder
    kind: str

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

    @abstractmethod
    def fit(self, frame: pd.DataFrame) -> Preprocessing:
        """Return preprocessing fitted on the rows of training patients."""


class TableSource(Source):
    """A modality of kind ``table``: some columns of a CSV, TSV or Parquet file.

    Parameters
    ----------
    file
        The file, relative to the manifest.
    columns
        A name or glob, or several; all but the key if not given.
    rows
        What to do where a patient has several rows that differ: ``error``, ``first`` or ``mean``.
    keep
        At most so many numeric columns, those of the largest variance in the training patients.

    Examples
    --------
    >>> TableSource(kind="table", file="tcga.csv", columns="*_rnaseq").rows
    'error'
    """

    kind: Literal["table"] = "table"
    file: str | None = None
    columns: str | list[str] = "*"
    rows: RowRule = "error"
    keep: int | None = Field(default=None, ge=1)

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the chosen columns, a row a patient."""
        return self.choose(folder.table(self.file or ""), folder.key, modality, taken)

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the chosen columns of a table in memory, a row a patient.

        Raises
        ------
        InputError
            If a column is not there or belongs to the outcome, or rows of a patient differ.
        """
        frame, notes = by_patient(frame, key, modality)
        frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
        columns = select_columns(self.columns, list(frame.columns), modality)
        leaked = [column for column in columns if column in taken]
        if leaked:
            raise InputError(
                f"leakage: {modality} holds columns of the outcome ({listed(leaked)})",
                expected="features alone",
                remedy="Choose the columns of the modality without them.",
            )
        frame, merged = one_row_each(frame[columns], self.rows, modality)
        empty = frame.isna().all(axis=1)
        if empty.any():
            who = tuple(frame.index[empty])
            notes = [*notes, Dropped(modality, f"{counted(len(who), 'patient')} without any value", who)]
        return frame[~empty], [*notes, *merged]

    def fit(self, frame: pd.DataFrame) -> TablePreprocessor:
        """Return a table's preprocessing fitted on training rows."""
        return TablePreprocessor.fit(frame, keep=self.keep)


KINDS: dict[str, type[Source]] = {"table": TableSource}
