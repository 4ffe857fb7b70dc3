"""What columns of words become: by hand, with all that is said of them."""

from __future__ import annotations

import datetime

import numpy as np
import pandas as pd
import pytest

from mmlego.data.reading.column_rules import ColumnRules
from mmlego.data.reading.columns import read_types
from mmlego.data.reading.dates import DateRule, dates_of
from mmlego.data.reading.telling import refuse_names
from mmlego.errors import InputError

NAN = float("nan")


def read(cells: list[object], decimal: str = ".", **rules: object) -> tuple[list[object], list[str]]:
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object)})
    found = read_types(frame, ColumnRules(**rules), "m", decimal=decimal)  # type: ignore[arg-type]
    column = found.frame["x"]
    values = column.astype(object).where(column.notna(), None).tolist()
    return values, [str(note).removeprefix("m: ") for note in found.notes]


@pytest.mark.parametrize(
    ("cells", "expected", "said"),
    [
        (["1", "2.5", "-3e2", "+4", ".5"], [1, 2.5, -300, 4, 0.5], None),
        (["5", "'--", "7"], [5, None, 7], 'read as missing: x "\'--" 1×'),
        (["5", "[Not Available]", "not reported"], [5, None, None], "[Not Available]' 1×, x 'not reported' 1×"),
        (["5", ".", "-", "?", "NA"], [5, None, None, None, None], "x '.' 1×, x '-' 1×, x '?' 1×, x 'NA' 1×"),
        (["TRUE", "FALSE", "NA"], [1, 0, None], "read as missing: x 'NA' 1×"),
        (["f", "m", "NA", "[Unknown]"], ["f", "m", None, None], "read as missing: x 'NA' 1×, x '[Unknown]' 1×"),
        (["yes", "no", None], [1, 0, None], None),
        (["T", "F"], [1, 0], "x holds 'T' 1×, 'F' 1× (read as yes or no; else declare categories:)"),
        (["yes", "no", "unknown"], ["yes", "no", "unknown"], "x has the word 'unknown' 1×, taken as a category"),
        (["TRUE", "FALSE", "unknown"], ["TRUE", "FALSE", "unknown"], "x has the word 'unknown' 1×"),
        (["yes", None, "yes"], ["yes", None, "yes"], None),  # ticked or not: of one word alone nobody knows
        (["None", "mild", "None"], ["None", "mild", "None"], "x has the word 'None' 2×, taken as a category"),
        (["a", "unknown"], ["a", "unknown"], "x has the word 'unknown' 1×, taken as a category"),
        (["3,5", "0,25", "1,234"], [3.5, 0.25, 1.234], "read with decimal commas"),
        (["1", "2", "a", "b"], ["1", "2", "a", "b"], None),  # half are numbers: not most
        (["007", "012"], ["007", "012"], None),
        ([True, False, None], [1, 0, None], None),
        ([1, 2.5, None], [1, 2.5, None], None),
        (["na", "NA"], [None, None], "read as missing"),
    ],
)
def test_what_a_column_is_taken_for(cells: list[object], expected: list[object], said: str | None) -> None:
    values, notes = read(cells)
    assert values == expected
    assert (said in notes[0]) if said else notes == []


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (["50", "> 89", "61", "> 89"], r"x: '> 89' 2×"),
        (["1", "<0.01", "<0.01", "<0.5"], r"'<0.01' 2×, '<0.5' 1×"),
        (["950", "870", "1,234"], r"'1,234' 1×.*decimal: \{x: ','\} or decimal: \{x: '.'\}"),
        (["1,234", "2,500"], r"'1,234' 1×, '2,500' 1×"),
        (["50", "60", "2020-01-01"], r"'2020-01-01' 1×"),
        (["1", "2", "3", "4a"], r"'4a' 1×.*or categories: \[x\]"),
        (["12%", "15%"], r"'12%' 1×"),
        (["3,5", "2.5"], r"'3,5' 1×"),
        (["001", "120", "130"], r"'001' 1×"),
    ],
)
def test_other_words_in_a_column_of_numbers_are_named(cells: list[object], words: str) -> None:
    with pytest.raises(InputError, match=rf"^m: 1 column of numbers holds other words \(.*{words}"):
        read(cells)


def test_what_is_declared() -> None:
    assert read(["50", "> 89", "NA"], missing={"x": ("> 89",)})[0] == [50, None, None]
    assert read(["50", "> 89", "NA"], missing={"*": ("> 89",)})[0] == [50, None, None]
    assert read([50.0, -9.0, 3.0], missing={"*": ("-9",)}) == ([50, None, 3], ["read as missing: x '-9' 1×"])
    assert read(["a", "None"], missing={"x": ("None",)})[0] == ["a", None]
    assert read(["a", "NA"], missing={"x": ("None",)})[0] == ["a", "NA"]  # what is said of a column of words is all
    assert read(["1", "NA", None, "4a"], categories=["x"])[0] == ["1", "NA", None, "4a"]
    assert read(["1", "2", "a", "b"], numeric=["x"], missing={"x": ("a", "b")})[0] == [1, 2, None, None]
    assert read(["007", "12"], numeric=["x"])[0] == [7, 12]


@pytest.mark.parametrize(
    ("cells", "sign", "expected"),
    [
        (["1,234", "950"], ".", [1234, 950]),
        (["1,234", "950"], ",", [1.234, 950]),
        (["1.234,5", "1.000.000", "3"], ",", [1234.5, 1e6, 3]),
        (["1,234.5", "2"], ".", [1234.5, 2]),
    ],
)
def test_the_decimal_sign_may_be_declared(cells: list[object], sign: str, expected: list[float]) -> None:
    frame = pd.DataFrame({"x": pd.Series(cells, dtype=object)})
    assert read_types(frame, ColumnRules(decimal={"x": sign}), "m").frame["x"].tolist() == expected


def test_points_in_a_file_with_decimal_commas_may_part_thousands() -> None:
    with pytest.raises(InputError, match=r"x: '1.234' 1×"):
        read(["1.234", "3,5", "7"], decimal=",")
    assert read(["1,234", "7"], decimal=",")[0] == [1.234, 7]


@pytest.mark.parametrize("key", ["missing", "numeric", "categories", "dates", "decimal"])
def test_a_rule_that_fits_no_column(key: str) -> None:
    said = {"missing": {"agee": ()}, "dates": {"agee": DateRule(since="2020-01-01")}, "decimal": {"agee": "."}}
    rules = ColumnRules(**{key: said.get(key, ["agee"])})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=rf"m: {key}: no column matches 'agee'. Did you mean 'age'"):
        read_types(pd.DataFrame({"age": [1.0]}), rules, "m")


def test_without_training_other_words_are_left_and_noted() -> None:
    frame = pd.DataFrame({"x": pd.Series(["50", "> 89", "61"], dtype=object), "when": ["2020-01-01"] * 3})
    found = read_types(frame, ColumnRules(), "m", strict=False)
    assert found.frame["x"].tolist() == ["50", "> 89", "61"]
    assert [str(note) for note in found.notes] == ["m: numbers with other words, left as text: x: '> 89' 1×"]


@pytest.mark.parametrize(
    "column",
    [
        ["2020-01-31", "2020-02-28"],
        ["31.1.2020", "28.2.2020"],
        [20200131.0, 20200228.0],
        pd.to_datetime(["2020-01-31", "2020-02-28"]),
        [datetime.date(2020, 1, 31), datetime.date(2020, 2, 28)],
    ],
)
def test_dates_are_refused_with_what_to_declare(column: object) -> None:
    with pytest.raises(InputError, match=r"column 'x' holds dates.*dates: \{x: \{since: OTHER_DATE, unit: days\}\}"):
        read_types(pd.DataFrame({"x": column}), ColumnRules(), "m")


def test_dates_become_a_time() -> None:
    frame = pd.DataFrame(
        {"born": ["1950-01-01", None, "not reported"], "seen": ["2000-01-01", "2000-01-01", "2001-01-01"]}, dtype=object
    )
    rules = ColumnRules(dates={"born": DateRule(before="seen", unit="years"), "seen": DateRule(since="1999-12-31")})
    found = read_types(frame, rules, "m").frame
    assert found["born"].round(3).tolist()[0] == 49.999  # 18,262 days of 365.25
    assert found["born"].isna().tolist() == [False, True, True]
    assert found["seen"].tolist() == [1, 1, 367]


def test_dates_that_may_be_read_in_two_ways_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"dates in 'x' may be read in two ways.*format: '%d/%m/%Y' or format: '%m/%d/%Y'"
    ):
        dates_of(pd.Series(["01/02/2020", "03/04/2020"], name="x"), None, "m")
    assert dates_of(pd.Series(["01/02/2020"], name="x"), "%m/%d/%Y", "m").dt.month.tolist() == [1]
    with pytest.raises(InputError, match=r"'x' holds something else than dates.*got 'soon'"):
        dates_of(pd.Series(["2020-01-01", "soon"], name="x"), None, "m")


@pytest.mark.parametrize(
    "months",
    [
        ["2020-01", "2020-03"],
        ["2020/01", "2020/03"],
        ["01/2020", "3/2020"],
        ["01-2020", "03-2020"],
        ["01.2020", "03.2020"],
        ["Jan 2020", "Mar 2020"],
        ["jan-2020", "mar-2020"],
        ["January 2020", "March 2020"],
        ["2020 Jan", "2020 Mar"],
    ],
)
def test_months_are_their_15th_day_where_it_is_declared_what_they_become(months: list[str]) -> None:
    frame = pd.DataFrame({"x": months}, dtype=object)
    with pytest.raises(InputError, match=r"column 'x' holds dates.*dates: \{x: .*a month is its 15th day"):
        read_types(frame, ColumnRules(), "m")
    rules = ColumnRules(dates={"x": DateRule(since="2020-01-01")})
    found = read_types(frame, rules, "m")
    assert found.frame["x"].tolist() == [14, 31 + 29 + 14]
    assert [str(note) for note in found.notes] == ["m: months read as their 15th day: x"]
    assert read(list(months), categories=["x"])[0] == months


def test_months_among_days_are_refused_and_a_format_is_read_as_python_does() -> None:
    with pytest.raises(InputError, match=r"something else than dates.*got '2020-01'. Complete months to days"):
        dates_of(pd.Series(["2020-01", "2020-01-20"], name="x"), None, "m")
    assert dates_of(pd.Series(["2020-01"], name="x"), "%Y-%m", "m").dt.day.tolist() == [1]


@pytest.mark.parametrize(
    "cells", [["2020-Q1", "2020-Q2"], ["Q1 2020", "Q2 2020"], ["2020-W05", "2020-W51"], ["1-Mar", "Mar-20"]]
)
def test_quarters_and_weeks_are_no_categories_unless_they_are_declared(cells: list[object]) -> None:
    with pytest.raises(
        InputError, match=r"column 'x' holds dates.*Write a day and a year in place of a quarter, a week"
    ):
        read(cells)
    with pytest.raises(InputError, match="Write a day and a year in place of a quarter"):
        dates_of(pd.Series(cells, name="x"), None, "m")
    assert read(cells, categories=["x"])[0] == cells


def test_numbers_that_are_months_are_dates_and_others_are_not() -> None:
    months = [float(f"2020{month:02d}") for month in range(1, 11)]
    with pytest.raises(InputError, match="column 'x' holds dates"):
        read_types(pd.DataFrame({"x": months}), ColumnRules(), "m")
    assert read_types(pd.DataFrame({"x": months}), ColumnRules(numeric=["x"]), "m").frame["x"].tolist() == months
    for others in ([*months, 201013.0], months[:5], [value + 0.5 for value in months], [202000.0, *months]):
        assert read_types(pd.DataFrame({"x": others}), ColumnRules(), "m").frame["x"].tolist() == others


def test_times_of_day_are_no_categories_unless_they_are_declared() -> None:
    with pytest.raises(InputError, match=r"column 'x' holds times of day, or ratios.*categories: \[x\]"):
        read(["00:24", "13:05:10", "7:00 pm", "NA"])
    assert read(["00:24", "13:05"], categories=["x"])[0] == ["00:24", "13:05"]


def test_durations_are_no_dates() -> None:
    frame = pd.DataFrame({"x": pd.to_timedelta([1, 2], unit="D")})
    with pytest.raises(InputError, match=r"column 'x' holds durations: expected numbers\. Write them as numbers"):
        read_types(frame, ColumnRules(), "m")
    assert len(read_types(frame, ColumnRules(), "m", strict=False).faults) == 1


@pytest.mark.parametrize("cells", [["yes", "1"], ["TRUE", "0"], ["Y", "F"]])
def test_what_may_be_yes_or_no_is_told_where_it_is_not_sure(cells: list[object]) -> None:
    values, notes = read(cells)
    assert values == cells
    assert "of which it is not said what is yes and what no, each a category" in notes[-1]


@pytest.mark.parametrize("cell", ["5.5\u200b", "\ufeff5.5", "5.5\u2060"])
def test_signs_without_a_width_are_no_part_of_a_number(cell: str) -> None:
    assert read([cell, "6.5"])[0] == [5.5, 6.5]


def test_ranges_are_categories_and_that_is_told() -> None:
    values, notes = read(["40-49", "50-59", "40-49"])
    assert values == ["40-49", "50-59", "40-49"]
    assert notes == [
        "x has ranges or shares of numbers ('40-49', '50-59'), each taken as a category (if they are measured, write "
        "them as numbers)"
    ]


@pytest.mark.parametrize("cells", [["T1", "T2"], ["2A", "2B"], ["1a", "3b"], ["G1", "G2"], ["II", "IV"], ["A2", "B7"]])
def test_codes_with_letters_stay_categories(cells: list[object]) -> None:
    assert read(cells) == (cells, [])


def test_numbers_that_would_lose_digits_are_codes() -> None:
    assert read(["9007199254740993", "9007199254740995"])[0] == ["9007199254740993", "9007199254740995"]
    with pytest.raises(InputError, match="'9007199254740993' 1×"):
        read(["1", "2", "9007199254740993"])
    assert read(["1", "2", "9007199254740993"], numeric=["x"])[0][2] == 2.0**53


def table(**columns: object) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(list(cells), dtype=object) for name, cells in columns.items()})


def test_columns_that_tell_patients_apart() -> None:
    n = 30
    frame = table(
        surname=[f"name {i}" for i in range(n)],
        note=[f"seen on day {i % 20}" for i in range(n)],
        site=[f"site {i % 12}" for i in range(n)],
        sex=["f", "m"] * 15,
    ).assign(mrn=np.arange(1000, 1000 + n), age=np.arange(n))
    with pytest.raises(
        InputError, match=r"3 columns tell patients apart \(surname: 30 .*note: 20 .*mrn: 30 .*kind: text"
    ) as told:
        refuse_names(frame, ColumnRules(), "m")
    assert not any(name in str(told.value) for name in ("site", "age:"))
    assert "as numeric: [mrn] or categories: [surname, note, mrn]." in str(told.value)
    refuse_names(frame, ColumnRules(categories=["surname", "note"], numeric=["mrn"]), "m")
    refuse_names(frame[["surname"]].head(9), ColumnRules(), "m")  # of so few nothing can be said
    many = table(town=[f"town {i % 70}" for i in range(300)])
    with pytest.raises(InputError, match="town: 70 values in 300 patients"):
        refuse_names(many, ColumnRules(), "m")
    with pytest.raises(InputError, match=r"more categories than are any use \(town: 70\): expected at most 64"):
        refuse_names(many, ColumnRules(categories=["town"]), "m")


def test_cells_of_lists_are_refused() -> None:
    with pytest.raises(InputError, match="column 'x' holds cells of list"):
        read([[1, 2], [3]])


def test_numbers_beside_many_words_are_told() -> None:
    values, notes = read(["<LOD"] * 6 + ["1.5", "2.5", "3.5", "4.5", "5.5"])
    assert values[:2] == ["<LOD", "<LOD"]
    assert notes == [
        "x has 5 numbers beside words ('<LOD' 6×), all taken as categories (if they are measured, declare "
        "numeric: [x], and the words under missing:)"
    ]
    values, _ = read(["<LOD"] * 6 + ["1.5", "2.5", "3.5"], numeric=["x"], missing={"x": ("<LOD",)})
    assert values == [None] * 6 + [1.5, 2.5, 3.5]  # as the note says


def test_categories_that_differ_in_case_are_told() -> None:
    _, notes = read(["Yes", "no", "No", "other"])
    assert notes == ["x has 'No' and 'no', which differ in form alone, each a category (mend the file if they are one)"]


def test_numbers_that_are_declared_missing_are_so_among_words_too() -> None:
    assert read(["5", "-9.0", "> 89", "-9"], missing={"x": ("-9", "> 89")})[0] == [5, None, None, None]
    assert read(["5,5", "-9,0", "lost"], missing={"*": ("-9", "lost")})[0] == [5.5, None, None]


@pytest.mark.parametrize("cells", [[True, False, True], ["TRUE", "FALSE", "TRUE"], ["true", "False", "TRUE"]])
@pytest.mark.parametrize("word", ["FALSE", "False", "false"])
@pytest.mark.parametrize("column", ["x", "*"])
def test_a_truth_value_may_be_declared_missing_in_any_case(cells: list[object], word: str, column: str) -> None:
    frame = pd.DataFrame({"x": cells})
    found = read_types(frame, ColumnRules(missing={column: (word,)}), "m").frame["x"]
    assert found.isna().tolist() == [False, True, False]


def test_numbers_with_zeros_in_front_are_doubted_and_may_be_declared() -> None:
    table = pd.DataFrame({"months": ["0012", "0103", "0007", "0045", "0060", "0103"], "zip": ["01", "02"] * 3})
    found = read_types(table, ColumnRules(), "m")
    assert found.frame["months"].cat.categories.tolist() == ["0007", "0012", "0045", "0060", "0103"]
    (note,) = [str(note) for note in found.notes]
    assert (
        "months has numbers with zeros in front ('0012', '0103', '0007' and 2 more), each taken as a category" in note
    )
    assert note.endswith("(if they are measured, declare numeric: [months])")
    declared = read_types(table, ColumnRules(numeric=("months",)), "m")
    assert declared.frame["months"].tolist() == [12, 103, 7, 45, 60, 103]
    assert not declared.notes
