from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.omics.numbers import only_numbers
from mmlego.errors import InputError

IDS = [f"P{i}" for i in range(8)]
VALUES = np.random.default_rng(0).normal(8, 2, (8, 3)).round(3)


def read(folder: Path, words: list[str], section: str = "", **columns: list[object]) -> Cohort:
    frame = pd.DataFrame(VALUES, columns=["TP53", "nan", "None"]).astype(object)
    frame.insert(0, "id", IDS)
    for place, word in enumerate(words):
        frame.iloc[place, 1] = word
    frame.assign(**columns).to_csv(folder / "a.csv", index=False)
    (folder / "cohort.yaml").write_text(f"key: id\nmodalities:\n  rna: {{kind: omics, file: a.csv{section}}}\n")
    return Cohort.from_manifest(folder / "cohort.yaml")


def test_what_says_that_it_is_missing(tmp_path: Path) -> None:
    cohort = read(tmp_path, ["NA", "[Not Available]", "not reported"])
    frame = cohort.frames["rna"]
    assert frame.columns.tolist() == ["TP53", "nan", "None"]
    np.testing.assert_array_equal(frame["TP53"], [np.nan] * 3 + VALUES[3:, 0].tolist())
    assert "rna: read as missing: '[Not Available]' 1×, 'not reported' 1×" in map(str, cohort.dropped)


def test_a_cell_that_is_no_number_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, ["< 0.5", "< 0.5", "1,234"])
    assert str(error.value) == (
        "rna: 3 cells that are no numbers (TP53: '< 0.5' 2×, '1,234' 1×): expected numbers, or an empty cell. "
        "Mend them; if they mean that nothing is known, say so, as missing: ['< 0.5', '1,234']."
    )
    frame = read(tmp_path, ["< 0.5", "< 0.5", "1,234"], ", missing: ['< 0.5', '1,234']").frames["rna"]
    np.testing.assert_array_equal(frame["TP53"], [np.nan] * 3 + VALUES[3:, 0].tolist())


def test_a_column_of_text_is_no_gene(tmp_path: Path) -> None:
    columns = {"batch": list("AABBAABB")}
    with pytest.raises(
        InputError, match=r"1 column of text among the genes \(batch: 'A' 4×, 'B' 4×\).*columns: 'ENSG\*'"
    ):
        read(tmp_path, [], **columns)
    assert read(tmp_path, [], ", columns: [TP53, nan]", **columns).frames["rna"].shape == (8, 2)


def test_tables_in_memory() -> None:
    frame = pd.DataFrame({"TP53": ["1.5", None, "NA"], "MDM2": [1, 2.0, True]}, index=list("abc"), dtype=object)
    frame["KRAS"] = pd.array([1, None, 3], dtype="Int64")
    found = Cohort.from_frames({"rna": frame}, kinds={"rna": {"kind": "omics"}}).frames["rna"]
    np.testing.assert_array_equal(
        found.to_numpy(dtype=float, na_value=np.nan), [[1.5, 1, 1], [np.nan, 2, np.nan], [np.nan, 1, 3]]
    )
    lists = pd.DataFrame({"TP53": [[1, 2], [3], [4]]}, index=list("abc"))
    with pytest.raises(InputError, match=r"1 column of text among the genes \(TP53: 'a cell of list' 3×\)"):
        Cohort.from_frames({"rna": lists}, kinds={"rna": {"kind": "omics"}})
    twice = pd.DataFrame([[1.0, 2.0]], index=["a"], columns=["TP53", "TP53"])
    with pytest.raises(InputError, match=r"rna: columns of the same name \(TP53\)"):
        Cohort.from_frames({"rna": twice}, kinds={"rna": {"kind": "omics"}})


def test_rows_are_averaged_after_cells_are_numbers(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,TP53\nP1,1\nP1,[Not Available]\nP1,3\nP2,5\n")
    (tmp_path / "cohort.yaml").write_text("key: id\nmodalities:\n  rna: {kind: omics, file: a.csv, rows: mean}\n")
    assert Cohort.from_manifest(tmp_path / "cohort.yaml").frames["rna"]["TP53"].to_dict() == {"P1": 2.0, "P2": 5.0}


def test_yes_and_no_are_one_and_nought_in_every_form() -> None:
    frame = pd.DataFrame(
        {"A": ["yes", "no", "NA"], "B": ["TRUE", None, "FALSE"], "C": ["T", "F", "T"], "D": ["no", "no", "no"]},
        dtype=object,
    )
    found, notes = only_numbers(frame, [], "m")
    np.testing.assert_array_equal(found, [[1, 1, 1, 0], [0, np.nan, 0, 0], [np.nan, 0, 1, 0]])
    assert str(notes[0]) == "m: yes and no read as 1 and 0: A, B, C, D"
    for words in (["F", "F"], ["yes", "maybe"], ["F", "M"]):
        with pytest.raises(InputError, match=r"text among the genes|no numbers"):
            only_numbers(pd.DataFrame({"x": words}, dtype=object), [], "m")
