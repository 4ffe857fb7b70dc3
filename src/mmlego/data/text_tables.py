"""Modalities that are one text a patient in a column of a table: sequences, molecules, reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from mmlego.data.file_sources import OnError
from mmlego.data.fingerprints import text_fingerprints
from mmlego.data.joins import Dropped, by_patient, one_row_each, refuse_taken
from mmlego.data.source import Folder, Source
from mmlego.data.wording import counted, listed, meant
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class TextColumnSource(Source):
    """What these kinds have in common: a table, and a column of texts.

    Parameters
    ----------
    file
        The table, relative to the manifest.
    column
        Its column of texts; may be the key, where texts name themselves, as SMILES do.
    rows
        What to do where a patient has several rows that differ: ``error`` or ``first``.
    on_error
        ``raise``, or ``skip`` to leave out texts that cannot be used, and name their patients.
    """

    file: str | None = None
    column: str
    rows: Literal["error", "first"] = "error"
    on_error: OnError = "raise"

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the column of texts, a row a patient, each checked."""
        return self.choose(folder.table(self.file or ""), folder.key, modality, taken)

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the column of texts of a table in memory, a row a patient, each checked.

        Raises
        ------
        InputError
            If the column is not there or belongs to the outcome, rows of a patient differ, or a text cannot be used.
        """
        if key is not None and key == self.column and key in frame.columns:
            frame, key = frame.set_index(key, drop=False), None
        frame, notes = by_patient(frame, key, modality)
        frame = frame.set_axis([str(column) for column in frame.columns], axis=1)
        column = self.column
        if column not in frame.columns:
            raise InputError(f"{modality}: no column {column!r}", remedy=meant(column, list(frame.columns)))
        refuse_taken([column], taken, modality)
        known = frame[column].notna()
        texts = frame[[column]].astype(object).where(known.to_numpy()[:, None], "")
        texts[column] = [str(text).strip() for text in texts[column]]
        texts, merged = one_row_each(texts, self.rows, modality)
        empty = texts[column] == ""
        if empty.any():
            who = tuple(texts.index[empty])
            notes = [*notes, Dropped(modality, f"{counted(len(who), 'patient')} without any text", who)]
        texts, unfit = self.usable(texts[~empty], modality)
        return texts, [*notes, *merged, *unfit]

    def usable(self, texts: pd.DataFrame, modality: str) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the texts that can be used; refuse the others, or leave them out and name their patients.

        Parameters
        ----------
        texts
            One column, indexed by patient.
        modality
            Its name, for messages.

        Raises
        ------
        InputError
            If one cannot be used under ``on_error: raise``, or none can.
        """
        wrong = {patient: why for patient, text in texts.iloc[:, 0].items() if (why := self.complaint(str(text)))}
        if not wrong:
            return texts, []
        first = listed((f"{patient}: {why}" for patient, why in wrong.items()), 3)
        if self.on_error == "raise" or len(wrong) == len(texts):
            raise InputError(
                f"{modality}: {counted(len(wrong), 'patient')} whose text cannot be used ({first})",
                remedy="Mend them, or declare on_error: skip to go on without them.",
            )
        note = f"{counted(len(wrong), 'patient')} whose text cannot be used ({first})"
        return texts[~texts.index.isin(list(wrong))], [Dropped(modality, note)]

    def complaint(self, text: str) -> str | None:
        """Return why a text cannot be used, or None.

        Parameters
        ----------
        text
            The text, not empty.
        """
        return None

    def fingerprints(self, frame: pd.DataFrame) -> list[bytes | None]:
        """Return a hash of each text: two patients with one text are the same, or one was copied."""
        return text_fingerprints(frame.iloc[:, 0])
