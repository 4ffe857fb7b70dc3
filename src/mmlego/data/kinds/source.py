"""Where a modality comes from: its section of a manifest, and how it is read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mmlego.anonymity import MIN_PATIENTS
from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.tabular.keys import Words
from mmlego.data.reading.chosen_rows import chosen_rows
from mmlego.data.reading.fingerprints import row_fingerprints
from mmlego.data.reading.ids import IdForm, with_ids
from mmlego.data.reading.normal_tissue import check_tissues, refuse_normals, tissue_columns
from mmlego.data.reading.remarks import Doubtful, Dropped
from mmlego.errors import InputError
from mmlego.wording import label

if TYPE_CHECKING:
    import pandas as pd

    from mmlego.data.kinds.fitted import Preprocessing
    from mmlego.data.kinds.tabular.taken import Taken

CHOOSE = ("columns", "variables", "samples", "variants")  # keys that say what is looked at


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
    where
        By column of its table the words, or globs, of the rows that count, where not all do, as
        ``{Sample Type: Primary Tumor}``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    needs: ClassVar[tuple[str, ...]] = ("file",)  # keys without which it cannot be read from a folder
    endings: ClassVar[tuple[str, ...]] = ()  # of the files that it reads, for mmlego init; those of tables are nobody's
    # Lines of a first manifest beside kind and place, where the files need not be looked at.
    drafted: ClassVar[tuple[str, ...]] = ()
    kind: str
    id: IdForm | None = None
    min_patients: int = Field(default=MIN_PATIENTS, ge=1)
    where: dict[str, Annotated[Words, Field(min_length=1)]] = Field(default_factory=dict)

    @classmethod
    def draft(cls, patients: Sequence[Sequence[Path]]) -> list[str]:
        """Return lines of a first manifest beside kind and place: keys with their doubts, or comments.

        Parameters
        ----------
        patients
            The files of some patients, of each at least one.
        """
        return list(cls.drafted)

    def rows_where(self) -> dict[str, tuple[str, ...]]:
        """Return by column the words of the rows that count; empty: all do."""
        return {column: tuple(label(word) for word in words) for column, words in self.where.items()}

    def of_rows(self) -> bool:
        """Return whether the section is read from a table of which some rows may count."""
        return getattr(self, "pattern", None) is None or getattr(self, "file", None) is not None

    def own_rows(self, frame: pd.DataFrame, key: str | None, modality: str) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the rows of a table in memory that count, their ids in the form that is declared.

        Parameters
        ----------
        frame
            The table.
        key
            The column of patient ids; None if the index holds them.
        modality
            Its name, for messages.

        Raises
        ------
        InputError
            If no row counts, or two ids become one that should not.
        """
        notes: list[Dropped] = []
        if self.where:
            names = [str(name) for name in frame.columns]
            wanted = {name: frame[name] for name in self.where if name in frame.columns}
            kept, notes = chosen_rows(self.rows_where(), wanted, names, modality)
            frame = frame[kept]
        if key is not None and key not in frame.columns:
            return frame, notes
        refuse_normals(list(frame.index if key is None else frame[key]), self.id, modality)
        frame = with_ids(frame, key, self.id, modality)
        columns: dict[str, list[object]] = {
            name: [*frame[name]] for name in tissue_columns([str(name) for name in frame if name != key])
        }
        ids = frame.index if key is None else frame[key]
        owners = [label(one) if there else None for one, there in zip(ids, ids.notna(), strict=True)]
        return frame, [*notes, *(Doubtful(modality, doubt) for doubt in check_tissues(owners, columns, modality))]

    def unplaced(self) -> str | None:
        """Return what a manifest has to say of where the files are, beside what the kind needs; or None."""
        return None

    def lacks(self) -> str | None:
        """Return what has to be filled in before anything is trained, though patients can be read without; or None."""
        return None

    @model_validator(mode="after")
    def _check_heeded(self) -> Self:
        empty = [f"{name}:" for name in CHOOSE if getattr(self, name, None) == [] and name in self.model_fields_set]
        if empty:
            raise ValueError(f"{', '.join(empty)} is an empty list, which chooses nothing: name some, or leave it out")
        self.refuse_unheeded(*self.unheeded())
        if not self.of_rows():
            self.refuse_unheeded("what is read from no table with a row a patient or sample", ("where",))
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
