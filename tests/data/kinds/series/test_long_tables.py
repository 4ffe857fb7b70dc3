from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mmlego.data.kinds.series.long_tables import LongColumns
from mmlego.errors import InputError

TABLE = pd.DataFrame(
    {
        "patient": ["b", "a", "b", "a", "b"],
        "time": [2.0, 0.5, 1.0, 0.25, 2.0],
        "variable": ["HR", "HR", "Temp", "Temp", "HR"],
        "value": [90.0, 70.0, 38.0, None, 91.0],
    }
)


def changed(column: str, row: int, value: object) -> pd.DataFrame:
    table = TABLE.astype({column: object})
    table.loc[row, column] = value
    return table


def test_rows_become_stays_in_order_of_time() -> None:
    stays = LongColumns().read(TABLE, "table")
    assert stays.patients == ("b", "a")
    assert stays.sizes == [3, 1]
    assert stays.names == ("HR", "Temp")
    assert stays.time.tolist() == [1.0, 2.0, 2.0, 0.5]
    assert stays.variable.tolist() == [1, 0, 0, 0]
    assert stays.value.tolist() == [38.0, 90.0, 91.0, 70.0]


@pytest.mark.parametrize(("unit", "hours"), [("seconds", 1 / 3600), ("minutes", 1 / 60), ("hours", 1), ("days", 24)])
def test_units(unit: str, hours: float) -> None:
    assert LongColumns(unit=unit).read(TABLE, "table").time.max() == pytest.approx(2 * hours)


def test_any_names_numbers_as_text_and_ids_as_numbers() -> None:
    table = pd.DataFrame({"pid": [7.0, 7.0], "t": ["1", "0.5"], "what": [220045, 220045], "x": ["80", "81.5"]})
    stays = LongColumns("pid", "t", "what", "x").read(table, "table")
    assert (stays.patients, stays.names) == (("7",), ("220045",))
    assert stays.value.tolist() == [81.5, 80.0]


def test_stays_of_one_patient() -> None:
    table = TABLE.assign(admission=[2, 1, 1, 1, 2])
    stays = LongColumns(stay="admission").read(table, "table")
    assert stays.patients == ("b", "a", "b")
    assert stays.sizes == [2, 1, 1]
    assert stays.one_each("first", "labs")[0].value.tolist() == [90.0, 91.0, 70.0]
    kept, notes = stays.one_each("last", "labs")
    assert kept.patients == ("a", "b")
    assert kept.value.tolist() == [70.0, 38.0]
    assert [str(note) for note in notes] == ["labs: 1 further stay of a patient, the last is kept (b)"]
    with pytest.raises(InputError, match=r"labs: 1 patient with several stays \(b\).*stays: first or stays: last"):
        stays.one_each("error", "labs")


def test_rows_without_a_patient_are_counted() -> None:
    stays = LongColumns().read(changed("patient", 0, None), "table")
    assert stays.skipped == (
        "table: 1 row without a patient or stay",
        "as read: table: 1 row without a value (Temp 1×)",
    )
    assert stays.sizes == [1, 2]


BAD = {
    "no time": (changed("time", 2, None), "of patient b, time is 'None|nan', no time in hours"),
    "a date": (
        changed("time", 2, "2024-01-01"),
        "of patient b, time is '2024-01-01', no time in hours since the start",
    ),
    "infinite time": (changed("time", 2, np.inf), "of patient b, time is 'inf', no time"),
    "word for a value": (changed("value", 2, "high"), "of patient b, value is 'high', not a number"),
    "infinite value": (changed("value", 2, np.inf), "of patient b, value is 'inf', not a number"),
    "no variable": (changed("variable", 2, None), "of patient b, variable is 'None|nan', no name"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_rows(name: str) -> None:
    table, message = BAD[name]
    with pytest.raises(InputError, match=rf"cannot read table: ({message}).*1 (row|value) that"):
        LongColumns().read(table, "table")
    stays = LongColumns().read(table, "table", "skip")
    assert stays.patients == ("a",)
    assert stays.value.tolist() == [70.0]
    assert stays.skipped[0].startswith("table: 1 stay with unreadable rows (b), the first: ")


def test_times_before_the_start_are_kept_in_order() -> None:
    stays = LongColumns(unit="minutes").read(changed("time", 2, -90.0), "table")
    assert stays.time[:3].tolist() == [-1.5, 2 / 60, 2 / 60]


def test_dates_are_no_hours() -> None:
    with pytest.raises(InputError, match="time is '2024-01-01 00:00:00', no time in hours since the start"):
        LongColumns().read(TABLE.assign(time=pd.Timestamp("2024-01-01")), "table")


def test_rows_without_a_value_need_not_be_readable() -> None:
    assert LongColumns().read(changed("time", 3, "late"), "table").sizes == [3, 1]


@pytest.mark.parametrize("column", ["patient", "time", "variable", "value"])
def test_missing_columns(column: str) -> None:
    table = TABLE.rename(columns={column: f"{column}s"})
    expected = rf"table has no column '{column}': expected columns patient, time, variable, value.*mean '{column}s'"
    with pytest.raises(InputError, match=expected):
        LongColumns().read(table, "table")


def test_a_table_without_rows() -> None:
    stays = LongColumns().read(TABLE[:0], "table")
    assert (len(stays), stays.names, len(stays.frame())) == (0, (), 0)
