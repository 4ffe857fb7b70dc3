"""What the summary and Cohort.columns() say of the columns of tables, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.kinds.tabular.taken import columns_taken
from mmlego.data.reading.column_rules import ColumnRules
from mmlego.data.reading.columns import read_types

WAY = "write dates, and declare dates:, or leave it out of columns:"

MANIFEST = """
key: id
outcome: {task: classification, file: outcome.csv, label: y}
modalities:
  clinical:
    kind: table
    file: clinical.csv
    missing: {age: ["> 89"]}
    dates: {born: {before: 2020-01-01, unit: years}}
"""


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    rows = []
    for i in range(6):
        age, tox = (50 + i if i else "> 89"), ["None", "mild"][i % 2]
        rows.append(f"{i},P{i},{age},{'fm'[i % 2]},{i % 2 == 0},1950-01-0{1 + i},{tox}")
    (tmp_path / "clinical.csv").write_text(",id,age,sex,smoker,born,tox\n" + "\n".join(rows))
    (tmp_path / "outcome.csv").write_text("id,y\n" + "\n".join(f"P{i},{i % 2}" for i in range(6)))
    (tmp_path / "cohort.yaml").write_text(MANIFEST)
    return Cohort.from_manifest(tmp_path / "cohort.yaml")


def test_columns_say_what_each_was_taken_for(cohort: Cohort) -> None:
    assert cohort.columns().drop(columns="modality").to_numpy().tolist() == [
        ["age", "number", "51 to 55", 1, ""],
        ["sex", "categories", "f 3, m 3", 0, ""],
        ["smoker", "yes/no", "yes 3, no 3", 0, ""],
        ["born", "years before 2020-01-01", "69.9849 to 69.9986", 0, ""],
        ["tox", "categories", "None 3, mild 3", 0, "has the word 'None' 3×, taken as a category"],
        ["Unnamed: 0", "left out", "numbers the rows", 0, ""],
    ]


def test_the_summary_says_it_in_short(cohort: Cohort) -> None:
    lines = cohort.summary().splitlines()
    assert (
        "columns of clinical: 1 number, 2 of categories (sex 2, tox 2), 1 yes or no (smoker), "
        "born: years before 2020-01-01, left out: Unnamed: 0 (numbers the rows)"
    ) in lines
    assert "nothing dropped" in lines
    assert "note: clinical: read as missing: age '> 89' 1×" in lines


@pytest.mark.parametrize(
    ("name", "first", "told"),
    [
        ("diagnosis_date", 43000, "43000 is 2017-09-22 in days, as spreadsheets count"),
        ("Timestamp", 1577836800, "1577836800 is 2020-01-01 in seconds since 1970"),
        ("birthDate", 1577836800000, "1577836800000 is 2020-01-01 in milliseconds since 1970"),
        ("platelets", 43000, ""),
        ("days_to_date", 300, ""),
        ("updated", 43000, ""),
    ],
)
def test_numbers_that_are_dates_are_doubted(name: str, first: int, told: str) -> None:
    frame = pd.DataFrame({name: [first + 1.0, first, None]})
    (taken,) = columns_taken(frame, None, {})
    assert taken.doubt == (f"may hold dates as numbers ({told}): {WAY}" if told else "")


def test_measures_of_two_units_in_a_cell_are_doubted() -> None:
    feet, years = ["5'10\"", "6'1\"", "5 ft 9 in"], ["3y 2m", "4 years 11 months", "1y1m"]
    frame = pd.DataFrame({"height": feet * 4, "age": years * 4})
    found = read_types(frame, ColumnRules(), "t", ["height", "age"])
    assert [name for name in frame.columns if "ranges or shares" in found.doubts[name]] == ["height", "age"]
