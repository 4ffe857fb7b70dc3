"""Dates that are rather none: named, noted, doubted; and what is declared missing is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mmlego.data.cohort.outcomes.dates import days_of
from mmlego.data.reading.column_rules import ColumnRules, Found
from mmlego.data.reading.columns import read_types
from mmlego.data.reading.date_doubts import LONGEST, strange_days
from mmlego.data.reading.dates import DateRule, elapsed
from mmlego.errors import InputError

BORN = ["1950-03-01", "1961-07-09", "1944-01-31", "1958-11-11", "1939-05-05"]
SEEN = ["2015-01-01", "2015-06-01", "2016-01-01", "2014-03-03", "2015-02-02"]


def read(born: list[object], seen: list[object], **missing: tuple[str, ...]) -> Found:
    frame = pd.DataFrame({"b": born, "d": seen}, index=[f"p{i}" for i in range(len(born))])
    rules = ColumnRules(missing=missing, dates={"b": DateRule(before="d", unit="years")})
    return read_types(frame, rules, "t", ["b"])


@pytest.mark.parametrize("bad", ["1950-02-30", "9999-12-31", "ND", "31.2.2015"])
@pytest.mark.parametrize("column", ["b", "d"])
def test_the_bad_cell_is_named_and_may_be_declared_missing(column: str, bad: str) -> None:
    cells = {"b": [*BORN], "d": [*SEEN]}
    cells[column][2] = bad
    message = (
        rf"column '{column}' holds something else than dates.*got '{bad}'\. .*missing: \{{{column}: \['{bad}'\]\}}"
    )
    with pytest.raises(InputError, match=message):
        read(cells["b"], cells["d"])
    found = read(cells["b"], cells["d"], **{column: (bad,)})
    assert found.frame["b"].isna().tolist() == [False, False, True, False, False]
    assert found.frame["b"].iloc[0] == pytest.approx(23682 / 365.25)
    assert [str(note) for note in found.notes] == [f"t: read as missing: {column} '{bad}' 1×"]


def test_what_is_declared_missing_is_so_among_timestamps() -> None:
    born = pd.to_datetime(BORN).tolist()
    assert read(born, pd.to_datetime(SEEN).tolist(), b=("1944-01-31",)).frame["b"].isna().sum() == 1


def test_words_for_missing_among_dates_are_noted() -> None:
    found = read(["unknown", *BORN[1:]], [*SEEN[:4], "NA"])
    assert [str(note) for note in found.notes] == ["t: read as missing: b 'unknown' 1×, d 'NA' 1×"]
    assert found.doubts == {}


@pytest.mark.parametrize(
    ("born", "seen", "doubt"),
    [
        (
            "1800-01-01",
            SEEN[0],
            r"holds dates that hardly are any \('1800-01-01' in 1 patient\).*\{b: \['1800-01-01'\]",
        ),
        (
            BORN[0],
            "1900-01-01",
            r"counts from 'd', which holds dates that hardly are any \('1900-01-01' in 1 patient\)",
        ),
        (BORN[0], "1930-01-01", r"is negative in 1 patient \(p0: -20\.16, b '1950-03-01', d '1930-01-01'\)"),
        ("1880-01-01", SEEN[0], r"is more than 120 years in 1 patient \(p0: 135, b '1880-01-01', d '2015-01-01'\)"),
    ],
)
def test_impossible_ages_are_doubted(born: str, seen: str, doubt: str) -> None:
    (text,) = read([born, *BORN[1:]], [seen, *SEEN[1:]]).doubts.values()
    assert pd.Series([text]).str.contains(doubt).all(), text


def test_dates_that_were_shifted_are_fine() -> None:
    shifted = [date.replace("20", "21", 1) for date in SEEN]
    assert read([f"20{date[2:]}" for date in BORN], shifted).doubts == {}


def test_half_of_all_dates_may_stand_for_none() -> None:
    days = np.array(["2017-03-01", "9999-12-31"] * 4, "M8[D]").astype(float)
    assert strange_days(days).tolist() == [False, True] * 4
    assert LONGEST == 120


@pytest.mark.parametrize(
    ("born", "seen"),
    [
        (["1950-03-01T08:00:00+01:00"] * 5, [f"{date}T08:00:00" for date in SEEN]),
        (pd.to_datetime(BORN).tz_localize("Europe/Berlin"), pd.to_datetime(SEEN)),
    ],
)
def test_zones_and_none_are_not_mixed(born: list[object], seen: list[object]) -> None:
    with pytest.raises(InputError, match=r"some times name a time zone and some do not \(with: b; without: d\)"):
        read(born, seen)


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("31JAN2020", "02MAR2020"),
        ("31jan2020:00:00:00", "02mar2020:00:00:00"),
        ("January 31, 2020", "March 2, 2020"),
        ("Jan 31, 2020", "Mar 2, 2020"),
        ("31 January 2020", "2 March 2020"),
        ("31-January-2020", "2-March-2020"),
    ],
)
def test_dates_as_other_programs_write_them_are_no_categories(first: str, last: str) -> None:
    frame = pd.DataFrame({"a": [first, last] * 8}, index=[f"p{i}" for i in range(16)])
    with pytest.raises(InputError, match=r"column 'a' holds dates.*dates: \{a: \{since: OTHER_DATE"):
        read_types(frame, ColumnRules(), "t", ["a"])
    rules = ColumnRules(dates={"a": DateRule(since="2020-01-01", unit="days")})
    assert read_types(frame, rules, "t", ["a"]).frame["a"].tolist() == [30.0, 61.0] * 8  # 2020 has a 29 February
    days = days_of(pd.DataFrame({"a": [first, last]}), ["a"], None)["a"]
    assert days.tolist() == [18262 + 30, 18262 + 61]  # 2020-01-01 is day 18262


@pytest.mark.parametrize(("first", "form"), [("31-JAN-20", "%d-%b-%y"), ("31Jan20", "%d%b%y")])
def test_named_months_beside_two_digits_of_a_year_are_no_categories(first: str, form: str) -> None:
    frame = pd.DataFrame({"a": [first, first.replace("31", "01")] * 8}, index=[f"p{i}" for i in range(16)])
    with pytest.raises(InputError, match=f"column 'a' holds dates.*format: '{form}'"):
        read_types(frame, ColumnRules(), "t", ["a"])
    rules = ColumnRules(dates={"a": DateRule(since="2020-01-01", unit="days", format=form)})
    assert read_types(frame, rules, "t", ["a"]).frame["a"].tolist() == [30.0, 0.0] * 8
    with pytest.raises(InputError, match=f"format: '{form}' in the outcome section"):
        days_of(frame, ["a"], None)


@pytest.mark.parametrize("words", [["1. Januar 2020", "3. Mai 2020"], ["1st March 2020", "March 2nd 2020"]])
def test_dates_that_are_not_read_are_still_no_categories(words: list[str]) -> None:
    frame = pd.DataFrame({"a": words * 8}, index=[f"p{i}" for i in range(16)])
    with pytest.raises(InputError, match="column 'a' holds dates"):
        read_types(frame, ColumnRules(), "t", ["a"])
    with pytest.raises(InputError, match="column 'a' holds something else than dates"):
        read_types(frame, ColumnRules(dates={"a": DateRule(since="2020-01-01")}), "t", ["a"])
    with pytest.raises(InputError, match=r"of 'a' name no column and no date '1\. Januar 2020'"):
        elapsed(pd.DataFrame({"a": ["2020-01-31"]}), "a", DateRule(since="1. Januar 2020"), "t")


def test_ranges_of_which_a_spreadsheet_made_dates_are_doubted() -> None:
    frame = pd.DataFrame({"g": ["10-14", "15-19", "5-Sep", "10-14"] * 4}, index=[f"p{i}" for i in range(16)])
    found = read_types(frame, ColumnRules(), "t", ["g"])
    assert any("g has dates among words ('5-Sep'), each taken as a category" in str(note) for note in found.notes)


def test_names_of_trials_with_a_year_are_categories() -> None:
    words = ["12 ALL 2010", "12 ALL 2012", "1 AML 2004", "3 cycles 2019"]
    frame = pd.DataFrame({"trial": words * 4}, index=[f"p{i}" for i in range(16)])
    found = read_types(frame, ColumnRules(), "t", ["trial"])
    assert found.frame["trial"].tolist() == words * 4
    assert not found.doubts
