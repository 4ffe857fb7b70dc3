"""What is odd about sequences that are all of their alphabet: letters of another one, gaps of none, stops within."""

from __future__ import annotations

from collections.abc import Mapping

from mmlego.data.kinds.sequence.alphabets import AlphabetName
from mmlego.data.reading.remarks import Doubtful, Dropped, Noted
from mmlego.wording import counted, listed

_NUCLEOTIDES = frozenset("ACGTUN")
_GAPS = "-."


def notes_of_sequences(texts: Mapping[str, str], alphabet: AlphabetName, where: str) -> list[Dropped]:
    """Return what is odd about sequences.

    Parameters
    ----------
    texts
        By patient.
    alphabet
        As it is declared.
    where
        The modality.

    Examples
    --------
    >>> told = notes_of_sequences({"a": "MK*LV", "b": "MKLV*", "c": "MKLV"}, "protein", "seq")
    >>> [str(note) for note in told]
    ['seq: 1 sequence with a stop (*) within (a)', 'seq: 1 of 3 sequences ends with a stop (*)']
    """
    if alphabet == "smiles" or not texts:
        return []
    notes: list[Dropped] = [*_of_letters(texts, alphabet, where)]
    upper = {patient: text.upper() for patient, text in texts.items()}
    gaps = tuple(patient for patient, text in texts.items() if any(gap in text for gap in _GAPS))
    if alphabet != "any" and gaps and len(set(map(len, texts.values()))) > 1:
        what = f"{counted(len(gaps), 'sequence')} with gaps (- or .), each a character of its own"
        notes.append(Doubtful(where, f"{what}, and no alignment, for lengths differ", gaps))
    if alphabet == "protein":
        within = tuple(patient for patient, text in upper.items() if "*" in text.rstrip("*"))
        ends = [patient for patient, text in upper.items() if text.endswith("*")]
        if within:
            notes.append(Doubtful(where, f"{counted(len(within), 'sequence')} with a stop (*) within", within))
        if 0 < len(ends) < len(texts):
            verb = "ends" if len(ends) == 1 else "end"
            notes.append(Doubtful(where, f"{len(ends)} of {len(texts)} sequences {verb} with a stop (*)"))
    return notes


def _of_letters(texts: Mapping[str, str], alphabet: AlphabetName, where: str) -> list[Dropped]:
    """Return what is odd about the letters: of nucleotides among proteins, of DNA and RNA, small and capital."""
    letters = {patient: {letter for letter in text if letter.isalpha()} for patient, text in texts.items()}
    every = set().union(*letters.values())
    upper = {letter.upper() for letter in every}
    notes: list[Dropped] = []
    if alphabet == "protein" and upper <= _NUCLEOTIDES:
        told = f"letters of nucleotides alone ({listed(sorted(upper), 6)}): declare alphabet: dna or rna"
        notes.append(Doubtful(where, told))
    if alphabet == "any" and {"T", "U"} <= upper <= _NUCLEOTIDES:
        rna = tuple(patient for patient, found in letters.items() if found & {"U", "u"})
        notes.append(
            Doubtful(where, f"{counted(len(rna), 'sequence')} with U, as RNA, beside others with T, as DNA", rna)
        )
    both = [patient for patient, found in letters.items() if _of_both_cases(found)]
    if alphabet != "any" and both:
        what = f"{counted(len(both), 'sequence')} with small letters beside capitals, as of masked repeats"
        notes.append(Noted(where, f"{what}, read as capitals"))
    if alphabet == "any" and any(letter.lower() in every for letter in every if letter.isupper()):
        notes.append(
            Doubtful(where, "small and capital letters, each of its own: declare alphabet: to read them as one")
        )
    return notes


def _of_both_cases(letters: set[str]) -> bool:
    return any(map(str.islower, letters)) and any(map(str.isupper, letters))
