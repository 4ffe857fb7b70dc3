"""Modalities that are one text a patient in a column of a table: sequences, molecules, reports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from mmlego.data.kinds.file_sources import OnError
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.source import Source
from mmlego.data.reading.fingerprints import text_fingerprints
from mmlego.data.reading.joins import by_patient, one_row_each, refuse_taken
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.remarks import Dropped, Noted
from mmlego.errors import InputError, fault, named
from mmlego.wording import by_reason, counted, listed, meant

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TextRules:
    """Which column of a table holds the texts, and what is done with them.

    Parameters
    ----------
    column
        The column; may be the key.
    rows
        Several rows of a patient that differ: ``error`` or ``first``.
    on_error
        Texts that cannot be used: ``raise``, or ``skip`` their patients.
    complaint
        Why a text cannot be used, or None.
    absent
        Whether a text is a word for a missing one; else only the empty cell is missing.
    """

    column: str
    rows: Literal["error", "first"] = "error"
    on_error: OnError = "raise"
    complaint: Callable[[str], str | None] = lambda text: None
    absent: Callable[[str], bool] = lambda text: False


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
        """Read the column of texts as they are written, a row a patient, each checked."""
        return self.choose(folder.table(self.file or "", text=[self.column]), folder.key, modality, taken)

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the column of texts of a table in memory, a row a patient, each checked."""
        rules = TextRules(self.column, self.rows, self.on_error, self.complaint, self.absent)
        return choose_texts(frame, key, modality, taken, rules)

    def names(self) -> Sequence[str]:
        """Return the column of texts."""
        return (self.column,)

    def complaint(self, text: str) -> str | None:
        """Return why a text cannot be used, or None.

        Parameters
        ----------
        text
            The text, not empty.
        """
        return None

    def absent(self, text: str) -> bool:
        """Return whether a text is a word for a missing one; to most kinds NA and None are texts as others.

        Parameters
        ----------
        text
            The text, not empty.
        """
        return False

    def fingerprints(self, frame: pd.DataFrame) -> list[bytes | None]:
        """Return a hash of each text: two patients with one text are the same, or one was copied."""
        return text_fingerprints(frame.iloc[:, 0])


def choose_texts(
    frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str], rules: TextRules
) -> tuple[pd.DataFrame, list[Dropped]]:
    """Return one column of a table as texts, a row a patient, each checked.

    Parameters
    ----------
    frame
        The table.
    key
        The name of its column of patients; None if they are its index.
    modality
        Its name, for messages.
    taken
        The columns of the outcome, which are refused.
    rules
        Which column, and what to do with several rows and with texts that cannot be used.

    Raises
    ------
    InputError
        If the column is not there or belongs to the outcome, rows of a patient differ, or a text cannot be used.
    """
    column = rules.column
    if key is not None and key == column and key in frame.columns:
        frame, key = frame.set_index(key, drop=False), None
    frame, notes = by_patient(frame, key, modality)
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if column not in frame.columns:
        raise InputError(f"{modality}: no column {column!r}", remedy=meant(column, list(frame.columns)))
    refuse_taken([column], taken, modality)
    known = frame[column].notna()
    texts = frame[[column]].astype(object).where(known.to_numpy()[:, None], "")
    texts[column] = [str(text).strip() for text in texts[column]]
    texts, merged = one_row_each(texts, rules.rows, modality, ("first",))
    empty = np.array([not text or rules.absent(text) for text in texts[column]], dtype=bool)
    if empty.any():
        who = tuple(texts.index[empty])
        notes = [*notes, Dropped(modality, f"{counted(len(who), 'patient')} without any text", who)]
    doubtful = [f"{who}: {text!r}" for who, text in texts[column][~empty].items() if is_missing(str(text))]
    if doubtful:
        what = counted(len(doubtful), "text")
        notes = [*notes, Noted(modality, f"{what} taken as written, though it may mean missing ({listed(doubtful)})")]
    texts, unfit = _usable(texts[~empty], modality, rules)
    return texts, [*notes, *merged, *unfit]


def _usable(texts: pd.DataFrame, modality: str, rules: TextRules) -> tuple[pd.DataFrame, list[Dropped]]:
    """Return the texts that can be used; refuse the others, or leave them out and name their patients."""
    wrong = {patient: why for patient, text in texts.iloc[:, 0].items() if (why := rules.complaint(str(text)))}
    if not wrong:
        return texts, []
    first = by_reason({str(patient): why for patient, why in wrong.items()}, named(3))
    if rules.on_error == "raise" or len(wrong) == len(texts):
        what = f"{modality}: {counted(len(wrong), 'patient')} whose text cannot be used ({first})"
        fault(InputError(what, remedy="Mend them, or declare on_error: skip to go on without them."))
    note = f"{counted(len(wrong), 'patient')} whose text cannot be used ({first})"
    return texts[~texts.index.isin(list(wrong))], [Dropped(modality, note)]
