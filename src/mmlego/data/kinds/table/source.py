"""Kind ``table``: some columns of a CSV, TSV or Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from mmlego.data.kinds.source import Folder, Source
from mmlego.data.kinds.tabular.preprocess import TablePreprocessor
from mmlego.data.reading.joins import Dropped, RowRule, choose_rows

if TYPE_CHECKING:
    import pandas as pd


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
        return choose_rows(frame, key, self.columns, self.rows, modality, taken)

    def fit(self, frame: pd.DataFrame) -> TablePreprocessor:
        """Return a table's preprocessing fitted on training rows."""
        return TablePreprocessor.fit(frame, keep=self.keep)
