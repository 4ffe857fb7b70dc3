"""Kind ``table``: some columns of a CSV, TSV, Excel or Parquet file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, PrivateAttr

from mmlego.data.kinds.expected import RenamedTable
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.source import Source
from mmlego.data.kinds.tabular.keys import ColumnKeys
from mmlego.data.kinds.tabular.preprocess import TablePreprocessor
from mmlego.data.kinds.tabular.taken import Taken, columns_taken, in_short
from mmlego.data.reading.column_rules import Found
from mmlego.data.reading.columns import read_types
from mmlego.data.reading.joins import RowRule, choose_rows, row_numbers, select_columns
from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.data.reading.scales import doubts_of_scale
from mmlego.data.reading.tables import TableFile, matching
from mmlego.data.reading.telling import refuse_names
from mmlego.data.reading.truths import as_numbers
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class TableSource(ColumnKeys, Source):
    """A modality of kind ``table``: some columns of a CSV, TSV, Excel or Parquet file.

    What else may be said of columns, see :class:`~mmlego.data.kinds.tabular.keys.ColumnKeys`.

    Parameters
    ----------
    file
        The file, relative to the manifest; of ``.xlsx`` with several sheets ``data.xlsx#sheet``.
    columns
        A name or glob, or several; all but the key if not given. A column without a name of its own, as the row
        numbers that R and pandas write, is no feature unless it is named.
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
    _found: list[Found] = PrivateAttr(default_factory=list)
    _faults: list[InputError] = PrivateAttr(default_factory=list)
    _left: dict[str, str] = PrivateAttr(default_factory=dict)

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the chosen columns, a row a patient."""
        file, lenient = folder.opened(self.file or ""), folder.expected.lenient
        patterns = [self.columns] if isinstance(self.columns, str) else self.columns
        only, names = None, [name for name in file.names if name != folder.key]
        if self.columns != "*":
            others = {rule.other for rule in self.dates.values()}.intersection(file.names)
            only = {*select_columns(patterns, names, modality, absent=[] if lenient else None), *others}
            if not lenient:  # one that fits nothing is noted already, if errors are
                patterns = [pattern for pattern in patterns if pattern == "*" or matching(names, [pattern])]
        frame = folder.table(self.file or "", text=self.as_text() | set(file.dotted), only=only)
        strict = not lenient  # a model takes its columns of all that there are, and refuses those that it cannot use
        known = folder.expected.known
        chosen, notes = self._choose(
            frame, folder.key, modality, taken, patterns, file, lenient=lenient, strict=strict, known=known
        )
        numbers = [str(name) for name in chosen if chosen[name].dtype.kind in "fiu"]
        return chosen, [
            *notes,
            *(Doubtful(modality, text) for text in folder.unit_doubts(self.file or "", frame, numbers)),
        ]

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the chosen columns of a table in memory, a row a patient.

        Without an outcome columns of numbers that hold other words are refused when they are fitted, for a model may
        be what the table is read for.

        Raises
        ------
        InputError
            If a column is not there, belongs to the outcome, or is neither numbers nor categories; or rows of a patient
            differ.
        """
        chosen, notes = self._choose(frame, key, modality, taken, self.columns, None, lenient=False, strict=bool(taken))
        numbers = {str(name): chosen[name] for name in chosen if chosen[name].dtype.kind in "fiu"}
        doubts = (doubt for name, column in numbers.items() for doubt in doubts_of_scale(name, column))
        return chosen, [*notes, *(Doubtful(modality, doubt) for doubt in doubts)]

    def _choose(
        self,
        frame: pd.DataFrame,
        key: str | None,
        modality: str,
        taken: Sequence[str],
        patterns: str | Sequence[str],
        file: TableFile | RenamedTable | None,
        *,
        lenient: bool,
        strict: bool,
        known: Sequence[str] = (),
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        rules = self.rules()
        decimal, dotted = (".", ()) if file is None else (file.decimal, file.dotted)
        numbers = strict or self.rows == "mean"  # of words there is no mean, and no model knows any then

        def read(rows: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
            here = rules.within(columns) if lenient else rules
            found = read_types(
                rows,
                here,
                modality,
                columns,
                strict=strict,
                decimal=decimal,
                dotted=dotted,
                truths=numbers,
                model=lenient,
            )
            self._found[:] = [found.without_rows()]
            self._faults[:] = found.faults
            self._left = {name: "numbers the rows" for name in row_numbers(rows) if name not in columns}
            return found.frame

        chosen, notes = choose_rows(
            frame, key, patterns, self.rows, modality, taken, read, lenient=lenient, known=known
        )
        if strict:
            refuse_names(chosen, rules, modality)
        return chosen, [*self._found[0].notes, *notes]

    @property
    def faults(self) -> Sequence[InputError]:
        """What is wrong with columns that were read for a model, which may not need them."""
        return tuple(self._faults)

    def columns_taken(self, frame: pd.DataFrame) -> list[Taken]:
        """Return what each column was taken for, and which were left out."""
        return columns_taken(frame, self._found[0] if self._found else None, self._left)

    def in_short(self, frame: pd.DataFrame) -> str:
        """Return in one line what the columns were taken for."""
        return in_short(frame, self._found[0] if self._found else None, self._left)

    def fit(self, frame: pd.DataFrame) -> TablePreprocessor:
        """Return a table's preprocessing fitted on training rows.

        Raises
        ------
        InputError
            If columns of numbers hold other words.
        """
        for error in self._faults:
            raise error
        missing, truths = (self._found[0].missing, self._found[0].truths) if self._found else ({}, ())
        words = [name for name in truths if frame[name].dtype.kind not in "iufb"]
        frame = frame.assign(**{name: as_numbers(frame[name]) for name in words}) if words else frame
        least = self.least(frame)
        return TablePreprocessor.fit(frame, keep=self.keep, missing=missing, truths=truths, min_patients=least)
