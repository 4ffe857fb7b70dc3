"""Years of two digits are not guessed where nothing says how dates are written, and the remedy is one that works."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from mmlego.data import Cohort
from mmlego.data.cohort.outcomes.dates import days_of
from mmlego.data.reading.dates import DateRule, elapsed
from mmlego.errors import InputError

LABS = "id,TP\na,1\nb,2\n"


def read(folder: Path, section: dict[str, Any], **more: Any) -> Cohort:
    (folder / "labs.csv").write_text(LABS)
    (folder / "c.yaml").write_text(repr({"key": "id", "modalities": {"m": section}} | more))
    return Cohort.from_manifest(folder / "c.yaml")


def format_in(error: object) -> str:
    return re.search(r"format: '([^']*)'", str(error))[1]


def test_the_age_from_dates_of_a_table(tmp_path: Path) -> None:
    (tmp_path / "d.csv").write_text("id,visit,born\na,01.02.20,03.04.65\nb,05.06.21,07.08.70\n")
    outcome = {"task": "regression", "file": "labs.csv", "target": "TP"}
    section: dict[str, Any] = {"kind": "table", "file": "d.csv", "columns": "born"}
    with pytest.raises(InputError, match=r"column 'born' holds dates.*dates: \{born: \{since: OTHER_DATE, ") as caught:
        read(tmp_path, section, outcome=outcome)
    rule = {"before": "visit", "unit": "years"}
    with pytest.raises(InputError, match=r"format: .%d\.%m\.%y. in its entry of dates:") as again:
        read(tmp_path, section | {"dates": {"born": rule}}, outcome=outcome)
    assert format_in(caught.value) == format_in(again.value) == "%d.%m.%y"
    made = read(tmp_path, section | {"dates": {"born": rule | {"format": "%d.%m.%y"}}}, outcome=outcome)
    days = {"a": pd.Timestamp("2020-02-01") - pd.Timestamp("1965-04-03")}  # not 2065, as Python reads it
    days["b"] = pd.Timestamp("2021-06-05") - pd.Timestamp("1970-08-07")
    years = {patient: time.days / 365.25 for patient, time in days.items()}
    assert made.frames["m"]["born"].to_dict() == pytest.approx(years)


def test_who_is_born_after_a_visit_is_refused_not_given_a_negative_age() -> None:
    table = pd.DataFrame({"visit": ["01.02.20"], "born": ["03.04.25"]}, index=["a"])
    with pytest.raises(InputError, match=r"1 date in 'born' after 'visit', of years of two digits: .* four digits"):
        elapsed(table, "born", DateRule(before="visit", unit="years", format="%d.%m.%y"), "m")
    # Since a date a time may be negative, and dates with whole years may be anything.
    assert elapsed(table, "visit", DateRule(since="born", format="%d.%m.%y"), "m").tolist() == [-1888]


@pytest.mark.parametrize(
    ("start", "end", "days"),
    [("01.02.20", "03.04.21", 427), ("25/12/98", "24/12/99", 364), ("12/25/98", "12/24/99", 364)],
)
def test_an_outcome_between_two_dates(start: str, end: str, days: int, tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(f"id,start,end,e\na,{start},{end},1\nb,{start},{end},0\n")
    outcome = {"task": "survival", "file": "s.csv", "start": "start", "end": "end", "unit": "days"}
    outcome |= {"event": "e", "event_when": 1}
    section = {"kind": "omics", "file": "labs.csv"}
    with pytest.raises(
        InputError, match=r"Say how dates are written, as format: '.*' in the outcome section"
    ) as caught:
        read(tmp_path, section, outcome=outcome)
    made = read(tmp_path, section, outcome=outcome | {"format": format_in(caught.value)})
    assert made.outcome["time"].tolist() == [days, days]
    with pytest.raises(InputError, match=r"'end': 2 cells not written as format: says: expected dates as %Y"):
        read(tmp_path, section, outcome=outcome | {"format": "%Y"} | {"start": "end"})
    with pytest.raises(InputError, match="leave day_first: out"):
        read(tmp_path, section, outcome=outcome | {"format": "%d.%m.%y", "day_first": True})
    times = {"task": "survival", "file": "s.csv", "time": "e", "event": "e", "event_when": 1, "format": "%y"}
    with pytest.raises(InputError, match="time: is a column of numbers, and format of dates"):
        read(tmp_path, section, outcome=times)


def test_both_orders_are_proposed_where_both_fit() -> None:
    with pytest.raises(InputError, match=r"as format: '%d/%m/%y' or format: '%m/%d/%y' in the outcome section"):
        days_of(pd.DataFrame({"seen": ["03/04/20"]}), ["seen"], None)


def test_index_dates_and_times_of_series(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("id,time,variable,value\na,01.02.20 06:00,HR,1\nb,03.02.20 00:00,HR,3\n")
    (tmp_path / "i.csv").write_text("id,adm\na,2020-02-01\nb,2020-02-02\n")
    section: dict[str, Any] = {"kind": "series", "file": "l.csv", "layout": "long", "cache": False}
    index = {"file": "i.csv", "column": "adm"}
    with pytest.raises(InputError, match=r"Say how they are written, as format: '%d\.%m\.%y' in index:"):
        read(tmp_path, section | {"index": index})
    made = read(tmp_path, section | {"index": index | {"format": "%d.%m.%y %H:%M"}})  # the index may be as it is
    assert {patient: stay.time.tolist() for patient, stay in made.frames["m"].iloc[:, 0].items()} == {
        "a": [6.0], "b": [24.0]
    }  # fmt: skip
    (tmp_path / "i.csv").write_text("id,adm\na,01.02.20\nb,02.02.20\n")
    with pytest.raises(InputError, match=r"an index date cannot be read.*as format: '%d\.%m\.%y' in index:") as caught:
        read(tmp_path, section | {"index": index})
    (tmp_path / "l.csv").write_text("id,time,variable,value\na,01.02.20,HR,1\nb,03.02.20,HR,3\n")
    made = read(tmp_path, section | {"index": index | {"format": format_in(caught.value)}})
    assert [stay.time.tolist() for stay in made.frames["m"].iloc[:, 0]] == [[0.0], [24.0]]
