"""Kind ``sequence``, its preprocessing: DNA, RNA, protein or SMILES."""

from __future__ import annotations

import warnings
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal, Self

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from mmlego.anonymity import Kept, in_steps
from mmlego.data.kinds.fitted import Odd, Preprocessing
from mmlego.data.kinds.molecules import canonical as canonical_smiles
from mmlego.data.kinds.sequence.alphabets import ALPHABETS, AlphabetName
from mmlego.errors import InputError, LegoWarning
from mmlego.wording import counted, listed

if TYPE_CHECKING:
    import pandas as pd

FASTA = (".fasta", ".fa", ".fna", ".faa", ".ffn", ".frn")
UNKNOWN = 0  # the id of a character that no training patient has


class SequenceState(BaseModel):
    """What :class:`SequencePreprocessor` saves; refuses anything that does not fit.

    Examples
    --------
    >>> SequenceState(alphabet="dna", length=100, characters=["A", "C"]).version
    1
    """

    model_config = ConfigDict(extra="forbid")

    name: Literal["sequence"] = "sequence"
    version: Literal[1, 2] = 1  # before 2 it was not counted how many patients anything stands for
    alphabet: AlphabetName
    length: int = Field(ge=1)
    characters: list[str] = Field(min_length=1)
    canonical: bool = False
    min_patients: int = Field(default=1, ge=1)
    patients: list[int] | None = None

    @model_validator(mode="after")
    def _check_characters(self) -> Self:
        if len(set(self.characters)) < len(self.characters):
            raise ValueError("a character stands twice")
        if self.patients is not None and len(self.patients) != len(self.characters):
            raise ValueError("patients need one number a character")
        return self


@dataclass(frozen=True)
class SequencePreprocessor(Preprocessing):
    """Sequences → ids of characters, int64 ``(n_i,)``: from 1 on for those of training patients, 0 for any other.

    Parameters
    ----------
    alphabet
        How sequences are cut into characters.
    length
        How many characters count; what comes after is cut off.
    characters
        The vocabulary; the id of a character is its place, from 1 on.
    canonical
        Whether SMILES are brought into the one canonical form first.
    min_patients
        How many patients have each character of the vocabulary at least.
    patients
        How many have each: in steps of ``min_patients``, rounded down; None: not counted.

    Examples
    --------
    >>> import pandas as pd
    >>> fitted = SequencePreprocessor.fit(pd.DataFrame({"smiles": ["CCO", "CCl"]}), alphabet="smiles")
    >>> fitted.characters, [ids.tolist() for ids in fitted.transform(pd.DataFrame({"smiles": ["OCCN"]}))]
    (('C', 'Cl', 'O'), [[3, 1, 1, 0]])
    """

    name: ClassVar[str] = "sequence"
    ragged: ClassVar[bool] = True
    saved_as: ClassVar[type[BaseModel]] = SequenceState
    called: ClassVar[str] = "sequences"

    alphabet: AlphabetName
    length: int
    characters: tuple[str, ...]
    canonical: bool = False
    min_patients: int = 1
    patients: tuple[int, ...] | None = None

    @classmethod
    def fit(
        cls,
        frame: pd.DataFrame,
        *,
        alphabet: AlphabetName = "any",
        length: int = 1024,
        canonical: bool = False,
        min_patients: int = 1,
    ) -> Self:
        """Learn the vocabulary of the training patients.

        Parameters
        ----------
        frame
            One column of sequences.
        alphabet
            How sequences are cut into characters.
        length
            How many characters count.
        canonical
            Bring SMILES into the one canonical form first, so that nothing is learnt from the habits of writers.
        min_patients
            Characters that fewer patients have are unknown.

        Raises
        ------
        InputError
            If no character is in so many sequences.

        Warns
        -----
        LegoWarning
            If sequences are longer.
        """
        cut = _cut(frame, alphabet, canonical)
        long = sum(len(characters) > length for characters in cut)
        if long:
            text = f"{counted(long, 'training sequence')} of {len(cut)} longer than length={length}: the end is cut."
            warnings.warn(text, LegoWarning, stacklevel=2)
        found = Counter(character for text in cut for character in set(text[:length]))
        known = sorted(character for character, patients in found.items() if patients >= min_patients)
        if not known:
            raise InputError(
                f"no character is in the sequences of {counted(min_patients, 'patient')}", got=listed(found)
            )
        patients = tuple(in_steps(found[character], min_patients) for character in known)
        return cls(alphabet, length, tuple(known), canonical, min_patients, patients)

    def transform(self, frame: pd.DataFrame) -> list[Tensor]:
        """Return the ids of the characters of each sequence, int64 ``(n_i,)``.

        Parameters
        ----------
        frame
            One column of sequences, none empty.
        """
        place = {character: number for number, character in enumerate(self.characters, start=1)}
        cut = (text[: self.length] for text in _cut(frame, self.alphabet, self.canonical))
        return [torch.tensor([place.get(character, UNKNOWN) for character in text]) for text in cut]

    def odd(self, frame: pd.DataFrame) -> tuple[Odd, Odd]:
        """Return by patient that the sequence is cut, and which characters were unknown in training.

        Parameters
        ----------
        frame
            One column of sequences.
        """
        long: Odd = {}
        unknown: Odd = {}
        known = set(self.characters)
        for patient, text in zip(map(str, frame.index), _cut(frame, self.alphabet, self.canonical), strict=True):
            strange = [character for character in text[: self.length] if character not in known]
            if strange:
                some = listed(dict.fromkeys(strange))
                unknown[patient] = [f"{len(strange)} of {counted(min(len(text), self.length), 'character')} ({some})"]
            if len(text) > self.length:
                long[patient] = [f"{len(text)} characters, of which {self.length} count"]
        return long, unknown

    def blank(self) -> Tensor:
        """Return a sequence without characters."""
        return torch.zeros(0, dtype=torch.int64)

    def encoder(self) -> tuple[str, dict[str, object]]:
        """Return the encoder of characters; its vocabulary has a place for the unknown."""
        return "char_transformer", {"vocabulary": len(self.characters) + 1}

    def config(self) -> dict[str, object]:
        """Return all that was learnt, as values that JSON can hold."""
        state = SequenceState(
            version=2,
            alphabet=self.alphabet,
            length=self.length,
            characters=list(self.characters),
            canonical=self.canonical,
            min_patients=self.min_patients,
            patients=None if self.patients is None else list(self.patients),
        )
        return state.model_dump()

    def kept(self) -> list[Kept]:
        """Return the characters of the vocabulary, and how many patients have each."""
        counts = self.patients or (None,) * len(self.characters)
        return [Kept("characters", "a character", one, n) for one, n in zip(self.characters, counts, strict=True)]

    @classmethod
    def _restored(cls, state: SequenceState) -> Self:
        patients = None if state.patients is None else tuple(state.patients)
        characters = tuple(state.characters)
        return cls(state.alphabet, state.length, characters, state.canonical, state.min_patients, patients)


def _cut(frame: pd.DataFrame, alphabet: AlphabetName, canonical: bool) -> list[list[str]]:
    texts = [str(text) for text in frame.iloc[:, 0]]
    return [ALPHABETS[alphabet].cut(canonical_smiles(text) if canonical else text) for text in texts]
