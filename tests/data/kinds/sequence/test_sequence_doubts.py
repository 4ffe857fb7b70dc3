from __future__ import annotations

import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.sequence.alphabets import AlphabetName
from mmlego.data.kinds.sequence.doubts import notes_of_sequences
from mmlego.data.kinds.sequence.preprocess import SequencePreprocessor
from mmlego.data.reading.remarks import Doubtful


@pytest.mark.parametrize(
    ("alphabet", "texts", "said"),
    [
        ("protein", ["ACGT", "GATTACAN"], [
            "letters of nucleotides alone (A, C, G, N, T): declare alphabet: dna or rna"]),
        ("protein", ["ACGT", "MKLV"], []),
        ("dna", ["ACGT", "ACNT"], []),
        ("any", ["ACGT", "ACGU"], ["1 sequence with U, as RNA, beside others with T, as DNA (p1)"]),
        ("any", ["MUTE", "MKLV"], []),  # U is an amino acid, too
        ("dna", ["ACgt", "acgt"], [
            "1 sequence with small letters beside capitals, as of masked repeats, read as capitals"]),
        ("any", ["ACgt", "GG"], ["small and capital letters, each of its own: declare alphabet: to read them as one"]),
        ("any", ["OK", "xy"], []),
        ("dna", ["AC--GT", "ACGT"], [
            "1 sequence with gaps (- or .), each a character of its own, and no alignment, for lengths differ (p0)"]),
        ("dna", ["AC--GT", "ACGTGT"], []),
        ("protein", ["MKLV*", "MVLK*"], []),
        ("protein", ["MKLV*", "MVLK"], ["1 of 2 sequences ends with a stop (*)"]),
        ("protein", ["MK*LV*", "MVLK*"], ["1 sequence with a stop (*) within (p0)"]),
        ("smiles", ["CC.[Na+]", "c1ccccc1C"], []),
    ],
)  # fmt: skip
def test_what_is_told(alphabet: AlphabetName, texts: list[str], said: list[str]) -> None:
    found = notes_of_sequences({f"p{i}": text for i, text in enumerate(texts)}, alphabet, "s")
    assert [str(note).removeprefix("s: ") for note in found] == said


def test_it_is_told_with_the_cohort() -> None:
    frame = pd.DataFrame({"sequence": ["ACGT", "GATTACA"]}, index=["a", "b"])
    read = Cohort.from_frames({"s": frame}, kinds={"s": {"kind": "sequence", "alphabet": "protein"}})
    assert any(isinstance(note, Doubtful) and "of nucleotides alone" in note.what for note in read.dropped)


def test_prediction_marks_what_training_did_not_have() -> None:
    train = pd.DataFrame({"sequence": ["ACGT", "GATTACA"]}, index=["a", "b"])
    fitted = SequencePreprocessor.fit(train, length=7)
    assert fitted.odd(train) == ({}, {})
    new = pd.DataFrame({"sequence": ["ACGU", "ACGTACGTUU", "ACG"]}, index=["c", "d", "e"])
    assert fitted.odd(new) == ({"d": ["10 characters, of which 7 count"]}, {"c": ["1 of 4 characters (U)"]})
