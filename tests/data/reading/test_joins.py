from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmlego.data import Cohort
from mmlego.data.reading.joins import by_patient, choose_rows, one_row_each, pick, row_numbers, select_columns
from mmlego.data.reading.remarks import Dropped
from mmlego.errors import InputError
from mmlego.wording import label, listed, meant

SLIDES = pd.DataFrame(
    {"score": [1.0, 1.0, 2.0, np.nan, 6.0], "site": [3, 3, 4, 5, 5], "kind": list("xxyzz")},
    index=list("aabcc"),
)


def test_columns_are_chosen_by_name_and_glob() -> None:
    there = ["b_rna", "age", "a_rna", "x[1]", "x1"]
    assert select_columns("*_rna", there, "rna") == ["b_rna", "a_rna"]
    assert select_columns(["age", "*_rna", "age"], there, "rna") == ["age", "b_rna", "a_rna"]
    assert select_columns("x[1]", there, "rna") == ["x[1]"]  # a name before a glob
    with pytest.raises(InputError, match=r"rna: no column matches 'agee'\. Did you mean 'age'"):
        select_columns(["age", "agee"], there, "rna")


def test_keys_are_text_and_rows_without_one_are_dropped() -> None:
    frame = pd.DataFrame({"id": [1.0, None, 3.0], "x": [1, 2, 3]})
    kept, notes = by_patient(frame, "id", "rna")
    assert kept.index.tolist() == ["1", "3"]
    assert [str(note) for note in notes] == ["rna: 1 row without a patient id"]
    assert by_patient(pd.DataFrame({"x": [1]}, index=[" a "]), None, "rna")[0].index.tolist() == ["a"]


@pytest.mark.parametrize(
    ("frame", "key", "message"),
    [
        (pd.DataFrame({"x": [1, 2]}), None, "rows are numbered, not named by patient"),
        (pd.DataFrame({"x": [1, 2]}), "id", "rna: no key column 'id'"),
        (pd.DataFrame({"x": [1]}, index=pd.MultiIndex.from_tuples([("a", 1)])), None, "several levels of index"),
    ],
)
def test_rows_without_keys(frame: pd.DataFrame, key: str | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        by_patient(frame, key, "rna")


def test_equal_rows_of_a_patient_become_one() -> None:
    frame, notes = one_row_each(SLIDES[:3], "error", "wsi")
    assert frame.index.tolist() == ["a", "b"]
    assert [str(note) for note in notes] == ["wsi: 1 row merged, equal to another row of the patient"]


def test_rows_that_differ_need_a_rule() -> None:
    with pytest.raises(InputError, match=r"wsi: 1 patient with several rows that differ \(c\).*rows: first"):
        one_row_each(SLIDES, "error", "wsi")
    first, notes = one_row_each(SLIDES, "first", "wsi")
    assert first["site"].to_dict() == {"a": 3, "b": 4, "c": 5}
    assert np.isnan(first.loc["c", "score"])  # the first row, whatever it holds
    assert str(notes[0]) == "wsi: 2 further rows of a patient, the first is kept"
    mean, notes = one_row_each(SLIDES[["score", "site"]], "mean", "wsi")
    assert mean["score"].to_dict() == {"a": 1.0, "b": 2.0, "c": 6.0}  # over the rows that have it
    assert str(notes[0]) == "wsi: 5 rows averaged to 3 patients"
    with pytest.raises(InputError, match=r"cannot take the mean of text \(kind\)"):
        one_row_each(SLIDES, "mean", "wsi")


def test_means_of_columns_that_may_be_missing() -> None:
    frame = pd.DataFrame({"x": pd.array([1, None, 4], dtype="Int64"), "y": [True, False, True]}, index=list("aab"))
    mean, _ = one_row_each(frame, "mean", "rna")
    assert mean.to_dict() == {"x": {"a": 1.0, "b": 4.0}, "y": {"a": 0.5, "b": 1.0}}


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 3)), min_size=1), st.sampled_from(["first", "mean"]))
def test_one_row_each_is_what_it_says(rows: list[tuple[str, int]], rule: str) -> None:
    frame = pd.DataFrame({"x": [float(value) for _, value in rows]}, index=[patient for patient, _ in rows])
    once, notes = one_row_each(frame, rule, "rna")
    assert once.index.tolist() == list(dict.fromkeys(frame.index))
    assert bool(notes) == (len(once) < len(rows))
    for patient, value in once["x"].items():
        theirs = [x for p, x in rows if p == patient]
        assert value == pytest.approx(theirs[0] if rule == "first" else sum(theirs) / len(theirs))


def test_words() -> None:
    assert listed([]) == ""
    assert listed("abcdef") == "a, b, c, d, e and 1 more"
    assert meant("age", ["agee", "b"]) == "Did you mean 'agee'?"
    assert meant("x", []) == "None is known here."
    assert [label(v) for v in (np.int64(3), np.float32(2), "2", True, np.str_("a"))] == ["3", "2", "2", "True", "a"]
    assert str(Dropped("rna", "nothing")) == "rna: nothing"


@pytest.mark.parametrize(
    ("numbers", "left"),
    [
        ([1, 2, 3, 4, 5], True),
        ([0, 1], True),
        ([2, 3, 5, 9, 11], True),  # rows were left out before the table was written
        ([2, 3, 5, 5, 11], False),
        ([2, 3, 5, 4, 11], False),
        ([2.5, 3.5, 5.5, 7.5, 11.5], False),
        ([-2, 3, 5, 7, 11], False),
        ([3, 5], False),
    ],
)
def test_what_numbers_the_rows(numbers: list[float], left: bool) -> None:
    frame = pd.DataFrame({"X": numbers, "age": 50.5})
    assert row_numbers(frame) == (["X"] if left else [])
    assert row_numbers(frame.rename(columns={"X": "dose"})) == []


def test_what_a_model_was_trained_on_is_no_row_number() -> None:
    frame = pd.DataFrame({"X": [2, 4, 5, 6, 8], "age": [50, 61, 55, 50, 72]}, index=list("abcde"))
    assert list(choose_rows(frame, None, "*", "error", "clinical", [])[0]) == ["age"]
    assert list(choose_rows(frame, None, "*", "error", "clinical", [], known=["X", "age"])[0]) == ["X", "age"]


@pytest.mark.parametrize("names", [["age", "age"], ["X", "X"], [1, "1"]])
def test_columns_of_one_name_are_refused(names: list[object]) -> None:
    frame = pd.DataFrame([[50.0, 1.0], [60.0, 3.0]], index=["a", "b"], columns=names)
    with pytest.raises(InputError, match=rf"clinical: columns of the same name \({names[1]}\)"):
        choose_rows(frame, None, "*", "error", "clinical", [])
    with pytest.raises(InputError, match=rf"m: columns of the same name \({names[1]}\)"):
        Cohort.from_frames({"m": frame})
    with pytest.raises(InputError, match="several columns 'id'"):
        by_patient(frame.set_axis(["id", "id"], axis=1), "id", "m")


def test_a_column_is_left_out_without_a_copy_unless_it_lies_among_its_like() -> None:
    """Pandas would make an array of each column that stays, and be a hundred times slower with every step after."""
    table = pd.DataFrame(np.arange(12.0).reshape(2, 6), columns=list("abcdef"))
    among = pick(table, list("abdef"))
    assert (among.to_numpy() == table[list("abdef")].to_numpy()).all()
    assert len(among._mgr.blocks) == 1
    first = pick(table.assign(id=["p", "q"])[["id", *"abcdef"]], list("abcdef"))
    assert len(first._mgr.blocks) == 1
    keyed = table.copy()
    keyed.insert(3, "id", ["p", "q"])  # between numbers, but the only text
    rest = pick(keyed, list("abcdef"))
    assert np.shares_memory(rest["a"].to_numpy(), keyed["a"].to_numpy())
    assert (rest.to_numpy() == table.to_numpy()).all()


def test_numbers_of_rows_that_pandas_has_put_twice_are_no_features() -> None:
    table = pd.DataFrame({"level_0": range(6), "index": range(6), "age": [50.0, 61, 55, 50, 72, 48]}, list("abcdef"))
    chosen, _ = choose_rows(table, None, "*", "error", "clinical", [])
    assert list(chosen.columns) == ["age"]
    named, _ = choose_rows(table, None, ["index", "age"], "error", "clinical", [])
    assert named["index"].tolist() == [0, 1, 2, 3, 4, 5]
    other = table.assign(index=[0, 1, 2, 2, 1, 0])  # as of tumours: a variable
    assert list(choose_rows(other, None, "*", "error", "clinical", [])[0].columns) == ["index", "age"]
