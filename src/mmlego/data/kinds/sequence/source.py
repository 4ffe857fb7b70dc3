"""Kind ``sequence``, its source: DNA, RNA, protein or SMILES."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import Field, model_validator

from mmlego.data.kinds.folder import Folder
from mmlego.data.kinds.molecules import canonical as canonical_smiles
from mmlego.data.kinds.molecules import complaint_of, parts_of
from mmlego.data.kinds.sequence.alphabets import ALPHABETS, AlphabetName, read_fasta
from mmlego.data.kinds.sequence.doubts import notes_of_sequences
from mmlego.data.kinds.sequence.preprocess import FASTA, SequencePreprocessor
from mmlego.data.kinds.text_columns import TextColumnSource
from mmlego.data.reading.fingerprints import text_fingerprints
from mmlego.data.reading.missing import is_missing
from mmlego.data.reading.remarks import Dropped
from mmlego.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


class SequenceSource(TextColumnSource):
    """A modality of kind ``sequence``: records of a FASTA file, or a column of a table.

    Parameters
    ----------
    file
        A FASTA file whose records are named by patient; or a table.
    column
        The column of a table.
    alphabet
        ``dna``, ``rna``, ``protein`` or ``smiles``, which refuse other characters; or ``any``.
    length
        How many characters count.
    canonical
        Bring SMILES into the one canonical form of RDKit first. Where molecules of one outcome were written by other
        people than those of another, a network reads the hand rather than the molecule.

    Examples
    --------
    >>> SequenceSource(file="drugs.csv", column="smiles", alphabet="smiles").length
    1024
    """

    endings: ClassVar[tuple[str, ...]] = (".fasta", ".fa", ".fasta.gz", ".fa.gz")
    drafted: ClassVar[tuple[str, ...]] = ("# alphabet: dna  # dna | rna | protein: other letters are then refused",)

    kind: Literal["sequence"] = "sequence"
    column: str = "sequence"
    alphabet: AlphabetName = "any"
    length: int = Field(default=1024, ge=1)
    canonical: bool = False

    @model_validator(mode="after")
    def _check_canonical(self) -> Self:
        if self.canonical and self.alphabet != "smiles":
            raise ValueError("canonical: is for alphabet: smiles")
        return self

    def read(self, folder: Folder, modality: str, taken: Sequence[str]) -> tuple[pd.DataFrame, list[Dropped]]:
        """Read the sequences, one a patient, each checked against the alphabet."""
        import pandas as pd

        name = self.file or ""
        if not self._is_fasta():
            return super().read(folder, modality, taken)
        if "column" in self.model_fields_set:
            raise InputError(f"{modality}: a FASTA file has no columns", remedy="Leave column: out.")
        records = read_fasta(folder.file(name))
        index = pd.Index(folder.ids([patient for patient, _ in records], modality), dtype=object)
        return self.choose(pd.DataFrame({self.column: [text for _, text in records]}, index), None, modality, ())

    def choose(
        self, frame: pd.DataFrame, key: str | None, modality: str, taken: Sequence[str]
    ) -> tuple[pd.DataFrame, list[Dropped]]:
        """Return the sequences of a table in memory, a row a patient, each checked, and what is odd about them."""
        texts, notes = super().choose(frame, key, modality, taken)
        read = {str(patient): str(text) for patient, text in texts.iloc[:, 0].items()}
        said = parts_of(read.values(), modality) if self.alphabet == "smiles" else []
        return texts, [*notes, *said, *notes_of_sequences(read, self.alphabet, modality)]

    def of_rows(self) -> bool:
        """Return whether it is read from a table."""
        return not self._is_fasta()

    def _is_fasta(self) -> bool:
        return (self.file or "").lower().removesuffix(".gz").removesuffix(".zip").endswith(FASTA)

    def complaint(self, text: str) -> str | None:
        """Return which characters are not of the alphabet, or that it is no molecule, or None."""
        return ALPHABETS[self.alphabet].complaint(text) or (complaint_of(text) if self.canonical else None)

    def absent(self, text: str) -> bool:
        """Return whether a text is a word for a missing one, and no sequence: ``NA`` is one of proteins and of DNA."""
        return is_missing(text) and ALPHABETS[self.alphabet].complaint(text) is not None

    def fingerprints(self, frame: pd.DataFrame) -> list[bytes | None]:
        """Return a hash of each sequence; of molecules in canonical form, however they were written."""
        return text_fingerprints(frame.iloc[:, 0].map(canonical_smiles) if self.canonical else frame.iloc[:, 0])

    def molecules(self, frame: pd.DataFrame) -> dict[str, str]:
        """Return the SMILES of the patients, where they are, to split by scaffold."""
        if self.alphabet != "smiles":
            return {}
        return {str(patient): str(text) for patient, text in frame.iloc[:, 0].items()}

    def fit(self, frame: pd.DataFrame) -> SequencePreprocessor:
        """Return preprocessing fitted on the sequences of training patients."""
        return SequencePreprocessor.fit(
            frame,
            alphabet=self.alphabet,
            length=self.length,
            canonical=self.canonical,
            min_patients=self.least(frame),
        )
